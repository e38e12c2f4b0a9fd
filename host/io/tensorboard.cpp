#include "host/io/tensorboard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <fstream>
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

constexpr const char* kStartTag = "_hparams_/session_start_info";

// a summary of one value without a number: SummaryMetadata{PluginData{name, content}}, and a tensor
std::string plugin_event(double wall_time, std::int64_t step, const std::string& tag,
                         const std::string& plugin, const std::string& content,
                         const std::string& tensor = "") {
  std::string value =
      field_bytes(1, tag) +
      field_bytes(9, field_bytes(1, field_bytes(1, plugin) + field_bytes(2, content)));
  if (!tensor.empty()) value += field_bytes(8, tensor);
  return field_double(1, wall_time) + field_varint(2, static_cast<std::uint64_t>(step)) +
         field_bytes(5, field_bytes(1, value));
}

// google.protobuf.Value
std::string hparam_value(const HparamValue& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return field_varint(4, *flag ? 1 : 0);
  if (const double* number = std::get_if<double>(&value)) return field_double(2, *number);
  return field_bytes(3, std::get<std::string>(value));
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

// whether a file of the folder tells what its run was started with: that is said at its beginning
bool tells_start(const std::filesystem::path& folder) {
  constexpr std::size_t kBeginning = 4096;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (!entry.path().filename().string().starts_with(kEvents)) continue;
    std::string text(kBeginning, '\0');
    std::ifstream(entry.path(), std::ios::binary).read(text.data(), kBeginning);
    if (text.find(kStartTag) != std::string::npos) return true;
  }
  return false;
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

std::string text_event(double wall_time, std::int64_t step, const std::string& tag,
                       const std::string& markdown) {
  // TensorProto{dtype: DT_STRING, tensor_shape{}, string_val}
  const std::string tensor = field_varint(1, 7) + field_bytes(2, "") + field_bytes(8, markdown);
  return plugin_event(wall_time, step, tag, "text", "", tensor);
}

std::string hparams_start_event(double wall_time, const Hparams& hparams) {
  std::string info;
  for (const auto& [name, value] : hparams)
    info += field_bytes(1, field_bytes(1, name) + field_bytes(2, hparam_value(value)));
  info += field_double(5, wall_time);
  return plugin_event(wall_time, 0, kStartTag, "hparams", field_bytes(3, info));
}

std::string hparams_end_event(double wall_time, bool success) {
  const std::string info = field_varint(1, success ? 1 : 2) + field_double(2, wall_time);
  return plugin_event(wall_time, 0, "_hparams_/session_end_info", "hparams", field_bytes(4, info));
}

TensorboardWriter::TensorboardWriter(const std::filesystem::path& folder, std::int64_t resume_step)
    : TensorboardWriter(event_file(folder, resume_step < 0),
                        resume_step >= 0 && tells_start(folder), resume_step) {}

TensorboardWriter::TensorboardWriter(const std::filesystem::path& path, bool is_described,
                                     std::int64_t resume_step)
    : is_described_(is_described),
      file_(path, OutputFile::Mode::kAppend),
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

void TensorboardWriter::scalars(std::int64_t step,
                                const std::vector<std::pair<std::string, double>>& values) {
  std::string records;
  const double at = time();
  for (const auto& [tag, value] : values)
    if (std::isfinite(value))
      records += tfrecord(scalar_event(at, step, tag, static_cast<float>(value)));
  if (!records.empty()) file_.write(records);
}

void TensorboardWriter::describe(const Hparams& hparams, const std::string& config) {
  if (is_described_) return;
  is_described_ = true;
  file_.write(tfrecord(hparams_start_event(time(), hparams)));
  file_.write(tfrecord(text_event(time(), 0, "config", config)));
}

void TensorboardWriter::finish(bool success) {
  file_.write(tfrecord(hparams_end_event(time(), success)));
}

}  // namespace mbrl
