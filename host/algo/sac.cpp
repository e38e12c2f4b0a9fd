// Haarnoja et al. 2018, arXiv:1812.05905, algorithm 1.
#include "host/algo/sac.h"

namespace mbrl {

bool Sac::step() {
  const bool was_exploring = exploring();
  collect();
  if (!was_exploring) update_policy(config_.sac.updates_per_step, {}, /*real_ratio=*/1.0);
  return true;
}

}  // namespace mbrl
