// Section "log": what a run tells viewers while it trains.
#pragma once

#include "base/keys.h"

namespace mbrl {

struct LogConfig {
  MBRL_KEY(int, interval,
           "distance between two records of losses, rates and schedules for TensorBoard, each over "
           "the steps since the last",
           Unit{"env steps"}, at_least(1)) = 250;
};

}  // namespace mbrl
