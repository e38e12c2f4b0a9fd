// CRC-32C (Castagnoli), the checksum of event files and checkpoints.
#pragma once

#include <cstdint>
#include <string_view>

namespace mbrl {

/// Of the bytes, or of these after others whose checksum is `before`. The CPU has an instruction for
/// it: several GB/s.
///
/// Source   RFC 3720, appendix B.4.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace mbrl
