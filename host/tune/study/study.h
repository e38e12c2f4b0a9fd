// A study: a search for values of keys, trial after trial, in a folder whose journal is all that it
// remembers.
//
//   tune.space --> planned trials --> runs (ordinary_runs.h) --> score --> journal
//                       ^                                          |
//                       +----------- the method's next ------------+
//
// What the method does next is a function of the config and the journal: a study that was killed goes
// on as one that was not, and several processes that work on one come to what one does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/config/config.h"
#include "host/tune/ordinary_runs.h"
#include "host/tune/schedule_file.h"
#include "host/tune/study/claims.h"
#include "host/tune/study/effort.h"
#include "host/tune/study/journal.h"

namespace mbrl {

/// The first of the seeds that no trial uses: trials have seeds 0 to 9.
inline constexpr int kFirstTestSeed = 100;

struct StudyOptions {
  std::string name;                    // of the config, as it was given
  std::vector<std::string> overrides;  // as they were given
  Config config;                       // with its section tune
  std::filesystem::path folder;
  std::string device = "auto", concurrent = "auto";
  int num_threads = 1;
  std::function<void(const std::string&)> warn;
  std::function<void(const std::string&)> tell = {};  // what it waits for
  bool only_reads = false;  // what was found; how large the study was to be may differ then
};

/// What a trial earns: the mean of the last three evaluations of a run, as far as there are three, up
/// to a step, its mean over the trial's runs.
///
/// Errors   DataError if a run has no evaluation by then; those of read_curve.
double trial_score(const std::vector<std::filesystem::path>& runs, std::int64_t steps);

/// Of the overrides of a search, "key=value", those that each of its runs has too: not the search's own
/// keys, nor its seed.
std::vector<std::string> words_of_a_run(const std::vector<std::string>& overrides);

class Study {
 public:
  /// Opens the study of a folder, or begins it there.
  ///
  /// Errors   ConfigError if tune.space is empty, holds a key that the runs do not read, or the steps
  ///          are too few to learn from; DataError if the folder holds another study, naming what
  ///          differs, and those of Journal and Claims.
  explicit Study(StudyOptions options);
  Study(const Study&) = delete;
  Study& operator=(const Study&) = delete;

  /// Goes on to the end of the method, sharing its trials with other processes that do: each trains
  /// what no living one has claimed, and waits for what others have.
  ///
  /// Returns  false after a stop signal.
  /// Errors   those of train_runs; DataError if the machine fails a run, after all others; if others
  ///          took this process for dead; if the method needs its study alone and another has it.
  bool run();

  /// The next trial that waits, which runs from now on; nothing if there is none.
  ///
  /// Errors   ConfigError for a method that needs the scores of its own runs.
  std::optional<std::size_t> ask();
  /// Ends a trial that runs, with what it has earned; failed without it.
  ///
  /// Errors   ConfigError if it does not run, a process of the study trains it, or the method needs the
  ///          scores of its own runs.
  void tell(std::size_t trial, std::optional<double> score);

  const std::vector<Trial>& trials() const { return journal_->trials(); }
  const SearchSpace& space() const { return options_.config.tune.space; }
  /// What a run is to follow to train as the study's best: `incumbent`, the values of the best member
  /// and of those that it became a copy of, or of the best trial; `top_avg`, at every moment the mean
  /// over the five members that were the best then.
  ///
  /// Errors   ConfigError for top_avg of a method whose trials keep their values; DataError if no trial
  ///          has earned anything.
  ScheduleFile schedule(const std::string& kind) const;
  /// The values of a trial, in the order of the space.
  TrialValues values_of(const Trial& trial) const;
  /// Complete trials with a value of each key, the best first; of equals the earlier. Other programs may
  /// have added some without.
  std::vector<std::size_t> ranking() const;
  /// Trials of the method that were asked for and not told, and that no process of the study trains.
  std::vector<std::size_t> outside() const;
  /// What run() has spent so far.
  const Effort& effort() const { return effort_; }
  /// How many trials the method has in all.
  std::size_t num_planned() const;

 private:
  struct Request {
    std::size_t trial;
    std::int64_t steps;
  };

  void require_same() const;
  void check_space() const;
  std::vector<TrialValues> planned(std::size_t first, std::size_t count) const;
  std::vector<std::size_t> place(std::size_t first, std::size_t count);
  OrdinaryRun run_of(const Request& request, int seed) const;
  bool evaluate(const std::vector<Request>& requests, bool ends);
  void train(const std::vector<Request>& requests, bool ends);
  bool begin(const Request& request, bool last);
  bool is_decided(const Request& request) const;
  bool is_outside(std::size_t trial) const;
  bool wait_for(const std::vector<Request>& requests);
  bool run_plain();
  bool run_hyperband();
  bool run_population();
  std::vector<std::size_t> members() const;
  std::vector<int> affordable_brackets() const;
  std::int64_t min_steps() const;
  bool continues() const;

  StudyOptions options_;
  Config base_;  // of a trial, but for its values
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Claims> claims_;
  std::set<std::size_t> left_behind_;  // asked for before this process came, and not told
  bool told_of_others_ = false;
  Effort effort_;
};

}  // namespace mbrl
