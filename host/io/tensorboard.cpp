#include "host/io/tensorboard.h"

#include <unistd.h>

#include <bit>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "host/io/crc32c.h"

namespace mbrl {
namespace {

double now() {
  using namespace std::chrono;
  return duration<double>(system_clock::now().time_since_epoch()).count();
}

std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

std::string varint(std::uint64_t value) {
  std::string text;
  for (; value >= 128; value >>= 7) text += static_cast<char>(value | 128);
  return text + static_cast<char>(value);
}

// protobuf fields: key = number << 3 | wire type
std::string field_varint(int number, std::uint64_t value) { return varint(number << 3 | 0) + varint(value); }
std::string field_double(int number, double value) {
  return varint(number << 3 | 1) + little_endian(std::bit_cast<std::uint64_t>(value), 8);
}
std::string field_bytes(int number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string field_float(int number, float value) {
  return varint(number << 3 | 5) + little_endian(std::bit_cast<std::uint32_t>(value), 4);
}

// the mask keeps checksums of data that holds checksums apart
std::string masked_crc(const std::string& bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return little_endian(((crc >> 15) | (crc << 17)) + 0xa282ead8u, 4);
}

}  // namespace

std::string tfrecord(const std::string& data) {
  const std::string length = little_endian(data.size(), 8);
  return length + masked_crc(length) + data + masked_crc(data);
}

std::string scalar_event(double wall_time, std::int64_t step, const std::string& tag, float value) {
  const std::string summary = field_bytes(1, field_bytes(1, tag) + field_float(2, value));
  return field_double(1, wall_time) + field_varint(2, static_cast<std::uint64_t>(step)) +
         field_bytes(5, summary);
}

TensorboardWriter::TensorboardWriter(const std::filesystem::path& folder)
    : file_(folder / fmt::format("events.out.tfevents.{:.0f}.mbrl_gpu.{}", std::floor(now()), getpid()),
            OutputFile::Mode::kTruncate) {
  file_.write(tfrecord(field_double(1, now()) + field_bytes(3, "brain.Event:2")));
}

void TensorboardWriter::scalar(const std::string& tag, std::int64_t step, double value) {
  if (std::isfinite(value)) file_.write(tfrecord(scalar_event(now(), step, tag, static_cast<float>(value))));
}

}  // namespace mbrl
