#include "host/tune/autombpo/report.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/config/print.h"
#include "host/io/checkpoint.h"
#include "host/io/curves.h"
#include "host/io/json_file.h"
#include "host/io/run_state.h"
#include "host/stats/summary.h"
#include "host/stats/welch.h"
#include "host/tune/autombpo/configs.h"
#include "host/tune/autombpo/steering_order.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// far from the seeds of the baseline
constexpr int kFirstEvaluationSeed = 1000;

/// One number for each run: its mean return.
struct Arms {
  StepRange range;  // the steps that all runs have
  std::vector<double> autombpo, mbpo;
};

// as `mbrl_gpu compare` does it: the area under each curve over the steps that all have
Arms read_arms(const std::vector<fs::path>& autombpo, const std::vector<fs::path>& mbpo) {
  std::vector<Curve> curves;
  for (const auto& folders : {autombpo, mbpo})
    for (const fs::path& folder : folders)
      curves.push_back(read_curve(folder / "metrics.csv", "eval_return_mean"));
  Arms arms{.range = common_range(curves), .autombpo = {}, .mbpo = {}};
  for (std::size_t i = 0; i < curves.size(); ++i)
    (i < autombpo.size() ? arms.autombpo : arms.mbpo).push_back(mean_over(curves[i], arms.range));
  return arms;
}

// Adds Welch's test to `result` where there are runs enough. Returns what it says in words.
std::string compare(const Arms& arms, Json& result) {
  if (arms.autombpo.size() < 2 || arms.mbpo.size() < 2) return "";
  try {
    const WelchResult welch = welch_test("AutoMBPO", arms.autombpo, "MBPO", arms.mbpo);
    result["welch"] = {{"difference", welch.difference},
                       {"low", welch.interval.low},
                       {"high", welch.interval.high},
                       {"t", welch.t},
                       {"df", welch.df},
                       {"p", welch.p}};
    return fmt::format("; difference {:.1f}, 95 % interval [{:.1f}, {:.1f}], Welch's p = {:.2g}",
                       welch.difference, welch.interval.low, welch.interval.high, welch.p);
  } catch (const DataError& error) {
    return fmt::format("; no test: {}", error.what());
  }
}

// wall time of all hyper-episodes, in all and by stage
Json time_of_episodes(const AutoMbpoFolder& folder) {
  double seconds = 0.0;
  std::map<std::string, double> stage_seconds;
  for (const fs::path& episode : folder.all_episodes()) {
    const fs::path file = episode / "summary.json";
    std::error_code unknown;
    if (!fs::exists(file, unknown)) continue;
    using_file(file, [&] {
      const Json summary = read_json<Json>(file);
      seconds += summary.value("wall_time_s", 0.0);
      const Json stages = summary.value("stage_seconds", Json::object());
      for (const auto& [stage, time] : stages.items()) stage_seconds[stage] += time.get<double>();
    });
  }
  return {{"learner_seconds", seconds}, {"stage_seconds", stage_seconds}};
}

}  // namespace

bool run_evaluation(const Config& config, const AutoMbpoFolder& folder, Launcher& launcher) {
  const Config steered = episode_config(config, "best", config.autombpo.eval_epochs);
  std::vector<TrainingMemberOptions> learners;
  for (int i = 0; i < config.autombpo.num_seeds; ++i) {
    Config c = steered;
    c.seed = kFirstEvaluationSeed + i;
    const fs::path run = folder.evaluation(c.seed);
    const RunStatus status = run_status(run);
    if (status == RunStatus::kDone || status == RunStatus::kDiverged) {
      tidy_checkpoints(run / "checkpoints", config.checkpoint.keep,
                       [&](const std::string& text) { launcher.log().warn(text); });
      continue;
    }
    SteeringOrder order;
    if (config.autombpo.scheme != "ror") order.controller = folder.best_controller();
    learners.push_back(launcher.learner(fmt::format("seed {}", c.seed), run, c, order));
  }
  return launcher.run(learners, steered, "evaluation");
}

void write_report(const Config& config, const AutoMbpoFolder& folder, const Baseline& baseline,
                  RunLog& log) {
  const Arms arms = read_arms(folder.complete_evaluations(), baseline.runs);
  if (arms.autombpo.empty())
    throw DataError(
        fmt::format("all runs of the evaluation failed; {} says why.", folder.log().string()));
  Json result{{"returns", "mean over the curve of a run"},
              {"from_env_steps", arms.range.low},
              {"to_env_steps", arms.range.high},
              {"autombpo", arms.autombpo},
              {"mbpo", arms.mbpo},
              {"autombpo_mean", mean_of(arms.autombpo)},
              {"mbpo_mean", mean_of(arms.mbpo)}};
  const std::string difference = compare(arms, result);
  result["hyper_episodes"] = time_of_episodes(folder);
  result["config_hash"] = config_hash(config);
  result["seed"] = config.seed;
  log.info(fmt::format("AutoMBPO {:.1f} over {} seeds, default MBPO {:.1f} over {}{}",
                       mean_of(arms.autombpo), arms.autombpo.size(), mean_of(arms.mbpo),
                       arms.mbpo.size(), difference));
  log.sync();
  write_run_state(folder.path(), RunStatus::kDone, result);
}

}  // namespace mbrl
