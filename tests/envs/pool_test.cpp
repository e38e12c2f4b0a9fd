// Tests for envs/pool.{h,cpp}, and with it what every environment must do: equal steps on any number
// of threads, exact restore, starts by episode number, broken and clipped actions, time limits.
#include "envs/pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "tests/envs/environments.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

EnvOptions options(const std::string& name) {
  EnvOptions o;
  o.name = name;
  return o;
}

std::vector<float> random_actions(int step, std::size_t count) {
  std::vector<float> actions(count);
  for (std::size_t i = 0; i < count; ++i)
    actions[i] =
        2.0f * uniform01(RandomKey{9}
                             .bits(static_cast<std::uint64_t>(step), static_cast<std::uint32_t>(i))
                             .x) -
        1.0f;
  return actions;
}

std::vector<float> observations(const EnvPool& envs) {
  const Matrix<const float> o = envs.observation();
  return {o.data, o.data + o.count()};
}

class PoolTest : public testing::TestWithParam<std::string> {};

TEST_P(PoolTest, BatchEqualsEnvironmentsSteppedOneByOneForAnyNumberOfThreads) {
  constexpr int N = 5;
  for (const int threads : {1, 2}) {
    ThreadPool pool(threads);
    EnvPool envs(options(GetParam()), N, 3, pool);
    envs.reset();
    const int S = envs.spec().observation_size, A = envs.spec().action_size;
    std::vector<std::unique_ptr<Env>> single;
    std::vector<std::vector<float>> observation(N, std::vector<float>(static_cast<std::size_t>(S)));
    std::vector<std::uint64_t> episode(N, 0);
    std::vector<int> length(N, 0);
    for (int i = 0; i < N; ++i) {
      single.push_back(make_env(options(GetParam())));
      single[i]->reset(3, (static_cast<std::uint64_t>(i) << 32) + episode[i]++, observation[i]);
    }
    for (int t = 0; t < steps_to_walk(GetParam(), 60); ++t) {
      const std::vector<float> actions = random_actions(t, static_cast<std::size_t>(N * A));
      const PoolStep step = envs.step({actions.data(), N, A});
      for (int i = 0; i < N; ++i) {
        const StepResult r =
            single[i]->step({actions.data() + i * A, static_cast<std::size_t>(A)}, observation[i]);
        ASSERT_EQ(step.reward[i], r.reward);
        ASSERT_EQ(step.terminated[i] != 0, r.terminated);
        for (int j = 0; j < S; ++j) ASSERT_EQ(step.next_observation.row(i)[j], observation[i][j]);
        const bool timed_out = ++length[i] == envs.spec().max_episode_steps;
        ASSERT_EQ(step.truncated[i] != 0, timed_out && !r.terminated);
        if (r.terminated || timed_out) {
          single[i]->reset(3, (static_cast<std::uint64_t>(i) << 32) + episode[i]++, observation[i]);
          length[i] = 0;
        }
        for (int j = 0; j < S; ++j) ASSERT_EQ(envs.observation().row(i)[j], observation[i][j]);
      }
    }
  }
}

TEST_P(PoolTest, SavedStateContinuesBitForBit) {
  ThreadPool pool(2);
  EnvPool a(options(GetParam()), 3, 3, pool), b(options(GetParam()), 3, 3, pool);
  a.reset();
  const int A = a.spec().action_size;
  const int saved = steps_to_walk(GetParam(), 30);
  for (int t = 0; t < saved; ++t)
    a.step({random_actions(t, static_cast<std::size_t>(3 * A)).data(), 3, A});
  b.set_state(a.get_state());
  for (int t = saved; t < 10 * saved; ++t) {
    const std::vector<float> actions = random_actions(t, static_cast<std::size_t>(3 * A));
    a.step({actions.data(), 3, A});
    b.step({actions.data(), 3, A});
    ASSERT_EQ(a.get_state(), b.get_state()) << t;
  }
}

TEST_P(PoolTest, AnEpisodeNumberGivesTheSameStartsWhateverCameBefore) {
  ThreadPool pool(2);
  EnvPool a(options(GetParam()), 3, 3, pool), b(options(GetParam()), 3, 3, pool);
  const int A = a.spec().action_size;
  a.reset();
  const std::vector<float> zeroth = observations(a);
  for (int t = 0; t < steps_to_walk(GetParam(), 40); ++t)
    a.step({random_actions(t, static_cast<std::size_t>(3 * A)).data(), 3, A});
  a.reset(7);
  b.reset(7);
  EXPECT_EQ(observations(a), observations(b));
  EXPECT_NE(observations(a), zeroth);
  a.reset();
  EXPECT_EQ(observations(a), zeroth);
}

TEST_P(PoolTest, AnActionThatIsNotFiniteBreaksTheEpisodeAndNothingElse) {
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    ThreadPool pool(1);
    EnvPool envs(options(GetParam()), 2, 3, pool);
    envs.reset();
    const int S = envs.spec().observation_size, A = envs.spec().action_size;
    const std::vector<float> before = observations(envs);
    std::vector<float> actions(static_cast<std::size_t>(2 * A), 0.0f);
    actions[static_cast<std::size_t>(A - 1)] = bad;
    PoolStep step = envs.step({actions.data(), 2, A});
    EXPECT_EQ(step.broken[0], kBadAction) << bad;
    EXPECT_EQ(step.truncated[0], 1);
    EXPECT_EQ(step.terminated[0], 0);
    EXPECT_EQ(step.reward[0], 0.0f);
    for (int j = 0; j < S; ++j)
      EXPECT_EQ(step.next_observation.row(0)[j], before[static_cast<std::size_t>(j)]);
    EXPECT_EQ(step.broken[1], kNoFault);
    for (const float x : observations(envs)) EXPECT_TRUE(std::isfinite(x));
    actions.assign(actions.size(), 0.0f);
    step = envs.step({actions.data(), 2, A});
    EXPECT_EQ(step.broken[0], kNoFault);
  }
}

TEST_P(PoolTest, FiniteActionsBeyondTheirRangeAreClipped) {
  const auto clipped = make_env(options(GetParam())), wide = make_env(options(GetParam()));
  const auto S = static_cast<std::size_t>(clipped->spec().observation_size);
  const auto A = static_cast<std::size_t>(clipped->spec().action_size);
  std::vector<float> a(S), b(S), inside(A), outside(A);
  for (std::size_t i = 0; i < A; ++i) {
    inside[i] = i % 2 == 0 ? 1.0f : -1.0f;
    outside[i] = i % 2 == 0 ? 3e38f : -1.5f;
  }
  clipped->reset(1, 0, a);
  wide->reset(1, 0, b);
  const StepResult ra = clipped->step(inside, a), rb = wide->step(outside, b);
  EXPECT_EQ(ra.broken, kNoFault);
  EXPECT_EQ(rb.broken, kNoFault);
  EXPECT_EQ(ra.reward, rb.reward);
  EXPECT_EQ(a, b);
}

TEST_P(PoolTest, NothingIsWrittenPastTheObservation) {
  const auto env = make_env(options(GetParam()));
  const auto S = static_cast<std::size_t>(env->spec().observation_size);
  std::vector<float> o(S + 50, 1234.5f);
  const std::vector<float> past(50, 1234.5f), action(env->spec().action_size, 0.0f);
  env->reset(1, 0, {o.data(), S});
  env->step(action, {o.data(), S});
  EXPECT_EQ(std::vector<float>(o.begin() + static_cast<std::ptrdiff_t>(S), o.end()), past);
}

INSTANTIATE_TEST_SUITE_P(Environments, PoolTest, testing::ValuesIn(every_environment()));

TEST(PoolLimitTest, TheTimeLimitTruncatesAndDoesNotTerminate) {
  ThreadPool pool(1);
  EnvOptions o = options("pendulum");
  o.max_episode_steps = 7;
  EnvPool envs(o, 1, 3, pool);
  envs.reset();
  const float action = 0.1f;
  for (int t = 1; t <= 21; ++t) {
    const PoolStep step = envs.step({&action, 1, 1});
    EXPECT_EQ(step.truncated[0], t % 7 == 0);
    EXPECT_EQ(step.terminated[0], 0);
    EXPECT_EQ(step.broken[0], 0);
    // at the limit the next observation is the real one and the one to act on a new start
    const bool same = std::equal(step.next_observation.row(0), step.next_observation.row(0) + 3,
                                 envs.observation().row(0));
    EXPECT_EQ(same, t % 7 != 0);
  }
}

TEST(PoolLimitTest, EndingAtTheLimitIsATermination) {
  ThreadPool pool(1);
  EnvOptions o = options("cartpole");
  EnvPool free(o, 1, 3, pool);
  free.reset();
  const float push = 1.0f;
  int length = 1;
  while (!free.step({&push, 1, 1}).terminated[0]) ++length;
  o.max_episode_steps = length;
  EnvPool limited(o, 1, 3, pool);
  limited.reset();
  for (int t = 1; t < length; ++t) limited.step({&push, 1, 1});
  const PoolStep step = limited.step({&push, 1, 1});
  EXPECT_EQ(step.terminated[0], 1);
  EXPECT_EQ(step.truncated[0], 0);
}

TEST(PoolLimitTest, InactiveEnvironmentsStandStill) {
  ThreadPool pool(1);
  EnvPool envs(options("pendulum"), 2, 3, pool);
  envs.reset();
  const std::vector<float> before(envs.observation().row(1), envs.observation().row(1) + 3);
  const float actions[2] = {0.5f, 0.5f};
  const std::uint8_t active[2] = {1, 0};
  const PoolStep step = envs.step({actions, 2, 1}, active);
  EXPECT_NE(step.reward[0], 0.0f);
  EXPECT_EQ(step.reward[1], 0.0f);
  EXPECT_EQ(step.terminated[1] + step.truncated[1] + step.broken[1], 0);
  EXPECT_EQ(std::vector<float>(envs.observation().row(1), envs.observation().row(1) + 3), before);
}

TEST(PoolBrokenTest, AnUnstableSimulatorEndsTheEpisodeAndTheRunGoesOn) {
  ThreadPool pool(2);
  EnvPool envs(options("hopper"), 2, 3, pool);
  envs.reset();
  const std::vector<float> actions(6, 0.0f);
  std::vector<double> state = envs.get_state();
  const std::size_t each = state.size() / 2;
  state[2 + 11 + 6 + 3] = 1e12;  // a velocity of environment 0
  envs.set_state(state);
  const std::vector<float> before(envs.observation().row(0), envs.observation().row(0) + 11);
  PoolStep step = envs.step({actions.data(), 2, 3});
  EXPECT_EQ(step.broken[0], kEngineFault);
  EXPECT_EQ(step.truncated[0], 1);
  EXPECT_EQ(step.terminated[0], 0);
  EXPECT_EQ(step.reward[0], 0.0f);
  EXPECT_EQ(std::vector<float>(step.next_observation.row(0), step.next_observation.row(0) + 11),
            before);
  EXPECT_EQ(step.broken[1], 0);
  EXPECT_EQ(envs.get_state()[1], 0.0) << "a new episode has begun";
  EXPECT_EQ(envs.get_state()[each + 1], 1.0);
  step = envs.step({actions.data(), 2, 3});
  EXPECT_EQ(step.broken[0], 0);
  for (int i = 0; i < 11; ++i) EXPECT_TRUE(std::isfinite(step.next_observation.row(0)[i]));
}

TEST(PoolBrokenTest, AStateOfAnotherEnvironmentIsRefused) {
  ThreadPool pool(1);
  EnvPool hopper(options("hopper"), 1, 3, pool), pendulum(options("pendulum"), 1, 3, pool);
  hopper.reset();
  EXPECT_THROW(pendulum.set_state(hopper.get_state()), DataError);
}

TEST(PoolBrokenTest, CountersOfAForeignStateAreChecked) {
  ThreadPool pool(1);
  EnvOptions short_one = options("pendulum");
  short_one.max_episode_steps = 20;
  EnvPool envs(short_one, 1, 3, pool);
  envs.reset();
  const std::vector<double> state = envs.get_state();
  const auto with = [&](std::size_t index, double value) {
    std::vector<double> changed = state;
    changed[index] = value;
    return error_text<DataError>([&] { envs.set_state(changed); });
  };
  EXPECT_EQ(with(1, 20.0), "");
  for (const double steps : {-1.0, 2.5, 21.0, 1e300})
    EXPECT_THAT(with(1, steps), testing::HasSubstr("expected integers from 0 on, steps up to 20."));
  for (const double episode : {-1.0, 2.5, 1e300})
    EXPECT_THAT(with(0, episode), testing::HasSubstr("of episode "));
  for (std::size_t i = 0; i < state.size(); ++i)
    EXPECT_THAT(with(i, std::nan("")), testing::HasSubstr("not finite")) << i;
}

TEST(PoolShapeTest, ActionsAndMaskMustFitTheBatch) {
  ThreadPool pool(1);
  EnvPool envs(options("hopper"), 2, 3, pool);
  envs.reset();
  const std::vector<float> actions(6, 0.0f);
  const std::vector<std::uint8_t> active(3, 1);
  EXPECT_EQ(error_text<ShapeError>([&] {
              envs.step({actions.data(), 2, 2});
            }),
            "EnvPool::step: actions are [2, 2]; expected [2, 3].");
  EXPECT_EQ(error_text<ShapeError>([&] {
              envs.step({actions.data(), 2, 3}, active);
            }),
            "EnvPool::step: active has 3 entries; expected 2.");
  EXPECT_EQ(error_text<ShapeError>([&] { EnvPool(options("hopper"), 0, 3, pool); }),
            "EnvPool: 0 environments; expected at least 1.");
}

}  // namespace
}  // namespace mbrl
