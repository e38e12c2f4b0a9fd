// Tests for kernels/stages/ensemble/ensemble_step.cu: the GPU against its CPU twin.
#include <gtest/gtest.h>

#include <tuple>

#include "base/error.h"
#include "kernels/networks/initialize.h"
#include "kernels/stages/ensemble/ensemble_step.h"
#include "tests/support/gpu.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

constexpr int kS = 3, kA = 2, kRecords = 90;
const TransitionLayout kLayout{kS, kA};

// the same problem on both devices
struct Problem {
  Buffer<float> records{static_cast<std::size_t>(kRecords) * kLayout.pitch(), 0.0f};
  Buffer<float> device_records;
  Buffer<std::uint32_t> rows, device_rows;
  EnsembleState cpu, gpu;
  EnsembleConstants constants;
  int members, num_rows;

  Problem(int num_members, int rows_of_each, int hidden = 24, int layers = 2)
      : rows(static_cast<std::size_t>(num_members) * rows_of_each),
        device_rows(rows.size(), Memory::kDevice),
        cpu(num_members, kLayout, hidden, layers),
        gpu(num_members, kLayout, hidden, layers, Memory::kDevice),
        members(num_members),
        num_rows(rows_of_each) {
    const RandomKey key{5, purpose::kInit, 0};
    for (int row = 0; row < kRecords; ++row)
      for (int i = 0; i < kLayout.next_observation() + kS; ++i)
        records[static_cast<std::size_t>(row) * kLayout.pitch() + i] =
            normal(key, static_cast<std::uint64_t>(row), 1, i);
    device_records = on_device(records);
    for (std::size_t i = 0; i < rows.size(); ++i)
      rows[i] = uniform_index(key.bits(3, static_cast<std::uint32_t>(i)).x, kRecords);
    from_host(device_rows, to_host(rows));

    // bounds close to the raw outputs, so that both sides bend; a scaler that does something
    init_ensemble(cpu, 9, 0, 0.5f, -1.0f);
    for (int i = 0; i < kS + kA; ++i) {
      cpu.input_mean[i] = 0.1f * static_cast<float>(i);
      cpu.input_inv_std[i] = 1.0f + 0.2f * static_cast<float>(i);
    }
    from_host(gpu.members.value, to_host(cpu.members.value));
    from_host(gpu.logvar_bounds.value, to_host(cpu.logvar_bounds.value));
    from_host(gpu.input_mean, to_host(cpu.input_mean));
    from_host(gpu.input_inv_std, to_host(cpu.input_inv_std));
    for (int i = 0; i <= layers; ++i) constants.weight_decay.push_back(0.01f * (i + 1.0f));
  }
  EnsembleEpoch run_cpu(Stream& stream, EnsembleWorkspace& workspace, int batch) {
    return ensemble_epoch(stream, cpu, {records.data(), kLayout, kRecords},
                          {rows.data(), members, num_rows}, batch, constants, workspace);
  }
  EnsembleEpoch run_gpu(
      Stream& stream, EnsembleWorkspace& workspace, int batch,
      const std::function<bool()>& should_stop = [] { return false; }) {
    return ensemble_epoch(stream, gpu, {device_records.data(), kLayout, kRecords},
                          {device_rows.data(), members, num_rows}, batch, constants, workspace,
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
  compare(gpu.logvar_bounds, cpu.logvar_bounds);
  return worst;
}

class EnsembleGpuTest : public GpuTest,
                        public testing::WithParamInterface<std::tuple<int, Products>> {};

TEST_P(EnsembleGpuTest, OneStepIsThatOfTheCpu) {
  const auto [batch, products] = GetParam();
  if (const std::string why = products.missing(); !why.empty()) GTEST_SKIP() << why;
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
}

INSTANTIATE_TEST_SUITE_P(Sizes, EnsembleGpuTest,
                         testing::Combine(testing::Values(1, 17, 31, 33),
                                          testing::ValuesIn(kAllProducts)),
                         [](const auto& test) {
                           return "batch" + std::to_string(std::get<0>(test.param)) + "_" +
                                  std::get<1>(test.param).name();
                         });

class EnsembleProviderGpuTest : public GpuTest, public testing::WithParamInterface<Products> {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (const std::string why = GetParam().missing(); !why.empty()) GTEST_SKIP() << why;
  }
};

TEST_P(EnsembleProviderGpuTest, AnEpochOfManyStepsEndsWithAPartOfABatch) {
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
}

TEST_P(EnsembleProviderGpuTest, AGraphRepeatsWhatTheEagerLaunchesDo) {
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

TEST_F(EnsembleEpochGpuTest, NanStopsAndNamesTheStep) {
  Problem p(1, 24);
  p.records[p.rows[17] * static_cast<std::size_t>(kLayout.pitch()) + kLayout.reward()] =
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
    ensemble_holdout_mse(streams.cpu, p.cpu, {p.records.data(), kLayout, kRecords},
                         {p.rows.data(), count}, wanted, cpu);
    ensemble_holdout_mse(streams.gpu, p.gpu, {p.device_records.data(), kLayout, kRecords},
                         {p.device_rows.data(), count}, got, gpu);
    for (std::size_t e = 0; e < 3; ++e)
      EXPECT_NEAR(got[e], wanted[e], allowed * wanted[e]) << count;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, HoldoutGpuTest, testing::ValuesIn(kAllPrecisions),
                         [](const auto& test) { return std::string(precision_name(test.param)); });

}  // namespace
}  // namespace mbrl
