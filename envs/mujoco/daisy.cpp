// Daisy on MuJoCo: a robot of six legs that must walk forward. A STAND-IN.
//
// The original simulator (PyBullet, of alonrot/mbrl_with_daisy_robot and of Zhang et al. 2021,
// arXiv:2102.13651) was never released: neither its model nor its control period, noise and scale of
// rewards are public. This one has the real robot's published sizes, masses and motors
// (HebiRobotics/hebi_description) and the original's observation, actions, limits and length of
// episodes. So its returns cannot be compared with published ones, only with one another.
//
//   action      18: speeds of base (yaw), shoulder (lift) and elbow (bend) of the legs left and right
//                   front, middle, back; [-1, 1] is +-3.142, 1.571, 3.142 rad/s, which motors of at
//                   most 20, 38, 20 N m hold
//   observation 24: 0..17 joint angles in that order (rad; a base turns its foot forward, a
//                   shoulder up, an elbow down), 18 roll, 19 pitch, 20 yaw (rad), 21..23 velocity
//                   of the base in the world (m/s)
//   reward          speed along +y, which is forward, at the end of the step of 0.132 s
//   terminated      never; 1000 steps
//   reset           standing, shoulders 0, elbows 1.57 rad, at rest; every joint + U(-0.01, 0.01)
//
// Speeds of joints are not observed: the long step keeps that nearly Markov.
#include "envs/tasks/daisy.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "envs/mujoco/mujoco_env.h"

namespace mbrl {
namespace {

constexpr int kJoints = 18;
constexpr int kRoot = 7;  // positions of the free base before them

struct Leg {
  const char* name;
  double angle;   // degrees from +x; left is -x
  double radius;  // m from the center to the mount
};
constexpr Leg kLegs[] = {{"left_front", 120, 0.2375},  {"right_front", 60, 0.2375},
                         {"left_middle", 180, 0.1875}, {"right_middle", 0, 0.1875},
                         {"left_back", 240, 0.2375},   {"right_back", -60, 0.2375}};

std::string format(const char* pattern, auto... values) {
  char text[2048];
  std::snprintf(text, sizeof(text), pattern, values...);
  return text;
}

// x of a leg's frame points outward
std::string leg_body(const Leg& leg) {
  const double angle = leg.angle * M_PI / 180.0;
  const bool left = std::cos(angle) < 0.0;
  return format(R"(
      <body pos="%.17g %.17g 0" euler="0 0 %.17g">
        <joint name="%s_base" axis="0 0 %d" range="-0.35 0.35"/>
        <geom type="cylinder" size="0.04 0.04" mass="0.48"/>
        <geom type="sphere" pos="0 0 0.1" size="0.05" mass="0.715"/>
        <body pos="0 0 0.1">
          <joint name="%s_shoulder" axis="0 -1 0" range="0 0.8"/>
          <geom type="capsule" fromto="0 0 0 0.325 0 0" size="0.016" mass="0.402"/>
          <geom type="sphere" pos="0.325 0 0" size="0.04" mass="0.48"/>
          <body pos="0.325 0 0">
            <joint name="%s_elbow" axis="0 1 0" range="0 2"/>
            <geom type="capsule" fromto="0 0 0 0.325 0 0" size="0.016" mass="0.402"/>
            <geom type="sphere" pos="0.325 0 0" size="0.02" mass="0.06"/>
          </body>
        </body>
      </body>)",
                leg.radius * std::cos(angle), leg.radius * std::sin(angle), angle, leg.name,
                left ? -1 : 1, leg.name, leg.name);
}

// force = 200 (speed asked for - speed), within what the motor can
std::string motor(const Leg& leg, const char* joint, double speed, double force) {
  return format(
      R"(
    <general joint="%s_%s" gainprm="%.17g" biastype="affine" biasprm="0 0 -200" ctrllimited="true" ctrlrange="-1 1" forcelimited="true" forcerange="-%g %g"/>)",
      leg.name, joint, 200.0 * speed, force, force);
}

std::string mjcf() {
  std::string legs, motors, angles;
  for (const Leg& leg : kLegs) {
    legs += leg_body(leg);
    motors += motor(leg, "base", 3.142, 20.0) + motor(leg, "shoulder", 1.571, 38.0) +
              motor(leg, "elbow", 3.142, 20.0);
    angles += " 0 0 1.57";
  }
  return R"(<mujoco model="daisy">
  <compiler angle="radian"/>
  <option timestep="0.0033" integrator="implicit"/>
  <size njmax="400"/>
  <default>
    <joint armature="0.05" damping="0.5" frictionloss="0.5" limited="true"/>
    <geom condim="3" contype="1" conaffinity="0" friction="0.85 0.01 0.001"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" conaffinity="1"/>
    <body name="base" pos="0 0 0.26">
      <joint name="root" type="free" armature="0" damping="0" frictionloss="0" limited="false"/>
      <geom type="cylinder" pos="0 0 0.075" size="0.19 0.04" mass="5"/>)" +
         legs + R"(
    </body>
  </worldbody>
  <actuator>)" +
         motors + R"(
  </actuator>
  <keyframe>
    <key name="standing" qpos="0 0 0.26 1 0 0 0)" +
         angles + R"("/>
  </keyframe>
</mujoco>)";
}

void start(mjData& d, const ResetNoise& noise) {
  for (int i = 0; i < kJoints; ++i) d.qpos[kRoot + i] += 0.01 * noise.uniform(i);
}

void observe(const mjData& d, std::span<float> o) {
  for (int i = 0; i < kJoints; ++i) o[i] = static_cast<float>(d.qpos[kRoot + i]);
  const double w = d.qpos[3], x = d.qpos[4], y = d.qpos[5], z = d.qpos[6];
  const double euler[3] = {std::atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y)),
                           std::asin(std::clamp(2.0 * (w * y - z * x), -1.0, 1.0)),
                           std::atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))};
  for (int i = 0; i < 3; ++i) {
    o[kJoints + i] = static_cast<float>(euler[i]);
    o[kJoints + 3 + i] = static_cast<float>(d.qvel[i]);
  }
}

StepResult outcome(const MujocoStep& s) { return {.reward = daisy_reward(s.observation.data())}; }

}  // namespace

std::unique_ptr<Env> make_daisy(const EnvOptions&) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "daisy",
               .task = TaskId::kDaisy,
               .observation_size = 24,
               .action_size = kJoints,
               .max_episode_steps = 1000,
               .dt = 0.132,
               .description = "six legs, walk forward; a stand-in, the original is not public"},
      .model = compile_model(mjcf()),
      .frame_skip = 40,
      .outcome = outcome,
      .keyframe = 0,
      .start = start,
      .observe = observe,
  });
}

}  // namespace mbrl
