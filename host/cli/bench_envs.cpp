// mbrl_gpu bench envs: how fast each environment steps, beside its simulator alone.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cuda/rng.h"
#include "envs/pool.h"
#include "host/cli/cli.h"
#include "host/run/measure.h"

namespace mbrl {
namespace {

constexpr int kRepeats = 7;
constexpr int kEpisodeSteps = 200;  // at most, so that resets have their share everywhere

float random_action(std::uint64_t step, int i) {
  const RandomKey key{1, Purpose::kActionNoise, 0};
  return 2.0f * uniform01(key.bits(step, static_cast<std::uint32_t>(i)).x) - 1.0f;
}

/// One environment under random actions, always the same ones: every pass meets the same states.
class Walk {
 public:
  Walk(const EnvOptions& options, double seconds)
      : env_(make_env(options)),
        observation_(static_cast<std::size_t>(env_->spec().observation_size)),
        action_(static_cast<std::size_t>(env_->spec().action_size)) {
    // the first pass finds where episodes end, and how many steps fill a share of the time
    const auto start = Clock::now();
    do {
      lengths_.push_back(walk_episode(lengths_.size()));
      num_steps_ += lengths_.back();
    } while (seconds_since(start) < seconds / (2 * kRepeats));
  }

  const EnvSpec& spec() const { return env_->spec(); }

  /// Seconds per step of whole episodes, resets included.
  double step() {
    const auto start = Clock::now();
    for (std::size_t episode = 0; episode < lengths_.size(); ++episode) walk_episode(episode);
    return seconds_since(start) / num_steps_;
  }

  /// The same by the simulator alone; 0 where the environment has none.
  double simulate() {
    const auto start = Clock::now();
    std::uint64_t step = 0;
    for (std::size_t episode = 0; episode < lengths_.size(); ++episode) {
      env_->reset(1, episode, observation_);
      for (int i = 0; i < lengths_[episode]; ++i)
        if (!env_->simulate(next_action(step++))) return 0.0;
    }
    return seconds_since(start) / num_steps_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  std::span<const float> next_action(std::uint64_t step) {
    for (std::size_t i = 0; i < action_.size(); ++i)
      action_[i] = random_action(step, static_cast<int>(i));
    return action_;
  }

  int walk_episode(std::size_t episode) {
    if (episode == 0) step_ = 0;
    env_->reset(1, episode, observation_);
    for (int i = 1; i <= kEpisodeSteps; ++i) {
      const StepResult result = env_->step(next_action(step_++), observation_);
      if (result.terminated || result.broken) return i;
    }
    return kEpisodeSteps;
  }

  std::unique_ptr<Env> env_;
  std::vector<float> observation_, action_;
  std::vector<int> lengths_;
  std::uint64_t step_ = 0;
  double num_steps_ = 0;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

}  // namespace

Timing time_pool(const EnvOptions& options, int count, ThreadPool& threads, double seconds) {
  EnvPool pool(options, count, 1, threads);
  pool.reset();
  const int action_size = pool.spec().action_size;
  std::vector<float> actions(static_cast<std::size_t>(count) * action_size);
  std::uint64_t step = 0;
  return measure(
      [&] {
        for (std::size_t i = 0; i < actions.size(); ++i)
          actions[i] = random_action(step, static_cast<int>(i));
        ++step;
        pool.step({actions.data(), count, action_size});
      },
      seconds);
}

void bench_envs(int num_threads, double seconds, bool json) {
  ThreadPool one(1), all(num_threads);
  if (!json)
    fmt::print("{:<26} {:<16} {:>12} {:>12} {:>7} {:>14} {:>8}\n", "environment", "simulator",
               "steps/s", "simulator", "share", fmt::format("{} threads", num_threads), "scaling");
  for (const EnvSpec& spec : list_envs()) {
    EnvOptions options;
    options.name = spec.name;
    Walk walk(options, seconds);
    // alternating, so that both meet the same neighbours on the machine
    std::vector<double> step, simulator, share;
    for (int i = 0; i < kRepeats; ++i) {
      simulator.push_back(walk.simulate());
      step.push_back(walk.step());
      share.push_back(simulator.back() / step.back());
    }
    // as many per thread as keep the pool's hand-over small
    constexpr int kPerThread = 8;
    const double single = kPerThread / time_pool(options, kPerThread, one, seconds / 4).median;
    const int count = kPerThread * num_threads;
    const double together = count / time_pool(options, count, all, seconds / 4).median;
    const double rate = 1.0 / median(step), alone = median(simulator);
    if (json) {
      nlohmann::ordered_json j{{"operation", "env step"},
                               {"shape", spec.name},
                               {"device", "cpu"},
                               {"threads", num_threads},
                               {"time_s", median(step)},
                               {"rate", rate},
                               {"unit", "env steps/s"},
                               {"rate_all_threads", together},
                               {"scaling", together / single},
                               {"provider", spec.simulator}};
      if (alone > 0.0) {
        j["floor_s"] = alone;
        j["share_of_floor"] = median(share);
      }
      fmt::print("{}\n", j.dump());
    } else {
      fmt::print("{:<26} {:<16} {:>12.0f} {:>12} {:>7} {:>14.0f} {:>8.2f}\n", spec.name,
                 spec.simulator, rate, alone > 0.0 ? fmt::format("{:.0f}", 1.0 / alone) : "",
                 alone > 0.0 ? fmt::format("{:.0f} %", 100.0 * median(share)) : "", together,
                 together / single);
    }
    std::fflush(stdout);
  }
}

}  // namespace mbrl
