// Draws for the 32 rows of a tile at once, in vectors: the same numbers as base/rng.h gives one by
// one.
#pragma once

#include <cstdint>

#include "base/rng.h"
#include "kernels/networks/mlp_layout.h"

namespace mbrl {

/// The four standard normals of block `block` of each row: out[j * 32 + lane] is normal(key, step,
/// row[lane], 4 block + j).
inline void lane_normals(const RandomKey& key, std::uint64_t step, const std::uint32_t* row,
                         std::uint32_t block, float* out) {
  alignas(64) std::uint32_t x[kTileRows], y[kTileRows], z[kTileRows], w[kTileRows];
  for (int lane = 0; lane < kTileRows; ++lane) {
    x[lane] = row[lane];
    y[lane] = block | (key.learner << 8);
    z[lane] = static_cast<std::uint32_t>(step);
    w[lane] = static_cast<std::uint32_t>(step >> 32);
  }
  std::uint32_t key0 = key.seed, key1 = static_cast<std::uint32_t>(key.purpose);
  for (int round = 0; round < 10; ++round) {
    for (int lane = 0; lane < kTileRows; ++lane) {
      const std::uint64_t p0 = static_cast<std::uint64_t>(0xD2511F53u) * x[lane];
      const std::uint64_t p1 = static_cast<std::uint64_t>(0xCD9E8D57u) * z[lane];
      x[lane] = static_cast<std::uint32_t>(p1 >> 32) ^ y[lane] ^ key0;
      y[lane] = static_cast<std::uint32_t>(p1);
      z[lane] = static_cast<std::uint32_t>(p0 >> 32) ^ w[lane] ^ key1;
      w[lane] = static_cast<std::uint32_t>(p0);
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  for (int lane = 0; lane < kTileRows; ++lane)
    normal_pair(x[lane], y[lane], out[lane], out[kTileRows + lane]);
  for (int lane = 0; lane < kTileRows; ++lane)
    normal_pair(z[lane], w[lane], out[2 * kTileRows + lane], out[3 * kTileRows + lane]);
}

/// The normals of a tile's rows, one number of each after the other.
struct TileNormals {
  TileNormals(const RandomKey& with, std::uint64_t at) : key(with), step(at) {}

  /// normal(key, step, row[lane], i) of each lane; i is asked for in ascending order, from 0 on.
  const float* of(int i) {
    if (i % 4 == 0) lane_normals(key, step, row, static_cast<std::uint32_t>(i / 4), block);
    return block + i % 4 * kTileRows;
  }

  RandomKey key;
  std::uint64_t step;
  alignas(64) std::uint32_t row[kTileRows];
  alignas(64) float block[4 * kTileRows];
};

}  // namespace mbrl
