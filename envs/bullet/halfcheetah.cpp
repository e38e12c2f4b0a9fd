// Half-cheetah on Bullet: a running robot with two legs in the plane.
//
// Matches HalfCheetahBulletEnv of AutoMBPO; observation, physics and reset are in bullet_env.h.
//
//   action       6: torques at bthigh, bshin, bfoot, fthigh, fshin, ffoot (b back, f front);
//                   108, 81, 54, 126, 54, 27 N m at 1
//   observation 26: torso 0..7; the joints in the actions' order 8..19; contacts of ffoot, fshin,
//                   fthigh, bfoot, bshin, bthigh 20..25
//   reward          5 o[3] - 0.001 |a|^2, that is 1.5 x' - ...
//   terminated      never
#include "envs/bullet/bullet_env.h"
#include "envs/tasks/bullet_locomotion.h"

namespace mbrl {
namespace {

constexpr float kRadius = 0.046f;

// The front foot starts outside its limits: 0 lies 0.3 rad above them.
BulletRobot halfcheetah_robot() {
  BulletRobot robot;
  robot.bodies = {
      {.name = "torso",
       .z = 0.7f,
       .capsules = {capsule_between(-0.5f, 0.0f, 0.5f, 0.0f, kRadius),
                    capsule_at(0.6f, 0.1f, 0.87f, 0.15f, kRadius)}},
      {.name = "bthigh",
       .parent = 0,
       .x = -0.5f,
       .lower = -0.52f,
       .upper = 1.05f,
       .torque = 108.0,
       .capsules = {capsule_at(0.1f, -0.13f, -3.8f, 0.145f, kRadius)}},
      {.name = "bshin",
       .parent = 1,
       .x = 0.16f,
       .z = -0.25f,
       .lower = -0.785f,
       .upper = 0.785f,
       .torque = 81.0,
       .capsules = {capsule_at(-0.14f, -0.07f, -2.03f, 0.15f, kRadius)}},
      {.name = "bfoot",
       .parent = 2,
       .x = -0.28f,
       .z = -0.14f,
       .lower = -0.4f,
       .upper = 0.785f,
       .torque = 54.0,
       .capsules = {capsule_at(0.03f, -0.097f, -0.27f, 0.094f, kRadius)},
       .mass = 10.0},
      {.name = "fthigh",
       .parent = 0,
       .x = 0.5f,
       .lower = -1.5f,
       .upper = 0.8f,
       .torque = 126.0,
       .capsules = {capsule_at(-0.07f, -0.12f, 0.52f, 0.133f, kRadius)}},
      {.name = "fshin",
       .parent = 4,
       .x = -0.14f,
       .z = -0.24f,
       .lower = -1.2f,
       .upper = 1.1f,
       .torque = 54.0,
       .capsules = {capsule_at(0.065f, -0.09f, -0.6f, 0.106f, kRadius)}},
      {.name = "ffoot",
       .parent = 5,
       .x = 0.13f,
       .z = -0.18f,
       .lower = -3.1f,
       .upper = -0.3f,
       .torque = 27.0,
       .capsules = {capsule_at(0.045f, -0.07f, -0.6f, 0.07f, kRadius)},
       .mass = 10.0},
  };
  robot.feet = {6, 5, 4, 3, 2, 1};
  return robot;
}

class HalfcheetahBullet : public BulletEnv {
 public:
  HalfcheetahBullet()
      : BulletEnv({.name = "halfcheetah_bullet",
                   .task = TaskId::kHalfCheetahBullet,
                   .observation_size = 26,
                   .action_size = 6,
                   .max_episode_steps = 1000,
                   .dt = 0.0165,
                   .description = "run forward (AutoMBPO's HalfCheetahBulletEnv)"},
                  halfcheetah_robot()) {}

 private:
  StepResult outcome(std::span<const float> o, double, double, double control) const override {
    return {.reward = static_cast<float>(bullet_locomotion_reward(o[3], control))};
  }
};

}  // namespace

std::unique_ptr<Env> make_halfcheetah_bullet(const EnvOptions&) {
  return std::make_unique<HalfcheetahBullet>();
}

}  // namespace mbrl
