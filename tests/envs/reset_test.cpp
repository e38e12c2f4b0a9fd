// Tests for the start states of envs/: every place of the state follows the law that the original
// draws it from, and no two places or episodes share a draw.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "envs/mujoco/mujoco_env.h"
#include "tests/envs/environments.h"
#include "tests/support/statistics.h"

namespace mbrl {
namespace {

constexpr int kEpisodes = 2000;
// the chance that a right law fails one of these tests, had the seed not been fixed
constexpr double kChance = 1e-3;

class ResetLawTest : public testing::TestWithParam<std::string> {};

/// Draws of a position of the state, or of a ratio of two.
struct Place {
  std::string name;
  std::vector<double> draws;
};

/// What the places of a state hold, less what they hold at rest, over kEpisodes start states.
struct Starts {
  int num_positions, num_velocities;
  bool quaternion;  // positions 3 to 6 are (1, 0, 0, 0) plus noise, brought back to length 1
  std::vector<Place> places;
};

/// Whether place i is a position or a velocity of the target.
bool of_target(const Noise& noise, const Starts& starts, std::size_t i) {
  const auto in_last_two = [&](int end) {
    return static_cast<int>(i) >= end - 2 && static_cast<int>(i) < end;
  };
  return noise.target_disc > 0.0 && (in_last_two(starts.num_positions) ||
                                     in_last_two(starts.num_positions + starts.num_velocities));
}

/// What a reset adds to place i.
Noise::Place noise_of(const Noise& noise, const Starts& starts, std::size_t i) {
  const int index = static_cast<int>(i);
  Noise::Place place{index, 0.0, 0.0, Law::kUniform};
  if (!noise.only.empty()) {
    for (const Noise::Place& moves : noise.only)
      if (moves.index == index) place = moves;
    return place;
  }
  const bool velocity = index >= starts.num_positions;
  if (of_target(noise, starts, i)) {
    place.width = velocity ? 0.0 : noise.target_disc;
  } else if (index >= noise.num_still) {
    place.width = velocity ? noise.velocity : noise.position;
    place.law = velocity ? noise.velocity_law : noise.position_law;
  }
  return place;
}
double width_of(const Noise& noise, const Starts& starts, std::size_t i) {
  return noise_of(noise, starts, i).width;
}

/// Positions of the state that noise is added to.
const double* rest_positions(const mjModel& model) {
  return model.nkey > 0 ? model.key_qpos : model.qpos0;
}

Starts draw(const KnownEnvironment& known) {
  EnvOptions options;
  options.name = known.name;
  const auto env = make_env(options);
  const auto* mujoco = dynamic_cast<const MujocoEnv*>(env.get());
  Starts starts{};
  if (mujoco != nullptr) {
    starts.num_positions = mujoco->model().nq;
    starts.num_velocities = mujoco->model().nv;
    starts.quaternion = mujoco->model().jnt_type[0] == mjJNT_FREE;
  } else {
    // Bullet's robots move in a plane: root x, z, angle and the joints
    const bool bullet = known.simulator == Simulator::kBullet;
    starts.num_positions = starts.num_velocities =
        bullet ? env->spec().action_size + 3 : env->state_size() / 2;
  }
  const auto size = static_cast<std::size_t>(starts.num_positions + starts.num_velocities);
  for (std::size_t i = 0; i < size; ++i)
    starts.places.push_back({"place " + std::to_string(i), {}});

  std::vector<float> observation(static_cast<std::size_t>(env->spec().observation_size));
  std::vector<double> state(static_cast<std::size_t>(env->state_size()));
  for (std::uint64_t episode = 0; episode < kEpisodes; ++episode) {
    env->reset(4, episode, observation);
    env->get_state(state);
    for (std::size_t i = 0; i < size; ++i) {
      const bool rests_at_zero = mujoco == nullptr ||
                                 i >= static_cast<std::size_t>(starts.num_positions) ||
                                 of_target(known.noise, starts, i);
      const double rest = rests_at_zero ? 0.0 : rest_positions(mujoco->model())[i];
      starts.places[i].draws.push_back(state[i] - (rest + noise_of(known.noise, starts, i).mean));
    }
  }
  return starts;
}

// a coordinate of a uniform point in a disc
double disc_cdf(double x, double radius) {
  const double u = std::clamp(x / radius, -1.0, 1.0);
  return 0.5 + (u * std::sqrt(1.0 - u * u) + std::asin(u)) / M_PI;
}

// u / (1 + v) for two uniform draws: what a quaternion's imaginary parts are to its real one
double ratio_cdf(double x, double width) {
  constexpr int kCells = 1000;
  double sum = 0.0;
  for (int i = 0; i < kCells; ++i) {
    const double v = width * (2.0 * (i + 0.5) / kCells - 1.0);
    sum += uniform_cdf(x * (1.0 + v), -width, width);
  }
  return sum / kCells;
}

TEST_P(ResetLawTest, EveryPlaceFollowsItsLaw) {
  const KnownEnvironment* known = find_known(GetParam());
  ASSERT_NE(known, nullptr) << GetParam() << " has no line in tests/envs/environments.h";
  const Noise& noise = known->noise;
  const Starts starts = draw(*known);
  const int size = static_cast<int>(starts.places.size());
  for (int i = 0; i < size; ++i) {
    const std::vector<double>& draws = starts.places[static_cast<std::size_t>(i)].draws;
    const Noise::Place place = noise_of(noise, starts, static_cast<std::size_t>(i));
    const double width = place.width;
    if (width == 0.0) {
      EXPECT_EQ(*std::min_element(draws.begin(), draws.end()), 0.0) << i;
      EXPECT_EQ(*std::max_element(draws.begin(), draws.end()), 0.0) << i;
      continue;
    }
    const double allowed = kChance / size;
    if (starts.quaternion && i >= 3 && i < 7) {
      if (i == 3) continue;  // the other three and the length say what it is
      std::vector<double> ratios;
      for (std::size_t k = 0; k < draws.size(); ++k)
        ratios.push_back(draws[k] / (1.0 + starts.places[3].draws[k]));
      EXPECT_GT(kolmogorov_p(ratios, [&](double x) { return ratio_cdf(x, width); }), allowed) << i;
    } else if (of_target(noise, starts, static_cast<std::size_t>(i))) {
      EXPECT_GT(kolmogorov_p(draws, [&](double x) { return disc_cdf(x, width); }), allowed) << i;
    } else if (place.law == Law::kNormal) {
      EXPECT_GT(kolmogorov_p(draws, [&](double x) { return normal_cdf(x, width); }), allowed) << i;
    } else {
      EXPECT_GT(kolmogorov_p(draws, [&](double x) { return uniform_cdf(x, -width, width); }),
                allowed)
          << i;
      // the ends, which that test hardly weighs: 2000 draws miss a hundredth once in 5e8
      EXPECT_GE(*std::min_element(draws.begin(), draws.end()), -width) << i;
      EXPECT_LE(*std::max_element(draws.begin(), draws.end()), width) << i;
      EXPECT_LT(*std::min_element(draws.begin(), draws.end()), -0.98 * width) << i;
      EXPECT_GT(*std::max_element(draws.begin(), draws.end()), 0.98 * width) << i;
    }
  }
}

TEST_P(ResetLawTest, AQuaternionHasLengthOne) {
  const KnownEnvironment* known = find_known(GetParam());
  ASSERT_NE(known, nullptr) << GetParam() << " has no line in tests/envs/environments.h";
  const Starts starts = draw(*known);
  if (!starts.quaternion) return;
  for (std::size_t k = 0; k < kEpisodes; ++k) {
    const double real = 1.0 + starts.places[3].draws[k];
    double squared = real * real;
    for (std::size_t i = 4; i < 7; ++i)
      squared += starts.places[i].draws[k] * starts.places[i].draws[k];
    ASSERT_NEAR(squared, 1.0, 1e-12) << "episode " << k;
  }
}

TEST_P(ResetLawTest, ATargetIsAUniformPointInItsDisc) {
  const KnownEnvironment* known = find_known(GetParam());
  ASSERT_NE(known, nullptr) << GetParam() << " has no line in tests/envs/environments.h";
  const double radius = known->noise.target_disc;
  if (radius == 0.0) return;
  const Starts starts = draw(*known);
  const auto last = static_cast<std::size_t>(starts.num_positions - 1);
  std::vector<double> squares, angles;
  for (std::size_t k = 0; k < kEpisodes; ++k) {
    const double x = starts.places[last - 1].draws[k], y = starts.places[last].draws[k];
    squares.push_back((x * x + y * y) / (radius * radius));
    angles.push_back(std::atan2(y, x));
  }
  EXPECT_GT(kolmogorov_p(squares, [](double x) { return uniform_cdf(x, 0.0, 1.0); }), kChance);
  EXPECT_GT(kolmogorov_p(angles, [](double x) { return uniform_cdf(x, -M_PI, M_PI); }), kChance);
}

TEST_P(ResetLawTest, PlacesAndEpisodesShareNoDraw) {
  const KnownEnvironment* known = find_known(GetParam());
  ASSERT_NE(known, nullptr) << GetParam() << " has no line in tests/envs/environments.h";
  const Noise& noise = known->noise;
  const Starts starts = draw(*known);
  std::vector<Place> moving;
  for (std::size_t i = 0; i < starts.places.size(); ++i) {
    if (width_of(noise, starts, i) > 0.0) moving.push_back(starts.places[i]);
  }
  // of n independent draws a correlation has a standard error of 1 / sqrt(n)
  const double limit = 5.5 / std::sqrt(kEpisodes);
  for (std::size_t i = 0; i < moving.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_LT(std::abs(correlation(moving[i].draws, moving[j].draws)), limit)
          << moving[i].name << " and " << moving[j].name;
    const std::vector<double>& draws = moving[i].draws;
    EXPECT_LT(
        std::abs(correlation({draws.begin() + 1, draws.end()}, {draws.begin(), draws.end() - 1})),
        limit)
        << moving[i].name << " of an episode and of the next";
  }
}

INSTANTIATE_TEST_SUITE_P(Environments, ResetLawTest, testing::ValuesIn(every_environment()));

}  // namespace
}  // namespace mbrl
