#include "host/run/loop.h"

namespace mbrl {
namespace {

// whether a multiple of `interval` lies behind `before`, up to `after`: one learner's step may be a
// step of many environments
bool is_due(std::int64_t interval, std::int64_t before, std::int64_t after) {
  return after / interval > before / interval;
}

}  // namespace

bool run_loop(Learner& learner, const Config& config, const LoopHooks& hooks) {
  while (learner.env_steps() < config.loop.num_env_steps) {
    const std::int64_t env_steps = learner.env_steps(), train_steps = learner.train_steps();
    if (hooks.stop_requested() || !hooks.before_step() || !learner.step()) {
      hooks.checkpoint();
      return false;
    }
    hooks.tick();

    const bool last = learner.env_steps() >= config.loop.num_env_steps;
    const bool evaluation_due = is_due(config.eval.interval, train_steps, learner.train_steps());
    if (evaluation_due || last) hooks.evaluate();
    const bool checkpoint_due = config.checkpoint.interval > 0 &&
                                is_due(config.checkpoint.interval, env_steps, learner.env_steps());
    if (checkpoint_due || last) hooks.checkpoint();
  }
  return true;
}

}  // namespace mbrl
