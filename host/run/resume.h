// A learner in and out of checkpoints.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/algo/learner.h"
#include "host/config/config.h"
#include "host/io/checkpoint.h"

namespace mbrl {

/// The state of a learner at a step, to be written as a checkpoint.
class CheckpointState {
 public:
  /// Its arrays are the learner's own, which may not take another step until detach().
  CheckpointState(Learner& learner, const Config& config);

  /// Copies the arrays to host memory in the order of the learner's stream, and waits.
  void detach(Stream& stream);
  /// Size of the arrays.
  std::uint64_t bytes() const;

  /// Writes checkpoints/step-<env steps>; `run` is the run's own part of the state.
  ///
  /// Errors   those of write_checkpoint.
  void write(const std::filesystem::path& checkpoints, const nlohmann::json& run,
             const Warn& warn = {});

 private:
  std::int64_t env_steps_;
  int keep_;
  CheckpointContents contents_;
  std::vector<Buffer<char>> arrays_;  // once they are its own
};

/// The same at once.
void save_checkpoint(const std::filesystem::path& checkpoints, Learner& learner,
                     const Config& config, const nlohmann::json& run);

/// What a checkpoint is read for: the advice in its errors, which files have to be as they were (only
/// a run that goes on asks the controller's), and whether the environment's actions have to have the
/// bounds that they had.
enum class CheckpointUse { kGoOn, kEvaluate, kExport };

/// Puts the learner into the state of a checkpoint and returns the run's own part.
///
/// Errors   DataError if files are damaged, were written by another version of the program, or
///          belong to another config: the keys and the files behind them that differ are listed.
///          Keys that cannot change results (name, checkpoint.*) may differ, and so may
///          loop.num_env_steps: a run can be made longer. Checkpoints of earlier versions do not
///          know their files. Or if the environment has other sizes than it had, or, but for kExport,
///          other bounds of its actions, as one of a process may. Or, when it is to go on, if the
///          environment's simulator had another version, unless checkpoint.other_simulator; then
///          `warn` hears of it.
nlohmann::json load_checkpoint(const std::filesystem::path& path, Learner& learner,
                               const Config& config, CheckpointUse use = CheckpointUse::kGoOn,
                               const Warn& warn = {});

/// The bounds [A] of the environment's actions when a checkpoint was written; empty in those of
/// earlier versions.
///
/// Errors   DataError if the checkpoint is damaged.
struct ActionBounds {
  std::vector<float> low, high;
};
ActionBounds checkpoint_bounds(const std::filesystem::path& path, int action_size);

/// The config a checkpoint was written with.
///
/// Errors   DataError if the checkpoint is damaged or its config is none of a run.
Config checkpoint_config(const std::filesystem::path& path);

/// The checkpoint meant by a path: itself, the newest of a run directory, or of the only run below
/// a folder.
///
/// Errors   DataError if there is none, or several runs to choose from.
std::filesystem::path find_checkpoint(const std::filesystem::path& path);

/// The same of every run below a folder, seed-2 before seed-10. Standard error is told of those that
/// cannot be read.
///
/// Errors   DataError if there is none.
std::vector<std::filesystem::path> find_checkpoints(const std::filesystem::path& path);

/// The checkpoint that --resume (auto, never or a path) means in a run's folder of checkpoints;
/// nothing for a fresh start. `warn` hears of those that are passed over.
///
/// Errors   DataError if there are some and none is whole: starting over would replace the tables
///          of hours of training. Those of find_checkpoint.
std::optional<std::filesystem::path> checkpoint_to_resume(const std::string& resume,
                                                          const std::filesystem::path& checkpoints,
                                                          const Warn& warn);

}  // namespace mbrl
