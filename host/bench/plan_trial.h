// Control steps of a planner at the sizes of Chua et al. 2018, arXiv:1805.12114, on random networks:
// what bench times.
#pragma once

#include <string>
#include <vector>

#include "cuda/stream.h"
#include "host/bench/stage_trials.h"
#include "kernels/stages/plan/plan.h"

namespace mbrl {

/// A published planner.
struct PlanSizes {
  const char* name;
  TaskId task;
  TransitionLayout data;
  int hidden_size, num_hidden_layers;
  PlanConstants constants;

  std::string text() const;
};

/// HalfCheetah, 0.40 TFLOP a control step, and Cartpole, 1.0.
PlanSizes halfcheetah_plan();
PlanSizes cartpole_plan();

class PlanTrial {
 public:
  /// Of learners with models of their own, which plan in one call.
  PlanTrial(const PlanSizes& sizes, Stream& stream, int num_learners = 1);

  /// On the GPU a call is a control step of every learner. On the CPU, where one takes seconds, it is
  /// one step of the horizon in one iteration, which costs its share of the whole.
  Trial plan(double seconds);
  /// Products of a learner's control step, in operations.
  double flop() const;

 private:
  Stream& stream_;
  PlanConstants constants_;
  TaskId task_;
  std::vector<EnsembleState> models_;
};

}  // namespace mbrl
