// Tests for envs/: uniform random actions last as long and earn as much as in the originals, where
// it is known so do none, and what they earn is progress.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/rng.h"
#include "envs/mujoco/mujoco_env.h"
#include "tests/envs/environments.h"

namespace mbrl {
namespace {

/// Episodes under uniform random actions: one entry per episode.
struct Episodes {
  std::vector<double> length, reward, squared_action, distance;
};

/// The place whose speed is paid for, m.
double forward_position(const Env& env) {
  const std::string& name = env.spec().name;
  if (name == "humanoid") {
    const auto& robot = dynamic_cast<const MujocoEnv&>(env);
    double sum = 0.0, mass = 0.0;
    for (int i = 1; i < robot.model().nbody; ++i) {
      sum += robot.model().body_mass[i] * robot.data().xipos[3 * i];
      mass += robot.model().body_mass[i];
    }
    return sum / mass;
  }
  // root x, then z and angle
  std::vector<double> state(static_cast<std::size_t>(env.state_size()));
  env.get_state(state);
  // Bullet's walkers turn about the world's origin, 1.25 m below the torso's center
  const bool leans = name == "hopper_bullet" || name == "walker2d_bullet";
  return state[0] + (leans ? 1.25 * std::sin(state[2]) : 0.0);
}

Episodes walk(const EnvOptions& options, int count, float largest_action = 1.0f) {
  const auto env = make_env(options);
  const auto A = static_cast<std::size_t>(env->spec().action_size);
  std::vector<float> observation(static_cast<std::size_t>(env->spec().observation_size)), action(A);
  Episodes episodes;
  std::uint64_t draw = 0;
  for (int episode = 0; episode < count; ++episode) {
    env->reset(1, static_cast<std::uint64_t>(episode), observation);
    const double start = forward_position(*env);
    double reward = 0.0, squares = 0.0;
    StepResult result;
    int length = 0;
    while (length < env->spec().max_episode_steps && !result.terminated) {
      for (std::size_t i = 0; i < A; ++i) {
        const auto bits = RandomKey{9}.bits(draw, static_cast<std::uint32_t>(i));
        action[i] = largest_action * (2.0f * uniform01(bits.x) - 1.0f);
        squares += action[i] * action[i];
      }
      ++draw;
      result = env->step(action, observation);
      EXPECT_FALSE(result.broken);
      reward += result.reward;
      ++length;
    }
    episodes.length.push_back(length);
    episodes.reward.push_back(reward);
    episodes.squared_action.push_back(squares);
    episodes.distance.push_back(forward_position(*env) - start);
  }
  return episodes;
}

class RandomPolicyTest : public testing::TestWithParam<std::string> {};

TEST_P(RandomPolicyTest, EpisodesAreAsLongAndAsGoodAsTheOriginals) {
  const KnownEnvironment& known = *find_known(GetParam());
  const RandomPolicy& original = *known.random_policy;
  EnvOptions options;
  options.name = known.name;
  if (known.simulator == Simulator::kMujoco)
    options.capsule_masses = "exact";  // as Gymnasium weighs them
  const auto expect_like = [&](const char* what, const std::vector<double>& found,
                               const Mean& expected) {
    const Mean ours = mean_of(found);
    const double error = std::hypot(ours.standard_error, expected.standard_error);
    EXPECT_NEAR(ours.value, expected.value, 4.0 * error) << what << ", standard error " << error;
    RecordProperty(what, testing::PrintToString(ours.value) + " +- " +
                             testing::PrintToString(ours.standard_error));
  };
  const Episodes episodes = walk(options, original.count);
  expect_like("length", episodes.length, original.length);
  expect_like("reward", episodes.reward, original.reward);
  if (original.still)
    expect_like("still", walk(options, original.count, 0.0f).reward, *original.still);
}

INSTANTIATE_TEST_SUITE_P(Environments, RandomPolicyTest,
                         testing::ValuesIn(environments_where([](const KnownEnvironment& known) {
                           return known.random_policy.has_value();
                         })));

class ProgressTest : public testing::TestWithParam<std::string> {};

// Where an episode's mean return is near 0 a wrong sign would hardly move it; the distance that
// each episode went tells. Bullet's walkers are paid for the speed at the end of a step, and the
// Humanoid for that of its center of mass: there the two agree on average.
TEST_P(ProgressTest, ReturnGrowsWithDistance) {
  const Progress& runner = *find_known(GetParam())->progress;
  EnvOptions options;
  options.name = GetParam();
  options.contact_cost = options.name != "ant" && options.name != "humanoid";
  const Episodes episodes = walk(options, runner.count);
  const double per_meter = runner.weight / make_env(options)->spec().dt;
  double products = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < episodes.length.size(); ++i) {
    const double paid_for_progress = episodes.reward[i] - runner.alive * episodes.length[i] +
                                     runner.cost * episodes.squared_action[i];
    products += paid_for_progress * episodes.distance[i] * per_meter;
    squares += std::pow(episodes.distance[i] * per_meter, 2);
  }
  EXPECT_NEAR(products / squares, 1.0, 0.2);
  RecordProperty("slope", testing::PrintToString(products / squares));
}

INSTANTIATE_TEST_SUITE_P(Environments, ProgressTest,
                         testing::ValuesIn(environments_where([](const KnownEnvironment& known) {
                           return known.progress.has_value();
                         })));

}  // namespace
}  // namespace mbrl
