// Tests for host/replay/replay.{h,cpp}: ring, capacity, checkpoint state.
#include "host/replay/replay.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "tests/support/copy_state.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

const TransitionLayout kLayout{1, 1};  // pitch 8

TestStream stream;

void append(Replay& replay, int first, int count) {
  std::vector<float> records(static_cast<std::size_t>(count) * kLayout.pitch(), 0.0f);
  for (int i = 0; i < count; ++i)
    records[static_cast<std::size_t>(i) * kLayout.pitch()] = static_cast<float>(first + i);
  replay.append(stream, records.data(), static_cast<std::size_t>(count));
}

std::vector<float> contents(const Replay& replay) {
  std::vector<float> values;
  for (std::size_t i = 0; i < replay.size(); ++i) values.push_back(replay.view().record(i)[0]);
  return values;
}

TEST(ReplayTest, KeepsTheNewest) {
  Replay replay(stream, kLayout, 4, 0, "test");
  append(replay, 0, 6);
  EXPECT_EQ(contents(replay), (std::vector<float>{4, 5, 2, 3}));
  EXPECT_EQ(replay.num_written(), 6u);
}

TEST(ReplayTest, GrowingGoesOnBehindTheOldRecordsInTheOrderOfTheirAge) {
  for (const std::size_t reserve : {0u, 10u}) {
    Replay replay(stream, kLayout, 4, reserve, "test");
    append(replay, 0, 6);
    replay.set_capacity(6);
    append(replay, 6, 3);
    EXPECT_EQ(contents(replay), (std::vector<float>{8, 3, 4, 5, 6, 7}));
  }
}

TEST(ReplayTest, ShrinkingKeepsTheNewest) {
  Replay replay(stream, kLayout, 5, 0, "test");
  append(replay, 0, 7);
  replay.set_capacity(3);
  EXPECT_EQ(contents(replay), (std::vector<float>{4, 5, 6}));
  append(replay, 7, 1);
  EXPECT_EQ(contents(replay), (std::vector<float>{7, 5, 6}));
}

std::vector<float> newest(Replay& replay, std::size_t count) {
  const TransitionsView view = replay.newest(stream, count);
  std::vector<float> values;
  for (std::size_t i = 0; i < view.size; ++i) values.push_back(view.record(i)[0]);
  return values;
}

TEST(ReplayTest, TheNewestAreInTheOrderOfTheirAgeWhereverTheRingStands) {
  Replay replay(stream, kLayout, 5, 0, "test");
  append(replay, 0, 3);
  EXPECT_EQ(newest(replay, 2), (std::vector<float>{1, 2}));
  EXPECT_EQ(newest(replay, 9), (std::vector<float>{0, 1, 2})) << "there are no more";
  append(replay, 3, 2);
  EXPECT_EQ(newest(replay, 3), (std::vector<float>{2, 3, 4})) << "full, but not yet written over";
  append(replay, 5, 2);
  EXPECT_EQ(newest(replay, 2), (std::vector<float>{5, 6}));
  EXPECT_EQ(newest(replay, 3), (std::vector<float>{4, 5, 6})) << "on both sides of the end";
  EXPECT_EQ(newest(replay, 5), (std::vector<float>{2, 3, 4, 5, 6}));
  EXPECT_EQ(newest(replay, 4), (std::vector<float>{3, 4, 5, 6})) << "fewer than before";
}

TEST(ReplayTest, StateAndTensorRestoreIt) {
  Replay replay(stream, kLayout, 4, 0, "test");
  append(replay, 0, 6);
  Replay restored(stream, kLayout, 2, 0, "test");
  copy_state([&](Archive& archive) { replay.visit(archive, "real", 4); },
             [&](Archive& archive) { restored.visit(archive, "real", 4); });
  append(replay, 6, 1);
  append(restored, 6, 1);
  EXPECT_EQ(contents(replay), contents(restored));
}

}  // namespace
}  // namespace mbrl
