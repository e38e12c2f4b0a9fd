// CRC-32C (Castagnoli), the checksum of event files and checkpoints.
#pragma once

#include <cstdint>
#include <string_view>

namespace mbrl {

/// Source   RFC 3720, appendix B.4.
std::uint32_t crc32c(std::string_view bytes);

}  // namespace mbrl
