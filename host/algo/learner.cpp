#include "host/algo/learner.h"

#include <utility>

namespace mbrl {

Learner::Learner(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index,
                 int num_envs)
    : made_with_(config),
      inputs_(input_files(config)),
      context_{
          .config = config, .stream = stream, .hooks = std::move(hooks), .learner = learner_index},
      environments_(context_, num_envs) {}

std::vector<Hyperparameter> Learner::hyperparameters() {
  std::vector<Hyperparameter> all = live_keys(context_.config);
  for (Part* part : context_.parts) part->hyperparameters(all);
  return all;
}

Evaluation Learner::evaluate(int num_episodes) {
  return begin_evaluation(num_episodes, context_.stream.pool())();
}

std::function<Evaluation()> Learner::begin_evaluation(int num_episodes, ThreadPool& pool) {
  const StageScope stage(context_, "eval");
  if (evaluator_ == nullptr || evaluator_->num_episodes() != num_episodes ||
      &evaluator_->pool() != &pool)
    evaluator_ = std::make_unique<Evaluator>(
        context_.config.env, environments_.evaluation_seed(), num_episodes, context_.stream, pool,
        [this](Stream& stream, int num_rows) { return copy_policy(stream, num_rows); });
  evaluator_->renew();
  return [evaluator = evaluator_.get(), number = environments_.count_evaluation()] {
    return evaluator->run(number);
  };
}

std::optional<PolicyNetwork> Learner::policy_network() const {
  if (soft_actor_critic() == nullptr) return std::nullopt;
  const GaussianActor& actor = soft_actor_critic()->actor;
  return PolicyNetwork{
      .layers =
          network_layers(actor.layout, to_host(actor.parameters.value).data(), actor.action_size()),
      .hidden = PolicyNetwork::Hidden::kRelu,
      .squash = PolicyNetwork::Squash::kTanh,
      .low = env_spec().lowest_action(),
      .high = env_spec().highest_action()};
}

void Learner::visit(Archive& archive) {
  {
    // keys of the config that changed since the learner was made
    Config original = made_with_;
    if (archive.loading()) context_.config = made_with_;
    const std::vector<Hyperparameter> now = live_keys(context_.config), then = live_keys(original);
    const Archive::Section section(archive, "hyperparameters");
    for (std::size_t i = 0; i < now.size(); ++i) {
      double value = now[i].get();
      const bool kept = archive.loading() ? archive.has(now[i].name) : value != then[i].get();
      if (!kept) continue;
      archive.value(now[i].name, value);
      if (archive.loading()) now[i].set(value);
    }
  }
  for (Part* part : context_.parts) part->visit(archive);
  context_.metrics.visit(archive);
}

}  // namespace mbrl
