// Cart-pole swing-up on MuJoCo: a pole that hangs from a cart must be swung up and held upright.
//
// Matches the cart-pole of PETS (kchua/handful-of-trials:dmbrl/env/cartpole.py).
//
//   action       1: force on the cart; [-1, 1] is [-3, 3], gear 100 N
//   observation  4: 0 cart position x (m), 1 pole angle (rad, 0 hangs down, not wrapped), 2 and 3
//                   their rates
//   reward          exp(-d^2 / (0.6 m)^2) - 0.01 u^2, d from the pole's tip to the point 0.6 m above
//                   the cart's rest place, after the step of 0.04 s
//   terminated      never; 200 steps
//   reset           hanging at rest; every position and velocity + N(0, 0.1)
#include "envs/tasks/cartpole_swingup.h"

#include "envs/mujoco/mujoco_env.h"

namespace mbrl {
namespace {

constexpr Capsule kCart{{-0.1, 0, 0}, {0.1, 0, 0}, 0.1};
constexpr Capsule kPole{{0, 0, 0}, {0.001, 0, -0.6}, 0.049};

std::string mjcf(bool old_masses) {
  const auto geom = [&](const Capsule& c) {
    return "<geom " + shape(c) + "/>" + (old_masses ? old_inertial({c}, 1000.0) : "");
  };
  return R"(<mujoco model="cartpole_swingup">
  <option timestep="0.02" integrator="RK4"/>
  <size njmax="20"/>
  <default>
    <joint armature="0" damping="1" limited="true"/>
    <geom contype="0" conaffinity="0"/>
  </default>
  <worldbody>
    <body name="cart">
      <joint name="slider" type="slide" axis="1 0 0" range="-2.5 2.5"/>
      )" +
         geom(kCart) + R"(
      <body name="pole">
        <joint name="hinge" type="hinge" axis="0 1 0" limited="false"/>
        )" +
         geom(kPole) + R"(
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="slider" gear="100" ctrllimited="true" ctrlrange="-3 3"/>
  </actuator>
</mujoco>)";
}

StepResult outcome(const MujocoStep& s) {
  return {.reward =
              cartpole_swingup_reward(s.observation.data(), static_cast<float>(s.squared_control))};
}

}  // namespace

std::unique_ptr<Env> make_cartpole_swingup(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "cartpole_swingup",
               .task = TaskId::kCartpoleSwingup,
               .observation_size = 4,
               .action_size = 1,
               .max_episode_steps = 200,
               .dt = 0.04,
               .description = "pole on a cart, swing up and stay (PETS Cartpole)",
               .reads = {"env.capsule_masses"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 2,
      .outcome = outcome,
      .reset_noise = 0.1,
      .gaussian_velocities = true,
      .gaussian_positions = true,
  });
}

}  // namespace mbrl
