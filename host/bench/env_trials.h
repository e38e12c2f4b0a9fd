// How fast environments step, beside their simulators alone, and how many threads help.
#pragma once

#include "base/thread_pool.h"
#include "envs/env.h"
#include "host/bench/measure.h"

namespace mbrl {

/// Medians over alternating slices; a ratio is one of neighbouring slices.
struct EnvTimes {
  double step, simulator, share;  // seconds, seconds, simulator / step
  double one, all, scaling;       // env steps/s of the pool on one thread and on all; all / one
  double apart;                   // scaling of threads that do not wait for one another
};

/// An environment under random actions, for about `seconds`. `one` has one thread.
///
/// All of it is measured in short alternating slices: what else the machine does hits all alike,
/// and the median over slices leaves out the worst of it. One core is timed by the time that the
/// thread had on it; threads together by the clock on the wall.
EnvTimes time_env(const EnvOptions& options, ThreadPool& one, ThreadPool& all, double seconds);

/// Time of one step of `count` environments in a pool under random actions.
Timing time_pool(const EnvOptions& options, int count, ThreadPool& threads, double seconds);

}  // namespace mbrl
