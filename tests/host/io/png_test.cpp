// Tests for host/io/png.h: what is written is read back by the format's rules, written down once more.
#include "host/io/png.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mbrl {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::uint32_t big_endian(std::string_view text, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value = value << 8 | static_cast<unsigned char>(text.at(at + i));
  return value;
}

// bit by bit, as ISO/IEC 15948 annex D says it
std::uint32_t crc_of(std::string_view bytes) {
  std::uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) * 0xedb88320u);
  }
  return ~crc;
}

struct Chunk {
  std::string type, data;
};
std::vector<Chunk> chunks_of(const std::string& png) {
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  std::vector<Chunk> chunks;
  for (std::size_t at = 8; at < png.size();) {
    const std::uint32_t size = big_endian(png, at);
    chunks.push_back({png.substr(at + 4, 4), png.substr(at + 8, size)});
    EXPECT_EQ(big_endian(png, at + 8 + size),
              crc_of(std::string_view(png).substr(at + 4, size + 4)))
        << chunks.back().type;
    at += size + 12;
  }
  return chunks;
}

// a zlib stream of stored blocks
std::string unpacked(const std::string& stream) {
  std::string bytes;
  EXPECT_EQ(
      (static_cast<unsigned char>(stream[0]) * 256 + static_cast<unsigned char>(stream[1])) % 31,
      0);
  std::size_t at = 2;
  for (bool last = false; !last;) {
    last = stream.at(at) == 1;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(stream.at(at + i)); };
    const std::size_t size = byte(1) + 256u * byte(2), inverse = byte(3) + 256u * byte(4);
    EXPECT_EQ(size ^ inverse, 0xffffu);
    bytes += stream.substr(at + 5, size);
    at += 5 + size;
  }
  std::uint64_t a = 1, b = 0;
  for (const char byte : bytes) b += a += static_cast<unsigned char>(byte);
  // sums without a remainder between, which fit for the sizes here
  EXPECT_EQ(big_endian(stream, at), (b % 65521) * 65536 + a % 65521);
  EXPECT_EQ(at + 4, stream.size());
  return bytes;
}

Bytes unfiltered(const std::string& rows, int width, int height) {
  Bytes pixels;
  const std::size_t row = static_cast<std::size_t>(width) * 3;
  EXPECT_EQ(rows.size(), (row + 1) * static_cast<std::size_t>(height));
  for (std::size_t begin = 0; begin < rows.size(); begin += row + 1) {
    EXPECT_EQ(rows[begin], 1) << "difference from the left";
    for (std::size_t i = 0; i < row; ++i)
      pixels.push_back(
          static_cast<std::uint8_t>(rows[begin + 1 + i] + (i < 3 ? 0 : pixels[pixels.size() - 3])));
  }
  return pixels;
}

Bytes noise(int width, int height) {
  Bytes pixels(static_cast<std::size_t>(3 * width * height));
  std::uint32_t state = 7;
  for (std::uint8_t& byte : pixels)
    byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return pixels;
}

TEST(PngTest, PixelsComeBackFromStoredBlocks) {
  // one block, its largest size, and several
  for (const auto& [width, height] : {std::pair(1, 1), {5, 3}, {4, 5041}, {300, 100}}) {
    const Bytes pixels = noise(width, height);
    const std::vector<Chunk> chunks = chunks_of(png_of(pixels, width, height, false));
    ASSERT_EQ(chunks.size(), 3u);
    EXPECT_EQ(chunks[0].type, "IHDR");
    EXPECT_EQ(big_endian(chunks[0].data, 0), static_cast<std::uint32_t>(width));
    EXPECT_EQ(big_endian(chunks[0].data, 4), static_cast<std::uint32_t>(height));
    EXPECT_EQ(chunks[0].data.substr(8), std::string("\x08\x02\0\0\0", 5)) << "8 bits of RGB";
    EXPECT_EQ(chunks[1].type, "IDAT");
    EXPECT_EQ(unfiltered(unpacked(chunks[1].data), width, height), pixels);
    EXPECT_EQ(chunks[2].type, "IEND");
    EXPECT_EQ(chunks[2].data, "");
  }
}

TEST(PngTest, PixelsComeBackFromCompressedOnes) {
  void* const library = dlopen("libz.so.1", RTLD_NOW);
  if (library == nullptr) GTEST_SKIP() << "there is no libz.so.1";
  const auto uncompress =
      reinterpret_cast<int (*)(unsigned char*, unsigned long*, const unsigned char*,
                               unsigned long)>(dlsym(library, "uncompress"));
  Bytes pixels = noise(64, 50);
  std::fill(pixels.begin() + 600, pixels.end(), std::uint8_t{9});
  const std::vector<Chunk> chunks = chunks_of(png_of(pixels, 64, 50));
  std::string rows((64 * 3 + 1) * 50, '\0');
  unsigned long size = rows.size();
  ASSERT_EQ(uncompress(reinterpret_cast<unsigned char*>(rows.data()), &size,
                       reinterpret_cast<const unsigned char*>(chunks.at(1).data.data()),
                       chunks.at(1).data.size()),
            0);
  ASSERT_EQ(size, rows.size());
  EXPECT_EQ(unfiltered(rows, 64, 50), pixels);
  EXPECT_LT(chunks.at(1).data.size(), pixels.size() / 5);
}

TEST(PngTest, OtherSizesAreRefused) {
  const Bytes pixels(12);
  EXPECT_NO_THROW(png_of(pixels, 2, 2));
  EXPECT_THROW(png_of(pixels, 2, 3), ShapeError);
  EXPECT_THROW(png_of(pixels, 3, 2), ShapeError);
  EXPECT_THROW(png_of({}, 0, 0), ShapeError);
}

}  // namespace
}  // namespace mbrl
