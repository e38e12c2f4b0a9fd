// Tests for permutations, moments, products and advantages on a GPU, each against its CPU twin.
#include <gtest/gtest.h>

#include "kernels/data/ended.h"
#include "kernels/data/permutation.h"
#include "kernels/networks/initialize.h"
#include "kernels/networks/normalizer.h"
#include "kernels/stages/ppo/gae.h"
#include "tests/support/gpu.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

using OperationsGpuTest = GpuTest;
const RandomKey kKey{3, purpose::kShuffle, 1};

TEST_F(OperationsGpuTest, PermutationsAreThoseOfTheCpu) {
  TwinStreams streams;
  for (const std::size_t n : {1u, 31u, 257u, 5000u}) {
    Buffer<std::uint32_t> wanted(n), got(n, Memory::kDevice);
    PermutationScratch cpu, gpu;
    random_permutation(streams.cpu, {wanted.data(), n}, kKey, 4, 2, cpu);
    random_permutation(streams.gpu, {got.data(), n}, kKey, 4, 2, gpu);
    EXPECT_EQ(to_host(got), to_host(wanted)) << n;
  }
}

TEST_F(OperationsGpuTest, BootstrapsAndShufflesAreThoseOfTheCpu) {
  TwinStreams streams;
  for (const int n : {1, 33, 1000}) {
    const std::size_t size = 3u * static_cast<std::size_t>(n);
    Buffer<std::uint32_t> from(50), drawn(size), shuffled(size);
    for (std::uint32_t i = 0; i < 50; ++i) from[i] = 900 - i;
    Buffer<std::uint32_t> gpu_from(50, Memory::kDevice), gpu_drawn(size, Memory::kDevice),
        gpu_shuffled(size, Memory::kDevice);
    from_host(gpu_from, to_host(from));
    std::vector<PermutationScratch> cpu, gpu;

    draw_rows(streams.cpu, {drawn.data(), 3, n}, {from.data(), 50}, kKey, 8);
    draw_rows(streams.gpu, {gpu_drawn.data(), 3, n}, {gpu_from.data(), 50}, kKey, 8);
    EXPECT_EQ(to_host(gpu_drawn), to_host(drawn));
    shuffle_rows(streams.cpu, {shuffled.data(), 3, n}, {drawn.data(), 3, n}, kKey, 9, cpu);
    shuffle_rows(streams.gpu, {gpu_shuffled.data(), 3, n}, {gpu_drawn.data(), 3, n}, kKey, 9, gpu);
    EXPECT_EQ(to_host(gpu_shuffled), to_host(shuffled));
  }
}

TEST_F(OperationsGpuTest, MomentsAreThoseOfTheCpu) {
  TwinStreams streams;
  // more inputs than a row of threads, rows in three chunks, one constant input
  const TransitionLayout layout{35, 2};
  constexpr int kInputs = 37, kRows = 9000;
  const auto pitch = static_cast<std::size_t>(layout.pitch());
  Buffer<float> records(kRows * pitch);
  for (std::size_t i = 0; i < records.size(); ++i)
    records[i] =
        i % pitch == 5 ? 3.0f : 100.0f + normal(kKey, i / pitch, 0, static_cast<int>(i % pitch));
  const Buffer<float> gpu_records = on_device(records);
  Buffer<std::uint32_t> indices(kRows), gpu_indices(kRows, Memory::kDevice);
  for (std::uint32_t i = 0; i < kRows; ++i) indices[i] = (i * 7919u) % kRows;
  from_host(gpu_indices, to_host(indices));
  Buffer<float> mean(kInputs), inv_std(kInputs);
  Buffer<float> gpu_mean(kInputs, Memory::kDevice), gpu_inv_std(kInputs, Memory::kDevice);
  Buffer<double> scratch, gpu_scratch;
  for (const InputMap input : {InputMap::kForward, InputMap::kBackward}) {
    fit_normalizer(streams.cpu, {records.data(), layout, kRows}, {.input = input},
                   {indices.data(), kRows}, {mean.data(), kInputs}, {inv_std.data(), kInputs},
                   1e-6f, scratch);
    fit_normalizer(streams.gpu, {gpu_records.data(), layout, kRows}, {.input = input},
                   {gpu_indices.data(), kRows}, {gpu_mean.data(), kInputs},
                   {gpu_inv_std.data(), kInputs}, 1e-6f, gpu_scratch);
    EXPECT_LT(relative_error(gpu_mean, mean), 1e-7);
    EXPECT_LT(relative_error(gpu_inv_std, inv_std), 1e-7);
    EXPECT_EQ(to_host(gpu_inv_std)[5] == 1.0f, input == InputMap::kForward);
  }
}

TEST_F(OperationsGpuTest, EndedRowsAreThoseOfTheCpu) {
  TwinStreams streams;
  const TransitionLayout layout{3, 2};
  constexpr std::uint32_t kRows = 700;
  const auto pitch = static_cast<std::size_t>(layout.pitch());
  Buffer<float> records(kRows * pitch, 7.0f);
  for (std::size_t i = 0; i < kRows; ++i)
    records[i * pitch + static_cast<std::size_t>(layout.terminated())] = i % 5 == 2 ? 1.0f : 0.0f;
  const Buffer<float> gpu_records = on_device(records);
  Buffer<std::uint32_t> indices(301), gpu_indices(301, Memory::kDevice);
  for (std::uint32_t i = 0; i < 301; ++i) indices[i] = (i * 599u) % kRows;
  from_host(gpu_indices, to_host(indices));
  Buffer<float> wanted(301), got(301, -1.0f, Memory::kDevice);
  gather_ended(streams.cpu, {records.data(), layout, kRows}, {indices.data(), 301},
               {wanted.data(), 301});
  gather_ended(streams.gpu, {gpu_records.data(), layout, kRows}, {gpu_indices.data(), 301},
               {got.data(), 301});
  EXPECT_EQ(to_host(got), to_host(wanted));
}

TEST_F(OperationsGpuTest, CopiesKeepTheOrderOfTheStream) {
  TwinStreams streams;
  Buffer<float> device(4, 1.0f, Memory::kDevice), other(4, Memory::kDevice);
  std::vector<float> host(4, 5.0f);
  copy(streams.gpu, device.data(), host.data(), 2);
  copy(streams.gpu, other.data(), device.data(), 4);
  copy(streams.gpu, host.data(), other.data(), 4);
  streams.gpu.synchronize();
  EXPECT_EQ(host, (std::vector<float>{5, 5, 1, 1}));
}

/// An array on both devices with the same random contents.
struct Twin {
  Buffer<float> cpu, gpu;
  int rows, columns;

  Twin(int num_rows, int num_columns, std::uint32_t seed, float scale = 1.0f)
      : cpu(static_cast<std::size_t>(num_rows) * static_cast<std::size_t>(num_columns)),
        rows(num_rows),
        columns(num_columns) {
    for (std::size_t i = 0; i < cpu.size(); ++i)
      cpu[i] = scale * normal(RandomKey{seed, purpose::kInit, 0}, i, 0, 0);
    gpu = on_device(cpu);
  }
  Matrix<float> matrix(Stream& stream) {
    return {(stream.on_gpu() ? gpu : cpu).data(), rows, columns};
  }
  Vector<float> vector(Stream& stream) {
    return {(stream.on_gpu() ? gpu : cpu).data(), rows * columns};
  }
  double error() const { return relative_error(gpu, cpu); }
};

// runs `operation` on both streams
template <typename Operation>
void on_both(TwinStreams& streams, Operation operation) {
  operation(streams.cpu);
  operation(streams.gpu);
  streams.gpu.synchronize();
}

class OperationsSizesGpuTest : public GpuTest, public testing::WithParamInterface<int> {};

TEST_P(OperationsSizesGpuTest, AdvantagesAreThoseOfTheCpu) {
  const int N = GetParam();
  constexpr int kSteps = 9;
  TwinStreams streams;
  Twin reward(kSteps, N, 1), value(kSteps, N, 2), next_value(kSteps, N, 3);
  Twin terminated(kSteps, N, 4), truncated(kSteps, N, 5), advantage(kSteps, N, 6);
  Twin target(kSteps, N, 7);
  for (std::size_t i = 0; i < terminated.cpu.size(); ++i) {
    terminated.cpu[i] = i % 7 == 3 ? 1.0f : 0.0f;
    truncated.cpu[i] = i % 5 == 2 ? 1.0f : 0.0f;
  }
  terminated.gpu = on_device(terminated.cpu);
  truncated.gpu = on_device(truncated.cpu);
  on_both(streams, [&](Stream& s) {
    gae(s, advantage.matrix(s), target.matrix(s),
        {reward.matrix(s), value.matrix(s), next_value.matrix(s), terminated.matrix(s),
         truncated.matrix(s)},
        0.99f, 0.95f);
  });
  EXPECT_EQ(to_host(advantage.gpu), to_host(advantage.cpu));
  EXPECT_EQ(to_host(target.gpu), to_host(target.cpu));
}

INSTANTIATE_TEST_SUITE_P(Sizes, OperationsSizesGpuTest, testing::Values(1, 31, 33, 257));

}  // namespace
}  // namespace mbrl
