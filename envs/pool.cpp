#include "envs/pool.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"

namespace mbrl {

EnvPool::EnvPool(const EnvOptions& options, int num_envs, std::uint32_t seed, ThreadPool& threads)
    : seed_(seed), threads_(&threads) {
  if (num_envs < 1)
    throw ShapeError("EnvPool: " + std::to_string(num_envs) +
                     " environments; expected at least 1.");
  for (int i = 0; i < num_envs; ++i) envs_.push_back(make_env(options));
  shares_ = std::vector<Share>(static_cast<std::size_t>(std::min(num_envs, threads.num_threads())));
  const auto n = static_cast<std::size_t>(num_envs);
  const std::size_t floats = n * static_cast<std::size_t>(spec().observation_size);
  episode_.assign(n, 0);
  episode_steps_.assign(n, 0);
  observation_ = Buffer<float>(floats, 0.0f);
  next_observation_ = Buffer<float>(floats, 0.0f);
  reward_ = Buffer<float>(n, 0.0f);
  terminated_ = Buffer<std::uint8_t>(n, 0);
  truncated_ = Buffer<std::uint8_t>(n, 0);
  broken_ = Buffer<std::uint8_t>(n, 0);
  max_episode_steps_ =
      options.max_episode_steps > 0 ? options.max_episode_steps : spec().max_episode_steps;
}

template <typename Task>
void EnvPool::for_each(Task&& task) {
  const int num_shares = static_cast<int>(shares_.size());
  for (int i = 0; i < num_shares; ++i) {
    shares_[i].next.store(size() * i / num_shares, std::memory_order_relaxed);
    shares_[i].end = size() * (i + 1) / num_shares;
  }
  threads_->parallel_for(num_shares, [&](int) {
    for (int i = 0; i < num_shares; ++i) {
      Share& share = shares_[(ThreadPool::thread_index() + i) % num_shares];
      for (int env; (env = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;)
        task(env);
    }
  });
}

void EnvPool::start_episode(int env) {
  const auto S = static_cast<std::size_t>(spec().observation_size);
  envs_[env]->reset(seed_, (static_cast<std::uint64_t>(env) << 32) + episode_[env]++,
                    {observation_.data() + env * S, S});
  episode_steps_[env] = 0;
}

void EnvPool::reset(std::uint64_t episode) {
  std::fill(episode_.begin(), episode_.end(), episode);
  for_each([&](int env) { start_episode(env); });
}

void EnvPool::step_one(int env, const float* action) {
  const auto S = static_cast<std::size_t>(spec().observation_size);
  float* observation = observation_.data() + env * S;
  float* next = next_observation_.data() + env * S;
  const StepResult result =
      envs_[env]->step({action, static_cast<std::size_t>(spec().action_size)}, {next, S});
  ++episode_steps_[env];

  // the next state of an unstable simulator is unknown: the last finite one stands in its place
  if (result.broken) std::copy_n(observation, S, next);
  reward_[env] = result.broken ? 0.0f : result.reward;
  terminated_[env] = result.terminated && !result.broken;
  broken_[env] = result.broken;
  truncated_[env] =
      result.broken || (!result.terminated && episode_steps_[env] >= max_episode_steps_);
  if (terminated_[env] || truncated_[env]) {
    start_episode(env);
  } else {
    std::copy_n(next, S, observation);
  }
}

PoolStep EnvPool::step(Matrix<const float> actions, std::span<const std::uint8_t> active) {
  const int n = size();
  if (actions.shape[0] != n || actions.shape[1] != spec().action_size)
    throw ShapeError("EnvPool::step: actions are [" + std::to_string(actions.shape[0]) + ", " +
                     std::to_string(actions.shape[1]) + "]; expected [" + std::to_string(n) + ", " +
                     std::to_string(spec().action_size) + "].");
  if (!active.empty() && active.size() != envs_.size())
    throw ShapeError("EnvPool::step: active has " + std::to_string(active.size()) +
                     " entries; expected " + std::to_string(n) + ".");
  for_each([&](int env) {
    if (!active.empty() && !active[env]) {
      reward_[env] = 0.0f;
      terminated_[env] = truncated_[env] = broken_[env] = 0;
      return;
    }
    step_one(env, actions.row(env));
  });
  return {{next_observation_.data(), n, spec().observation_size},
          {reward_.data(), n},
          {terminated_.data(), n},
          {truncated_.data(), n},
          {broken_.data(), n}};
}

Matrix<const float> EnvPool::observation() const {
  return {observation_.data(), size(), spec().observation_size};
}

std::vector<double> EnvPool::get_state() const {
  const auto S = static_cast<std::size_t>(spec().observation_size);
  std::vector<double> state;
  for (std::size_t i = 0; i < envs_.size(); ++i) {
    state.push_back(static_cast<double>(episode_[i]));
    state.push_back(episode_steps_[i]);
    for (std::size_t j = 0; j < S; ++j) state.push_back(observation_[i * S + j]);
    std::vector<double> simulator(static_cast<std::size_t>(envs_[i]->state_size()));
    envs_[i]->get_state(simulator);
    state.insert(state.end(), simulator.begin(), simulator.end());
  }
  return state;
}

void EnvPool::set_state(std::span<const double> state) {
  const auto S = static_cast<std::size_t>(spec().observation_size);
  const std::size_t each = 2 + S + static_cast<std::size_t>(envs_.front()->state_size());
  if (state.size() != each * envs_.size())
    throw DataError("the saved state of " + spec().name + " has " + std::to_string(state.size()) +
                    " numbers; " + std::to_string(envs_.size()) + " environments need " +
                    std::to_string(each * envs_.size()) + ".");
  if (!std::all_of(state.begin(), state.end(), [](double x) { return std::isfinite(x); }))
    throw DataError("the saved state of " + spec().name + " holds numbers that are not finite.");
  constexpr double kMostEpisodes = 1e12;
  const auto is_count = [](double x, double most) {
    return x >= 0.0 && x <= most && x == std::floor(x);
  };
  for (std::size_t i = 0; i < envs_.size(); ++i) {
    const double* from = state.data() + i * each;
    if (!is_count(from[0], kMostEpisodes) || !is_count(from[1], max_episode_steps_))
      throw DataError("the saved state of " + spec().name + " is in step " +
                      std::to_string(from[1]) + " of episode " + std::to_string(from[0]) +
                      "; expected integers from 0 on, steps up to " +
                      std::to_string(max_episode_steps_) + ".");
    episode_[i] = static_cast<std::uint64_t>(from[0]);
    episode_steps_[i] = static_cast<int>(from[1]);
    for (std::size_t j = 0; j < S; ++j) observation_[i * S + j] = static_cast<float>(from[2 + j]);
    envs_[i]->set_state({from + 2 + S, each - 2 - S});
  }
}

}  // namespace mbrl
