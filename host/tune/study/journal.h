// A study's journal: what is known of its trials, one JSON object a line, in the format of Optuna's
// journal files, so that its dashboard and its samplers read it.
//
// Lines are only ever added, each in one write, and wait for the disk: a process that is killed at
// any moment leaves whole lines and at most the beginning of one more. Several processes may write,
// Optuna's among them, one at a time (journal_lock.h): each knows all that is there when it does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/config/search_space.h"
#include "host/io/output_file.h"
#include "host/tune/study/journal_line.h"
#include "host/tune/study/journal_lock.h"
#include "host/tune/study/sampling.h"

namespace mbrl {

/// One trial as the journal tells it. Its number is its place.
struct Trial {
  TrialState state = TrialState::kWaiting;
  std::map<std::string, nlohmann::ordered_json> values = {};  // by key
  std::map<std::int64_t, double> scores = {};  // what it has earned, by the steps it trained
  std::optional<double> score = {};            // the last of them, once it has ended
  std::string error = {};                      // of a failed one
  std::optional<std::size_t> plan = {};        // which of the method's own it is; none of others'
  // what else was noted of it, by this program or by any other that gave it a name
  std::map<std::string, nlohmann::ordered_json> attributes = {};
};

inline bool is_over(const Trial& trial) { return is_over(trial.state); }

class Journal {
 public:
  /// Opens the journal of a study, or begins one with `definition`: what the study is, as JSON, which
  /// is kept in it. A last line that is damaged is cut off, and `warn` hears of it.
  ///
  /// Errors   DataError with the number of the line if one before the last is damaged, or if one is
  ///          refused; if there are trials of a search and not what was searched; those of OutputFile.
  Journal(std::filesystem::path file, const std::string& name,
          const nlohmann::ordered_json& definition, const SearchSpace& space,
          const std::function<void(const std::string&)>& warn);

  const std::filesystem::path& path() const { return path_; }
  /// What the study was when its journal began.
  const nlohmann::ordered_json& definition() const { return definition_; }
  /// As far as this process has read: refresh() and each change read on.
  const std::vector<Trial>& trials() const { return trials_; }

  /// Reads what others have added. Errors   as the constructor's.
  void refresh();
  /// While one lives no other process adds a line, and all that others have added is known; threads
  /// of this process wait for one another too. It may be taken again inside.
  class Hold {
   public:
    explicit Hold(Journal& journal);
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    Journal& journal_;
  };

  /// Lets `write` add lines, and waits for the disk once for all of them.
  void together(const std::function<void()>& write);

  /// Adds trials that wait: those of the method from its `plan`-th on.
  void add(const std::vector<TrialValues>& trials, std::size_t plan);
  /// It runs from now on. Nothing happens to one that does not wait.
  void begin(std::size_t trial);
  /// What it has earned with so many steps. Nothing happens to one that has ended.
  void score(std::size_t trial, std::int64_t steps, double value);
  /// What else there is to know of it, an entry for each name: `returns`, of a member of a population
  /// `schedule` and `lineage`.
  void note(std::size_t trial, const nlohmann::ordered_json& attributes);
  /// It ends: complete or pruned with its score, the one of the most steps unless given, or failed. One
  /// that has ended stays as it is.
  void end(std::size_t trial, TrialState state, const std::string& error = "",
           std::optional<double> score = {});

  /// What a population has done, line by line (population_record.h).
  const std::vector<nlohmann::ordered_json>& exchanges() const { return exchanges_; }
  /// One line more, and what members have earned by then, in one write.
  struct Score {
    std::size_t trial;
    std::int64_t steps;
    double value;
  };
  void add_exchange(const nlohmann::ordered_json& line, const std::vector<Score>& scores);

 private:
  void read(bool alone);
  void apply(const nlohmann::ordered_json& line);
  void append(std::vector<nlohmann::ordered_json> lines);
  Trial& at(const nlohmann::ordered_json& line);

  std::filesystem::path path_;
  const SearchSpace& space_;
  std::function<void(const std::string&)> warn_;
  JournalLock lock_;
  std::recursive_mutex mutex_;
  int depth_ = 0;                               // of holds
  bool waits_ = true;                           // for the disk, after each line
  std::uint64_t num_read_ = 0, num_lines_ = 0;  // bytes and lines of the file that are known
  nlohmann::ordered_json definition_;
  std::vector<Trial> trials_;
  std::vector<nlohmann::ordered_json> exchanges_;
  bool has_study_ = false;
  std::unique_ptr<OutputFile> file_;
};

}  // namespace mbrl
