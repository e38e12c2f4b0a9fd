// A controller at work on one model-based run: measures the state, decides every
// controller.interval steps, sets the learner's hyperparameters, and keeps what the controller can
// learn from.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "host/config/config.h"
#include "host/io/csv.h"
#include "host/schedule/schedule.h"
#include "host/tune/autombpo/decider.h"
#include "host/tune/autombpo/hyper_episode.h"

namespace mbrl {

class Measurements;

class Steering : public Schedule {
 public:
  /// baseline: returns of default MBPO at the run's evaluations, the last one standing for all
  /// later; empty where nobody learns from the run. learning_group: whose decisions the trajectory
  /// holds.
  Steering(const Config& config, std::unique_ptr<Decider> decider,
           std::vector<double> baseline = {}, int learning_group = 0);

  /// Errors   ConfigError if the learner is none that a controller may steer.
  bool before_step(Learner& learner) override;
  bool needs_returns(const Learner& learner) const override { return is_due(learner); }
  void on_evaluation(const Learner& learner, double mean_return) override;
  /// Writes trajectory.json into the folder: the hyper-episode is complete.
  void on_finished() override;
  std::string table() const override { return "decisions.csv"; }
  void open(const std::filesystem::path& folder, std::int64_t resume_env_steps) override;
  void sync() override { table_->sync(); }
  nlohmann::json state() const override;
  void set_state(const nlohmann::json& state) override;

  const HyperTrajectory& trajectory() const { return episode_.trajectory(); }

 private:
  /// Whether the next step begins with a decision.
  bool is_due(const Learner& learner) const;
  void decide(Learner& learner, Measurements& measured);

  Config config_;
  std::unique_ptr<Decider> decider_;
  HyperEpisode episode_;
  std::int64_t decided_at_ = -1;  // env step of the last decision
  double last_return_ = 0.0;
  std::filesystem::path folder_;
  std::unique_ptr<CsvWriter> table_;
};

}  // namespace mbrl
