#include "host/algo/learner.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "cuda/check.h"
#include "host/algo/mbpo.h"
#include "host/algo/sac.h"
#include "profiling/nvtx.h"

namespace mbrl {
namespace {

// indices of the metrics every learner has, in the order of declaration
enum LearnerMetric {
  kCriticLoss,
  kActorLoss,
  kAlpha,
  kEntropy,
  kMeanQ,
  kTrainReturn,
  kRealReplaySize,
  kNumUpdates
};

std::uint32_t hash32(std::uint32_t x) { return philox({x, 0, 0, 0}, 0x6d62726cu, 0).x; }

}  // namespace

double Evaluation::mean_return() const {
  return std::accumulate(returns.begin(), returns.end(), 0.0) / static_cast<double>(returns.size());
}

double Evaluation::std_return() const {
  const double mean = mean_return();
  double sum = 0.0;
  for (const double r : returns) sum += (r - mean) * (r - mean);
  return std::sqrt(sum / static_cast<double>(returns.size()));
}

double Evaluation::mean_length() const {
  return std::accumulate(lengths.begin(), lengths.end(), 0.0) / static_cast<double>(lengths.size());
}

Learner::Learner(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index)
    : config_(config),
      stream_(stream),
      hooks_(std::move(hooks)),
      learner_(learner_index),
      envs_(config.env, /*num_envs=*/1, static_cast<std::uint32_t>(config.seed) + learner_index,
            stream.pool()),
      layout_{envs_.spec().observation_size, envs_.spec().action_size},
      real_(stream, layout_, static_cast<std::size_t>(config.loop.replay_capacity), 0,
            "the real replay"),
      sac_(layout_.observation_size, layout_.action_size, config.sac.hidden_sizes, stream.memory()),
      sac_workspace_(stream, sac_, config.sac.batch_size),
      act_workspace_(stream, sac_, envs_.size()),
      exploring_(config.loop.num_exploration_steps > 0),
      action_(static_cast<std::size_t>(layout_.action_size)) {
  init_sac(sac_, seed(), learner_, config.sac.init_alpha);
  envs_.reset();
  for (const char* name : {"critic_loss", "actor_loss", "alpha", "entropy", "mean_q",
                           "train_return", "real_replay_size", "num_updates"})
    metrics_.declare(name);
}

void Learner::collect() {
  hooks_.on_stage(exploring_ ? "explore" : "env_step");
  const StageRange range(exploring_ ? "explore" : "env_step", env_steps_);
  const int A = layout_.action_size, S = layout_.observation_size;
  const Matrix<float> action(action_.data(), 1, A);
  const auto step_index = static_cast<std::uint64_t>(env_steps_);
  if (exploring_) {
    const RandomKey key{seed(), Purpose::kExploration, learner_};
    for (int i = 0; i < A; ++i)
      action_[i] =
          2.0f * uniform01(key.bits(step_index, 0, static_cast<std::uint32_t>(i)).x) - 1.0f;
  } else if (action_chosen_for_ != env_steps_) {
    policy_act(stream_, sac_, envs_.observation(), action, /*stochastic=*/true,
               RandomKey{seed(), Purpose::kActionNoise, learner_}, step_index, act_workspace_);
  }

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
    ++num_broken_;
    hooks_.warn("the simulator became unstable at env step " + std::to_string(env_steps_) +
                "; the transition was dropped and the episode ended (" +
                std::to_string(num_broken_) + " so far).");
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
  if (ended) end_episode(step);

  // exploration lasts to the end of an episode, so that its data is in the replay
  if (exploring_ && env_steps_ >= config_.loop.num_exploration_steps && insert_now) {
    exploring_ = false;
    exploration_end_ = env_steps_;
  }
}

void Learner::end_episode(const PoolStep& step) {
  last_return_ = episode_return_;
  metrics_.add(kTrainReturn, episode_return_);
  hooks_.on_episode({env_steps_, num_episodes_, episode_return_, episode_length_,
                     step.terminated[0] != 0, step.truncated[0] != 0, step.broken[0] != 0});
  ++num_episodes_;
  episode_return_ = 0.0;
  episode_length_ = 0;
}

void Learner::update_policy(int count, const TransitionsView& imagined, double real_ratio) {
  if (real_.size() < static_cast<std::size_t>(config_.loop.min_replay_size)) return;
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
                       RandomKey{seed(), Purpose::kActionNoise, learner_},
                       static_cast<std::uint64_t>(env_steps_)};
  losses_.resize(static_cast<std::size_t>(count));
  sac_update(stream_, losses_, sac_, source, constants, sac_workspace_, &act);
  action_chosen_for_ = env_steps_;
  for (const SacLosses& losses : losses_) {
    metrics_.add(kCriticLoss, 0.5 * (losses.critic_loss[0] + losses.critic_loss[1]));
    metrics_.add(kActorLoss, losses.actor_loss);
    metrics_.add(kAlpha, losses.alpha);
    metrics_.add(kEntropy, losses.entropy);
    metrics_.add(kMeanQ, losses.mean_q);
  }
}

std::vector<double> Learner::take_metrics() {
  metrics_.set(kRealReplaySize, static_cast<double>(real_.size()));
  metrics_.set(kNumUpdates, static_cast<double>(sac_.num_updates));
  set_metrics(metrics_);
  return metrics_.take();
}

Evaluation Learner::evaluate(int num_episodes) {
  hooks_.on_stage("eval");
  const StageRange range("eval", env_steps_);
  if (eval_envs_ == nullptr || eval_envs_->size() != num_episodes) {
    eval_envs_ = std::make_unique<EnvPool>(config_.env, num_episodes, hash32(seed() + learner_),
                                           stream_.pool());
    eval_workspace_ = std::make_unique<PolicyWorkspace>(stream_, sac_, num_episodes);
  }
  EnvPool& envs = *eval_envs_;
  const auto N = static_cast<std::size_t>(num_episodes);
  Evaluation result{std::vector<double>(N, 0.0), std::vector<int>(N, 0)};
  std::vector<std::uint8_t> active(N, 1);
  std::vector<float> actions(N * static_cast<std::size_t>(layout_.action_size));
  const Matrix<float> action(actions.data(), num_episodes, layout_.action_size);

  // start states depend on the number of the evaluation alone, so a resumed run repeats them
  envs.reset(static_cast<std::uint64_t>(num_evaluations_++));
  for (int left = num_episodes; left > 0;) {
    policy_act(stream_, sac_, envs.observation(), action, /*stochastic=*/false, {}, 0,
               *eval_workspace_);
    const PoolStep step = envs.step(action, active);
    for (std::size_t i = 0; i < N; ++i) {
      if (!active[i]) continue;
      if (!step.broken[i]) {
        result.returns[i] += step.reward[i];
        ++result.lengths[i];
      }
      if (step.terminated[i] || step.truncated[i]) {
        active[i] = 0;
        --left;
      }
    }
  }
  return result;
}

nlohmann::json Learner::state() {
  env_state_ = envs_.get_state();
  return {{"env_steps", env_steps_},
          {"exploring", exploring_},
          {"exploration_end", exploration_end_},
          {"num_episodes", num_episodes_},
          {"num_evaluations", num_evaluations_},
          {"num_broken", num_broken_},
          {"episode_return", episode_return_},
          {"last_return", last_return_},
          {"episode_length", episode_length_},
          {"num_updates", sac_.num_updates},
          {"env_state_size", env_state_.size()},
          {"pending_size", pending_.size()},
          {"real_replay", real_.state()},
          {"metrics", metrics_.state()}};
}

void Learner::set_state(const nlohmann::json& s) {
  env_steps_ = s.at("env_steps");
  exploring_ = s.at("exploring");
  exploration_end_ = s.at("exploration_end");
  num_episodes_ = s.at("num_episodes");
  num_evaluations_ = s.at("num_evaluations");
  num_broken_ = s.at("num_broken");
  episode_return_ = s.at("episode_return");
  last_return_ = s.at("last_return");
  episode_length_ = s.at("episode_length");
  sac_.num_updates = s.at("num_updates");
  env_state_.resize(s.at("env_state_size"));
  pending_.resize(s.at("pending_size"));
  real_.set_state(s.at("real_replay"));
  metrics_.set_state(s.at("metrics"));
}

void append_tensors(std::vector<TensorRef>& tensors, const std::string& name,
                    TrainedParameters& p) {
  tensors.push_back(tensor_ref(name, p.value));
  tensors.push_back(tensor_ref(name + ".adam_m", p.m));
  tensors.push_back(tensor_ref(name + ".adam_v", p.v));
}

std::vector<TensorRef> Learner::weight_tensors() {
  std::vector<TensorRef> tensors;
  append_tensors(tensors, "actor", sac_.actor);
  for (int i = 0; i < 2; ++i) {
    const std::string name = "critic" + std::to_string(i);
    append_tensors(tensors, name, sac_.critic[i]);
    tensors.push_back(tensor_ref(name + ".target", sac_.target[i]));
  }
  append_tensors(tensors, "log_alpha", sac_.log_alpha);
  return tensors;
}

std::vector<TensorRef> Learner::replay_tensors() {
  return {
      real_.tensor("real"),
      tensor_ref("pending", pending_.data(), {static_cast<std::int64_t>(pending_.size())}),
      tensor_ref("env_state", env_state_.data(), {static_cast<std::int64_t>(env_state_.size())})};
}

void Learner::finish_loading() {
  envs_.set_state(env_state_);
  action_chosen_for_ = -1;
}

std::unique_ptr<Learner> make_learner(const Config& config, Stream& stream, Hooks hooks,
                                      std::uint32_t learner_index) {
  if (config.algorithm == "mbpo")
    return std::make_unique<Mbpo>(config, stream, std::move(hooks), learner_index);
  return std::make_unique<Sac>(config, stream, std::move(hooks), learner_index);
}

}  // namespace mbrl
