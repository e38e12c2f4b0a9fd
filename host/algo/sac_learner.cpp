#include "host/algo/sac_learner.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "host/algo/draws.h"
#include "profiling/nvtx.h"

namespace mbrl {
namespace {

// indices of the metrics, in the order of declaration
enum SacMetric {
  kCriticLoss,
  kActorLoss,
  kAlpha,
  kEntropy,
  kMeanQ,
  kTrainReturn,
  kRealReplaySize,
  kNumUpdates
};

}  // namespace

SacLearner::SacLearner(const Config& config, Stream& stream, Hooks hooks,
                       std::uint32_t learner_index)
    : Learner(config, stream, std::move(hooks), learner_index, /*num_envs=*/1),
      layout_{envs_.spec().observation_size, envs_.spec().action_size},
      real_(stream, layout_, static_cast<std::size_t>(config.loop.replay_capacity), 0,
            "the real replay"),
      sac_(layout_.observation_size, layout_.action_size, config.sac.hidden_sizes, stream.memory()),
      sac_workspace_(stream, sac_, config.sac.batch_size, hooks_.gemm.sac),
      act_workspace_(stream, sac_.actor, envs_.size()),
      action_(static_cast<std::size_t>(layout_.action_size)) {
  init_sac(sac_, seed(), learner_, config.sac.init_alpha);
  exploring_ = config.loop.num_exploration_steps > 0;
  for (const char* name : {"critic_loss", "actor_loss", "alpha", "entropy", "mean_q",
                           "train_return", "real_replay_size", "num_updates"})
    metrics_.declare(name);
  train_return_metric_ = kTrainReturn;
}

void SacLearner::collect() {
  hooks_.on_stage(exploring_ ? "explore" : "env_step");
  const StageRange range(exploring_ ? "explore" : "env_step", env_steps_);
  const int A = layout_.action_size, S = layout_.observation_size;
  const Matrix<float> action(action_.data(), 1, A);
  const auto step_index = static_cast<std::uint64_t>(env_steps_);
  if (exploring_) {
    const RandomKey key{seed(), purpose::kExploration, learner_};
    for (int i = 0; i < A; ++i)
      action_[i] =
          2.0f * uniform01(key.bits(step_index, 0, static_cast<std::uint32_t>(i)).x) - 1.0f;
  } else if (action_chosen_for_ != env_steps_) {
    policy_act(stream_, sac_.actor,
               {.observation = envs_.observation(),
                .action = action,
                .key = {seed(), purpose::kActionNoise, learner_},
                .step = step_index},
               act_workspace_);
  }

  on_action(envs_.observation().row(0), action_.data(), exploring_);

  // the record, with the observation the action was chosen on
  const std::size_t at = pending_.size();
  pending_.resize(at + static_cast<std::size_t>(layout_.pitch()), 0.0f);
  float* record = pending_.data() + at;
  std::copy_n(envs_.observation().row(0), S, record);
  std::copy_n(action_.data(), A, record + layout_.action());
  const PoolStep step = envs_.step(action);
  ++env_steps_;
  record[layout_.reward()] = step.reward[0];
  record[layout_.terminated()] = step.terminated[0] ? 1.0f : 0.0f;
  std::copy_n(step.next_observation.row(0), S, record + layout_.next_observation());

  if (step.broken[0]) {
    // an unstable simulator: the transition means nothing
    pending_.resize(at);
    count_broken(static_cast<Fault>(step.broken[0]));
  } else {
    episode_return_ += step.reward[0];
    ++episode_length_;
  }

  const bool ended = step.terminated[0] || step.truncated[0];
  const bool insert_now = ended || config_.loop.pool_insertion == "step";
  if (insert_now) {
    const StageRange ingest("ingest", env_steps_);
    real_.append(stream_, pending_.data(),
                 pending_.size() / static_cast<std::size_t>(layout_.pitch()));
    pending_.clear();
  }
  if (ended) {
    end_episode(step, 0, episode_return_, episode_length_);
    episode_return_ = 0.0;
    episode_length_ = 0;
  }

  // exploration lasts to the end of an episode, so that its data is in the replay
  if (exploring_ && env_steps_ >= config_.loop.num_exploration_steps && insert_now) {
    exploring_ = false;
    exploration_end_ = env_steps_;
  }
}

double SacLearner::update_policy(int count, const TransitionsView& imagined, double real_ratio) {
  if (count == 0 || real_.size() < static_cast<std::size_t>(config_.loop.min_replay_size))
    return std::numeric_limits<double>::quiet_NaN();
  hooks_.on_stage("sac");
  const StageRange range("sac", env_steps_);
  const SacConfig& c = config_.sac;
  const MixedSource source{real_.view(), imagined, static_cast<int>(c.batch_size * real_ratio)};
  const SacConstants constants{.batch_size = c.batch_size,
                               .discount = c.discount,
                               .tau = c.tau,
                               .target_entropy = c.auto_target_entropy
                                                     ? -static_cast<float>(layout_.action_size)
                                                     : c.target_entropy,
                               .adam = {c.learning_rate},
                               .simultaneous = c.update_order == "simultaneous",
                               .seed = seed(),
                               .learner = learner_};
  const ActRequest act{envs_.observation(),
                       {action_.data(), 1, layout_.action_size},
                       /*stochastic=*/true,
                       RandomKey{seed(), purpose::kActionNoise, learner_},
                       static_cast<std::uint64_t>(env_steps_)};
  losses_.resize(static_cast<std::size_t>(count));
  sac_update(stream_, losses_, sac_, source, constants, sac_workspace_, &act);
  action_chosen_for_ = env_steps_;
  double critic_loss = 0.0;
  for (const SacLosses& losses : losses_) {
    const double both = 0.5 * (losses.critic_loss[0] + losses.critic_loss[1]);
    critic_loss += both;
    metrics_.add(kCriticLoss, both);
    metrics_.add(kActorLoss, losses.actor_loss);
    metrics_.add(kAlpha, losses.alpha);
    metrics_.add(kEntropy, losses.entropy);
    metrics_.add(kMeanQ, losses.mean_q);
  }
  return critic_loss / count;
}

void SacLearner::act(Matrix<const float> observation, Matrix<float> action) {
  const int rows = observation.size(0);
  if (eval_workspace_ == nullptr || eval_workspace_->max_rows() != rows)
    eval_workspace_ = std::make_unique<PolicyWorkspace>(stream_, sac_.actor, rows);
  policy_act(stream_, sac_.actor,
             {.observation = observation, .action = action, .stochastic = false, .key = {}},
             *eval_workspace_);
}

void SacLearner::set_metrics(Metrics& metrics) {
  metrics.set(kRealReplaySize, static_cast<double>(real_.size()));
  metrics.set(kNumUpdates, static_cast<double>(sac_.num_updates));
}

nlohmann::json SacLearner::state() {
  nlohmann::json s = Learner::state();
  s["episode_return"] = episode_return_;
  s["episode_length"] = episode_length_;
  s["num_updates"] = sac_.num_updates;
  s["pending_size"] = pending_.size();
  s["real_replay"] = real_.state();
  return s;
}

void SacLearner::set_state(const nlohmann::json& s) {
  Learner::set_state(s);
  episode_return_ = s.at("episode_return");
  episode_length_ = s.at("episode_length");
  sac_.num_updates = s.at("num_updates");
  pending_.resize(s.at("pending_size"));
  real_.set_state(s.at("real_replay"));
}

std::vector<TensorRef> SacLearner::weight_tensors() {
  std::vector<TensorRef> tensors;
  append_tensors(tensors, "actor", sac_.actor.parameters);
  for (int i = 0; i < 2; ++i) {
    const std::string name = "critic" + std::to_string(i);
    append_tensors(tensors, name, sac_.critics.critic[i]);
    tensors.push_back(tensor_ref(name + ".target", sac_.critics.target[i]));
  }
  append_tensors(tensors, "log_alpha", sac_.log_alpha);
  return tensors;
}

std::vector<TensorRef> SacLearner::replay_tensors() {
  std::vector<TensorRef> tensors{
      real_.tensor("real"),
      tensor_ref("pending", pending_.data(), {static_cast<std::int64_t>(pending_.size())})};
  for (const TensorRef& tensor : Learner::replay_tensors()) tensors.push_back(tensor);
  return tensors;
}

void SacLearner::finish_loading() {
  Learner::finish_loading();
  action_chosen_for_ = -1;
}

}  // namespace mbrl
