// N environments stepped on host threads into one batch.
//
//   actions [N, A] --> threads step env i --> next_observation, reward, terminated, truncated [N]
//                                         --> observation [N, S] (already reset where an episode
//                                         ended)
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "cuda/buffer.h"
#include "envs/env.h"

namespace mbrl {

/// Results of one pool step, rows in environment order whatever thread computed them.
struct PoolStep {
  Matrix<const float> next_observation;                      // [N, S] before any reset
  Vector<const float> reward;                                // [N]
  Vector<const std::uint8_t> terminated, truncated, broken;  // [N]; broken: a Fault, truncated
};

/// Steps environments in parallel. Environment i of a pool draws its resets from
/// (seed, i * 2^32 + its own episode number), so results do not depend on the number of threads.
/// No allocation after construction, but on Bullet: its buffers grow when more limits and contacts
/// are active at once than ever before, and a reset after an exploded simulation builds a new
/// world.
class EnvPool {
 public:
  EnvPool(const EnvOptions& options, int num_envs, std::uint32_t seed, ThreadPool& threads);

  const EnvSpec& spec() const { return envs_.front()->spec(); }
  int size() const { return static_cast<int>(envs_.size()); }

  /// Starts episode number `episode` everywhere; later ones count on from there.
  void reset(std::uint64_t episode = 0);

  /// Steps every environment (or, in evaluation, those with active[i] != 0) and resets those whose
  /// episode ended. actions: [N, A]; active: [N] or empty. ShapeError otherwise.
  PoolStep step(Matrix<const float> actions, std::span<const std::uint8_t> active = {});

  /// Observations to act on next: [N, S].
  Matrix<const float> observation() const;

  /// Everything needed to continue bit for bit, as doubles and counters.
  std::vector<double> get_state() const;
  void set_state(std::span<const double> state);

 private:
  /// Calls task(env) for all. Each thread takes its own share first, the same from call to call,
  /// because a simulator's state is larger than a cache that another core would have to fill anew;
  /// then it helps with what others have left.
  template <typename Task>
  void for_each(Task&& task);
  void start_episode(int env);
  void step_one(int env, const float* action);

  std::vector<std::unique_ptr<Env>> envs_;
  std::uint32_t seed_;
  ThreadPool* threads_;
  std::vector<std::uint64_t> episode_;  // next episode number of each environment
  std::vector<int> episode_steps_;
  Buffer<float> observation_, next_observation_, reward_;
  Buffer<std::uint8_t> terminated_, truncated_, broken_;
  int max_episode_steps_ = 0;

  /// One thread's environments, on a cache line of its own.
  struct alignas(64) Share {
    int end = 0;
    std::atomic<int> next{0};
  };
  std::vector<Share> shares_;
};

}  // namespace mbrl
