#include "host/analysis/model_error.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "base/error.h"
#include "envs/pool.h"
#include "host/algo/draws.h"
#include "host/analysis/fresh_episodes.h"
#include "host/model/predict.h"
#include "kernels/stages/policy/policy.h"
#include "kernels/stages/rollout/rollout.h"

namespace mbrl {
namespace {

constexpr int kNumEnvs = 10;

using ActFresh =
    std::function<void(Matrix<const float> observation, Matrix<float> action, std::uint64_t step)>;

// the stochastic policy, or the one of evaluations where there is no other
ActFresh fresh_policy(Stream& stream, Learner& learner) {
  if (const SacState* sac = learner.soft_actor_critic()) {
    const auto workspace = std::make_shared<PolicyWorkspace>(stream, sac->actor, kNumEnvs);
    const RandomKey noise{fresh_seed(learner), purpose::kActionNoise, 0};
    return [=, &stream](Matrix<const float> observation, Matrix<float> action, std::uint64_t step) {
      policy_act(stream, sac->actor,
                 {.observation = observation, .action = action, .key = noise, .step = step},
                 *workspace);
    };
  }
  const std::shared_ptr<PolicyCopy> copy = learner.make_policy_copy(stream, kNumEnvs);
  copy->renew();
  return [copy](Matrix<const float> observation, Matrix<float> action, std::uint64_t) {
    copy->act(observation, action);
  };
}

}  // namespace

std::vector<float> collect_fresh(Stream& stream, Learner& learner, int count) {
  EnvPool envs(learner.config().env, kNumEnvs, fresh_seed(learner), stream.pool());
  const ActFresh policy = fresh_policy(stream, learner);
  const TransitionLayout layout{envs.spec().observation_size, envs.spec().action_size};
  const int S = layout.observation_size, A = layout.action_size;
  std::vector<float> actions(static_cast<std::size_t>(kNumEnvs) * A);
  const Matrix<float> action(actions.data(), kNumEnvs, A);
  const auto pitch = static_cast<std::size_t>(layout.pitch());
  std::vector<float> records(static_cast<std::size_t>(count) * pitch, 0.0f);

  envs.reset(kFreshEpisode);
  std::size_t num_records = 0;
  for (std::uint64_t step = kFreshStep; num_records < static_cast<std::size_t>(count); ++step) {
    policy(envs.observation(), action, step);
    // the pool shows the next observation after a step: keep the one acted on
    const Matrix<const float> shown = envs.observation();
    const std::vector<float> observation(shown.data, shown.data + shown.count());
    const PoolStep result = envs.step(action);
    for (int i = 0; i < kNumEnvs && num_records < static_cast<std::size_t>(count); ++i) {
      if (result.broken[i]) continue;
      float* record = records.data() + num_records++ * pitch;
      std::copy_n(observation.data() + static_cast<std::size_t>(i) * S, S, record);
      std::copy_n(action.row(i), A, record + layout.action());
      record[layout.reward()] = result.reward[i];
      record[layout.terminated()] = result.terminated[i] ? 1.0f : 0.0f;
      std::copy_n(result.next_observation.row(i), S, record + layout.next_observation());
    }
  }
  return records;
}

std::vector<double> model_errors(Stream& stream, Learner& learner, int count) {
  const EnsembleState& model = *learner.model();
  if (model.num_steps == 0)
    throw DataError(
        "model error: the model of this checkpoint has never been fitted. Take a later one, or "
        "train on past loop.num_exploration_steps.");
  const std::vector<float> records = collect_fresh(stream, learner, count);
  const TransitionsView view{records.data(), model.data, static_cast<std::size_t>(count)};
  const RandomKey choice{fresh_seed(learner), purpose::kMemberChoice, 0};
  const std::vector<float> predicted =
      predict_next_observations(stream, model, view, choice, kFreshStep);

  const int S = model.data.observation_size;
  std::vector<double> errors;
  for (std::size_t row = 0; row < view.size; ++row) {
    const float* real = view.record(row) + model.data.next_observation();
    double squares = 0.0;
    for (int i = 0; i < S; ++i) {
      const double error = static_cast<double>(predicted[row * S + i]) - real[i];
      squares += error * error;
    }
    errors.push_back(std::sqrt(squares));
  }
  return errors;
}

}  // namespace mbrl
