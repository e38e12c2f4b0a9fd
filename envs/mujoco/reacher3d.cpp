// Reacher3d on MuJoCo: an arm of seven joints that must bring its hand to a target in space.
//
// Matches the Reacher of PETS (kchua/handful-of-trials:dmbrl/env/reacher.py); `reacher` is Gym's, in
// the plane.
//
//   action       7: torques at shoulder pan, lift, upper arm roll, elbow, forearm roll, wrist flex
//                   and roll; [-1, 1] is [-20, 20] N m
//   observation 17: 0..6 joint angles (rad, rolls of forearm and wrist not wrapped), 7..9 the
//                   target (m), 10..16 rates of the angles (rad/s)
//   reward          -|hand - target|^2 - 0.01 |u|^2, the distance (m) after the step of 0.02 s
//   terminated      never; 150 steps
//   reset           all joints at 0, at rest; the target (0, 0.25, 0) + N(0, 0.1) in each of x, y, z
#include "envs/tasks/reacher3d.h"

#include "envs/mujoco/arm.h"

namespace mbrl {
namespace {

constexpr int kJoints = 7;

std::string mjcf(bool old_masses) {
  const Arm arm{
      .density = 1000.0,
      .old_masses = old_masses,
      .shoulder = "0 -0.188 0",
      .joint = {"range=\"-2.2854 1.714602\" damping=\"10\"",
                "range=\"-0.5236 1.3963\" damping=\"10\"", "range=\"-3.9 0.8\" damping=\"0.1\"",
                "range=\"-2.3213 0\"", "limited=\"false\" damping=\"0.1\"",
                "range=\"-2.094 0\" damping=\"0.1\"", "limited=\"false\" damping=\"0.1\""},
      .forearm_length = 0.321,
      .wrist_geoms = {}};
  const auto finger = [&](double side, const char* pos, const char* tip_pos) {
    return "<body pos=\"" + std::string(pos) + "\">" +
           arm_geoms(arm, {{{0, 0, 0}, {0.09137, side * 0.00495, 0}, 0.01}}) + "<body pos=\"" +
           tip_pos + "\">" + arm_geoms(arm, {{{0, 0, 0}, {0.09137, 0, 0}, 0.01}}) +
           "</body></body>";
  };
  Arm with_hand = arm;
  with_hand.wrist_geoms = arm_geoms(arm, {{{-0.02, 0, 0}, {0.02, 0, 0}, 0.01}}) +
                          "<body name=\"palm\">" +
                          arm_geoms(arm, {{{0.05, 0, -0.02}, {0.05, 0, 0.02}, 0.05}}) +
                          finger(1.0, "0.07691 0.03 0", "0.09137 0.00495 0") +
                          finger(-1.0, "0.07691 -0.03 0", "0.09137 -0.00495 0") + "</body>";
  // the target's coordinates are those of the world
  return R"(<mujoco model="reacher3d">
  <compiler angle="radian"/>
  <option timestep="0.01" gravity="0 0 0" iterations="20" integrator="RK4"/>
  <size njmax="20"/>
  <default>
    <joint armature="0.04" damping="1" limited="true"/>
    <geom contype="0" conaffinity="0"/>
  </default>
  <worldbody>)" +
         arm_body(with_hand) + R"(
    <body name="target" pos="0 0.25 0">
      <joint name="target_x" type="slide" axis="1 0 0" armature="0" damping="0" limited="false"/>
      <joint name="target_y" type="slide" axis="0 1 0" armature="0" damping="0" limited="false" ref="0.25"/>
      <joint name="target_z" type="slide" axis="0 0 1" armature="0" damping="0" limited="false"/>
      <geom type="sphere" size="0.035"/>
    </body>
  </worldbody>
  )" + arm_motors("20") +
         "</mujoco>";
}

void start(mjData& d, const ResetNoise& noise) {
  for (int i = 0; i < 3; ++i) d.qpos[kJoints + i] += 0.1 * noise.gaussian(i);
}

void observe(const mjData& d, std::span<float> o) {
  for (int i = 0; i < kJoints + 3; ++i) o[i] = static_cast<float>(d.qpos[i]);
  for (int i = 0; i < kJoints; ++i) o[kJoints + 3 + i] = static_cast<float>(d.qvel[i]);
}

StepResult outcome(const MujocoStep& s) {
  return {.reward = reacher3d_reward(s.observation.data(), static_cast<float>(s.squared_control))};
}

}  // namespace

std::unique_ptr<Env> make_reacher3d(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "reacher3d",
               .task = TaskId::kReacher3d,
               .observation_size = 17,
               .action_size = kJoints,
               .max_episode_steps = 150,
               .dt = 0.02,
               .description = "arm of seven joints, bring the hand to a target (PETS Reacher)",
               .reads = {"env.capsule_masses"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 2,
      .outcome = outcome,
      .start = start,
      .observe = observe,
  });
}

}  // namespace mbrl
