// How far a learned model is from the environment on data it has not seen (Lai et al. 2021,
// appendix B).
#pragma once

#include <vector>

#include "cuda/stream.h"
#include "host/algo/learner.h"

namespace mbrl {

/// Collects `count` transitions with the learner's stochastic policy, or where it has none with what
/// evaluations act with, in ten environments of their own, whose episodes and action noise no
/// training step and no evaluation has. Steps at which the simulator became unstable do not count.
///
/// Shapes   [count, pitch] records, on the host: step by step, environments side by side.
/// Cost     count / 10 calls of the policy and the pool. The learner stays as it is. Deterministic.
std::vector<float> collect_fresh(Stream& stream, Learner& learner, int count);

/// ||predicted - real||_2 of the next observation on `count` fresh transitions; each is predicted
/// by the mean of one elite, drawn as in rollouts.
///
/// Units    of the observation, all entries alike.
/// Errors   DataError if the model has never been fitted. The learner has one.
/// Cost     that of collect_fresh and of predict_next_observations.
std::vector<double> model_errors(Stream& stream, Learner& learner, int count);

}  // namespace mbrl
