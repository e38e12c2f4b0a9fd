// The interface of one environment.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"
#include "envs/options.h"
#include "envs/spec.h"

namespace mbrl {

namespace purpose {
inline constexpr Purpose kEnvReset{13};  // start states
}  // namespace purpose

/// Why a step is invalid; converts to true if it is.
enum Fault : std::uint8_t {
  kNoFault,
  kBadAction,    // an action is not finite: nothing was simulated
  kEngineFault,  // the simulator itself gave up
  kClockFault,   // its time did not advance by dt
  kNotFinite,    // a value of the state, the observation or the reward
  kTooFast,      // a speed beyond what any robot reaches
  kNumSimulatorFaults,
  kDied = kNumSimulatorFaults,  // the environment's process ended
  kHung,                        // it did not answer in time
  kNonsense,                    // its answer is not one, or of other sizes
  kRefused,                     // it answered with an error of its own
  kNumFaults
};
/// "an action is not finite"
const char* fault_text(Fault fault);

/// Outcome of one environment step.
struct StepResult {
  float reward = 0.0f;
  bool terminated = false;  // the task ended; the value of the next state is 0
  bool truncated = false;   // a clock of the environment's own ran out
  Fault broken = kNoFault;  // else drop this transition and end the episode
};

/// One environment instance, used by one thread at a time. Time limits are counted by the pool.
class Env {
 public:
  virtual ~Env() = default;

  virtual const EnvSpec& spec() const = 0;

  /// Starts an episode. The start state is a pure function of (seed, episode).
  virtual void reset(std::uint32_t seed, std::uint64_t episode, std::span<float> observation) = 0;

  /// Advances one control step with a normalized action [A] in [-1, 1]; finite values outside are
  /// clipped. An action, reward or observation that is not finite makes the step broken, even where
  /// the simulator saw nothing wrong. The observation of a broken step is not to be used.
  StepResult step(std::span<const float> action, std::span<float> observation);

  /// The simulator's part of step() alone: controls and time, no observation, reward or checks.
  /// What step() is timed against; false where there is no separate simulator.
  virtual bool simulate(std::span<const float> action) {
    (void)action;
    return false;
  }

  /// The full simulator state as doubles: set_state(get_state()) continues bit for bit.
  virtual int state_size() const = 0;
  virtual void get_state(std::span<double> state) const = 0;
  virtual void set_state(std::span<const double> state) = 0;

 private:
  virtual StepResult do_step(std::span<const float> action, std::span<float> observation) = 0;
};

/// Adds an environment that is not in envs/list.h: a program of a user's own calls this before
/// run_program (host/cli/program.h). Its rewards are learned in imagination, and its spec's
/// end_bounds say where imagined episodes end.
///
/// Errors   ConfigError if the name is taken, or is no word of small letters, digits and _.
void register_environment(const std::string& name, std::unique_ptr<Env> (*make)(const EnvOptions&));

/// Makes an environment. Throws ConfigError with the nearest name if options.name is unknown.
std::unique_ptr<Env> make_env(const EnvOptions& options);

/// Steps of an episode at the most: env.max_episode_steps where it is set, else the environment's own.
inline int episode_limit(const EnvOptions& options, const EnvSpec& spec) {
  return options.max_episode_steps > 0 ? options.max_episode_steps : spec.max_episode_steps;
}

/// What the user of an environment should know of it and no error says; "" if there is nothing.
std::string env_note(const EnvOptions& options);

/// All environments of envs/list.h, sorted by name, then those that were registered; mjcf, which
/// needs a model, and process, which needs a command, are not among them.
std::vector<EnvSpec> list_envs();

}  // namespace mbrl
