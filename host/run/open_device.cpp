#include "host/run/open_device.h"

namespace mbrl {

OpenDevice::OpenDevice(const std::string& text, const DeviceConfig& config, ThreadPool& pool)
    : device(select_device(text)),
      stream(pool, device.kind == Device::Kind::kCuda ? Stream::Kind::kGpu : Stream::Kind::kCpu) {
  stream.set_precision(select_precision(config.precision, device));
  stream.set_use_graphs(config.graphs);
}

std::string OpenDevice::description() const {
  return device_name(device) + ": " +
         (device.kind == Device::Kind::kCuda ? gpu_description(device.index) : cpu_description());
}

}  // namespace mbrl
