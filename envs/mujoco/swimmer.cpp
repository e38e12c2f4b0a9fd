// Swimmer on MuJoCo: three links in a viscous plane that must swim forward.
//
// Matches Swimmer-v2 of OpenAI Gym 0.12.0; with capsule_masses = exact also Swimmer-v4 and v5 of
// Gymnasium. The fluid's drag follows the bodies' inertias, so it changes with the masses as well.
//
//   action       2: torques at the two joints; [-1, 1], gear 150 N m
//   observation  8: 0 angle of the front link, 1 and 2 joint angles (rad), 3 x', 4 y' (m/s), 5..7
//                   rates of the three angles (rad/s)
//   reward          x' - 0.0001 |u|^2, x' the mean over the step of 0.04 s
//   terminated      never
//   reset           straight at rest; every position and velocity + U(-0.1, 0.1)
#include "envs/tasks/swimmer.h"

#include "envs/mujoco/mujoco_env.h"

namespace mbrl {
namespace {

constexpr Capsule kFront{{1.5, 0, 0}, {0.5, 0, 0}, 0.1};
constexpr Capsule kLink{{0, 0, 0}, {-1, 0, 0}, 0.1};

std::string mjcf(bool old_masses) {
  const auto geom = [&](const Capsule& c) {
    return "<geom " + shape(c) + "/>" + (old_masses ? old_inertial({c}, 1000.0) : "");
  };
  return R"(<mujoco model="swimmer">
  <compiler angle="degree"/>
  <option timestep="0.01" integrator="RK4" density="4000" viscosity="0.1"/>
  <size njmax="20"/>
  <default>
    <joint armature="0.1"/>
    <geom contype="0" conaffinity="0"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="150"/>
  </default>
  <worldbody>
    <body name="front">
      <joint name="rootx" type="slide" axis="1 0 0"/>
      <joint name="rooty" type="slide" axis="0 1 0"/>
      <joint name="rootz" type="hinge" axis="0 0 1"/>
      )" +
         geom(kFront) + R"(
      <body name="middle" pos="0.5 0 0">
        <joint name="front_joint" type="hinge" axis="0 0 1" limited="true" range="-100 100"/>
        )" +
         geom(kLink) + R"(
        <body name="back" pos="-1 0 0">
          <joint name="back_joint" type="hinge" axis="0 0 1" limited="true" range="-100 100"/>
          )" +
         geom(kLink) + R"(
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="front_joint"/>
    <motor joint="back_joint"/>
  </actuator>
</mujoco>)";
}

StepResult outcome(const MujocoStep& s) {
  return {.reward = static_cast<float>(swimmer_reward(s.dx, s.dt, s.squared_control))};
}

}  // namespace

std::unique_ptr<Env> make_swimmer(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "swimmer",
               .task = TaskId::kSwimmer,
               .observation_size = 8,
               .action_size = 2,
               .max_episode_steps = 1000,
               .dt = 0.04,
               .description = "three links, swim forward (Gym Swimmer-v2)",
               .reads = {"env.capsule_masses"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 4,
      .outcome = outcome,
      .reset_noise = 0.1,
      .skip_positions = 2,
  });
}

}  // namespace mbrl
