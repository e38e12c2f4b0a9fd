// A learner whose simulator can be blown up.
#pragma once

#include <vector>

namespace mbrl {

/// Of one Hopper environment, of either observation.
template <typename Algorithm>
class Breakable : public Algorithm {
 public:
  using Algorithm::Algorithm;
  void explode() {
    std::vector<double> state = this->environments_.pool().get_state();
    // after episode, steps, observation and qpos: the thigh's rate
    const int S = this->environments_.spec().observation_size;
    state[static_cast<std::size_t>(2 + S + 6 + 3)] = 1e12;
    this->environments_.pool().set_state(state);
  }
};

}  // namespace mbrl
