#include "tests/emulator/libraries/fakes.h"

#include <bit>
#include <cstdint>

#include "cuda/kernel.cuh"

namespace mbrl::emulator {

long library_objects = 0;
long library_products = 0;
long library_searches = 0;

float rounded(float x, Rounding rounding) {
  switch (rounding) {
    case Rounding::kTf32:
      // a tensor core reads the upper 19 bits
      return std::bit_cast<float>(gpu::to_tf32(x) & ~0x1fffu);
    case Rounding::kF16:
      return std::bit_cast<_Float16>(static_cast<std::uint16_t>(engine::to_f16(x)));
    case Rounding::kBf16:
      return std::bit_cast<float>(engine::to_bf16(x) << 16);
    default:
      return x;
  }
}

}  // namespace mbrl::emulator
