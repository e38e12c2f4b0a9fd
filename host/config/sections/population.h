// Section "population": learners that run at the same time.
#pragma once

#include <string>

#include "base/keys.h"

namespace mbrl {

struct PopulationConfig {
  MBRL_KEY(std::string, concurrent, "learners at the same time: auto, or a number") = "auto";
};

}  // namespace mbrl
