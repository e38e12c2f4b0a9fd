// Tests for kernels/stages/ppo/ppo_update.{h,cpp,cu} on every device: gradients of the whole loss
// against differences in float64, acting, errors.
#include "kernels/stages/ppo/ppo_update.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "base/error.h"
#include "host/algo/draws.h"
#include "tests/support/devices.h"
#include "tests/support/problems.h"
#include "tests/support/reference.h"

namespace mbrl {
namespace {

using reference::Doubles;

// -------------------------------------------------------------------------------------------------
// the update against float64

// what an update should measure and differentiate
struct Reference {
  const PpoProblem& p;
  const std::vector<std::uint32_t>& rows;
  Doubles policy, log_std, value;

  Reference(const PpoProblem& problem, const std::vector<std::uint32_t>& indices)
      : p(problem),
        rows(indices),
        policy(reference::to_double(problem.state.policy.value)),
        log_std(reference::to_double(problem.state.log_std.value)),
        value(reference::to_double(problem.state.value.value)) {}

  Doubles observation(std::uint32_t row) const {
    const auto first = p.observation.begin() + row * p.shape.observation_size;
    return Doubles(first, first + p.shape.observation_size);
  }
  // log-probabilities of a row's heads and the entropy of all
  Doubles log_probs(std::uint32_t row, double& entropy) const {
    const Doubles out =
        reference::mlp(p.state.policy_layout, policy.data(), Activation::kTanh, observation(row));
    Doubles result;
    entropy = 0.0;
    std::size_t first = 0;
    for (std::size_t h = 0; h < p.shape.heads.size(); ++h) {
      double sum = 0.0;
      for (int i = 0; i < p.shape.heads[h]; ++i) sum += std::exp(out[first + i]);
      for (int i = 0; i < p.shape.heads[h]; ++i)
        entropy -= std::exp(out[first + i]) / sum * (out[first + i] - std::log(sum));
      const auto chosen = static_cast<std::size_t>(p.action[row * p.shape.heads.size() + h]);
      result.push_back(out[first + chosen] - std::log(sum));
      first += static_cast<std::size_t>(p.shape.heads[h]);
    }
    if (!p.shape.heads.empty()) return result;
    double sum = 0.0;
    for (std::size_t k = 0; k < out.size(); ++k) {
      const double z = (p.action[row * out.size() + k] - out[k]) / std::exp(log_std[k]);
      sum += -0.5 * z * z - log_std[k] - 0.5 * std::log(2 * M_PI);
      entropy += log_std[k] + 0.5 * std::log(2 * M_PI * M_E);
    }
    return {sum};
  }
  // the action that acting gives for a row: the likeliest one, or the one of the row's own draws
  Doubles drawn(std::uint32_t row, bool stochastic, std::uint64_t step) const {
    const RandomKey key{4, purpose::kActionNoise, 2};
    const Doubles out =
        reference::mlp(p.state.policy_layout, policy.data(), Activation::kTanh, observation(row));
    Doubles action;
    auto logit = out.begin();
    for (std::size_t h = 0; h < p.shape.heads.size(); ++h) {
      const auto end = logit + p.shape.heads[h];
      double sum = 0.0, below = 0.0;
      for (auto i = logit; i != end; ++i) sum += std::exp(*i);
      auto chosen = std::max_element(logit, end);
      if (stochastic) {
        const double u = uniform01(key.bits(step, row, static_cast<std::uint32_t>(h)).x);
        for (chosen = logit; chosen + 1 != end; ++chosen)
          if ((below += std::exp(*chosen) / sum) > u) break;
      }
      action.push_back(static_cast<double>(chosen - logit));
      logit = end;
    }
    if (!p.shape.heads.empty()) return action;
    for (std::size_t k = 0; k < out.size(); ++k)
      action.push_back(
          out[k] +
          (stochastic ? std::exp(log_std[k]) * normal(key, step, row, static_cast<int>(k)) : 0.0));
    return action;
  }
  double policy_loss() const {
    double loss = 0.0, unused;
    const double clip = p.constants.clip;
    for (const std::uint32_t row : rows) {
      const Doubles lp = log_probs(row, unused);
      for (std::size_t h = 0; h < lp.size(); ++h) {
        const double ratio = std::exp(lp[h] - p.log_prob[row * lp.size() + h]);
        const double A = p.advantage[row];
        loss -= std::fmin(ratio * A, std::fmin(std::fmax(ratio, 1 - clip), 1 + clip) * A);
      }
    }
    return loss / rows.size();
  }
  double value_loss() const {
    if (!p.shape.value) return 0.0;
    double loss = 0.0;
    for (const std::uint32_t row : rows) {
      const double error = reference::mlp(p.state.value_layout, value.data(), Activation::kTanh,
                                          observation(row))[0] -
                           p.value_target[row];
      loss += 0.5 * error * error;
    }
    return loss / rows.size();
  }
  double entropy() const {
    double sum = 0.0, of_row;
    for (const std::uint32_t row : rows) {
      log_probs(row, of_row);
      sum += of_row;
    }
    return sum / rows.size();
  }
  double loss() const {
    return policy_loss() + p.constants.value_weight * value_loss() -
           p.constants.entropy_bonus * entropy();
  }
};

struct Case {
  const char* name;
  PpoShape shape;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

PpoShape without_value(PpoShape shape) {
  shape.value = false;
  return shape;
}

class PpoUpdateTest : public DeviceTest<std::tuple<On, Case, int>> {
 protected:
  PpoShape shape() const { return std::get<1>(GetParam()).shape; }
  int B() const { return std::get<2>(GetParam()); }
};

// a problem's state and batch on a device, with its stream
struct OnDevice {
  DeviceStream stream;
  PpoState state;
  Buffer<float> observation, action, log_prob, advantage, value_target;
  PpoBatch batch;

  OnDevice(On on, const PpoProblem& p, int threads)
      : stream(on, threads),
        state(copy_to(stream.memory(), p.state)),
        observation(copy_to(stream.memory(), p.observation)),
        action(copy_to(stream.memory(), p.action)),
        log_prob(copy_to(stream.memory(), p.log_prob)),
        advantage(copy_to(stream.memory(), p.advantage)),
        value_target(copy_to(stream.memory(), p.value_target)),
        batch(p.batch()) {
    batch.observation.data = observation.data();
    batch.action.data = action.data();
    batch.log_prob.data = log_prob.data();
    batch.advantage.data = advantage.data();
    batch.value_target.data = value_target.data();
  }
};

// updates of B rows each
PpoLosses update(On on, PpoProblem& p, const std::vector<std::uint32_t>& rows, int B,
                 int threads = 2) {
  OnDevice device(on, p, threads);
  const Buffer<std::uint32_t> indices = copy_to(device.stream.memory(), rows);
  PpoWorkspace workspace(device.stream, device.state, B);
  std::vector<PpoLosses> losses(rows.size() / static_cast<std::size_t>(B));
  ppo_update(device.stream, losses, device.state, device.batch, {indices.data(), losses.size(), B},
             p.constants, workspace);
  take_over(p.state, device.state);
  return losses.back();
}

// after the first Adam step m = 0.1 g
std::vector<float> seen_gradient(const TrainedParameters& p) {
  std::vector<float> g;
  for (const float m : p.m) g.push_back(m / (1.0f - 0.9f));
  return g;
}

// numerical gradient; zero in the padding, which no loss reads
Doubles differences(const Reference& r, Doubles& parameters) {
  return [&] {
    Doubles g;
    for (double& x : parameters)
      g.push_back(reference::derivative(
          x, [&] { return r.loss(); }, 1e-6));
    return g;
  }();
}

TEST_P(PpoUpdateTest, GradientsMatchDifferencesOfTheWholeLoss) {
  PpoProblem p(shape());
  const std::vector<std::uint32_t> rows = PpoProblem::rows(1, B());
  Reference r(p, rows);
  const Doubles policy = differences(r, r.policy), log_std = differences(r, r.log_std),
                value = differences(r, r.value);
  update(on(), p, rows, B());
  EXPECT_THAT(seen_gradient(p.state.policy), NearInNorm(policy, 2e-5));
  if (shape().heads.empty()) {
    EXPECT_THAT(seen_gradient(p.state.log_std), NearInNorm(log_std, 2e-5));
  }
  if (shape().value) {
    EXPECT_THAT(seen_gradient(p.state.value), NearInNorm(value, 2e-5));
  }
}

TEST_P(PpoUpdateTest, LossesAreThoseOfTheDefinition) {
  PpoProblem p(shape());
  const std::vector<std::uint32_t> rows = PpoProblem::rows(1, B());
  const Reference r(p, rows);
  double kl = 0.0, outside = 0.0, unused;
  for (const std::uint32_t row : rows) {
    const Doubles lp = r.log_probs(row, unused);
    for (std::size_t h = 0; h < lp.size(); ++h) {
      const double log_ratio = lp[h] - p.log_prob[row * lp.size() + h];
      kl += std::exp(log_ratio) - 1 - log_ratio;
      outside += std::fabs(std::exp(log_ratio) - 1) > p.constants.clip ? 1.0 / lp.size() : 0.0;
    }
  }
  const PpoLosses got = update(on(), p, rows, B());
  EXPECT_NEAR(got.policy_loss, r.policy_loss(), 1e-5);
  EXPECT_NEAR(got.value_loss, r.value_loss(), 1e-5);
  EXPECT_NEAR(got.entropy, r.entropy(), 1e-5);
  EXPECT_NEAR(got.approx_kl, kl / rows.size(), 1e-5);
  EXPECT_NEAR(got.clip_fraction, outside / rows.size(), 1e-5);
}

TEST(PpoGradientScaleTest, IsThatOfTheSumInOrderToTheBit) {
  for (const std::size_t count : {1u, 15u, 16u, 1000u, 11000u}) {
    for (std::uint32_t seed = 0; seed < 50; ++seed) {
      const std::vector<float> gradient = random_values(count, seed, 0.1f);
      double squares = 0.0;
      for (const float g : gradient) squares += static_cast<double>(g) * g;
      const auto norm = static_cast<float>(std::sqrt(squares));
      // far from the norm, and the floats beside it, where the last bit decides
      for (const float limit : {0.01f * norm, std::nextafter(norm, 0.0f), norm,
                                std::nextafter(norm, 1e9f), 100.0f * norm})
        EXPECT_EQ(ppo_gradient_scale(gradient.data(), count, limit), gradient_scale(squares, limit))
            << count << " " << seed << " " << limit;
    }
  }
  // a norm that is the limit is within it
  const std::vector<float> equal(4096, 0.125f);
  EXPECT_EQ(ppo_gradient_scale(equal.data(), equal.size(), 8.0f), 1.0f);
  const float infinite[] = {1.0f, INFINITY};
  EXPECT_EQ(ppo_gradient_scale(infinite, 2, 0.5f), 0.0f);
}

TEST_P(PpoUpdateTest, TheLimitShortensTheGradientOfAllPartsTogether) {
  PpoProblem free(shape()), limited(shape());
  const std::vector<std::uint32_t> rows = PpoProblem::rows(1, B());
  update(on(), free, rows, B());
  double squares = 0.0;
  for (const TrainedParameters* part : {&free.state.policy, &free.state.log_std, &free.state.value})
    for (const float g : seen_gradient(*part)) squares += static_cast<double>(g) * g;
  const double norm = std::sqrt(squares);
  limited.constants.max_gradient_norm = static_cast<float>(norm / 4);
  update(on(), limited, rows, B());
  Doubles expected;
  for (const float g : seen_gradient(free.state.policy)) expected.push_back(g / 4.0);
  EXPECT_THAT(seen_gradient(limited.state.policy), NearInNorm(expected, 2e-6));

  PpoProblem wide(shape());
  wide.constants.max_gradient_norm = static_cast<float>(2 * norm);
  update(on(), wide, rows, B());
  EXPECT_EQ(to_host(wide.state.policy.value), to_host(free.state.policy.value));
}

TEST_P(PpoUpdateTest, ResultsDoNotDependOnTheNumberOfThreads) {
  const std::vector<std::uint32_t> rows = PpoProblem::rows(5, B());
  for (const float limit : {0.0f, 0.5f}) {
    PpoProblem one(shape());
    one.constants.max_gradient_norm = limit;
    update(on(), one, rows, B(), 1);
    EXPECT_EQ(one.state.num_updates, 5);
    for (const int threads : {2, 7}) {  // with 7, tasks are halves of tiles
      PpoProblem many(shape());
      many.constants.max_gradient_norm = limit;
      update(on(), many, rows, B(), threads);
      EXPECT_EQ(to_host(one.state.policy.value), to_host(many.state.policy.value)) << threads;
      EXPECT_EQ(to_host(one.state.policy.v), to_host(many.state.policy.v)) << threads;
      EXPECT_EQ(to_host(one.state.log_std.value), to_host(many.state.log_std.value)) << threads;
      EXPECT_EQ(to_host(one.state.value.value), to_host(many.state.value.value)) << threads;
    }
  }
}

TEST_P(PpoUpdateTest, PaddingOfTheArenaStaysZero) {
  PpoProblem p(shape());
  update(on(), p, PpoProblem::rows(3, B()), B());
  for (const LayerLayout& l : p.state.policy_layout.layers) {
    for (int o = 0; o < l.out; ++o)
      for (int i = l.in; i < l.in_pitch; ++i)
        EXPECT_EQ(p.state.policy.value[l.weight + static_cast<std::size_t>(o) * l.in_pitch + i],
                  0.0f);
    for (int o = l.out; o < padded(l.out); ++o) EXPECT_EQ(p.state.policy.value[l.bias + o], 0.0f);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Policies, PpoUpdateTest,
    testing::Combine(testing::ValuesIn(available_devices()),
                     testing::Values(Case{"categorical", categorical_shape()},
                                     Case{"gaussian", gaussian_shape()},
                                     Case{"categorical_alone", without_value(categorical_shape())},
                                     Case{"gaussian_alone", without_value(gaussian_shape())}),
                     testing::Values(1, 31, 33, 96)),
    ParamName());

// -------------------------------------------------------------------------------------------------
// acting

struct Acted {
  std::vector<float> action, log_prob, value;
};
Acted act(On on, const PpoProblem& p, int N, bool stochastic, std::uint64_t step = 3,
          int threads = 2) {
  DeviceStream stream(on, threads);
  const PpoState state = copy_to(stream.memory(), p.state);
  PpoWorkspace workspace(stream, state, N);
  Acted result{poisoned(static_cast<std::size_t>(N * p.shape.num_actions())),
               poisoned(static_cast<std::size_t>(N * p.shape.num_log_probs())),
               poisoned(static_cast<std::size_t>(N))};
  ppo_act(stream, state,
          {{p.observation.data(), N, p.shape.observation_size},
           matrix_of(result.action, p.shape.num_actions()),
           matrix_of(result.log_prob, p.shape.num_log_probs()),
           vector_of(result.value),
           stochastic,
           {4, purpose::kActionNoise, 2},
           step},
          workspace);
  return result;
}

using PpoActTest = DeviceTest<>;

TEST_P(PpoActTest, ActionsLogProbabilitiesAndValuesAreThoseOfTheNetworks) {
  for (const PpoShape& shape :
       {categorical_shape(), gaussian_shape(), without_value(gaussian_shape())}) {
    for (const bool stochastic : {false, true}) {
      for (const int N : {1, 7, 9, 40}) {
        PpoProblem p(shape);
        const Acted got = act(on(), p, N, stochastic);
        std::copy(got.action.begin(), got.action.end(), p.action.begin());
        const std::vector<std::uint32_t> none;
        const Reference r(p, none);
        Doubles action, log_prob, value;
        double unused;
        for (std::uint32_t row = 0; row < static_cast<std::uint32_t>(N); ++row) {
          for (const double a : r.drawn(row, stochastic, 3)) action.push_back(a);
          for (const double lp : r.log_probs(row, unused)) log_prob.push_back(lp);
          if (shape.value)
            value.push_back(reference::mlp(p.state.value_layout, r.value.data(), Activation::kTanh,
                                           r.observation(row))[0]);
        }
        EXPECT_THAT(got.action, ElementsNear(action, {4e-6, 4e-6}));
        EXPECT_THAT(got.log_prob, ElementsNear(log_prob, {4e-6, 4e-6}));
        if (shape.value) {
          EXPECT_THAT(got.value, ElementsNear(value, {2e-6, 2e-6}));
        } else {
          EXPECT_THAT(got.value, testing::Each(testing::IsNan())) << "left alone";
        }
      }
    }
  }
}

TEST_P(PpoActTest, TheFirstUpdateOnActedRowsHasRatioOne) {
  for (const PpoShape& shape : {categorical_shape(), gaussian_shape()}) {
    PpoProblem p(shape);
    const Acted got = act(on(), p, PpoProblem::kRows, true);
    p.action = got.action;
    p.log_prob = got.log_prob;
    const PpoLosses losses = update(on(), p, PpoProblem::rows(1, 33), 33);
    EXPECT_EQ(losses.clip_fraction, 0.0f);
    EXPECT_NEAR(losses.approx_kl, 0.0f, 1e-7f);
  }
}

TEST_P(PpoActTest, CategoriesComeAsOftenAsTheirProbability) {
  PpoProblem p(categorical_shape());
  // one observation many times
  const int S = p.shape.observation_size;
  for (int row = 1; row < PpoProblem::kRows; ++row)
    std::copy_n(p.observation.begin(), S, p.observation.begin() + row * S);
  const std::vector<float> best = act(on(), p, 1, false).action;
  double hits = 0.0;
  int draws = 0;
  // launches are slow where a GPU is emulated
  const std::uint64_t num_calls = on() == On::kGpu ? 30 : 200;
  for (std::uint64_t step = 0; step < num_calls; ++step) {
    const Acted got = act(on(), p, PpoProblem::kRows, true, step, 1);
    for (int row = 0; row < PpoProblem::kRows; ++row, ++draws)
      hits += got.action[row * 3] == best[0];
  }
  p.action = best;
  double unused;
  const std::vector<std::uint32_t> none;
  const double chance = std::exp(Reference(p, none).log_probs(0, unused)[0]);
  EXPECT_GE(chance, 0.5);
  EXPECT_NEAR(hits / draws, chance, 4 * std::sqrt(chance * (1 - chance) / draws));
}

TEST_P(PpoActTest, DrawsDependOnStepAndRowNotOnThreads) {
  PpoProblem p(gaussian_shape());
  const Acted one = act(on(), p, 50, true, 3, 1), three = act(on(), p, 50, true, 3, 3);
  EXPECT_EQ(one.action, three.action);
  EXPECT_NE(one.action, act(on(), p, 50, true, 4).action);
  EXPECT_EQ(act(on(), p, 50, false, 3).action, act(on(), p, 50, false, 4).action);
}

// -------------------------------------------------------------------------------------------------
// errors

using PpoErrorTest = DeviceTest<>;

TEST_P(PpoErrorTest, NamesTheArrayThatDoesNotFit) {
  // shapes alone are looked at, so that arrays may lie anywhere
  PpoProblem p(categorical_shape());
  DeviceStream stream(on());
  PpoState state = copy_to(stream.memory(), p.state);
  PpoWorkspace workspace(stream, state, 32);
  const std::vector<std::uint32_t> rows = PpoProblem::rows(2, 32);
  std::vector<PpoLosses> losses(2);
  const auto run = [&](const PpoBatch& batch, Matrix<const std::uint32_t> indices) {
    return error_text<ShapeError>(
        [&] { ppo_update(stream, losses, state, batch, indices, p.constants, workspace); });
  };
  const Matrix<const std::uint32_t> indices(rows.data(), 2, 32);
  PpoBatch batch = p.batch();
  batch.log_prob = {p.log_prob.data(), 60, 1};
  EXPECT_EQ(
      run(batch, indices),
      "ppo_update: log_prob is [60, 1]; expected [60, 3], a row per observation, a column per "
      "head.");
  batch = p.batch();
  batch.advantage = {p.advantage.data(), 59};
  EXPECT_EQ(run(batch, indices),
            "ppo_update: advantage is [59]; expected [60], one per observation.");
  EXPECT_EQ(run(p.batch(), {rows.data(), 1, 32}),
            "ppo_update: rows is [1, 32]; expected [2, 32], a row of indices for each update.");
  EXPECT_EQ(run(p.batch(), {rows.data(), 2, 33}),
            "ppo_update: an update has 33 rows; the workspace was made for up to 32.");
  EXPECT_EQ(state.num_updates, 0);
}

TEST_P(PpoErrorTest, LossesThatAreNotFiniteNameThemselvesAndTheUpdate) {
  const auto text = [this](PpoProblem& p) {
    return error_text<DataError>([&] { update(on(), p, PpoProblem::rows(2, 33), 33); });
  };
  const std::string advice =
      " Lower the learning rate, or look at the batch: an observation, action or advantage may be "
      "extreme.";
  PpoProblem advantage(gaussian_shape());
  std::fill(advantage.advantage.begin(), advantage.advantage.end(), std::nanf(""));
  EXPECT_EQ(text(advantage), "ppo: policy loss is nan at policy update 1." + advice);

  PpoProblem target(categorical_shape());
  target.state.num_updates = 41;
  std::fill(target.value_target.begin(), target.value_target.end(),
            std::numeric_limits<float>::infinity());
  EXPECT_EQ(text(target), "ppo: value loss is inf at policy update 42." + advice);

  PpoProblem category(categorical_shape());
  std::fill(category.action.begin(), category.action.end(), 5.0f);
  EXPECT_EQ(text(category), "ppo: policy loss is nan at policy update 1." + advice);
}

INSTANTIATE_TEST_SUITE_P(Devices, PpoActTest, testing::ValuesIn(available_devices()), ParamName());
INSTANTIATE_TEST_SUITE_P(Devices, PpoErrorTest, testing::ValuesIn(available_devices()),
                         ParamName());

}  // namespace
}  // namespace mbrl
