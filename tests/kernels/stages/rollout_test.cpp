// Tests for kernels/stages/rollout/rollout.{h,cpp,cu} on every device: every written transition is
// one draw of its chosen member, members are chosen uniformly, finished rows drop out, the ring
// wraps.
#include "kernels/stages/rollout/rollout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "base/error.h"
#include "tests/support/devices.h"
#include "tests/support/problems.h"
#include "tests/support/reference.h"

namespace mbrl {
namespace {

using reference::Doubles;

constexpr int kS = 4, kA = 1, kD = 1 + kS, kReal = RolloutProblem::kRecords;
const TransitionLayout kLayout{kS, kA};

// the inverted pendulum, whose end rule is |angle| <= 0.2
struct Problem : RolloutProblem {
  explicit Problem(float angle_scale = 0.01f, const EnsembleForm& form = {})
      : RolloutProblem(500, 1, 12, form) {
    constants.task = TaskId::kInvertedPendulum;
    for (int row = 0; row < kReal; ++row)
      for (int i = 0; i < kS; ++i)
        records[static_cast<std::size_t>(row) * kLayout.pitch() + i] *=
            10.0f * (i == 1 ? angle_scale : 1.0f);
    for (int i = 0; i < model.num_inputs(); ++i) {
      model.input_mean[i] = 0.1f;
      model.input_inv_std[i] = 1.5f;
    }
  }
  RandomKey key(Purpose purpose) const { return {constants.seed, purpose, constants.learner}; }
  std::uint64_t draw_step(int step) const {
    return constants.rollout_index * 65536 + static_cast<std::uint64_t>(step);
  }
  int member(int step, std::uint32_t row) const {
    return model.elites[uniform_index(key(purpose::kMemberChoice).bits(draw_step(step), row).x, 3)];
  }
};

struct Imagined {
  Buffer<float> ring;
  RolloutResult result;
};

// one call on a device
Imagined imagine(On on, const Problem& p, int threads = 2, std::size_t capacity = 4000,
                 std::size_t head = 0, std::size_t num_real = kReal) {
  DeviceStream stream(on, threads);
  const GaussianActor policy = copy_to(stream.memory(), p.policy);
  const EnsembleState model = copy_to(stream.memory(), p.model);
  const Buffer<float> records = copy_to(stream.memory(), p.records);
  RolloutWorkspace workspace(stream, policy, model, p.constants.num_rows, 3);
  Buffer<float> ring(capacity * static_cast<std::size_t>(kLayout.pitch()), -99.0f, stream.memory());
  TransitionsView real = p.view(records);
  real.size = num_real;
  Imagined r;
  r.result =
      rollout(stream, policy, model, real, {ring.data(), capacity, head}, p.constants, workspace);
  r.ring = host_copy(ring);
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
    double noise = 0.0;
    if (p.model.loss == EnsembleLoss::kGaussianNll) {
      const double lv =
          reference::bound_logvar(out[kD + i], p.model.max_logvar()[i], p.model.min_logvar()[i]);
      noise = std::exp(0.5 * lv) * normal(p.key(purpose::kModelNoise), p.draw_step(step), row, i);
    }
    const double from = i == 0 || p.model.maps.output == OutputMap::kAbsolute ? 0.0 : record[i - 1];
    sample.push_back(out[i] + noise + from);
  }
  return sample;
}

struct Form {
  const char* name;
  EnsembleForm form;
};
void PrintTo(const Form& form, std::ostream* out) { *out << form.name; }

using RolloutFormTest = DeviceTest<std::tuple<On, Form>>;

TEST_P(RolloutFormTest, OneStepIsPolicyThenChosenMemberThenEndRule) {
  Problem p(0.15f, std::get<1>(GetParam()).form);  // angles on both sides of the limit
  if (p.model.maps.output == OutputMap::kAbsolute)
    for (int e = 0; e < p.model.ensemble_size; ++e)  // there, around what the model predicts
      p.model.member(e)[p.model.layout.layers.back().bias + 2] = 0.2f;
  const Imagined r = imagine(on(), p);
  ASSERT_EQ(r.result.num_written, 500u);
  const Doubles actor = reference::to_double(p.policy.parameters.value);
  std::size_t terminated = 0;
  for (std::uint32_t row = 0; row < 500; ++row) {
    const float* record = r.ring.data() + row * kLayout.pitch();
    // the state is the real one drawn for this row
    const RandomKey start = p.key(purpose::kRolloutStart);
    const float* from = p.view().record(uniform_index(start.bits(p.draw_step(0), row).x, kReal));
    for (int i = 0; i < kS; ++i) ASSERT_EQ(record[i], from[i]);

    const Doubles state(record, record + kS);
    const Doubles noise{normal(p.key(purpose::kRolloutAction), p.draw_step(0), row, 0)};
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

INSTANTIATE_TEST_SUITE_P(
    Forms, RolloutFormTest,
    testing::Combine(testing::ValuesIn(available_devices()),
                     testing::Values(Form{"gaussian_nll", {}}, Form{"mse", {EnsembleLoss::kMse}},
                                     Form{"mse_absolute",
                                          {EnsembleLoss::kMse, {.output = OutputMap::kAbsolute}}})),
    ParamName());

using RolloutTest = DeviceTest<>;

TEST_P(RolloutTest, APredictedEndTakesThePlaceOfTheTasksRule) {
  Problem p(0.01f, {EnsembleLoss::kMse, {.end = EndTarget::kNumber}});
  p.center_predicted_ends();
  const Imagined r = imagine(on(), p);
  std::size_t ended = 0;
  for (std::size_t row = 0; row < 500; ++row) {
    const float* record = r.ring.data() + row * static_cast<std::size_t>(kLayout.pitch());
    Doubles x;
    for (int i = 0; i < kS + kA; ++i) x.push_back((record[i] - 0.1) * 1.5);
    const Doubles parameters = reference::to_double(p.model.members.value);
    const int e = p.member(0, static_cast<std::uint32_t>(row));
    const Doubles out = reference::mlp(p.model.layout, parameters.data() + e * p.model.layout.size,
                                       Activation::kSwish, x);
    ASSERT_EQ(out.size(), static_cast<std::size_t>(kD + 1));
    if (std::abs(out[kD] - 0.5) > 1e-5) {
      EXPECT_EQ(record[kLayout.terminated()], out[kD] > 0.5 ? 1.0f : 0.0f) << row;
    }
    ended += record[kLayout.terminated()] == 1.0f;
  }
  EXPECT_EQ(r.result.num_terminated, ended);
  EXPECT_GT(ended, 20u);
  EXPECT_LT(ended, 480u);
}

// by the model's threshold, and without noise, which the other targets have
TEST_P(RolloutTest, ALearnedEndIsALogitAboveTheThreshold) {
  Problem p(0.01f, {EnsembleLoss::kGaussianNll, {.end = EndTarget::kLogit}});
  p.center_predicted_ends();
  p.model.end_threshold = 0.47f;
  const Imagined r = imagine(on(), p);
  const Doubles parameters = reference::to_double(p.model.members.value);
  std::size_t ended = 0, between = 0;
  for (std::size_t row = 0; row < 500; ++row) {
    const float* record = r.ring.data() + row * static_cast<std::size_t>(kLayout.pitch());
    Doubles x;
    for (int i = 0; i < kS + kA; ++i) x.push_back((record[i] - 0.1) * 1.5);
    const int e = p.member(0, static_cast<std::uint32_t>(row));
    const Doubles out = reference::mlp(p.model.layout, parameters.data() + e * p.model.layout.size,
                                       Activation::kSwish, x);
    if (std::abs(out[kD] - 0.47) > 1e-5) {
      EXPECT_EQ(record[kLayout.terminated()], out[kD] > 0.47 ? 1.0f : 0.0f) << row;
    }
    // the noise of the last observation's entry is still that of its place
    const double lv = reference::bound_logvar(out[2 * kD], p.model.max_logvar()[kD - 1],
                                              p.model.min_logvar()[kD - 1]);
    const double noise = std::exp(0.5 * lv) * normal(p.key(purpose::kModelNoise), p.draw_step(0),
                                                     static_cast<std::uint32_t>(row), kD - 1);
    EXPECT_NEAR(record[kLayout.next_observation() + kS - 1], out[kD - 1] + noise + record[kS - 1],
                1e-5);
    ended += record[kLayout.terminated()] == 1.0f;
    between += out[kD] > 0.47 && out[kD] < 0.5;
  }
  EXPECT_EQ(r.result.num_terminated, ended);
  EXPECT_GT(ended, 20u);
  EXPECT_LT(ended, 480u);
  EXPECT_GT(between, 5u) << "the threshold matters";
}

TEST_P(RolloutTest, AModelThatCannotImagineIsRefused) {
  for (const ModelMaps& maps :
       {ModelMaps{.input = InputMap::kBackward}, ModelMaps{.reward = false}})
    EXPECT_THROW(imagine(on(), Problem(0.01f, {EnsembleLoss::kMse, maps})), ShapeError);
}

TEST_P(RolloutTest, FinishedRowsDropOutAndTheOthersGoOnInOrder) {
  Problem p(0.1f);
  p.constants.length = 4;
  const Imagined r = imagine(on(), p);
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

TEST_P(RolloutTest, StopsEarlyWhenNoRowIsLeft) {
  Problem p(5.0f);
  for (int row = 0; row < kReal; ++row)
    p.records[static_cast<std::size_t>(row) * kLayout.pitch() + 1] = 9.0f;
  p.constants.length = 3;
  const Imagined r = imagine(on(), p);
  EXPECT_EQ(r.result.num_steps, 1);
  EXPECT_EQ(r.result.num_written, 500u);
  EXPECT_EQ(r.result.num_terminated, 500u);
}

TEST_P(RolloutTest, MembersAreChosenUniformlyAmongElitesAtEveryStep) {
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

TEST_P(RolloutTest, RingWrapsAtItsEnd) {
  const Problem p;
  const Imagined plain = imagine(on(), p);
  const Imagined wrapped = imagine(on(), p, 2, 600, 400);
  for (std::size_t row = 0; row < 500; ++row) {
    const float* a = plain.ring.data() + row * kLayout.pitch();
    const float* b = wrapped.ring.data() + (400 + row) % 600 * kLayout.pitch();
    ASSERT_TRUE(std::equal(a, a + kLayout.next_observation() + kS, b)) << "row " << row;
  }
  // untouched records keep their poison
  EXPECT_EQ(wrapped.ring[350u * kLayout.pitch()], -99.0f);
}

TEST_P(RolloutTest, ResultsDoNotDependOnTheNumberOfThreads) {
  Problem p(0.1f);
  p.constants.length = 3;
  const Imagined one = imagine(on(), p, 1), three = imagine(on(), p, 3);
  EXPECT_EQ(one.result.num_written, three.result.num_written);
  EXPECT_TRUE(std::equal(one.ring.begin(), one.ring.end(), three.ring.begin()));
}

TEST_P(RolloutTest, NextCallDrawsAnew) {
  Problem p;
  const Imagined first = imagine(on(), p);
  ++p.constants.rollout_index;
  const Imagined second = imagine(on(), p);
  EXPECT_FALSE(std::equal(first.ring.begin(), first.ring.begin() + 10 * kLayout.pitch(),
                          second.ring.begin()));
}

TEST_P(RolloutTest, ReportsPredictionsThatAreNotFinite) {
  Problem p;
  EXPECT_TRUE(imagine(on(), p).result.finite);
  p.model.member(0)[p.model.layout.layers.back().bias] = std::nanf("");
  EXPECT_FALSE(imagine(on(), p).result.finite);
  p.model.member(0)[p.model.layout.layers.back().bias] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(imagine(on(), p).result.finite);
}

TEST_P(RolloutTest, ChoosesAmongAsManyElitesAsTheDeviceAllows) {
  const bool gpu = on() == On::kGpu;
  const int limit = gpu ? 32 : 256;
  Problem one, many;
  one.model.elites = {2};
  many.model.elites.assign(static_cast<std::size_t>(limit), 2);
  const Imagined a = imagine(on(), one), b = imagine(on(), many);
  EXPECT_EQ(a.result.num_written, b.result.num_written);
  EXPECT_TRUE(std::equal(a.ring.begin(), a.ring.end(), b.ring.begin(), b.ring.end()))
      << "many times the same member is that member";

  many.model.elites.push_back(2);
  const std::string text = error_text<ConfigError>([&] { imagine(on(), many); });
  EXPECT_TRUE(text.starts_with(
      gpu ? "model.num_elites is 33; rollouts on the GPU choose among up to 32 elites. Lower "
            "model.num_elites"
          : "model.num_elites is 257; rollouts on the CPU choose among up to 256 elites. Lower "
            "model.num_elites."))
      << text;
}

TEST_P(RolloutTest, TooManyElitesAreRefusedWhenTheBuffersAreMade) {
  const Problem p;
  DeviceStream stream(on());
  const GaussianActor policy = copy_to(stream.memory(), p.policy);
  const EnsembleState model = copy_to(stream.memory(), p.model);
  const int limit = on() == On::kGpu ? 32 : 256;
  EXPECT_NO_THROW(RolloutWorkspace(stream, policy, model, 10, limit));
  EXPECT_THROW(RolloutWorkspace(stream, policy, model, 10, limit + 1), ConfigError);
}

TEST_P(RolloutTest, EmptyReplayAndSmallRingAreErrors) {
  const Problem p;
  EXPECT_EQ(error_text<ShapeError>([&] { imagine(on(), p, 1, 400); }),
            "rollout: the model replay holds 400 transitions, one step writes up to 500. Raise "
            "rollout.retain_epochs or lower rollout.batch_size.");
  EXPECT_EQ(error_text<ShapeError>([&] { imagine(on(), p, 1, 1000, 0, 0); }),
            "rollout: the real replay is empty; there is no start state.");
}

INSTANTIATE_TEST_SUITE_P(Devices, RolloutTest, testing::ValuesIn(available_devices()), ParamName());

}  // namespace
}  // namespace mbrl
