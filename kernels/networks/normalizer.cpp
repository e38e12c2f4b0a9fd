#include "kernels/networks/normalizer.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/data/shapes.h"

namespace mbrl {
namespace {

constexpr int kRowsPerChunk = 4096;

int num_chunks(int rows) { return (rows + kRowsPerChunk - 1) / kRowsPerChunk; }

// sums of f(input, column) over all rows, chunk by chunk, chunks added in order
template <typename F>
void column_sums(Stream& stream, const TransitionsView& data, const ModelMaps& maps,
                 Vector<const std::uint32_t> indices, int columns, double* partial, double* sums,
                 F f) {
  const int rows = indices.size();
  const int chunks = num_chunks(rows);
  std::fill_n(partial, static_cast<std::size_t>(chunks) * columns, 0.0);
  stream.pool().parallel_for(chunks, [&](int chunk) {
    double* sum = partial + static_cast<std::size_t>(chunk) * columns;
    const int end = std::min((chunk + 1) * kRowsPerChunk, rows);
    for (int row = chunk * kRowsPerChunk; row < end; ++row) {
      const float* record = data.record(indices[row]);
      for (int i = 0; i < columns; ++i) sum[i] += f(maps.input_of(record, data.layout, i), i);
    }
  });
  std::fill_n(sums, columns, 0.0);
  for (int chunk = 0; chunk < chunks; ++chunk)
    for (int i = 0; i < columns; ++i)
      sums[i] += partial[static_cast<std::size_t>(chunk) * columns + i];
}

}  // namespace

void fit_normalizer(Stream& stream, const TransitionsView& data, const ModelMaps& maps,
                    Vector<const std::uint32_t> indices, Vector<float> mean, Vector<float> inv_std,
                    float min_std, Buffer<double>& scratch) {
  const int columns = maps.num_inputs(data.layout.observation_size, data.layout.action_size);
  check_shape("fit_normalizer", {"mean", mean}, {columns}, "one per input");
  check_shape("fit_normalizer", {"inv_std", inv_std}, {columns}, "one per input");
  if (indices.size() == 0)
    throw ShapeError(
        "fit_normalizer: indices is [0]; expected at least one row to take moments of.");

  // means, sums, partial sums of every chunk
  const std::size_t size = stream.on_gpu()
                               ? gpu::normalizer_scratch_size(indices.size(), columns)
                               : static_cast<std::size_t>(num_chunks(indices.size()) + 2) *
                                     static_cast<std::size_t>(columns);
  if (scratch.size() < size)
    scratch = Buffer<double>(2 * size, stream.memory(), "input scaler sums");
  if (stream.on_gpu())
    return gpu::fit_normalizer(stream, data, maps, indices, mean, inv_std, min_std, scratch.data());

  double* means = scratch.data();
  double* sums = means + columns;
  double* partial = sums + columns;
  const double rows = indices.size();
  column_sums(stream, data, maps, indices, columns, partial, means,
              [](float x, int) { return static_cast<double>(x); });
  for (int i = 0; i < columns; ++i) means[i] /= rows;
  column_sums(stream, data, maps, indices, columns, partial, sums, [means](float x, int i) {
    const double d = static_cast<double>(x) - means[i];
    return d * d;
  });
  for (int i = 0; i < columns; ++i) {
    const double std = std::sqrt(sums[i] / rows);
    mean[i] = static_cast<float>(means[i]);
    inv_std[i] = std < min_std ? 1.0f : static_cast<float>(1.0 / std);
  }
}

}  // namespace mbrl
