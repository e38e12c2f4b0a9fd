// What AutoMBPO's controllers are paid against and compared with: runs of default MBPO.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "host/config/config.h"
#include "host/io/curves.h"
#include "host/tune/autombpo/folder.h"
#include "host/tune/autombpo/launcher.h"

namespace mbrl {

struct Baseline {
  std::vector<std::filesystem::path> runs;  // folders of default MBPO, sorted
  std::vector<Curve> curves;                // of their evaluations
  /// The curve R' of equation 9: default MBPO's return at each evaluation, mean over runs.
  std::vector<double> returns;
};

/// Runs default MBPO on autombpo.num_seeds seeds, as far as that has not been done, or takes the
/// runs that autombpo.baseline holds; writes the curve to baseline.csv.
///
/// Returns  nothing after a stop signal.
/// Errors   DataError if default MBPO diverges on a seed, or if autombpo.baseline holds no runs,
///          runs of another config or runs that are too short.
std::optional<Baseline> make_baseline(const Config& config, const AutoMbpoFolder& folder,
                                      Launcher& launcher);

/// The baseline as it is, below the folder of runs or where autombpo.baseline says.
///
/// Errors   ReadError if a run is not there; those of given runs as above.
Baseline find_baseline(const Config& config, const std::filesystem::path& runs_root);

}  // namespace mbrl
