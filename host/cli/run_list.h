// What there is in folders of runs: each run's config, how far it has come and what it is doing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace mbrl {

struct ListedRun {
  std::filesystem::path path;
  std::string name;  // of its config; "" if that cannot be read
  std::string base;  // the shipped config that it began with; "" if none
  std::vector<std::string>
      differences;      // from that, or from the defaults: "sac.learning_rate=0.001"
  std::string problem;  // why its config says nothing; "" if it does
  std::optional<std::int64_t> seed;
  std::string status;  // done, stopped, diverged, failed, paused; running; killed; unknown
  std::int64_t env_steps = 0;
  std::optional<std::int64_t> wanted_steps;
  int num_learners = -1;  // complete ones of a run of many; -1: it is one learner
  double last_return = std::numeric_limits<double>::quiet_NaN();
  double age_s = 0.0;  // since one of its files was written
};

/// The runs in a folder and below, in the order of their paths; those that a run consists of are not
/// listed, unless the folder is one of them. A run that is being made and has no config.json yet is
/// left out.
///
/// Errors   DataError if there is no such folder.
/// Cost     reads the tables of each run.
std::vector<ListedRun> list_runs(const std::filesystem::path& folder);

}  // namespace mbrl
