// A member of a population that trains one learner into a folder of its own.
#pragma once

#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/config/config.h"
#include "host/schedule/schedule.h"
#include "host/tune/population.h"

namespace mbrl {

struct TrainingMemberOptions {
  std::string label;
  std::filesystem::path folder;
  Config config;
  std::vector<std::string> command = {};  // argv, kept in command.txt
  std::uint32_t learner_index = 0;        // of the random draws: members of one seed differ in it
  /// What steers the learner; none if empty.
  std::function<std::unique_ptr<Schedule>(OpenDevice&)> make_schedule = {};
  /// The same as a message (autombpo/steering_order.h, scheduled_run.h), for another rank that makes
  /// it. A member that has a schedule and not this is trained by rank 0.
  std::function<nlohmann::json()> schedule_message = {};
  std::function<void(const std::string&)> on_warning = {};
  std::function<void(const std::string&)> on_failure = {};
  /// Its folder is another process's: the member stays as it is. Without this that is an error.
  std::function<void(const std::string&)> on_busy = {};
  /// Whether checkpoints stay once its training is complete.
  bool keep_checkpoints = true;
  /// RankRun's (rank_work.h).
  bool in_place_elsewhere = true;
};

/// Deletes the checkpoints of a run whose training is complete. What cannot be deleted takes space
/// and does no harm: `warn` is told.
void drop_checkpoints(const std::filesystem::path& folder,
                      const std::function<void(const std::string&)>& warn = {});

/// Between rounds the learner is a checkpoint in its folder and takes no memory. A member goes on
/// from the newest one, so a population may be stopped and made again between any two calls.
class TrainingMember : public Member {
 public:
  explicit TrainingMember(TrainingMemberOptions options) : options_(std::move(options)) {}

  const std::string& label() const override { return options_.label; }
  void run(std::int64_t until, OpenDevice& device, ProgressSink& progress) override;
  bool can_travel() const override { return !options_.make_schedule || options_.schedule_message; }
  void run_at(RankSlot& slot, std::int64_t until, ProgressSink& progress) override;

  /// Takes over the other's newest checkpoint; its own go. Tables and log stay this member's.
  ///
  /// Errors   DataError if the other has no checkpoint. The next run() has one that says what
  ///          differs if the other's config or seed is not this member's.
  /// Cost     file names where both folders are on one file system, else a copy of the files.
  void copy_from(const Member& other) override;

  void failed(const std::string& error) override {
    if (options_.on_failure) options_.on_failure(error);
  }

  /// Return of the last evaluation that run() has seen, NaN before the first.
  double final_return() const { return final_return_; }

 private:
  friend nlohmann::json train_ordered_member(const nlohmann::json&, const Config&,
                                             const std::filesystem::path&, OpenDevice&,
                                             ProgressSink&);

  std::filesystem::path checkpoints() const { return options_.folder / "checkpoints"; }

  TrainingMemberOptions options_;
  bool complete_ = false;
  double final_return_ = std::nan("");
};

/// What another rank does for TrainingMember::run_at. Returns the reply. Errors   those of run().
nlohmann::json train_ordered_member(const nlohmann::json& order, const Config& config,
                                    const std::filesystem::path& folder, OpenDevice& device,
                                    ProgressSink& progress);

}  // namespace mbrl
