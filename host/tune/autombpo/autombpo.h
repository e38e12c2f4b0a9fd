// AutoMBPO (Lai et al. 2021, arXiv:2111.08550, algorithm 1): a controller learns over whole MBPO
// runs which hyperparameters to use when.
//
//   default MBPO over seeds --> baseline curve R'                                      baseline.h
//   stage: hyper-episodes with the controller as it is (many at once) --> PPO
//          --> next controller                                                         stages.h
//   best controller --> longer runs on fresh seeds --> compared with default MBPO      report.h
//
// All that has been done is on disk (folder.h), in folders that are complete or go on from a
// checkpoint. Default MBPO's runs are ordinary ones, shared by all controllers:
// runs/<name>-baseline/<hash>/seed-<n>.
#pragma once

#include "base/error.h"
#include "host/run/run.h"

namespace mbrl {

/// Trains the controller, evaluates it and compares; goes on from what is there.
///
/// Returns  kDone, or kStopped after a signal: every learner that ran has a checkpoint.
/// Errors   those of the parts; DataError if default MBPO diverges on a seed, if all hyper-episodes
///          of a stage or all runs of the evaluation do, or if autombpo.baseline holds runs of
///          another config.
ExitCode run_autombpo(const RunOptions& options);

}  // namespace mbrl
