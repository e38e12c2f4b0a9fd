#include "host/algo/parts/soft_actor_critic.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>

#include "host/algo/draws.h"
#include "kernels/formulas/squashed_gaussian.h"

namespace mbrl {
namespace {

class ActorCopy : public PolicyCopy {
 public:
  ActorCopy(const Context& learner, const GaussianActor& actor, Stream& stream, int num_rows)
      : learner_(learner.stream),
        original_(actor),
        stream_(stream),
        copy_(actor.observation_size(), actor.action_size(), learner.config.sac.hidden_sizes,
              stream.memory()),
        workspace_(stream, copy_, num_rows) {}

  void renew() override {
    const Buffer<float>& from = original_.parameters.value;
    copy(learner_, copy_.parameters.value.data(), from.data(), from.size());
    learner_.synchronize();
  }

  void act(Matrix<const float> observation, Matrix<float> action) override {
    policy_act(stream_, copy_,
               {.observation = observation, .action = action, .stochastic = false, .key = {}},
               workspace_);
  }

 private:
  Stream& learner_;
  const GaussianActor& original_;
  Stream& stream_;
  GaussianActor copy_;
  PolicyWorkspace workspace_;
};

}  // namespace

SoftActorCritic::SoftActorCritic(Context& context, const Environments& environments)
    : Part(context),
      environments_(environments),
      state_(environments.spec().observation_size, environments.spec().action_size,
             context.config.sac.hidden_sizes, context.stream.memory()),
      workspace_(context.stream, state_, context.config.sac.batch_size, context.hooks.gemm.sac),
      act_workspace_(context.stream, state_.actor, environments.pool().size()),
      critic_loss_(context.metrics.declare("critic_loss")),
      actor_loss_(context.metrics.declare("actor_loss")),
      alpha_(context.metrics.declare("alpha")),
      entropy_(context.metrics.declare("entropy")),
      mean_q_(context.metrics.declare("mean_q")),
      next_action_(static_cast<std::size_t>(environments.spec().action_size)) {
  init_sac(state_, context.seed(), context.learner, context.config.sac.init_alpha);
}

void SoftActorCritic::act(Matrix<const float> observation, Matrix<float> action) {
  if (next_action_step_ == context_.clock.env_steps) {
    std::copy(next_action_.begin(), next_action_.end(), action.data);
    last_log_prob_ = next_log_prob_;
    return;
  }
  policy_act(context_.stream, state_.actor,
             {.observation = observation,
              .action = action,
              .key = {context_.seed(), purpose::kActionNoise, context_.learner},
              .step = static_cast<std::uint64_t>(context_.clock.env_steps),
              .log_prob = {&last_log_prob_, 1}},
             act_workspace_);
}

std::unique_ptr<PolicyCopy> SoftActorCritic::copy_policy(Stream& stream, int num_rows) {
  return std::make_unique<ActorCopy>(context_, state_.actor, stream, num_rows);
}

double SoftActorCritic::update(const MixedSource& source) {
  const SacConfig& c = context_.config.sac;
  const int count = c.updates_per_step;
  if (count == 0 ||
      source.real.size < static_cast<std::size_t>(context_.config.loop.min_replay_size))
    return std::numeric_limits<double>::quiet_NaN();
  const StageScope stage(context_, "sac");
  const int A = state_.action_size();
  const SacConstants constants{
      .batch_size = c.batch_size,
      .discount = c.discount,
      .tau = c.tau,
      .target_entropy = c.auto_target_entropy ? -static_cast<float>(A) : c.target_entropy,
      .adam = {c.learning_rate},
      .simultaneous = c.update_order == "simultaneous",
      .seed = context_.seed(),
      .learner = context_.learner};
  const ActRequest act{environments_.pool().observation(),
                       {next_action_.data(), 1, A},
                       /*stochastic=*/true,
                       RandomKey{context_.seed(), purpose::kActionNoise, context_.learner},
                       static_cast<std::uint64_t>(context_.clock.env_steps),
                       {&next_log_prob_, 1}};
  losses_.resize(static_cast<std::size_t>(count));
  sac_update(context_.stream, losses_, state_, source, constants, workspace_, &act);
  next_action_step_ = context_.clock.env_steps;

  double critic_loss = 0.0;
  Metrics& metrics = context_.metrics;
  for (const SacLosses& losses : losses_) {
    const double both = 0.5 * (losses.critic_loss[0] + losses.critic_loss[1]);
    critic_loss += both;
    metrics.add(critic_loss_, both);
    metrics.add(actor_loss_, losses.actor_loss);
    metrics.add(alpha_, losses.alpha);
    metrics.add(entropy_, losses.entropy);
    metrics.add(mean_q_, losses.mean_q);
  }
  return critic_loss / count;
}

void SoftActorCritic::visit(Archive& archive) {
  archive.value("num_updates", state_.num_updates, 0, kMaxCount);
  archive.weights("actor", state_.actor.parameters, state_.actor.layout);
  for (int i = 0; i < 2; ++i) {
    const std::string name = "critic" + std::to_string(i);
    archive.weights(name, state_.critics.critic[i], state_.critics.layout);
    TensorRef target = tensor_ref(name + ".target", state_.critics.target[i]);
    target.parts = layer_parts(name + "_target", state_.critics.layout);
    archive.weights(target);
  }
  archive.weights("log_alpha", state_.log_alpha);
  archive.describe("actor.sizes", widths_text(state_.actor.layout));
  archive.describe("actor.activation", "relu");
  archive.describe("actor.output", "mean, log_std; the action is tanh(mean)");
  archive.describe("actor.log_std_bounds", fmt::format("[{}, {}]", kMinLogStd, kMaxLogStd));
  archive.describe("actor.scaler", "none");
  archive.describe("critic.sizes", widths_text(state_.critics.layout));
  archive.describe("critic.activation", "relu");
  if (archive.loading()) next_action_step_ = -1;
}

}  // namespace mbrl
