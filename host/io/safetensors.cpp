#include "host/io/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/not_finite.h"
#include "base/printable.h"
#include "host/io/crc32c.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

// of some thousand tensors; the format's reference reader takes 100 MB, whose JSON fills gigabytes
constexpr std::uint64_t kMaxHeaderBytes = 16'000'000;

struct DTypeInfo {
  const char* name;
  std::uint64_t bytes;
};

DTypeInfo dtype_info(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return {"F32", 4};
    case DType::kF64:
      return {"F64", 8};
    case DType::kU8:
      return {"U8", 1};
    case DType::kI32:
      return {"I32", 4};
    case DType::kU32:
      return {"U32", 4};
    case DType::kI64:
      return {"I64", 8};
    case DType::kU64:
      return {"U64", 8};
  }
  throw ShapeError("safetensors: a tensor has no valid dtype.");
}

// bytes per element of any dtype the format knows, 0 for others
std::uint64_t element_bytes(const std::string& dtype) {
  static const std::map<std::string, std::uint64_t> sizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
      {"U32", 4},  {"F32", 4}, {"I64", 8}, {"U64", 8},     {"F64", 8}};
  const auto found = sizes.find(dtype);
  return found == sizes.end() ? 0 : found->second;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace

namespace {

std::uint64_t shape_bytes(const std::string& name, DType dtype,
                          const std::vector<std::int64_t>& shape) {
  std::uint64_t size = dtype_info(dtype).bytes;
  for (const std::int64_t extent : shape) {
    if (extent < 0) {
      throw ShapeError(fmt::format("{} is {}; extents are 0 or more.", name, shape_text(shape)));
    }
    size *= static_cast<std::uint64_t>(extent);
  }
  return size;
}

}  // namespace

std::uint64_t num_bytes(const TensorRef& tensor) {
  return shape_bytes(tensor.name, tensor.dtype, tensor.shape);
}

namespace {

/// Calls copy(value of the array, value of the part) for every value of a part, in bytes.
template <typename Copy>
void for_each_value(const TensorRef& tensor, const TensorPart& part, const Copy& copy) {
  const auto bytes = static_cast<std::int64_t>(dtype_info(tensor.dtype).bytes);
  const std::int64_t rows = part.shape.size() == 2 ? part.shape[0] : 1;
  const std::int64_t columns = part.shape.back();
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      copy((part.offset + i * part.row_step + j * part.step) * bytes, (i * columns + j) * bytes);
}

void check_parts(const TensorRef& tensor) {
  const auto size = static_cast<std::int64_t>(num_bytes(tensor) / dtype_info(tensor.dtype).bytes);
  for (const TensorPart& part : tensor.parts) {
    const std::size_t rank = part.shape.size();
    bool fits =
        (rank == 1 || rank == 2) && part.offset >= 0 && part.row_step >= 0 && part.step >= 1;
    for (const std::int64_t extent : part.shape) fits = fits && extent >= 1;
    const std::int64_t rows = fits && rank == 2 ? part.shape[0] : 1;
    fits = fits &&
           part.offset + (rows - 1) * part.row_step + (part.shape.back() - 1) * part.step < size;
    if (!fits)
      throw ShapeError(fmt::format("{} {} does not lie within {} {}.", part.name,
                                   shape_text(part.shape), tensor.name, shape_text(tensor.shape)));
  }
}

// an array's values in host memory: its own, or a copy
const char* on_host(const TensorRef& tensor, std::vector<char>& copied) {
  if (tensor.memory != Memory::kDevice) return static_cast<const char*>(tensor.data);
  copied.resize(num_bytes(tensor));
  copy_memory(copied.data(), tensor.data, copied.size());
  return copied.data();
}

constexpr std::uint64_t kStagingBytes = std::uint64_t{16} << 20;

// calls piece(memory on the host, number of bytes, position) for consecutive pieces of a tensor:
// host memory is one piece, device memory goes through a staging buffer
template <typename Piece>
void for_each_piece(const TensorRef& tensor, std::uint64_t num_bytes, Piece piece) {
  if (tensor.memory != Memory::kDevice) return piece(static_cast<char*>(tensor.data), num_bytes, 0);
  std::vector<char> staging(std::min(num_bytes, kStagingBytes));
  for (std::uint64_t at = 0; at < num_bytes; at += kStagingBytes)
    piece(staging.data(), std::min(kStagingBytes, num_bytes - at), at);
}

// the first value of a piece that is not finite; nothing where all are
template <typename T>
std::optional<double> not_finite(const char* bytes, std::uint64_t num_bytes) {
  for (std::uint64_t at = 0; at + sizeof(T) <= num_bytes; at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes + at, sizeof(T));
    if (!std::isfinite(value)) return value;
  }
  return std::nullopt;
}

}  // namespace

std::uint32_t write_safetensors(const fs::path& path, const std::vector<TensorRef>& tensors,
                                const std::map<std::string, std::string>& metadata) {
  // larger elements first: every tensor starts at a multiple of its element size
  std::vector<const TensorRef*> order;
  std::set<std::string> names;
  const auto take_name = [&](const std::string& name) {
    if (!names.insert(name).second || name == "__metadata__") {
      throw ShapeError(fmt::format("{}: the name {} is used twice.", path.string(), name));
    }
  };
  for (const TensorRef& tensor : tensors) {
    check_parts(tensor);
    if (tensor.parts.empty()) take_name(tensor.name);
    for (const TensorPart& part : tensor.parts) take_name(part.name);
    order.push_back(&tensor);
  }
  std::stable_sort(order.begin(), order.end(), [](const TensorRef* a, const TensorRef* b) {
    return dtype_info(a->dtype).bytes > dtype_info(b->dtype).bytes;
  });

  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  const auto enter = [&](const std::string& name, DType dtype,
                         const std::vector<std::int64_t>& shape) {
    const std::uint64_t end = offset + shape_bytes(name, dtype, shape);
    header[name] = {
        {"dtype", dtype_info(dtype).name}, {"shape", shape}, {"data_offsets", {offset, end}}};
    offset = end;
  };
  for (const TensorRef* tensor : order) {
    if (tensor->parts.empty()) enter(tensor->name, tensor->dtype, tensor->shape);
    for (const TensorPart& part : tensor->parts) enter(part.name, tensor->dtype, part.shape);
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t header_bytes = text.size();

  OutputFile file(path, OutputFile::Mode::kTruncate, 8 + header_bytes + offset);
  std::uint32_t checksum = 0;
  // in blocks that are still in the cache when they are written
  const auto write = [&](const char* bytes, std::uint64_t size) {
    constexpr std::uint64_t kBlock = std::uint64_t{1} << 18;
    for (std::uint64_t at = 0; at < size; at += kBlock) {
      const std::string_view block(bytes + at, std::min(kBlock, size - at));
      checksum = crc32c(block, checksum);
      file.write(block);
    }
  };
  write(reinterpret_cast<const char*>(&header_bytes), 8);
  write(text.data(), text.size());
  std::vector<char> copied, gathered;
  for (const TensorRef* tensor : order) {
    if (tensor->parts.empty()) {
      for_each_piece(*tensor, num_bytes(*tensor),
                     [&](char* host, std::uint64_t size, std::uint64_t at) {
                       if (tensor->memory == Memory::kDevice)
                         copy_memory(host, static_cast<const char*>(tensor->data) + at, size);
                       write(host, size);
                     });
      continue;
    }
    const char* array = on_host(*tensor, copied);
    gathered.clear();
    for (const TensorPart& part : tensor->parts) {
      const std::size_t begin = gathered.size();
      gathered.resize(begin + shape_bytes(part.name, tensor->dtype, part.shape));
      const std::uint64_t bytes = dtype_info(tensor->dtype).bytes;
      for_each_value(*tensor, part, [&](std::int64_t from, std::int64_t to) {
        std::memcpy(gathered.data() + begin + to, array + from, bytes);
      });
    }
    write(gathered.data(), gathered.size());
  }
  file.sync();
  file.close();
  return checksum;
}

SafetensorsFile::SafetensorsFile(fs::path path) : path_(std::move(path)) {
  fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (fd_ < 0 || ::fstat(fd_, &status) != 0) {
    const int error = errno;
    if (fd_ >= 0) ::close(fd_);
    throw ReadError(path_, error);
  }
  try {
    parse_header(static_cast<std::uint64_t>(status.st_size));
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

SafetensorsFile::~SafetensorsFile() { ::close(fd_); }

void SafetensorsFile::parse_header(std::uint64_t file_bytes) {
  const auto foreign = [&](const std::string& why) {
    return DataError(
        fmt::format("{} is not a safetensors file: {}.", path_.string(), printable(why)));
  };
  const auto truncated = [&](std::uint64_t expected) {
    return DataError(fmt::format("{} is truncated: expected {} bytes, found {}.", path_.string(),
                                 expected, file_bytes));
  };
  if (file_bytes < 8) throw truncated(8);
  std::uint64_t header_bytes = 0;
  read_at(&header_bytes, 8, 0);
  if (header_bytes > kMaxHeaderBytes) {
    throw foreign(fmt::format("expected a header of at most {} bytes, found {}", kMaxHeaderBytes,
                              header_bytes));
  }
  if (file_bytes < 8 + header_bytes) throw truncated(8 + header_bytes);
  header_.resize(8 + header_bytes);
  read_at(header_.data(), header_.size(), 0);

  Json json;
  try {
    json = Json::parse(header_.begin() + 8, header_.end(),
                       json_bounds<Json>("the header of " + path_.string()));
  } catch (const Json::exception&) {
  }
  if (!json.is_object()) throw foreign("expected a JSON object as its header, found other bytes");

  std::uint64_t data_bytes = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, value] : json.items()) {
    try {
      if (name == "__metadata__") {
        metadata_ = value.get<std::map<std::string, std::string>>();
        continue;
      }
      const Json &shape = value.at("shape"), &offsets = value.at("data_offsets");
      const auto is_size = [](const Json& number) { return number.is_number_unsigned(); };
      if (!shape.is_array() || !std::all_of(shape.begin(), shape.end(), is_size) ||
          !std::all_of(offsets.begin(), offsets.end(), is_size))
        throw foreign(fmt::format("{} has the shape {} and the offsets {}", name, shape.dump(),
                                  offsets.dump()));
      Entry entry{value.at("dtype"), shape, offsets.at(0), offsets.at(1)};
      std::uint64_t expected = element_bytes(entry.dtype);
      if (expected == 0) throw foreign(fmt::format("{} has the dtype {}", name, entry.dtype));
      for (const std::int64_t extent : entry.shape) {
        if (extent < 0 ||
            __builtin_mul_overflow(expected, static_cast<std::uint64_t>(extent), &expected)) {
          throw foreign(fmt::format("{} has the shape {}", name, shape_text(entry.shape)));
        }
      }
      if (entry.end < entry.begin || entry.end - entry.begin != expected) {
        throw foreign(fmt::format("{} is {} {}, expected {} bytes, found the offsets {} to {}",
                                  name, entry.dtype, shape_text(entry.shape), expected, entry.begin,
                                  entry.end));
      }
      data_bytes = std::max(data_bytes, entry.end);
      ranges.emplace_back(entry.begin, entry.end);
      entries_[name] = std::move(entry);
    } catch (const nlohmann::json::exception&) {
      throw foreign(fmt::format("expected dtype, shape and data_offsets of {}, found {}", name,
                                value.dump(-1, ' ', false, Json::error_handler_t::replace)));
    }
  }
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t end = 0;
  for (const auto& range : ranges) {
    if (range.first != end) {
      throw foreign(fmt::format("expected a tensor at byte {} of the data, found it at {}", end,
                                range.first));
    }
    end = range.second;
  }
  const std::uint64_t expected = 8 + header_bytes + data_bytes;
  if (file_bytes < expected) throw truncated(expected);
  if (file_bytes > expected) {
    throw foreign(fmt::format("expected {} bytes, found {}", expected, file_bytes));
  }
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

const std::vector<std::int64_t>& SafetensorsFile::shape(const std::string& name) const {
  return entry(name).shape;
}

const SafetensorsFile::Entry& SafetensorsFile::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    throw DataError(fmt::format(
        "{} has no tensor {}, which this run expects: was it written by another version of "
        "this program? It holds {}.",
        path_.string(), name, printable(fmt::format("{}", fmt::join(names(), ", ")))));
  }
  return found->second;
}

const SafetensorsFile::Entry& SafetensorsFile::fitting_entry(
    const std::string& name, DType dtype, const std::vector<std::int64_t>& shape) const {
  const Entry& found = entry(name);
  if (found.shape != shape) {
    throw DataError(fmt::format("{}: {} is {}, this run expects {}.", path_.string(), name,
                                shape_text(found.shape), shape_text(shape)));
  }
  const char* expected = dtype_info(dtype).name;
  if (found.dtype != expected) {
    throw DataError(fmt::format("{}: {} has the dtype {}, this run expects {}.", path_.string(),
                                name, found.dtype, expected));
  }
  return found;
}

void SafetensorsFile::read_into(const TensorRef& tensor, Values values) const {
  // earlier versions wrote arrays whole, with what lies between their parts
  if (!tensor.parts.empty() && !contains(tensor.name)) return read_parts(tensor, values);
  const Entry& found = fitting_entry(tensor.name, tensor.dtype, tensor.shape);
  for_each_piece(tensor, found.end - found.begin,
                 [&](char* host, std::uint64_t size, std::uint64_t at) {
                   read_at(host, size, header_.size() + found.begin + at);
                   require_values(values, tensor.name, tensor.dtype, host, size);
                   if (tensor.memory == Memory::kDevice)
                     copy_memory(static_cast<char*>(tensor.data) + at, host, size);
                 });
}

void SafetensorsFile::read_parts(const TensorRef& tensor, Values values) const {
  check_parts(tensor);
  std::vector<char> array(num_bytes(tensor), 0), bytes;
  const std::uint64_t size = dtype_info(tensor.dtype).bytes;
  for (const TensorPart& part : tensor.parts) {
    const Entry& found = fitting_entry(part.name, tensor.dtype, part.shape);
    bytes.resize(found.end - found.begin);
    read_at(bytes.data(), bytes.size(), header_.size() + found.begin);
    require_values(values, part.name, tensor.dtype, bytes.data(), bytes.size());
    for_each_value(tensor, part, [&](std::int64_t to, std::int64_t from) {
      std::memcpy(array.data() + to, bytes.data() + from, size);
    });
  }
  if (tensor.memory == Memory::kDevice) {
    copy_memory(tensor.data, array.data(), array.size());
  } else {
    std::memcpy(tensor.data, array.data(), array.size());
  }
}

void SafetensorsFile::require_values(Values values, const std::string& name, DType dtype,
                                     const char* piece, std::uint64_t num_bytes) const {
  if (values == Values::kAny) return;
  std::optional<double> value;
  if (dtype == DType::kF32) value = not_finite<float>(piece, num_bytes);
  if (dtype == DType::kF64) value = not_finite<double>(piece, num_bytes);
  if (value)
    throw DataError(fmt::format(
        "{}: {} holds {}; expected finite numbers alone. The file is damaged or of a run that "
        "diverged: use an older one.",
        path_.string(), name, not_finite_text(*value)));
}

std::uint32_t SafetensorsFile::checksum() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) throw ReadError(path_, errno);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  std::vector<char> block(std::min<std::uint64_t>(size, 1 << 20));
  std::uint32_t checksum = 0;
  for (std::uint64_t at = 0; at < size;) {
    const std::uint64_t count = std::min<std::uint64_t>(block.size(), size - at);
    read_at(block.data(), count, at);
    checksum = crc32c({block.data(), count}, checksum);
    at += count;
  }
  return checksum;
}

void SafetensorsFile::read_at(void* data, std::uint64_t num_bytes, std::uint64_t offset) const {
  char* next = static_cast<char*>(data);
  while (num_bytes > 0) {
    const ssize_t count = ::pread(fd_, next, std::min<std::uint64_t>(num_bytes, 1u << 30),
                                  static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw ReadError(path_, errno);
    if (count == 0)
      throw DataError(
          fmt::format("{} has become shorter: it ends at byte {}.", path_.string(), offset));
    next += count;
    num_bytes -= static_cast<std::uint64_t>(count);
    offset += static_cast<std::uint64_t>(count);
  }
}

}  // namespace mbrl
