// N environments stepped on host threads into one batch.
//
//   actions [N, A] --> threads step env i --> next_observation, reward, terminated, truncated [N]
//                                         --> observation [N, S] (already reset where an episode
//                                         ended)
//
// Environments of env.name=process are stepped by processes in place of threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "cuda/buffer.h"
#include "envs/env.h"

namespace mbrl {

class ProcessBatch;

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
  ~EnvPool();

  const EnvSpec& spec() const { return *spec_; }
  int size() const { return num_envs_; }

  /// Starts episode number `episode` everywhere; later ones count on from there.
  void reset(std::uint64_t episode = 0);

  /// Steps every environment (or, in evaluation, those with active[i] != 0) and resets those whose
  /// episode ended. actions: [N, A]; active: [N] or empty. ShapeError otherwise.
  PoolStep step(Matrix<const float> actions, std::span<const std::uint8_t> active = {});

  /// Observations to act on next: [N, S].
  Matrix<const float> observation() const;

  /// Whether get_state() holds the environments' own state: not of processes, whose running
  /// episodes set_state() drops, to start the next ones.
  bool saves_state() const { return processes_ == nullptr; }

  /// What the last failure of a process was, with its last words; "" if there was none.
  std::string last_failure() const;

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
  void start_process_episodes();
  void step_processes(Matrix<const float> actions, std::span<const std::uint8_t> active);
  /// Row and flags of a step; whether its episode has ended.
  bool finish_step(int env, const StepResult& result);

  int num_envs_;
  const EnvSpec* spec_ = nullptr;
  std::vector<std::unique_ptr<Env>> envs_;  // none where processes serve them
  std::unique_ptr<ProcessBatch> processes_;
  std::vector<std::uint8_t> which_, flags_, faults_;  // of processes
  std::vector<std::uint64_t> seeds_;
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
