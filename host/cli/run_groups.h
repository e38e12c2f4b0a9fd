// The runs below a folder, by the config that they were made with: what may be averaged.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "host/io/curves.h"

namespace mbrl {

/// Runs of one config, over seeds.
struct RunGroup {
  std::string label;  // what sets it apart: "sac.learning_rate=0.1"; "" where it is the only one
  std::vector<std::filesystem::path> tables;
  std::map<std::string, std::string>
      values;        // keys that enter the hash, and files by what they hold
  std::string hash;  // the folder that the runs lie in; "" if it is none
};

/// What tells groups apart beside their hash.
enum class GroupBy { kConfig, kConfigButController };

/// All tables of a path (find_tables), grouped by the config.json and files.json beside each and by
/// the hash in its path: two runs are of one group if neither differs. Name, seed, checkpoint.* and
/// other keys outside of the hash do not count; a table alone has no config. Standard error is told
/// which runs have not reached their ends.
///
/// Errors   those of find_tables.
std::vector<RunGroup> find_groups(const std::filesystem::path& path, const std::string& table,
                                  GroupBy by = GroupBy::kConfig);

/// The same of tables that are known, of which some may not be there.
std::vector<RunGroup> group_tables(const std::vector<std::filesystem::path>& tables,
                                   GroupBy by = GroupBy::kConfig);

/// The environment of the runs: env.name of their config, of process its command and of mjcf its
/// model; where there is none, the nearest name in the path of the first table, from the file's own
/// on, that is an environment's, after an algorithm's and an underline or alone
/// ("results/ppo_hopper/seed-0.csv": hopper). "" if none is.
std::string environment_of(const RunGroup& group);

/// The keys and files in which groups differ, each with the values of the groups that know it, in
/// their order: "sac.learning_rate (0.001, 0.1)".
std::string difference_text(const std::vector<RunGroup>& groups);

/// read_curves over the tables of a group: those that cannot be read or have no rows yet are left
/// out. `tables` becomes the list of those that are not.
std::vector<Curve> read_group(const RunGroup& group, const std::string& column,
                              std::vector<std::filesystem::path>* tables = nullptr);

}  // namespace mbrl
