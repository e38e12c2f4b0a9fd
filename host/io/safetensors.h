// Tensors on disk in the safetensors format, which Python reads as well.
//
//   8 bytes: size of the header | header: JSON, name -> {dtype, shape, data_offsets} | data
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda/buffer.h"

namespace mbrl {

enum class DType { kF32, kF64, kU8, kI32, kU32, kI64, kU64 };

/// Values of an array that are a tensor of their own in files: value (i, j) lies at
/// offset + i row_step + j step, in values from the array's start. A vector has one row.
struct TensorPart {
  std::string name;
  std::vector<std::int64_t> shape;  // [n] or [m, n]
  std::int64_t offset = 0;
  std::int64_t row_step = 0;
  std::int64_t step = 1;
};

/// An array under a name. `data` may be null where the shape holds a 0. One that has parts is in
/// files as these, without what lies between them, which is zero.
struct TensorRef {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;
  void* data;
  Memory memory = Memory::kHost;
  std::vector<TensorPart> parts = {};
};

template <typename T>
constexpr DType dtype_of() {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) >= 4 || std::is_same_v<T, std::uint8_t>),
                "the format here knows float, double, uint8 and 32- and 64-bit integers");
  if constexpr (std::is_floating_point_v<T>) {
    return sizeof(T) == 4 ? DType::kF32 : DType::kF64;
  } else if constexpr (sizeof(T) == 1) {
    return DType::kU8;
  } else if constexpr (sizeof(T) == 4) {
    return std::is_signed_v<T> ? DType::kI32 : DType::kU32;
  } else {
    return std::is_signed_v<T> ? DType::kI64 : DType::kU64;
  }
}

template <typename T>
TensorRef tensor_ref(const std::string& name, T* data, std::vector<std::int64_t> shape,
                     Memory memory = Memory::kHost) {
  return {name, dtype_of<T>(), std::move(shape), data, memory, {}};
}

/// All of a buffer as a vector.
template <typename T>
TensorRef tensor_ref(const std::string& name, Buffer<T>& buffer) {
  return tensor_ref(name, buffer.data(), {static_cast<std::int64_t>(buffer.size())},
                    buffer.memory());
}

/// Size of the tensor's data, with what lies between its parts.
std::uint64_t num_bytes(const TensorRef& tensor);

/// Writes the file and waits until the disk has it; memory beside the tensors is the header's, and
/// a copy of the largest array that has parts. Order on disk: element size, then the order given.
/// Returns the CRC-32C of the file.
///
/// Errors   DataError naming the file, on a full disk with bytes needed and free. A file that could
///          not be completed is left behind: callers write under a temporary name. ShapeError for
///          a name that is used twice, and for parts that reach beyond their array.
std::uint32_t write_safetensors(const std::filesystem::path& path,
                                const std::vector<TensorRef>& tensors,
                                const std::map<std::string, std::string>& metadata = {});

/// A file open for reading.
///
/// Errors   ReadError; DataError saying expected and found, of the constructor for files that are
///          truncated or not safetensors, of read_into for tensors that are absent or of another
///          dtype or shape.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(std::filesystem::path path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  /// What a tensor may hold.
  enum class Values { kAny, kFinite };

  /// Fills `tensor.data` with the tensor of this name, or with its parts and zeros between them
  /// where the file has those. DataError if a value is not as it must be.
  void read_into(const TensorRef& tensor, Values values = Values::kAny) const;

  /// The CRC-32C of the whole file, which is read for it.
  std::uint32_t checksum() const;

  bool contains(const std::string& name) const { return entries_.contains(name); }
  std::vector<std::string> names() const;
  const std::vector<std::int64_t>& shape(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// The first 8 bytes and the header, as they are in the file.
  const std::string& header() const { return header_; }

 private:
  struct Entry {
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::uint64_t begin, end;  // bytes after the header
  };

  const Entry& entry(const std::string& name) const;
  void parse_header(std::uint64_t file_bytes);
  const Entry& fitting_entry(const std::string& name, DType dtype,
                             const std::vector<std::int64_t>& shape) const;
  void read_parts(const TensorRef& tensor, Values values) const;
  void require_values(Values values, const std::string& name, DType dtype, const char* piece,
                      std::uint64_t num_bytes) const;
  void read_at(void* data, std::uint64_t num_bytes, std::uint64_t offset) const;

  std::filesystem::path path_;
  int fd_ = -1;
  std::string header_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace mbrl
