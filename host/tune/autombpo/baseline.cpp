#include "host/tune/autombpo/baseline.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>

#include "base/error.h"
#include "host/algo/keys_read.h"
#include "host/config/load.h"
#include "host/config/print.h"
#include "host/io/curves.h"
#include "host/io/output_file.h"
#include "host/run/run_dir.h"
#include "host/tune/autombpo/configs.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

// runs default MBPO on the seeds that have no complete run; nothing after a stop
std::optional<std::vector<fs::path>> train_baseline(const Config& base, int num_seeds, int epochs,
                                                    Launcher& launcher) {
  std::vector<fs::path> folders;
  std::vector<TrainingMemberOptions> missing;
  std::string failure;  // of one of them
  for (int seed = 0; seed < num_seeds; ++seed) {
    Config c = base;
    c.seed = seed;
    folders.push_back(RunDir::folder_of(launcher.runs(), c));
    if (is_done(folders.back())) continue;
    missing.push_back(launcher.learner(fmt::format("seed {}", seed), folders.back(), c));
    // a curve that depends on which seeds happened to fail would be no baseline
    missing.back().on_failure = [&failure, seed](const std::string& error) {
      failure = fmt::format(
          "default MBPO failed on seed {}: {} The other seeds are kept; or give complete runs with "
          "autombpo.baseline.",
          seed, error);
    };
  }
  launcher.log().info(fmt::format("baseline: default MBPO, {} seeds of {} epochs, {} of them to do",
                                  num_seeds, epochs, missing.size()));
  if (!launcher.run(missing, base, "baseline")) return std::nullopt;
  if (!failure.empty()) throw DataError(failure);
  return folders;
}

// whether a given run is one of default MBPO; its length, name and seed may be others
void check_given_run(const fs::path& folder, const Config& base) {
  Config found = without_unread_keys(load_config(folder / "config.json"));
  found.loop.num_env_steps = base.loop.num_env_steps;
  found.name = base.name;
  found.seed = base.seed;
  found.checkpoint = base.checkpoint;
  found.device.graphs = base.device.graphs;
  if (config_hash(found) != config_hash(base))
    throw DataError(fmt::format(
        "autombpo.baseline: {} was made by another config: {}. Run default MBPO with this config's "
        "values, or leave autombpo.baseline empty to have it made.",
        folder.string(), fmt::join(config_difference(found, base), "; ")));
}

// the runs below the folder that autombpo.baseline names
std::vector<fs::path> given_baseline(const std::string& given, const Config& base) {
  if (!fs::is_directory(given))
    throw DataError(fmt::format(
        "autombpo.baseline: {} is not a folder; expected one that holds runs of default "
        "MBPO, or an empty value to have them made.",
        given));
  std::vector<fs::path> folders;
  for (const auto& entry : fs::recursive_directory_iterator(given)) {
    if (entry.path().filename() != "metrics.csv") continue;
    folders.push_back(entry.path().parent_path());
    check_given_run(folders.back(), base);
  }
  std::sort(folders.begin(), folders.end());
  if (folders.empty())
    throw DataError(fmt::format("autombpo.baseline: {} holds no run of default MBPO.", given));
  return folders;
}

std::vector<Curve> read_returns(const std::vector<fs::path>& folders) {
  std::vector<Curve> curves;
  for (const fs::path& folder : folders)
    curves.push_back(read_curve(folder / "metrics.csv", "eval_return_mean"));
  return curves;
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
  const auto runs = a.baseline.empty() ? train_baseline(base, a.num_seeds, epochs, launcher)
                                       : given_baseline(a.baseline, base);
  if (!runs) return std::nullopt;

  const Baseline baseline{*runs, mean_returns(read_returns(*runs))};
  if (baseline.returns.size() < static_cast<std::size_t>(a.train_epochs))
    throw DataError(fmt::format(
        "autombpo.baseline: its shortest run has {} evaluations; hyper-episodes of {} epochs need "
        "as many. Run default MBPO for longer, or lower autombpo.train_epochs.",
        baseline.returns.size(), a.train_epochs));
  write_table(folder.baseline_table(), baseline.returns, runs->size());
  return baseline;
}

}  // namespace mbrl
