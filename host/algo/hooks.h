// What an algorithm tells its surroundings and asks of them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "kernels/gpu/product.h"

namespace mbrl {

class PlanMeeting;
struct FitReport;

/// A finished training episode.
struct EpisodeReport {
  std::int64_t env_steps;  // at its end
  std::int64_t episode;    // number, from 0
  double episode_return;   // sum of rewards, undiscounted
  int length;
  bool terminated, truncated, broken;
};

/// Every hook may be left as it is; the defaults do nothing and never stop.
struct Hooks {
  std::function<bool()> stop_requested = [] { return false; };
  std::function<void(std::string_view stage)> on_stage = [](std::string_view) {};
  std::function<void(const EpisodeReport&)> on_episode = [](const EpisodeReport&) {};
  /// What a fit of the model has come to.
  std::function<void(const FitReport&)> on_fit = [](const FitReport&) {};
  /// How far a long stage has come, as "epoch 12, holdout error 0.034".
  std::function<void(std::string_view)> on_detail = [](std::string_view) {};
  /// For the log, which keeps more than a terminal shows.
  std::function<void(const std::string&)> log = [](const std::string&) {};
  std::function<void(const std::string&)> warn = [](const std::string&) {};
  GemmChoice gemm{};             // whose matrix products the stages use on a GPU
  PlanMeeting* plans = nullptr;  // where planners plan together; null: each by itself
};

}  // namespace mbrl
