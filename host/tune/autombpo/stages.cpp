#include "host/tune/autombpo/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/error.h"
#include "host/io/curves.h"
#include "host/io/json_file.h"
#include "host/io/run_state.h"
#include "host/tune/autombpo/configs.h"
#include "host/tune/autombpo/controller.h"
#include "host/tune/autombpo/stage_table.h"
#include "host/tune/autombpo/steering_order.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

class Stages {
 public:
  Stages(const Config& config, const AutoMbpoFolder& folder, Launcher& launcher,
         const std::vector<double>& baseline)
      : config_(config),
        folder_(folder),
        launcher_(launcher),
        baseline_(baseline),
        groups_(controller_groups(config.controller)),
        stages_(read_stages(folder)) {}

  int num_groups() const { return static_cast<int>(groups_.size()); }
  bool train_group(int group);

 private:
  void make_first_controller(int group);
  bool run_episodes(int group, int stage);
  Config config_of_episodes(int group, int stage) const;
  StageRecord summarize(int group, int stage, std::vector<HyperTrajectory>& episodes) const;
  void learn(int group, int stage);
  void log_stage(const StageRecord& record, bool best);

  std::uint32_t seed() const { return static_cast<std::uint32_t>(config_.seed); }
  int num_stages() const {
    const AutoMbpoConfig& a = config_.autombpo;
    return (a.num_episodes + a.episodes_per_stage - 1) / a.episodes_per_stage;
  }
  // folders' numbers of a stage's hyper-episodes, counted over all groups
  std::vector<int> episodes_of(int group, int stage) const {
    const AutoMbpoConfig& a = config_.autombpo;
    const int first = stage * a.episodes_per_stage;
    std::vector<int> numbers;
    for (int i = first; i < std::min(first + a.episodes_per_stage, a.num_episodes); ++i)
      numbers.push_back(group * a.num_episodes + i);
    return numbers;
  }
  bool is_complete(int group, int stage) const {
    return std::any_of(stages_.begin(), stages_.end(),
                       [&](const StageRecord& r) { return r.group == group && r.stage == stage; });
  }
  bool is_best(const StageRecord& record) const {
    return std::none_of(stages_.begin(), stages_.end(), [&](const StageRecord& r) {
      return r.group == record.group && r.mean_return >= record.mean_return;
    });
  }

  const Config& config_;
  const AutoMbpoFolder& folder_;
  Launcher& launcher_;
  const std::vector<double>& baseline_;
  std::vector<std::vector<std::string>> groups_;
  std::vector<StageRecord> stages_;  // complete ones
};

bool Stages::train_group(int group) {
  make_first_controller(group);
  const auto warn = [this](const std::string& text) { launcher_.log().warn(text); };
  for (int stage = 0; stage < num_stages(); ++stage) {
    // a kill or a disk that failed may have kept a member from it
    for (const int number : episodes_of(group, stage))
      if (folder_.is_complete_episode(number)) drop_checkpoints(folder_.episode(number), warn);
    if (is_complete(group, stage)) continue;
    if (!run_episodes(group, stage)) return false;
    learn(group, stage);
  }
  return true;
}

void Stages::make_first_controller(int group) {
  std::error_code unknown;
  if (fs::exists(folder_.controller(group, 0), unknown)) return;
  ControllerStack stack(launcher_.stream(), config_, seed());
  // the groups before this one are done: they stay as they were best
  if (group > 0) stack.load(folder_.best_controller());
  // a controller to go on from, perhaps another task's
  if (group == 0 && !config_.controller.file.empty()) stack.load(config_.controller.file);
  stack.save(folder_.controller(group, 0));
}

Config Stages::config_of_episodes(int group, int stage) const {
  Config config = episode_config(config_, folder_.controller(group, stage).stem().string(),
                                 config_.autombpo.train_epochs);
  const std::vector<std::string> apply = heads_in_turn(config_.controller, group);
  if (!apply.empty()) config.controller.apply = apply;
  return config;
}

// Runs the hyper-episodes of a stage that are neither complete nor failed.
bool Stages::run_episodes(int group, int stage) {
  const std::vector<float>& list = config_.controller.epsilon;
  const float epsilon = list[std::min(static_cast<std::size_t>(stage), list.size() - 1)];
  const Config config = config_of_episodes(group, stage);
  std::vector<TrainingMemberOptions> learners;
  for (const int number : episodes_of(group, stage)) {
    const fs::path folder = folder_.episode(number);
    if (run_status(folder) == RunStatus::kDiverged || folder_.is_complete_episode(number)) continue;
    const auto index = static_cast<std::uint32_t>(number + 1);  // learner 0 is the baseline's
    TrainingMemberOptions learner =
        launcher_.learner(fmt::format("episode {}", number), folder, config,
                          SteeringOrder{.controller = folder_.controller(group, stage),
                                        .group = group,
                                        .exploring_group = group,
                                        .epsilon = epsilon,
                                        .index = index,
                                        .baseline = baseline_});
    learner.learner_index = index;
    // all that counts of a hyper-episode is in its tables, at a small part of the size
    learner.keep_checkpoints = false;
    learners.push_back(std::move(learner));
  }
  return launcher_.run(learners, config, fmt::format("stage {}", stage));
}

// What a stage's hyper-episodes did; their trajectories go into `episodes`.
StageRecord Stages::summarize(int group, int stage, std::vector<HyperTrajectory>& episodes) const {
  StageRecord record{.group = group, .stage = stage};
  double num_evaluations = 0.0, num_decisions = 0.0;
  // a group sees the values of those before it
  std::vector<std::string> visible;
  for (int g = 0; g <= group; ++g)
    for (const std::string& head : groups_[static_cast<std::size_t>(g)]) visible.push_back(head);
  for (const int number : episodes_of(group, stage)) {
    const fs::path folder = folder_.episode(number);
    if (run_status(folder) == RunStatus::kDiverged) {
      ++record.num_failed;
      continue;
    }
    const fs::path trajectory = folder / "trajectory.json", summary = folder / "summary.json";
    episodes.push_back(using_file(trajectory, [&] {
      return trajectory_from_json(read_json(trajectory), groups_[static_cast<std::size_t>(group)],
                                  hyper_state_size(visible, config_));
    }));
    record.learner_seconds += using_file(summary, [&] {
      return json_number<double>(read_json(summary).at("wall_time_s"), "wall_time_s");
    });
    const Curve returns = read_curve(folder / "metrics.csv", "eval_return_mean");
    for (std::size_t e = 0; e < returns.y.size(); ++e) {
      record.mean_return += returns.y[e];
      record.baseline_return += baseline_[std::min(e, baseline_.size() - 1)];
      ++num_evaluations;
    }
    record.final_return += returns.y.back();
    record.real_ratio += read_curve(folder / "decisions.csv", "real_ratio").y.back();
    record.updates_per_step += read_curve(folder / "decisions.csv", "updates_per_step").y.back();
    record.rollout_length += read_curve(folder / "decisions.csv", "rollout_length").y.back();
    for (const double fit : read_curve(folder / "decisions.csv", "fit_model").y) {
      record.share_of_fits += fit;
      ++num_decisions;
    }
  }
  record.num_episodes = static_cast<int>(episodes.size());
  if (episodes.empty())
    throw DataError(fmt::format(
        "all {} hyper-episodes of stage {} failed; the log says why. Delete their folders in {} to "
        "try them again.",
        record.num_failed, stage, folder_.episodes().string()));
  record.mean_return /= num_evaluations;
  record.baseline_return /= num_evaluations;
  for (double* value :
       {&record.final_return, &record.real_ratio, &record.updates_per_step, &record.rollout_length})
    *value /= static_cast<double>(episodes.size());
  record.share_of_fits /= num_decisions;
  return record;
}

// Updates the controller on a stage's hyper-episodes and writes what it became.
void Stages::learn(int group, int stage) {
  std::vector<HyperTrajectory> episodes;
  StageRecord record = summarize(group, stage, episodes);
  ControllerStack stack(launcher_.stream(), config_, seed());
  stack.load(folder_.controller(group, stage));
  // save the controller that produced these returns, not its successor
  const bool best = is_best(record);
  if (best) stack.save(folder_.best_controller());
  record.losses = stack.learn(launcher_.stream(), group, episodes, seed(), stage);
  stack.save(folder_.controller(group, stage + 1));
  stages_.push_back(record);
  write_stages(folder_, stages_);
  log_stage(record, best);
}

void Stages::log_stage(const StageRecord& r, bool best) {
  launcher_.log().info(fmt::format(
      "stage {}: {} hyper-episodes{}, return {:.1f} over the curve (default MBPO {:.1f}), {:.1f} "
      "at its end{}; at the end real ratio {:.3f}, {:.1f} updates, rollouts of {:.1f}; entropy "
      "{:.3f}, {} of learners",
      r.stage, r.num_episodes, r.num_failed > 0 ? fmt::format(" and {} failed", r.num_failed) : "",
      r.mean_return, r.baseline_return, r.final_return, best ? ", the best" : "", r.real_ratio,
      r.updates_per_step, r.rollout_length, r.losses.entropy, duration_text(r.learner_seconds)));
}

}  // namespace

bool train_controllers(const Config& config, const AutoMbpoFolder& folder, Launcher& launcher,
                       const std::vector<double>& baseline) {
  Stages stages(config, folder, launcher, baseline);
  for (int group = 0; group < stages.num_groups(); ++group)
    if (!stages.train_group(group)) return false;
  return true;
}

}  // namespace mbrl
