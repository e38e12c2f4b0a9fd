// What all Bullet robots share: the model as a table, control step, observation, exact state.
//
// Matches HopperBulletEnv, Walker2DBulletEnv and HalfCheetahBulletEnv of pybullet_envs with the
// rewards of AutoMBPO (hanglai/autombpo:env/gym_locomotion_envs.py): states and observations equal
// those of pybullet 3.2.7 bit for bit (tests/golden/README.md). The originals load MuJoCo model
// files; Bullet's importer reads them in its own way, and that reading is the robot
// (bulletphysics/bullet3:examples/Importers/ImportMJCFDemo/BulletMJCFImporter.cpp):
//
//   numbers   rounded to float32
//   links     every joint is a massless link; the body is a further link fixed to it
//   mass      volume of the capsules x 1000 kg/m^3, unless the file states a mass
//   center    middle of the last capsule if that is given by end points, else the body's origin
//   inertia   of the bounding box; capsules given by end points count 0.04 m more on every side
//   ignored   armature, damping, stiffness, gear, reference positions, actuators, total mass
//
// World: gravity 9.8 m/s^2; a plane with friction 0.8; 4 substeps of 4.125 ms with the same
// torques; Featherstone's articulated bodies with Bullet's damping of link velocities, 0.04; joint
// speeds up to 100 rad/s; 5 solver iterations. Joint limits are rows of the velocity solver. A
// joint beyond its limit by less than 0.04 rad is driven back by 0.2 of the violation per substep
// and keeps that speed; beyond 0.04 rad only further outward motion is stopped, and nothing brings
// the joint back (that is left to split impulses, which articulated bodies do not get). Links of a
// robot do not touch each other: in the hopper's chain all are ancestors, which the original
// excludes, and the other models switch it off.
//
// A joint at its very limit, as four of the walker's are where all angles are 0, is on the side to
// which rounding moves it: from there the original's first step differs between actions in float32,
// which is what we pass, and the same in float64 (entry 3: -0.0195 and -0.0250). Whoever pays the
// last step +1 instead of -1 finds random policies to earn 2 more, 5 for the hopper and 3.5 for the
// walker.
//
// Observation, n joints and f feet, 8 + 2n + f entries clipped to +-5:
//
//   0            height of the torso's center above its height at reset (m)
//   1, 2         sine and cosine of the direction to a target far ahead, minus yaw: 0 and 1
//   3, 4, 5      0.3 x velocity of the torso's center (m/s), in the frame turned by yaw
//   6, 7         roll and pitch (rad)
//   8 + 2i       angle of joint i, -1 and 1 at its limits
//   9 + 2i       0.1 x rate of joint i (rad/s)
//   8 + 2n + k   1 if foot k had a contact with the ground in the previous step, 0 at reset
//
// Beyond 90 degrees of pitch roll and yaw jump to 180, and entries 2 and 3 change sign. Entries 0
// to 7 hold the torso's pose at the start of the last substep, 4.125 ms ago, because the original
// reads Bullet's link poses without asking for an update; the velocity is the present one, turned
// by that pose. The joints' entries are present values.
//
//   action       [-1, 1] x the joint's torque
//   reset        every joint at U(-0.1, 0.1) rad, whatever its limits; at rest, the root as loaded
//
// Reset clears all contacts. The original keeps the last episode's points until the next detection,
// which drops those whose ends have moved apart: no difference was seen over 120 resets.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "envs/env.h"

namespace mbrl {

/// A capsule in the x-z plane of its body's frame, meters and radians.
struct BulletCapsule {
  bool by_end_points;
  float from_x, from_z;                    // first end, or the center
  float to_x = 0.0f, to_z = 0.0f;          // second end
  float angle = 0.0f, half_length = 0.0f;  // about +y from the z axis
  float radius;
};
BulletCapsule capsule_between(float x0, float z0, float x1, float z1, float radius);
BulletCapsule capsule_at(float x, float z, float angle, float half_length, float radius);

/// A body of a robot and the hinge that joins it to its parent. Body 0 is the torso; it slides in x
/// and z and turns about y without limits, and the fields of its hinge are not read.
struct BulletBody {
  std::string name;
  int parent = -1;                       // index in the robot's bodies, below this body's own
  float x = 0.0f, z = 0.0f;              // body frame in the parent's
  float joint_x = 0.0f, joint_z = 0.0f;  // hinge in the body frame
  float axis_y = 1.0f;                   // the hinge turns about (0, axis_y, 0)
  float lower = 0.0f, upper = 0.0f;      // limits, rad
  double torque = 0.0;                   // N m at action 1
  std::vector<BulletCapsule> capsules;
  double mass = 0.0;  // kg; 0: from the capsules' volume
};

struct BulletRobot {
  std::vector<BulletBody> bodies;  // in the order of a depth-first walk; actions in the same order
  std::vector<int> feet;           // bodies whose contacts are observed, in the observation's order
};

/// Degrees to radians as the importer does it, in float32.
constexpr float importer_radians(float degrees) { return degrees * 3.1415926535f / 180.0f; }

/// One robot on Bullet in a world of its own. A robot's file gives the table and the outcome of a
/// step.
class BulletEnv : public Env {
 public:
  ~BulletEnv() override;
  BulletEnv(const BulletEnv&) = delete;
  BulletEnv& operator=(const BulletEnv&) = delete;
  const EnvSpec& spec() const override { return spec_; }
  void reset(std::uint32_t seed, std::uint64_t episode, std::span<float> observation) override;
  bool simulate(std::span<const float> action) override;

  /// Positions and speeds of root x, z, angle and of every joint [3 + n each], then for each
  /// capsule, body by body, the number of its contact points with the ground and 4 x (point on the
  /// capsule's link, point on the ground), in their frames. Bullet keeps contact points from
  /// substep to substep, so without them a restored simulation goes another way; the solver keeps
  /// nothing else (impulses of articulated bodies are not started from the last ones).
  int state_size() const override;
  void get_state(std::span<double> state) const override;
  void set_state(std::span<const double> state) override;

  /// Mass (kg), center in the body frame (m) and inertia about it (kg m^2) of a body.
  struct Inertia {
    double mass, center_x, center_z, xx, yy, zz;
  };
  Inertia inertia(int body) const;

  const BulletRobot& robot() const { return robot_; }

 protected:
  /// Throws DataError if the sizes of the spec are not the robot's.
  BulletEnv(EnvSpec spec, BulletRobot robot);

  /// Reward and end of a step. height: of the torso's center (m), pitch (rad), control: sum of
  /// squares of the clipped actions.
  virtual StepResult outcome(std::span<const float> observation, double height, double pitch,
                             double control) const = 0;

 private:
  StepResult do_step(std::span<const float> action, std::span<float> observation) override;
  struct World;
  struct Torso {
    double height, roll, pitch, yaw;
    double velocity[3];
  };
  int num_joints() const { return static_cast<int>(robot_.bodies.size()) - 1; }
  void place(std::span<const double> positions, std::span<const double> speeds);
  Torso torso() const;
  void observe(const Torso& torso, std::span<float> observation) const;
  bool finite() const;

  EnvSpec spec_;
  BulletRobot robot_;
  std::unique_ptr<World> world_;
  double height_at_reset_ = 0.0;
  std::vector<double> start_positions_, start_speeds_;  // scratch of reset()
  std::vector<float> contact_;                          // flags of the feet after the previous step
};

/// "3.24": the library the program is built with.
std::string bullet_version();

}  // namespace mbrl
