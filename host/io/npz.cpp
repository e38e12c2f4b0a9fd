#include "host/io/npz.h"

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/error.h"
#include "host/io/crc32.h"
#include "host/io/output_file.h"

namespace mbrl {
namespace {

const char* npy_type(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "<f4";
    case DType::kF64:
      return "<f8";
    case DType::kU8:
      return "|u1";
    case DType::kI32:
      return "<i4";
    case DType::kU32:
      return "<u4";
    case DType::kI64:
      return "<i8";
    case DType::kU64:
      return "<u8";
  }
  throw ShapeError("npz: a tensor has no valid dtype.");
}

// version 1.0 of the format: magic, size of the header, the header padded to a multiple of 64
std::string npy(const TensorRef& tensor) {
  std::string shape;
  for (const std::int64_t extent : tensor.shape) shape += fmt::format("{}, ", extent);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                   npy_type(tensor.dtype), shape);
  constexpr std::size_t kBefore = 10;
  header.resize((kBefore + header.size() + 1 + 63) / 64 * 64 - kBefore - 1, ' ');
  header += '\n';
  std::string text("\x93NUMPY\x01\x00", 8);
  text += static_cast<char>(header.size() & 0xFF);
  text += static_cast<char>(header.size() >> 8);
  text += header;
  return text.append(static_cast<const char*>(tensor.data), num_bytes(tensor));
}

void add(std::string& text, std::uint64_t value, int num_bytes) {
  for (int i = 0; i < num_bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xFF);
}

}  // namespace

void write_npz(const std::filesystem::path& path, const std::vector<TensorRef>& tensors) {
  std::string files, directory;
  for (const TensorRef& tensor : tensors) {
    const std::string name = tensor.name + ".npy", data = npy(tensor);
    if (files.size() + data.size() > std::numeric_limits<std::int32_t>::max())
      throw ShapeError(fmt::format("{}: {} is too large for a .npz.", path.string(), tensor.name));
    // what both headers of a file say of it: versions and flags, no compression, 1980-01-01
    std::string both;
    add(both, 20, 2);
    add(both, 0, 2);
    add(both, 0, 2);
    add(both, 0, 2);
    add(both, 1 << 5 | 1, 2);
    add(both, crc32(data), 4);
    add(both, data.size(), 4);
    add(both, data.size(), 4);
    add(both, name.size(), 2);
    add(both, 0, 2);
    add(directory, 0x02014b50, 4);
    add(directory, 20, 2);
    directory += both;
    add(directory, 0, 2 + 2 + 2);  // comment, disk, attributes
    add(directory, 0, 4);          // more attributes
    add(directory, files.size(), 4);
    directory += name;
    add(files, 0x04034b50, 4);
    files += both + name + data;
  }
  std::string end;
  add(end, 0x06054b50, 4);
  add(end, 0, 4);  // disks
  add(end, tensors.size(), 2);
  add(end, tensors.size(), 2);
  add(end, directory.size(), 4);
  add(end, files.size(), 4);
  add(end, 0, 2);
  write_file_atomically(path, files + directory + end);
}

}  // namespace mbrl
