// Tests for kernels/stages/ensemble/ensemble_step.cu: the GPU against its CPU twin.
#include <gtest/gtest.h>

#include <tuple>

#include "base/error.h"
#include "kernels/stages/ensemble/ensemble_step.h"
#include "tests/support/devices.h"
#include "tests/support/problems.h"

namespace mbrl {
namespace {

// the same problem on both devices
struct Problem : EnsembleProblem {
  EnsembleState& cpu = state;
  EnsembleState gpu;
  Buffer<float> device_records;
  Buffer<std::uint32_t> device_rows;

  Problem(int num_members, int rows_of_each, int hidden = 24, int layers = 2,
          const EnsembleForm& form = {})
      : EnsembleProblem(num_members, rows_of_each, hidden, layers, form),
        gpu(copy_to(Memory::kDevice, state)),
        device_records(on_device(records)),
        device_rows(copy_to(Memory::kDevice, rows)) {}
  EnsembleEpoch run_cpu(Stream& stream, EnsembleWorkspace& workspace, int batch) {
    return ensemble_epoch(stream, cpu, view(), EnsembleProblem::batch(), batch, constants,
                          workspace);
  }
  EnsembleEpoch run_gpu(
      Stream& stream, EnsembleWorkspace& workspace, int batch,
      const std::function<bool()>& should_stop = [] { return false; }) {
    return ensemble_epoch(stream, gpu, view(device_records),
                          EnsembleProblem::batch(device_rows.data()), batch, constants, workspace,
                          should_stop);
  }
};

// largest relative error over all parameters that a step changes
double state_error(const EnsembleState& gpu, const EnsembleState& cpu) {
  double worst = 0.0;
  const auto compare = [&](const TrainedParameters& a, const TrainedParameters& b) {
    for (const double error :
         {relative_error(a.value, b.value), relative_error(a.m, b.m), relative_error(a.v, b.v)})
      worst = error <= worst ? worst : error;
  };
  compare(gpu.members, cpu.members);
  if (cpu.num_shared() > 0) compare(gpu.logvar_bounds, cpu.logvar_bounds);
  return worst;
}

class EnsembleGpuTest : public GpuTest,
                        public testing::WithParamInterface<std::tuple<int, Products>> {};

TEST_P(EnsembleGpuTest, OneStepIsThatOfTheCpu) {
  const auto [batch, products] = GetParam();
  if (const std::string why = products.missing(); !why.empty()) GTEST_SKIP() << why;
  unless_refused([&] {
    for (const int members : {1, 3}) {
      Problem p(members, batch);
      TwinStreams streams;
      streams.gpu.set_precision(products.precision);
      EnsembleWorkspace cpu(streams.cpu, p.cpu, batch),
          gpu(streams.gpu, p.gpu, batch, products.provider);
      const EnsembleEpoch wanted = p.run_cpu(streams.cpu, cpu, batch);
      const EnsembleEpoch got = p.run_gpu(streams.gpu, gpu, batch);
      EXPECT_EQ(got.steps, 1);
      const double allowed = step_tolerance(products.precision);
      EXPECT_NEAR(got.loss, wanted.loss, allowed * std::abs(wanted.loss));
      EXPECT_LT(state_error(p.gpu, p.cpu), 2.0 * allowed) << members << " members";
    }
  });
}

// Adam's first moments hold a tenth of the gradient
using EnsembleFp16GpuTest = GpuTest;

TEST_F(EnsembleFp16GpuTest, SmallGradientsReachTheFirstLayer) {
  for (const GemmProvider provider : {GemmProvider::kFused, GemmProvider::kCublasLt}) {
    const Products products{Precision::kFp16, provider};
    if (!products.missing().empty()) continue;
    unless_refused([&] {
      Problem p(2, 64, 24, 3, {EnsembleLoss::kMse});
      p.constants.weight_decay = {0.0f, 0.0f, 0.0f, 0.0f};
      // through this layer gradients of a 256th shrink to 4e-7, where fp16 has room for seven steps
      const LayerLayout& last = p.cpu.layout.layers.back();
      for (int e = 0; e < 2; ++e)
        for (std::size_t i = last.weight; i < last.bias; ++i) p.cpu.member(e)[i] *= 1e-3f;
      p.gpu = copy_to(Memory::kDevice, p.cpu);
      TwinStreams streams;
      streams.gpu.set_precision(Precision::kFp16);
      EnsembleWorkspace cpu(streams.cpu, p.cpu, 64), gpu(streams.gpu, p.gpu, 64, provider);
      p.run_cpu(streams.cpu, cpu, 64);
      p.run_gpu(streams.gpu, gpu, 64);
      const std::vector<float> got = to_host(p.gpu.members.m);
      for (const LayerLayout& layer : p.cpu.layout.layers) {
        const auto of = [&](const float* m) {
          return std::vector<float>(m + layer.weight, m + layer.bias);
        };
        EXPECT_LT(relative_error(of(got.data()), of(p.cpu.members.m.data())), 1e-2)
            << products.name() << ", layer of " << layer.out << " x " << layer.in;
      }
    });
  }
}

const auto name_of_step = [](const auto& test) {
  return "batch" + std::to_string(std::get<0>(test.param)) + "_" + std::get<1>(test.param).name();
};
INSTANTIATE_TEST_SUITE_P(Sizes, EnsembleGpuTest,
                         testing::Combine(testing::Values(1, 17, 31, 33),
                                          testing::ValuesIn(kAllProducts)),
                         name_of_step);
// more stages of the batch than shared memory holds at once, the last of three rows
INSTANTIATE_TEST_SUITE_P(ManyStages, EnsembleGpuTest,
                         testing::Combine(testing::Values(6 * 64 + 3),
                                          testing::ValuesIn(kFusedInEachFormat)),
                         name_of_step);

class EnsembleFormatGpuTest : public FormatGpuTest {};
INSTANTIATE_TEST_SUITE_P(Formats, EnsembleFormatGpuTest, testing::ValuesIn(kAllPrecisions),
                         [](const auto& test) { return std::string(precision_name(test.param)); });

// within an epoch each step's rounded copies of the weights are those that the next one reads
TEST_P(EnsembleFormatGpuTest, AnEpochOfManyStepsIsAsManyEpochs) {
  constexpr int kSteps = 3, kBatch = 8;
  Problem epoch(2, kSteps * kBatch), epochs(2, kSteps * kBatch);
  TwinStreams a, b;
  a.gpu.set_precision(GetParam());
  b.gpu.set_precision(GetParam());
  EnsembleWorkspace at_once(a.gpu, epoch.gpu, kBatch), one_by_one(b.gpu, epochs.gpu, kBatch);
  epoch.run_gpu(a.gpu, at_once, kBatch);
  for (int step = 0; step < kSteps; ++step) {
    std::vector<std::uint32_t> rows;
    for (int e = 0; e < 2; ++e)
      for (int i = 0; i < kBatch; ++i)
        rows.push_back(epochs.rows[static_cast<std::size_t>((e * kSteps + step) * kBatch + i)]);
    const Buffer<std::uint32_t> on_gpu = copy_to(Memory::kDevice, rows);
    ensemble_epoch(b.gpu, epochs.gpu, epochs.view(epochs.device_records),
                   {on_gpu.data(), 2, kBatch}, kBatch, epochs.constants, one_by_one);
  }
  EXPECT_EQ(state_error(epoch.gpu, epochs.gpu), 0.0);
}

class EnsembleProviderGpuTest : public GpuTest, public testing::WithParamInterface<Products> {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (const std::string why = GetParam().missing(); !why.empty()) GTEST_SKIP() << why;
  }
};

TEST_P(EnsembleProviderGpuTest, AnEpochOfManyStepsEndsWithAPartOfABatch) {
  unless_refused([&] {
    // 21 steps, more than a graph holds; the last one on 5 rows
    Problem p(2, 20 * 8 + 5);
    TwinStreams streams;
    streams.gpu.set_precision(GetParam().precision);
    EnsembleWorkspace cpu(streams.cpu, p.cpu, 8), gpu(streams.gpu, p.gpu, 8, GetParam().provider);
    for (int epoch = 0; epoch < 2; ++epoch) {
      const EnsembleEpoch wanted = p.run_cpu(streams.cpu, cpu, 8);
      const EnsembleEpoch got = p.run_gpu(streams.gpu, gpu, 8);
      EXPECT_EQ(got.steps, 21);
      EXPECT_EQ(wanted.steps, 21);
      EXPECT_NEAR(got.loss, wanted.loss, 1e-2 * std::abs(wanted.loss));
    }
    EXPECT_EQ(p.gpu.num_steps, 42);
    EXPECT_LT(relative_error(p.gpu.members.value, p.cpu.members.value),
              GetParam().precision == Precision::kFp32 ? 1e-3 : 2e-2);
  });
}

// another loss, and other inputs and targets, fused and layer by layer
TEST_P(EnsembleProviderGpuTest, OtherFormsAreThoseOfTheCpu) {
  unless_refused([&] {
    const double allowed = step_tolerance(GetParam().precision);
    for (const EnsembleForm& form :
         {EnsembleForm{EnsembleLoss::kMse},
          EnsembleForm{EnsembleLoss::kMse,
                       {.input = InputMap::kBackward, .output = OutputMap::kAbsolute}},
          EnsembleForm{EnsembleLoss::kGaussianNll, {.reward = false, .end = EndTarget::kNumber}},
          EnsembleForm{EnsembleLoss::kGaussianNll, {.end = EndTarget::kLogit}},
          EnsembleForm{EnsembleLoss::kMse, {.reward = false, .end = EndTarget::kLogit}}}) {
      Problem p(2, 33, 24, 2, form);
      TwinStreams streams;
      streams.gpu.set_precision(GetParam().precision);
      EnsembleWorkspace cpu(streams.cpu, p.cpu, 33),
          gpu(streams.gpu, p.gpu, 33, GetParam().provider);
      const EnsembleEpoch wanted = p.run_cpu(streams.cpu, cpu, 33);
      const EnsembleEpoch got = p.run_gpu(streams.gpu, gpu, 33);
      EXPECT_NEAR(got.loss, wanted.loss, allowed * std::abs(wanted.loss));
      EXPECT_LT(state_error(p.gpu, p.cpu), 2.0 * allowed);
      std::vector<double> wanted_mse(2), got_mse(2);
      ensemble_holdout_mse(streams.cpu, p.cpu, p.view(), {p.rows.data(), 33}, wanted_mse, cpu);
      ensemble_holdout_mse(streams.gpu, p.gpu, p.view(p.device_records), {p.device_rows.data(), 33},
                           got_mse, gpu);
      for (std::size_t e = 0; e < 2; ++e)
        EXPECT_NEAR(got_mse[e], wanted_mse[e], 5.0 * allowed * wanted_mse[e]);
    }
  });
}

TEST_P(EnsembleProviderGpuTest, AGraphRepeatsWhatTheEagerLaunchesDo) {
  unless_refused([&] {
    Problem graph(2, 70), eager(2, 70);
    TwinStreams with, without;
    with.gpu.set_precision(GetParam().precision);
    without.gpu.set_precision(GetParam().precision);
    without.gpu.set_use_graphs(false);
    EnsembleWorkspace a(with.gpu, graph.gpu, 16, GetParam().provider),
        b(without.gpu, eager.gpu, 16, GetParam().provider);
    for (int epoch = 0; epoch < 4; ++epoch)
      EXPECT_EQ(graph.run_gpu(with.gpu, a, 16).loss, eager.run_gpu(without.gpu, b, 16).loss);
    EXPECT_EQ(to_host(graph.gpu.members.value), to_host(eager.gpu.members.value));
    EXPECT_EQ(to_host(graph.gpu.logvar_bounds.v), to_host(eager.gpu.logvar_bounds.v));
  });
}

INSTANTIATE_TEST_SUITE_P(Providers, EnsembleProviderGpuTest, testing::ValuesIn(kOneOfEachProvider),
                         [](const auto& test) { return test.param.name(); });

using EnsembleEpochGpuTest = GpuTest;

TEST_F(EnsembleEpochGpuTest, AStopEndsTheEpochBetweenGraphs) {
  Problem p(1, 40 * 4);
  TwinStreams streams;
  EnsembleWorkspace gpu(streams.gpu, p.gpu, 4);
  int asked = 0;
  const EnsembleEpoch epoch = p.run_gpu(streams.gpu, gpu, 4, [&] { return ++asked > 2; });
  EXPECT_TRUE(epoch.stopped);
  EXPECT_EQ(epoch.steps, 32);
  EXPECT_EQ(p.gpu.num_steps, 32);
}

TEST_F(EnsembleEpochGpuTest, AnyArrayOfTheStateMayMoveBetweenCalls) {
  Problem p(2, 24);
  TwinStreams streams;
  EnsembleWorkspace cpu(streams.cpu, p.cpu, 8), gpu(streams.gpu, p.gpu, 8);
  EnsembleState& state = p.gpu;
  move_each(
      {&state.members.value, &state.members.m, &state.members.v, &state.logvar_bounds.value,
       &state.logvar_bounds.m, &state.logvar_bounds.v, &state.input_mean, &state.input_inv_std},
      [&] {
        p.run_cpu(streams.cpu, cpu, 8);
        p.run_gpu(streams.gpu, gpu, 8);
      });
  EXPECT_LT(state_error(p.gpu, p.cpu), 1e-3);
}

TEST_F(EnsembleEpochGpuTest, AnotherDecayOrPenaltyIsRecordedAnew) {
  Problem p(2, 24);
  TwinStreams streams;
  EnsembleWorkspace cpu(streams.cpu, p.cpu, 8), gpu(streams.gpu, p.gpu, 8);
  const auto epochs = [&](const char* what) {
    for (int epoch = 0; epoch < 2; ++epoch) {
      p.run_cpu(streams.cpu, cpu, 8);
      p.run_gpu(streams.gpu, gpu, 8);
      EXPECT_LT(state_error(p.gpu, p.cpu), 1e-3) << what;
    }
  };
  epochs("as they are");
  p.constants.weight_decay.front() *= 30.0f;
  epochs("the first layer's decay");
  p.constants.weight_decay.back() *= 30.0f;
  epochs("the last layer's decay");
  p.constants.logvar_penalty *= 30.0f;
  epochs("the penalty");
}

TEST_F(EnsembleEpochGpuTest, NanStopsAndNamesTheStep) {
  Problem p(1, 24);
  p.records[p.rows[17] * static_cast<std::size_t>(p.layout.pitch()) + p.layout.reward()] =
      std::numeric_limits<float>::quiet_NaN();
  p.device_records = on_device(p.records);
  // the row of the NaN may be drawn earlier too
  int first = 0;
  while (p.rows[static_cast<std::size_t>(first)] != p.rows[17]) ++first;
  TwinStreams streams;
  EnsembleWorkspace gpu(streams.gpu, p.gpu, 8);
  EXPECT_THAT(
      error_text<DataError>([&] { p.run_gpu(streams.gpu, gpu, 8); }),
      testing::HasSubstr("ensemble: loss is nan at model step " + std::to_string(first / 8)));
}

class HoldoutGpuTest : public FormatGpuTest {};

TEST_P(HoldoutGpuTest, ErrorIsThatOfTheCpu) {
  Problem p(3, 16, 40, 3);
  TwinStreams streams;
  streams.gpu.set_precision(GetParam());
  const double allowed = GetParam() == Precision::kFp32 ? 2e-6 : step_tolerance(GetParam());
  EnsembleWorkspace cpu(streams.cpu, p.cpu, 16), gpu(streams.gpu, p.gpu, 16);
  for (const int count : {1, 15, 33, 48}) {
    std::vector<double> wanted(3), got(3, -1.0);
    ensemble_holdout_mse(streams.cpu, p.cpu, p.view(), {p.rows.data(), count}, wanted, cpu);
    ensemble_holdout_mse(streams.gpu, p.gpu, p.view(p.device_records),
                         {p.device_rows.data(), count}, got, gpu);
    for (std::size_t e = 0; e < 3; ++e)
      EXPECT_NEAR(got[e], wanted[e], allowed * wanted[e]) << count;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, HoldoutGpuTest, testing::ValuesIn(kAllPrecisions),
                         [](const auto& test) { return std::string(precision_name(test.param)); });

}  // namespace
}  // namespace mbrl
