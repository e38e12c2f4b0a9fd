// Tests for host/io/tensorboard.{h,cpp}.
#include "host/io/tensorboard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "host/io/crc32c.h"
#include "tests/support/events.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

TEST(TensorboardTest, ARecordIsLengthChecksumDataChecksum) {
  const std::string record = tfrecord("abc");
  ASSERT_EQ(record.size(), 8u + 4 + 3 + 4);
  EXPECT_EQ(record.substr(0, 8), std::string("\3\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(record.substr(12, 3), "abc");
  const std::uint32_t crc = crc32c("abc");
  const std::uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  std::uint32_t found = 0;
  std::copy_n(record.data() + 15, 4, reinterpret_cast<char*>(&found));
  EXPECT_EQ(found, masked);
}

TEST(TensorboardTest, AScalarEventIsTheProtobufBytes) {
  // wall_time 1.0 (field 1, double), step 300 (field 2, varint), summary (field 5) of value (field
  // 1) with tag "a" (field 1) and simple_value 2.0 (field 2, float)
  const std::string expected(
      "\x09\0\0\0\0\0\0\xf0\x3f\x10\xac\x02\x2a\x0a\x0a\x08\x0a\x01\x61\x15\0\0\0\x40", 24);
  EXPECT_EQ(scalar_event(1.0, 300, "a", 2.0f), expected);
}

TEST(TensorboardTest, AResumedRunVoidsWhatEarlierFilesHoldBeyondItsStart) {
  // wall_time 1.0, step 21, session_log (field 7) with status START (field 1, 1)
  EXPECT_EQ(session_start_event(1.0, 21),
            std::string("\x09\0\0\0\0\0\0\xf0\x3f\x10\x15\x3a\x02\x08\x01", 15));
  const TemporaryDirectory folder;
  { TensorboardWriter first(folder.path()); }
  { TensorboardWriter resumed(folder.path(), 20); }
  std::string text;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    text += file_text(entry.path());
  EXPECT_THAT(text, testing::HasSubstr(std::string("\x10\x15\x3a\x02\x08\x01")));
}

TEST(TensorboardTest, FilesAndEventsStayInOrderWhenTheClockWentBack) {
  const TemporaryDirectory folder;
  // written by another process an hour ahead
  const std::string ahead = "events.out.tfevents.4000000000.mbrl_gpu.1";
  write_text(folder.path() / ahead, "old");
  {
    TensorboardWriter writer(folder.path(), 10);
    writer.scalar("a", 11, 1.0);
  }
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  ASSERT_EQ(names.size(), 2u);
  EXPECT_EQ(names[0], ahead);
  EXPECT_THAT(names[1], testing::StartsWith("events.out.tfevents.4000000001.mbrl_gpu."));
  // each record: length, its checksum, field 1 (wall time) as a double
  const std::string text = file_text(folder.path() / names[1]);
  double last = 4000000001.0;
  int count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) {
    std::uint64_t length = 0;
    double time = 0.0;
    std::copy_n(text.data() + at, 8, reinterpret_cast<char*>(&length));
    std::copy_n(text.data() + at + 13, 8, reinterpret_cast<char*>(&time));
    EXPECT_GE(time, last);
    last = time;
    at += 8 + 4 + length + 4;
  }
  EXPECT_EQ(count, 3);
}

TEST(TensorboardTest, HyperparametersAreWhatThePluginReads) {
  const TemporaryDirectory folder;
  {
    TensorboardWriter writer(folder.path());
    writer.describe({{"a", 0.5}, {"b", true}, {"c", std::string("text")}}, "| key |");
    writer.finish(true);
  }
  const std::vector<ReadEvent> events = read_events(folder.path());
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].tag, "_hparams_/session_start_info");
  EXPECT_EQ(events[0].plugin, "hparams");
  // HParamsPluginData.session_start_info (3): map entries (1) of name (1) and google.protobuf.Value (2)
  std::map<std::string, ProtoField> values;
  for (const ProtoField& field : proto_fields(proto_bytes(events[0].content, 3)))
    if (field.number == 1)
      values[std::string(proto_bytes(field.bytes, 1))] =
          proto_fields(proto_bytes(field.bytes, 2)).at(0);
  EXPECT_EQ(values.size(), 3u);
  EXPECT_EQ(values["a"].number, 2);
  EXPECT_EQ(std::bit_cast<double>(values["a"].bits), 0.5);
  EXPECT_EQ(values["b"].number, 4);
  EXPECT_EQ(values["b"].bits, 1u);
  EXPECT_EQ(values["c"].number, 3);
  EXPECT_EQ(values["c"].bytes, "text");
  EXPECT_EQ(events[1].tag, "config");
  EXPECT_EQ(events[1].plugin, "text");
  EXPECT_EQ(events[1].text, "| key |");
  EXPECT_EQ(events[2].tag, "_hparams_/session_end_info");
  // session_end_info (4): status (1), STATUS_SUCCESS
  EXPECT_EQ(proto_fields(proto_bytes(events[2].content, 4)).at(0).bits, 1u);
}

TEST(TensorboardTest, ARunIsDescribedOnce) {
  const TemporaryDirectory folder;
  const auto count = [&] {
    int number = 0;
    for (const ReadEvent& event : read_events(folder.path())) number += event.tag == "config";
    return number;
  };
  { TensorboardWriter(folder.path()).scalar("a", 1, 1.0); }  // by an earlier version
  EXPECT_EQ(count(), 0);
  { TensorboardWriter(folder.path(), 10).describe({{"a", 0.5}}, "text"); }
  EXPECT_EQ(count(), 1);
  { TensorboardWriter(folder.path(), 20).describe({{"a", 0.5}}, "text"); }
  EXPECT_EQ(count(), 1);
  { TensorboardWriter(folder.path()).describe({{"a", 0.5}}, "text"); }
  EXPECT_EQ(count(), 1) << "a run that starts anew";
}

TEST(TensorboardTest, ManyValuesOfAStepAreEventsEach) {
  const TemporaryDirectory folder;
  {
    TensorboardWriter writer(folder.path());
    writer.scalars(7, {{"a", 1.0}, {"b", std::nan("")}, {"c", -INFINITY}, {"d", 4.0}});
    writer.scalars(8, {});
  }
  const std::vector<ReadEvent> events = read_events(folder.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].tag, "a");
  EXPECT_EQ(events[1].tag, "d");
  EXPECT_EQ(events[1].step, 7);
  EXPECT_EQ(events[1].value, 4.0f);
}

TEST(TensorboardTest, AFreshStartDeletesEarlierEventsAndNothingElse) {
  const TemporaryDirectory folder;
  write_text(folder.path() / "events.out.tfevents.1.other", "old");
  write_text(folder.path() / "notes.txt", "mine");
  TensorboardWriter writer(folder.path());
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "events.out.tfevents.1.other"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "notes.txt"));
}

}  // namespace
}  // namespace mbrl
