// What a loss of the ensemble is.
//
// A loss is a struct in a file of its own and a line in losses/list.h. Both devices, sampling in
// rollouts, initialization, the report of a fit, memory and checkpoints follow from these members:
//
//   kName              the value of model.loss
//   kOutputs           network outputs per target; output 0 of each is the prediction
//   kShared            learned parameters per target that all members share, or 0
//   kNoise             whether sample() uses its noise: whether predictions are random
//   shared_name(i)     name of shared parameter i in tables, which show its mean over targets
//   shared_start(i, start)       its first value
//   shared_gradient(i, penalty)  its gradient apart from the rows'
//   row(output, shared, target, weight)   loss and gradients of one target of one row
//   deviation(output, shared)             standard deviation of the predicted distribution
//   sample(output, shared, noise)         a draw of it
//
// Pointers hold kOutputs and kShared floats.
#pragma once

#include "base/hd.h"

namespace mbrl {

/// Loss of one target of one row, and its gradients times the weight that row() was given.
template <int kOutputs, int kShared>
struct LossRow {
  float loss;
  float d_output[kOutputs];
  float d_shared[kShared > 0 ? kShared : 1];
};

/// Where learned bounds of the log-variance start, for losses that have them.
struct LogvarStart {
  float max = 0.5f, min = -10.0f;
};

}  // namespace mbrl
