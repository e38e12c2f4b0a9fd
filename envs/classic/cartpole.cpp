// Cart-pole in closed form: the physics of OpenAI Gym's CartPole-v1, but with a continuous force
// where Gym pushes with -10 or 10 N, and with the limit of 200 steps of its v0, where v1 has 500.
//
//   action       1: force; [-1, 1] is [-10, 10] N
//   observation  4: cart position (m) and speed, pole angle (rad) and rate
//   reward          1
//   terminated      |position| > 2.4 m or |angle| > 12 degrees; truncated after 200 steps of 0.02 s
//   reset           every entry U(-0.05, 0.05)
#include "envs/tasks/cartpole.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "envs/env.h"

namespace mbrl {
namespace {

constexpr double kGravity = 9.8, kCartMass = 1.0, kPoleMass = 0.1, kHalfLength = 0.5;
constexpr double kForce = 10.0, kDt = 0.02;

class Cartpole : public Env {
 public:
  const EnvSpec& spec() const override {
    static const EnvSpec kSpec{.name = "cartpole",
                               .task = TaskId::kCartpole,
                               .observation_size = 4,
                               .action_size = 1,
                               .max_episode_steps = 200,
                               .dt = kDt,
                               .simulator = "closed form",
                               .description = "balance with a continuous force (Gym CartPole-v1)",
                               .action_low = {-kForce},
                               .action_high = {kForce}};
    return kSpec;
  }

  void reset(std::uint32_t seed, std::uint64_t episode, std::span<float> observation) override {
    const Philox4 bits = RandomKey{seed, purpose::kEnvReset, 0}.bits(episode, 0);
    const std::uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
    for (int i = 0; i < 4; ++i) state_[i] = 0.05 * (2.0 * uniform01(words[i]) - 1.0);
    observe(observation);
  }

  int state_size() const override { return 4; }
  void get_state(std::span<double> state) const override { std::copy_n(state_, 4, state.begin()); }
  void set_state(std::span<const double> state) override { std::copy_n(state.begin(), 4, state_); }

 private:
  StepResult do_step(std::span<const float> action, std::span<float> observation) override {
    const double force = kForce * std::clamp(static_cast<double>(action[0]), -1.0, 1.0);
    const double total = kCartMass + kPoleMass, moment = kPoleMass * kHalfLength;
    const double sine = std::sin(state_[2]), cosine = std::cos(state_[2]);
    const double push = (force + moment * state_[3] * state_[3] * sine) / total;
    const double angular = (kGravity * sine - cosine * push) /
                           (kHalfLength * (4.0 / 3.0 - kPoleMass * cosine * cosine / total));
    const double linear = push - moment * angular * cosine / total;
    state_[0] += kDt * state_[1];
    state_[1] += kDt * linear;
    state_[2] += kDt * state_[3];
    state_[3] += kDt * angular;
    observe(observation);
    return {.reward = static_cast<float>(cartpole_reward()),
            .terminated = cartpole_terminated(state_)};
  }

  void observe(std::span<float> o) const {
    for (int i = 0; i < 4; ++i) o[i] = static_cast<float>(state_[i]);
  }

  double state_[4] = {};
};

}  // namespace

std::unique_ptr<Env> make_cartpole(const EnvOptions&) { return std::make_unique<Cartpole>(); }

}  // namespace mbrl
