// mbrl_gpu bench envs: a row per environment.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "envs/env.h"
#include "host/bench/env_trials.h"
#include "host/cli/cli.h"

namespace mbrl {

void bench_envs(int num_threads, double seconds, bool json) {
  ThreadPool one(1), all(num_threads);
  if (!json)
    fmt::print("{:<26} {:<16} {:>12} {:>12} {:>7} {:>14} {:>8} {:>8}\n", "environment", "simulator",
               "steps/s", "simulator", "share", fmt::format("{} threads", num_threads), "scaling",
               "apart");
  for (const EnvSpec& spec : list_envs()) {
    EnvOptions options;
    options.name = spec.name;
    const EnvTimes t = time_env(options, one, all, seconds);
    const double rate = 1.0 / t.step, alone = t.simulator;
    if (json) {
      nlohmann::ordered_json j{
          {"operation", "env step"},  {"shape", spec.name},        {"device", "cpu"},
          {"threads", num_threads},   {"time_s", t.step},          {"rate", rate},
          {"unit", "env steps/s"},    {"rate_all_threads", t.all}, {"scaling", t.scaling},
          {"scaling_apart", t.apart}, {"provider", spec.simulator}};
      if (alone > 0.0) {
        j["floor_s"] = alone;
        j["share_of_floor"] = t.share;
      }
      fmt::print("{}\n", j.dump());
    } else {
      fmt::print("{:<26} {:<16} {:>12.0f} {:>12} {:>7} {:>14.0f} {:>8.2f} {:>8.2f}\n", spec.name,
                 spec.simulator, rate, alone > 0.0 ? fmt::format("{:.0f}", 1.0 / alone) : "",
                 alone > 0.0 ? fmt::format("{:.0f} %", 100.0 * t.share) : "", t.all, t.scaling,
                 t.apart);
    }
    std::fflush(stdout);
  }
}

}  // namespace mbrl
