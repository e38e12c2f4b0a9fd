// MBPO whose rollouts start where the policy has just been: from the real states of the last
// rollout.retain_epochs epochs, for as long as imagined data is kept, instead of from all.
#include "host/algo/checks.h"
#include "host/algo/memory.h"
#include "host/algo/parts/collector.h"
#include "host/algo/parts/imagination.h"
#include "host/algo/parts/measurements.h"
#include "host/algo/parts/soft_actor_critic.h"
#include "host/algo/registry.h"

namespace mbrl {

class MbpoNewest : public Learner {
 public:
  using Learner::Learner;

  bool step() override {
    const bool was_exploring = exploring();
    if (!was_exploring) {
      const bool imagines = imagination_.is_read();
      const Dynamics::Fit fit =
          imagines ? dynamics_.fit_if_due(collector_.replay().view()) : Dynamics::Fit::kNotDue;
      if (fit == Dynamics::Fit::kStopped) return false;
      const int newest = context_.config.rollout.retain_epochs * context_.config.loop.epoch_length;
      if (imagines && imagination_.is_due(fit == Dynamics::Fit::kDone))
        imagination_.run(sac_.actor(), dynamics_, collector_.newest(newest));
    }
    measurements_.note_action(
        collector_.step([this](auto observation, auto action) { sac_.act(observation, action); }));
    if (!was_exploring)
      measurements_.note_critic_loss(
          sac_.update(imagination_.mixed_with(collector_.replay().view())));
    return true;
  }

  std::int64_t num_updates() const override { return sac_.num_updates(); }
  const SacState* soft_actor_critic() const override { return &sac_.state(); }
  const EnsembleState* model() const override { return &dynamics_.state(); }
  Measurements* measurements() override { return &measurements_; }

 protected:
  std::unique_ptr<PolicyCopy> copy_policy(Stream& stream, int num_rows) override {
    return sac_.copy_policy(stream, num_rows);
  }

 private:
  SoftActorCritic sac_{context_, environments_};
  Collector collector_{context_, environments_};
  UpdateCount update_count_{context_, *this};
  Dynamics dynamics_{context_, environments_.layout()};
  Imagination imagination_{context_, env_spec(), sac_.actor(), dynamics_};
  Measurements measurements_{context_, sac_, collector_, dynamics_};
};

Algorithm algorithms::mbpo_newest_algorithm() {
  return {.name = "mbpo_newest",
          .text = "MBPO with rollouts from the newest real states alone",
          .needs_model = true,
          .reads = {"model", "-model.epochs", "-model.max_target", "rollout", "sac", "loop",
                    "controller", "autombpo.length_decisions"},
          .make = make_learner_of<MbpoNewest>,
          .check = check_mbpo,
          .memory = mbpo_bytes};
}

}  // namespace mbrl
