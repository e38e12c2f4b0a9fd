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
  void on_evaluation(const Learner& learner, double mean_return) override;
  /// Writes trajectory.json into the folder: the hyper-episode is complete.
  void on_finished() override;
  std::string table() const override { return "decisions.csv"; }
  void open(const std::filesystem::path& folder, std::int64_t resume_env_steps) override;
  void sync() override { table_->sync(); }
  nlohmann::json state() const override;
  void set_state(const nlohmann::json& state) override;

  const HyperTrajectory& trajectory() const { return trajectory_; }

 private:
  void decide(Learner& learner, Measurements& measured);
  bool is_applied(const std::string& head) const;
  bool may_change_length(const Learner& learner) const;

  Config config_;
  std::unique_ptr<Decider> decider_;
  std::vector<double> baseline_;
  int learning_group_;
  std::vector<TunedHyperparameter> tuned_;  // all that heads could decide on
  HyperValues values_;
  std::int64_t decided_at_ = -1;  // env step of the last decision
  std::uint64_t num_decisions_ = 0;
  std::size_t num_evaluations_ = 0;
  double last_return_ = 0.0;
  HyperTrajectory trajectory_;
  std::filesystem::path folder_;
  std::unique_ptr<CsvWriter> table_;
};

/// A trajectory as JSON, and back.
nlohmann::json trajectory_to_json(const HyperTrajectory& trajectory);
HyperTrajectory trajectory_from_json(const nlohmann::json& json);

}  // namespace mbrl
