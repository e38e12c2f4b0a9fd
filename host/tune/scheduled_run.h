// A run whose hyperparameters follow a schedule: one from a file, or what a search has decided so far.
#pragma once

#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/io/csv.h"
#include "host/run/run.h"
#include "host/schedule/schedule.h"
#include "host/tune/schedule_file.h"

namespace mbrl {

/// Sets what a schedule says before each step, whatever a checkpoint has brought, and keeps the record
/// in schedule.csv: a row for each moment from which other values are in force, choices by their place.
/// Where it stands in env steps follows from the learner; trials that are evaluated it counts.
class ScheduleReplay : public Schedule {
 public:
  explicit ScheduleReplay(ScheduleFile schedule);

  bool before_step(Learner& learner) override;
  bool needs_returns(const Learner&) const override { return schedule_.unit == "trials"; }
  void on_evaluation(const Learner&, double) override { ++num_trials_; }
  std::string table() const override { return "schedule.csv"; }
  void open(const std::filesystem::path& folder, std::int64_t resume_env_steps) override;
  void sync() override { table_->sync(); }
  nlohmann::json state() const override { return {{"trials", num_trials_}}; }
  void set_state(const nlohmann::json& state) override;

 private:
  ScheduleFile schedule_;
  std::vector<std::string> keys_;  // all that it ever sets
  std::int64_t num_trials_ = 0;
  std::size_t next_ = 0;  // the first point that is still to come
  std::int64_t next_at_ = 0;
  std::vector<double> recorded_;  // the table's last row
  std::unique_ptr<CsvWriter> table_;
};

/// A schedule as a message for another rank, which makes the same of it.
nlohmann::json replay_message(const ScheduleFile& schedule);
bool is_replay(const nlohmann::json& message);
std::unique_ptr<Schedule> make_replay(const nlohmann::json& message);

/// Raises planner.max_population and its like, which memory is taken for, to the largest of all these
/// values where the config does not say how large they may become.
///
/// Errors   ConfigError that starts with `origin` if the config says so, and a value is larger.
void make_room(Config& config, const std::vector<KeyValues>& values, const std::string& origin);

/// Gives a run what its config names to change values while it goes on: a controller
/// (autombpo/steered_run.h) or a schedule. Leaves all other runs as they are.
///
/// Errors   those of read_schedule; ConfigError naming the file if the run does not read one of its
///          keys, cannot have one of its values beside the others of that moment, is longer than the
///          schedule, or counts in trials and has none.
void follow_files(RunOptions& options);

}  // namespace mbrl
