#include "host/tune/autombpo/steered_run.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "host/algo/registry.h"
#include "host/run/open_device.h"
#include "host/tune/autombpo/configs.h"
#include "host/tune/autombpo/controller.h"
#include "host/tune/autombpo/steering.h"

namespace mbrl {

void follow_controller(RunOptions& options) {
  const Algorithm& algorithm = find_algorithm(options.config.algorithm);
  // an algorithm that trains controllers begins with the file instead of following it
  if (algorithm.make == nullptr || !reads_section(algorithm, "controller") ||
      options.config.controller.file.empty())
    return;
  options.config = steered_config(options.config);
  options.make_schedule = controller_schedule;
}

std::unique_ptr<Schedule> controller_schedule(const Config& config, OpenDevice& device) {
  const auto seed = static_cast<std::uint32_t>(config.seed);
  auto controller = std::make_shared<ControllerStack>(device.stream, config, seed);
  controller->load(config.controller.file);
  return std::make_unique<Steering>(
      config, std::make_unique<ControllerDecider>(device.stream, std::move(controller),
                                                  RandomKey{seed, purpose::kHyperAction, 0}));
}

}  // namespace mbrl
