// What a study's journal tells, read beside whoever works on the study: nothing is locked, nothing is
// written. What belongs to a search's method is kept as it stands there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/tune/study/journal.h"

namespace mbrl {

/// One key of the space, as the trials' own lines have it.
struct RecordedAxis {
  std::string key;
  double low = 0.0, high = 1.0;
  bool log = false, integer = false;
  double step = 0.0;                      // between two values of a range; 0: any value in it
  std::vector<std::string> choices = {};  // as text; empty: a range

  /// Where a value lies between the ends, 0 to 1; on the logarithm's scale where the range is.
  double share(double place) const;
  std::string text(double place) const;
};

struct RecordedTrial {
  TrialState state = TrialState::kWaiting;
  std::map<std::string, double> places = {};   // by key: the number, or the place of the choice
  std::map<std::int64_t, double> scores = {};  // by the steps trained
  std::optional<double> score = {};
  std::string error = {};
  nlohmann::ordered_json attributes = nlohmann::ordered_json::object();  // of the user
};

/// A trial has been trained to a step and has earned that much there.
struct Scored {
  std::size_t trial;
  std::int64_t steps;  // that it has been trained for in all
  double cost;         // env steps that this took, of all its seeds
  double value;
  std::size_t num_ended;  // trials that had ended by then
};

/// A member became a copy of another at a step, or took its values over and kept what it had learned.
struct Copied {
  std::int64_t step;
  std::size_t from;
  bool values_only = false;
};

struct StudyRecord {
  std::filesystem::path folder, journal;
  std::string name, method, env, algorithm;  // "" where the journal is another program's
  int seed = 0, num_seeds = 1;
  std::int64_t num_env_steps = 0;  // of a whole run; 0: unknown
  bool continues = false;          // rungs go on with what was learned
  std::vector<RecordedAxis> axes;  // in the order of the space
  std::vector<RecordedTrial> trials;
  std::vector<Scored> scored;  // in the order of the journal
  std::vector<std::string> warnings;

  /// True where members learn from each other, so that a trial's values are not those of its whole
  /// training.
  bool is_population() const;
  /// Complete trials with a finite return, the best first; of equals the earlier.
  std::vector<std::size_t> ranking() const;
  std::size_t count(TrialState state) const;
  /// Env steps of all that has a score.
  double cost() const;
};

/// Reads a journal of this program's or of Optuna's. A last line that is damaged is left out and
/// warned of; NaN and Infinity, which other writers have, count as no value.
///
/// Errors   ReadError; DataError with the number of the line if one before the last is damaged or no
///          line of a journal, or if the study is not maximized; if the file holds no study.
StudyRecord read_study(const std::filesystem::path& journal);

/// The copies that a member of a population has made; none where its trial tells nothing of them or
/// what it tells is damaged.
std::vector<Copied> copies_of(const RecordedTrial& trial);

/// The journals that a path means: itself, that of a folder, or of all folders below it, in their
/// order.
///
/// Errors   DataError if there is none.
std::vector<std::filesystem::path> find_journals(const std::filesystem::path& path);

}  // namespace mbrl
