#include "host/algo/learner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "profiling/nvtx.h"

namespace mbrl {
namespace {

std::uint32_t hash32(std::uint32_t x) { return philox({x, 0, 0, 0}, 0x6d62726cu, 0).x; }

// start states of learners differ from those of other seeds as well as from each other
std::uint32_t env_seed(const Config& config, std::uint32_t learner) {
  const auto seed = static_cast<std::uint32_t>(config.seed);
  return learner == 0 ? seed : hash32(seed) ^ hash32(~learner);
}

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

Learner::Learner(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index,
                 int num_envs)
    : config_(config),
      stream_(stream),
      hooks_(std::move(hooks)),
      learner_(learner_index),
      envs_(config.env, num_envs, env_seed(config, learner_index), stream.pool()) {
  envs_.reset();
}

std::int64_t Learner::num_broken() const {
  return std::accumulate(num_broken_.begin(), num_broken_.end(), std::int64_t{0});
}

void Learner::count_broken(Fault fault) {
  ++num_broken_[fault];
  const std::int64_t count = num_broken();
  std::int64_t power = 1;
  while (power < count) power *= 10;
  if (count != power) return;
  hooks_.warn(fmt::format(
      "{}: the simulator became unstable at env step {}: {}. The transition was dropped and the "
      "episode ended ({} so far; the next notice comes at {}).",
      env_spec().name, env_steps_, fault_text(fault), count, 10 * power));
}

void Learner::end_episode(const PoolStep& step, int env, double episode_return, int length) {
  constexpr int kDead = 3;
  num_dead_ = step.broken[env] && length == 0 ? num_dead_ + 1 : 0;
  if (num_dead_ == kDead)
    throw DataError(fmt::format(
        "{}: the simulator was unstable in the first step of {} episodes in a row: {}. `mbrl_gpu "
        "envs trace` steps the robot by hand.",
        env_spec().name, kDead, fault_text(static_cast<Fault>(step.broken[env]))));
  last_return_ = episode_return;
  metrics_.add(train_return_metric_, episode_return);
  hooks_.on_episode({env_steps_, num_episodes_, episode_return, length, step.terminated[env] != 0,
                     step.truncated[env] != 0, step.broken[env] != 0});
  ++num_episodes_;
}

std::vector<double> Learner::take_metrics() {
  set_metrics(metrics_);
  return metrics_.take();
}

Evaluation Learner::evaluate(int num_episodes) {
  hooks_.on_stage("eval");
  const StageRange range("eval", env_steps_);
  if (eval_envs_ == nullptr || eval_envs_->size() != num_episodes) {
    eval_envs_ = std::make_unique<EnvPool>(config_.env, num_episodes,
                                           hash32(env_seed(config_, learner_)), stream_.pool());
  }
  EnvPool& envs = *eval_envs_;
  const auto N = static_cast<std::size_t>(num_episodes);
  Evaluation result{std::vector<double>(N, 0.0), std::vector<int>(N, 0)};
  std::vector<std::uint8_t> active(N, 1);
  const int A = env_spec().action_size;
  std::vector<float> actions(N * static_cast<std::size_t>(A));
  const Matrix<float> action(actions.data(), num_episodes, A);

  // start states depend on the number of the evaluation alone, so a resumed run repeats them
  envs.reset(static_cast<std::uint64_t>(num_evaluations_++));
  for (int left = num_episodes; left > 0;) {
    act(envs.observation(), action);
    const PoolStep step = envs.step(action, active);
    for (std::size_t i = 0; i < N; ++i) {
      if (!active[i]) continue;
      if (step.broken[i]) {
        ++result.num_broken;
      } else {
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
          {"num_dead", num_dead_},
          {"last_return", last_return_},
          {"env_state_size", env_state_.size()},
          {"metrics", metrics_.state()}};
}

void Learner::set_state(const nlohmann::json& s) {
  env_steps_ = s.at("env_steps");
  exploring_ = s.at("exploring");
  exploration_end_ = s.at("exploration_end");
  num_episodes_ = s.at("num_episodes");
  num_evaluations_ = s.at("num_evaluations");
  num_broken_ = s.at("num_broken");
  num_dead_ = s.at("num_dead");
  last_return_ = s.at("last_return");
  env_state_.resize(s.at("env_state_size"));
  metrics_.set_state(s.at("metrics"));
}

void append_tensors(std::vector<TensorRef>& tensors, const std::string& name,
                    TrainedParameters& p) {
  tensors.push_back(tensor_ref(name, p.value));
  tensors.push_back(tensor_ref(name + ".adam_m", p.m));
  tensors.push_back(tensor_ref(name + ".adam_v", p.v));
}

std::vector<TensorRef> Learner::replay_tensors() {
  return {
      tensor_ref("env_state", env_state_.data(), {static_cast<std::int64_t>(env_state_.size())})};
}

void Learner::finish_loading() { envs_.set_state(env_state_); }

}  // namespace mbrl
