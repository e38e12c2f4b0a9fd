// The arm of seven joints that Pusher and Reacher3d share down to the wrist (PR2's, as in
// kchua/handful-of-trials:dmbrl/env/assets).
#pragma once

#include <string>
#include <vector>

#include "envs/mujoco/mujoco_env.h"

namespace mbrl {

/// Where the two arms differ. Ranges in rad, damping in N m s/rad.
struct Arm {
  double density;  // kg/m^3
  bool old_masses;
  const char* shoulder;     // position of the shoulder
  const char* joint[7];     // range and damping of each: attributes of <joint>
  double forearm_length;    // m, of its capsule
  std::string wrist_geoms;  // of the body that the last joint turns, and the bodies that it carries
};

/// `<geom>` of each capsule, then their `<inertial>` where masses are old.
std::string arm_geoms(const Arm& arm, const std::vector<Capsule>& capsules,
                      const std::string& attributes = "");

/// `<body>` of the shoulder with all that hangs on it. The joints are shoulder_pan, shoulder_lift,
/// upper_arm_roll, elbow_flex, forearm_roll, wrist_flex, wrist_roll.
std::string arm_body(const Arm& arm);

/// `<actuator>` with a motor for each joint, of controls within +-limit N m.
std::string arm_motors(const char* limit);

}  // namespace mbrl
