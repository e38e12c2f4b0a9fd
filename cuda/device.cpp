#include "cuda/device.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cuda/cpu_isa.h"
#include "cuda/gpu_errors.h"

namespace mbrl {
namespace {

// the value of the first line "key : value" in a file such as /proc/cpuinfo, "" if there is none
std::string value_in_file(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (!line.starts_with(key) || colon == std::string::npos) continue;
    const auto start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

}  // namespace

Device select_device(const std::string& text) {
  if (text == "cpu") return {};

  // "auto", "cuda" or "cuda:N"
  int index = 0;
  bool readable = text == "auto" || text == "cuda";
  if (text.starts_with("cuda:")) {
    const char *begin = text.data() + 5, *end = text.data() + text.size();
    const auto result = std::from_chars(begin, end, index);
    readable = result.ec == std::errc() && result.ptr == end && index >= 0;
  }
  if (!readable) {
    throw ConfigError(fmt::format(
        "--device {} is unknown; expected auto, cpu, cuda or cuda:N such as cuda:0.", text));
  }

  const std::string reason = no_gpu_reason();
  if (text == "auto") {
    // a program without GPU code on a machine without a GPU owes no reason
    const bool expected = gpu::linked() || !nvidia_gpus().empty();
    if (!reason.empty()) return {Device::Kind::kCpu, 0, expected ? reason : ""};
    try {
      gpu::use_device(0);
    } catch (const DeviceError& error) {
      return {Device::Kind::kCpu, 0, error.what()};
    }
    return {Device::Kind::kCuda, 0};
  }
  if (!reason.empty())
    throw DeviceError(
        fmt::format("--device {} was asked for, but {}. Use --device cpu, or --device "
                    "auto to take what there is.",
                    text, reason));
  std::string why;
  const int count = gpu::device_count(why);
  if (index >= count)
    throw DeviceError(
        fmt::format("--device {} was asked for, but this machine has {} GPU{}: "
                    "cuda:0{}. `mbrl_gpu doctor` describes them.",
                    text, count, count == 1 ? "" : "s",
                    count == 1 ? "" : fmt::format(" to cuda:{}", count - 1)));
  gpu::use_device(index);
  return {Device::Kind::kCuda, index};
}

std::string no_gpu_reason() {
  if (!gpu::linked()) {
    const std::string gpus = nvidia_gpus();
    return fmt::format("this program was built without CUDA and {}",
                       gpus.empty() ? "finds no GPU on this machine"
                                    : "cannot use the GPU it finds (" + gpus + ")");
  }
  std::string why;
  return gpu::device_count(why) > 0 ? "" : why;
}

const char* precision_name(Precision precision) {
  switch (precision) {
    case Precision::kFp32:
      return "fp32";
    case Precision::kTf32:
      return "tf32";
    case Precision::kFp16:
      return "fp16";
    case Precision::kBf16:
      return "bf16";
  }
  return "";
}

Precision select_precision(const std::string& name, const Device& device) {
  struct Format {
    Precision precision;
    int capability;  // smallest that has the matrix instructions
  };
  constexpr Format kFormats[] = {{Precision::kFp32, 0},
                                 {Precision::kTf32, 80},
                                 {Precision::kFp16, 75},
                                 {Precision::kBf16, 80}};
  for (const Format& format : kFormats) {
    if (name != precision_name(format.precision)) continue;
    if (format.precision == Precision::kFp32) return format.precision;
    if (device.kind == Device::Kind::kCpu) {
      if (format.precision == Precision::kBf16 && cpu_isa().bf16 != CpuIsa::Bf16::kNone)
        return format.precision;
      throw DeviceError(fmt::format(
          "device.precision is {}, but this run is on the CPU, {}. Set device.precision=fp32, or use "
          "--device cuda:0 on a machine with a GPU.",
          name,
          format.precision != Precision::kBf16 ? "which computes in fp32 and bf16 only"
          : cpu_has_avx512_bf16()              ? "where MBRL_ISA leaves out AVX512-BF16"
                                  : "which has no AVX512-BF16; without, bf16 would be slower than "
                                    "fp32 (MBRL_ISA=bf16_portable computes in it all the same, to "
                                    "compare)"));
    }
    const gpu::GpuInfo info = gpu::info(device.index);
    if (info.compute_capability < format.capability)
      throw DeviceError(fmt::format(
          "device.precision is {}, which needs compute capability {}.{}; {} has {}.{}. Set "
          "device.precision={}.",
          name, format.capability / 10, format.capability % 10, info.name,
          info.compute_capability / 10, info.compute_capability % 10,
          info.compute_capability >= 75 ? "fp32 or fp16" : "fp32"));
    return format.precision;
  }
  throw ConfigError(
      fmt::format("device.precision is {}; expected fp32, tf32, fp16 or bf16.", name));
}

std::string gpu_description(int index) {
  const gpu::GpuInfo i = gpu::info(index);
  return fmt::format(
      "{}, compute capability {}.{}, {} SMs, {}, driver for CUDA {}.{}, built with CUDA {}.{}",
      i.name, i.compute_capability / 10, i.compute_capability % 10, i.num_sms,
      gpu::byte_text(i.total_bytes), i.driver_version / 1000, i.driver_version % 1000 / 10,
      i.runtime_version / 1000, i.runtime_version % 1000 / 10);
}

std::string device_name(const Device& device) {
  return device.kind == Device::Kind::kCpu ? "cpu" : fmt::format("cuda:{}", device.index);
}

CpuInfo cpu_info() {
  CpuInfo info;
  info.model = value_in_file("/proc/cpuinfo", "model name");
  if (info.model.empty()) info.model = "unknown CPU";
  // names leave open which generation it is
  const std::string family = value_in_file("/proc/cpuinfo", "cpu family"),
                    model = value_in_file("/proc/cpuinfo", "model\t");
  if (!family.empty() && !model.empty())
    info.model += fmt::format(" (family {} model {})", family, model);
  info.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  info.avx512 = cpu_has_avx512();
  info.avx512_bf16 = cpu_has_avx512_bf16();
  info.available_cores = available_cores();
  info.machine_cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  return info;
}

std::string cpu_description() {
  const CpuInfo info = cpu_info();
  const char* features = info.avx512_bf16 ? "AVX2 and AVX-512 with BF16"
                         : info.avx512    ? "AVX2 and AVX-512"
                         : info.avx2      ? "AVX2"
                                          : "no AVX2";
  return fmt::format("{}, {}, {} of {} cores", info.model, features, info.available_cores,
                     info.machine_cores);
}

std::string nvidia_gpus() {
  std::string models;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    const std::string model = value_in_file((entry.path() / "information").string(), "Model");
    if (!model.empty()) models += (models.empty() ? "" : ", ") + model;
  }
  return models;
}

}  // namespace mbrl
