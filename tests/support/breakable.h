// A learner whose simulator can be blown up.
#pragma once

#include <vector>

namespace mbrl {

/// Of one Hopper environment.
template <typename Algorithm>
class Breakable : public Algorithm {
 public:
  using Algorithm::Algorithm;
  void explode() {
    std::vector<double> state = this->environments_.pool().get_state();
    state[2 + 11 + 6 + 3] = 1e12;  // after episode, steps, observation and qpos: the thigh's rate
    this->environments_.pool().set_state(state);
  }
};

}  // namespace mbrl
