// Tests for the start states of envs/: every place of the state follows the law that the original
// draws it from, and no two places or episodes share a draw.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "envs/mujoco/mujoco_env.h"
#include "tests/support/statistics.h"

namespace mbrl {
namespace {

constexpr int kEpisodes = 2000;
// the chance that a right law fails one of these tests, had the seed not been fixed
constexpr double kChance = 1e-3;

enum class Law { kUniform, kNormal };

/// What a reset adds to the rest state.
struct Noise {
  const char* env;
  double position, velocity;  // half width, or standard deviation
  Law velocity_law = Law::kUniform;
  int num_still = 0;  // leading positions that stay at rest
};
void PrintTo(const Noise& noise, std::ostream* out) { *out << noise.env; }

class ResetLawTest : public testing::TestWithParam<Noise> {};

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

Starts draw(const Noise& noise) {
  EnvOptions options;
  options.name = noise.env;
  const auto env = make_env(options);
  const auto* mujoco = dynamic_cast<const MujocoEnv*>(env.get());
  Starts starts{};
  if (mujoco != nullptr) {
    starts.num_positions = mujoco->model().nq;
    starts.num_velocities = mujoco->model().nv;
    starts.quaternion = mujoco->model().jnt_type[0] == mjJNT_FREE;
  } else {
    // Bullet's robots move in a plane: root x, z, angle and the joints
    const bool bullet = std::string(noise.env).ends_with("_bullet");
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
      const bool rests_at_zero =
          mujoco == nullptr || i >= static_cast<std::size_t>(starts.num_positions);
      starts.places[i].draws.push_back(state[i] - (rests_at_zero ? 0.0 : mujoco->model().qpos0[i]));
    }
  }
  return starts;
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
  const Noise& noise = GetParam();
  const Starts starts = draw(noise);
  const int size = static_cast<int>(starts.places.size());
  for (int i = 0; i < size; ++i) {
    const std::vector<double>& draws = starts.places[static_cast<std::size_t>(i)].draws;
    const bool velocity = i >= starts.num_positions;
    const double width = velocity ? noise.velocity : noise.position;
    const bool still = i < noise.num_still || width == 0.0;
    if (still) {
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
    } else if (velocity && noise.velocity_law == Law::kNormal) {
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
  const Starts starts = draw(GetParam());
  if (!starts.quaternion) return;
  for (std::size_t k = 0; k < kEpisodes; ++k) {
    const double real = 1.0 + starts.places[3].draws[k];
    double squared = real * real;
    for (std::size_t i = 4; i < 7; ++i)
      squared += starts.places[i].draws[k] * starts.places[i].draws[k];
    ASSERT_NEAR(squared, 1.0, 1e-12) << "episode " << k;
  }
}

TEST_P(ResetLawTest, PlacesAndEpisodesShareNoDraw) {
  const Noise& noise = GetParam();
  Starts starts = draw(noise);
  std::vector<Place> moving;
  for (std::size_t i = 0; i < starts.places.size(); ++i) {
    const double width =
        static_cast<int>(i) < starts.num_positions ? noise.position : noise.velocity;
    if (static_cast<int>(i) >= noise.num_still && width > 0.0) moving.push_back(starts.places[i]);
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

INSTANTIATE_TEST_SUITE_P(Environments, ResetLawTest,
                         testing::Values(Noise{"ant", 0.1, 0.1, Law::kNormal},
                                         Noise{"cartpole", 0.05, 0.05},
                                         Noise{"halfcheetah", 0.1, 0.1, Law::kNormal},
                                         Noise{"halfcheetah_bullet", 0.1, 0.0, Law::kUniform, 3},
                                         Noise{"hopper", 0.005, 0.005},
                                         Noise{"hopper_bullet", 0.1, 0.0, Law::kUniform, 3},
                                         Noise{"humanoid", 0.01, 0.01},
                                         Noise{"inverted_double_pendulum", 0.1, 0.1, Law::kNormal},
                                         Noise{"inverted_pendulum", 0.01, 0.01},
                                         Noise{"pendulum", M_PI, 1.0}, Noise{"swimmer", 0.1, 0.1},
                                         Noise{"walker2d", 0.005, 0.005},
                                         Noise{"walker2d_bullet", 0.1, 0.0, Law::kUniform, 3}));

}  // namespace
}  // namespace mbrl
