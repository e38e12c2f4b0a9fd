#include "host/run/loop.h"

namespace mbrl {

bool run_loop(Learner& learner, const Config& config, const LoopHooks& hooks) {
  while (learner.env_steps() < config.loop.num_env_steps) {
    if (hooks.stop_requested() || !hooks.before_step() || !learner.step()) {
      hooks.checkpoint();
      return false;
    }
    hooks.tick();

    const bool last = learner.env_steps() >= config.loop.num_env_steps;
    const bool evaluation_due =
        learner.train_steps() > 0 && learner.train_steps() % config.eval.interval == 0;
    if (evaluation_due || last) hooks.evaluate();
    const bool checkpoint_due =
        config.checkpoint.interval > 0 && learner.env_steps() % config.checkpoint.interval == 0;
    if (checkpoint_due || last) hooks.checkpoint();
  }
  return true;
}

}  // namespace mbrl
