#include "host/io/tensorboard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <string_view>
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

constexpr std::string_view kEvents = "events.out.tfevents.";

// the seconds in the name of an event file, 0 if it has none
std::int64_t seconds_of(const std::string& name) {
  std::int64_t seconds = 0;
  std::from_chars(name.data() + kEvents.size(), name.data() + name.size(), seconds);
  return seconds;
}

// Where to write; the files of a run that starts anew go first. Viewers read a folder's files in the
// order of their names: after a clock that went back the new name still comes last. One of the same
// second and process is continued: records follow each other.
std::filesystem::path event_file(const std::filesystem::path& folder, bool fresh) {
  std::error_code ignored;
  std::vector<std::filesystem::path> old;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (entry.path().filename().string().starts_with(kEvents)) old.push_back(entry.path());
  const std::string own = fmt::format(".mbrl_gpu.{}", getpid());
  auto seconds = static_cast<std::int64_t>(std::floor(now()));
  for (const auto& path : old) {
    if (fresh) {
      std::filesystem::remove(path, ignored);
      continue;
    }
    const std::string name = path.filename().string();
    const std::int64_t earlier = seconds_of(name);
    if (earlier >= seconds) seconds = name.ends_with(own) ? earlier : earlier + 1;
  }
  return folder / fmt::format("{}{}{}", kEvents, seconds, own);
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
    : TensorboardWriter(event_file(folder, resume_step < 0), std::in_place, resume_step) {}

TensorboardWriter::TensorboardWriter(const std::filesystem::path& path, std::in_place_t,
                                     std::int64_t resume_step)
    : file_(path, OutputFile::Mode::kAppend),
      ahead_(std::max(
          0.0, static_cast<double>(seconds_of(path.filename().string())) - std::floor(now()))) {
  file_.write(tfrecord(field_double(1, time()) + field_bytes(3, "brain.Event:2")));
  if (resume_step >= 0) file_.write(tfrecord(session_start_event(time(), resume_step + 1)));
}

double TensorboardWriter::time() { return last_ = std::max(last_, now() + ahead_); }

void TensorboardWriter::scalar(const std::string& tag, std::int64_t step, double value) {
  if (std::isfinite(value))
    file_.write(tfrecord(scalar_event(time(), step, tag, static_cast<float>(value))));
}

}  // namespace mbrl
