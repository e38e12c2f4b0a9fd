#include "host/algo/parts/environments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"

namespace mbrl {
namespace {

constexpr int kDead = 3;  // episodes in a row that are broken from their first step on

std::uint32_t hash32(std::uint32_t x) { return philox({x, 0, 0, 0}, 0x6d62726cu, 0).x; }

// start states of learners differ from those of other seeds as well as from each other
std::uint32_t env_seed(const Context& context) {
  return context.learner == 0 ? context.seed() : hash32(context.seed()) ^ hash32(~context.learner);
}

}  // namespace

Environments::Environments(Context& context, int num_envs)
    : Part(context), pool_(context.config.env, num_envs, env_seed(context), context.stream.pool()) {
  pool_.reset();
}

PoolStep Environments::step(Matrix<const float> action) {
  const PoolStep step = pool_.step(action);
  context_.clock.env_steps += pool_.size();
  return step;
}

std::int64_t Environments::num_broken() const {
  return std::accumulate(num_broken_.begin(), num_broken_.end(), std::int64_t{0});
}

void Environments::count_broken(Fault fault) {
  ++num_broken_[fault];
  const std::int64_t count = num_broken();
  std::int64_t power = 1;
  while (power < count) power *= 10;
  if (count != power) return;
  if (fault >= kNumSimulatorFaults)
    return context_.hooks.warn(fmt::format(
        "{}: {} at env step {}: {}. The transition was dropped, the episode ended, and the process "
        "is started again ({} so far; the next notice comes at {}).",
        spec().name, fault_text(fault), context_.clock.env_steps, pool_.last_failure(), count,
        10 * power));
  context_.hooks.warn(fmt::format(
      "{}: the simulator became unstable at env step {}: {}. The transition was dropped and the "
      "episode ended ({} so far; the next notice comes at {}).",
      spec().name, context_.clock.env_steps, fault_text(fault), count, 10 * power));
}

void Environments::end_episode(const PoolStep& step, int env, double episode_return, int length) {
  num_dead_ = step.broken[env] && length == 0 ? num_dead_ + 1 : 0;
  if (num_dead_ == kDead)
    throw DataError(fmt::format(
        "{}: the simulator was unstable in the first step of {} episodes in a row: {}. `mbrl_gpu "
        "envs trace` steps the robot by hand.",
        spec().name, kDead, fault_text(static_cast<Fault>(step.broken[env]))));
  last_return_ = episode_return;
  context_.metrics.add(train_return_, episode_return);
  context_.hooks.on_episode({context_.clock.env_steps, num_episodes_, episode_return, length,
                             step.terminated[env] != 0, step.truncated[env] != 0,
                             step.broken[env] != 0});
  ++num_episodes_;
}

std::uint32_t Environments::evaluation_seed() const { return hash32(env_seed(context_)); }

void Environments::visit(Archive& archive) {
  archive.value("env_steps", context_.clock.env_steps, 0, kMaxCount);
  archive.value("exploring", context_.clock.exploring);
  archive.value("exploration_end", context_.clock.exploration_end, 0, context_.clock.env_steps);
  archive.value("num_episodes", num_episodes_, 0, kMaxCount);
  archive.value("num_evaluations", num_evaluations_, 0, kMaxCount);
  // those of processes, which earlier versions had none of, by themselves
  std::array<std::int64_t, kNumSimulatorFaults> of_simulator{};
  std::array<std::int64_t, kNumFaults - kNumSimulatorFaults> of_process{};
  std::copy_n(num_broken_.begin(), of_simulator.size(), of_simulator.begin());
  std::copy_n(num_broken_.begin() + kNumSimulatorFaults, of_process.size(), of_process.begin());
  archive.values("num_broken", of_simulator, 0, kMaxCount);
  if (!pool_.saves_state()) archive.values("num_failed", of_process, 0, kMaxCount);
  std::copy(of_simulator.begin(), of_simulator.end(), num_broken_.begin());
  std::copy(of_process.begin(), of_process.end(), num_broken_.begin() + kNumSimulatorFaults);
  archive.value("num_dead", num_dead_, 0, kDead);
  archive.value("last_return", last_return_);
  pool_state_ = pool_.get_state();
  std::size_t size = pool_state_.size();
  archive.value("env_state_size", size, size, size);
  archive.replay("env_state", pool_state_);
  archive.describe("observation_size", std::to_string(spec().observation_size));
  archive.describe("action_size", std::to_string(spec().action_size));
  archive.describe("action_low", nlohmann::json(spec().lowest_action()).dump());
  archive.describe("action_high", nlohmann::json(spec().highest_action()).dump());
  if (archive.loading()) pool_.set_state(pool_state_);
}

}  // namespace mbrl
