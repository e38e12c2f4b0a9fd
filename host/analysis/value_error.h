// How far the critics' values are from what the policy earns (Chen et al. 2021, arXiv:2101.05982,
// section 3).
#pragma once

#include <vector>

#include "cuda/stream.h"
#include "host/algo/learner.h"

namespace mbrl {

/// One episode of the stochastic policy: at each step what the critics say of the action taken, and
/// what came of it. Both include the entropy that soft values do:
///
///   value[t]  = min(Q1, Q2)(s_t, a_t)
///   earned[t] = r_t + discount (earned[t + 1] - alpha ln pi(a_{t+1} | s_{t+1}))
///
/// Nothing is earned after the end of an episode that terminated. Where its time limit or an
/// unstable simulator cut an episode short, the critics' own value stands for the rest.
struct EpisodeValues {
  std::vector<double> value, earned;  // reward units
  bool terminated = false;
  double total = 0.0;  // return without discount or entropy, reward units
};

/// `num_episodes` fresh episodes, whose start states and action noise neither training nor
/// evaluation has.
///
/// Cost     an evaluation of as many episodes; policy and critics run on the host in fp32. The
///          learner stays as it is. Deterministic.
std::vector<EpisodeValues> value_errors(Stream& stream, const Learner& learner, int num_episodes);

}  // namespace mbrl
