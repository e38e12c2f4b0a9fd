#include "host/run/loop.h"

#include <algorithm>

namespace mbrl {
namespace {

// whether a multiple of `interval` is in (before, after]: one learner's step may be a step of many
// environments
bool is_due(std::int64_t interval, std::int64_t before, std::int64_t after) {
  return after / interval > before / interval;
}

}  // namespace

bool run_loop(Learner& learner, const Config& config, const LoopHooks& hooks, std::int64_t until) {
  const std::int64_t end = config.loop.num_env_steps;
  while (learner.env_steps() < std::min(end, until)) {
    const std::int64_t env_steps = learner.env_steps(), train_steps = learner.train_steps();
    if (hooks.stop_requested() || !hooks.before_step() || !learner.step()) {
      hooks.checkpoint();
      return false;
    }
    hooks.tick();

    const bool last = learner.env_steps() >= end, pause = learner.env_steps() >= until;
    if (is_due(config.log.interval, env_steps, learner.env_steps()) || last) hooks.log();
    const bool evaluation_due =
        learner.trials() != nullptr
            ? !learner.trials()->empty()
            : last || is_due(config.eval.interval, train_steps, learner.train_steps());
    if (evaluation_due) hooks.evaluate();
    const bool checkpoint_due = config.checkpoint.interval > 0 &&
                                is_due(config.checkpoint.interval, env_steps, learner.env_steps());
    if (hooks.wants_checkpoint() || checkpoint_due || pause || last) hooks.checkpoint();
  }
  return true;
}

}  // namespace mbrl
