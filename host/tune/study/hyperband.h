// Hyperband's brackets: how many settings train for how long.
#pragma once

#include <cstdint>
#include <vector>

namespace mbrl {

/// One rung of a bracket.
struct Rung {
  int num_trials;      // that train in it, the best of the rung before
  std::int64_t steps;  // for so many steps

  bool operator==(const Rung&) const = default;
};

/// Bracket `iteration`, 0 the first. With M = floor(log(max / min) / log eta) + 1 budgets
/// max eta^(k - M + 1) and s = M - 1 - iteration mod M it has floor(M / (s + 1)) eta^s settings in the
/// first of s + 1 rungs and a share of 1 / eta of them in each further one, at least one.
///
/// Source   Li et al. 2018, arXiv:1603.06560, as the library behind Zhang et al. 2021
///          (arXiv:2102.13651) computes it: the paper's own text has ceil(M eta^s / (s + 1)).
std::vector<Rung> hyperband_bracket(std::int64_t min_steps, std::int64_t max_steps, int eta,
                                    int iteration);

}  // namespace mbrl
