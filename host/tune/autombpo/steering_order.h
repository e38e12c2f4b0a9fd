// What steers one learner of an AutoMBPO run, wherever it is trained: said here, made where it runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "host/config/config.h"
#include "host/run/open_device.h"
#include "host/schedule/schedule.h"

namespace mbrl {

struct SteeringOrder {
  std::filesystem::path controller = {};  // its file; of no use to autombpo.scheme=ror
  int group = 0;                          // whose decisions the trajectory holds
  int exploring_group = -1;               // takes a uniform choice with chance epsilon; -1: none
  float epsilon = 0.0f;
  std::uint32_t index = 0;            // of its random draws
  std::vector<double> baseline = {};  // as Steering's
};

/// `config`: the learner's own. Errors   those of ControllerStack::load.
std::unique_ptr<Schedule> make_steering(const SteeringOrder& order, const Config& config,
                                        OpenDevice& device);

/// The order as a message, with all that the controller's file holds, and what it asks for.
///
/// Errors   ReadError.
nlohmann::json steering_message(const SteeringOrder& order);
std::unique_ptr<Schedule> make_steering(const nlohmann::json& message, const Config& config,
                                        OpenDevice& device);

}  // namespace mbrl
