// Tests for kernels/stages/sac/sac_update.{h,cpp,cu} on every device: gradients of all three losses
// against float64 differences.
#include "kernels/stages/sac/sac_update.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <tuple>

#include "base/error.h"
#include "tests/support/devices.h"
#include "tests/support/problems.h"
#include "tests/support/reference.h"

namespace mbrl {
namespace {

using reference::Doubles;

constexpr int kS = 5, kA = 2;
const TransitionLayout kLayout{kS, kA};

struct Problem : SacProblem {
  explicit Problem(int batch_size, int real = 3) : SacProblem(batch_size, real, {12, 20}) {
    leave_the_start();
  }

  const float* row(int i) const {
    const RandomKey key{constants.seed, purpose::kReplayIndex, 0};
    const TransitionsView from = source().of_row(i);
    return from.record(uniform_index(key.bits(0, static_cast<std::uint32_t>(i)).x,
                                     static_cast<std::uint32_t>(from.size)));
  }
  Doubles noise(Purpose purpose, int i) const {
    Doubles n;
    for (int a = 0; a < kA; ++a)
      n.push_back(
          normal(RandomKey{constants.seed, purpose, 0}, 0, static_cast<std::uint32_t>(i), a));
    return n;
  }
};

// updates on a device; `change` may alter where the batches come from
SacLosses update(
    On on, Problem& p, int num_updates = 1, int threads = 2,
    const std::function<void(MixedSource&)>& change = [](MixedSource&) {}) {
  DeviceStream stream(on, threads);
  SacState state = copy_to(stream.memory(), p.state);
  const Buffer<float> records = copy_to(stream.memory(), p.records);
  MixedSource source = p.source(records);
  change(source);
  SacWorkspace workspace(stream, state, p.constants.batch_size);
  SacLosses losses;
  for (int i = 0; i < num_updates; ++i)
    losses = sac_update(stream, state, source, p.constants, workspace);
  take_over(p.state, state);
  return losses;
}

Doubles join(Doubles a, const Doubles& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// 0.5 mean squared TD error of one critic
double critic_loss(const Problem& p, const Doubles& critic, const Doubles& actor,
                   const Doubles& target0, const Doubles& target1, double alpha) {
  double loss = 0.0;
  for (int i = 0; i < p.constants.batch_size; ++i) {
    const float* r = p.row(i);
    const Doubles s(r, r + kS), a(r + kS, r + kS + kA);
    const Doubles next(r + kLayout.next_observation(), r + kLayout.next_observation() + kS);
    const auto& L = p.state;
    const auto sample = reference::squashed_gaussian(
        reference::mlp(L.actor.layout, actor.data(), Activation::kRelu, next),
        p.noise(purpose::kNextActionNoise, i));
    const Doubles input = join(next, sample.action);
    const double q0 = reference::mlp(L.critics.layout, target0.data(), Activation::kRelu, input)[0];
    const double q1 = reference::mlp(L.critics.layout, target1.data(), Activation::kRelu, input)[0];
    const double y = r[kLayout.reward()] + static_cast<double>(p.constants.discount) *
                                               (1.0 - r[kLayout.terminated()]) *
                                               (std::fmin(q0, q1) - alpha * sample.log_prob);
    const double q =
        reference::mlp(L.critics.layout, critic.data(), Activation::kRelu, join(s, a))[0];
    loss += 0.5 * (q - y) * (q - y) / p.constants.batch_size;
  }
  return loss;
}

// mean of alpha log pi - min Q; *mean_log_prob receives the mean of log pi
double actor_loss(const Problem& p, const Doubles& actor, const Doubles& critic0,
                  const Doubles& critic1, double alpha, double* mean_log_prob = nullptr) {
  double loss = 0.0, sum = 0.0;
  for (int i = 0; i < p.constants.batch_size; ++i) {
    const float* r = p.row(i);
    const Doubles s(r, r + kS);
    const auto sample = reference::squashed_gaussian(
        reference::mlp(p.state.actor.layout, actor.data(), Activation::kRelu, s),
        p.noise(purpose::kActorNoise, i));
    const Doubles input = join(s, sample.action);
    const double q0 =
        reference::mlp(p.state.critics.layout, critic0.data(), Activation::kRelu, input)[0];
    const double q1 =
        reference::mlp(p.state.critics.layout, critic1.data(), Activation::kRelu, input)[0];
    loss += (alpha * sample.log_prob - std::fmin(q0, q1)) / p.constants.batch_size;
    sum += sample.log_prob / p.constants.batch_size;
  }
  if (mean_log_prob != nullptr) *mean_log_prob = sum;
  return loss;
}

// the gradient an update saw: after the first Adam step m = 0.1 g
double seen_gradient(const TrainedParameters& p, std::size_t i) { return p.m[i] / (1.0 - 0.9f); }

// compares all real weights and biases of a network with central differences
void expect_gradients(const MlpLayout& layout, const TrainedParameters& after, Doubles& parameters,
                      const std::function<double()>& loss) {
  for (const LayerLayout& l : layout.layers) {
    double norm = 0.0, error = 0.0;
    for (int o = 0; o < l.out; ++o) {
      for (int i = -1; i < l.in; ++i) {
        const std::size_t at =
            i < 0 ? l.bias + o : l.weight + static_cast<std::size_t>(o) * l.in_pitch + i;
        const double expected = reference::derivative(parameters[at], loss, 1e-6);
        norm += expected * expected;
        error += std::pow(seen_gradient(after, at) - expected, 2);
      }
    }
    EXPECT_GT(norm, 1e-12) << "a layer without gradient tests nothing";
    EXPECT_LT(std::sqrt(error / norm), 2e-5) << "layer " << l.in << " -> " << l.out;
  }
}

class SacUpdateTest : public DeviceTest<std::tuple<On, int>> {
 protected:
  int B() const { return std::get<1>(GetParam()); }
};

TEST(SacInitTest, TargetsStartAsTheCriticsWhichDiffer) {
  SacState state(5, 2, {16, 16}, Memory::kHost);
  for (auto& target : state.critics.target) target.fill(9.0f);
  init_sac(state, /*seed=*/3, /*learner=*/1, /*init_alpha=*/0.5f);
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(to_host(state.critics.target[i]), to_host(state.critics.critic[i].value)) << i;
  EXPECT_NE(to_host(state.critics.critic[0].value), to_host(state.critics.critic[1].value));
}

TEST_P(SacUpdateTest, CriticGradientsMatchDifferencesOfTheLoss) {
  Problem p(B());
  const Doubles actor = reference::to_double(p.state.actor.parameters.value);
  const Doubles target0 = reference::to_double(p.state.critics.target[0]);
  const Doubles target1 = reference::to_double(p.state.critics.target[1]);
  Doubles critic[2] = {reference::to_double(p.state.critics.critic[0].value),
                       reference::to_double(p.state.critics.critic[1].value)};
  const double alpha = std::exp(static_cast<double>(p.state.log_alpha.value[0]));

  const SacLosses losses = update(on(), p);
  for (int i = 0; i < 2; ++i) {
    const auto loss = [&] { return critic_loss(p, critic[i], actor, target0, target1, alpha); };
    EXPECT_NEAR(losses.critic_loss[i], loss(), 1e-5 * loss());
    expect_gradients(p.state.critics.layout, p.state.critics.critic[i], critic[i], loss);
  }
}

TEST_P(SacUpdateTest, SequentialActorSeesTheUpdatedCritics) {
  Problem p(B());
  Doubles actor = reference::to_double(p.state.actor.parameters.value);
  const double alpha = std::exp(static_cast<double>(p.state.log_alpha.value[0]));
  p.constants.adam.learning_rate = 0.05f;  // a step large enough to tell old critics from new ones

  const SacLosses losses = update(on(), p);
  const Doubles critic0 = reference::to_double(p.state.critics.critic[0].value);
  const Doubles critic1 = reference::to_double(p.state.critics.critic[1].value);
  const auto loss = [&] { return actor_loss(p, actor, critic0, critic1, alpha); };
  EXPECT_NEAR(losses.actor_loss, loss(), 2e-5 * (1.0 + std::abs(loss())));
  expect_gradients(p.state.actor.layout, p.state.actor.parameters, actor, loss);
}

TEST_P(SacUpdateTest, SimultaneousActorSeesTheCriticsBeforeTheirUpdate) {
  Problem p(B());
  Doubles actor = reference::to_double(p.state.actor.parameters.value);
  const Doubles critic0 = reference::to_double(p.state.critics.critic[0].value);
  const Doubles critic1 = reference::to_double(p.state.critics.critic[1].value);
  const double alpha = std::exp(static_cast<double>(p.state.log_alpha.value[0]));
  p.constants.adam.learning_rate = 0.05f;
  p.constants.simultaneous = true;

  update(on(), p);
  const auto loss = [&] { return actor_loss(p, actor, critic0, critic1, alpha); };
  expect_gradients(p.state.actor.layout, p.state.actor.parameters, actor, loss);
}

TEST_P(SacUpdateTest, TheActorFollowsTheSmallerCriticAloneWhereOneIsTheSmallerEverywhere) {
  for (const int smaller : {0, 1}) {
    const auto actor_beside = [&](float larger_by) {
      Problem p(B());
      p.constants.simultaneous = true;  // the actor's critics are those before the update
      p.state.critics.critic[1 - smaller].value[p.state.critics.layout.layers.back().bias] +=
          larger_by;
      update(on(), p);
      return to_host(p.state.actor.parameters.m);
    };
    EXPECT_EQ(actor_beside(1000.0f), actor_beside(3000.0f)) << smaller;
  }
}

TEST_P(SacUpdateTest, TemperatureFallsWhenEntropyIsAboveItsTarget) {
  Problem p(B());
  const Doubles actor = reference::to_double(p.state.actor.parameters.value);
  const Doubles any = reference::to_double(p.state.critics.critic[0].value);
  double mean_log_prob = 0.0;
  actor_loss(p, actor, any, any, 0.0, &mean_log_prob);

  const float before = p.state.log_alpha.value[0];
  const SacLosses losses = update(on(), p);
  const double gradient = -(mean_log_prob + p.constants.target_entropy);
  EXPECT_NEAR(seen_gradient(p.state.log_alpha, 0), gradient, 1e-5 * std::abs(gradient));
  // a mean of sums whose terms are of order 1
  EXPECT_NEAR(losses.entropy, -mean_log_prob, 1e-5 * std::abs(mean_log_prob) + 2e-6);
  EXPECT_GT(-mean_log_prob, p.constants.target_entropy);
  EXPECT_LT(p.state.log_alpha.value[0], before);
}

TEST_P(SacUpdateTest, TargetsAverageTheUpdatedCritics) {
  Problem p(B());
  p.constants.tau = 0.25f;
  const Doubles before = reference::to_double(p.state.critics.target[1]);
  update(on(), p);
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_NEAR(p.state.critics.target[1][i],
                0.75 * before[i] + 0.25 * p.state.critics.critic[1].value[i], 1e-6);
}

TEST_P(SacUpdateTest, ResultsDoNotDependOnTheNumberOfThreads) {
  Problem one(B()), three(B());
  update(on(), one, 5, 1);
  update(on(), three, 5, 3);
  const auto same = [](const Buffer<float>& a, const Buffer<float>& b) {
    return std::equal(a.begin(), a.end(), b.begin());
  };
  EXPECT_TRUE(same(one.state.actor.parameters.value, three.state.actor.parameters.value));
  EXPECT_TRUE(same(one.state.critics.critic[0].v, three.state.critics.critic[0].v));
  EXPECT_TRUE(same(one.state.critics.target[1], three.state.critics.target[1]));
  EXPECT_EQ(one.state.log_alpha.value[0], three.state.log_alpha.value[0]);
}

TEST_P(SacUpdateTest, PaddingOfTheArenaStaysZero) {
  Problem p(B());
  update(on(), p, 3);
  const Buffer<float>& values = p.state.critics.critic[0].value;
  for (const LayerLayout& l : p.state.critics.layout.layers) {
    for (int o = 0; o < l.out; ++o)
      for (int i = l.in; i < l.in_pitch; ++i)
        EXPECT_EQ(values[l.weight + static_cast<std::size_t>(o) * l.in_pitch + i], 0.0f);
    for (int o = l.out; o < padded(l.out); ++o) EXPECT_EQ(values[l.bias + o], 0.0f);
  }
}

INSTANTIATE_TEST_SUITE_P(BatchSizes, SacUpdateTest,
                         testing::Combine(testing::ValuesIn(available_devices()),
                                          testing::Values(1, 31, 33, 96)),
                         ParamName());

using SacUpdateBatchTest = DeviceTest<>;

TEST_P(SacUpdateBatchTest, RatioZeroAndOneAreLegalAndEmptySourcesAreNot) {
  for (const int num_real : {0, 33}) {
    Problem p(33, num_real);
    EXPECT_NO_THROW(update(on(), p, 1, 1, [&](MixedSource& source) {
      (num_real == 0 ? source.real : source.imagined).size = 0;
    }));
  }
  Problem p(33, 4);
  EXPECT_EQ(error_text<ShapeError>(
                [&] { update(on(), p, 1, 1, [](MixedSource& source) { source.real.size = 0; }); }),
            "sac_update: the batch asks for 4 real rows, but the real replay is empty.");
}

TEST_P(SacUpdateBatchTest, NanInTheReplayStopsWithStepAndTensor) {
  Problem p(33);
  for (int row = Problem::kRecords; row < 2 * Problem::kRecords; ++row)
    p.record(row)[kLayout.reward()] = std::numeric_limits<float>::quiet_NaN();
  const std::string text = error_text<DataError>([&] { update(on(), p); });
  EXPECT_TRUE(text.starts_with("sac: loss of critic 0 is nan at policy update 1.")) << text;
}

INSTANTIATE_TEST_SUITE_P(Devices, SacUpdateBatchTest, testing::ValuesIn(available_devices()),
                         ParamName());

}  // namespace
}  // namespace mbrl
