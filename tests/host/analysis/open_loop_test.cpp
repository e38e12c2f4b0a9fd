// Tests for host/analysis/{episodes,open_loop}.{h,cpp}.
#include "host/analysis/open_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/algo/mbpo.h"
#include "host/algo/pets.h"
#include "host/io/safetensors.h"
#include "tests/support/configs.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

Config small_config() {
  Config c = tiny_mbpo("pendulum");
  c.env.max_episode_steps = 7;
  return c;
}

struct Session {
  ThreadPool pool{2};
  Stream stream{pool};
  Mbpo learner{small_config(), stream, {}, 0};
};

TEST(RecordEpisodesTest, OneEpisodeFollowsTheOther) {
  Session s;
  const Episodes found = record_episodes(s.stream, s.learner, 3);
  EXPECT_EQ(found.lengths, (std::vector<int>{7, 7, 7}));
  ASSERT_EQ(found.num_steps(), 21u);
  const TransitionLayout& l = found.layout;
  for (int row = 0; row + 1 < 21; ++row) {
    const float* record = found.view().record(static_cast<std::size_t>(row));
    const bool goes_on = (row + 1) % 7 != 0;
    EXPECT_EQ(std::equal(record + l.next_observation(),
                         record + l.next_observation() + l.observation_size, record + l.pitch()),
              goes_on)
        << row;
  }
  double sum = 0.0;
  for (std::size_t row = 7; row < 14; ++row) sum += found.view().record(row)[l.reward()];
  EXPECT_NEAR(found.returns[1], sum, 1e-9);
  EXPECT_EQ(record_episodes(s.stream, s.learner, 3, 4).lengths, (std::vector<int>{4, 4, 4}));
  EXPECT_EQ(record_episodes(s.stream, s.learner, 3).records, found.records) << "repeats itself";
}

TEST(RecordEpisodesTest, APlannerActsToo) {
  Config config = small_config();
  config.algorithm = "pets";
  ThreadPool pool(2);
  Stream stream(pool);
  Pets pets(config, stream, {}, 0);
  EXPECT_EQ(record_episodes(stream, pets, 2).lengths, (std::vector<int>{7, 7}));
}

TEST(BankTest, ReadsBackWhatWasWritten) {
  Session s;
  const TemporaryDirectory folder;
  const auto path = folder.path() / "a bank, of sorts.safetensors";
  const Episodes written = record_episodes(s.stream, s.learner, 2);
  write_bank(path, written);
  const Episodes read = read_bank(path, "pendulum", written.layout);
  EXPECT_EQ(read.records, written.records);
  EXPECT_EQ(read.lengths, written.lengths);
  EXPECT_EQ(read.env, "pendulum");
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".tmp"));

  EXPECT_THAT(error_text<DataError>([&] {
                read_bank(path, "hopper", {11, 3});
              }),
              HasSubstr("holds trajectories of pendulum, which do not fit the model's: expected "
                        "those of hopper, with 11 observation entries, 3 actions"));
  EXPECT_THAT(error_text<DataError>([&] {
                read_bank(folder.path() / "none", "x", {1, 1});
              }),
              HasSubstr("none"));
  write_bank(folder.path() / "empty", {.env = "pendulum", .layout = written.layout});
  EXPECT_THAT(error_text<DataError>(
                  [&] { read_bank(folder.path() / "empty", "pendulum", written.layout); }),
              HasSubstr("empty holds no step"));
}

TEST(BankTest, TheReplayOfACheckpointIsOne) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "replay.safetensors";
  const TransitionLayout layout{3, 1};
  std::vector<float> records(5 * static_cast<std::size_t>(layout.pitch()), 0.25f);
  write_safetensors(path, {tensor_ref("real", records.data(), {5, layout.pitch()})});
  const Episodes read = read_bank(path, "pendulum", layout);
  EXPECT_EQ(read.num_steps(), 5u);
  EXPECT_TRUE(read.lengths.empty());

  records[3] = std::nanf("");
  write_safetensors(path, {tensor_ref("real", records.data(), {5, layout.pitch()})});
  EXPECT_THROW(read_bank(path, "pendulum", layout), DataError);
  write_safetensors(path, {tensor_ref("imagined", records.data(), {5, layout.pitch()})});
  EXPECT_THAT(error_text<DataError>([&] { read_bank(path, "pendulum", layout); }),
              HasSubstr("holds no trajectories; expected a tensor \"real\""));
}

TEST(BankTest, LengthsThatAreNoneAreRefused) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "bank";
  const TransitionLayout layout{3, 1};
  std::vector<float> records(5 * static_cast<std::size_t>(layout.pitch()), 0.25f);
  const auto error = [&](std::vector<int> lengths, const std::vector<std::int64_t>& shape) {
    write_safetensors(path, {tensor_ref("real", records.data(), {5, layout.pitch()}),
                             tensor_ref("lengths", lengths.data(), shape)});
    return error_text<DataError>([&] { read_bank(path, "pendulum", layout); });
  };
  EXPECT_THAT(error({-5, 5}, {2}), HasSubstr("bank: episode 0 has a length of -5; expected 0 or"));
  EXPECT_THAT(error({10, -5}, {2}), HasSubstr("bank: episode 1 has a length of -5; expected 0 or"));
  EXPECT_THAT(error({2, 2}, {2}), HasSubstr("bank: its lengths add up to 4 steps; it has 5."));
  EXPECT_THAT(error({2, 3}, {2, 1}),
              HasSubstr("bank: its lengths have 2 dimensions; expected one"));
  EXPECT_THAT(error({5}, {}), HasSubstr("bank: its lengths have 0 dimensions; expected one"));
  std::vector<int> none_at_first{0, 5};
  write_safetensors(path, {tensor_ref("real", records.data(), {5, layout.pitch()}),
                           tensor_ref("lengths", none_at_first.data(), {2})});
  EXPECT_EQ(read_bank(path, "pendulum", layout).lengths, none_at_first);
}

// -------------------------------------------------------------------------------------------------

constexpr int kS = 2;
const TransitionLayout kLayout{kS, 1};

// two episodes of 5 and 4 steps: the first entry grows by the action, the second stays
Episodes walk() {
  Episodes all{.env = "walk", .layout = kLayout, .records = {}, .lengths = {5, 4}, .returns = {}};
  all.records.resize(9 * static_cast<std::size_t>(kLayout.pitch()), 0.0f);
  float x = 0.0f;
  for (int row = 0; row < 9; ++row) {
    if (row == 5) x = 100.0f;
    float* record = all.records.data() + row * kLayout.pitch();
    record[0] = x;
    record[1] = 7.0f;
    record[kLayout.action()] = 1.0f + static_cast<float>(row);
    x += record[kLayout.action()];
    record[kLayout.next_observation()] = x;
    record[kLayout.next_observation() + 1] = 7.0f;
  }
  return all;
}

// member e: the first entry grows by the action times 1 + e, the second stays
EnsembleState model(int members) {
  EnsembleState state(members, kLayout, 4, 1, Memory::kHost,
                      {EnsembleLoss::kMse, {.reward = false}});
  init_ensemble(state, 1, 0, 0.5f, -10.0f);
  state.num_steps = 1;
  // swish(x) - swish(-x) = x, of the action alone
  for (int e = 0; e < members; ++e) {
    float* p = state.member(e);
    std::fill_n(p, state.layout.size, 0.0f);
    const LayerLayout& first = state.layout.layers[0];
    const LayerLayout& last = state.layout.layers[1];
    p[first.weight + 0 * static_cast<std::size_t>(first.in_pitch) + kS] = 1.0f;
    p[first.weight + 1 * static_cast<std::size_t>(first.in_pitch) + kS] = -1.0f;
    p[last.weight + 0] = 1.0f + static_cast<float>(e);
    p[last.weight + 1] = -1.0f - static_cast<float>(e);
  }
  return state;
}

TEST(OpenLoopTest, MembersGoOnFromTheirOwnPredictionsWithTheRealActions) {
  ThreadPool pool(2);
  Stream stream(pool);
  const OpenLoop found = open_loop(stream, model(2), walk(), 2);
  // starts 0 and 2 of the first episode, 5 and 7 of the second
  EXPECT_EQ(found.num_starts, 4);
  EXPECT_EQ(found.real, (std::vector<double>{0, 7, 1, 7, 3, 7}));
  const std::vector<double> predicted{0, 7, 1, 7, 3, 7, 0, 7, 2, 7, 6, 7};
  ASSERT_EQ(found.predicted.size(), predicted.size());
  for (std::size_t i = 0; i < predicted.size(); ++i)
    EXPECT_NEAR(found.predicted[i], predicted[i], 1e-4) << i;
  // half of an action after a step: actions 1, 3, 6 and 8, then with 2, 4, 7 and 9
  EXPECT_NEAR(found.error[0], std::sqrt((1 + 9 + 36 + 64) / 4.0 / 4.0), 1e-4);
  EXPECT_NEAR(found.error[2], std::sqrt((9 + 49 + 169 + 289) / 4.0 / 4.0), 1e-4);
  EXPECT_NEAR(found.spread[0], found.error[0], 1e-4) << "members lie evenly on both sides";
  EXPECT_NEAR(found.error[1], 0.0, 1e-6);
  EXPECT_NEAR(found.scale[1], 0.0, 1e-6);
  EXPECT_NEAR(found.relative(found.error, 0), found.error[0] / found.scale[0], 1e-9)
      << "the entry that never varies has no scale";
}

TEST(OpenLoopTest, AFigureHasAPanelForEachEntryAndATableALine) {
  ThreadPool pool(1);
  Stream stream(pool);
  const OpenLoop found = open_loop(stream, model(2), walk(), 3);
  const std::string figure = open_loop_figure(found, "walk after 9 steps");
  for (const char* text : {"walk after 9 steps", "entry 0", "entry 1", "real",
                           "mean of the members", "range of the members"})
    EXPECT_THAT(figure, HasSubstr(text));
  const std::string csv = open_loop_csv(found);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 3 * kS);
  EXPECT_EQ(csv.find("step,entry,real,predicted,low,high,error,spread\n1,0,1,1.5,1,2,"), 0u) << csv;
}

TEST(OpenLoopTest, EpisodesThatAreTooShortAndAModelThatKnowsNothingAreNamed) {
  ThreadPool pool(1);
  Stream stream(pool);
  EXPECT_THAT(error_text<DataError>([&] { open_loop(stream, model(2), walk(), 6); }),
              HasSubstr("no episode has the 6 steps that are to be predicted; the longest has 5"));
  EnsembleState fresh = model(1);
  fresh.num_steps = 0;
  EXPECT_THAT(error_text<DataError>([&] { open_loop(stream, fresh, walk(), 2); }),
              HasSubstr("the model has never been fitted"));
}

}  // namespace
}  // namespace mbrl
