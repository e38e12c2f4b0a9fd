// What may change a learner's hyperparameters between its steps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace mbrl {

class Learner;

/// Sees the learner before every step and after every evaluation. Part of the run's checkpoint.
class Schedule {
 public:
  virtual ~Schedule() = default;

  /// Sets the values that hold from this step on. False: a stop was asked for in a long stage; the
  /// call is repeated when the run goes on.
  virtual bool before_step(Learner& learner) = 0;
  /// Whether the next before_step() has to know the evaluations so far. One that goes on beside the
  /// training is waited for then, and before a checkpoint takes the state.
  virtual bool needs_returns(const Learner&) const { return true; }
  virtual void on_evaluation(const Learner& learner, double mean_return) = 0;
  /// After the last evaluation of a run that reached its end.
  virtual void on_finished() {}

  /// Name of the table that it keeps beside the run's; empty: none.
  virtual std::string table() const { return ""; }
  /// Where it may keep that table, after set_state(); rows that the state at
  /// resume_env_steps does not know are dropped, -1: all.
  virtual void open(const std::filesystem::path& folder, std::int64_t resume_env_steps) = 0;
  /// Waits until the disk has the table.
  virtual void sync() = 0;
  virtual nlohmann::json state() const = 0;
  virtual void set_state(const nlohmann::json& state) = 0;
};

}  // namespace mbrl
