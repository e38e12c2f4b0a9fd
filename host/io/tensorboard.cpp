#include "host/io/tensorboard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <vector>

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
std::string field_varint(int number, std::uint64_t value) {
  return varint(number << 3 | 0) + varint(value);
}
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

// where to write; the files of a run that starts anew go first. One of the same second and process
// is continued: records follow each other
std::filesystem::path event_file(const std::filesystem::path& folder, bool fresh) {
  std::error_code ignored;
  if (fresh) {
    std::vector<std::filesystem::path> old;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
      if (entry.path().filename().string().starts_with("events.out.tfevents."))
        old.push_back(entry.path());
    for (const auto& path : old) std::filesystem::remove(path, ignored);
  }
  return folder /
         fmt::format("events.out.tfevents.{:.0f}.mbrl_gpu.{}", std::floor(now()), getpid());
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

std::string session_start_event(double wall_time, std::int64_t step) {
  return field_double(1, wall_time) + field_varint(2, static_cast<std::uint64_t>(step)) +
         field_bytes(7, field_varint(1, 1));
}

TensorboardWriter::TensorboardWriter(const std::filesystem::path& folder, std::int64_t resume_step)
    : file_(event_file(folder, resume_step < 0), OutputFile::Mode::kAppend) {
  file_.write(tfrecord(field_double(1, now()) + field_bytes(3, "brain.Event:2")));
  if (resume_step >= 0) file_.write(tfrecord(session_start_event(now(), resume_step + 1)));
}

void TensorboardWriter::scalar(const std::string& tag, std::int64_t step, double value) {
  if (std::isfinite(value))
    file_.write(tfrecord(scalar_event(now(), step, tag, static_cast<float>(value))));
}

}  // namespace mbrl
