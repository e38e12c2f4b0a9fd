// Times of single matrix products on a GPU, by every provider there is.
#pragma once

#include <optional>
#include <vector>

#include "cuda/stream.h"
#include "host/bench/report.h"
#include "host/config/config.h"
#include "kernels/gpu/product.h"

namespace mbrl {

/// Those that can multiply on this GPU.
std::vector<GemmProvider> gpu_providers();
/// Those that differ where a product stands alone: kFused is then the same kernel as kPlain.
std::vector<GemmProvider> product_providers();

/// A dense layer's forward product x W^T + b with relu; sizes of the batch, of its columns, of the
/// sum.
struct LayerShape {
  int rows, columns, depth, count = 1;
};

/// Times `repeats` products in a graph and adds a row. Nothing if the provider has no algorithm for
/// them, which is said on standard error.
std::optional<Timing> time_product(Stream& stream, GemmProvider provider, const LayerShape& shape,
                                   int repeats, double seconds, BenchReport& report);

/// The layers of SAC, of the ensemble and of a rollout.
void bench_products(Stream& stream, const Config& config, double seconds, BenchReport& report);

}  // namespace mbrl
