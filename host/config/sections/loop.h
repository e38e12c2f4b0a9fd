// Section "loop": how long a run is, and what happens when in it.
#pragma once

#include <string>

#include "base/keys.h"

namespace mbrl {

struct LoopConfig {
  MBRL_KEY(int, num_env_steps, "real steps in all, exploration included", Unit{"env steps"},
           at_least(1)) = 125000;
  MBRL_KEY(int, epoch_length, "length of an epoch", Unit{"env steps"}, at_least(1)) = 1000;
  MBRL_KEY(int, num_exploration_steps,
           "uniform random actions first; the episode in progress is finished", Unit{"env steps"},
           at_least(0)) = 5000;
  MBRL_KEY(int, min_replay_size, "real transitions before the first policy update", Unit{"rows"},
           at_least(1), kLive) = 1000;
  MBRL_KEY(int, replay_capacity, "real transitions kept", Unit{"rows"}, at_least(1)) = 1000000;
  MBRL_KEY(int, model_train_interval, "distance between two fits of the ensemble",
           Unit{"env steps"}, at_least(1), kLive) = 250;
  // ratios that are multiplied with a number of rows are kept as they are written: 0.7 of 10 is 7,
  // while the nearest float gives 6.9999998
  MBRL_KEY(double, real_ratio,
           "share of real rows in a policy batch, rounded down to rows; at 1 no model is fitted",
           between(0, 1), kLive) = 0.05;
  // the reference's replay sees an episode when it ends
  MBRL_KEY(std::string, pool_insertion,
           "when the real replay receives transitions: at the end of their episode, or at every "
           "step",
           Choices{{"episode", "step"}}, kVariant) = "episode";
};

}  // namespace mbrl
