// Inverted double pendulum on MuJoCo: two poles, one on the other, hinged on a cart that must keep
// them upright.
//
// Matches InvertedDoublePendulum-v2 of OpenAI Gym 0.12.0; with capsule_masses = exact also v4 of
// Gymnasium, whose v5 withholds the 10 on the step that ends the episode and leaves out the last
// two entries of the observation.
//
//   action       1: force on the cart; [-1, 1], gear 500 N
//   observation 11: 0 cart position (m), 1 and 2 sines, 3 and 4 cosines of the lower pole's angle
//                   from upright and of the angle between the poles, 5 cart velocity (m/s), 6 and 7
//                   rates of the two angles (rad/s), 8..10 constraint forces on the three joints
//                   (N, N m); velocities and forces clipped to +-10
//   reward          10 - 0.01 x^2 - (y - 2)^2 - 0.001 w1^2 - 0.005 w2^2; (x, y) the
//                   upper pole's tip (m), w1 and w2 the rates
//   terminated      the tip is not above 1 m
//   reset           upright at rest; every position + U(-0.1, 0.1), every velocity + 0.1 N(0, 1)
//
// The tip belongs to the state after the step. The reference's belongs to the integrator's last
// stage, a guess of that state: up to 0.08 mm away, 1e-4 of reward, over 389 random steps.
#include "envs/tasks/inverted_double_pendulum.h"

#include <algorithm>
#include <cmath>

#include "envs/mujoco/mujoco_env.h"

namespace mbrl {
namespace {

constexpr int kJoints = 3;
constexpr Capsule kCart{{-0.1, 0, 0}, {0.1, 0, 0}, 0.1};
constexpr Capsule kPole{{0, 0, 0}, {0, 0, 0.6}, 0.045};

std::string mjcf(bool old_masses) {
  const auto geom = [&](const Capsule& c) {
    return "<geom " + shape(c) + "/>" + (old_masses ? old_inertial({c}, 1000.0) : "");
  };
  return R"(<mujoco model="inverted_double_pendulum">
  <option timestep="0.01" integrator="RK4" gravity="1e-5 0 -9.81"/>
  <size njmax="20"/>
  <default>
    <joint damping="0.05"/>
    <geom contype="0" conaffinity="0"/>
  </default>
  <worldbody>
    <body name="cart">
      <joint name="slider" type="slide" axis="1 0 0" limited="true" range="-1 1" margin="0.01"/>
      )" +
         geom(kCart) + R"(
      <body name="lower">
        <joint name="lower" type="hinge" axis="0 1 0"/>
        )" +
         geom(kPole) + R"(
        <body name="upper" pos="0 0 0.6">
          <joint name="upper" type="hinge" axis="0 1 0"/>
          )" +
         geom(kPole) + R"(
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="slider" gear="500" ctrllimited="true" ctrlrange="-1 1"/>
  </actuator>
</mujoco>)";
}

void observe(const mjData& d, std::span<float> o) {
  o[0] = static_cast<float>(d.qpos[0]);
  for (int i = 0; i < 2; ++i) {
    o[1 + i] = static_cast<float>(std::sin(d.qpos[1 + i]));
    o[3 + i] = static_cast<float>(std::cos(d.qpos[1 + i]));
  }
  for (int i = 0; i < kJoints; ++i) {
    o[5 + i] = static_cast<float>(std::clamp(d.qvel[i], -10.0, 10.0));
    o[8 + i] = static_cast<float>(std::clamp(d.qfrc_constraint[i], -10.0, 10.0));
  }
}

StepResult outcome(const MujocoStep& s) {
  const mjData& d = s.data;
  const double lower = d.qpos[1], upper = d.qpos[1] + d.qpos[2];
  const double x = d.qpos[0] + double_pendulum_tip(std::sin(lower), std::sin(upper));
  const double y = double_pendulum_tip(std::cos(lower), std::cos(upper));
  return {.reward = static_cast<float>(inverted_double_pendulum_reward(x, y, d.qvel[1], d.qvel[2])),
          .terminated = inverted_double_pendulum_terminated(y)};
}

}  // namespace

std::unique_ptr<Env> make_inverted_double_pendulum(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "inverted_double_pendulum",
               .task = TaskId::kInvertedDoublePendulum,
               .observation_size = 11,
               .action_size = 1,
               .max_episode_steps = 1000,
               .dt = 0.05,
               .description = "two poles on a cart, stay upright (Gym InvertedDoublePendulum-v2)",
               .reads = {"env.capsule_masses"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 5,
      .outcome = outcome,
      .reset_noise = 0.1,
      .gaussian_velocities = true,
      .observe = observe,
  });
}

}  // namespace mbrl
