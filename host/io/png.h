// Pictures as PNG files.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace mbrl {

/// A PNG (ISO/IEC 15948) of pixels with 8 bits of red, green and blue, row by row from the top.
/// Compressed where libz is found at run time, else as large as the pixels.
///
/// Shapes   pixels [height, width, 3]
/// Errors   ShapeError
std::string png_of(std::span<const std::uint8_t> pixels, int width, int height,
                   bool compress = true);

}  // namespace mbrl
