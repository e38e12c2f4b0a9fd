#include "host/io/png.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>

#include "base/error.h"
#include "host/io/crc32.h"

namespace mbrl {
namespace {

void append_big_endian(std::string& text, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xff);
}

std::uint32_t adler32(std::string_view bytes) {
  std::uint32_t a = 1, b = 0;
  for (const char byte : bytes) {
    a = (a + static_cast<unsigned char>(byte)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

// a zlib stream whose blocks are the bytes themselves
std::string stored(std::string_view bytes) {
  constexpr std::size_t kLargest = 65535;
  std::string stream = "\x78\x01";
  for (std::size_t begin = 0; begin == 0 || begin < bytes.size(); begin += kLargest) {
    const std::size_t size = std::min(kLargest, bytes.size() - begin);
    stream += static_cast<char>(begin + size == bytes.size());
    for (const std::size_t number : {size, ~size}) {
      stream += static_cast<char>(number & 0xff);
      stream += static_cast<char>(number >> 8 & 0xff);
    }
    stream += bytes.substr(begin, size);
  }
  append_big_endian(stream, adler32(bytes));
  return stream;
}

std::string compressed(std::string_view bytes) {
  using Compress =
      int (*)(unsigned char*, unsigned long*, const unsigned char*, unsigned long, int);
  using Bound = unsigned long (*)(unsigned long);
  static void* const library = dlopen("libz.so.1", RTLD_NOW);
  static const auto compress =
      library == nullptr ? nullptr : reinterpret_cast<Compress>(dlsym(library, "compress2"));
  static const auto bound =
      library == nullptr ? nullptr : reinterpret_cast<Bound>(dlsym(library, "compressBound"));
  if (compress == nullptr || bound == nullptr) return stored(bytes);
  constexpr int kFast = 1;
  std::string stream(bound(bytes.size()), '\0');
  unsigned long size = stream.size();
  if (compress(reinterpret_cast<unsigned char*>(stream.data()), &size,
               reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), kFast) != 0)
    return stored(bytes);
  stream.resize(size);
  return stream;
}

void append_chunk(std::string& png, const std::string& type, std::string_view data) {
  append_big_endian(png, static_cast<std::uint32_t>(data.size()));
  const std::string body = type + std::string(data);
  png += body;
  append_big_endian(png, crc32(body));
}

}  // namespace

std::string png_of(std::span<const std::uint8_t> pixels, int width, int height, bool compress) {
  const std::size_t row = static_cast<std::size_t>(width) * 3;
  if (width < 1 || height < 1 || pixels.size() != row * static_cast<std::size_t>(height))
    throw ShapeError("png_of: a picture of " + std::to_string(width) + " x " +
                     std::to_string(height) + " pixels has not " + std::to_string(pixels.size()) +
                     " bytes.");
  // each row as its differences from the pixel to the left (filter 1)
  std::string filtered;
  filtered.reserve((row + 1) * static_cast<std::size_t>(height));
  for (std::size_t begin = 0; begin < pixels.size(); begin += row) {
    filtered += '\1';
    for (std::size_t i = begin; i < begin + row; ++i)
      filtered += static_cast<char>(pixels[i] - (i < begin + 3 ? 0 : pixels[i - 3]));
  }
  std::string header;
  append_big_endian(header, static_cast<std::uint32_t>(width));
  append_big_endian(header, static_cast<std::uint32_t>(height));
  header += std::string("\x08\x02\x00\x00\x00", 5);  // 8 bits, RGB, deflate, filters, in one pass
  std::string png = "\x89PNG\r\n\x1a\n";
  append_chunk(png, "IHDR", header);
  append_chunk(png, "IDAT", compress ? compressed(filtered) : stored(filtered));
  append_chunk(png, "IEND", "");
  return png;
}

}  // namespace mbrl
