// The end of AutoMBPO: the best controller on seeds that it has not seen, compared with default
// MBPO.
#pragma once

#include "host/config/config.h"
#include "host/tune/autombpo/baseline.h"
#include "host/tune/autombpo/folder.h"
#include "host/tune/autombpo/launcher.h"

namespace mbrl {

/// Runs the evaluation as far as it has not been done: autombpo.num_seeds steered runs of
/// autombpo.eval_epochs, longer than the hyper-episodes if the config says so.
///
/// Returns  false after a stop signal.
bool run_evaluation(const Config& config, const AutoMbpoFolder& folder, Launcher& launcher);

/// Writes summary.json: the means over the curves of both arms, as `mbrl_gpu compare` takes them,
/// Welch's test of their difference, and the time that the hyper-episodes took.
///
/// Errors   DataError if all runs of the evaluation failed.
void write_report(const Config& config, const AutoMbpoFolder& folder, const Baseline& baseline,
                  RunLog& log);

}  // namespace mbrl
