// Model-based policy optimization (Janner et al. 2019, arXiv:1906.08253).
#pragma once

#include <cstdint>

#include "host/algo/learner.h"
#include "host/algo/parts/collector.h"
#include "host/algo/parts/dynamics.h"
#include "host/algo/parts/imagination.h"
#include "host/algo/parts/measurements.h"
#include "host/algo/parts/soft_actor_critic.h"

namespace mbrl {

class Mbpo : public Learner {
 public:
  Mbpo(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index);

  bool step() override;

  std::int64_t num_updates() const override { return sac_.num_updates(); }
  const SacState* soft_actor_critic() const override { return &sac_.state(); }
  const EnsembleState* model() const override { return &dynamics_.state(); }
  Measurements* measurements() override { return &measurements_; }
  const Replay& real_replay() const { return collector_.replay(); }
  const Replay& model_replay() const { return imagination_.replay(); }
  int rollout_length() const { return imagination_.rollout_length(); }
  std::int64_t num_fits() const { return dynamics_.num_fits(); }

  void visit(Archive& archive) override;

 protected:
  std::unique_ptr<PolicyCopy> copy_policy(Stream& stream, int num_rows) override {
    return sac_.copy_policy(stream, num_rows);
  }

 private:
  void collect();

  SoftActorCritic sac_;
  Collector collector_;
  UpdateCount update_count_;
  Dynamics dynamics_;
  Imagination imagination_;
  Measurements measurements_;
};

}  // namespace mbrl
