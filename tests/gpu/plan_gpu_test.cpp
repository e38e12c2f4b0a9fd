// Tests for kernels/stages/plan/plan.cu: the GPU against its CPU twin in every format, tiles of
// every size, graphs and kernel by kernel, arrays that move.
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "kernels/stages/check/twin_check.h"
#include "kernels/stages/plan/plan.h"
#include "tests/support/gpu.h"
#include "tests/support/planning.h"
#include "tests/support/problems.h"

namespace mbrl {
namespace {

PlanLearner random_learner(int members, int hidden = 20, int layers = 2) {
  PlanLearner l(members, plan_form(EnsembleLoss::kGaussianNll), hidden, layers);
  for (int e = 0; e < members; ++e)
    random_biases(l.model.layout, l.model.member(e), {5, purpose::kInit, 0}, e, 0.5f);
  for (int i = 0; i < l.model.num_inputs(); ++i) {
    l.model.input_mean[i] = 0.1f * static_cast<float>(i);
    l.model.input_inv_std[i] = 1.0f + 0.2f * static_cast<float>(i);
  }
  for (int i = 0; i < PlanLearner::kS; ++i) {
    l.model.max_logvar()[i] = -1.0f;
    l.model.min_logvar()[i] = -4.0f;
  }
  // means of costs: no candidate is in or out by a rounding
  l.constants.method = PlanMethod::kMppi;
  l.constants.iterations = 2;
  l.constants.temperature = 4.0f;
  l.observe({-0.4f, 0.1f, 0.0f});
  return l;
}

// actions, kept plans and mean costs, which all go through the model
std::vector<float> values(const Planned& p) {
  std::vector<float> all = p.action;
  all.insert(all.end(), p.mean.begin(), p.mean.end());
  for (const PlanReport& r : p.reports) all.insert(all.end(), {r.mean_cost, r.best_cost});
  return all;
}

class PlanGpuTest : public GpuTest,
                    public testing::WithParamInterface<std::tuple<Propagation, Precision>> {};

TEST_P(PlanGpuTest, PlansWhatTheCpuPlans) {
  const auto [propagation, precision] = GetParam();
  if (const std::string why = format_missing(precision); !why.empty()) GTEST_SKIP() << why;
  PlanLearner l = random_learner(3);
  l.constants.propagation = propagation;
  for (const int population : {1, 33}) {
    l.constants.population = population;
    const Planned wanted = plan_once(On::kCpu, l);
    const Planned got = plan_once(On::kGpu, l, 1, precision);
    EXPECT_LT(relative_error(values(got), values(wanted)), step_tolerance(precision));
    EXPECT_LT(relative_error(got.mean, wanted.mean), 2.0 * step_tolerance(precision));
  }
}

std::string mode_name(const testing::TestParamInfo<PlanGpuTest::ParamType>& test) {
  const char* names[] = {"tsinf", "ts1", "e", "ds", "mm"};
  return std::string(names[static_cast<int>(std::get<0>(test.param))]) + "_" +
         precision_name(std::get<1>(test.param));
}

INSTANTIATE_TEST_SUITE_P(Modes, PlanGpuTest,
                         testing::Combine(testing::Values(Propagation::kTsInf, Propagation::kTs1,
                                                          Propagation::kE, Propagation::kDs,
                                                          Propagation::kMm),
                                          testing::ValuesIn(kAllPrecisions)),
                         mode_name);

class WidePlanGpuTest : public FormatGpuTest {};

// so wide that only smaller tiles of rows fit in shared memory
TEST_P(WidePlanGpuTest, PlansWhatTheCpuPlans) {
  for (const int width : {400, 928}) {
    const std::size_t least = 16 * 2 * (static_cast<std::size_t>(width) + 16) * sizeof(float);
    if (gpu::shared_memory_limit() < least) GTEST_SKIP() << "too little shared memory";
    PlanLearner l = random_learner(1, width, 1);
    l.constants.population = 19;
    l.constants.horizon = 2;
    l.constants.iterations = 1;
    const Planned wanted = plan_once(On::kCpu, l);
    const Planned got = plan_once(On::kGpu, l, 1, GetParam());
    EXPECT_LT(relative_error(values(got), values(wanted)), step_tolerance(GetParam()));
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, WidePlanGpuTest, testing::ValuesIn(kAllPrecisions),
                         [](const auto& test) { return std::string(precision_name(test.param)); });

using PlanCallGpuTest = GpuTest;

TEST_F(PlanCallGpuTest, EveryMethodFollowsTheCpuFromStepToStep) {
  for (const PlanMethod method :
       {PlanMethod::kCem, PlanMethod::kRandom, PlanMethod::kMppi, PlanMethod::kIcem}) {
    PlanLearner l = random_learner(2);
    l.constants.method = method;
    l.constants.iterations = 3;
    const PlanLimits limits{2, 24, 4, 4};
    PlanBench cpu(On::kCpu, {&l}, limits), gpu(On::kGpu, {&l}, limits);
    for (int call = 0; call < 3; ++call) {
      const Planned wanted = cpu.run()[0], got = gpu.run()[0];
      EXPECT_LT(relative_error(values(got), values(wanted)), 2e-5);
      EXPECT_EQ(got.reports[0].iterations, wanted.reports[0].iterations);
      EXPECT_EQ(to_host(gpu.state().num_kept), to_host(cpu.state().num_kept));
      EXPECT_LT(relative_error(gpu.state().elites, cpu.state().elites), 2e-5);
      for (std::uint64_t& step : l.step) ++step;
    }
  }
}

TEST_F(PlanCallGpuTest, AGraphRepeatsWhatTheEagerLaunchesDo) {
  PlanLearner l = random_learner(2);
  l.constants.method = PlanMethod::kCem;
  const PlanLimits limits{2, 30, 5, 4};
  PlanBench with(On::kGpu, {&l}, limits), without(On::kGpu, {&l}, limits);
  without.stream().set_use_graphs(false);
  for (int call = 0; call < 6; ++call) {
    EXPECT_EQ(values(with.run()[0]), values(without.run()[0]));
    // all of it may change, and more iterations than before are recorded anew
    for (std::uint64_t& step : l.step) ++step;
    l.constants.population = 30 - call;
    l.constants.iterations = 2 + call % 3;
    l.constants.horizon = 5 - call / 2;
    l.constants.num_elites = 1 + call;
  }
}

TEST_F(PlanCallGpuTest, AnotherCallHasOtherMembersAndArrays) {
  PlanLearner l = random_learner(2);
  const PlanLimits limits{2, 24, 4, 4};
  PlanBench cpu(On::kCpu, {&l}, limits), gpu(On::kGpu, {&l}, limits);
  int calls = 0;
  const auto call = [&] {
    ++calls;
    for (PlanBench* bench : {&cpu, &gpu})
      bench->model().elites = calls % 4 < 2 ? std::vector<int>{1} : std::vector<int>{1, 0};
    EXPECT_LT(relative_error(values(gpu.run()[0]), values(cpu.run()[0])), 2e-5);
    for (std::uint64_t& step : l.step) ++step;
  };
  EnsembleState& on_gpu = gpu.model();
  move_each({&on_gpu.members.value, &on_gpu.logvar_bounds.value, &on_gpu.input_mean,
             &on_gpu.input_inv_std, &gpu.state().mean},
            call);
}

TEST_F(PlanCallGpuTest, ACheckComparesTheFirstStepAndChangesNothing) {
  PlanLearner a = random_learner(2), b = random_learner(2);
  a.constants.method = PlanMethod::kIcem;
  b.constants.propagation = Propagation::kMm;
  b.constants.seed = 8;
  const PlanLimits limits{2, 24, 4, 4};
  ThreadPool pool(1);
  TwinCheck check(pool);
  PlanBench checked(On::kGpu, {&a, &b}, limits, 1, Precision::kFp32, &check);
  PlanBench plain(On::kGpu, {&a, &b}, limits);
  for (int call = 0; call < 2; ++call) {
    const std::vector<Planned> got = checked.run(), wanted = plain.run();
    for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(values(got[i]), values(wanted[i]));
    for (PlanLearner* l : {&a, &b})
      for (std::uint64_t& step : l->step) ++step;
  }
  ASSERT_EQ(check.rows().size(), 1u);
  EXPECT_EQ(check.rows()[0].stage, "plan");
  EXPECT_EQ(check.rows()[0].calls, 4);
  EXPECT_TRUE(check.all_within()) << check.table();
}

}  // namespace
}  // namespace mbrl
