// Pusher on MuJoCo: an arm of seven joints that must push an object to its goal on a table.
//
// Matches the Pusher of PETS (kchua/handful-of-trials:dmbrl/env/pusher.py), which is not Gym's: 4
// substeps in place of 5, other weights and starts.
//
//   action       7: torques at shoulder pan, lift, upper arm roll, elbow, forearm roll, wrist flex
//                   and roll; [-1, 1] is [-2, 2] N m
//   observation 20: 0..6 joint angles (rad), 7..13 their rates (rad/s), 14..16 place of the hand,
//                   17..19 of the object (m)
//   reward          -0.5 |hand - object| - 1.25 |object - goal| - 0.1 |u|^2, the distances sums over
//                   x, y, z (m) BEFORE the step of 0.04 s
//   terminated      never; 150 steps
//   reset           joints at 0, their rates U(-0.005, 0.005); the object at (0.6, -0.3) + N(0, 0.025)
//                   in x and y, at rest; the goal at (0.45, -0.05)
//
// env.body_position: the place of the hand is the origin of its frame, at the wrist, or the center
// of mass of its two fingertips, 0.1 m along the hand. Gym's get_body_com means the center up to
// 0.9.4, on which PETS ran, and the origin from 0.9.5 on.
//
// Places are those of the state. The original's are one substep (0.01 s) older.
#include "envs/tasks/pusher.h"

#include "envs/mujoco/arm.h"

namespace mbrl {
namespace {

constexpr int kJoints = 7;
constexpr int kObjectY = 7, kObjectX = 8;  // positions; the goal's follow

std::string mjcf(bool old_masses) {
  Arm arm{.density = 300.0,
          .old_masses = old_masses,
          .shoulder = "0 -0.6 0",
          .joint = {"range=\"-2.2854 2\"", "range=\"-0.5236 1.3963\"",
                    "range=\"-1.5 1.7\" damping=\"0.1\"", "range=\"-2.3213 0\" damping=\"0.1\"",
                    "range=\"-1.5 1.5\" damping=\"0.1\"", "range=\"-1.094 0\" damping=\"0.1\"",
                    "range=\"-1.5 1.5\" damping=\"0.1\""},
          .forearm_length = 0.291,
          .wrist_geoms = {}};
  // a fork, which alone touches the object and the table, with a ball at each end
  arm.wrist_geoms = arm_geoms(arm,
                              {{{0, -0.1, 0}, {0, 0.1, 0}, 0.02},
                               {{0, -0.1, 0}, {0.1, -0.1, 0}, 0.02},
                               {{0, 0.1, 0}, {0.1, 0.1, 0}, 0.02}},
                              " contype=\"1\" conaffinity=\"1\"") +
                    "<body name=\"hand\">" +
                    arm_geoms(arm, {{{0.1, -0.1, 0}, {0.1, -0.1, 0}, 0.01},
                                    {{0.1, 0.1, 0}, {0.1, 0.1, 0}, 0.01}}) +
                    "</body>";
  // y before x, as the reference has them
  const auto slides = [](const std::string& name) {
    const std::string rest = " range=\"-10.3213 10.3\" damping=\"0.5\"/>";
    return "<joint name=\"" + name + "_y\" type=\"slide\" axis=\"0 1 0\"" + rest +
           "<joint name=\"" + name + "_x\" type=\"slide\" axis=\"1 0 0\"" + rest;
  };
  // All inertia of the reference's object is the armature of its slides. From MuJoCo 3 on contacts
  // take it for weightless, unless the axes of its mass are turned (Farama-Foundation/Gymnasium#950);
  // from 3.3 on they are searched for in another way, and from 3.8 on there are several of a pair.
  const std::string flags =
      mj_version() >= 330 ? "<option><flag nativeccd=\"disable\" multiccd=\"disable\"/></option>"
                          : "";
  return R"(<mujoco model="pusher">
  <compiler angle="radian"/>
  <option timestep="0.01" gravity="0 0 0" iterations="20"/>
  )" + flags +
         R"(
  <size njmax="100"/>
  <default>
    <joint armature="0.04" damping="1" limited="true"/>
    <geom friction="0.8 0.1 0.1" density="300" margin="0.002" condim="1" contype="0" conaffinity="0"/>
  </default>
  <worldbody>
    <geom name="table" type="plane" pos="0 0.5 -0.325" size="1 1 0.1" contype="1" conaffinity="1"/>)" +
         arm_body(arm) + R"(
    <body name="object" pos="0.45 -0.05 -0.275">
      )" +
         slides("object") +
         R"(
      <inertial pos="0 0 0" quat="0.8 0 0 0.6" mass="1.309e-8" diaginertia="1.7e-11 1.6e-11 1.5e-11"/>
      <geom type="sphere" size="0.05" density="0.00001"/>
      <geom type="cylinder" size="0.05 0.05" density="0.00001" contype="1"/>
    </body>
    <body name="goal" pos="0.45 -0.05 -0.323">
      )" +
         slides("goal") +
         R"(
      <geom type="cylinder" size="0.08 0.001" density="0.00001"/>
    </body>
  </worldbody>
  )" + arm_motors("2") +
         "</mujoco>";
}

void start(mjData& d, const ResetNoise& noise) {
  d.qpos[kObjectY] = -0.25 + 0.025 * noise.gaussian(0);
  d.qpos[kObjectX] = 0.15 + 0.025 * noise.gaussian(1);
  for (int i = 0; i < kJoints; ++i) d.qvel[i] = 0.005 * noise.uniform(2 + i);
}

StepResult outcome(const MujocoStep& s) {
  return {.reward = pusher_reward(s.before.data(), static_cast<float>(s.squared_control))};
}

}  // namespace

std::unique_ptr<Env> make_pusher(const EnvOptions& options) {
  const auto model = compile_model(mjcf(options.capsule_masses == "old"));
  const bool center = options.body_position == "center_of_mass";
  const int hand = mj_name2id(model.get(), mjOBJ_BODY, "hand"),
            object = mj_name2id(model.get(), mjOBJ_BODY, "object");
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "pusher",
               .task = TaskId::kPusher,
               .observation_size = 20,
               .action_size = kJoints,
               .max_episode_steps = 150,
               .dt = 0.04,
               .description = "arm of seven joints, push an object to its goal (PETS Pusher)",
               .reads = {"env.capsule_masses", "env.body_position"}},
      .model = model,
      .frame_skip = 4,
      .outcome = outcome,
      .reads_before = true,
      .fresh = Fresh::kPlaces,
      .start = start,
      .observe =
          [=](const mjData& d, std::span<float> o) {
            const double* place = center ? d.subtree_com : d.xpos;
            for (int i = 0; i < kJoints; ++i) {
              o[i] = static_cast<float>(d.qpos[i]);
              o[kJoints + i] = static_cast<float>(d.qvel[i]);
            }
            for (int i = 0; i < 3; ++i) {
              o[2 * kJoints + i] = static_cast<float>(place[3 * hand + i]);
              o[2 * kJoints + 3 + i] = static_cast<float>(place[3 * object + i]);
            }
          },
  });
}

}  // namespace mbrl
