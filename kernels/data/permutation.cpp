#include "kernels/data/permutation.h"

#include <string>
#include <utility>

#include "base/error.h"
#include "cuda/sort.h"
#include "kernels/data/shapes.h"

namespace mbrl {

void PermutationScratch::reserve(Stream& stream, std::size_t size) {
  if (keys_.size() >= size) return;
  size += size / 2;  // what is sorted grows with every fit: seldom is the time to allocate
  keys_ = Buffer<std::uint64_t>(size, stream.memory(), "sort keys");
  other_ = Buffer<std::uint64_t>(size, stream.memory(), "sort keys");
  order_ = Buffer<std::uint32_t>(size, stream.memory(), "sort keys");
  if (stream.on_gpu())
    sort_ = Buffer<std::byte>(gpu::sort_scratch_bytes(size), stream.memory(), "sort scratch");
}

void random_permutation(Stream& stream, Vector<std::uint32_t> out, const RandomKey& key,
                        std::uint64_t step, std::uint32_t lane, PermutationScratch& scratch) {
  const auto n = static_cast<std::size_t>(out.size());
  scratch.reserve(stream, n);
  if (stream.on_gpu()) return gpu::random_permutation(stream, out, key, step, lane, scratch);
  std::uint64_t* from = scratch.keys(n).data;
  std::uint64_t* to = scratch.sorted(n).data;
  // key above, index below
  for (std::size_t i = 0; i < n; ++i)
    from[i] =
        static_cast<std::uint64_t>(key.bits(step, static_cast<std::uint32_t>(i), lane).x) << 32 | i;

  // stable, least significant byte of the key first
  for (int shift = 32; shift < 64; shift += 8) {
    std::size_t begin[257] = {};
    for (std::size_t i = 0; i < n; ++i) ++begin[((from[i] >> shift) & 255) + 1];
    for (int digit = 0; digit < 256; ++digit) begin[digit + 1] += begin[digit];
    for (std::size_t i = 0; i < n; ++i) to[begin[(from[i] >> shift) & 255]++] = from[i];
    std::swap(from, to);
  }
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::uint32_t>(from[i]);
}

void shuffle_into(Stream& stream, Vector<std::uint32_t> out, Vector<const std::uint32_t> in,
                  const RandomKey& key, std::uint64_t step, std::uint32_t lane,
                  PermutationScratch& scratch) {
  check_same_shape("shuffle_into", {"out", out}, {{"in", in}});
  const auto n = static_cast<std::size_t>(in.size());
  scratch.reserve(stream, n);
  const Vector<std::uint32_t> order = scratch.order(n);
  random_permutation(stream, order, key, step, lane, scratch);
  for (int i = 0; i < in.size(); ++i) out[i] = in[order[i]];
}

void draw_indices(Stream&, Vector<std::uint32_t> out, std::uint32_t n, const RandomKey& key,
                  std::uint64_t step, std::uint32_t lane) {
  if (n == 0 && out.size() > 0)
    throw ShapeError("draw_indices: out is [" + std::to_string(out.size()) +
                     "], n is 0; expected at least one entry to draw from.");
  for (int i = 0; i < out.size(); ++i)
    out[i] = uniform_index(key.bits(step, static_cast<std::uint32_t>(i), lane).x, n);
}

void shuffle_rows(Stream& stream, Matrix<std::uint32_t> out, Matrix<const std::uint32_t> in,
                  const RandomKey& key, std::uint64_t step,
                  std::vector<PermutationScratch>& scratch) {
  check_same_shape("shuffle_rows", {"out", out}, {{"in", in}});
  const auto rows = static_cast<std::size_t>(in.size(0));
  if (scratch.size() < rows) scratch.resize(rows);
  if (stream.on_gpu()) {
    scratch[0].reserve(stream, in.count());
    return gpu::shuffle_rows(stream, out, in, key, step, scratch[0]);
  }
  stream.pool().parallel_for(in.size(0), [&](int e) {
    shuffle_into(stream, {out.row(e), out.size(1)}, {in.row(e), in.size(1)}, key, step,
                 static_cast<std::uint32_t>(e), scratch[static_cast<std::size_t>(e)]);
  });
}

void draw_rows(Stream& stream, Matrix<std::uint32_t> out, Vector<const std::uint32_t> from,
               const RandomKey& key, std::uint64_t step) {
  if (from.size() == 0 && out.count() > 0)
    throw ShapeError("draw_rows: from is [0]; expected at least one entry to draw from.");
  if (stream.on_gpu()) return gpu::draw_rows(stream, out, from, key, step);
  stream.pool().parallel_for(out.size(0), [&](int e) {
    std::uint32_t* row = out.row(e);
    draw_indices(stream, {row, out.size(1)}, static_cast<std::uint32_t>(from.size()), key, step,
                 static_cast<std::uint32_t>(e));
    for (int i = 0; i < out.size(1); ++i) row[i] = from[row[i]];
  });
}

}  // namespace mbrl
