// Soft actor-critic without a model: MBPO's limit when all rows are real.
#pragma once

#include "host/algo/learner.h"
#include "host/algo/parts/collector.h"
#include "host/algo/parts/soft_actor_critic.h"

namespace mbrl {

/// Haarnoja et al. 2018, arXiv:1812.05905. SAC(G) of the papers is updates_per_step = G.
class Sac : public Learner {
 public:
  Sac(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index);

  bool step() override;

  std::int64_t num_updates() const override { return sac_.num_updates(); }
  const SacState* soft_actor_critic() const override { return &sac_.state(); }
  const Replay& real_replay() const { return collector_.replay(); }

 protected:
  std::unique_ptr<PolicyCopy> copy_policy(Stream& stream, int num_rows) override {
    return sac_.copy_policy(stream, num_rows);
  }

 private:
  SoftActorCritic sac_;
  Collector collector_;
  UpdateCount update_count_;
};

}  // namespace mbrl
