#include "host/tune/autombpo/autombpo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "host/algo/checks.h"
#include "host/algo/registry.h"
#include "host/run/open_device.h"
#include "host/run/run_dir.h"
#include "host/run/run_log.h"
#include "host/tune/autombpo/baseline.h"
#include "host/tune/autombpo/controller.h"
#include "host/tune/autombpo/folder.h"
#include "host/tune/autombpo/launcher.h"
#include "host/tune/autombpo/report.h"
#include "host/tune/autombpo/stages.h"

namespace mbrl {
namespace {

// fails early, not after hours of the baseline
void check_given_controller(const Config& config, Stream& stream) {
  if (config.controller.file.empty()) return;
  ControllerStack stack(stream, config, static_cast<std::uint32_t>(config.seed));
  stack.load(config.controller.file);
}

// false after a stop signal
bool train_and_compare(const Config& config, const AutoMbpoFolder& folder, Launcher& launcher) {
  check_given_controller(config, launcher.stream());
  const auto baseline = make_baseline(config, folder, launcher);
  if (!baseline) return false;
  if (config.autombpo.scheme == "ppo" &&
      !train_controllers(config, folder, launcher, baseline->returns))
    return false;
  if (!run_evaluation(config, folder, launcher)) return false;
  write_report(config, folder, *baseline, launcher.log());
  return true;
}

}  // namespace

ExitCode run_autombpo(const RunOptions& options) {
  const int num_threads = options.num_threads > 0 ? options.num_threads : available_cores();
  if (options.resume != "auto" && options.resume != "never")
    throw ConfigError(fmt::format(
        "--resume {}: an autombpo run goes on from what its run directory holds (auto) or starts "
        "over (never).",
        options.resume));
  ThreadPool pool(num_threads);
  OpenDevice device(options.device, options.config.device, pool);
  const std::string machine = fmt::format("{}, {} threads", device.description(), num_threads);
  const RunDir dir = open_run_dir(options, machine);
  RunLog log(dir.path() / "log.txt", /*append=*/true, /*to_console=*/true);
  const AutoMbpoFolder folder(dir.path());
  Launcher launcher(options, device, num_threads, log);
  if (train_and_compare(options.config, folder, launcher)) return ExitCode::kDone;
  log.info("stopped; the same command goes on from here.");
  return ExitCode::kStopped;
}

Algorithm algorithms::autombpo_algorithm() {
  return {
      .name = "autombpo",
      .text = "a controller that learns MBPO's hyperparameters over whole runs",
      .needs_model = true,
      // its runs are as long as autombpo's epochs
      .reads = {"model", "rollout", "sac", "loop", "-loop.num_env_steps", "controller", "autombpo",
                "population"},
      .run = run_autombpo,
      .check =
          [](const Config& config, const Require& require) {
            check_steered_mbpo(config, require);
            // the baseline's runs are default MBPO's
            if (config.autombpo.baseline.empty()) check_model_replay(config, require);
            require(config.eval.interval == config.loop.epoch_length,
                    fmt::format("eval.interval is {}, loop.epoch_length {}; a controller is paid "
                                "at the end of each epoch, so the two must be equal.",
                                config.eval.interval, config.loop.epoch_length));
            const std::string& n = config.population.concurrent;
            require(
                n == "auto" || (!n.empty() && n.size() <= 4 && n != "0" &&
                                std::all_of(n.begin(), n.end(),
                                            [](unsigned char d) { return std::isdigit(d) != 0; })),
                fmt::format("population.concurrent is \"{}\"; expected auto or a number of "
                            "learners from 1.",
                            n));
          },
      .memory = nullptr};
}

}  // namespace mbrl
