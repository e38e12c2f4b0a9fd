// AutoMBPO (Lai et al. 2021, arXiv:2111.08550, algorithm 1): a controller learns over whole MBPO
// runs which hyperparameters to use when.
//
//   default MBPO over seeds --> baseline curve R'
//   stage: hyper-episodes with the controller as it is (many at once) --> PPO --> next controller
//   best controller --> longer runs on fresh seeds --> compared with default MBPO
//
// All that has been done is on disk, in folders that are complete or go on from a checkpoint:
//
//   runs/<name>/<hash>/seed-<n>/
//     controller/<group>-<stage>.safetensors, best.safetensors
//     episodes/0007/{metrics.csv, decisions.csv, trajectory.json}   failed.json where one failed
//     evaluation/seed-1003/...   stages.csv stages.json baseline.csv summary.json
//   runs/<name>-baseline/<hash>/seed-<n>/   ordinary runs of default MBPO, shared by all
//   controllers
#pragma once

#include "host/config/config.h"
#include "host/run/run.h"

namespace mbrl {

/// Trains the controller, evaluates it and compares; goes on from what is there.
///
/// Returns  kDone, or kStopped after a signal: every learner that ran has a checkpoint.
/// Errors   those of the parts; DataError if default MBPO diverges on a seed, if all hyper-episodes
///          of a stage or all runs of the evaluation do, or if autombpo.baseline holds runs of
///          another config.
ExitCode run_autombpo(const RunOptions& options);

/// Default MBPO as this config's controllers are compared with: `epochs` behind exploration.
Config baseline_config(const Config& config, int epochs);

/// A hyper-episode or a run of the evaluation: default MBPO with AutoMBPO's rollouts and a
/// controller, called `controller`.
Config episode_config(const Config& config, const std::string& controller, int epochs);

}  // namespace mbrl
