// Rows of `mbrl_gpu bench` for the stages of training and for the environments.
#pragma once

#include "cuda/stream.h"
#include "host/bench/report.h"
#include "host/config/config.h"

namespace mbrl {

/// SAC and the ensemble by every provider of matrix products, rollouts, PPO and the environments,
/// at the config's sizes on random data; about `seconds` for each row.
void bench_stages(Stream& stream, const Config& config, double seconds, BenchReport& report);

}  // namespace mbrl
