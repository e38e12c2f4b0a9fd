// Tests for kernels/stages/ppo/ppo_update.{h,cpp}: formulas by hand, gradients of the whole loss against
// differences in float64.
#include "kernels/stages/ppo/ppo_update.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "tests/support/matchers.h"
#include "tests/support/ppo_problem.h"
#include "tests/support/reference.h"
#include "host/algo/draws.h"

namespace mbrl {
namespace {

using reference::Doubles;

// ---------------------------------------------------------------------------------------------------
// formulas

TEST(PpoSurrogateTest, TheSmallerOfPlainAndClippedCounts) {
  const float old = -1.0f;
  // ratio 1.5: a good action gains no more than 1.2, a bad one pays in full
  const float up = old + std::log(1.5f);
  EXPECT_NEAR(ppo_surrogate(up, old, 2.0f, 0.2f).loss, -2.4f, 1e-6f);
  EXPECT_EQ(ppo_surrogate(up, old, 2.0f, 0.2f).d_log_prob, 0.0f);
  EXPECT_NEAR(ppo_surrogate(up, old, -2.0f, 0.2f).loss, 3.0f, 1e-6f);
  EXPECT_NEAR(ppo_surrogate(up, old, -2.0f, 0.2f).d_log_prob, 3.0f, 1e-6f);
  // ratio 0.5: the other way round
  const float down = old + std::log(0.5f);
  EXPECT_NEAR(ppo_surrogate(down, old, 2.0f, 0.2f).loss, -1.0f, 1e-6f);
  EXPECT_NEAR(ppo_surrogate(down, old, 2.0f, 0.2f).d_log_prob, -1.0f, 1e-6f);
  EXPECT_NEAR(ppo_surrogate(down, old, -2.0f, 0.2f).loss, 1.6f, 1e-6f);
  EXPECT_EQ(ppo_surrogate(down, old, -2.0f, 0.2f).d_log_prob, 0.0f);
}

TEST(PpoSurrogateTest, DivergenceAndClippingAreThoseOfTheRatio) {
  const Surrogate same = ppo_surrogate(-1.0f, -1.0f, 1.0f, 0.2f);
  EXPECT_EQ(same.approx_kl, 0.0f);
  EXPECT_EQ(same.is_clipped, 0.0f);
  const Surrogate far = ppo_surrogate(-1.0f + std::log(1.5f), -1.0f, 1.0f, 0.2f);
  EXPECT_NEAR(far.approx_kl, 0.5f - std::log(1.5f), 1e-6f);
  EXPECT_EQ(far.is_clipped, 1.0f);
  EXPECT_TRUE(std::isnan(ppo_surrogate(std::nanf(""), 0.0f, 1.0f, 0.2f).loss));
}

TEST(CategoricalTest, ProbabilitiesOfKnownOddsComeOut) {
  // odds 1 : 2 : 5
  const float logits[] = {0.0f, std::log(2.0f), std::log(5.0f)};
  const float log_sum = log_sum_exp(logits, 1, 3);
  EXPECT_NEAR(log_sum, std::log(8.0f), 1e-6f);
  EXPECT_NEAR(categorical_log_prob(logits, 1, 3, log_sum, 1.0f), std::log(0.25f), 1e-6f);
  EXPECT_NEAR(categorical_entropy(logits, 1, 3, log_sum),
              -(std::log(0.125) * 0.125 + std::log(0.25) * 0.25 + std::log(0.625) * 0.625), 1e-6);
  EXPECT_EQ(categorical_sample(logits, 1, 3, log_sum, 0.12f), 0);
  EXPECT_EQ(categorical_sample(logits, 1, 3, log_sum, 0.13f), 1);
  EXPECT_EQ(categorical_sample(logits, 1, 3, log_sum, 0.38f), 2);
  EXPECT_EQ(categorical_mode(logits, 1, 3), 2);
}

TEST(CategoricalTest, LargeLogitsStayFiniteAndForeignCategoriesDoNot) {
  const float logits[] = {500.0f, -500.0f};
  const float log_sum = log_sum_exp(logits, 1, 2);
  EXPECT_EQ(categorical_log_prob(logits, 1, 2, log_sum, 0.0f), 0.0f);
  EXPECT_EQ(categorical_log_prob(logits, 1, 2, log_sum, 1.0f), -1000.0f);
  for (const float foreign : {-1.0f, 2.0f, std::nanf("")})
    EXPECT_TRUE(std::isnan(categorical_log_prob(logits, 1, 2, log_sum, foreign))) << foreign;
}

TEST(CategoricalTest, GradientsMatchDifferences) {
  Doubles logits{0.3, -1.2, 0.7, 0.1};
  const auto log_sum = [&] {
    double sum = 0.0;
    for (const double l : logits) sum += std::exp(l);
    return std::log(sum);
  };
  const auto log_prob = [&] { return logits[2] - log_sum(); };
  const auto entropy = [&] {
    double sum = 0.0;
    for (const double l : logits) sum -= std::exp(l - log_sum()) * (l - log_sum());
    return sum;
  };
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto logit = static_cast<float>(logits[i]), sum = static_cast<float>(log_sum());
    const auto h = static_cast<float>(entropy());
    EXPECT_NEAR(categorical_gradient(logit, sum, h, i == 2, 1.0f, 0.0f),
                reference::derivative(logits[i], log_prob), 1e-6);
    EXPECT_NEAR(categorical_gradient(logit, sum, h, i == 2, 0.0f, 1.0f),
                reference::derivative(logits[i], entropy), 1e-6);
  }
}

TEST(GaussianDensityTest, ValuesAndDerivativesByHand) {
  // one standard deviation of 2 above the mean
  const float log_std = std::log(2.0f);
  const GaussianDensity g = gaussian_density(3.0f, 1.0f, log_std);
  EXPECT_NEAR(g.log_prob, -0.5 - std::log(2.0) - 0.5 * std::log(2 * M_PI), 1e-6);
  EXPECT_NEAR(g.d_mean, 0.5, 1e-6);
  EXPECT_NEAR(g.d_log_std, 0.0, 1e-6);
  EXPECT_NEAR(gaussian_entropy(log_std), std::log(2.0) + 0.5 * std::log(2 * M_PI * M_E), 1e-6);
}

TEST(GradientScaleTest, OnlyALongGradientIsShortened) {
  EXPECT_EQ(gradient_scale(25.0, 0.0f), 1.0f);
  EXPECT_EQ(gradient_scale(25.0, 6.0f), 1.0f);
  EXPECT_EQ(gradient_scale(25.0, 2.5f), 0.5f);
}

// ---------------------------------------------------------------------------------------------------
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

class PpoUpdateTest : public testing::TestWithParam<std::tuple<Case, int>> {
 protected:
  PpoShape shape() const { return std::get<0>(GetParam()).shape; }
  int B() const { return std::get<1>(GetParam()); }
};

PpoLosses update(PpoProblem& p, const std::vector<std::uint32_t>& rows, int B, int threads = 2) {
  TestStream stream(threads);
  PpoWorkspace workspace(stream, p.state, B);
  std::vector<PpoLosses> losses(rows.size() / static_cast<std::size_t>(B));
  ppo_update(stream, losses, p.state, p.batch(), {rows.data(), losses.size(), B}, p.constants,
             workspace);
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
  update(p, rows, B());
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
  const PpoLosses got = update(p, rows, B());
  EXPECT_NEAR(got.policy_loss, r.policy_loss(), 1e-5);
  EXPECT_NEAR(got.value_loss, r.value_loss(), 1e-5);
  EXPECT_NEAR(got.entropy, r.entropy(), 1e-5);
  EXPECT_NEAR(got.approx_kl, kl / rows.size(), 1e-5);
  EXPECT_NEAR(got.clip_fraction, outside / rows.size(), 1e-5);
}

TEST_P(PpoUpdateTest, TheLimitShortensTheGradientOfAllPartsTogether) {
  PpoProblem free(shape()), limited(shape());
  const std::vector<std::uint32_t> rows = PpoProblem::rows(1, B());
  update(free, rows, B());
  double squares = 0.0;
  for (const TrainedParameters* part : {&free.state.policy, &free.state.log_std, &free.state.value})
    for (const float g : seen_gradient(*part)) squares += static_cast<double>(g) * g;
  const double norm = std::sqrt(squares);
  limited.constants.max_gradient_norm = static_cast<float>(norm / 4);
  update(limited, rows, B());
  Doubles expected;
  for (const float g : seen_gradient(free.state.policy)) expected.push_back(g / 4.0);
  EXPECT_THAT(seen_gradient(limited.state.policy), NearInNorm(expected, 2e-6));

  PpoProblem wide(shape());
  wide.constants.max_gradient_norm = static_cast<float>(2 * norm);
  update(wide, rows, B());
  EXPECT_EQ(to_host(wide.state.policy.value), to_host(free.state.policy.value));
}

TEST_P(PpoUpdateTest, ResultsDoNotDependOnTheNumberOfThreads) {
  PpoProblem one(shape()), three(shape());
  const std::vector<std::uint32_t> rows = PpoProblem::rows(5, B());
  one.constants.max_gradient_norm = three.constants.max_gradient_norm = 0.5f;
  update(one, rows, B(), 1);
  update(three, rows, B(), 3);
  EXPECT_EQ(to_host(one.state.policy.value), to_host(three.state.policy.value));
  EXPECT_EQ(to_host(one.state.policy.v), to_host(three.state.policy.v));
  EXPECT_EQ(to_host(one.state.log_std.value), to_host(three.state.log_std.value));
  EXPECT_EQ(to_host(one.state.value.value), to_host(three.state.value.value));
  EXPECT_EQ(one.state.num_updates, 5);
}

TEST_P(PpoUpdateTest, PaddingOfTheArenaStaysZero) {
  PpoProblem p(shape());
  update(p, PpoProblem::rows(3, B()), B());
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
    testing::Combine(testing::Values(Case{"categorical", categorical_shape()},
                                     Case{"gaussian", gaussian_shape()},
                                     Case{"categorical_alone", without_value(categorical_shape())},
                                     Case{"gaussian_alone", without_value(gaussian_shape())}),
                     testing::Values(1, 31, 33, 96)),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).name) + "_" +
             std::to_string(std::get<1>(test.param));
    });

// ---------------------------------------------------------------------------------------------------
// acting

struct Acted {
  std::vector<float> action, log_prob, value;
};
Acted act(PpoProblem& p, int N, bool stochastic, std::uint64_t step = 3, int threads = 2) {
  TestStream stream(threads);
  PpoWorkspace workspace(stream, p.state, N);
  Acted result{poisoned(static_cast<std::size_t>(N * p.shape.num_actions())),
               poisoned(static_cast<std::size_t>(N * p.shape.num_log_probs())),
               poisoned(static_cast<std::size_t>(N))};
  ppo_act(stream, p.state,
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

TEST(PpoActTest, LogProbabilitiesAndValuesAreThoseOfTheNetworks) {
  for (const PpoShape& shape : {categorical_shape(), gaussian_shape()}) {
    for (const bool stochastic : {false, true}) {
      PpoProblem p(shape);
      const Acted got = act(p, 40, stochastic);
      std::copy(got.action.begin(), got.action.end(), p.action.begin());
      const std::vector<std::uint32_t> none;
      const Reference r(p, none);
      Doubles log_prob, value;
      double unused;
      for (std::uint32_t row = 0; row < 40; ++row) {
        for (const double lp : r.log_probs(row, unused)) log_prob.push_back(lp);
        value.push_back(reference::mlp(p.state.value_layout, r.value.data(), Activation::kTanh,
                                       r.observation(row))[0]);
      }
      EXPECT_THAT(got.log_prob, ElementsNear(log_prob, {4e-6, 4e-6}));
      EXPECT_THAT(got.value, ElementsNear(value, {2e-6, 2e-6}));
    }
  }
}

TEST(PpoActTest, TheFirstUpdateOnActedRowsHasRatioOne) {
  for (const PpoShape& shape : {categorical_shape(), gaussian_shape()}) {
    PpoProblem p(shape);
    const Acted got = act(p, PpoProblem::kRows, true);
    p.action = got.action;
    p.log_prob = got.log_prob;
    const PpoLosses losses = update(p, PpoProblem::rows(1, 33), 33);
    EXPECT_EQ(losses.clip_fraction, 0.0f);
    EXPECT_NEAR(losses.approx_kl, 0.0f, 1e-7f);
  }
}

TEST(PpoActTest, CategoriesComeAsOftenAsTheirProbability) {
  PpoProblem p(categorical_shape());
  // one observation many times
  const int S = p.shape.observation_size;
  for (int row = 1; row < PpoProblem::kRows; ++row)
    std::copy_n(p.observation.begin(), S, p.observation.begin() + row * S);
  const std::vector<float> best = act(p, 1, false).action;
  double hits = 0.0;
  int draws = 0;
  for (std::uint64_t step = 0; step < 200; ++step) {
    const Acted got = act(p, PpoProblem::kRows, true, step, 1);
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

TEST(PpoActTest, DrawsDependOnStepAndRowNotOnThreads) {
  PpoProblem p(gaussian_shape());
  const Acted one = act(p, 50, true, 3, 1), three = act(p, 50, true, 3, 3);
  EXPECT_EQ(one.action, three.action);
  EXPECT_NE(one.action, act(p, 50, true, 4).action);
  EXPECT_EQ(act(p, 50, false, 3).action, act(p, 50, false, 4).action);
}

TEST(PpoInitTest, ASmallGainStartsNearEqualChances) {
  PpoState state(categorical_shape());
  init_ppo(state, 1, 0, 0.01f);
  PpoState large(categorical_shape());
  init_ppo(large, 1, 0);
  const LayerLayout& first = state.policy_layout.layers.front();
  const LayerLayout& last = state.policy_layout.layers.back();
  EXPECT_EQ(state.policy.value[first.weight], large.policy.value[first.weight]);
  EXPECT_EQ(state.policy.value[last.weight], 0.01f * large.policy.value[last.weight]);
  EXPECT_NE(large.policy.value[last.weight], 0.0f);
  EXPECT_EQ(to_host(state.value.value), to_host(large.value.value));
}

// ---------------------------------------------------------------------------------------------------
// errors

TEST(PpoErrorTest, NamesTheArrayThatDoesNotFit) {
  PpoProblem p(categorical_shape());
  TestStream stream;
  PpoWorkspace workspace(stream, p.state, 32);
  const std::vector<std::uint32_t> rows = PpoProblem::rows(2, 32);
  std::vector<PpoLosses> losses(2);
  const auto run = [&](const PpoBatch& batch, Matrix<const std::uint32_t> indices) {
    return error_text<ShapeError>(
        [&] { ppo_update(stream, losses, p.state, batch, indices, p.constants, workspace); });
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
  EXPECT_EQ(p.state.num_updates, 0);
}

TEST(PpoErrorTest, PoliciesOfNoKindOrTwoAreRefused) {
  const auto text = [](PpoShape shape) {
    return error_text<ShapeError>([&] { PpoState state(shape); });
  };
  EXPECT_EQ(text({.observation_size = 2, .hidden_sizes = {4}, .heads = {}}),
            "ppo: a policy has either heads or an action size; this one has 0 heads and an action "
            "size of 0.");
  EXPECT_EQ(text({.observation_size = 2, .hidden_sizes = {4}, .heads = {2}, .action_size = 1}),
            "ppo: a policy has either heads or an action size; this one has 1 heads and an action "
            "size of 1.");
  EXPECT_EQ(text({.observation_size = 2, .hidden_sizes = {4}, .heads = {2, 0}}),
            "ppo: head 1 has 0 categories; expected at least one.");
  EXPECT_EQ(text({.observation_size = 2, .hidden_sizes = {4}, .heads = std::vector<int>(17, 2)}),
            "ppo: a policy has 17 heads; up to 16 are possible.");
}

TEST(PpoErrorTest, LossesThatAreNotFiniteNameThemselvesAndTheUpdate) {
  const auto text = [](PpoProblem& p) {
    return error_text<DataError>([&] { update(p, PpoProblem::rows(2, 33), 33); });
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

}  // namespace
}  // namespace mbrl
