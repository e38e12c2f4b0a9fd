// The algorithms by name: everything the program knows of one in one place.
//
// A new algorithm is a line in host/config/algorithms.h and a source file that defines
// `Algorithm <name>_algorithm()` in namespace mbrl::algorithms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cuda/stream.h"
#include "envs/spec.h"
#include "host/algo/hooks.h"
#include "host/algo/learner.h"
#include "host/config/algorithms.h"
#include "host/config/check.h"
#include "host/config/config.h"

namespace mbrl {

struct RunOptions;

struct Algorithm {
  std::string name;
  std::string text;  // what it is, in one line
  bool needs_model;  // learns the ensemble
  /// Keys it reads beside those that every run reads (name, algorithm, seed, env, mjcf,
  /// process, eval, checkpoint, device): sections, single keys ("loop.epoch_length") and exceptions
  /// ("-loop.real_ratio").
  std::vector<std::string> reads;

  /// Makes a learner; null for what trains many learners.
  std::unique_ptr<Learner> (*make)(const Config&, Stream&, Hooks,
                                   std::uint32_t learner_index) = nullptr;
  /// Whether it learns a policy, which acts without the rest of it.
  bool has_policy = true;
  /// Runs from the command line to the end; null: host/run trains the one learner.
  ExitCode (*run)(const RunOptions&) = nullptr;
  /// What must hold between the keys it reads.
  void (*check)(const Config&, const Require&) = nullptr;
  /// About how many bytes a learner takes on the device at its largest; null where make is.
  std::size_t (*memory)(const Config&, const EnvSpec&, bool on_gpu) = nullptr;
};

/// Algorithm::make of a class.
template <typename T>
std::unique_ptr<Learner> make_learner_of(const Config& config, Stream& stream, Hooks hooks,
                                         std::uint32_t learner_index) {
  return std::make_unique<T>(config, stream, std::move(hooks), learner_index);
}

/// Adds an algorithm that is not in host/config/algorithms.h: a program of a user's own calls this
/// before run_program (host/cli/program.h).
///
/// Errors   ConfigError if the name is taken, or is no word of small letters, digits and _.
void register_algorithm(Algorithm algorithm);

/// All algorithms, in the order of host/config/algorithms.h, then those that were registered.
const std::vector<Algorithm>& list_algorithms();

/// Errors   ConfigError with the nearest name and the list.
const Algorithm& find_algorithm(std::string_view name);

/// Whether a run of the algorithm reads the key "section.key", or "key" outside of a section.
bool reads_key(const Algorithm& algorithm, std::string_view path);

/// Whether it reads the section whole, or but for keys that it names.
bool reads_section(const Algorithm& algorithm, std::string_view section);

/// Makes the learner that config.algorithm names.
///
/// Errors   ConfigError if the algorithm trains many learners.
std::unique_ptr<Learner> make_learner(const Config& config, Stream& stream, Hooks hooks,
                                      std::uint32_t learner_index = 0);

namespace algorithms {
#define MBRL_DECLARE(name) Algorithm name##_algorithm();
MBRL_ALGORITHMS(MBRL_DECLARE)
#undef MBRL_DECLARE
}  // namespace algorithms

}  // namespace mbrl
