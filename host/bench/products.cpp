#include "host/bench/products.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/error.h"
#include "base/rng.h"
#include "cuda/buffer.h"
#include "host/bench/time_in_graph.h"
#include "kernels/gpu/product.h"
#include "kernels/networks/mlp_layout.h"

namespace mbrl {
namespace {

// values in [-1, 1): matrix units that multiply zeros or constants draw less power and run faster
Buffer<float> random_operand(std::size_t size, std::uint32_t seed) {
  const RandomKey key{seed};
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i) values[i] = 2.0f * uniform01(key.bits(i, 0).x) - 1.0f;
  Buffer<float> operand(size, Memory::kDevice, "benchmark product");
  from_host(operand, values);
  return operand;
}

}  // namespace

std::vector<GemmProvider> gpu_providers() {
  std::vector<GemmProvider> found;
  for (const GemmProvider provider :
       {GemmProvider::kFused, GemmProvider::kPlain, GemmProvider::kCublasLt, GemmProvider::kCudnn})
    if (gpu::provider_missing(provider).empty()) found.push_back(provider);
  return found;
}

std::vector<GemmProvider> product_providers() {
  std::vector<GemmProvider> found = gpu_providers();
  std::erase(found, GemmProvider::kFused);
  return found;
}

std::optional<Timing> time_product(Stream& stream, GemmProvider provider, const LayerShape& s,
                                   int repeats, double seconds, BenchReport& report) {
  const auto count = static_cast<std::size_t>(s.count);
  const auto x_size = static_cast<std::size_t>(s.rows) * s.depth;
  const auto w_size = static_cast<std::size_t>(s.columns) * s.depth;
  const auto y_size = static_cast<std::size_t>(s.rows) * s.columns;
  const Buffer<float> x = random_operand(count * x_size, 1);
  const Buffer<float> w = random_operand(count * w_size, 2);
  const Buffer<float> b = random_operand(count * s.columns, 3);
  Buffer<float> y(count * y_size, Memory::kDevice, "benchmark product");
  const gpu::Product p{.rows = s.rows,
                       .columns = s.columns,
                       .depth = s.depth,
                       .a = {x.data(), s.depth, x_size},
                       .b = {w.data(), s.depth, w_size, true},
                       .c = y.data(),
                       .c_pitch = s.columns,
                       .c_stride = y_size,
                       .count = s.count,
                       .bias = b.data(),
                       .bias_stride = static_cast<std::size_t>(s.columns),
                       .activation = Activation::kRelu};
  try {
    const Gemm gemm = provider;
    const Timing time =
        time_in_graph(stream, repeats, seconds, [&] { gpu::multiply(stream, gemm, p); });
    const double flop = 2.0 * repeats * static_cast<double>(count * y_size) * s.depth;
    const double bytes = 4.0 * repeats * static_cast<double>(count * (x_size + w_size + y_size));
    const std::string shape = fmt::format(
        "{}{}x{}x{}", s.count > 1 ? fmt::format("{} x ", s.count) : "", s.rows, s.columns, s.depth);
    // memory is no floor for what lies in the cache
    report.add({"product + bias + relu", shape, "GFLOP/s", gpu::provider_name(provider), time,
                flop / 1e9, flop, bytes > 256e6 ? bytes : 0.0, static_cast<double>(repeats)});
    return time;
  } catch (const DeviceError& error) {
    fmt::print(stderr, "{}\n", error.what());
    return std::nullopt;
  }
}

void bench_products(Stream& stream, const Config& config, double seconds, BenchReport& report) {
  const SacConfig& sac = config.sac;
  const ModelConfig& model = config.model;
  const int hidden = sac.hidden_sizes.back();
  for (const LayerShape& shape : {LayerShape{sac.batch_size, hidden, hidden},
                                  LayerShape{model.batch_size, model.hidden_size,
                                             padded(model.hidden_size), model.ensemble_size},
                                  LayerShape{config.rollout.batch_size, hidden, hidden}})
    for (const GemmProvider provider : product_providers())
      time_product(stream, provider, shape, 20, seconds, report);
}

}  // namespace mbrl
