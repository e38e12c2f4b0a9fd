// Soft actor-critic without a model: MBPO's limit when all rows are real.
#pragma once

#include "host/algo/sac_learner.h"

namespace mbrl {

/// Haarnoja et al. 2018, arXiv:1812.05905. SAC(G) of the papers is updates_per_step = G.
class Sac : public SacLearner {
 public:
  using SacLearner::SacLearner;
  bool step() override;
};

}  // namespace mbrl
