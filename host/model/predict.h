// What the ensemble expects for given observations and actions, without noise, and how well.
#pragma once

#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "cuda/stream.h"
#include "kernels/data/transition.h"
#include "kernels/networks/ensemble.h"

namespace mbrl {

/// Mean next observation of each record, from one elite per record, drawn uniformly as rollouts
/// draw it: record i by (key, step, i). A backward model gives the observation before.
///
/// Shapes   records: on the host; returns [records.size, S]. The model may lie on either device.
/// Units    of the observation.
/// Cost     0.25 MFLOP per record at Hopper sizes, on the host in fp32 whatever the model was
///          trained in, after a copy of its weights: for analysis, not for training. Deterministic
///          for any number of threads.
/// Source   member choice of jannerm/mbpo:mbpo/models/fake_env.py, its mean instead of a sample.
std::vector<float> predict_next_observations(Stream& stream, const EnsembleState& model,
                                             const TransitionsView& records, const RandomKey& key,
                                             std::uint64_t step);

/// Mean next observation of each record by every member.
///
/// Shapes   records: on the host; returns [E, records.size, S]. The model may lie on either device.
/// Units    of the observation.
/// Cost     as above, of every member. Deterministic for any number of threads.
std::vector<float> predict_by_members(Stream& stream, const EnsembleState& model,
                                      const TransitionsView& records);

/// The training loss of each record by every member, without decay and penalty: the mean over the
/// targets, without the logit of an end, of gaussian_nll (mean - target)^2 exp(-logvar) + logvar, of mse the square alone.
///
/// Shapes   records: on the host; returns [E, records.size].
/// Cost     as above. Deterministic for any number of threads.
/// Source   Zhang et al. 2021, arXiv:2102.13651, appendix A.6: negative log-likelihood per sample.
std::vector<double> losses_by_members(Stream& stream, const EnsembleState& model,
                                      const TransitionsView& records);

}  // namespace mbrl
