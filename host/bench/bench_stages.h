// Rows of `mbrl_gpu bench` for the stages of training and for the environments.
#pragma once

#include <string>
#include <vector>

#include "cuda/stream.h"
#include "host/bench/report.h"
#include "host/config/config.h"

namespace mbrl {

/// What may be asked for: "products" (of matrices, on a GPU), "sac", "ensemble", "population",
/// "rollout", "plan", "ppo", "env" and "copy" (of a member of a population).
const std::vector<std::string>& bench_work();

/// SAC and the ensemble by every provider of matrix products, rollouts, PPO and the environments,
/// at the config's sizes on random data; about `seconds` for each row. `work`: which of them, all
/// where it is empty.
void bench_stages(Stream& stream, const Config& config, double seconds,
                  const std::vector<std::string>& work, BenchReport& report);

}  // namespace mbrl
