// CRC-32 (ISO 3309), the checksum of PNG and ZIP.
#pragma once

#include <cstdint>
#include <string_view>

namespace mbrl {

/// Of the bytes, one at a time: for files of a few megabytes.
std::uint32_t crc32(std::string_view bytes);

}  // namespace mbrl
