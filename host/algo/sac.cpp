// Haarnoja et al. 2018, arXiv:1812.05905, algorithm 1.
#include "host/algo/sac.h"

#include <fmt/format.h>

#include "host/algo/checks.h"
#include "host/algo/memory.h"
#include "host/algo/registry.h"

namespace mbrl {

bool Sac::step() {
  const bool was_exploring = exploring();
  collect();
  if (!was_exploring) update_policy(config_.sac.updates_per_step, {}, /*real_ratio=*/1.0);
  return true;
}

namespace algorithms {

Algorithm sac_algorithm() {
  return {.name = "sac",
          .text = "soft actor-critic on real transitions",
          .needs_model = false,
          .reads = {"sac", "loop", "-loop.model_train_interval"},
          .make = [](const Config& config, Stream& stream, Hooks hooks,
                     std::uint32_t learner_index) -> std::unique_ptr<Learner> {
            return std::make_unique<Sac>(config, stream, std::move(hooks), learner_index);
          },
          .run = nullptr,
          .check =
              [](const Config& config, const Require& require) {
                check_soft_actor_critic(config, require);
                check_replay(config, require);
                check_not_steered(config, require);
                require(config.loop.real_ratio == 1.0f,
                        fmt::format("algorithm sac has no imagined data, so all rows of a batch "
                                    "are real; set loop.real_ratio=1 (found {}).",
                                    config.loop.real_ratio));
              },
          .memory = real_replay_bytes};
}

}  // namespace algorithms
}  // namespace mbrl
