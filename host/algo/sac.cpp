// Haarnoja et al. 2018, arXiv:1812.05905, algorithm 1.
#include "host/algo/sac.h"

#include <fmt/format.h>

#include <utility>

#include "host/algo/checks.h"
#include "host/algo/memory.h"
#include "host/algo/registry.h"

namespace mbrl {

Sac::Sac(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index)
    : Learner(config, stream, std::move(hooks), learner_index, /*num_envs=*/1),
      sac_(context_, environments_),
      collector_(context_, environments_),
      update_count_(context_, *this) {}

bool Sac::step() {
  const bool was_exploring = exploring();
  collector_.step([this](auto observation, auto action) { sac_.act(observation, action); });
  if (!was_exploring) sac_.update({collector_.replay().view(), {}, context_.config.sac.batch_size});
  return true;
}

Algorithm algorithms::sac_algorithm() {
  return {.name = "sac",
          .text = "soft actor-critic on real transitions",
          .needs_model = false,
          .reads = {"sac", "loop", "-loop.model_train_interval", "-loop.real_ratio"},
          .make = make_learner_of<Sac>,
          .check =
              [](const Config& config, const Require& require) {
                check_soft_actor_critic(config, require);
                check_replay(config, require);
              },
          .memory = sac_bytes};
}

}  // namespace mbrl
