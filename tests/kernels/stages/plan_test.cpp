// Tests for kernels/stages/plan/plan.{h,cpp,cu} on every device: costs of candidates against
// float64 loops in each propagation, searches against what they should find, ties, faults, and
// texts.
#include "kernels/stages/plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <tuple>

#include "base/error.h"
#include "host/io/crc32c.h"
#include "kernels/stages/plan/plan_search.h"
#include "tests/support/devices.h"
#include "tests/support/error_text.h"
#include "tests/support/planning.h"
#include "tests/support/problems.h"
#include "tests/support/reference.h"

namespace mbrl {
namespace {

using reference::Doubles;
using testing::ElementsAre;

constexpr int kS = PlanLearner::kS;

// ---- costs against plain loops ----

/// The learner's candidate `c` of random shooting, in its first iteration.
std::vector<float> candidate(const PlanLearner& l, int c) {
  const RandomKey key{l.constants.seed, purpose::kPlanCandidate, l.constants.learner};
  std::vector<float> actions;
  for (int h = 0; h < l.constants.horizon; ++h)
    actions.push_back(plan_uniform(key, plan_draw_step(l.step[0], 0, 0), c, h));
  return actions;
}

double pendulum_cost_of(const Doubles& next, double action) {
  return 2.0 - 2.0 * next[0] + 0.1 * next[2] * next[2] + 0.001 * 4.0 * action * action;
}

/// Mean and standard deviation of each target as member `e` predicts them.
std::pair<Doubles, Doubles> prediction(const PlanLearner& l, int e, const Doubles& s, double a) {
  const EnsembleState& model = l.model;
  Doubles x;
  for (int i = 0; i <= kS; ++i)
    x.push_back(((i < kS ? s[i] : a) - model.input_mean[i]) * model.input_inv_std[i]);
  const float* p = model.member(model.elites[e]);
  const Doubles parameters(p, p + model.layout.size);
  const Doubles out = reference::mlp(model.layout, parameters.data(), Activation::kSwish, x);
  Doubles mean(out.begin(), out.begin() + kS), deviation(kS, 0.0);
  for (int i = 0; i < kS && model.loss == EnsembleLoss::kGaussianNll; ++i)
    deviation[i] = std::exp(
        0.5 * reference::bound_logvar(out[kS + i], model.max_logvar()[i], model.min_logvar()[i]));
  return {mean, deviation};
}

/// Cost of candidate `c`, particle by particle, as the sheet says it in words.
double reference_cost(const PlanLearner& l, int c) {
  const PlanConstants& k = l.constants;
  const bool one = k.propagation == Propagation::kE;
  const int P = one ? 1 : k.particles, M = static_cast<int>(l.model.elites.size());
  const std::vector<float> actions = candidate(l, c);
  const auto noise = [&](int h, int p, int i) {
    const RandomKey key{k.seed, purpose::kPlanNoise, k.learner};
    return l.model.loss == EnsembleLoss::kMse && i < 512
               ? 0.0
               : normal(key, plan_draw_step(l.step[0], 0, h), static_cast<std::uint32_t>(c * P + p),
                        i % 512 + (i >= 512 ? 512 : 0));
  };
  std::vector<Doubles> state(static_cast<std::size_t>(P),
                             Doubles(l.observation.begin(), l.observation.begin() + kS));
  Doubles cost(static_cast<std::size_t>(P), 0.0);
  for (int h = 0; h < k.horizon; ++h) {
    const double a = actions[h];
    // who answers for each particle
    std::vector<int> slot(static_cast<std::size_t>(P));
    std::iota(slot.begin(), slot.end(), 0);
    if (k.propagation == Propagation::kTs1) {
      std::vector<int> order = slot;
      deal_particles({k.seed, purpose::kPlanParticle, k.learner}, plan_draw_step(l.step[0], 0, h),
                     c, P, order.data());
      for (int i = 0; i < P; ++i) slot[order[i]] = i;
    }
    std::vector<Doubles> target(static_cast<std::size_t>(P), Doubles(kS));
    for (int p = 0; p < P; ++p) {
      if (k.propagation == Propagation::kTsInf || k.propagation == Propagation::kTs1) {
        const auto [mean, deviation] = prediction(l, slot[p] / (P / M), state[p], a);
        for (int i = 0; i < kS; ++i) target[p][i] = mean[i] + deviation[i] * noise(h, p, i);
        continue;
      }
      for (int i = 0; i < kS; ++i) {
        double mean = 0.0, variance = 0.0;
        std::vector<std::pair<Doubles, Doubles>> all;
        for (int e = 0; e < M; ++e) all.push_back(prediction(l, e, state[p], a));
        for (const auto& one_of : all) mean += one_of.first[i] / M;
        for (const auto& one_of : all)
          variance += (std::pow(one_of.first[i] - mean, 2) + std::pow(one_of.second[i], 2)) / M;
        target[p][i] = mean + (one ? 0.0 : std::sqrt(variance) * noise(h, p, i));
      }
    }
    for (int i = 0; i < kS && k.propagation == Propagation::kMm; ++i) {
      double mean = 0.0, variance = 0.0;
      for (int p = 0; p < P; ++p) mean += target[p][i] / P;
      for (int p = 0; p < P; ++p) variance += std::pow(target[p][i] - mean, 2) / P;
      for (int p = 0; p < P; ++p) target[p][i] = mean + std::sqrt(variance) * noise(h, p, 512 + i);
    }
    for (int p = 0; p < P; ++p) {
      for (int i = 0; i < kS; ++i)
        state[p][i] =
            target[p][i] + (l.model.maps.output_of(i) == OutputMap::kDelta ? state[p][i] : 0.0);
      cost[p] += pendulum_cost_of(state[p], a);
    }
  }
  return std::accumulate(cost.begin(), cost.end(), 0.0) / P;
}

/// A learner with random networks, all of whose noise and biases count.
PlanLearner random_learner(int members, EnsembleLoss loss) {
  PlanLearner l(members, plan_form(loss), 20, 2);
  for (int e = 0; e < members; ++e)
    random_biases(l.model.layout, l.model.member(e), {5, purpose::kInit, 0}, e, 0.5f);
  for (int i = 0; i < l.model.num_inputs(); ++i) {
    l.model.input_mean[i] = 0.1f * static_cast<float>(i);
    l.model.input_inv_std[i] = 1.0f + 0.2f * static_cast<float>(i);
  }
  for (int i = 0; i < kS && l.model.num_shared() > 0; ++i) {
    l.model.max_logvar()[i] = -1.0f;
    l.model.min_logvar()[i] = -4.0f;
  }
  l.constants.method = PlanMethod::kRandom;
  return l;
}

struct Case {
  const char* name;
  Propagation propagation;
  int members, particles, population;
  EnsembleLoss loss = EnsembleLoss::kGaussianNll;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

using PlanCostTest = DeviceTest<std::tuple<On, Case>>;

TEST_P(PlanCostTest, CostsAreThoseOfPlainLoops) {
  const Case& c = std::get<1>(GetParam());
  PlanLearner l = random_learner(c.members, c.loss);
  l.constants.propagation = c.propagation;
  l.constants.particles = c.particles;
  l.constants.population = c.population;
  if (c.members == 3) l.model.elites = {2, 0, 1};
  Doubles costs;
  for (int i = 0; i < c.population; ++i) costs.push_back(reference_cost(l, i));
  const Planned p = plan_once(on(), l);
  const auto best = std::min_element(costs.begin(), costs.end()) - costs.begin();
  const double mean = std::accumulate(costs.begin(), costs.end(), 0.0) / c.population;
  EXPECT_NEAR(p.reports[0].best_cost, costs[best], 2e-5 * std::abs(mean));
  EXPECT_NEAR(p.reports[0].mean_cost, mean, 2e-5 * std::abs(mean));
  EXPECT_EQ(p.action[0], candidate(l, static_cast<int>(best))[0]);
  EXPECT_EQ(p.reports[0].iterations, 1);
  EXPECT_NE(*std::max_element(costs.begin(), costs.end()), costs[best]);
}

INSTANTIATE_TEST_SUITE_P(
    Propagations, PlanCostTest,
    testing::Combine(
        testing::ValuesIn(available_devices()),
        testing::Values(Case{"tsinf", Propagation::kTsInf, 5, 20, 11},
                        Case{"tsinf_elites", Propagation::kTsInf, 3, 9, 13},
                        Case{"tsinf_mse", Propagation::kTsInf, 2, 2, 40, EnsembleLoss::kMse},
                        Case{"tsinf_many", Propagation::kTsInf, 2, 90, 3},
                        Case{"tsinf_tiles", Propagation::kTsInf, 2, 8, 70},
                        Case{"ts1", Propagation::kTs1, 5, 20, 11},
                        Case{"ts1_tiles", Propagation::kTs1, 2, 8, 40},
                        Case{"ts1_elites", Propagation::kTs1, 3, 3, 40},
                        Case{"e", Propagation::kE, 3, 7, 40},
                        Case{"e_mse", Propagation::kE, 3, 7, 3, EnsembleLoss::kMse},
                        Case{"ds", Propagation::kDs, 3, 7, 10},
                        Case{"ds_tiles", Propagation::kDs, 2, 4, 40},
                        Case{"ds_mse", Propagation::kDs, 3, 7, 5, EnsembleLoss::kMse},
                        Case{"mm", Propagation::kMm, 3, 7, 10},
                        Case{"mm_mse", Propagation::kMm, 2, 1, 3, EnsembleLoss::kMse})),
    ParamName());

// ---- who predicts which particle ----

using PlanTest = DeviceTest<>;

// member e adds e + 1 to entry 0, whose cost is linear, and e to entry 2, whose cost is a square
PlanLearner telling_members(Propagation propagation, int particles) {
  PlanLearner l(4, plan_form(EnsembleLoss::kMse));
  l.make_linear();
  for (int e = 0; e < 4; ++e) {
    l.bias(e, 0, 0.25f * static_cast<float>(e + 1));
    l.bias(e, 2, 0.25f * static_cast<float>(e));
  }
  l.observation = {0.0f, 0.0f, 0.0f};
  l.constants.method = PlanMethod::kRandom;
  l.constants.propagation = propagation;
  l.constants.particles = particles;
  l.constants.horizon = 3;
  return l;
}
// what candidates' actions add to their mean cost
double mean_action_cost(const PlanLearner& l) {
  double sum = 0.0;
  for (int c = 0; c < l.constants.population; ++c)
    for (const float a : candidate(l, c)) sum += 0.004 * static_cast<double>(a) * a;
  return sum / l.constants.population;
}

TEST_P(PlanTest, TsInfKeepsItsMember) {
  const PlanLearner l = telling_members(Propagation::kTsInf, 8);
  double expected = mean_action_cost(l);
  for (int e = 0; e < 4; ++e)
    for (int h = 1; h <= 3; ++h)
      expected += (2.0 - 2.0 * 0.25 * (e + 1) * h + 0.1 * std::pow(0.25 * e * h, 2)) / 4.0;
  EXPECT_NEAR(plan_once(on(), l).reports[0].mean_cost, expected, 1e-4);
}

TEST_P(PlanTest, Ts1DealsAsManyParticlesToEachMember) {
  PlanLearner l = telling_members(Propagation::kTs1, 8);
  for (int e = 0; e < 4; ++e) l.bias(e, 2, -0.25f * static_cast<float>(e));  // no square
  // then each candidate's mean is exact, whoever the particles are dealt to
  double expected = mean_action_cost(l);
  for (int h = 1; h <= 3; ++h) expected += 2.0 - 2.0 * 0.25 * 2.5 * h;
  const Planned p = plan_once(on(), l);
  EXPECT_NEAR(p.reports[0].mean_cost, expected, 1e-4);
  double least = 1e9;
  for (int c = 0; c < l.constants.population; ++c) {
    double actions = 0.0;
    for (const float a : candidate(l, c)) actions += 0.004 * static_cast<double>(a) * a;
    least = std::min(least, expected - mean_action_cost(l) + actions);
  }
  EXPECT_NEAR(p.reports[0].best_cost, least, 1e-4);

  // but not to the same one for the whole horizon
  const PlanLearner anew = telling_members(Propagation::kTs1, 8);
  PlanLearner kept = anew;
  kept.constants.propagation = Propagation::kTsInf;
  EXPECT_LT(plan_once(on(), anew).reports[0].mean_cost,
            plan_once(on(), kept).reports[0].mean_cost - 0.01);
}

TEST(PlanDealTest, EveryOrderOfParticlesIsEquallyLikely) {
  int count[4][4] = {};
  constexpr int kDeals = 8000;
  for (int c = 0; c < kDeals; ++c) {
    int order[4] = {0, 1, 2, 3};
    deal_particles({1, purpose::kPlanParticle, 2}, 5, c, 4, order);
    for (int slot = 0; slot < 4; ++slot) ++count[slot][order[slot]];
    std::sort(order, order + 4);
    ASSERT_THAT(order, ElementsAre(0, 1, 2, 3));
  }
  const double sd = std::sqrt(kDeals * 0.25 * 0.75);
  for (const auto& slot : count)
    for (const int n : slot) EXPECT_NEAR(n, kDeals / 4.0, 4.5 * sd);
}

// ---- searches ----

// entry 2 is ten times the distance of the action from `best`: the cost is a quadratic in each
// action
PlanLearner quadratic(float best) {
  PlanLearner l(2, plan_form(EnsembleLoss::kMse, OutputMap::kAbsolute));
  l.make_linear();
  for (int e = 0; e < 2; ++e) {
    l.weight(e, 2, 3, 10.0f);
    l.bias(e, 2, -10.0f * best);
  }
  l.constants = {.population = 100,
                 .num_elites = 10,
                 .iterations = 40,
                 .horizon = 3,
                 .particles = 2,
                 .alpha = 0.1f,
                 .seed = 7};
  return l;
}

TEST_P(PlanTest, CemFindsTheMinimumOfAQuadraticAndStopsEarly) {
  for (const float best : {0.3f, -0.5f}) {
    const PlanLearner l = quadratic(best);
    const Planned p = plan_once(on(), l);
    // 10 (a - best)^2 + 0.004 a^2
    const double least = 10.0 * best / 10.004;
    EXPECT_NEAR(p.action[0], least, 0.01);
    EXPECT_NEAR(p.mean[0], least, 0.01) << "the second action, where the next search starts";
    EXPECT_NEAR(p.mean[1], least, 0.01);
    EXPECT_EQ(p.mean[2], 0.0f);
    EXPECT_LT(p.reports[0].iterations, 12);
    EXPECT_GT(p.reports[0].iterations, 2);
    EXPECT_NEAR(p.reports[0].best_cost,
                3.0 * (2.0 + 10.0 * std::pow(least - best, 2) + 0.004 * least * least), 0.01);
  }
}

TEST_P(PlanTest, TheSearchEndsByTheVarianceOfTheControl) {
  // one normalized unit is 2 N m: a variance of 1/4 is 1 (N m)^2
  PlanLearner l = quadratic(0.3f);
  l.constants.min_variance = 0.999f;
  EXPECT_GE(plan_once(on(), l).reports[0].iterations, 1);
  l.constants.min_variance = 1.0f;
  const Planned p = plan_once(on(), l);
  EXPECT_EQ(p.reports[0].iterations, 0);
  EXPECT_EQ(p.action[0], 0.0f) << "the mean that the search starts from";
}

// on the CPU alone: the devices' formulas are the same, and an emulated GPU is slow
TEST(PlanSearchTest, EveryMethodFindsTheMinimumOfAQuadratic) {
  for (const PlanMethod method : {PlanMethod::kRandom, PlanMethod::kMppi, PlanMethod::kIcem}) {
    PlanLearner l = quadratic(0.3f);
    l.constants.method = method;
    l.constants.population = 400;
    l.constants.num_elites = 20;
    l.constants.iterations = 8;
    l.constants.temperature = 0.1f;
    l.constants.color = 0.5f;
    const Planned p = plan_once(On::kCpu, l);
    EXPECT_NEAR(p.action[0], 0.3, method == PlanMethod::kRandom ? 0.2 : 0.03);
    const int iterations = p.reports[0].iterations;
    if (method == PlanMethod::kIcem)
      EXPECT_LT(iterations, 8) << "it ends by the variance, as CEM does";
    else
      EXPECT_EQ(iterations, method == PlanMethod::kRandom ? 1 : 8);
  }
}

TEST_P(PlanTest, RandomShootingKeepsNoPlan) {
  PlanLearner l = quadratic(0.3f);
  l.constants.method = PlanMethod::kRandom;
  EXPECT_THAT(plan_once(on(), l).mean, testing::Each(0.0f));
}

TEST_P(PlanTest, MppiIsTheWeightedMeanOfItsCandidates) {
  PlanLearner l = quadratic(0.3f);
  l.constants.method = PlanMethod::kMppi;
  l.constants.iterations = 2;
  l.constants.population = 20;
  l.constants.noise = 0.4f;
  l.constants.temperature = 3.0f;
  const RandomKey key{l.constants.seed, purpose::kPlanCandidate, l.constants.learner};
  Doubles mean(3, 0.0);
  for (int iteration = 0; iteration < 2; ++iteration) {
    std::vector<Doubles> v;
    Doubles cost;
    for (int c = 0; c < 20; ++c) {
      v.emplace_back();
      cost.push_back(0.0);
      for (int h = 0; h < 3; ++h) {
        const double z = plan_normal(key, plan_draw_step(l.step[0], iteration, 0), c, h);
        const double a = std::clamp(mean[h] + 0.4 * z, -1.0, 1.0);
        v.back().push_back(a);
        cost.back() += 2.0 + 10.0 * std::pow(a - 0.3, 2) + 0.004 * a * a;
        cost.back() += 3.0 * mean[h] * (a - mean[h]) / (0.4 * 0.4);
      }
    }
    const double least = *std::min_element(cost.begin(), cost.end());
    double total = 0.0;
    Doubles change(3, 0.0);
    for (int c = 0; c < 20; ++c) {
      const double w = std::exp(-(cost[c] - least) / 3.0);
      total += w;
      for (int h = 0; h < 3; ++h) change[h] += w * (v[c][h] - mean[h]);
    }
    for (int h = 0; h < 3; ++h) mean[h] += change[h] / total;
  }
  const Planned p = plan_once(on(), l);
  EXPECT_NEAR(p.action[0], mean[0], 1e-5);
  EXPECT_NEAR(p.mean[0], mean[1], 1e-5);
  EXPECT_NEAR(p.mean[1], mean[2], 1e-5);
  EXPECT_EQ(p.mean[2], 0.0f);
}

// two steps of a model that is no simple function: what an exhaustive search finds
TEST_P(PlanTest, CemFindsWhatAnExhaustiveSearchFinds) {
  PlanLearner l = random_learner(2, EnsembleLoss::kMse);
  l.constants.propagation = Propagation::kE;
  l.constants.horizon = 2;
  // a model that the actions matter to
  for (int e = 0; e < 2; ++e)
    for (float* p = l.model.member(e); p != l.model.member(e) + l.model.layout.size; ++p)
      *p *= 2.0f;
  const auto cost_of = [&](double a0, double a1) {
    Doubles s(l.observation.begin(), l.observation.end());
    double cost = 0.0;
    for (const double a : {a0, a1}) {
      Doubles change(kS, 0.0);
      for (int e = 0; e < 2; ++e) {
        const Doubles mean = prediction(l, e, s, a).first;
        for (int i = 0; i < kS; ++i) change[i] += mean[i] / 2.0;
      }
      for (int i = 0; i < kS; ++i) s[i] += change[i];
      cost += pendulum_cost_of(s, a);
    }
    return cost;
  };
  double least = 1e9, most = -1e9;
  for (int i = -50; i <= 50; ++i)
    for (int j = -50; j <= 50; ++j) {
      const double cost = cost_of(0.02 * i, 0.02 * j);
      least = std::min(least, cost);
      most = std::max(most, cost);
    }
  l.constants.method = PlanMethod::kCem;
  l.constants.population = 60;
  l.constants.num_elites = 6;
  l.constants.iterations = 15;
  const Planned p = plan_once(on(), l);
  EXPECT_LT(cost_of(p.action[0], p.mean[0]), least + 0.01 * (most - least));
  EXPECT_GT(most - least, 0.05) << "the actions do not matter";
}

TEST(PlanSearchTest, IcemNeedsFewerSamplesThanCemForTheSameCost) {
  // a mass that is pushed: the speed, entry 2, grows with the action, and the place, entry 0, with
  // the speed. What matters is a push that lasts, which noise without memory hardly tries
  PlanLearner cem(1, plan_form(EnsembleLoss::kMse));
  cem.make_linear();
  cem.weight(0, 2, 3, 0.05f);
  cem.weight(0, 0, 2, 0.2f);
  cem.observation = {0.0f, 0.0f, 0.0f};
  cem.constants = {.propagation = Propagation::kE,
                   .population = 120,
                   .num_elites = 12,
                   .iterations = 3,
                   .horizon = 20,
                   .particles = 1,
                   .seed = 5};
  PlanLearner icem = cem;
  icem.constants.method = PlanMethod::kIcem;
  icem.constants.population = 40;
  icem.constants.num_elites = 10;
  double of_cem = 0.0, of_icem = 0.0;
  for (std::uint64_t step = 0; step < 5; ++step) {
    cem.step[0] = icem.step[0] = step;
    of_cem += plan_once(On::kCpu, cem).reports[0].best_cost;
    of_icem += plan_once(On::kCpu, icem).reports[0].best_cost;
  }
  // 120 + 120 + 120 candidates, and 40 + 32 + 25
  EXPECT_LT(of_icem, of_cem);
}

TEST_P(PlanTest, IcemHandsElitesOn) {
  PlanLearner l = quadratic(0.3f);
  l.constants.method = PlanMethod::kIcem;
  l.constants.population = 20;
  l.constants.num_elites = 5;
  l.constants.iterations = 1;  // whose only candidates are the mean and draws
  l.constants.keep = 0.4f;
  l.constants.horizon = 8;
  PlanBench bench(on(), {&l}, {1, 20, 8, 2});
  EXPECT_EQ(to_host(bench.state().num_kept), std::vector<int>{0});
  bench.run();
  EXPECT_EQ(to_host(bench.state().num_kept), std::vector<int>{2});
  // perfect plans to keep: the next call must find them, moved on by a step
  std::vector<float> kept = to_host(bench.state().elites);
  for (int i = 0; i < 8; ++i) kept[static_cast<std::size_t>(i)] = i == 0 ? -1.0f : 0.2999f;
  from_host(bench.state().elites, kept);
  const Planned p = bench.run()[0];
  EXPECT_EQ(p.action[0], 0.2999f);
  bench.state().reset(bench.stream(), 0);
  EXPECT_EQ(to_host(bench.state().num_kept), std::vector<int>{0});
  EXPECT_THAT(to_host(bench.state().mean), testing::Each(0.0f));
}

// ---- ties, warm start, faults ----

// no action changes the cost
PlanLearner indifferent() {
  PlanLearner l(2, plan_form(EnsembleLoss::kMse));
  l.make_linear();
  l.constants.iterations = 1;
  // far beyond what the action's own cost could change
  for (int e = 0; e < 2; ++e) l.bias(e, 0, -1e9f);
  return l;
}

TEST_P(PlanTest, EqualCostsAreSettledByTheOrderOfCandidates) {
  PlanLearner l = indifferent();
  const RandomKey key{l.constants.seed, purpose::kPlanCandidate, l.constants.learner};
  Doubles mean(4, 0.0);
  for (int c = 0; c < l.constants.num_elites; ++c)
    for (int h = 0; h < 4; ++h)
      mean[h] += 0.9 * 0.5 * truncated_normal(key, plan_draw_step(l.step[0], 0, 0), c, h) /
                 l.constants.num_elites;
  const Planned p = plan_once(on(), l);
  EXPECT_NEAR(p.action[0], mean[0], 1e-6);
  for (int h = 0; h < 3; ++h) EXPECT_NEAR(p.mean[h], mean[h + 1], 1e-6) << "moved on by a step";
  EXPECT_EQ(p.mean[3], 0.0f) << "and zeros at the end";
  l.constants.method = PlanMethod::kRandom;
  EXPECT_EQ(plan_once(on(), l).action[0], candidate(l, 0)[0]);
}

TEST_P(PlanTest, TheNextSearchStartsWhereThisOneEnded) {
  PlanLearner l = indifferent();
  PlanBench bench(on(), {&l}, {1, 24, 6, 4});
  const std::vector<float> first = bench.run()[0].mean;
  l.step[0] += 1;
  const std::vector<float> second = bench.run()[0].mean;
  const RandomKey key{l.constants.seed, purpose::kPlanCandidate, l.constants.learner};
  for (int h = 1; h < 4; ++h) {
    double of_elites = 0.0;
    for (int c = 0; c < l.constants.num_elites; ++c)
      of_elites += (first[h] + limited_deviation(first[h], 0.25f) *
                                   truncated_normal(key, plan_draw_step(l.step[0], 0, 0), c, h)) /
                   l.constants.num_elites;
    EXPECT_NEAR(second[h - 1], 0.1 * first[h] + 0.9 * of_elites, 1e-6);
  }
  for (const int h : {3, 4, 5}) EXPECT_EQ(second[h], 0.0f);
}

TEST_P(PlanTest, CostsThatAreNotFiniteAreDear) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    PlanLearner l = telling_members(Propagation::kTsInf, 4);
    l.bias(3, 0, bad);
    double expected = mean_action_cost(l) * 0.75 + 0.25e6;
    for (int e = 0; e < 3; ++e)
      for (int h = 1; h <= 3; ++h)
        expected += (2.0 - 2.0 * 0.25 * (e + 1) * h + 0.1 * std::pow(0.25 * e * h, 2)) / 4.0;
    const Planned p = plan_once(on(), l);
    EXPECT_NEAR(p.reports[0].mean_cost, expected, 0.1);
    EXPECT_TRUE(std::isfinite(p.action[0]));
  }
}

// an action beyond a limit breaks the model: the search keeps away from it
TEST_P(PlanTest, TheSearchKeepsAwayFromActionsThatBreakTheModel) {
  PlanLearner l = quadratic(0.6f);
  for (int e = 0; e < 2; ++e) {
    // entry 0 is relu-like: above 0.4 it grows until its cost is -inf
    float* p = l.model.member(e);
    const LayerLayout &first = l.model.layout.layers[0], &last = l.model.layout.layers.back();
    p[first.weight + static_cast<std::size_t>(5 * first.in_pitch + 3)] = 1e4f;
    p[first.bias + 5] = -4e3f;
    p[last.weight + 5] = 3e38f;
  }
  l.constants.iterations = 10;
  const Planned p = plan_once(on(), l);
  EXPECT_GT(p.action[0], 0.25f);
  EXPECT_LT(p.action[0], 0.41f);
}

// ---- calls ----

TEST_P(PlanTest, ResultsDoNotDependOnTheNumberOfThreads) {
  for (const PlanMethod method : {PlanMethod::kCem, PlanMethod::kMppi, PlanMethod::kIcem})
    for (const Propagation propagation :
         {Propagation::kTsInf, Propagation::kTs1, Propagation::kMm}) {
      PlanLearner l = random_learner(3, EnsembleLoss::kGaussianNll);
      l.constants.method = method;
      l.constants.propagation = propagation;
      l.observe({-0.4f, 0.1f, 0.0f});
      const Planned one = plan_once(on(), l, 1);
      for (const int threads : {2, 4}) {
        const Planned many = plan_once(on(), l, threads);
        EXPECT_EQ(many.action, one.action);
        EXPECT_EQ(many.mean, one.mean);
        EXPECT_EQ(many.reports[0].mean_cost, one.reports[0].mean_cost);
        EXPECT_EQ(many.reports[0].best_cost, one.reports[0].best_cost);
        if (on() == On::kGpu) return;  // whose work the host's threads have no part in
      }
    }
}

TEST_P(PlanTest, ProblemsOfACallDoNotKnowOfEachOther) {
  PlanLearner a = random_learner(2, EnsembleLoss::kGaussianNll);
  PlanLearner b = a, c = a;
  a.constants.method = PlanMethod::kCem;
  b.constants = {.method = PlanMethod::kIcem,
                 .propagation = Propagation::kDs,
                 .population = 37,
                 .num_elites = 5,
                 .iterations = 2,
                 .horizon = 7,
                 .particles = 3,
                 .seed = 8};
  c.constants = {.method = PlanMethod::kRandom,
                 .propagation = Propagation::kTs1,
                 .population = 50,
                 .horizon = 2,
                 .particles = 6,
                 .seed = 7,
                 .learner = 4};
  b.observe({0.7f, 0.1f, -0.3f});
  random_biases(b.model.layout, b.model.member(1), {6, purpose::kInit, 0}, 9, 0.8f);
  random_biases(c.model.layout, c.model.member(0), {7, purpose::kInit, 0}, 9, 0.8f);
  const PlanLimits limits{2, 50, 8, 6};
  PlanBench together(on(), {&a, &b, &c}, limits);
  PlanBench alone_a(on(), {&a}, limits), alone_b(on(), {&b}, limits), alone_c(on(), {&c}, limits);
  for (int call = 0; call < 2; ++call) {
    const std::vector<Planned> all = together.run();
    const Planned alone[] = {alone_a.run()[0], alone_b.run()[0], alone_c.run()[0]};
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(all[i].action, alone[i].action);
      EXPECT_EQ(all[i].mean, alone[i].mean);
      EXPECT_EQ(all[i].reports[0].mean_cost, alone[i].reports[0].mean_cost);
    }
    for (PlanLearner* l : {&a, &b, &c})
      for (std::uint64_t& step : l->step) ++step;
    // a search is not bound to what it began with
    a.constants.horizon = 8 - call;
    a.constants.population = 20 + call;
    a.constants.iterations = 4 - call;
    a.constants.propagation = call == 0 ? Propagation::kMm : Propagation::kE;
  }
}

TEST_P(PlanTest, AWorkspaceLargerThanNeededGivesTheSame) {
  PlanLearner l = random_learner(2, EnsembleLoss::kGaussianNll);
  l.constants.method = PlanMethod::kIcem;
  const Planned exact = plan_once(on(), l);
  PlanBench large(on(), {&l}, {3, 90, 4, 30});
  EXPECT_EQ(large.run()[0].action, exact.action);
}

// ---- what no search can do ----

std::string refusal(const std::function<void(PlanConstants&)>& change, int members = 5) {
  PlanConstants c;
  change(c);
  return error_text<ConfigError>([&] { check_plan(c, {1, 500, 30, 20}, members); });
}

TEST(PlanCheckTest, EachRefusalSaysWhatWouldWork) {
  EXPECT_NO_THROW(check_plan(PlanConstants{}, {1, 500, 30, 20}, 5));
  EXPECT_EQ(refusal([](auto& c) { c.particles = 18; }),
            "planner.particles is 18 for 5 members: each must predict as many particles of a "
            "candidate. Set planner.particles to 15 or 20, or planner.propagation to e, ds or mm.");
  EXPECT_EQ(refusal([](auto& c) { c.particles = 3; }),
            "planner.particles is 3 for 5 members: each must predict as many particles of a "
            "candidate. Set planner.particles to 5, or planner.propagation to e, ds or mm.");
  EXPECT_EQ(refusal([](auto& c) { c.particles = 20; }, 7),
            "planner.particles is 20 for 7 members: each must predict as many particles of a "
            "candidate. Set planner.particles to 14, or planner.propagation to e, ds or mm.");
  // never more than a candidate may have
  PlanConstants many;
  many.particles = 2000;
  EXPECT_THAT(error_text<ConfigError>([&] {
                check_plan(many, {1, 500, 30, 2003}, 3);
              }),
              testing::HasSubstr("Set planner.particles to 1020, or planner.propagation to"));
  many.particles = 1019;
  EXPECT_THAT(error_text<ConfigError>([&] {
                check_plan(many, {1, 500, 30, 2003}, 3);
              }),
              testing::HasSubstr("Set planner.particles to 1017 or 1020, or planner.propagation"));
  many.particles = 2;
  EXPECT_THAT(error_text<ConfigError>([&] {
                check_plan(many, {1, 500, 30, 2}, 3);
              }),
              testing::HasSubstr("Set planner.particles and planner.max_particles to 3, or "
                                 "planner.propagation to"));
  EXPECT_EQ(refusal([](auto& c) { c.num_elites = 501; }),
            "planner.elites_ratio makes 501 elites of a planner.population of 500; it must make 1 "
            "to 500. Set planner.elites_ratio to more than 0 and at most 1.");
  EXPECT_EQ(refusal([](auto& c) { c.population = 700; }),
            "planner.population is 700; this planner was made for up to 500 candidates. Set "
            "planner.population to 500 or less, or raise the upper end of its search space.");
  EXPECT_EQ(
      refusal([](auto& c) { c.horizon = 31; }),
      "planner.horizon is 31; this planner was made for up to 30 steps. Set planner.horizon to "
      "30 or less, or raise the upper end of its search space.");
  EXPECT_EQ(refusal([](auto& c) { c.iterations = 0; }),
            "planner.iterations is 0; it must be 1 or more.");
  EXPECT_EQ(refusal([](auto& c) { c.alpha = 1.0f; }),
            "planner.alpha is 1.0; it must be at least 0 and below 1.");
  EXPECT_EQ(refusal([](auto& c) { c.alpha = std::nanf(""); }).substr(0, 16), "planner.alpha is");
  EXPECT_EQ(refusal([](auto& c) {
              c.method = PlanMethod::kMppi;
              c.temperature = 0.0f;
            }),
            "planner.temperature is 0.0; it must be above 0.");
  EXPECT_EQ(refusal([](auto& c) {
              c.method = PlanMethod::kIcem;
              c.shrink = 0.5f;
            }),
            "planner.shrink is 0.5; it must be at least 1.");
  EXPECT_EQ(refusal([](auto& c) {
              c.method = PlanMethod::kIcem;
              c.shrink = 1e-37f;
            }),
            "planner.shrink is 1e-37; it must be at least 1.");
  // what a method does not read is not asked for
  EXPECT_NO_THROW(
      check_plan({.method = PlanMethod::kRandom, .num_elites = 0}, {1, 500, 30, 20}, 5));
  EXPECT_NO_THROW(
      check_plan({.propagation = Propagation::kE, .particles = 0}, {1, 500, 30, 20}, 5));
  EXPECT_NO_THROW(
      check_plan({.propagation = Propagation::kDs, .particles = 19}, {1, 500, 30, 20}, 5));
}

TEST_P(PlanTest, AnObservationThatIsNotFiniteIsRefused) {
  PlanLearner l = quadratic(0.3f);
  l.observe({0.0f, std::nanf(""), 0.0f});
  EXPECT_EQ(error_text<ShapeError>([&] { plan_once(on(), l); }),
            "plan: entry 1 of observation 1 is not finite. The environment broke down: end its "
            "episode there.");
}

TEST_P(PlanTest, AModelThatPredictsMoreThanObservationsIsRefused) {
  for (const ModelMaps& maps : {ModelMaps{}, ModelMaps{.reward = false, .end = EndTarget::kNumber},
                                ModelMaps{.input = InputMap::kBackward, .reward = false}})
    EXPECT_THROW(plan_once(on(), PlanLearner(2, {EnsembleLoss::kMse, maps})), ShapeError);
}

TEST_P(PlanTest, AHalfCheetahsPlannerTakesLessThan100Megabytes) {
  DeviceStream stream(on());
  const EnsembleState model(5, {18, 6}, 200, 4, stream.memory(),
                            plan_form(EnsembleLoss::kGaussianNll));
  EXPECT_LT(PlanWorkspace(stream, model, {1, 500, 30, 20}).stage().bytes(), 100u << 20);
  // random shooting of as many candidates in all
  EXPECT_LT(PlanWorkspace(stream, model, {1, 2500, 30, 20}).stage().bytes(), 100u << 20);
}

// ---- draws to the bit ----

// draws are checked as tests/learning/draws_test.cpp does it
void expect_draws(const std::string& what, const std::vector<float>& found, std::uint32_t golden) {
  const std::uint32_t sum = crc32c(
      std::string(reinterpret_cast<const char*>(found.data()), found.size() * sizeof(float)));
  EXPECT_EQ(sum, golden) << what
                         << ": not what was drawn when the checksum was recorded. It is now " << sum
                         << "u.";
}

TEST_P(PlanTest, Draws) {
  // every action costs the same, so the first candidate's is taken
  PlanLearner l = indifferent();
  l.constants.method = PlanMethod::kRandom;
  PlanBench bench(on(), {&l}, {1, 24, 4, 4});
  std::vector<float> actions;
  for (int i = 0; i < 50; ++i, ++l.step[0]) actions.push_back(bench.run()[0].action[0]);
  expect_draws("kPlanCandidate: first actions", actions, 1414385120u);

  // of one candidate with two particles, of which the members make 1 and 0 apart by entry 0 in
  // steps of powers of two: a cost is linear in the noise or in who was dealt which member
  PlanLearner dealt(2, plan_form(EnsembleLoss::kMse));
  dealt.make_linear();
  dealt.constants.method = PlanMethod::kRandom;
  dealt.constants.propagation = Propagation::kTs1;
  dealt.constants.population = 1;
  dealt.constants.particles = 2;
  dealt.constants.horizon = 2;
  dealt.bias(1, 2, 32.0f);
  dealt.observation = {0.0f, 0.0f, 0.0f};
  PlanBench deals(on(), {&dealt}, {1, 1, 2, 2});
  std::vector<float> costs;
  for (int i = 0; i < 100; ++i, ++dealt.step[0])
    costs.push_back(std::round(deals.run()[0].reports[0].mean_cost));
  EXPECT_GT(std::count(costs.begin(), costs.end(), costs[0]), 20);
  EXPECT_LT(std::count(costs.begin(), costs.end(), costs[0]), 80);
  expect_draws("kPlanParticle: particles that change their members", costs, 3296360613u);

  PlanLearner noisy(1, plan_form(EnsembleLoss::kGaussianNll, OutputMap::kAbsolute));
  noisy.make_linear();
  noisy.constants.method = PlanMethod::kRandom;
  noisy.constants.population = 1;
  noisy.constants.particles = 1;
  noisy.constants.horizon = 1;
  // a standard deviation of a thousand, of which the cost shows the whole numbers
  noisy.model.max_logvar()[0] = 100.0f;
  noisy.bias(0, 3, 2.0f * std::log(1000.0f));
  for (const int other : {4, 5}) noisy.bias(0, other, -60.0f);
  PlanBench noise(on(), {&noisy}, {1, 1, 1, 1});
  std::vector<float> drawn;
  for (int i = 0; i < 50; ++i, ++noisy.step[0])
    drawn.push_back(std::round(0.05f * noise.run()[0].reports[0].mean_cost));
  expect_draws("kPlanNoise: costs of what is predicted", drawn, 3234148003u);
}

INSTANTIATE_TEST_SUITE_P(Devices, PlanTest, testing::ValuesIn(available_devices()), ParamName());

}  // namespace
}  // namespace mbrl
