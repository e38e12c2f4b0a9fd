#include "cuda/device.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>

#include "cuda/check.h"
#include "cuda/thread_pool.h"

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

Device parse_device(const std::string& text) {
  if (text == "auto" || text == "cpu") return {};

  // "cuda" or "cuda:N"
  bool readable = text == "cuda";
  if (text.starts_with("cuda:")) {
    int index = -1;
    const char *begin = text.data() + 5, *end = text.data() + text.size();
    const auto result = std::from_chars(begin, end, index);
    readable = result.ec == std::errc() && result.ptr == end && index >= 0;
  }
  if (!readable) {
    throw ConfigError(fmt::format(
        "--device {} is unknown; expected auto, cpu, cuda or cuda:N such as cuda:0.", text));
  }
  const std::string gpus = nvidia_gpus();
  throw DeviceError(
      fmt::format("--device {} was asked for, but this program was built without CUDA and {}. Use "
                  "--device cpu, or "
                  "--device auto to take what there is.",
                  text,
                  gpus.empty() ? "finds no GPU on this machine"
                               : "cannot use the GPU it finds (" + gpus + ")"));
}

std::string device_name(const Device& device) {
  return device.kind == Device::Kind::kCpu ? "cpu" : fmt::format("cuda:{}", device.index);
}

CpuInfo cpu_info() {
  CpuInfo info;
  info.model = value_in_file("/proc/cpuinfo", "model name");
  if (info.model.empty()) info.model = "unknown CPU";
  info.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  info.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  info.available_cores = available_cores();
  info.machine_cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  return info;
}

std::string cpu_description() {
  const CpuInfo info = cpu_info();
  const char* features = info.avx512 ? "AVX2 and AVX-512" : info.avx2 ? "AVX2" : "no AVX2";
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
