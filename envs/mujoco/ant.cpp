// Ant on MuJoCo: a torso on four legs that must walk forward.
//
// Matches AntTruncatedObs-v2 of jannerm/mbpo, which is Ant-v2 of OpenAI Gym 0.12.0 without the 84
// contact forces in its observation; with capsule_masses = exact also Ant-v4 and v5 of Gymnasium
// with the same forces left out and paid for. v5 withholds the reward of 1 on the step that ends
// the episode.
//
//   action       8: torques at hip 4, ankle 4, hip 1, ankle 1, hip 2, ankle 2, hip 3, ankle 3;
//                   [-1, 1], gear 150 N m. Legs 1..4 start at front left and go round by the left
//   observation 27: 0 torso height z (m), 1..4 its quaternion (w, x, y, z), 5..12 hip 1, ankle
//                   1, hip 2, ... ankle 4 (rad), 13..15 torso velocity in the world's axes (m/s),
//                   16..18 angular velocity in its own (rad/s), 19..26 rates of the eight joints
//                   (rad/s)
//   reward          x' + 1 - 0.5 |u|^2 - 0.0005 |f|^2, x' the mean over the step of 0.05 s; f the
//                   external forces (N) and torques (N m) on every body, each clipped to +-1,
//                   absent if contact_cost = false
//   terminated      torso below 0.2 m or above 1 m, or an entry not finite
//   reset           at 0.75 m at rest with all joints 0, outside the ankles' ranges; every position
//                   + U(-0.1, 0.1), the quaternion brought back to length 1, every velocity +
//                   0.1 N(0, 1)
//
// x' follows the state. The reference reads the torso's place from the integrator's last stage, a
// guess of the state: up to 4 mm away, 0.08 of a step's reward, over 5911 random steps. That moves
// reward between neighboring steps and cancels over an episode. The forces are those of the last
// stage, as in Gymnasium; MuJoCo 1.50 left those of the last substep's start.
//
// MuJoCo up to 2.3.7 brings the start's quaternion back to length 1 by itself. Under 3.3.7 it stays
// as drawn, and Gymnasium's first observation shows it so.
#include "envs/tasks/ant.h"

#include <algorithm>

#include "envs/mujoco/mujoco_env.h"

namespace mbrl {
namespace {

constexpr int kPositions = 15, kVelocities = 14;
constexpr double kDensity = 5.0;

std::string mjcf(bool old_masses) {
  const auto geom = [&](const Capsule& c) {
    return "<geom " + shape(c) + "/>" + (old_masses ? old_inertial({c}, kDensity) : "");
  };
  // from the torso's center outwards along (sx, sy): a part of the torso, the hip, the ankle
  const auto leg = [&](const std::string& number, int sx, int sy, const char* axis,
                       const char* range) {
    const Capsule part{{0, 0, 0}, {0.2 * sx, 0.2 * sy, 0}, 0.08};
    const Capsule shin{{0, 0, 0}, {0.4 * sx, 0.4 * sy, 0}, 0.08};
    const std::string end =
        "pos=\"" + std::to_string(0.2 * sx) + " " + std::to_string(0.2 * sy) + " 0\"";
    return "<body>" + geom(part) + "<body " + end + "><joint name=\"hip_" + number +
           "\" axis=\"0 0 1\" range=\"-30 30\"/>" + geom(part) + "<body " + end +
           "><joint name=\"ankle_" + number + "\" axis=\"" + axis + "\" range=\"" + range + "\"/>" +
           geom(shin) + "</body></body></body>\n";
  };
  return R"(<mujoco model="ant">
  <compiler angle="degree"/>
  <option timestep="0.01" integrator="RK4"/>
  <default>
    <joint type="hinge" armature="1" damping="1" limited="true"/>
    <geom density="5" condim="3" contype="1" conaffinity="0" friction="1 0.5 0.5" margin="0.01"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="150"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" conaffinity="1"/>
    <body name="torso" pos="0 0 0.75">
      <joint name="root" type="free" armature="0" damping="0" limited="false" margin="0.01"/>
      <geom name="torso" type="sphere" size="0.25"/>
      )" +
         leg("1", 1, 1, "-1 1 0", "30 70") + leg("2", -1, 1, "1 1 0", "-70 -30") +
         leg("3", -1, -1, "-1 1 0", "-70 -30") + leg("4", 1, -1, "1 1 0", "30 70") + R"(
    </body>
  </worldbody>
  <actuator>
    <motor joint="hip_4"/>
    <motor joint="ankle_4"/>
    <motor joint="hip_1"/>
    <motor joint="ankle_1"/>
    <motor joint="hip_2"/>
    <motor joint="ankle_2"/>
    <motor joint="hip_3"/>
    <motor joint="ankle_3"/>
  </actuator>
</mujoco>)";
}

StepResult outcome(const MujocoStep& s, bool contact_cost) {
  const mjData& d = s.data;
  double contact = 0.0;
  if (contact_cost) {
    for (int i = 0; i < 6 * s.model.nbody; ++i) {
      const double force = std::clamp(d.cfrc_ext[i], -1.0, 1.0);
      contact += force * force;
    }
  }
  double state[kPositions + kVelocities];
  std::copy_n(d.qpos, kPositions, state);
  std::copy_n(d.qvel, kVelocities, state + kPositions);
  return {.reward = static_cast<float>(ant_reward(s.dx, s.dt, s.squared_control, contact)),
          .terminated = ant_terminated(d.qpos[2], state, kPositions + kVelocities)};
}

}  // namespace

std::unique_ptr<Env> make_ant(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "ant",
               .task = TaskId::kAnt,
               .observation_size = 27,
               .action_size = 8,
               .max_episode_steps = 1000,
               .dt = 0.05,
               .description = "four legs, walk forward (AntTruncatedObs-v2 of MBPO)",
               .reads = {"env.capsule_masses", "env.contact_cost"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 5,
      .outcome = [paid = options.contact_cost](const MujocoStep& s) { return outcome(s, paid); },
      .contact_forces = options.contact_cost,
      .reset_noise = 0.1,
      .gaussian_velocities = true,
      .skip_positions = 2,
  });
}

}  // namespace mbrl
