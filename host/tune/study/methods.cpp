#include "host/tune/study/methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/printable.h"
#include "host/algo/resolve_config.h"
#include "host/config/name_list.h"
#include "host/tune/scheduled_run.h"
#include "host/tune/study/hyperband.h"

namespace mbrl {
namespace {

// brackets of Hyperband that a budget pays for
int num_brackets(const Config& config, double budget) {
  constexpr int kMost = 1'000'000;
  const TuneConfig& tune = config.tune;
  const std::int64_t most = config.loop.num_env_steps;
  const std::int64_t least =
      tune.min_steps > 0 ? tune.min_steps : std::max<std::int64_t>(1, most / 9);
  double spent = 0.0;
  for (int j = 0; j < kMost; ++j) {
    std::int64_t before = 0;
    for (const Rung& rung : hyperband_bracket(least, most, tune.eta, j)) {
      spent += static_cast<double>(tune.seeds) * rung.num_trials *
               static_cast<double>(rung.steps - before);
      if (tune.rungs == "continued") before = rung.steps;
    }
    if (spent > budget) return j;
  }
  return kMost;
}

}  // namespace

std::vector<Config> config_of_each_method(const Config& config, const std::string& origin) {
  const std::vector<std::string> methods = names_of(config.tune.method);
  if (methods.size() == 1) return {config};
  const double each = static_cast<double>(config.tune.seeds) * config.loop.num_env_steps;
  const double budget = config.tune.budget > 0.0 ? config.tune.budget : config.tune.trials * each;
  std::vector<Config> configs;
  for (const std::string& method : methods) {
    Config one = config;
    one.tune.method = method;
    one.tune.budget = budget;
    const double count = method == "hyperband" ? num_brackets(one, budget)
                                               : std::min(1e9, std::floor(budget / each));
    if (count < 1.0)
      throw ConfigError(fmt::format(
          "{}: tune.budget is {:.0f} env steps, and {} of {} takes more. Raise it, or lower "
          "loop.num_env_steps{}.",
          origin, budget, method == "hyperband" ? "a bracket" : "a trial", method,
          config.tune.seeds > 1 ? " or tune.seeds" : ""));
    (method == "hyperband" ? one.tune.iterations : one.tune.trials) = static_cast<int>(count);
    configs.push_back(std::move(one));
  }
  return configs;
}

std::vector<OrdinaryRun> test_runs(const StudyOptions& study, std::size_t trial,
                                   const TrialValues& values,
                                   const std::filesystem::path& schedule) {
  const SearchSpace& space = study.config.tune.space;
  Config base = study.config;
  base.tune = {};
  base.pbt = {};
  base.schedule = schedule;
  std::vector<OrdinaryRun> runs;
  for (int i = 0; i < study.config.tune.test_seeds; ++i) {
    OrdinaryRun run{
        .options = {.config = schedule.empty() ? with_values(base, space, values) : base,
                    .device = study.device,
                    .runs = study.folder / "test" / fmt::format("trial-{:04}", trial),
                    .command = {"mbrl_gpu", "run", study.name}},
        .label = fmt::format("{} trial {} seed={}", study.config.tune.method, trial,
                             kFirstTestSeed + i)};
    run.options.config.seed = kFirstTestSeed + i;
    std::vector<std::string>& command = run.options.command;
    for (const std::string& word : words_of_a_run(study.overrides)) command.push_back(word);
    if (schedule.empty())
      for (const std::string& word : override_words(space, values)) command.push_back(word);
    else
      command.push_back("schedule=" + schedule.string());
    command.push_back(fmt::format("seed={}", kFirstTestSeed + i));
    command.push_back("--runs=" + run.options.runs.string());
    check_run(run.options.config, run.label);
    follow_files(run.options);
    runs.push_back(std::move(run));
  }
  return runs;
}

}  // namespace mbrl
