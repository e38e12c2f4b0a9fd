// mbrl_gpu with an environment of one's own, a mass on a rail:
//   own_environment run smoke env.name=mass
#include <array>
#include <memory>

#include "envs/env.h"
#include "host/cli/program.h"

class Mass : public mbrl::Env {
 public:
  const mbrl::EnvSpec& spec() const override {
    static const mbrl::EnvSpec kSpec{
        .name = "mass",
        .observation_size = 2,
        .action_size = 1,
        .max_episode_steps = 100,
        .dt = 0.1,
        .simulator = "closed form",
        .description = "a mass that is to rest at 0",
        .end_bounds = {.count = 1, .entry = {{.index = 0, .low = -3.0f, .high = 3.0f}}}};
    return kSpec;
  }
  void reset(std::uint32_t seed, std::uint64_t episode, std::span<float> observation) override {
    const auto bits = mbrl::RandomKey{seed, mbrl::purpose::kEnvReset, 0}.bits(episode, 0);
    state_ = {2.0 * mbrl::uniform01(bits.x) - 1.0, 0.0};
    observe(observation);
  }
  int state_size() const override { return 2; }
  void get_state(std::span<double> s) const override { s[0] = state_[0], s[1] = state_[1]; }
  void set_state(std::span<const double> s) override { state_ = {s[0], s[1]}; }

 private:
  mbrl::StepResult do_step(std::span<const float> action, std::span<float> observation) override {
    state_[1] += 0.1 * action[0];
    state_[0] += 0.1 * state_[1];
    observe(observation);
    const double cost = state_[0] * state_[0] + 0.1 * action[0] * action[0];
    return {.reward = static_cast<float>(-cost),
            .terminated = observation[0] < -3 || observation[0] > 3};
  }
  void observe(std::span<float> o) const {
    o[0] = static_cast<float>(state_[0]), o[1] = static_cast<float>(state_[1]);
  }
  std::array<double, 2> state_ = {};  // place and speed
};

int main(int argc, char** argv) {
  mbrl::register_environment("mass", [](const mbrl::EnvOptions&) -> std::unique_ptr<mbrl::Env> {
    return std::make_unique<Mass>();
  });
  return mbrl::run_program(argc, argv);
}
