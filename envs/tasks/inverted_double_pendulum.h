// Inverted double pendulum: reward and end of an episode (OpenAI Gym 0.12.0,
// InvertedDoublePendulum-v2).
#pragma once

#include "base/hd.h"
#include "base/scalar.h"

namespace mbrl {

/// Where the upper pole's tip is, m, along one axis: both poles are 0.6 m long. lower, upper: the
/// cosines of the poles' angles from upright give the height above the cart, the sines the
/// distance to its side.
template <typename T>
MBRL_HD T double_pendulum_tip(T lower, T upper) {
  return T(0.6) * (lower + upper);
}

/// 10 for staying up, less the tip's distance from (0, 2), out of reach at 1.2, and a cost of the
/// joints' rates. x, y: the tip's place in m; rate1, rate2 in rad/s.
MBRL_HD double inverted_double_pendulum_reward(double x, double y, double rate1, double rate2) {
  return 10.0 - (0.01 * x * x + (y - 2.0) * (y - 2.0)) -
         (1e-3 * rate1 * rate1 + 5e-3 * rate2 * rate2);
}

/// The tip is not above 1 m. y: its height. Like the reference (jannerm/mbpo:mbpo/static), a NaN
/// does not end the episode.
template <typename T>
MBRL_HD bool inverted_double_pendulum_terminated(T y) {
  return y <= T(1);
}

/// The tip's height in an observation that a model predicted: sines and cosines of the lower
/// pole's angle (1) and of the angle between the poles (2), which need not lie on a circle.
MBRL_HD float double_pendulum_height(float sin1, float sin2, float cos1, float cos2) {
  // the reference turns them into angles and adds those, which scales each pair to the circle
  const float scale = square_root((sin1 * sin1 + cos1 * cos1) * (sin2 * sin2 + cos2 * cos2));
  return double_pendulum_tip(cos1, (cos1 * cos2 - sin1 * sin2) / scale);
}

/// The end rule in an observation.
MBRL_HD bool inverted_double_pendulum_ends(const float* o) {
  return inverted_double_pendulum_terminated(double_pendulum_height(o[1], o[2], o[3], o[4]));
}

}  // namespace mbrl
