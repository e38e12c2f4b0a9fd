// Which device a run uses, and what the machine has.
#pragma once

#include <string>

#include "cuda/stream.h"

namespace mbrl {

struct Device {
  enum class Kind { kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int index = 0;  // of the GPU; 0 on the CPU
  /// Why auto took the CPU although this program or this machine has something of a GPU; else "".
  std::string why_cpu = {};
};

/// Reads "auto", "cpu", "cuda" (the first GPU) or "cuda:N", and makes a GPU the one this process
/// works on; auto is the CPU where no GPU can be used, and says why where one might be expected.
///
/// Errors   ConfigError for any other text, DeviceError if the device cannot be used by this
///          program.
Device select_device(const std::string& text);

/// Why this program cannot use a GPU here: built without CUDA, no driver, ...; "" if it can.
std::string no_gpu_reason();

/// The operand format called `name`: fp32, tf32, fp16 or bf16.
///
/// Errors   ConfigError for another name, DeviceError if the device does not have it. A CPU has fp32,
///          and bf16 where cpu_isa() has a form of it.
Precision select_precision(const std::string& name, const Device& device);

/// "fp32", "tf32", "fp16" or "bf16".
const char* precision_name(Precision precision);

/// "cpu" or "cuda:0".
std::string device_name(const Device& device);

/// The processor as far as it decides speed.
struct CpuInfo {
  std::string model;    // "AMD EPYC 9655 96-Core Processor"
  bool avx2 = false;    // the program needs it
  bool avx512 = false;  // used where present
  bool avx512_bf16 = false;
  int available_cores = 1;  // to this process
  int machine_cores = 1;    // online in the machine
};
CpuInfo cpu_info();

/// The same on one line: "AMD EPYC 9655 96-Core Processor, AVX2 and AVX-512 with BF16, 2 of 96
/// cores".
std::string cpu_description();

/// "NVIDIA H200, compute capability 9.0, 132 SMs, 139.8 GiB, driver for CUDA 13.0, ...".
std::string gpu_description(int index);

/// Models of the NVIDIA GPUs the driver shows, separated by commas; "" without a driver or a GPU.
std::string nvidia_gpus();

}  // namespace mbrl
