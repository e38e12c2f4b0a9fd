// mbrl_gpu bench process: environments of another process, at several sizes of the batch.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "envs/env.h"
#include "host/bench/process_trial.h"
#include "host/cli/cli.h"

namespace mbrl {

void bench_process(const std::string& command, double seconds, bool json) {
  ThreadPool one(1);
  EnvOptions options;
  options.name = "process";
  options.command = command;
  if (!json) {
    fmt::print("{}\n", command);
    fmt::print("{:>6} {:>14} {:>14} {:>14} {:>7}\n", "batch", "env steps/s", "us of a batch",
               "us to cat", "share");
  }
  for (const int count : {1, 8, 64}) {
    const ProcessTimes t = time_process(options, count, one, seconds);
    if (json)
      fmt::print("{}\n", nlohmann::ordered_json{{"operation", "process env step"},
                                                {"shape", fmt::format("batch {}", count)},
                                                {"device", "cpu"},
                                                {"threads", 1},
                                                {"time_s", t.step},
                                                {"rate", count / t.step},
                                                {"unit", "env steps/s"},
                                                {"provider", command},
                                                {"floor_s", t.trip},
                                                {"share_of_floor", t.share}}
                             .dump());
    else
      fmt::print("{:>6} {:>14.0f} {:>14.1f} {:>14.1f} {:>6.0f} %\n", count, count / t.step,
                 1e6 * t.step, 1e6 * t.trip, 100.0 * t.share);
    std::fflush(stdout);
  }
}

}  // namespace mbrl
