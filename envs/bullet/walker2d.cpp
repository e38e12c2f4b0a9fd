// Walker on Bullet: a robot with two legs in the plane that must walk forward.
//
// Matches Walker2DBulletEnv of AutoMBPO; observation, physics and reset are in bullet_env.h.
//
//   action       6: torques at right thigh, leg, foot, then left; 40, 40, 12 N m at 1
//   observation 22: torso 0..7; the joints in the actions' order 8..19; contacts of the feet 20, 21
//   reward          5 o[3] + 1 - 0.001 |a|^2, that is 1.5 x' + ...; -1 for +1 on the last step
//   terminated      torso's center at or below 0.8 m, or |pitch| >= 1 rad
#include "envs/bullet/bullet_env.h"
#include "envs/tasks/bullet_locomotion.h"

namespace mbrl {
namespace {

// a leg's three bodies, the first of them number `first`; both legs hang at the same place
void add_leg(BulletRobot& robot, int first, const std::string& suffix) {
  const float bent = importer_radians(-150.0f), turned = importer_radians(45.0f);
  robot.bodies.push_back({.name = "thigh" + suffix,
                          .parent = 0,
                          .joint_z = 1.05f,
                          .axis_y = -1.0f,
                          .lower = bent,
                          .upper = 0.0f,
                          .torque = 40.0,
                          .capsules = {capsule_between(0.0f, 1.05f, 0.0f, 0.6f, 0.05f)}});
  robot.bodies.push_back({.name = "leg" + suffix,
                          .parent = first,
                          .joint_z = 0.6f,
                          .axis_y = -1.0f,
                          .lower = bent,
                          .upper = 0.0f,
                          .torque = 40.0,
                          .capsules = {capsule_between(0.0f, 0.6f, 0.0f, 0.1f, 0.04f)}});
  robot.bodies.push_back({.name = "foot" + suffix,
                          .parent = first + 1,
                          .joint_z = 0.1f,
                          .axis_y = -1.0f,
                          .lower = -turned,
                          .upper = turned,
                          .torque = 12.0,
                          .capsules = {capsule_between(0.0f, 0.1f, 0.2f, 0.1f, 0.06f)}});
  robot.feet.push_back(first + 2);
}

// The original's model has all frames at the world's origin: positions are those of the upright
// robot.
BulletRobot walker2d_robot() {
  BulletRobot robot;
  robot.bodies = {
      {.name = "torso", .capsules = {capsule_between(0.0f, 1.45f, 0.0f, 1.05f, 0.05f)}}};
  add_leg(robot, 1, "");
  add_leg(robot, 4, "_left");
  return robot;
}

class Walker2dBullet : public BulletEnv {
 public:
  Walker2dBullet()
      : BulletEnv({.name = "walker2d_bullet",
                   .task = TaskId::kWalker2dBullet,
                   .observation_size = 22,
                   .action_size = 6,
                   .max_episode_steps = 1000,
                   .dt = 0.0165,
                   .description = "two legs, walk forward (AutoMBPO's Walker2DBulletEnv)"},
                  walker2d_robot()) {}

 private:
  StepResult outcome(std::span<const float> o, double height, double pitch,
                     double control) const override {
    const bool terminated = walker2d_bullet_terminated(height, pitch, o.data());
    return {.reward = static_cast<float>(bullet_locomotion_reward(o[3], control) +
                                         bullet_alive_bonus(terminated)),
            .terminated = terminated};
  }
};

}  // namespace

std::unique_ptr<Env> make_walker2d_bullet(const EnvOptions&) {
  return std::make_unique<Walker2dBullet>();
}

}  // namespace mbrl
