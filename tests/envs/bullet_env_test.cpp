// Tests for envs/bullet: recorded episodes of pybullet_envs (tests/golden/pybullet_*.csv), masses,
// observations, rewards, contacts, exact restore, threads.
#include "envs/bullet/bullet_env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include "tests/envs/environments.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

constexpr std::size_t kPointsPerCapsule = 4, kContactSize = 1 + 6 * kPointsPerCapsule;

std::unique_ptr<BulletEnv> make(const std::string& name) {
  EnvOptions options;
  options.name = name;
  return std::unique_ptr<BulletEnv>(dynamic_cast<BulletEnv*>(make_env(options).release()));
}

std::size_t observation_size(const Env& env) {
  return static_cast<std::size_t>(env.spec().observation_size);
}
std::size_t action_size(const Env& env) { return static_cast<std::size_t>(env.spec().action_size); }
// root x, z, angle and the joints
std::size_t num_dofs(const Env& env) { return action_size(env) + 3; }

std::vector<double> state_of(const Env& env) {
  std::vector<double> state(static_cast<std::size_t>(env.state_size()));
  env.get_state(state);
  return state;
}

// positions, then speeds; without contacts
void start_at(Env& env, const std::vector<double>& positions_and_speeds) {
  std::vector<double> state = positions_and_speeds;
  state.resize(static_cast<std::size_t>(env.state_size()), 0.0);
  env.set_state(state);
}

// number of contact points of capsule `i` with the ground
int num_contacts(const Env& env, std::size_t i) {
  return static_cast<int>(state_of(env)[2 * num_dofs(env) + i * kContactSize]);
}

class RandomActions {
 public:
  explicit RandomActions(const Env& env, std::uint32_t seed = 9)
      : seed_(seed), action_(action_size(env)) {}
  const std::vector<float>& next() {
    for (std::size_t i = 0; i < action_.size(); ++i)
      action_[i] =
          2.0f * uniform01(RandomKey{seed_}.bits(step_, static_cast<std::uint32_t>(i)).x) - 1.0f;
    ++step_;
    return action_;
  }

 private:
  std::uint32_t seed_;
  std::uint64_t step_ = 0;
  std::vector<float> action_;
};

class BulletEnvTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Robots, BulletEnvTest,
                         testing::ValuesIn(environments_on(Simulator::kBullet)));

// Bullet 3.24 and pybullet 3.2.7 give the same doubles; the tolerance leaves room for another C
// library
constexpr Tolerance kState{1e-9, 1e-9}, kObservation{1e-6, 1e-6};
constexpr double kReward = 1e-6;

// MBRL_PYBULLET_DIR names another folder of tables, for longer comparisons
TEST_P(BulletEnvTest, FollowsRecordedEpisodesOfPybullet) {
  const auto env = make(GetParam());
  const std::size_t A = action_size(*env), S = observation_size(*env), D = num_dofs(*env);
  const char* folder = std::getenv("MBRL_PYBULLET_DIR");
  const std::string path = (folder != nullptr ? folder : MBRL_SOURCE_DIR "/tests/golden") +
                           std::string("/pybullet_") + GetParam() + ".csv";
  std::ifstream file(path);
  ASSERT_TRUE(file.good()) << path;
  std::string line;
  // a comment and the names of the columns
  std::getline(file, line);
  std::getline(file, line);

  int num_episodes = 0, num_steps = 0;
  double largest_state = 0.0, largest_observation = 0.0, largest_reward = 0.0;
  std::vector<float> observation(S);
  while (std::getline(file, line)) {
    std::vector<double> numbers;
    std::istringstream words(line);
    for (std::string word; std::getline(words, word, ',');) numbers.push_back(std::stod(word));
    ASSERT_EQ(numbers.size(), 4 + A + 2 * D + S) << line;
    const auto action = numbers.begin() + 3, reward = action + static_cast<std::ptrdiff_t>(A),
               state = reward + 1, observed = state + static_cast<std::ptrdiff_t>(2 * D);
    if (numbers[1] == 0.0) {
      start_at(*env, {state, observed});
      ++num_episodes;
      continue;
    }
    ++num_steps;
    const StepResult result = env->step(std::vector<float>(action, reward), observation);
    std::vector<double> found = state_of(*env);
    found.resize(2 * D);
    const std::string where = "episode " + std::to_string(num_episodes - 1) + ", step " +
                              std::to_string(static_cast<int>(numbers[1]));
    ASSERT_THAT(found, ElementsNearMatcher({state, observed}, kState)) << where;
    ASSERT_THAT(observation, ElementsNearMatcher({observed, numbers.end()}, kObservation)) << where;
    ASSERT_NEAR(result.reward, *reward, kReward) << where;
    ASSERT_EQ(result.terminated, numbers[2] != 0.0) << where;
    ASSERT_FALSE(result.broken) << where;
    for (std::size_t i = 0; i < 2 * D; ++i)
      largest_state =
          std::max(largest_state, std::abs(found[i] - state[static_cast<std::ptrdiff_t>(i)]));
    for (std::size_t i = 0; i < S; ++i)
      largest_observation = std::max(
          largest_observation,
          std::abs(static_cast<double>(observation[i]) - observed[static_cast<std::ptrdiff_t>(i)]));
    largest_reward = std::max(largest_reward, std::abs(result.reward - *reward));
  }
  EXPECT_GE(num_episodes, 3);
  EXPECT_GE(num_steps, 100);
  RecordProperty("largest_state_difference", testing::PrintToString(largest_state));
  RecordProperty("largest_observation_difference", testing::PrintToString(largest_observation));
  RecordProperty("largest_reward_difference", testing::PrintToString(largest_reward));
}

// from all joints at one angle (rad) under a_i(t) = 0.5 sin(0.3 t + i)
std::vector<float> after_waves(const std::string& name, int steps, double angle = 0.0) {
  const auto env = make(name);
  std::vector<double> start(2 * num_dofs(*env), 0.0);
  for (std::size_t i = 0; i < action_size(*env); ++i) start[3 + i] = angle;
  start_at(*env, start);
  std::vector<float> action(action_size(*env)), observation(observation_size(*env));
  for (int t = 0; t < steps; ++t) {
    for (std::size_t i = 0; i < action.size(); ++i)
      action[i] = static_cast<float>(0.5 * std::sin(0.3 * t + static_cast<double>(i)));
    EXPECT_FALSE(env->step(action, observation).broken);
  }
  return observation;
}

// 4 digits, of pybullet 3.2.7 under the same actions in float32
constexpr Tolerance kDigits{0.0, 5.1e-5};

TEST(BulletGoldenTest, Hopper) {
  EXPECT_THAT(after_waves("hopper_bullet", 1),
              ElementsNearMatcher(
                  {-.0014, 0, 1, .0202, 0, -.0687, 0, -.0027, .9944, -.0709, 1, 0, .0431, .3276, 0},
                  kDigits));
  EXPECT_THAT(after_waves("hopper_bullet", 10),
              ElementsNearMatcher({-.0367, 0, 1, -.044, 0, -.055, 0, .0126, 1.0003, -.0024, .9916,
                                   -.0511, .0144, .091, 1},
                                  kDigits));
}

TEST(BulletGoldenTest, Walker2d) {
  EXPECT_THAT(after_waves("walker2d_bullet", 1),
              ElementsNearMatcher(
                  {-.0010, 0,     1,     -.0195, 0, -.0487, 0,      -.0029, .9954,  -.0725, 1.0015,
                   .0483,  .0131, .0850, 1,      0, .9914,  -.1091, -.0067, -.0496, 0,      0},
                  kDigits));
  EXPECT_THAT(after_waves("walker2d_bullet", 10),
              ElementsNearMatcher(
                  {-.0522, 0,     1,     -.1228, 0,      -.1135, 0,     -.35,  .7386, -.2742, .9517,
                   -.3455, .0779, .3813, .8082,  -.5416, .7336,  .1471, .2853, .2093, 1,      0},
                  kDigits));
}

// four of the walker's joints start at their upper limit, 0, and the last digit decides on which
// side of it they are a substep later
TEST(BulletGoldenTest, RoundingAtALimitDecidesTheWalkersFirstStep) {
  const auto walker = [](double angle) { return after_waves("walker2d_bullet", 1, angle); };
  // the original's numbers; these are its for 0 under actions in float64, too
  EXPECT_THAT(walker(1e-12),
              ElementsNearMatcher(
                  {-.0010, 0,      1,     -.0250, 0, -.0487, 0,      -.0029, .9961,  -.0501, 1,
                   0,      0.0144, .1096, 1,      0, .9915,  -.1083, -.0068, -.0517, 0,      0},
                  kDigits));
  const std::vector<float> within = walker(-1e-12);
  EXPECT_NEAR(within[3], -.0260, 5.1e-5);
  EXPECT_NEAR(within[9], -.0503, 5.1e-5);
  EXPECT_NEAR(within[13], .1127, 5.1e-5);
}

TEST(BulletGoldenTest, Halfcheetah) {
  EXPECT_THAT(
      after_waves("halfcheetah_bullet", 1),
      ElementsNearMatcher({-.002,  0,      1,     -.0094, 0,     -.099, 0,     .0002, -.3486,
                           -.0838, .0166,  .1263, -.2582, .3832, .3138, .1048, .0219, -.2393,
                           1.2055, -.1192, 0,     0,      0,     0,     0,     0},
                          kDigits));
  EXPECT_THAT(
      after_waves("halfcheetah_bullet", 10),
      ElementsNearMatcher({-.2077, 0,     1,     -.0584, 0,       -.611, 0,      -.0435, -.2823,
                           .6172,  .8281, .3213, .1237,  -1.5542, .2541, -.5099, -.4835, .1302,
                           1.0708, 0,     0,     0,      0,       0,     0,      0},
                          kDigits));
}

// read back from the original's models
struct Body {
  double mass, xx, yy, zz;
};
void expect_bodies(const std::string& name, const std::vector<Body>& bodies, double total) {
  const auto env = make(name);
  double sum = 0.0;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    const BulletEnv::Inertia found = env->inertia(static_cast<int>(i));
    EXPECT_NEAR(found.mass, bodies[i].mass, 5.1e-6) << i;
    EXPECT_NEAR(found.xx, bodies[i].xx, 5.1e-7) << i;
    EXPECT_NEAR(found.yy, bodies[i].yy, 5.1e-7) << i;
    EXPECT_NEAR(found.zz, bodies[i].zz, 5.1e-7) << i;
    sum += found.mass;
  }
  EXPECT_NEAR(sum, total, 1e-5);
}

constexpr Body kTorso{3.66519, .112644, .112644, .019792},
    kThigh{4.05789, .145171, .145171, .021913}, kLeg{2.78136, .106897, .106897, .011867},
    kWalkerFoot{3.16673, .021112, .052779, .052779};

TEST(BulletMassTest, HopperHasInertiasOfBoundingBoxes) {
  expect_bodies("hopper_bullet", {kTorso, kThigh, kLeg, {5.31557, .035437, .171915, .171915}},
                15.82001);
  const auto env = make("hopper_bullet");
  EXPECT_NEAR(env->inertia(0).center_z, 1.25, 1e-7);
  EXPECT_NEAR(env->inertia(1).center_z, 0.825, 1e-7);
  EXPECT_NEAR(env->inertia(3).center_x, 0.065, 1e-7);
  // box of the torso: 0.1 x 0.1 x 0.5 m and 0.04 m around it
  EXPECT_NEAR(env->inertia(0).xx, 3.66519 / 12 * (0.18 * 0.18 + 0.58 * 0.58), 1e-6);
}

TEST(BulletMassTest, Walker2d) {
  expect_bodies("walker2d_bullet", {kTorso, kThigh, kLeg, kWalkerFoot, kThigh, kLeg, kWalkerFoot},
                23.67714);
}

TEST(BulletMassTest, HalfcheetahCentersAreItsJointsAndItsFeetWeighTenKilograms) {
  expect_bodies("halfcheetah_bullet",
                {{9.45733, .118510, 1.564635, 1.492756},
                 {2.33553, .026653, .043289, .019931},
                 {2.40200, .014835, .043925, .032479},
                 {10.0, .079277, .094460, .029290},
                 {2.17598, .024567, .035076, .013579},
                 {1.81701, .015169, .023169, .010563},
                 {10.0, .056433, .085062, .042736}},
                38.18786);
  const auto env = make("halfcheetah_bullet");
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(env->inertia(i).center_x, 0.0);
    EXPECT_EQ(env->inertia(i).center_z, 0.0);
  }
}

TEST_P(BulletEnvTest, StartIsAFunctionOfSeedAndEpisodeAndHasNoContacts) {
  const auto env = make(GetParam());
  std::vector<float> first(observation_size(*env)), other(first.size()), again(first.size());
  env->reset(4, 7, first);
  RandomActions actions(*env);
  for (int t = 0; t < 20; ++t) env->step(actions.next(), other);
  env->reset(4, 7, again);
  EXPECT_EQ(first, again);
  const std::vector<double> state = state_of(*env);
  for (std::size_t i = 2 * num_dofs(*env); i < state.size(); ++i) EXPECT_EQ(state[i], 0.0) << i;
  env->reset(5, 7, other);
  EXPECT_NE(first, other);
}

TEST_P(BulletEnvTest, ObservationAtReset) {
  const auto env = make(GetParam());
  const std::size_t A = action_size(*env);
  std::vector<float> o(observation_size(*env), 9.0f);
  env->reset(1, 0, o);
  EXPECT_EQ(std::vector<float>(o.begin(), o.begin() + 8),
            (std::vector<float>{0, 0, 1, 0, 0, 0, 0, 0}));
  for (std::size_t i = 0; i < A; ++i) EXPECT_EQ(o[9 + 2 * i], 0.0f) << "at rest";
  for (std::size_t i = 8 + 2 * A; i < o.size(); ++i) EXPECT_EQ(o[i], 0.0f) << "no contact";

  const std::vector<double> q = state_of(*env);
  const double degree = M_PI / 180.0;
  std::vector<std::pair<double, double>> limits;
  if (A == 3) {
    limits = {{-150 * degree, 0}, {-150 * degree, 0}, {-45 * degree, 45 * degree}};
  } else if (env->spec().name == "walker2d_bullet") {
    limits = {{-150 * degree, 0}, {-150 * degree, 0}, {-45 * degree, 45 * degree},
              {-150 * degree, 0}, {-150 * degree, 0}, {-45 * degree, 45 * degree}};
  } else {
    limits = {{-.52, 1.05}, {-.785, .785}, {-.4, .785}, {-1.5, .8}, {-1.2, 1.1}, {-3.1, -.3}};
  }
  for (std::size_t i = 0; i < A; ++i) {
    const auto [low, high] = limits[i];
    EXPECT_NEAR(o[8 + 2 * i], (2 * q[3 + i] - low - high) / (high - low), 1e-6) << i;
  }
}

TEST_P(BulletEnvTest, ObservationShowsPoseBeforeTheLastSubstepAndJointsAfterIt) {
  const auto env = make(GetParam());
  const std::size_t A = action_size(*env), D = num_dofs(*env);
  std::vector<double> start(2 * D, 0.0);
  start[1] = 0.5;       // up in the air
  start[D + 1] = -1.0;  // falling
  start_at(*env, start);
  std::vector<float> o(observation_size(*env));
  env->step(std::vector<float>(A, 0.0f), o);
  const std::vector<double> after = state_of(*env);
  // semi-implicit Euler: the last substep moved the root by its speed at the end
  const double substep = 0.0165 / 4;
  EXPECT_NEAR(o[0], after[1] - substep * after[D + 1], 1e-6);
  EXPECT_GT(std::abs(o[0] - after[1]), 1e-3);
  EXPECT_NEAR(o[9], 0.1 * after[D + 3], 1e-6);
  EXPECT_NEAR(o[5], 0.3 * after[D + 1], 2e-4) << "turned by the pose of a substep ago";
}

TEST(BulletLimitTest, SmallViolationsAreKickedBackAndLargeOnesStay) {
  const auto env = make("hopper_bullet");
  const double limit = M_PI / 4, substep = 0.0165 / 4;
  std::vector<float> o(15), zero(3, 0.0f);
  // free fall, all at rest: nothing else moves the foot
  const auto foot_after_a_step = [&](double violation) {
    std::vector<double> start(12, 0.0);
    start[1] = 3.0;
    start[5] = limit + violation;
    start[3] = start[4] = -1.0;  // within their limits
    start_at(*env, start);
    env->step(zero, o);
    const std::vector<double> state = state_of(*env);
    return std::pair(state[5] - limit, state[6 + 5]);
  };
  for (const double violation : {0.01, 0.03, 0.039}) {
    const auto [left, speed] = foot_after_a_step(violation);
    const double kick = -0.2 * violation / substep;
    EXPECT_NEAR(speed, kick, 0.01 * std::abs(kick)) << "the first substep's kick persists";
    EXPECT_NEAR(left, violation + 4 * substep * kick, 0.01 * violation);
  }
  for (const double violation : {0.041, 0.3}) {
    const auto [left, speed] = foot_after_a_step(violation);
    EXPECT_NEAR(speed, 0.0, 1e-3);
    EXPECT_NEAR(left, violation, 1e-5);
  }
}

TEST_P(BulletEnvTest, EntriesAreClippedAtFive) {
  const auto env = make(GetParam());
  const std::size_t A = action_size(*env), D = num_dofs(*env);
  std::vector<double> start(2 * D, 0.0);
  start[1] = 3.0;
  start[D] = 60.0;  // x': 0.3 * 60 = 18
  start[3] = 20.0;  // first joint: far beyond its limits, 2 (20 - middle) / range > 20
  start_at(*env, start);
  std::vector<float> o(observation_size(*env));
  env->step(std::vector<float>(A, 0.0f), o);
  EXPECT_EQ(o[3], 5.0f);
  EXPECT_EQ(o[8], 5.0f);
}

TEST_P(BulletEnvTest, ContactFlagsAreThoseOfThePreviousStep) {
  const auto env = make(GetParam());
  const std::size_t A = action_size(*env);
  // capsules of the observed feet: bodies in order, but the half-cheetah's torso has two capsules
  const std::vector<std::size_t> feet = A == 3 ? std::vector<std::size_t>{3}
                                        : env->spec().name == "walker2d_bullet"
                                            ? std::vector<std::size_t>{3, 6}
                                            : std::vector<std::size_t>{7, 6, 5, 4, 3, 2};
  ASSERT_EQ(8 + 2 * A + feet.size(), observation_size(*env));
  std::vector<float> o(observation_size(*env));
  std::vector<int> seen(feet.size(), 0), changes(feet.size(), 0);
  for (std::uint64_t episode = 0; episode < 5; ++episode) {
    env->reset(1, episode, o);
    RandomActions actions(*env, static_cast<std::uint32_t>(episode));
    std::vector<float> previous(feet.size(), 0.0f);
    for (int t = 0; t < 100; ++t) {
      env->step(actions.next(), o);
      for (std::size_t k = 0; k < feet.size(); ++k) {
        ASSERT_EQ(o[8 + 2 * A + k], previous[k]) << "foot " << k << ", step " << t;
        const float now = num_contacts(*env, feet[k]) > 0 ? 1.0f : 0.0f;
        seen[k] += now > 0.0f;
        changes[k] += now != previous[k];
        previous[k] = now;
      }
    }
  }
  for (std::size_t k = 0; k < feet.size(); ++k) {
    EXPECT_GT(seen[k], 0) << k;
    EXPECT_GT(changes[k], 1) << k;
  }
}

TEST(BulletRewardTest, WalkersArePaidForSpeedAndForBeingUp) {
  for (const char* name : {"hopper_bullet", "walker2d_bullet"}) {
    const auto env = make(name);
    std::vector<float> o(observation_size(*env)), action(action_size(*env), 0.0f);
    action[0] = 0.5f;
    action[1] = -1.0f;
    env->reset(1, 0, o);
    StepResult r = env->step(action, o);
    EXPECT_FALSE(r.terminated);
    EXPECT_NEAR(r.reward, 5.0 * o[3] + 1.0 - 1e-3 * 1.25, 1e-6);
    while (!r.terminated) r = env->step(action, o);
    EXPECT_NEAR(r.reward, 5.0 * o[3] - 1.0 - 1e-3 * 1.25, 1e-6) << "the last step costs 1";
    EXPECT_TRUE(o[0] + 1.25 <= 0.8 || std::abs(o[7]) >= 1.0);
  }
}

TEST(BulletRewardTest, TheEndRuleReadsHeightAndPitch) {
  const auto env = make("hopper_bullet");
  std::vector<float> o(15), zero(3, 0.0f);
  const auto ends = [&](double z, double angle) {
    std::vector<double> start(12, 0.0);
    start[1] = z - 1.25;
    start[2] = angle;
    start_at(*env, start);
    return env->step(zero, o).terminated;
  };
  // the torso turns about the world's origin: at angle t its center lies at 1.25 cos t
  EXPECT_FALSE(ends(1.25, 0.0));
  EXPECT_FALSE(ends(1.25, 0.8));
  EXPECT_TRUE(ends(1.25, 0.93)) << "low, though not beyond 1 rad";
  EXPECT_FALSE(ends(3.0, 0.98));
  EXPECT_TRUE(ends(3.0, 1.02));
  EXPECT_FALSE(ends(3.0, -0.98));
  EXPECT_TRUE(ends(3.0, -1.02));
}

TEST(BulletRewardTest, HalfcheetahIsPaidForSpeedAndNeverEnds) {
  const auto env = make("halfcheetah_bullet");
  std::vector<float> o(26);
  env->reset(1, 0, o);
  RandomActions actions(*env);
  for (int t = 0; t < 300; ++t) {
    const std::vector<float>& action = actions.next();
    const StepResult r = env->step(action, o);
    double control = 0.0;
    for (const float a : action) control += a * a;
    ASSERT_NEAR(r.reward, 5.0 * o[3] - 1e-3 * control, 1e-6);
    ASSERT_FALSE(r.terminated);
  }
}

TEST_P(BulletEnvTest, ActionsBeyondTheRangeAreClipped) {
  const auto a = make(GetParam()), b = make(GetParam());
  std::vector<float> oa(observation_size(*a)), ob(oa.size());
  a->reset(1, 0, oa);
  b->reset(1, 0, ob);
  std::vector<float> wild(action_size(*a), 5.0f), clipped(wild.size(), 1.0f);
  wild[1] = -7.0f;
  clipped[1] = -1.0f;
  EXPECT_EQ(a->step(wild, oa).reward, b->step(clipped, ob).reward);
  EXPECT_EQ(oa, ob);
}

TEST_P(BulletEnvTest, RestoredStateContinuesBitForBit) {
  const auto a = make(GetParam()), fresh = make(GetParam()), used = make(GetParam());
  std::vector<float> oa(observation_size(*a)), ob(oa.size());
  a->reset(1, 0, oa);
  RandomActions actions(*a), others(*a, 5);
  for (int t = 0; t < 40; ++t) a->step(actions.next(), oa);
  used->reset(7, 3, ob);
  for (int t = 0; t < 30; ++t) used->step(others.next(), ob);

  const std::vector<double> state = state_of(*a);
  fresh->set_state(state);
  used->set_state(state);
  EXPECT_EQ(state_of(*fresh), state);
  EXPECT_EQ(state_of(*used), state);
  // falls do not matter to the simulator: going on means long contacts
  for (int t = 0; t < 300; ++t) {
    const std::vector<float>& action = actions.next();
    const StepResult ra = a->step(action, oa);
    for (const auto& b : {fresh.get(), used.get()}) {
      const StepResult rb = b->step(action, ob);
      ASSERT_EQ(oa, ob) << "step " << t;
      ASSERT_EQ(ra.reward, rb.reward);
      ASSERT_EQ(ra.terminated, rb.terminated);
      ASSERT_EQ(state_of(*a), state_of(*b)) << "step " << t;
    }
  }
}

TEST_P(BulletEnvTest, EveryStepOfAnEpisodeCanBeRestored) {
  const auto a = make(GetParam()), b = make(GetParam());
  std::vector<float> oa(observation_size(*a)), ob(oa.size());
  a->reset(2, 0, oa);
  RandomActions actions(*a);
  int with_contact = 0;
  for (int t = 0; t < 200; ++t) {
    const std::vector<double> state = state_of(*a);
    b->set_state(state);
    for (std::size_t i = 2 * num_dofs(*a); i < state.size(); i += kContactSize)
      with_contact += state[i] > 0.0;
    const std::vector<float>& action = actions.next();
    a->step(action, oa);
    b->step(action, ob);
    ASSERT_EQ(oa, ob) << t;
    ASSERT_EQ(state_of(*a), state_of(*b)) << t;
  }
  EXPECT_GT(with_contact, 50);
}

TEST_P(BulletEnvTest, ContactPointsBelongToTheState) {
  const auto a = make(GetParam()), b = make(GetParam());
  std::vector<float> oa(observation_size(*a)), ob(oa.size());
  int forgetting_matters = 0;
  for (std::uint64_t episode = 0; episode < 20; ++episode) {
    a->reset(1, episode, oa);
    RandomActions actions(*a, static_cast<std::uint32_t>(episode));
    for (int t = 0; t < 60; ++t) {
      std::vector<double> state = state_of(*a);
      std::fill(state.begin() + static_cast<std::ptrdiff_t>(2 * num_dofs(*a)), state.end(), 0.0);
      b->set_state(state);
      const std::vector<float>& action = actions.next();
      a->step(action, oa);
      b->step(action, ob);
      forgetting_matters += state_of(*a) != state_of(*b);
    }
  }
  EXPECT_GT(forgetting_matters, 10);
}

TEST_P(BulletEnvTest, AnEpisodeDoesNotDependOnWhatCameBefore) {
  const auto fresh = make(GetParam()), used = make(GetParam());
  std::vector<float> of(observation_size(*fresh)), ou(of.size());
  RandomActions others(*used, 5);
  for (std::uint64_t episode = 0; episode < 4; ++episode) {
    used->reset(3, episode, ou);
    for (int t = 0; t < 70; ++t) used->step(others.next(), ou);
  }
  fresh->reset(1, 0, of);
  used->reset(1, 0, ou);
  ASSERT_EQ(of, ou);
  RandomActions actions(*fresh);
  for (int t = 0; t < 200; ++t) {
    const std::vector<float>& action = actions.next();
    fresh->step(action, of);
    used->step(action, ou);
    ASSERT_EQ(of, ou) << t;
    ASSERT_EQ(state_of(*fresh), state_of(*used)) << t;
  }
}

TEST_P(BulletEnvTest, AnActionOfNanIsBrokenAndMovesNothing) {
  const auto env = make(GetParam()), untouched = make(GetParam());
  std::vector<float> o(observation_size(*env)), expected(o.size());
  env->reset(1, 0, o);
  untouched->reset(1, 0, expected);
  std::vector<float> action(action_size(*env), 0.3f);
  const std::vector<double> before = state_of(*env);
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    std::vector<float> wrong = action;
    wrong.back() = bad;
    const StepResult r = env->step(wrong, o);
    EXPECT_TRUE(r.broken);
    EXPECT_FALSE(r.terminated);
    EXPECT_EQ(r.reward, 0.0f);
  }
  EXPECT_EQ(state_of(*env), before);
  env->step(action, o);
  untouched->step(action, expected);
  EXPECT_EQ(o, expected);
}

TEST_P(BulletEnvTest, AnExplodedSimulationIsBrokenSilentAndHealedByReset) {
  const auto env = make(GetParam()), healthy = make(GetParam());
  std::vector<float> o(observation_size(*env)), expected(o.size());
  const std::vector<float> action(action_size(*env), 0.3f);
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    for (const std::size_t entry : {std::size_t{1}, num_dofs(*env) + 3}) {
      std::vector<double> start(2 * num_dofs(*env), 0.0);
      start[entry] = bad;
      testing::internal::CaptureStderr();
      testing::internal::CaptureStdout();
      start_at(*env, start);
      const StepResult r = env->step(action, o);
      EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
      EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
      EXPECT_TRUE(r.broken) << entry;
      EXPECT_FALSE(r.terminated);
      EXPECT_EQ(r.reward, 0.0f);

      env->reset(1, 0, o);
      healthy->reset(1, 0, expected);
      for (int t = 0; t < 40; ++t) {
        EXPECT_FALSE(env->step(action, o).broken);
        healthy->step(action, expected);
        ASSERT_EQ(o, expected);
      }
    }
  }
}

TEST_P(BulletEnvTest, WorldsOnManyThreadsGiveWhatOneGives) {
  const auto episode = [](int seed) {
    const auto env = make(GetParam());
    std::vector<float> o(observation_size(*env)), all;
    env->reset(static_cast<std::uint32_t>(seed), 0, o);
    RandomActions actions(*env, static_cast<std::uint32_t>(seed));
    for (int t = 0; t < 300; ++t) {
      env->step(actions.next(), o);
      all.insert(all.end(), o.begin(), o.end());
    }
    return all;
  };
  constexpr int kThreads = 4;
  std::vector<std::vector<float>> found(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] { found[static_cast<std::size_t>(i)] = episode(i); });
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kThreads; ++i) EXPECT_EQ(found[static_cast<std::size_t>(i)], episode(i)) << i;
  EXPECT_NE(found[0], found[1]);
}

}  // namespace
}  // namespace mbrl
