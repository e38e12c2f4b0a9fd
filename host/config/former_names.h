// The names under which earlier versions kept the runs of shipped configs.
#pragma once

#include <string>

namespace mbrl {

/// What version 0.1 called a shipped config that is now called by its file's name: "hopper-mbpo" for
/// "hopper", and so for the baseline of an AutoMBPO config; "" for all others.
std::string former_name(const std::string& name);

/// The other way around: "hopper" for "hopper-mbpo"; the name itself for all others.
std::string present_name(const std::string& name);

}  // namespace mbrl
