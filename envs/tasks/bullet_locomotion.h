// The locomotion tasks on Bullet: rewards and ends of AutoMBPO's HopperBulletEnv, Walker2DBulletEnv
// and HalfCheetahBulletEnv (Lai et al. 2021, arXiv:2111.08550;
// hanglai/autombpo:env/gym_locomotion_envs.py).
#pragma once

#include "base/hd.h"

namespace mbrl {

/// Forward speed and a small control cost. forward: entry 3 of the observation, 0.3 x speed in m/s
/// clipped to +-5, so the coefficient of the speed is 1.5 (the paper's table prints 5); control:
/// sum of squares of the actions.
MBRL_HD double bullet_locomotion_reward(double forward, double control) {
  return 5.0 * forward - 1e-3 * control;
}

/// What walkers add to it: 1 for being up, -1 on the step that ends the episode.
MBRL_HD double bullet_alive_bonus(bool terminated) { return terminated ? -1.0 : 1.0; }

/// Height of a walker's torso above the ground where its observation is 0, in m.
constexpr float kBulletWalkerHeight = 1.25f;

/// The walker has fallen. height: of the torso's center, m; pitch: of the torso, rad; NaN is a
/// fall.
template <typename T>
MBRL_HD bool bullet_walker_fallen(T height, T pitch) {
  const bool up = height > T(0.8) && pitch < T(1) && pitch > T(-1);
  return !up;
}

/// The walker has fallen, or an entry of its observation is not finite.
template <typename T>
MBRL_HD bool hopper_bullet_terminated(T height, T pitch, const float* observation) {
  bool finite = true;
  // reference (hanglai/autombpo:static/hopperbulletenv.py) looks at height and pitch alone
  for (int i = 0; i < 15; ++i) finite = finite && observation[i] - observation[i] == 0.0f;
  return !finite || bullet_walker_fallen(height, pitch);
}

/// The walker has fallen, or an entry is not to be believed; the height has no upper bound.
template <typename T>
MBRL_HD bool walker2d_bullet_terminated(T height, T pitch, const float* observation) {
  bool healthy = observation[0] - observation[0] == 0.0f;
  // reference (hanglai/autombpo:static/walker2dbulletenv.py) bounds the entries from above only
  for (int i = 1; i < 22; ++i)
    healthy = healthy && observation[i] < 100.0f && observation[i] > -100.0f;
  return !healthy || bullet_walker_fallen(height, pitch);
}

/// The end rules in an observation; the time limit alone ends a half-cheetah's episode.
MBRL_HD bool hopper_bullet_ends(const float* o) {
  return hopper_bullet_terminated(o[0] + kBulletWalkerHeight, o[7], o);
}
MBRL_HD bool walker2d_bullet_ends(const float* o) {
  return walker2d_bullet_terminated(o[0] + kBulletWalkerHeight, o[7], o);
}
MBRL_HD bool halfcheetah_bullet_ends(const float*) { return false; }

}  // namespace mbrl
