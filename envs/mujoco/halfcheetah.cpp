// HalfCheetah on MuJoCo: two legs and a trunk in the plane that must run forward.
//
// Matches HalfCheetah-v2 of OpenAI Gym 0.12.0; with capsule_masses = exact also HalfCheetah-v4 and
// v5 of Gymnasium.
//
//   action       6: torques at back thigh, shin, foot, front thigh, shin, foot; [-1, 1], gears 120,
//                   90, 60, 120, 60, 30 N m
//   observation 17: 0 height z over the start's 0.7 m (m), 1 trunk angle, 2..4 back thigh, shin,
//                   foot, 5..7 front thigh, shin, foot (rad), 8 x', 9 z' (m/s), 10..16 rates of the
//                   seven angles (rad/s), not clipped
//   reward          x' - 0.1 |u|^2, x' the mean over the step of 0.05 s
//   terminated      never
//   reset           at rest; every position + U(-0.1, 0.1), every velocity + 0.1 N(0, 1)
//
// halfcheetah18 is the same robot as PETS has it (kchua/handful-of-trials:dmbrl/env/half_cheetah.py):
//
//   observation 18: 0 the mean of x' over the step (m/s), 0 at a start; 1..17 as above
//   reset           at rest; every position and velocity + N(0, 0.001). The study of its
//                   hyperparameters (automl/HPO_for_RL) starts it as halfcheetah
#include "envs/tasks/halfcheetah.h"

#include <cmath>
#include <cstdio>

#include "envs/mujoco/mujoco_env.h"
#include "envs/tasks/halfcheetah18.h"

namespace mbrl {
namespace {

constexpr double kRadius = 0.046;

// a capsule in the plane: its center, the angle about +y from the z axis, half its axis
struct Limb {
  double x, z, angle, half;
};

Capsule capsule(const Limb& limb) {
  const double dx = limb.half * std::sin(limb.angle), dz = limb.half * std::cos(limb.angle);
  return {{limb.x - dx, 0, limb.z - dz}, {limb.x + dx, 0, limb.z + dz}, kRadius};
}

std::string mjcf(bool old_masses) {
  const Capsule trunk{{-0.5, 0, 0}, {0.5, 0, 0}, kRadius};
  const std::string trunk_geom = "<geom " + shape(trunk) + "/>";
  const Limb head{0.6, 0.1, 0.87, 0.15};
  // the angle as the reference gives it: contacts of the same order, equal to the last bits
  const auto geom = [](const Limb& limb) {
    char text[200];
    std::snprintf(text, sizeof(text),
                  "<geom type=\"capsule\" pos=\"%g 0 %g\" axisangle=\"0 1 0 %g\" size=\"%g %g\"/>",
                  limb.x, limb.z, limb.angle, kRadius, limb.half);
    return std::string(text);
  };
  const auto inertial = [&](const std::vector<Capsule>& body) {
    return old_masses ? old_inertial(body, 1000.0) : "";
  };
  const auto limb = [&](double x, double z, double angle, double half) {
    const Limb l{x, z, angle, half};
    return geom(l) + inertial({capsule(l)});
  };
  return R"(<mujoco model="halfcheetah">
  <compiler angle="radian" settotalmass="14"/>
  <option timestep="0.01"/>
  <size njmax="100"/>
  <default>
    <joint armature="0.1" damping="0.01" stiffness="8" limited="true" solreflimit="0.02 1" solimplimit="0 0.8 0.03"/>
    <geom condim="3" contype="1" conaffinity="0" friction="0.4 0.1 0.1" solref="0.02 1" solimp="0 0.8 0.01"/>
    <motor ctrllimited="true" ctrlrange="-1 1"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" conaffinity="1"/>
    <body name="torso" pos="0 0 0.7">
      <joint name="rootx" type="slide" axis="1 0 0" armature="0" damping="0" stiffness="0" limited="false"/>
      <joint name="rootz" type="slide" axis="0 0 1" armature="0" damping="0" stiffness="0" limited="false"/>
      <joint name="rooty" type="hinge" axis="0 1 0" armature="0" damping="0" stiffness="0" limited="false"/>
      )" +
         trunk_geom + geom(head) + inertial({trunk, capsule(head)}) + R"(
      <body name="bthigh" pos="-0.5 0 0">
        <joint name="bthigh" axis="0 1 0" range="-0.52 1.05" damping="6" stiffness="240"/>
        )" +
         limb(0.1, -0.13, -3.8, 0.145) + R"(
        <body name="bshin" pos="0.16 0 -0.25">
          <joint name="bshin" axis="0 1 0" range="-0.785 0.785" damping="4.5" stiffness="180"/>
          )" +
         limb(-0.14, -0.07, -2.03, 0.15) + R"(
          <body name="bfoot" pos="-0.28 0 -0.14">
            <joint name="bfoot" axis="0 1 0" range="-0.4 0.785" damping="3" stiffness="120"/>
            )" +
         limb(0.03, -0.097, -0.27, 0.094) + R"(
          </body>
        </body>
      </body>
      <body name="fthigh" pos="0.5 0 0">
        <joint name="fthigh" axis="0 1 0" range="-1 0.7" damping="4.5" stiffness="180"/>
        )" +
         limb(-0.07, -0.12, 0.52, 0.133) + R"(
        <body name="fshin" pos="-0.14 0 -0.24">
          <joint name="fshin" axis="0 1 0" range="-1.2 0.87" damping="3" stiffness="120"/>
          )" +
         limb(0.065, -0.09, -0.6, 0.106) + R"(
          <body name="ffoot" pos="0.13 0 -0.18">
            <joint name="ffoot" axis="0 1 0" range="-0.5 0.5" damping="1.5" stiffness="60"/>
            )" +
         limb(0.045, -0.07, -0.6, 0.07) + R"(
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="bthigh" gear="120"/>
    <motor joint="bshin" gear="90"/>
    <motor joint="bfoot" gear="60"/>
    <motor joint="fthigh" gear="120"/>
    <motor joint="fshin" gear="60"/>
    <motor joint="ffoot" gear="30"/>
  </actuator>
</mujoco>)";
}

StepResult outcome(const MujocoStep& s) {
  return {.reward = static_cast<float>(halfcheetah_reward(s.dx, s.dt, s.squared_control))};
}

StepResult outcome18(const MujocoStep& s) {
  return {.reward = halfcheetah18_reward(s.observation[0], static_cast<float>(s.squared_control))};
}

}  // namespace

std::unique_ptr<Env> make_halfcheetah(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "halfcheetah",
               .task = TaskId::kHalfCheetah,
               .observation_size = 17,
               .action_size = 6,
               .max_episode_steps = 1000,
               .dt = 0.05,
               .description = "two legs and a trunk, run forward (Gym HalfCheetah-v2)",
               .reads = {"env.capsule_masses"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 5,
      .outcome = outcome,
      .reset_noise = 0.1,
      .gaussian_velocities = true,
      .skip_positions = 1,
  });
}

std::unique_ptr<Env> make_halfcheetah18(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "halfcheetah18",
               .task = TaskId::kHalfCheetah18,
               .observation_size = 18,
               .action_size = 6,
               .max_episode_steps = 1000,
               .dt = 0.05,
               .description = "halfcheetah that observes its speed (PETS HalfCheetah)",
               .reads = {"env.capsule_masses"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 5,
      .outcome = outcome18,
      .reset_noise = 0.001,
      .gaussian_velocities = true,
      .gaussian_positions = true,
      .observes_speed = true,
      .skip_positions = 1,
  });
}

}  // namespace mbrl
