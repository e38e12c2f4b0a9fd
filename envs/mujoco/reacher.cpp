// Reacher on MuJoCo: an arm of two links in the plane that must bring its fingertip to a target.
//
// With capsule_masses = exact it matches Reacher-v5 of Gymnasium. v4 and OpenAI Gym's v2 reward the
// distance before the step and not after it, and observe the difference in height of fingertip and
// target too, which is always 0.
//
//   action       2: torques at shoulder and elbow; [-1, 1], gear 200 N m
//   observation 10: 0 and 1 cosines, 2 and 3 sines of shoulder and elbow angle, 4 and 5 the target's
//                   x and y (m), 6 and 7 rates of the two angles (rad/s), 8 and 9 x and y from the
//                   target to the fingertip (m)
//   reward          -|fingertip - target| - |u|^2, the distance (m) after the step of 0.02 s
//   terminated      never; 50 steps
//   reset           both angles U(-0.1, 0.1), their rates U(-0.005, 0.005); the target at rest,
//                   uniform in the disc of 0.2 m about the shoulder
//
// As in the original, the fingertip's place is that of the integrator's last stage, a guess of the
// state after the step: up to 2 mm away.
#include "envs/tasks/reacher.h"

#include <cmath>

#include "envs/mujoco/mujoco_env.h"

namespace mbrl {
namespace {

constexpr double kTargetDisc = 0.2;
constexpr int kFingertip = 3, kTarget = 4;  // bodies
constexpr Capsule kLink{{0, 0, 0}, {0.1, 0, 0}, 0.01};

std::string mjcf(bool old_masses) {
  const std::string link =
      "<geom " + shape(kLink) + "/>" + (old_masses ? old_inertial({kLink}, 1000.0) : "");
  return R"(<mujoco model="reacher">
  <compiler angle="radian"/>
  <option timestep="0.01" integrator="RK4"/>
  <size njmax="20"/>
  <default>
    <joint armature="1" damping="1" limited="true"/>
    <geom contype="0" conaffinity="0"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="200"/>
  </default>
  <worldbody>
    <body name="upper_arm" pos="0 0 0.01">
      <joint name="shoulder" type="hinge" axis="0 0 1" limited="false"/>
      )" +
         link + R"(
      <body name="forearm" pos="0.1 0 0">
        <joint name="elbow" type="hinge" axis="0 0 1" range="-3 3"/>
        )" +
         link + R"(
        <body name="fingertip" pos="0.11 0 0">
          <geom type="sphere" size="0.01"/>
        </body>
      </body>
    </body>
    <body name="target" pos="0.1 -0.1 0.01">
      <joint name="target_x" type="slide" axis="1 0 0" armature="0" damping="0" range="-0.27 0.27" ref="0.1"/>
      <joint name="target_y" type="slide" axis="0 1 0" armature="0" damping="0" range="-0.27 0.27" ref="-0.1"/>
      <geom type="sphere" size="0.009"/>
    </body>
  </worldbody>
  <actuator>
    <motor joint="shoulder"/>
    <motor joint="elbow"/>
  </actuator>
</mujoco>)";
}

void start(mjData& d, const ResetNoise& noise) {
  for (int i = 0; i < 2; ++i) {
    d.qpos[i] = 0.1 * noise.uniform(i);
    d.qvel[i] = 0.005 * noise.uniform(2 + i);
  }
  // points of the square until one lies in the disc
  int draw = 4;
  do {
    d.qpos[2] = kTargetDisc * noise.uniform(draw++);
    d.qpos[3] = kTargetDisc * noise.uniform(draw++);
  } while (std::hypot(d.qpos[2], d.qpos[3]) >= kTargetDisc);
}

// from the target to the fingertip along one axis, m
double offset(const mjData& d, int axis) {
  return d.xpos[3 * kFingertip + axis] - d.xpos[3 * kTarget + axis];
}

void observe(const mjData& d, std::span<float> o) {
  for (int i = 0; i < 2; ++i) {
    o[i] = static_cast<float>(std::cos(d.qpos[i]));
    o[2 + i] = static_cast<float>(std::sin(d.qpos[i]));
    o[4 + i] = static_cast<float>(d.qpos[2 + i]);
    o[6 + i] = static_cast<float>(d.qvel[i]);
    o[8 + i] = static_cast<float>(offset(d, i));
  }
}

StepResult outcome(const MujocoStep& s) {
  const double distance = std::hypot(offset(s.data, 0), offset(s.data, 1));
  return {.reward = static_cast<float>(reacher_reward(distance, s.squared_control))};
}

}  // namespace

std::unique_ptr<Env> make_reacher(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "reacher",
               .task = TaskId::kReacher,
               .observation_size = 10,
               .action_size = 2,
               .max_episode_steps = 50,
               .dt = 0.02,
               .description = "two links, bring the fingertip to a target (Gymnasium Reacher-v5)",
               .reads = {"env.capsule_masses"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 2,
      .outcome = outcome,
      .start = start,
      .observe = observe,
  });
}

}  // namespace mbrl
