#include "host/io/crc32c.h"

#include <nmmintrin.h>

#include <cstring>

namespace mbrl {

std::uint32_t crc32c(std::string_view bytes, std::uint32_t before) {
  std::uint64_t crc = static_cast<std::uint32_t>(~before);
  const char* next = bytes.data();
  const char* const end = next + bytes.size();
  for (; end - next >= 8; next += 8) {
    std::uint64_t word;
    std::memcpy(&word, next, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  auto rest = static_cast<std::uint32_t>(crc);
  for (; next != end; ++next) rest = _mm_crc32_u8(rest, static_cast<unsigned char>(*next));
  return ~rest;
}

}  // namespace mbrl
