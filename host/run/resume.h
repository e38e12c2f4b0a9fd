// A learner in and out of checkpoints.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "host/algo/learner.h"
#include "host/config/config.h"

namespace mbrl {

/// Writes checkpoints/step-<env steps>; `run` is the run's own part of the state.
void save_checkpoint(const std::filesystem::path& checkpoints, Learner& learner,
                     const Config& config, const nlohmann::json& run);

/// What a checkpoint is read for: the advice in its errors, and which files have to be as they were
/// (an evaluation does not ask the controller's).
enum class CheckpointUse { kGoOn, kEvaluate };

/// Puts the learner into the state of a checkpoint and returns the run's own part.
///
/// Errors   DataError if files are damaged, were written by another version of the program, or
///          belong to another config: the keys and the files behind them that differ are listed.
///          Keys that cannot change results (name, checkpoint.*) may differ, and so may
///          loop.num_env_steps: a run can be made longer. Checkpoints of earlier versions do not
///          know their files.
nlohmann::json load_checkpoint(const std::filesystem::path& path, Learner& learner,
                               const Config& config, CheckpointUse use = CheckpointUse::kGoOn);

/// The config a checkpoint was written with.
///
/// Errors   DataError if the checkpoint is damaged or its config is none of a run.
Config checkpoint_config(const std::filesystem::path& path);

/// The checkpoint meant by a path: itself, the newest of a run directory, or of the only run below
/// a folder.
///
/// Errors   DataError if there is none, or several runs to choose from.
std::filesystem::path find_checkpoint(const std::filesystem::path& path);

}  // namespace mbrl
