// The stages of AutoMBPO: hyper-episodes under the controller as it is, many at once, then an
// update of the controller by what they were paid (Lai et al. 2021, arXiv:2111.08550, algorithm 1).
#pragma once

#include <vector>

#include "host/config/config.h"
#include "host/tune/autombpo/folder.h"
#include "host/tune/autombpo/launcher.h"

namespace mbrl {

/// Trains all groups of the controller, one after the other, and keeps the controller of the best
/// stage. `baseline`: the curve R'. Goes on after the last complete stage.
///
/// Returns  false after a stop signal.
/// Errors   DataError if all hyper-episodes of a stage fail.
bool train_controllers(const Config& config, const AutoMbpoFolder& folder, Launcher& launcher,
                       const std::vector<double>& baseline);

}  // namespace mbrl
