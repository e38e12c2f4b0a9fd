#include "host/run/open_device.h"

namespace mbrl {

OpenDevice::OpenDevice(const std::string& text, const DeviceConfig& config, ThreadPool& pool,
                       int num_learners)
    : device(select_device(text)),
      stream(pool, device.kind == Device::Kind::kCuda ? Stream::Kind::kGpu : Stream::Kind::kCpu),
      plans_together_(config.plans == "together" ||
                      (config.plans == "auto" && stream.on_gpu() && num_learners > 1)) {
  stream.set_precision(select_precision(config.precision, device));
  stream.set_use_graphs(config.graphs);
  stream.set_waits_asleep(should_wait_asleep(num_learners, available_cores()));
}

void OpenDevice::meet(PlanMeeting& meeting) {
  if (plans_together_) plans = &meeting;
}

std::string OpenDevice::description() const {
  if (device.kind == Device::Kind::kCuda)
    return device_name(device) + ": " + gpu_description(device.index);
  return device_name(device) + ": " + cpu_description() +
         (device.why_cpu.empty() ? "" : " (auto takes the CPU: " + device.why_cpu + ")");
}

}  // namespace mbrl
