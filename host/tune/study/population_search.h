// A search whose trials are the members of one population: pbt, pbt_bt, mf_pbt (exchange.h).
//
//   members train a slice --> returns --> exchanges --> journal --> copies --> the next slice
//
// The journal has a line for slices that ended together and what followed; all else follows from it:
//
//   members/<member>/             the run's folder: its tables, its newest checkpoints
//   members/<member>/copied       which copy its checkpoints come from
//   states/<member>-<slice>/      the state that a slice ended with, as long as somebody may copy it
//   discards/                     what is being deleted
//
// A state is a checkpoint whose files are shared, not copied: history, weights and all. Under mpirun
// the process of rank 0 has all of that, decides and copies; a member's slice is trained by any rank.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "host/config/config.h"
#include "host/io/discards.h"
#include "host/run/open_device.h"
#include "host/tune/population.h"
#include "host/tune/schedule_file.h"
#include "host/tune/study/effort.h"
#include "host/tune/study/exchange.h"
#include "host/tune/study/journal.h"
#include "host/tune/study/population_record.h"
#include "host/tune/training_member.h"

namespace mbrl {

/// Where a population's states are kept and how one member takes over another's.
class StateExchange {
 public:
  virtual ~StateExchange() = default;
  /// Whether a member's newest checkpoint is from env step `step` or later.
  virtual bool has_come_to(int member, std::int64_t step) const = 0;
  /// Keeps what a member's newest checkpoint holds as the state that its slice `number` ended with.
  virtual void keep(int member, int number) = 0;
  /// Makes what was kept outlast a power failure.
  virtual void sync() = 0;
  /// Makes a kept state that sync() has seen the member's own; `mark` says which copy this is, and a
  /// second call with the same mark does nothing: the member may have gone on since.
  virtual void take(int member, const Slice& from, const std::string& mark) = 0;
  /// Deletes all states but these, each a member and the number of its slice.
  virtual void drop_all_but(const std::set<std::pair<int, int>>& states) = 0;
};

/// In folders of a study, for members that share a file system. keep() and take() wait for no disk: what
/// a power failure has left of them is made again.
class FolderExchange : public StateExchange {
 public:
  /// `weights_only`: taking a state leaves the member its history.
  FolderExchange(std::filesystem::path study, bool weights_only,
                 std::function<void(const std::string&)> warn)
      : study_(std::move(study)),
        weights_only_(weights_only),
        warn_(std::move(warn)),
        discards_(study_ / "discards", warn_) {}

  bool has_come_to(int member, std::int64_t step) const override;
  void keep(int member, int number) override;
  void sync() override;
  void take(int member, const Slice& from, const std::string& mark) override;
  void drop_all_but(const std::set<std::pair<int, int>>& states) override;

  std::filesystem::path member(int member) const;
  /// Deletes a member's checkpoints.
  void drop_checkpoints(int member);
  /// Waits until all is deleted that is no longer needed; until then a thread of its own does it.
  void finish() { discards_.finish(); }
  /// Processor time of that thread.
  double thread_seconds() const { return discards_.thread_seconds(); }

 private:
  void drop(const std::filesystem::path& folder);
  std::filesystem::path state(int member, int number) const;

  std::filesystem::path study_;
  bool weights_only_;
  std::function<void(const std::string&)> warn_;
  std::vector<std::filesystem::path> not_on_disk_;  // states
  Discards discards_;
};

/// What must hold before a population of this config trains; `base`: of a member but for its values.
///
/// Errors   ConfigError naming the key.
void check_population(const Config& config, const Config& base, const std::string& name);

/// Steps of a member to the first exchange and between two of them, where the config leaves them open
/// too.
struct ExchangeTimes {
  std::int64_t first, interval;
  /// The first exchange after a step.
  std::int64_t after(std::int64_t step, std::int64_t num_steps) const;
};
ExchangeTimes exchange_times(const Config& config, const Config& base);

/// What a journal says of a population whose members have the trials `trials`.
///
/// Errors   DataError naming the journal if a line is not as it has to be.
PopulationRecord read_population(const Config& config, const Journal& journal,
                                 const std::vector<std::size_t>& trials);

struct PopulationSearchOptions {
  Config config;  // with its sections tune and pbt
  Config base;    // of a member but for its values
  std::filesystem::path folder;
  std::vector<std::string> command;
  std::string device = "auto", concurrent = "auto";
  int num_threads = 1;
  std::function<void(const std::string&)> warn;
};

class PopulationSearch {
 public:
  /// `trials`: the members' numbers in the journal. `effort` hears where the time goes.
  PopulationSearch(PopulationSearchOptions options, Journal& journal,
                   std::vector<std::size_t> trials, Effort& effort);

  /// Goes on to the end.
  ///
  /// Returns  false after a stop signal.
  /// Errors   those of Population::run.
  bool run();

 private:
  class Round;
  class Worker;

  bool go_together(const TrialValues& values) const;
  std::int64_t slice_end(int member) const;
  using Run = std::function<void(TrainingMember&, std::int64_t until)>;
  std::optional<SliceResult> train(int member, const Run& run);
  Returns new_returns(int member) const;
  void conclude(const std::vector<SliceResult>& results);
  std::set<std::pair<int, int>> needed_states() const;
  bool run_synchronous(const PopulationOptions& options);
  bool run_asynchronous(const PopulationOptions& options);
  std::optional<int> next_member() const;
  void finish();
  std::string mark(int member) const;

  PopulationSearchOptions options_;
  Journal& journal_;
  Effort& effort_;
  std::vector<std::size_t> trials_;
  Config member_config_;
  ExchangeTimes times_;
  std::unique_ptr<FolderExchange> states_;
  PopulationRecord record_;
  std::int64_t num_slices_left_;
  mutable std::mutex mutex_;
  std::vector<char> busy_;  // members that a worker trains
};

}  // namespace mbrl
