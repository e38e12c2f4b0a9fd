// Event files as TensorBoard reads them: whole records with right checksums, of which a session's start
// makes those void that earlier files hold from its step on.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "host/io/crc32c.h"
#include "host/io/tensorboard.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {

struct ReadEvent {
  double wall_time = 0.0;
  std::int64_t step = 0;
  std::string tag, plugin, content;  // of the value's metadata
  float value = 0.0f;
  bool has_value = false;
  std::string text;  // of a tensor of one string
  bool session_start = false;

  friend bool operator==(const ReadEvent&, const ReadEvent&) = default;
};

/// One field of a protobuf message; numbers of all widths come as their bits.
struct ProtoField {
  int number = 0;
  std::uint64_t bits = 0;
  std::string_view bytes = {};
};

inline std::vector<ProtoField> proto_fields(std::string_view message) {
  std::vector<ProtoField> all;
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (int shift = 0; !message.empty() && shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(message[0]);
      message.remove_prefix(1);
      value |= std::uint64_t{byte & 127u} << shift;
      if (byte < 128) break;
    }
    return value;
  };
  const auto fixed = [&](int size) {
    std::uint64_t value = 0;
    for (int i = 0; i < size; ++i)
      value |= std::uint64_t{static_cast<unsigned char>(message.at(i))} << 8 * i;
    message.remove_prefix(size);
    return value;
  };
  while (!message.empty()) {
    const std::uint64_t key = varint();
    ProtoField field{.number = static_cast<int>(key >> 3)};
    if ((key & 7) == 0) field.bits = varint();
    if ((key & 7) == 1) field.bits = fixed(8);
    if ((key & 7) == 5) field.bits = fixed(4);
    if ((key & 7) == 2) {
      const std::size_t size = varint();
      EXPECT_LE(size, message.size());
      field.bytes = message.substr(0, size);
      message.remove_prefix(std::min(size, message.size()));
    }
    all.push_back(field);
  }
  return all;
}

/// The bytes of the last field of this number, "" if there is none.
inline std::string_view proto_bytes(std::string_view message, int number) {
  std::string_view bytes;
  for (const ProtoField& field : proto_fields(message))
    if (field.number == number) bytes = field.bytes;
  return bytes;
}

inline ReadEvent parse_event(std::string_view message) {
  ReadEvent event;
  for (const ProtoField& field : proto_fields(message)) {
    if (field.number == 1) event.wall_time = std::bit_cast<double>(field.bits);
    if (field.number == 2) event.step = static_cast<std::int64_t>(field.bits);
    if (field.number == 7) event.session_start = true;
    if (field.number != 5) continue;
    for (const ProtoField& part : proto_fields(proto_bytes(field.bytes, 1))) {
      if (part.number == 1) event.tag = part.bytes;
      if (part.number == 2) {
        event.value = std::bit_cast<float>(static_cast<std::uint32_t>(part.bits));
        event.has_value = true;
      }
      if (part.number == 8) event.text = proto_bytes(part.bytes, 8);
      if (part.number == 9) {
        event.plugin = proto_bytes(proto_bytes(part.bytes, 1), 1);
        event.content = proto_bytes(proto_bytes(part.bytes, 1), 2);
      }
    }
  }
  return event;
}

/// Event files of a folder in the order of their names.
inline std::vector<std::filesystem::path> event_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("events.out.tfevents."))
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// What viewers show of a folder: all events that have a tag and are not void.
inline std::vector<ReadEvent> read_events(const std::filesystem::path& folder) {
  std::vector<ReadEvent> events;
  for (const std::filesystem::path& path : event_files(folder)) {
    const std::string text = file_text(path);
    for (std::size_t at = 0; at < text.size();) {
      std::size_t length = 0;
      for (int i = 7; i >= 0; --i)
        length = length << 8 | static_cast<unsigned char>(text.at(at + i));
      const std::string data = text.substr(at + 12, length);
      EXPECT_EQ(text.substr(at, 16 + length), tfrecord(data)) << path << " at " << at;
      at += 16 + length;
      const ReadEvent event = parse_event(data);
      if (event.session_start)
        std::erase_if(events, [&](const ReadEvent& e) { return e.step >= event.step; });
      if (!event.tag.empty()) events.push_back(event);
    }
  }
  return events;
}

}  // namespace mbrl
