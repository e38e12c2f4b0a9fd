#include "envs/pool.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "envs/process/process_env.h"

namespace mbrl {
namespace {

// the number of an environment's next episode, which no other environment of the pool has
std::uint64_t take_episode(std::vector<std::uint64_t>& next, int env) {
  return (static_cast<std::uint64_t>(env) << 32) + next[env]++;
}

}  // namespace

EnvPool::EnvPool(const EnvOptions& options, int num_envs, std::uint32_t seed, ThreadPool& threads)
    : num_envs_(num_envs), seed_(seed), threads_(&threads) {
  if (num_envs < 1)
    throw ShapeError("EnvPool: " + std::to_string(num_envs) +
                     " environments; expected at least 1.");
  const auto count = static_cast<std::size_t>(num_envs);
  if (options.name == "process") {
    make_env(options);  // refuses what does not fit together
    const int processes = options.process.count > 0 ? options.process.count : threads.num_threads();
    processes_ = std::make_unique<ProcessBatch>(options, num_envs, processes);
    spec_ = &processes_->spec();
    which_.assign(count, 0);
    flags_.assign(count, 0);
    faults_.assign(count, 0);
    seeds_.assign(count, 0);
  } else {
    for (int i = 0; i < num_envs; ++i) envs_.push_back(make_env(options));
    spec_ = &envs_.front()->spec();
  }
  shares_ = std::vector<Share>(static_cast<std::size_t>(std::min(num_envs, threads.num_threads())));
  const std::size_t n = count;
  const std::size_t floats = n * static_cast<std::size_t>(spec().observation_size);
  episode_.assign(n, 0);
  episode_steps_.assign(n, 0);
  observation_ = Buffer<float>(floats, 0.0f);
  next_observation_ = Buffer<float>(floats, 0.0f);
  reward_ = Buffer<float>(n, 0.0f);
  terminated_ = Buffer<std::uint8_t>(n, 0);
  truncated_ = Buffer<std::uint8_t>(n, 0);
  broken_ = Buffer<std::uint8_t>(n, 0);
  max_episode_steps_ = episode_limit(options, spec());
}

EnvPool::~EnvPool() = default;

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
  envs_[env]->reset(seed_, take_episode(episode_, env), {observation_.data() + env * S, S});
  episode_steps_[env] = 0;
}

void EnvPool::reset(std::uint64_t episode) {
  std::fill(episode_.begin(), episode_.end(), episode);
  if (processes_) {
    std::fill(which_.begin(), which_.end(), 1);
    return start_process_episodes();
  }
  for_each([&](int env) { start_episode(env); });
}

bool EnvPool::finish_step(int env, const StepResult& result) {
  const auto S = static_cast<std::size_t>(spec().observation_size);
  float* observation = observation_.data() + env * S;
  float* next = next_observation_.data() + env * S;
  ++episode_steps_[env];

  // the next state of an unstable simulator is unknown: the last finite one stands in its place
  if (result.broken) std::copy_n(observation, S, next);
  reward_[env] = result.broken ? 0.0f : result.reward;
  terminated_[env] = result.terminated && !result.broken;
  broken_[env] = result.broken;
  truncated_[env] =
      result.broken ||
      (!result.terminated && (result.truncated || episode_steps_[env] >= max_episode_steps_));
  const bool ended = terminated_[env] || truncated_[env];
  if (!ended) std::copy_n(next, S, observation);
  return ended;
}

void EnvPool::step_one(int env, const float* action) {
  const auto S = static_cast<std::size_t>(spec().observation_size);
  const StepResult result = envs_[env]->step({action, static_cast<std::size_t>(spec().action_size)},
                                             {next_observation_.data() + env * S, S});
  if (finish_step(env, result)) start_episode(env);
}

// of the environments that which_ names
void EnvPool::start_process_episodes() {
  for (int env = 0; env < size(); ++env) {
    if (!which_[env]) continue;
    seeds_[env] = process_seed(seed_, take_episode(episode_, env));
    episode_steps_[env] = 0;
  }
  processes_->reset(which_, seeds_, observation_.data());
}

void EnvPool::step_processes(Matrix<const float> actions, std::span<const std::uint8_t> active) {
  const auto A = static_cast<std::size_t>(spec().action_size);
  for (int env = 0; env < size(); ++env) {
    const bool steps = active.empty() || active[env];
    const bool finite = std::all_of(actions.row(env), actions.row(env) + A,
                                    [](float x) { return std::isfinite(x); });
    which_[env] = steps && finite;
    faults_[env] = finite ? kNoFault : kBadAction;
    reward_[env] = 0.0f;
    flags_[env] = 0;
  }
  processes_->step(which_, actions.data, next_observation_.data(), reward_.data(), flags_.data(),
                   faults_.data());
  bool any = false;
  for (int env = 0; env < size(); ++env) {
    which_[env] = 0;
    if (!active.empty() && !active[env]) {
      terminated_[env] = truncated_[env] = broken_[env] = 0;
      continue;
    }
    which_[env] = finish_step(env, {.reward = reward_[env],
                                    .terminated = (flags_[env] & protocol::kTerminated) != 0,
                                    .truncated = (flags_[env] & protocol::kTruncated) != 0,
                                    .broken = static_cast<Fault>(faults_[env])});
    any = any || which_[env];
  }
  while (any) {
    start_process_episodes();
    // a process that failed meanwhile took running episodes along: their last steps are broken
    any = false;
    for (int env = 0; env < size(); ++env) {
      const Fault lost = processes_->lost(env);
      which_[env] = lost != kNoFault;
      any = any || which_[env];
      const bool runs = active.empty() || active[env];
      if (!which_[env] || !runs || terminated_[env] || truncated_[env]) continue;
      reward_[env] = 0.0f;
      truncated_[env] = 1;
      broken_[env] = lost;
    }
  }
}

std::string EnvPool::last_failure() const { return processes_ ? processes_->last_failure() : ""; }

PoolStep EnvPool::step(Matrix<const float> actions, std::span<const std::uint8_t> active) {
  const int n = size();
  if (actions.shape[0] != n || actions.shape[1] != spec().action_size)
    throw ShapeError("EnvPool::step: actions are [" + std::to_string(actions.shape[0]) + ", " +
                     std::to_string(actions.shape[1]) + "]; expected [" + std::to_string(n) + ", " +
                     std::to_string(spec().action_size) + "].");
  if (!active.empty() && static_cast<int>(active.size()) != n)
    throw ShapeError("EnvPool::step: active has " + std::to_string(active.size()) +
                     " entries; expected " + std::to_string(n) + ".");
  if (processes_)
    step_processes(actions, active);
  else
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
  for (std::size_t i = 0; i < episode_.size(); ++i) {
    state.push_back(static_cast<double>(episode_[i]));
    state.push_back(episode_steps_[i]);
    for (std::size_t j = 0; j < S; ++j) state.push_back(observation_[i * S + j]);
    if (processes_) continue;
    std::vector<double> simulator(static_cast<std::size_t>(envs_[i]->state_size()));
    envs_[i]->get_state(simulator);
    state.insert(state.end(), simulator.begin(), simulator.end());
  }
  return state;
}

void EnvPool::set_state(std::span<const double> state) {
  const auto S = static_cast<std::size_t>(spec().observation_size);
  const std::size_t each =
      2 + S + static_cast<std::size_t>(processes_ ? 0 : envs_.front()->state_size());
  if (state.size() != each * episode_.size())
    throw DataError("the saved state of " + spec().name + " has " + std::to_string(state.size()) +
                    " numbers; " + std::to_string(episode_.size()) + " environments need " +
                    std::to_string(each * episode_.size()) + ".");
  if (!std::all_of(state.begin(), state.end(), [](double x) { return std::isfinite(x); }))
    throw DataError("the saved state of " + spec().name + " holds numbers that are not finite.");
  constexpr double kMostEpisodes = 1e12;
  const auto is_count = [](double x, double most) {
    return x >= 0.0 && x <= most && x == std::floor(x);
  };
  for (std::size_t i = 0; i < episode_.size(); ++i) {
    const double* from = state.data() + i * each;
    if (!is_count(from[0], kMostEpisodes) || !is_count(from[1], max_episode_steps_))
      throw DataError("the saved state of " + spec().name + " is in step " +
                      std::to_string(from[1]) + " of episode " + std::to_string(from[0]) +
                      "; expected integers from 0 on, steps up to " +
                      std::to_string(max_episode_steps_) + ".");
    episode_[i] = static_cast<std::uint64_t>(from[0]);
    episode_steps_[i] = static_cast<int>(from[1]);
    for (std::size_t j = 0; j < S; ++j) observation_[i * S + j] = static_cast<float>(from[2 + j]);
    if (!processes_) envs_[i]->set_state({from + 2 + S, each - 2 - S});
  }
  if (processes_) {
    std::fill(which_.begin(), which_.end(), 1);
    start_process_episodes();
  }
}

}  // namespace mbrl
