#include "base/scalar.h"
#include "cuda/kernel.cuh"
#include "kernels/networks/normalizer.h"

namespace mbrl::gpu {
namespace {

constexpr int kRowsPerChunk = 4096;
constexpr int kColumns = 32, kLanes = 8;  // threads of a block: columns of a row, rows at a time

// sums over a chunk of rows of an input x, or of (x - mean)^2 once the means are known
__global__ void column_sums_kernel(const __grid_constant__ TransitionsView data,
                                   const __grid_constant__ ModelMaps maps,
                                   Vector<const std::uint32_t> indices, int columns,
                                   const double* means, double* partial) {
  auto* lane_sums = reinterpret_cast<double*>(shared_floats());  // [kLanes][kColumns]
  const int column = static_cast<int>(threadIdx.x) % kColumns;
  const int lane = static_cast<int>(threadIdx.x) / kColumns;
  const int begin = static_cast<int>(blockIdx.x) * kRowsPerChunk;
  const int end = begin + kRowsPerChunk < indices.size() ? begin + kRowsPerChunk : indices.size();
  for (int first = 0; first < columns; first += kColumns) {
    const int c = first + column;
    double sum = 0.0;
    if (c < columns)
      for (int row = begin + lane; row < end; row += kLanes) {
        const double x = maps.input_of(data.record(indices[row]), data.layout, c);
        const double d = means == nullptr ? x : x - means[c];
        sum += means == nullptr ? d : d * d;
      }
    lane_sums[lane * kColumns + column] = sum;
    sync_block();
    if (lane == 0 && c < columns) {
      for (int other = 1; other < kLanes; ++other) sum += lane_sums[other * kColumns + column];
      partial[static_cast<std::size_t>(blockIdx.x) * columns + c] = sum;
    }
    sync_block();
  }
}

// chunks in order; then the mean, or the deviation
__global__ void finish_moments_kernel(const double* partial, int chunks, int rows, int columns,
                                      double* means, Vector<float> mean, Vector<float> inv_std,
                                      float min_std, bool second_pass) {
  for (int c = static_cast<int>(threadIdx.x); c < columns; c += static_cast<int>(blockDim.x)) {
    double sum = 0.0;
    for (int chunk = 0; chunk < chunks; ++chunk)
      sum += partial[static_cast<std::size_t>(chunk) * columns + c];
    if (!second_pass) {
      means[c] = sum / rows;
      mean[c] = static_cast<float>(means[c]);
    } else {
      const double std = square_root_double(sum / rows);
      inv_std[c] = std < static_cast<double>(min_std) ? 1.0f : static_cast<float>(1.0 / std);
    }
  }
}

}  // namespace

std::size_t normalizer_scratch_size(int rows, int columns) {
  const int chunks = (rows + kRowsPerChunk - 1) / kRowsPerChunk;
  return static_cast<std::size_t>(chunks + 1) * static_cast<std::size_t>(columns);
}

void fit_normalizer(Stream& stream, const TransitionsView& data, const ModelMaps& maps,
                    Vector<const std::uint32_t> indices, Vector<float> mean, Vector<float> inv_std,
                    float min_std, double* scratch) {
  const int columns = mean.size();
  const int chunks = (indices.size() + kRowsPerChunk - 1) / kRowsPerChunk;
  double* means = scratch;
  double* partial = means + columns;

  const LaunchShape sums{
      {static_cast<unsigned>(chunks), 1, 1}, kColumns * kLanes, kColumns * kLanes * sizeof(double)};
  const LaunchShape finish{{1, 1, 1}, kColumns, 0};
  for (const bool second_pass : {false, true}) {
    launch(stream, "column_sums", column_sums_kernel, sums, data, maps, indices, columns,
           second_pass ? means : nullptr, partial);
    launch(stream, "finish_moments", finish_moments_kernel, finish, partial, chunks, indices.size(),
           columns, means, mean, inv_std, min_std, second_pass);
  }
}

}  // namespace mbrl::gpu
