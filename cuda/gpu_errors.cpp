#include "cuda/gpu_errors.h"

#include <fmt/format.h>

namespace mbrl::gpu {

std::string byte_text(std::size_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double size = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (size < 1024.0) break;
    size /= 1024.0;
    unit = next;
  }
  return fmt::format("{:.1f} {}", size, unit);
}

DeviceError out_of_memory(const std::string& name, std::size_t bytes, std::size_t free_bytes,
                          std::size_t total_bytes, int device) {
  return DeviceError(fmt::format(
      "{} of device memory for {} could not be had on cuda:{}: {} of {} are free. Lower "
      "rollout.batch_size, rollout.retain_epochs or loop.replay_capacity, stop other programs on "
      "this GPU (nvidia-smi lists them), or use --device cpu.",
      byte_text(bytes), name, device, byte_text(free_bytes), byte_text(total_bytes)));
}

DeviceError call_failed(const std::string& expression, const std::string& error,
                        const std::string& running, const std::string& file, int line) {
  return DeviceError(fmt::format(
      "{} failed: {}{} ({}:{}). Complete checkpoints stay so: the same command goes on from the "
      "last. If it happens again, CUDA_LAUNCH_BLOCKING=1 with device.graphs=false names the "
      "kernel.",
      expression, error, running.empty() ? "" : " after " + running, file, line));
}

DeviceError unsupported_architecture(const std::string& gpu, int capability,
                                     const std::string& built_for) {
  return DeviceError(fmt::format(
      "{} has compute capability {}.{}; this program was built for {}. Configure with "
      "-DCMAKE_CUDA_ARCHITECTURES={} (a toolkit that supports it), or use --device cpu.",
      gpu, capability / 10, capability % 10, built_for, capability));
}

std::string driver_too_old(int driver_version, int runtime_version) {
  return fmt::format(
      "the NVIDIA driver supports CUDA {}.{}, this program was built with CUDA {}.{}: update the "
      "driver, or build with an older toolkit",
      driver_version / 1000, driver_version % 1000 / 10, runtime_version / 1000,
      runtime_version % 1000 / 10);
}

DeviceError too_little_shared_memory(const std::string& kernel, std::size_t bytes,
                                     std::size_t available) {
  return DeviceError(fmt::format(
      "kernel {} needs {} of shared memory per block, this GPU has {}. Lower sac.hidden_sizes or "
      "model.hidden_size, or use --device cpu.",
      kernel, byte_text(bytes), byte_text(available)));
}

}  // namespace mbrl::gpu
