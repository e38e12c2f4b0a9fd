// Reacher of seven joints: where its hand is, reward, and what planners need (Chua et al. 2018,
// arXiv:1805.12114). Episodes end by their time limit alone.
#pragma once

#include "base/hd.h"
#include "base/scalar.h"
#include "base/trigonometry.h"
#include "envs/tasks/control.h"
#include "envs/tasks/observation_map.h"

namespace mbrl {

inline constexpr float kReacher3dActionScale = 20.0f;  // N m

/// A point or a direction.
struct Reacher3dVector {
  float x, y, z;
};
MBRL_HD Reacher3dVector reacher3d_sum(float a, Reacher3dVector u, float b, Reacher3dVector v) {
  return {a * u.x + b * v.x, a * u.y + b * v.y, a * u.z + b * v.z};
}

/// Where the arm points, and the axis that its next hinge turns about: of length 1, at right angles.
struct Reacher3dPose {
  Reacher3dVector along, hinge, end;
};

/// The pose beyond a joint that rolls about the arm and one that bends it: `end` is `length` m
/// further.
MBRL_HD Reacher3dPose reacher3d_link(const Reacher3dPose& p, float bend, float roll, float length) {
  float sin_bend, cos_bend, sin_roll, cos_roll;
  sincos_f(bend, sin_bend, cos_bend);
  sincos_f(roll, sin_roll, cos_roll);
  const Reacher3dVector across = {p.along.y * p.hinge.z - p.along.z * p.hinge.y,
                                  p.along.z * p.hinge.x - p.along.x * p.hinge.z,
                                  p.along.x * p.hinge.y - p.along.y * p.hinge.x};
  const Reacher3dVector side = reacher3d_sum(sin_roll, p.hinge, -cos_roll, across);
  const Reacher3dVector along = reacher3d_sum(cos_bend, p.along, sin_bend, side);

  // The reference takes along x (what it was) and brings it to length 1, which is the turned hinge
  // without a division, but reversed where the joint bends beyond its limit of 0, and the old hinge
  // where it does not bend (kchua/handful-of-trials:dmbrl/config/reacher.py).
  const float sign = sin_bend > 0.0f ? -1.0f : 1.0f;
  const Reacher3dVector turned = reacher3d_sum(sign * cos_roll, p.hinge, sign * sin_roll, across);
  const bool straight = sin_bend == 0.0f;
  const Reacher3dVector hinge = {straight ? p.hinge.x : turned.x, straight ? p.hinge.y : turned.y,
                                 straight ? p.hinge.z : turned.z};
  return {along, hinge, reacher3d_sum(1.0f, p.end, length, along)};
}

/// Place of the hand, m. joints: the first six of the seven angles, rad; the last one rolls the hand
/// about itself. NaN goes through.
MBRL_HD Reacher3dVector reacher3d_hand(const float* joints) {
  float sin_pan, cos_pan, sin_lift, cos_lift;
  sincos_f(joints[0], sin_pan, cos_pan);
  sincos_f(joints[1], sin_lift, cos_lift);
  const Reacher3dVector along = {cos_lift * cos_pan, cos_lift * sin_pan, -sin_lift};
  const Reacher3dVector shoulder = {0.1f * cos_pan, 0.1f * sin_pan - 0.188f, 0.0f};
  const Reacher3dPose upper_arm = {
      along, {-sin_pan, cos_pan, 0.0f}, reacher3d_sum(1.0f, shoulder, 0.4f, along)};
  const Reacher3dPose forearm = reacher3d_link(upper_arm, joints[3], joints[2], 0.321f);
  return reacher3d_link(forearm, joints[5], joints[4], 0.16828f).end;
}

/// Squared distance from the hand to the target; pushing costs. joints [7] rad, target [3] m,
/// control: sum of squares of the actuator controls.
MBRL_HD float reacher3d_cost_of(const float* joints, const float* target, float control) {
  const Reacher3dVector hand = reacher3d_hand(joints);
  const float dx = hand.x - target[0], dy = hand.y - target[1], dz = hand.z - target[2];
  return dx * dx + dy * dy + dz * dz + 0.01f * control;
}

/// Of the state after the step. observation: joints in entries 0 to 6, target in 7 to 9.
MBRL_HD float reacher3d_reward(const float* observation, float control) {
  return -reacher3d_cost_of(observation, observation + 7, control);
}

/// The end rule in an observation: only the time limit ends an episode.
MBRL_HD bool reacher3d_ends(const float*) { return false; }

/// The target is the present one, not what the model predicts of it.
MBRL_HD float reacher3d_cost(const float* now, const float* next, const float* action) {
  return reacher3d_cost_of(next, now + 7, squared_control(action, 7, kReacher3dActionScale));
}

/// Observations as they are; every entry by its change.
inline ObservationMap reacher3d_map() { return {}; }

}  // namespace mbrl
