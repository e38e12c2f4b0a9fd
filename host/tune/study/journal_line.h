// One line of a study's journal, in Optuna's format, as both read it: journal.h, which writes more of
// them, and study_record.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "host/io/json_file.h"

namespace mbrl {

/// Optuna's numbers.
enum class TrialState { kRunning = 0, kComplete = 1, kPruned = 2, kFailed = 3, kWaiting = 4 };

/// "complete", "failed".
const char* state_text(TrialState state);

/// Complete, pruned or failed.
bool is_over(TrialState state);

/// What a line does: Optuna's numbers.
struct JournalOperation {
  enum : int {
    kCreateStudy = 0,
    kDeleteStudy = 1,
    kStudyUserAttribute = 2,
    kStudySystemAttribute = 3,
    kCreateTrial = 4,
    kParameter = 5,
    kState = 6,
    kIntermediate = 7,
    kTrialUserAttribute = 8,
    kTrialSystemAttribute = 9
  };
};

/// Optuna's direction of a study whose best value is the highest.
inline constexpr int kMaximize = 2;

/// A line that is whole and means what no search here can have.
struct RefusedLine : ValueError {
  using ValueError::ValueError;
};

/// What is wrong with a line.
struct LineProblem {
  enum Kind {
    kNone,
    kTorn,     // it is no JSON object
    kForeign,  // it has not what Optuna's lines have
    kWrong,    // it speaks of what cannot be: a trial that is not there, a number beyond all bounds
    kRefused
  };
  Kind kind = kNone;
  std::string text = {};  // without a period

  /// Whether the last line of a file may be dropped for it: a write that was cut off or half done, or
  /// a few wrong bytes, may have left it. `has_study`: lines before it have begun a study, so that the
  /// file is a journal.
  bool is_damage(bool has_study) const {
    return kind == kTorn || (has_study && (kind == kForeign || kind == kWrong));
  }
};

/// Reads a line: null stands for Python's NaN and Infinity. `apply` takes what it says, and leaves
/// everything as it was where it throws. `has_end`: whether the line has its newline.
LineProblem read_journal_line(std::string_view line, bool has_end,
                              const std::function<void(const nlohmann::ordered_json&)>& apply);

/// What a line does. `has_study`: whether lines before it have begun a study.
///
/// Errors   RefusedLine if it begins a second study or one that is not maximized, deletes the study, or
///          comes before it.
int operation_of(const nlohmann::ordered_json& line, bool has_study);

/// The distribution of a parameter, which a line has as a text. Errors: ValueError.
nlohmann::ordered_json distribution_of(const nlohmann::ordered_json& text);

/// The state that a number is. Errors: ValueError.
TrialState trial_state(const nlohmann::ordered_json& number);

/// What a trial has earned at its end; nothing where the line has none, or none that is finite.
/// Errors: ValueError.
std::optional<double> score_of_line(const nlohmann::ordered_json& line);

/// A trial as the line has it that creates it: Optuna writes whole ones, too.
struct CreatedTrial {
  TrialState state;
  std::optional<double> score;
  std::map<std::int64_t, double> scores;  // by steps; those that are finite
  nlohmann::ordered_json attributes;      // of the user, by name
  nlohmann::ordered_json values;          // by key, as Optuna numbers them
  nlohmann::ordered_json distributions;   // by key
};

/// Errors   ValueError.
CreatedTrial created_trial(const nlohmann::ordered_json& line);

}  // namespace mbrl
