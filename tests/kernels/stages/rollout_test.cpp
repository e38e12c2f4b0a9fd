// Tests for kernels/stages/rollout/rollout.{h,cpp}: every written transition is one draw of its chosen member,
// members are chosen uniformly, finished rows drop out, the ring wraps.
#include "kernels/stages/rollout/rollout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/networks/initialize.h"
#include "tests/support/reference.h"

namespace mbrl {
namespace {

using reference::Doubles;

// the inverted pendulum's sizes, so that its end rule |angle| <= 0.2 applies
constexpr int kS = 4, kA = 1, kD = 1 + kS, kReal = 50;
const TransitionLayout kLayout{kS, kA};

struct Problem {
  Buffer<float> real{static_cast<std::size_t>(kReal) * kLayout.pitch(), 0.0f};
  GaussianActor policy{kS, kA, {8, 8}};
  EnsembleState model{4, kLayout, 12, 2};
  RolloutConstants constants{.num_rows = 500,
                             .length = 1,
                             .task = TaskId::kInvertedPendulum,
                             .seed = 3,
                             .learner = 0,
                             .rollout_index = 6};

  explicit Problem(float angle_scale = 0.01f) {
    const RandomKey key{5, purpose::kInit, 0};
    for (int row = 0; row < kReal; ++row)
      for (int i = 0; i < kS; ++i)
        real[static_cast<std::size_t>(row) * kLayout.pitch() + i] =
            (i == 1 ? angle_scale : 1.0f) * normal(key, static_cast<std::uint64_t>(row), 1, i);
    init_actor(policy, 2, 0);
    init_ensemble(model, 9, 0, -3.0f, -6.0f);
    model.elites = {2, 0, 3};
    for (int i = 0; i < kS + kA; ++i) {
      model.input_mean[i] = 0.1f;
      model.input_inv_std[i] = 1.5f;
    }
  }
  TransitionsView view() const { return {real.data(), kLayout, kReal}; }
  std::uint64_t draw_step(int step) const {
    return constants.rollout_index * 65536 + static_cast<std::uint64_t>(step);
  }
  int member(int step, std::uint32_t row) const {
    const RandomKey key{constants.seed, purpose::kMemberChoice, 0};
    return model.elites[uniform_index(key.bits(draw_step(step), row).x, 3)];
  }
};

struct Imagined {
  Buffer<float> ring;
  RolloutResult result;
};

Imagined imagine(const Problem& p, int threads = 2, std::size_t capacity = 4000,
                 std::size_t head = 0) {
  ThreadPool pool(threads);
  Stream stream(pool);
  RolloutWorkspace workspace(stream, p.policy, p.model, p.constants.num_rows);
  Imagined r{Buffer<float>(capacity * static_cast<std::size_t>(kLayout.pitch()), -99.0f), {}};
  r.result = rollout(stream, p.policy, p.model, p.view(), {r.ring.data(), capacity, head},
                     p.constants, workspace);
  return r;
}

// next observation and reward of one row by plain composition
Doubles predict(const Problem& p, int step, std::uint32_t row, const float* record) {
  const int e = p.member(step, row);
  Doubles x;
  for (int i = 0; i < kS + kA; ++i)
    x.push_back((static_cast<double>(record[i]) - p.model.input_mean[i]) *
                p.model.input_inv_std[i]);
  const Doubles parameters(p.model.member(e), p.model.member(e) + p.model.layout.size);
  const Doubles out = reference::mlp(p.model.layout, parameters.data(), Activation::kSwish, x);
  Doubles sample;
  for (int i = 0; i < kD; ++i) {
    const double lv =
        reference::bound_logvar(out[kD + i], p.model.max_logvar()[i], p.model.min_logvar()[i]);
    const float noise =
        normal(RandomKey{p.constants.seed, purpose::kModelNoise, 0}, p.draw_step(step), row, i);
    sample.push_back(out[i] + std::exp(0.5 * lv) * noise + (i == 0 ? 0.0 : record[i - 1]));
  }
  return sample;
}

TEST(RolloutTest, OneStepIsPolicyThenChosenMemberThenEndRule) {
  const Problem p(0.15f);  // angles on both sides of the limit
  const Imagined r = imagine(p);
  ASSERT_EQ(r.result.num_written, 500u);
  const Doubles actor = reference::to_double(p.policy.parameters.value);
  std::size_t terminated = 0;
  for (std::uint32_t row = 0; row < 500; ++row) {
    const float* record = r.ring.data() + row * kLayout.pitch();
    // the state is the real one drawn for this row
    const RandomKey start{p.constants.seed, purpose::kRolloutStart, 0};
    const float* from = p.view().record(uniform_index(start.bits(p.draw_step(0), row).x, kReal));
    for (int i = 0; i < kS; ++i) ASSERT_EQ(record[i], from[i]);

    const Doubles state(record, record + kS);
    const Doubles noise{
        normal(RandomKey{p.constants.seed, purpose::kRolloutAction, 0}, p.draw_step(0), row, 0)};
    const auto sample = reference::squashed_gaussian(
        reference::mlp(p.policy.layout, actor.data(), Activation::kRelu, state), noise);
    EXPECT_NEAR(record[kLayout.action()], sample.action[0], 1e-5);

    const Doubles expected = predict(p, 0, row, record);
    EXPECT_NEAR(record[kLayout.reward()], expected[0], 1e-5);
    for (int i = 0; i < kS; ++i)
      EXPECT_NEAR(record[kLayout.next_observation() + i], expected[1 + i],
                  1e-5 * (1.0 + std::abs(expected[1 + i])));
    const bool ends = std::abs(record[kLayout.next_observation() + 1]) > 0.2f;
    EXPECT_EQ(record[kLayout.terminated()], ends ? 1.0f : 0.0f);
    terminated += ends;
  }
  EXPECT_EQ(r.result.num_terminated, terminated);
  EXPECT_GT(terminated, 20u);
  EXPECT_LT(terminated, 480u);
}

TEST(RolloutTest, FinishedRowsDropOutAndTheOthersGoOnInOrder) {
  Problem p(0.1f);
  p.constants.length = 4;
  const Imagined r = imagine(p);
  // follow every branch: a row's next record starts where its last one ended
  std::vector<std::uint32_t> live(500);
  for (std::uint32_t row = 0; row < 500; ++row) live[row] = row;
  std::size_t at = 0;
  std::vector<Doubles> expected_start(500);
  for (int step = 0; step < 4; ++step) {
    std::vector<std::uint32_t> next;
    for (const std::uint32_t row : live) {
      const float* record = r.ring.data() + at++ * kLayout.pitch();
      if (step > 0) {
        for (int i = 0; i < kS; ++i)
          ASSERT_EQ(record[i], expected_start[row][i]) << "step " << step << " row " << row;
        // draws belong to the original row, whatever place it has now
        EXPECT_NEAR(record[kLayout.reward()], predict(p, step, row, record)[0], 1e-5);
      }
      const float* observation = record + kLayout.next_observation();
      expected_start[row] = Doubles(observation, observation + kS);
      if (record[kLayout.terminated()] == 0.0f) next.push_back(row);
    }
    EXPECT_LT(next.size(), live.size()) << "nothing ended: the test would not see compaction";
    live = next;
  }
  EXPECT_EQ(r.result.num_written, at);
  EXPECT_EQ(r.result.num_steps, 4);
  EXPECT_EQ(r.result.num_terminated, 500 - live.size());
}

TEST(RolloutTest, StopsEarlyWhenNoRowIsLeft) {
  Problem p(5.0f);
  for (int row = 0; row < kReal; ++row)
    p.real[static_cast<std::size_t>(row) * kLayout.pitch() + 1] = 9.0f;
  p.constants.length = 3;
  const Imagined r = imagine(p);
  EXPECT_EQ(r.result.num_steps, 1);
  EXPECT_EQ(r.result.num_written, 500u);
  EXPECT_EQ(r.result.num_terminated, 500u);
}

TEST(RolloutTest, MembersAreChosenUniformlyAmongElitesAtEveryStep) {
  Problem p;
  int count[4] = {}, repeated = 0;
  constexpr int kRows = 30000;
  for (std::uint32_t row = 0; row < kRows; ++row) {
    ++count[p.member(0, row)];
    repeated += p.member(0, row) == p.member(1, row);
  }
  EXPECT_EQ(count[1], 0) << "member 1 is no elite";
  const double sd = std::sqrt(kRows * (1.0 / 3) * (2.0 / 3));
  for (const int e : {0, 2, 3}) EXPECT_NEAR(count[e], kRows / 3.0, 4 * sd);
  EXPECT_NEAR(repeated, kRows / 3.0, 4 * sd) << "a fresh draw each step";
}

TEST(RolloutTest, RingWrapsAtItsEnd) {
  const Problem p;
  const Imagined plain = imagine(p);
  const Imagined wrapped = imagine(p, 2, 600, 400);
  for (std::size_t row = 0; row < 500; ++row) {
    const float* a = plain.ring.data() + row * kLayout.pitch();
    const float* b = wrapped.ring.data() + (400 + row) % 600 * kLayout.pitch();
    ASSERT_TRUE(std::equal(a, a + kLayout.next_observation() + kS, b)) << "row " << row;
  }
  // untouched records keep their poison
  EXPECT_EQ(wrapped.ring[350u * kLayout.pitch()], -99.0f);
}

TEST(RolloutTest, ResultsDoNotDependOnTheNumberOfThreads) {
  Problem p(0.1f);
  p.constants.length = 3;
  const Imagined one = imagine(p, 1), three = imagine(p, 3);
  EXPECT_EQ(one.result.num_written, three.result.num_written);
  EXPECT_TRUE(std::equal(one.ring.begin(), one.ring.end(), three.ring.begin()));
}

TEST(RolloutTest, NextCallDrawsAnew) {
  Problem p;
  const Imagined first = imagine(p);
  ++p.constants.rollout_index;
  const Imagined second = imagine(p);
  EXPECT_FALSE(std::equal(first.ring.begin(), first.ring.begin() + 10 * kLayout.pitch(),
                          second.ring.begin()));
}

TEST(RolloutTest, ReportsPredictionsThatAreNotFinite) {
  Problem p;
  EXPECT_TRUE(imagine(p).result.finite);
  p.model.member(0)[p.model.layout.layers.back().bias] = std::nanf("");
  EXPECT_FALSE(imagine(p).result.finite);
}

TEST(RolloutTest, ChoosesAmongUpTo256Elites) {
  Problem one, many;
  one.model.elites = {2};
  many.model.elites.assign(256, 2);
  const Imagined a = imagine(one, 2), b = imagine(many, 2);
  EXPECT_EQ(a.result.num_written, b.result.num_written);
  EXPECT_TRUE(std::equal(a.ring.begin(), a.ring.end(), b.ring.begin(), b.ring.end()))
      << "256 times the same member is that member";

  many.model.elites.assign(257, 2);
  try {
    imagine(many);
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(),
                 "rollout: the ensemble has 257 elites; expected at most 256. Lower "
                 "model.num_elites.");
  }
}

TEST(RolloutTest, EmptyReplayAndSmallRingAreErrors) {
  Problem p;
  try {
    imagine(p, 1, 400);
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_STREQ(
        error.what(),
        "rollout: the model replay holds 400 transitions, one step writes up to 500. Raise "
        "rollout.retain_epochs or lower rollout.batch_size.");
  }
  ThreadPool pool(1);
  Stream stream(pool);
  RolloutWorkspace workspace(stream, p.policy, p.model, 500);
  Buffer<float> ring(1000 * static_cast<std::size_t>(kLayout.pitch()));
  EXPECT_THROW(rollout(stream, p.policy, p.model, {p.real.data(), kLayout, 0},
                       {ring.data(), 1000, 0}, p.constants, workspace),
               ShapeError);
}

}  // namespace
}  // namespace mbrl
