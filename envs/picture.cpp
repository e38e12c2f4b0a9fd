#include "envs/picture.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "envs/bullet/bullet_env.h"
#include "envs/mujoco/mujoco_env.h"

namespace mbrl {
namespace {

// what every scene of ours has: light from above, a checkered floor under `height`
std::string scene(const std::string& bodies, double height) {
  return R"(<mujoco>
  <visual><headlight ambient="0.4 0.4 0.4" diffuse="0.4 0.4 0.4"/></visual>
  <asset>
    <texture name="floor" type="2d" builtin="checker" rgb1="0.3 0.35 0.4" rgb2="0.4 0.45 0.5" width="256" height="256"/>
    <material name="floor" texture="floor" texrepeat="40 40"/>
  </asset>
  <worldbody>
    <light directional="true" pos="0 0 5" dir="0.2 0.3 -1" diffuse="0.5 0.5 0.5"/>
    <geom type="plane" size="40 40 1" pos="0 0 )" +
         std::to_string(-height) + R"(" material="floor"/>
)" + bodies +
         "  </worldbody>\n</mujoco>\n";
}

void copy_positions(const double* from, mjData& data, const mjModel& model) {
  std::copy_n(from, model.nq, data.qpos);
  mj_forward(&model, &data);
}

// the first body that may go anywhere along x
int travelling_body(const mjModel& model) {
  for (int joint = 0; joint < model.njnt; ++joint) {
    const bool slides_in_x = model.jnt_type[joint] == mjJNT_SLIDE && !model.jnt_limited[joint] &&
                             std::abs(model.jnt_axis[3 * joint]) > 0.9;
    if (model.jnt_type[joint] == mjJNT_FREE || slides_in_x) return model.jnt_bodyid[joint];
  }
  return -1;
}

// ---- Bullet's robots, in the x-z plane

std::string numbers(double a, double b, double c) {
  return std::to_string(a) + " " + std::to_string(b) + " " + std::to_string(c);
}

std::string capsule(const BulletCapsule& c) {
  std::string text = "<geom type=\"capsule\" rgba=\"0.8 0.6 0.4 1\" ";
  if (c.by_end_points)
    return text + "fromto=\"" + numbers(c.from_x, 0, c.from_z) + " " + numbers(c.to_x, 0, c.to_z) +
           "\" size=\"" + std::to_string(c.radius) + "\"/>\n";
  // turned about +y from the z axis
  return text + "pos=\"" + numbers(c.from_x, 0, c.from_z) + "\" quat=\"" +
         std::to_string(std::cos(0.5 * c.angle)) + " " + numbers(0, std::sin(0.5 * c.angle), 0) +
         "\" size=\"" + std::to_string(c.radius) + " " + std::to_string(c.half_length) + "\"/>\n";
}

// a body with all that hangs on it; joints in the order of a depth-first walk, as the positions are
std::string body(const BulletRobot& robot, int index) {
  const BulletBody& b = robot.bodies[static_cast<std::size_t>(index)];
  std::string text = "<body pos=\"" + numbers(b.x, 0, b.z) + "\">\n";
  if (index == 0)
    text +=
        "<joint type=\"slide\" axis=\"1 0 0\"/><joint type=\"slide\" axis=\"0 0 1\"/>"
        "<joint type=\"hinge\" axis=\"0 1 0\"/>\n";
  else
    text += "<joint type=\"hinge\" pos=\"" + numbers(b.joint_x, 0, b.joint_z) + "\" axis=\"" +
            numbers(0, b.axis_y, 0) + "\"/>\n";
  for (const BulletCapsule& c : b.capsules) text += capsule(c);
  for (std::size_t child = 1; child < robot.bodies.size(); ++child)
    if (robot.bodies[child].parent == index) text += body(robot, static_cast<int>(child));
  return text + "</body>\n";
}

Picture picture_of_bullet(const BulletEnv& bullet) {
  Picture picture{
      .model = compile_model(scene(body(bullet.robot(), 0), 0.0)), .tracked = 1, .pose = {}};
  picture.pose = [model = picture.model](const Env& env, mjData& data) {
    std::vector<double> state(static_cast<std::size_t>(env.state_size()));
    env.get_state(state);  // begins with the positions
    copy_positions(state.data(), data, *model);
  };
  return picture;
}

// ---- closed forms: the entry of the state that each joint shows

Picture picture_of_joints(const std::string& bodies, double height,
                          const std::vector<int>& entries) {
  Picture picture{.model = compile_model(scene(bodies, height)), .tracked = -1, .pose = {}};
  picture.pose = [model = picture.model, entries](const Env& env, mjData& data) {
    std::vector<double> state(static_cast<std::size_t>(env.state_size())), positions;
    env.get_state(state);
    for (const int entry : entries) positions.push_back(state[static_cast<std::size_t>(entry)]);
    copy_positions(positions.data(), data, *model);
  };
  return picture;
}

}  // namespace

Picture picture_of(const Env& env) {
  if (const auto* mujoco = dynamic_cast<const MujocoEnv*>(&env)) {
    Picture picture{
        .model = mujoco->shared_model(), .tracked = travelling_body(mujoco->model()), .pose = {}};
    picture.pose = [](const Env& now, mjData& data) {
      const auto& robot = static_cast<const MujocoEnv&>(now);
      std::copy_n(robot.data().mocap_pos, 3 * robot.model().nmocap, data.mocap_pos);
      std::copy_n(robot.data().mocap_quat, 4 * robot.model().nmocap, data.mocap_quat);
      copy_positions(robot.data().qpos, data, robot.model());
    };
    return picture;
  }
  if (const auto* bullet = dynamic_cast<const BulletEnv*>(&env)) return picture_of_bullet(*bullet);
  if (env.spec().task == TaskId::kPendulum)
    return picture_of_joints(
        R"(<body><joint type="hinge" axis="0 1 0"/><geom type="capsule" fromto="0 0 0 0 0 1" size="0.06" rgba="0.8 0.4 0.4 1"/></body>
<geom type="sphere" size="0.08" rgba="0.2 0.2 0.2 1"/>)",
        1.2, {0});
  if (env.spec().task == TaskId::kCartpole)
    return picture_of_joints(
        R"(<geom type="capsule" fromto="-2.4 0 0 2.4 0 0" size="0.02" rgba="0.2 0.2 0.2 1"/>
<body><joint type="slide" axis="1 0 0" limited="true" range="-9 9"/><geom type="box" size="0.2 0.1 0.1" rgba="0.4 0.4 0.8 1"/>
<body><joint type="hinge" axis="0 1 0"/><geom type="capsule" fromto="0 0 0 0 0 1" size="0.04" rgba="0.8 0.6 0.4 1"/></body></body>)",
        0.5, {0, 2});
  throw ConfigError(
      "env.name is " + env.spec().name +
      ": nothing here knows how it looks. What serves an environment can draw it: step "
      "it there with the actions of the policy.");
}

}  // namespace mbrl
