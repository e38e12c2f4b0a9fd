// mbrl_gpu doctor: what this machine and this build offer, and how to get what is missing.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <filesystem>
#include <memory>

#include "base/cpu_quota.h"
#include "base/error.h"
#include "base/free_memory.h"
#include "cuda/cpu_isa.h"
#include "cuda/device.h"
#include "envs/bullet/bullet_env.h"
#include "envs/mujoco/mujoco_version.h"
#include "host/cli/cli.h"
#include "host/config/version.h"
#include "host/tune/ranks.h"
#include "kernels/cpu/simd.h"
#include "kernels/gpu/product.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

void print_line(const char* topic, const std::string& found) {
  fmt::print("{:<9} {}\n", topic, found);
}
void print_advice(const std::string& advice) { fmt::print("{:<9}   -> {}\n", "", advice); }

std::string isa_name(dnnl::cpu_isa isa) {
  switch (isa) {
    case dnnl::cpu_isa::sse41:
      return "SSE4.1";
    case dnnl::cpu_isa::avx:
      return "AVX";
    case dnnl::cpu_isa::avx2:
      return "AVX2";
    case dnnl::cpu_isa::avx2_vnni:
      return "AVX2 VNNI";
    case dnnl::cpu_isa::avx512_core:
      return "AVX-512";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "AVX-512 VNNI";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX-512 BF16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "AVX-512 AMX";
    default:
      return fmt::format("set number {}", static_cast<int>(isa));
  }
}

void print_cpu() {
  const CpuInfo cpu = cpu_info();
  print_line("CPU", cpu_description());
  print_line("kernels",
             fmt::format("for {}{}", simd().name,
                         std::getenv("MBRL_ISA") != nullptr ? ", as MBRL_ISA asks" : ""));
  print_line("bf16",
             cpu_isa().bf16 == CpuIsa::Bf16::kAvx512     ? "device.precision=bf16 by AVX512-BF16"
             : cpu_isa().bf16 == CpuIsa::Bf16::kPortable ? "without AVX512-BF16, as MBRL_ISA asks: "
                                                           "slower than fp32, to compare"
             : cpu.avx512_bf16                           ? "none, as MBRL_ISA asks"
                                                         : "none: this CPU has no AVX512-BF16");
  if (!cpu.avx2) print_advice("this program needs AVX2 and FMA: Intel Haswell, AMD Zen or newer.");
  if (!cpu.avx512) print_advice("AVX-512 doubles the speed of training where a CPU has it.");
  if (cpu.available_cores < cpu.machine_cores) {
    print_advice(
        "the rest is kept from this process by its affinity mask or its quota of processor time "
        "(taskset, container, batch job).");
  }
  if (const auto quota = cpu_quota())
    print_line("quota", fmt::format("{:g} cores' time, of a container or batch job", *quota));
}

void print_gpu() {
  const std::string reason = no_gpu_reason();
  if (!reason.empty()) {
    print_line("GPU", "none: " + reason);
    print_advice("this program runs on the CPU here (--device cpu or auto).");
    if (!gpu::linked() && !nvidia_gpus().empty())
      print_advice("to use it: install the CUDA toolkit and build again with -DMBRL_CUDA=on.");
    return;
  }
  std::string why;
  for (int i = 0; i < gpu::device_count(why); ++i) {
    print_line("GPU", fmt::format("cuda:{}: {}", i, gpu_description(i)));
    try {
      gpu::use_device(i);
    } catch (const DeviceError& error) {
      print_advice(error.what());
    }
  }
  // what device.gemm can name besides our own kernels
  const auto library = [](const char* name, GemmProvider provider, std::string (*version)()) {
    const std::string missing = gpu::provider_missing(provider);
    print_line(name, missing.empty() ? version() : "none: " + missing);
  };
  library("cuBLASLt", GemmProvider::kCublasLt, gpu::cublaslt::version);
  library("cuDNN", GemmProvider::kCudnn, gpu::cudnn::version);
}

void print_libraries() {
  print_line("MuJoCo", mujoco_name().substr(sizeof("MuJoCo")));
  if (const std::string fault = mujoco_fault(); !fault.empty()) print_advice(fault);
  print_line("Bullet", bullet_version());
  const dnnl_version_t* dnnl = dnnl_version();
  print_line("oneDNN", fmt::format("{}.{}.{}, uses {}", dnnl->major, dnnl->minor, dnnl->patch,
                                   isa_name(dnnl::get_effective_cpu_isa())));
}

void print_ranks() {
  const std::string library = Ranks::library();
  print_line("MPI", library.empty() ? "none: mpirun spreads nothing" : library);
  if (library.empty())
    print_advice("to use it: install libopenmpi-dev and build again with -DMBRL_MPI=on.");
}

void print_memory() {
  constexpr double kGib = 1 << 30;
  const double available = static_cast<double>(free_memory()) / kGib;
  print_line("memory", fmt::format("{:.1f} of {:.1f} GiB available", available,
                                   static_cast<double>(memory_line("MemTotal")) / kGib));
  if (available < 2.0) {
    print_advice(
        "MBPO on Hopper needs about 2 GiB: lower rollout.batch_size or close other programs.");
  }
}

void print_disk(const std::string& runs) {
  // the folder may be made by the first run: ask its nearest parent that exists
  std::error_code error;
  fs::path folder = fs::absolute(runs, error);
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  const fs::space_info space = fs::space(folder, error);
  if (error) {
    print_line("disk", fmt::format("{} cannot be asked: {}", folder.string(), error.message()));
    return;
  }
  const double free = static_cast<double>(space.available) / (1 << 30);
  print_line("disk", fmt::format("{:.1f} GiB free for {}", free, runs));
  if (free < 2.0) {
    print_advice(
        "a checkpoint takes up to 1 GiB: give --runs a folder on another disk, or lower "
        "checkpoint.keep.");
  }
}

}  // namespace

void add_doctor(CLI::App& program) {
  CLI::App* doctor =
      program.add_subcommand("doctor", "Show what this machine and this build offer");
  const auto runs = std::make_shared<std::string>("runs");
  doctor->add_option("--runs", *runs, "folder of the runs")->capture_default_str();
  doctor->callback([runs] {
    print_line("mbrl_gpu", fmt::format("{}, commit {}", program_version(), git_commit()));
    print_line("compiler", compiler());
    print_cpu();
    print_gpu();
    print_libraries();
    print_ranks();
    print_memory();
    print_disk(*runs);
  });
}

}  // namespace mbrl
