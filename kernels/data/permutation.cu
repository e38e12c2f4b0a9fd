#include <string>

#include "base/error.h"
#include "cuda/kernel.cuh"
#include "cuda/sort.h"
#include "kernels/data/permutation.h"

namespace mbrl::gpu {
namespace {

constexpr int kThreads = 256;
// a key: row of the matrix (8 bits), random word (32), column (24)
constexpr int kColumnBits = 24, kRowShift = 56;

dim3 blocks_for(std::size_t count) {
  return {static_cast<unsigned>((count + kThreads - 1) / kThreads), 1, 1};
}

__global__ void make_keys_kernel(Vector<std::uint64_t> keys, int columns, RandomKey key,
                                 std::uint64_t step, std::uint32_t first_lane) {
  const auto i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= keys.size()) return;
  const auto row = static_cast<std::uint32_t>(i / columns);
  const auto column = static_cast<std::uint32_t>(i % columns);
  const std::uint64_t word = key.bits(step, column, first_lane + row).x;
  keys[i] = static_cast<std::uint64_t>(row) << kRowShift | word << kColumnBits | column;
}

__global__ void take_columns_kernel(Vector<std::uint32_t> out, Vector<const std::uint64_t> keys) {
  const auto i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < out.size())
    out[i] = static_cast<std::uint32_t>(keys[i] & ((std::uint64_t{1} << kColumnBits) - 1));
}

__global__ void gather_rows_kernel(Matrix<std::uint32_t> out, Matrix<const std::uint32_t> in,
                                   Vector<const std::uint64_t> keys) {
  const auto i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= keys.size()) return;
  const int row = i / in.size(1);
  const auto column = static_cast<int>(keys[i] & ((std::uint64_t{1} << kColumnBits) - 1));
  out[i] = in.row(row)[column];
}

__global__ void draw_rows_kernel(Matrix<std::uint32_t> out, Vector<const std::uint32_t> from,
                                 RandomKey key, std::uint64_t step) {
  const auto i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (static_cast<std::size_t>(i) >= out.count()) return;
  const int row = i / out.size(1), column = i % out.size(1);
  const std::uint32_t word =
      key.bits(step, static_cast<std::uint32_t>(column), static_cast<std::uint32_t>(row)).x;
  out[i] = from[uniform_index(word, static_cast<std::uint32_t>(from.size()))];
}

void check_columns(int rows, int columns) {
  if (rows > 256 || columns >= 1 << kColumnBits)
    throw ShapeError("a shuffle of [" + std::to_string(rows) + ", " + std::to_string(columns) +
                     "] was asked for; on the GPU up to [256, 16777215] is possible.");
}

// the sorted keys of `rows` shuffles of `columns` elements
Vector<const std::uint64_t> sorted_keys(Stream& stream, int rows, int columns, const RandomKey& key,
                                        std::uint64_t step, std::uint32_t first_lane,
                                        PermutationScratch& scratch) {
  check_columns(rows, columns);
  const auto count = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  const Vector<std::uint64_t> keys = scratch.keys(count), sorted = scratch.sorted(count);
  launch(stream, "make_keys", make_keys_kernel, {blocks_for(count), kThreads, 0}, keys, columns,
         key, step, first_lane);
  sort_u64(stream, sorted, keys, kColumnBits, scratch.sort());
  return sorted;
}

}  // namespace

void random_permutation(Stream& stream, Vector<std::uint32_t> out, const RandomKey& key,
                        std::uint64_t step, std::uint32_t lane, PermutationScratch& scratch) {
  if (out.size() == 0) return;
  const auto keys = sorted_keys(stream, 1, out.size(), key, step, lane, scratch);
  launch(stream, "take_columns", take_columns_kernel, {blocks_for(out.count()), kThreads, 0}, out,
         keys);
}

void shuffle_rows(Stream& stream, Matrix<std::uint32_t> out, Matrix<const std::uint32_t> in,
                  const RandomKey& key, std::uint64_t step, PermutationScratch& scratch) {
  if (in.count() == 0) return;
  const auto keys = sorted_keys(stream, in.size(0), in.size(1), key, step, 0, scratch);
  launch(stream, "gather_rows", gather_rows_kernel, {blocks_for(in.count()), kThreads, 0}, out, in,
         keys);
}

void draw_rows(Stream& stream, Matrix<std::uint32_t> out, Vector<const std::uint32_t> from,
               const RandomKey& key, std::uint64_t step) {
  if (out.count() == 0) return;
  launch(stream, "draw_rows", draw_rows_kernel, {blocks_for(out.count()), kThreads, 0}, out, from,
         key, step);
}

}  // namespace mbrl::gpu
