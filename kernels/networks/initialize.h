// Initial weights, drawn on the host into memory of either kind. Biases are zero everywhere.
#pragma once

#include <cstdint>

#include "base/rng.h"
#include "kernels/networks/actor.h"
#include "kernels/networks/mlp_layout.h"

namespace mbrl {

namespace purpose {
inline constexpr Purpose kInit{1};  // network weights
}  // namespace purpose

/// Which network draws: part of the random coordinates. Ensemble member e is kMember0 + e.
enum class InitNetwork : std::uint32_t { kActor = 0, kCritic0 = 1, kCritic1 = 2, kMember0 = 16 };

/// Uniform in +-sqrt(6 / (in + out)) (Glorot and Bengio 2010).
void init_glorot_uniform(const MlpLayout& layout, float* parameters, const RandomKey& key,
                         InitNetwork network);

/// Normal with standard deviation 1 / (2 sqrt(in)), redrawn beyond two standard deviations: the
/// dynamics model of the reference (jannerm/mbpo:mbpo/models/fc.py).
void init_truncated_normal(const MlpLayout& layout, float* parameters, const RandomKey& key,
                           InitNetwork network);

/// Glorot-uniform weights of a policy, from the run's seed.
void init_actor(GaussianActor& actor, std::uint32_t seed, std::uint32_t learner);

}  // namespace mbrl
