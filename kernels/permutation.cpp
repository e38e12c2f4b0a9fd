#include "kernels/permutation.h"

#include <string>
#include <utility>

#include "cuda/check.h"
#include "kernels/shapes.h"

namespace mbrl {

void PermutationScratch::reserve(std::size_t size) {
  if (keys_.size() >= size) return;
  keys_ = Buffer<std::uint64_t>(size);
  other_ = Buffer<std::uint64_t>(size);
  order_ = Buffer<std::uint32_t>(size);
}

void random_permutation(Stream&, Vector<std::uint32_t> out, const RandomKey& key,
                        std::uint64_t step, std::uint32_t lane, PermutationScratch& scratch) {
  const auto n = static_cast<std::size_t>(out.size());
  scratch.reserve(n);
  std::uint64_t* from = scratch.keys_.data();
  std::uint64_t* to = scratch.other_.data();
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
  scratch.reserve(static_cast<std::size_t>(in.size()));
  const Vector<std::uint32_t> order(scratch.order_.data(), in.size());
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

}  // namespace mbrl
