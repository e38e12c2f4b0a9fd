// Hopper on Bullet: a one-legged robot in the plane that must hop forward.
//
// Matches HopperBulletEnv of AutoMBPO; observation, physics and reset are in bullet_env.h.
//
//   action       3: torques at thigh, leg, foot; 75 N m each at 1
//   observation 15: torso 0..7; thigh, leg, foot 8..13; contact of the foot 14
//   reward          5 o[3] + 1 - 0.001 |a|^2, that is 1.5 x' + ...; -1 for +1 on the last step
//   terminated      torso's center at or below 0.8 m, or |pitch| >= 1 rad
#include "envs/bullet/bullet_env.h"
#include "envs/tasks/bullet_locomotion.h"

namespace mbrl {
namespace {

// The original's model has all frames at the world's origin: positions are those of the robot when
// it stands upright.
BulletRobot hopper_robot() {
  const float bent = importer_radians(-150.0f), turned = importer_radians(45.0f);
  BulletRobot robot;
  robot.bodies = {
      {.name = "torso", .capsules = {capsule_between(0.0f, 1.45f, 0.0f, 1.05f, 0.05f)}},
      {.name = "thigh",
       .parent = 0,
       .joint_z = 1.05f,
       .axis_y = -1.0f,
       .lower = bent,
       .upper = 0.0f,
       .torque = 75.0,
       .capsules = {capsule_between(0.0f, 1.05f, 0.0f, 0.6f, 0.05f)}},
      {.name = "leg",
       .parent = 1,
       .joint_z = 0.6f,
       .axis_y = -1.0f,
       .lower = bent,
       .upper = 0.0f,
       .torque = 75.0,
       .capsules = {capsule_between(0.0f, 0.6f, 0.0f, 0.1f, 0.04f)}},
      {.name = "foot",
       .parent = 2,
       .joint_z = 0.1f,
       .axis_y = -1.0f,
       .lower = -turned,
       .upper = turned,
       .torque = 75.0,
       .capsules = {capsule_between(-0.13f, 0.1f, 0.26f, 0.1f, 0.06f)}},
  };
  robot.feet = {3};
  return robot;
}

class HopperBullet : public BulletEnv {
 public:
  HopperBullet()
      : BulletEnv({.name = "hopper_bullet",
                   .task = TaskId::kHopperBullet,
                   .observation_size = 15,
                   .action_size = 3,
                   .max_episode_steps = 1000,
                   .dt = 0.0165,
                   .description = "one leg, hop forward (AutoMBPO's HopperBulletEnv)"},
                  hopper_robot()) {}

 private:
  StepResult outcome(std::span<const float> o, double height, double pitch,
                     double control) const override {
    const bool terminated = hopper_bullet_terminated(height, pitch, o.data());
    return {.reward = static_cast<float>(bullet_locomotion_reward(o[3], control) +
                                         bullet_alive_bonus(terminated)),
            .terminated = terminated};
  }
};

}  // namespace

std::unique_ptr<Env> make_hopper_bullet(const EnvOptions&) {
  return std::make_unique<HopperBullet>();
}

}  // namespace mbrl
