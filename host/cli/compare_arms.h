// Arms of runs over seeds and tasks, each run as one number.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/cli/reference_scores.h"
#include "host/cli/run_groups.h"
#include "host/io/curves.h"
#include "host/stats/scores.h"

namespace mbrl {

/// What a run's number is.
struct RunValue {
  std::string column = "eval_return_mean";
  std::string by = "auc";    // the mean of the curve; final: of its last part; last: its last row
  double final_share = 0.1;  // of the steps, for "final"
  std::optional<double> to;  // last step; the steps that all runs have if there is none
};

/// The steps over which the runs of a task are compared: those that all of them have.
struct ComparedTask {
  std::string name;  // an environment; "" where that is not known
  StepRange range{};
  double longest = 0.0;       // the last step of the longest run
  std::string shortest = {};  // the table of the run that ends first
};

struct ComparedArm {
  std::string name;
  std::vector<RunGroup> groups;  // one for each task
  TaskScores values;             // of each task, one for each run
};

struct ComparedArms {
  std::vector<ComparedTask> tasks;
  std::vector<ComparedArm> arms;
};

/// Reads arms given as [NAME=]PATH. A NAME given several times is one arm with several tasks, and so
/// is a folder with runs in several environments; tasks that not all arms have are left out, and
/// standard error says so. Arms of one task each are compared whatever their environments are.
///
/// Errors   ConfigError if there are fewer than `fewest` arms; DataError if an arm's runs of a task are
///          of several configs, if arms have no task in common, or runs no step; those of
///          read_group.
ComparedArms read_arms(const std::vector<std::string>& texts, const RunValue& value,
                       std::size_t fewest = 2);

/// The scores of an arm under its tasks' references, those of no reference as they are.
TaskScores normalized(const ComparedArm& arm,
                      const std::vector<std::optional<ReferenceScores>>& references);

/// What `how` says scores are normalized by: "none", "published" (published_scores), "range" (0 the
/// lowest run of a task, 1 the highest), or a file of scores; "auto" is none for one task and
/// published for several.
///
/// Shapes   one entry for each task.
/// Errors   ConfigError if a task has no scores there, or `column` is no return; DataError if all
///          runs of a task are equal; those of read_scores.
std::vector<std::optional<ReferenceScores>> references_of(const ComparedArms& compared,
                                                          const std::string& how,
                                                          const std::string& column);

}  // namespace mbrl
