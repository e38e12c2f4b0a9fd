// Schulman et al. 2017, arXiv:1707.06347, algorithm 1, with what implementations for MuJoCo add:
// observations and rewards scaled by running moments, advantages by those of their batch.
#include "host/algo/ppo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/algo/checks.h"
#include "host/algo/draws.h"
#include "host/algo/memory.h"
#include "host/algo/registry.h"
#include "kernels/data/permutation.h"

namespace mbrl {
namespace {

// the policy's last layer starts small, so that the first actions are the Gaussian's own
constexpr float kOutputGain = 0.01f;

// RunningMoments::normalize in words, for those who read a checkpoint
constexpr const char* kNormalizerText =
    "clip((x - observation_moments.mean) / sqrt(observation_moments.sum_of_squares / "
    "observation_moments.count + 1e-8), -10, 10), and a variance of 1 for a count below 2";

PpoShape shape_of(const EnvSpec& spec, const PpoConfig& c) {
  return {.observation_size = spec.observation_size,
          .hidden_sizes = c.hidden_sizes,
          .heads = {},
          .action_size = spec.action_size,
          .value = true};
}

struct MeanAndStd {
  double mean = 0.0, std = 0.0;  // of the population
};
// of value(i) for all steps i that are not broken
template <typename Value>
MeanAndStd moments(std::span<const float> broken, Value value) {
  const auto sum = [&](auto term) {
    double total = 0.0;
    for (std::size_t i = 0; i < broken.size(); ++i)
      if (broken[i] == 0.0f) total += term(i);
    return total;
  };
  const double count = sum([](std::size_t) { return 1.0; });
  if (count == 0.0) return {};
  const double mean = sum(value) / count;
  const double squares = sum([&](std::size_t i) { return (value(i) - mean) * (value(i) - mean); });
  return {mean, std::sqrt(squares / count)};
}

}  // namespace

void normalize_advantages(std::span<float> advantage, std::span<const float> broken) {
  const MeanAndStd m = moments(broken, [&](std::size_t i) { return advantage[i]; });
  for (std::size_t i = 0; i < advantage.size(); ++i)
    advantage[i] =
        broken[i] != 0.0f ? 0.0f : static_cast<float>((advantage[i] - m.mean) / (m.std + 1e-8));
}

Ppo::Steps::Steps(int rows, const EnvSpec& spec, Memory memory)
    : observation(static_cast<std::size_t>(rows) * spec.observation_size, 0.0f, memory, "steps"),
      action(static_cast<std::size_t>(rows) * spec.action_size, 0.0f, memory, "steps"),
      log_prob(static_cast<std::size_t>(rows), 0.0f, memory, "steps"),
      reward(static_cast<std::size_t>(rows), 0.0f, memory, "steps"),
      value(static_cast<std::size_t>(rows), 0.0f, memory, "steps"),
      next_value(static_cast<std::size_t>(rows), 0.0f, memory, "steps"),
      terminated(static_cast<std::size_t>(rows), 0.0f, memory, "steps"),
      truncated(static_cast<std::size_t>(rows), 0.0f, memory, "steps") {}

Ppo::Ppo(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index)
    : Learner(config, stream, std::move(hooks), learner_index, config.ppo.num_envs),
      N_(config.ppo.num_envs),
      T_(config.ppo.steps_per_update),
      S_(env_spec().observation_size),
      A_(env_spec().action_size),
      policy_(shape_of(env_spec(), config.ppo), stream.memory()),
      workspace_(stream, policy_, std::max(config.ppo.batch_size, N_)),
      observation_moments_(S_),
      return_moments_(1),
      steps_(T_ * N_, env_spec(), Memory::kHost),
      device_steps_(T_ * N_, env_spec(), stream.memory()),
      broken_(static_cast<std::size_t>(T_ * N_), 0.0f),
      discounted_return_(static_cast<std::size_t>(N_), 0.0),
      episode_return_(static_cast<std::size_t>(N_), 0.0),
      episode_length_(static_cast<std::size_t>(N_), 0),
      advantage_(static_cast<std::size_t>(T_ * N_), stream.memory(), "advantages"),
      value_target_(static_cast<std::size_t>(T_ * N_), stream.memory(), "advantages"),
      rows_(static_cast<std::size_t>(config.ppo.epochs) * static_cast<std::size_t>(T_ * N_),
            stream.memory(), "rows of PPO batches"),
      host_advantage_(static_cast<std::size_t>(T_ * N_)),
      host_target_(static_cast<std::size_t>(T_ * N_)),
      env_action_(static_cast<std::size_t>(N_ * A_)),
      bootstrap_(static_cast<std::size_t>(N_)),
      observation_scratch_(static_cast<std::size_t>(N_ * S_)),
      action_scratch_(static_cast<std::size_t>(N_ * A_)),
      losses_(static_cast<std::size_t>(config.ppo.epochs * (T_ * N_ / config.ppo.batch_size))) {
  init_ppo(policy_, {context_.seed(), purpose::kInit, context_.learner}, kOutputGain);
  Metrics& metrics = context_.metrics;
  policy_loss_ = metrics.declare("policy_loss");
  value_loss_ = metrics.declare("value_loss");
  entropy_ = metrics.declare("entropy");
  approx_kl_ = metrics.declare("approx_kl");
  clip_fraction_ = metrics.declare("clip_fraction");
  explained_variance_ = metrics.declare("explained_variance");
  metrics.declare("action_std", [this] { return action_std(); });
  environments_.declare_return();
  const UpdateCount updates(context_, *this);
}

bool Ppo::step() {
  collect();
  if (num_collected_ == T_) update();
  return true;
}

// one step in every environment
void Ppo::collect() {
  const StageScope stage(context_, "env_step");
  const std::size_t first = static_cast<std::size_t>(num_collected_) * N_;
  const Matrix<float> observation(steps_.observation.data() + first * S_, N_, S_);
  const Matrix<float> action(steps_.action.data() + first * A_, N_, A_);
  float* value = steps_.value.data() + first;

  observation_moments_.add(environments_.pool().observation());
  normalize_observations(environments_.pool().observation(), observation);
  ppo_act(context_.stream, policy_,
          {.observation = observation,
           .action = action,
           .log_prob = {steps_.log_prob.data() + first, N_, 1},
           .value = {value, N_},
           .key = {context_.seed(), purpose::kActionNoise, context_.learner},
           .step = static_cast<std::uint64_t>(context_.clock.env_steps)},
          workspace_);

  // these are the values of the observations that the last steps led to
  if (num_collected_ > 0)
    for (int env = 0; env < N_; ++env) {
      const std::size_t before = first - N_ + env;
      const bool ended = steps_.terminated[before] != 0.0f || steps_.truncated[before] != 0.0f;
      if (!ended) steps_.next_value[before] = value[env];
    }

  for (std::size_t i = 0; i < env_action_.size(); ++i)
    env_action_[i] = clamp_f(action[i], -1.0f, 1.0f);
  const PoolStep step = environments_.step({env_action_.data(), N_, A_});
  for (int env = 0; env < N_; ++env) record(static_cast<int>(first) + env, env, step);
  ++num_collected_;
  fill_next_values(step, /*last=*/num_collected_ == T_);
}

// reward / standard deviation of the discounted returns so far
float Ppo::scaled_reward(int env, double reward) {
  if (!context_.config.ppo.normalize_rewards) return static_cast<float>(reward);
  double& discounted = discounted_return_[env];
  discounted = context_.config.ppo.discount * discounted + reward;
  return_moments_.add(discounted);
  const double scale = 1.0 / std::sqrt(return_moments_.variance(0) + 1e-8);
  return static_cast<float>(std::clamp(reward * scale, -10.0, 10.0));
}

// reward, end and episode of one environment's step
void Ppo::record(int row, int env, const PoolStep& step) {
  const bool broken = step.broken[env] != 0;
  broken_[row] = broken ? 1.0f : 0.0f;
  steps_.terminated[row] = step.terminated[env] ? 1.0f : 0.0f;
  steps_.truncated[row] = step.truncated[env] ? 1.0f : 0.0f;
  if (broken) {
    // the transition has no meaning. Its row stays, with a reward that makes the advantage 0 and
    // the value's target the value itself: nothing is learned from it
    steps_.reward[row] = (1.0f - context_.config.ppo.discount) * steps_.value[row];
    steps_.next_value[row] = steps_.value[row];
    environments_.count_broken(static_cast<Fault>(step.broken[env]));
  } else {
    steps_.reward[row] = scaled_reward(env, step.reward[env]);
    episode_return_[env] += step.reward[env];
    ++episode_length_[env];
  }
  if (!step.terminated[env] && !step.truncated[env]) return;
  environments_.end_episode(step, env, episode_return_[env], episode_length_[env]);
  episode_return_[env] = discounted_return_[env] = 0.0;
  episode_length_[env] = 0;
}

// values of what episodes were cut at: by the clock, or (last) by the end of the collection
void Ppo::fill_next_values(const PoolStep& step, bool last) {
  const auto is_cut = [&](int env) {
    const bool ended = step.terminated[env] || step.truncated[env];
    return !step.broken[env] && (step.truncated[env] || (last && !ended));
  };
  bool any = false;
  for (int env = 0; env < N_; ++env) any = any || is_cut(env);
  if (!any) return;
  const Matrix<float> observation(observation_scratch_.data(), N_, S_);
  normalize_observations(step.next_observation, observation);
  ppo_act(context_.stream, policy_,
          {.observation = observation,
           .action = {action_scratch_.data(), N_, A_},
           .log_prob = {},
           .value = {bootstrap_.data(), N_},
           .stochastic = false,
           .key = {}},
          workspace_);
  for (int env = 0; env < N_; ++env)
    if (is_cut(env)) steps_.next_value[(num_collected_ - 1) * N_ + env] = bootstrap_[env];
}

void Ppo::normalize_observations(Matrix<const float> observation, Matrix<float> out) const {
  if (context_.config.ppo.normalize_observations)
    return observation_moments_.normalize(observation, out);
  std::copy_n(observation.data, observation.count(), out.data);
}

// advantages, then epochs over random batches of all that was collected
void Ppo::update() {
  const StageScope stage(context_, "ppo");
  const PpoConfig& c = context_.config.ppo;
  const int M = T_ * N_;
  const auto to_device = [&](Buffer<float>& to, const Buffer<float>& from) {
    copy(context_.stream, to.data(), from.data(), from.size());
  };
  for (const auto part : {&Steps::observation, &Steps::action, &Steps::log_prob, &Steps::reward,
                          &Steps::value, &Steps::next_value, &Steps::terminated, &Steps::truncated})
    to_device(device_steps_.*part, steps_.*part);
  const auto steps = [&](Buffer<float>& of) { return Matrix<const float>(of.data(), T_, N_); };
  Steps& d = device_steps_;
  gae(context_.stream, {advantage_.data(), T_, N_}, {value_target_.data(), T_, N_},
      {steps(d.reward), steps(d.value), steps(d.next_value), steps(d.terminated),
       steps(d.truncated)},
      c.discount, c.gae_lambda);
  finish_advantages();

  // every epoch is one permutation, cut into batches
  const RandomKey key{context_.seed(), purpose::kShuffle, context_.learner};
  for (int epoch = 0; epoch < c.epochs; ++epoch)
    random_permutation(context_.stream, {rows_.data() + static_cast<std::size_t>(epoch) * M, M},
                       key, static_cast<std::uint64_t>(policy_.num_updates),
                       static_cast<std::uint32_t>(epoch), permutation_);
  const PpoBatch batch{{d.observation.data(), M, S_},
                       {d.action.data(), M, A_},
                       {d.log_prob.data(), M, 1},
                       {advantage_.data(), M},
                       {value_target_.data(), M}};
  ppo_update(context_.stream, losses_, policy_, batch, {rows_.data(), losses_.size(), c.batch_size},
             {.clip = c.clip,
              .entropy_bonus = c.entropy_bonus,
              .value_weight = c.value_weight,
              .max_gradient_norm = c.max_gradient_norm,
              .adam = {c.learning_rate}},
             workspace_);
  for (const PpoLosses& losses : losses_) {
    context_.metrics.add(policy_loss_, losses.policy_loss);
    context_.metrics.add(value_loss_, losses.value_loss);
    context_.metrics.add(entropy_, losses.entropy);
    context_.metrics.add(approx_kl_, losses.approx_kl);
    context_.metrics.add(clip_fraction_, losses.clip_fraction);
  }
  num_collected_ = 0;
}

// on the host, once per collection
void Ppo::finish_advantages() {
  copy(context_.stream, host_advantage_.data(), advantage_.data(), host_advantage_.size());
  copy(context_.stream, host_target_.data(), value_target_.data(), host_target_.size());
  context_.stream.synchronize();
  const std::span<const float> broken(broken_.data(), broken_.size());
  normalize_advantages(host_advantage_, broken);
  copy(context_.stream, advantage_.data(), host_advantage_.data(), host_advantage_.size());

  // how much of the targets the value network knew before the update
  const MeanAndStd target = moments(broken, [&](std::size_t i) { return host_target_[i]; });
  const MeanAndStd error =
      moments(broken, [&](std::size_t i) { return host_target_[i] - steps_.value[i]; });
  if (target.std > 0.0)
    context_.metrics.add(explained_variance_,
                         1.0 - error.std * error.std / (target.std * target.std));
}

// the policy, with what scales its observations
class Ppo::Copy : public PolicyCopy {
 public:
  Copy(const Ppo& learner, Stream& stream, int num_rows)
      : learner_(learner),
        stream_(stream),
        policy_(learner.policy_.shape, stream.memory()),
        workspace_(stream, policy_, num_rows),
        moments_(learner.observation_moments_) {}

  void renew() override {
    Stream& stream = learner_.context_.stream;
    const Buffer<float>& from = learner_.policy_.policy.value;
    copy(stream, policy_.policy.value.data(), from.data(), from.size());
    stream.synchronize();
    moments_ = learner_.observation_moments_;
    normalizes_ = learner_.context_.config.ppo.normalize_observations;
  }

  void act(Matrix<const float> observation, Matrix<float> action) override {
    std::vector<float> normalized(observation.data, observation.data + observation.count());
    const Matrix<float> input(normalized.data(), observation.size(0), observation.size(1));
    if (normalizes_) moments_.normalize(observation, input);
    ppo_act(stream_, policy_,
            {.observation = input,
             .action = action,
             .log_prob = {},
             .value = {},
             .stochastic = false,
             .key = {}},
            workspace_);
    for (std::size_t i = 0; i < action.count(); ++i) action[i] = clamp_f(action[i], -1.0f, 1.0f);
  }

 private:
  const Ppo& learner_;
  Stream& stream_;
  PpoState policy_;
  PpoWorkspace workspace_;
  RunningMoments moments_;
  bool normalizes_ = true;
};

std::unique_ptr<PolicyCopy> Ppo::copy_policy(Stream& stream, int num_rows) {
  return std::make_unique<Copy>(*this, stream, num_rows);
}

std::optional<PolicyNetwork> Ppo::policy_network() const {
  PolicyNetwork network{
      .layers = network_layers(policy_.policy_layout, to_host(policy_.policy.value).data(), A_),
      .hidden = PolicyNetwork::Hidden::kTanh,
      .squash = PolicyNetwork::Squash::kClip,
      .low = env_spec().lowest_action(),
      .high = env_spec().highest_action()};
  if (context_.config.ppo.normalize_observations) {
    network.limit = RunningMoments::kLimit;
    for (int i = 0; i < S_; ++i) {
      network.mean.push_back(observation_moments_.mean(i));
      network.inv_std.push_back(observation_moments_.scale(i));
    }
  }
  return network;
}

double Ppo::action_std() const {
  const std::vector<float> log_std = to_host(policy_.log_std.value);
  double sum = 0.0;
  for (const float value : log_std) sum += std::exp(value);
  return sum / A_;
}

void Ppo::visit(Archive& archive) {
  Learner::visit(archive);
  archive.value("num_updates", policy_.num_updates, 0, kMaxCount);
  archive.value("num_collected", num_collected_, 0, T_ - 1);
  archive.weights("policy", policy_.policy, policy_.policy_layout);
  archive.weights("log_std", policy_.log_std);
  archive.weights("value", policy_.value, policy_.value_layout);
  archive.weights(observation_moments_.tensor("observation_moments"));
  archive.describe("policy.sizes", widths_text(policy_.policy_layout));
  archive.describe("policy.activation", "tanh");
  archive.describe("policy.output", "mean; the action is clip(mean, -1, 1)");
  archive.describe("policy.scaler",
                   context_.config.ppo.normalize_observations ? kNormalizerText : "none");
  archive.describe("value.sizes", widths_text(policy_.value_layout));
  archive.describe("value.activation", "tanh");
  archive.replay("steps.observation", steps_.observation);
  archive.replay("steps.action", steps_.action);
  archive.replay("steps.log_prob", steps_.log_prob);
  archive.replay("steps.reward", steps_.reward);
  archive.replay("steps.value", steps_.value);
  archive.replay("steps.next_value", steps_.next_value);
  archive.replay("steps.terminated", steps_.terminated);
  archive.replay("steps.truncated", steps_.truncated);
  archive.replay("steps.broken", broken_);
  archive.replay(return_moments_.tensor("return_moments"));
  archive.replay("discounted_return", discounted_return_);
  archive.replay("episode_return", episode_return_);
  archive.replay("episode_length", episode_length_);
  if (!archive.loading()) return;
  constexpr int kMostSteps = 1 << 30;
  for (const int length : episode_length_)
    if (length < 0 || length > kMostSteps)
      throw DataError(fmt::format("the replay's episode_length holds {}; expected 0 to {}.", length,
                                  kMostSteps));
  if (environments_.pool().saves_state()) return;
  // other episodes have begun: the running ones, and the steps of an unfinished collection, are left
  // out, as nothing says what they would have come to
  num_collected_ = 0;
  for (auto* values : {&episode_return_, &discounted_return_})
    std::fill(values->begin(), values->end(), 0.0);
  std::fill(episode_length_.begin(), episode_length_.end(), 0);
}

Algorithm algorithms::ppo_algorithm() {
  return {
      .name = "ppo",
      .text = "proximal policy optimization in parallel environments",
      .needs_model = false,
      .reads = {"ppo", "loop.num_env_steps", "loop.epoch_length", "-device.gemm"},
      .make = make_learner_of<Ppo>,
      .check =
          [](const Config& config, const Require& require) {
            const PpoConfig& ppo = config.ppo;
            require(
                static_cast<std::int64_t>(ppo.num_envs) * ppo.steps_per_update % ppo.batch_size ==
                    0,
                fmt::format("ppo.batch_size is {}, which does not divide the {} x {} steps of "
                            "ppo.num_envs and ppo.steps_per_update; an epoch takes every step "
                            "once.",
                            ppo.batch_size, ppo.num_envs, ppo.steps_per_update));
          },
      .memory =
          [](const Config& config, const EnvSpec& env, bool on_gpu) {
            const PpoConfig& ppo = config.ppo;
            const PpoState networks(shape_of(env, ppo), Memory::kHost);
            const std::size_t parameters = networks.policy.value.size() +
                                           networks.log_std.value.size() +
                                           networks.value.value.size();
            const auto steps = static_cast<std::size_t>(ppo.num_envs) *
                               static_cast<std::size_t>(ppo.steps_per_update);
            // observation, action and six numbers of each step, advantage and target; on the host
            // all of it twice, and whether it was broken
            const auto of_step =
                static_cast<std::size_t>(env.observation_size + env.action_size + 8);
            const std::size_t collected = steps * (on_gpu ? of_step : 2 * of_step + 1);
            // value, moments and gradient; a step's place in the order of each epoch
            const std::size_t floats =
                4 * parameters + collected + steps * static_cast<std::size_t>(ppo.epochs);
            const int rows = std::max(ppo.batch_size, ppo.num_envs);
            return floats * sizeof(float) + pass_bytes(networks.policy_layout, rows, true) +
                   pass_bytes(networks.value_layout, rows, true) + update_scratch_bytes(rows);
          }};
}

}  // namespace mbrl
