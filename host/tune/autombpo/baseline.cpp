#include "host/tune/autombpo/baseline.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "base/error.h"
#include "host/algo/keys_read.h"
#include "host/config/load.h"
#include "host/config/print.h"
#include "host/io/checkpoint.h"
#include "host/io/curves.h"
#include "host/io/folders.h"
#include "host/io/output_file.h"
#include "host/io/run_state.h"
#include "host/run/run_dir.h"
#include "host/run/signals.h"
#include "host/tune/autombpo/configs.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

// false after a stop signal
bool wait_a_second() {
  for (int i = 0; i < 10 && !stop_requested(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  return !stop_requested();
}

// where default MBPO's runs of a config lie, by seed
std::vector<fs::path> folders_of(Config base, const fs::path& runs_root, int num_seeds) {
  std::vector<fs::path> folders;
  for (base.seed = 0; base.seed < num_seeds; ++base.seed)
    folders.push_back(RunDir::folder_of(runs_root, base));
  return folders;
}

// Runs default MBPO on the seeds that have no complete run; false after a stop. Several controllers
// may share a baseline that is being made: each takes the seeds that no other is at, and waits for
// those.
bool train_baseline(const Config& base, int num_seeds, int epochs, Launcher& launcher) {
  const std::vector<fs::path> folders = folders_of(base, launcher.runs(), num_seeds);
  std::vector<Config> configs(folders.size(), base);
  for (int seed = 0; seed < num_seeds; ++seed) configs[static_cast<std::size_t>(seed)].seed = seed;
  bool told_of_work = false, told_of_others = false;
  for (;;) {
    std::vector<TrainingMemberOptions> missing;
    std::string failure, others;
    for (int seed = 0; seed < num_seeds; ++seed) {
      const fs::path& folder = folders[static_cast<std::size_t>(seed)];
      if (is_done(folder)) {
        if (!told_of_work && !RunDir::is_busy(folder))
          tidy_checkpoints(folder / "checkpoints", base.checkpoint.keep,
                           [&](const std::string& text) { launcher.log().warn(text); });
        continue;
      }
      if (RunDir::is_busy(folder)) {
        others += fmt::format("{}{}", others.empty() ? "" : ", ", seed);
        continue;
      }
      missing.push_back(launcher.learner(fmt::format("seed {}", seed), folder,
                                         configs[static_cast<std::size_t>(seed)]));
      // another process was faster: the next round sees that
      missing.back().on_busy = [](const std::string&) {};
      // a curve that depends on which seeds happened to fail would be no baseline
      missing.back().on_failure = [&failure, seed](const std::string& error) {
        failure = fmt::format(
            "default MBPO failed on seed {}: {} The other seeds are kept; or give complete runs "
            "with autombpo.baseline.",
            seed, error);
      };
    }
    if (!std::exchange(told_of_work, true))
      launcher.log().info(
          fmt::format("baseline: default MBPO, {} seeds of {} epochs, {} of them to do", num_seeds,
                      epochs, missing.size()));
    if (missing.empty() && others.empty()) return true;
    if (!missing.empty()) {
      if (!launcher.run(missing, base, "baseline")) return false;
      if (!failure.empty()) throw DataError(failure);
      continue;
    }
    if (!std::exchange(told_of_others, true))
      launcher.log().info(fmt::format(
          "baseline: another process trains seeds {}; waiting for it. Where it ends too early, they "
          "are trained here.",
          others));
    if (!wait_a_second()) return false;
  }
}

// whether a given run is one of default MBPO; its length, name and seed may be others
void check_given_run(const fs::path& folder, const Config& base) {
  Config found = without_unread_keys(load_config(folder / "config.json"));
  found.loop.num_env_steps = base.loop.num_env_steps;
  found.name = base.name;
  found.seed = base.seed;
  found.checkpoint = base.checkpoint;
  found.device.graphs = base.device.graphs;
  found.device.plans = base.device.plans;
  if (config_hash(found) != config_hash(base))
    throw DataError(fmt::format(
        "autombpo.baseline: {} was made by another config: {}. Run default MBPO with this config's "
        "values, or leave autombpo.baseline empty to have it made.",
        folder.string(), fmt::join(config_difference(found, base), "; ")));
}

// the runs below the folder that autombpo.baseline names
std::vector<fs::path> given_baseline(const std::string& given, const Config& base) {
  std::error_code unknown;
  if (!fs::is_directory(given, unknown))
    throw DataError(fmt::format(
        "autombpo.baseline: {} is not a folder; expected one that holds runs of default "
        "MBPO, or an empty value to have them made.",
        given));
  std::vector<fs::path> folders;
  // a curve that depends on which runs happened to be found would be no baseline
  const auto stop = [&](const std::string& text) {
    throw DataError(fmt::format("autombpo.baseline: {}; the baseline needs all its runs.", text));
  };
  for (const fs::path& folder : folders_below(given, stop)) {
    if (!fs::exists(folder / "metrics.csv", unknown)) continue;
    check_given_run(folder, base);
    folders.push_back(folder);
  }
  // the order of a sum decides its last bits
  std::sort(folders.begin(), folders.end());
  if (folders.empty())
    throw DataError(fmt::format("autombpo.baseline: {} holds no run of default MBPO.", given));
  return folders;
}

// mean over the curves at each evaluation that all of them have
std::vector<double> mean_returns(const std::vector<Curve>& curves) {
  std::size_t length = curves.front().y.size();
  for (const Curve& curve : curves) length = std::min(length, curve.y.size());
  std::vector<double> means;
  for (std::size_t i = 0; i < length; ++i) {
    double sum = 0.0;
    for (const Curve& curve : curves) sum += curve.y[i];
    means.push_back(sum / static_cast<double>(curves.size()));
  }
  return means;
}

void write_table(const fs::path& file, const std::vector<double>& returns, std::size_t num_seeds) {
  std::string table = "evaluation,return_mean,num_seeds\n";
  for (std::size_t i = 0; i < returns.size(); ++i)
    table += fmt::format("{},{},{}\n", i, returns[i], num_seeds);
  write_file_atomically(file, table);
}

}  // namespace

std::optional<Baseline> make_baseline(const Config& config, const AutoMbpoFolder& folder,
                                      Launcher& launcher) {
  const AutoMbpoConfig& a = config.autombpo;
  const int epochs = std::max(a.train_epochs, a.eval_epochs);
  const Config base = baseline_config(config, epochs);
  if (a.baseline.empty() && !train_baseline(base, a.num_seeds, epochs, launcher))
    return std::nullopt;

  const Baseline baseline = find_baseline(config, launcher.runs());
  if (baseline.returns.size() < static_cast<std::size_t>(a.train_epochs))
    throw DataError(fmt::format(
        "autombpo.baseline: its shortest run has {} evaluations; hyper-episodes of {} epochs need "
        "as many. Run default MBPO for longer, or lower autombpo.train_epochs.",
        baseline.returns.size(), a.train_epochs));
  write_table(folder.baseline_table(), baseline.returns, baseline.runs.size());
  return baseline;
}

Baseline find_baseline(const Config& config, const fs::path& runs_root) {
  const AutoMbpoConfig& a = config.autombpo;
  const Config base = baseline_config(config, std::max(a.train_epochs, a.eval_epochs));
  Baseline baseline{.runs = a.baseline.empty() ? folders_of(base, runs_root, a.num_seeds)
                                               : given_baseline(a.baseline, base),
                    .curves = {},
                    .returns = {}};
  for (const fs::path& run : baseline.runs)
    baseline.curves.push_back(read_curve(run / "metrics.csv", "eval_return_mean"));
  baseline.returns = mean_returns(baseline.curves);
  return baseline;
}

}  // namespace mbrl
