// One search for each of several methods, at equal budget; and its best on seeds that no trial used.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "host/config/config.h"
#include "host/tune/ordinary_runs.h"
#include "host/tune/study/sampling.h"
#include "host/tune/study/study.h"

namespace mbrl {

/// A config for each method that tune.method names, in their order. Of several each may spend as much
/// as the others: tune.budget, or where that is 0 what tune.trials whole runs cost. So many trials or
/// members, and so many of Hyperband's brackets, does each get; a grid has what it has.
///
/// Errors   ConfigError that starts with `origin` if the budget is too small for a trial, or for a
///          bracket.
std::vector<Config> config_of_each_method(const Config& config, const std::string& origin);

/// Runs of one trial's values, or of a schedule where its path is not empty, on tune.test_seeds seeds
/// from kFirstTestSeed on, in the study's folder: test/trial-<number>/<name>/<hash>/seed-<n>.
std::vector<OrdinaryRun> test_runs(const StudyOptions& study, std::size_t trial,
                                   const TrialValues& values,
                                   const std::filesystem::path& schedule = {});

}  // namespace mbrl
