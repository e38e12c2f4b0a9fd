// Pendulum swing-up in closed form (OpenAI Gym, Pendulum-v1).
//
//   action       1: torque; [-1, 1] is [-2, 2] N m
//   observation  3: cos and sin of the angle from upright, rate (rad/s, limited to +-8)
//   reward          -(angle^2 + 0.1 rate^2 + 0.001 torque^2), before the step
//   terminated      never; 200 steps of 0.05 s
//   reset           angle U(-pi, pi), rate U(-1, 1)
#include "envs/tasks/pendulum.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "envs/env.h"

namespace mbrl {
namespace {

constexpr double kGravity = 10.0, kLength = 1.0, kMass = 1.0, kDt = 0.05;
constexpr double kMaxTorque = 2.0, kMaxRate = 8.0;

class Pendulum : public Env {
 public:
  const EnvSpec& spec() const override {
    static const EnvSpec kSpec{.name = "pendulum",
                               .task = TaskId::kPendulum,
                               .observation_size = 3,
                               .action_size = 1,
                               .max_episode_steps = 200,
                               .dt = kDt,
                               .simulator = "closed form",
                               .description = "swing up and stay (Gym Pendulum-v1)",
                               .action_low = {-kMaxTorque},
                               .action_high = {kMaxTorque}};
    return kSpec;
  }

  void reset(std::uint32_t seed, std::uint64_t episode, std::span<float> observation) override {
    const Philox4 bits = RandomKey{seed, purpose::kEnvReset, 0}.bits(episode, 0);
    angle_ = M_PI * (2.0 * uniform01(bits.x) - 1.0);
    rate_ = 2.0 * uniform01(bits.y) - 1.0;
    observe(observation);
  }

  int state_size() const override { return 2; }
  void get_state(std::span<double> state) const override {
    state[0] = angle_;
    state[1] = rate_;
  }
  void set_state(std::span<const double> state) override {
    angle_ = state[0];
    rate_ = state[1];
  }

 private:
  StepResult do_step(std::span<const float> action, std::span<float> observation) override {
    const double torque = std::clamp(kMaxTorque * action[0], -kMaxTorque, kMaxTorque);
    const double wrapped = angle_ - 2.0 * M_PI * std::floor((angle_ + M_PI) / (2.0 * M_PI));
    const double reward = pendulum_reward(wrapped, rate_, torque);
    rate_ += kDt * (1.5 * kGravity / kLength * std::sin(angle_) +
                    3.0 / (kMass * kLength * kLength) * torque);
    rate_ = std::clamp(rate_, -kMaxRate, kMaxRate);
    angle_ += kDt * rate_;
    observe(observation);
    return {.reward = static_cast<float>(reward)};
  }

  void observe(std::span<float> o) const {
    o[0] = static_cast<float>(std::cos(angle_));
    o[1] = static_cast<float>(std::sin(angle_));
    o[2] = static_cast<float>(rate_);
  }

  double angle_ = 0.0, rate_ = 0.0;
};

}  // namespace

std::unique_ptr<Env> make_pendulum(const EnvOptions&) { return std::make_unique<Pendulum>(); }

}  // namespace mbrl
