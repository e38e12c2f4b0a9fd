#include "host/bench/peaks.h"

#include <algorithm>
#include <vector>

#include "cuda/buffer.h"
#include "host/bench/products.h"
#include "host/bench/time_in_graph.h"
#include "kernels/cpu/blas.h"
#include "kernels/cpu/tile_mlp.h"
#include "kernels/data/permutation.h"

namespace mbrl {

void measure_cpu_peaks(Stream& stream, double seconds, BenchReport& report) {
  ThreadPool& pool = stream.pool();
  const int threads = pool.num_threads();
  const auto peak = [&](const char* name, const auto& kernels, int flop_of_a_lane) {
    constexpr int kRounds = 100000;
    const Timing time = measure(
        [&] { pool.parallel_for(threads, [&](int) { (void)kernels.multiply_add(kRounds); }); },
        seconds);
    const double flop =
        static_cast<double>(flop_of_a_lane) * kernels.lanes * kPeakChains * kRounds * threads;
    report.peaks().flops = flop / time.low;
    const bool in_fp32 = flop_of_a_lane == 2;
    if (in_fp32) report.peaks().flops_fp32 = report.peaks().flops;
    report.add({name, "registers, each thread", "GFLOP/s", kernels.name, time, flop / 1e9, flop,
                0.0, 0.0, in_fp32});
  };
  // the last one is what the stages are measured by
  const bool bf16 = multiplies_bf16(stream);
  peak("fma peak", simd(), 2);
  if (bf16) peak("bf16 peak", bf16_kernels(), 4);

  constexpr int n = 256, repeats = 20;
  std::vector<Buffer<float>> a, b, c;
  for (int i = 0; i < threads; ++i) {
    a.emplace_back(n * n, 0.5f);
    b.emplace_back(n * n, 0.25f);
    c.emplace_back(n * n, 0.0f);
  }
  const Timing time = measure(
      [&] {
        pool.parallel_for(threads, [&](int i) {
          for (int r = 0; r < repeats; ++r)
            gemm({c[i].data(), n, n}, {a[i].data(), n, n}, false, {b[i].data(), n, n}, true);
        });
      },
      seconds);
  const double flop = 2.0 * n * n * n * repeats * threads;
  report.add({"gemm", "256x256x256 per thread", "GFLOP/s", "oneDNN", time, flop / 1e9, flop, 0.0,
              0.0,
              /*in_fp32=*/true});

  const MlpLayout layout = make_mlp_layout({n, n, n});
  Buffer<float> parameters(layout.size, 0.01f);
  std::vector<TileMlp> mlp;
  for (int i = 0; i < threads; ++i)
    mlp.emplace_back(layout, Activation::kRelu, 8, false, nullptr, bf16);
  std::vector<Bf16Weights> copies = make_bf16_weights(bf16, layout, 1);
  for (Bf16Weights& copy : copies) copy.refresh(parameters.data());
  const NetworkWeights weights(parameters.data(), bf16_of(copies, 0));
  const Timing tile_time = measure(
      [&] {
        pool.parallel_for(threads, [&](int i) {
          for (int r = 0; r < repeats / 2; ++r)
            for (int tile = 0; tile < 8; ++tile) mlp[i].forward(weights, tile);
        });
      },
      seconds);
  report.add({"dense + relu", "256x256x256 per thread", "GFLOP/s",
              bf16 ? bf16_kernels().name : simd().name, tile_time, flop / 1e9, flop});
}

void measure_gpu_peaks(Stream& stream, double seconds, BenchReport& report) {
  constexpr int kNodes = 1000;
  Buffer<std::uint32_t> one(2, 0, Memory::kDevice, "benchmark");
  const Timing chain = time_in_graph(stream, kNodes, seconds, [&] {
    draw_rows(stream, {one.data(), 1, 1}, {one.data() + 1, 1}, RandomKey{}, 0);
  });
  report.add({"launch", "one thread, in a graph", "launches/s", "cuda", chain, kNodes});
  report.peaks().seconds_launch = chain.low / kNodes;

  constexpr std::size_t kFloats = std::size_t{64} << 20;
  const Buffer<float> from(kFloats, 0.0f, Memory::kDevice, "benchmark copy");
  Buffer<float> to(kFloats, 0.0f, Memory::kDevice, "benchmark copy");
  constexpr int kCopies = 16;  // the wait for their end counts a sixteenth
  const Timing copy_time = time_in_graph(stream, kCopies, seconds,
                                         [&] { copy(stream, to.data(), from.data(), kFloats); });
  const double bytes = 2.0 * kCopies * kFloats * sizeof(float);
  report.add({"copy", "256 MiB", "GB/s", "cuda", copy_time, bytes / 1e9});
  report.peaks().bytes = bytes / copy_time.low;

  constexpr int n = 4096;
  double best = 0.0;
  for (const GemmProvider provider : product_providers())
    if (const auto time = time_product(stream, provider, {n, n, n}, 1, seconds, report))
      best = std::max(best, 2.0 * n * n * n / time->low);
  report.peaks().flops = best;
  if (stream.precision() == Precision::kFp32) report.peaks().flops_fp32 = best;
}

}  // namespace mbrl
