// Janner et al. 2019, arXiv:1906.08253, algorithm 2, in the step order of jannerm/mbpo.
#include "host/algo/mbpo.h"

#include <utility>

#include "host/algo/checks.h"
#include "host/algo/memory.h"
#include "host/algo/registry.h"

namespace mbrl {

Mbpo::Mbpo(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index)
    : Learner(config, stream, std::move(hooks), learner_index, /*num_envs=*/1),
      sac_(context_, environments_),
      collector_(context_, environments_),
      update_count_(context_, *this),
      dynamics_(context_, environments_.layout()),
      imagination_(context_, env_spec(), sac_.actor(), dynamics_),
      measurements_(context_, sac_, collector_, dynamics_) {}

bool Mbpo::step() {
  if (exploring()) {
    collect();
    return true;
  }

  // refit the ensemble, branch short imagined rollouts from real states
  const TransitionsView real = collector_.replay().view();
  const bool imagines = imagination_.is_read();
  const Dynamics::Fit fit = imagines ? dynamics_.fit_if_due(real) : Dynamics::Fit::kNotDue;
  if (fit == Dynamics::Fit::kStopped) return false;
  if (imagines && imagination_.is_due(fit == Dynamics::Fit::kDone))
    imagination_.run(sac_.actor(), dynamics_, real);

  // one real step
  collect();

  // improve the policy on a mix of real and imagined rows
  const MixedSource batches = imagination_.mixed_with(collector_.replay().view());
  measurements_.note_critic_loss(sac_.update(batches));
  return true;
}

void Mbpo::collect() {
  const ActionTaken taken =
      collector_.step([this](auto observation, auto action) { sac_.act(observation, action); });
  measurements_.note_action(taken);
}

void Mbpo::visit(Archive& archive) {
  Learner::visit(archive);
  // as checkpoints had it before there were hyperparameters
  const Archive::Section schedule(archive, "schedule");
  const Archive::Section values(archive, "values");
  if (archive.loading() && archive.has("updates_per_step"))
    archive.value("updates_per_step", context_.config.sac.updates_per_step, 0, 1'000'000);
}

Algorithm algorithms::mbpo_algorithm() {
  return {.name = "mbpo",
          .text = "model-based policy optimization: SAC on short rollouts of a learned ensemble",
          .needs_model = true,
          .reads = {"model", "-model.epochs", "-model.max_target", "rollout", "sac", "loop",
                    "controller", "autombpo.length_decisions"},
          .make = make_learner_of<Mbpo>,
          .check = check_mbpo,
          .memory = mbpo_bytes};
}

}  // namespace mbrl
