// Tests for host/io/checkpoint.{h,cpp}: whole or absent, and what damage says.
#include "host/io/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "host/io/crc32c.h"
#include "host/io/output_file.h"
#include "tests/support/checkpoint_data.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(CheckpointTest, ReadsBackWhatWasWritten) {
  const TemporaryDirectory folder;
  CheckpointData data, other;
  const fs::path path = write_checkpoint(folder.path(), 1234, data.contents(0.1), 2);
  EXPECT_EQ(path.filename(), "step-000001234");
  EXPECT_EQ(latest_checkpoint(folder.path()), path);
  other.weight.assign(other.weight.size(), 0.0f);
  other.state = {0, 0};
  const CheckpointReader reader(path);
  reader.read_weights(other.contents().weights);
  reader.read_replay(other.contents().replay);
  EXPECT_EQ(reader.state().at("mark"), 0.1);
  EXPECT_EQ(other.weight, data.weight);
  EXPECT_EQ(other.state, data.state);
}

TEST(CheckpointTest, KeepsTheNewest) {
  const TemporaryDirectory folder;
  CheckpointData data;
  for (const std::int64_t step : {100, 200, 1000})
    write_checkpoint(folder.path(), step, data.contents(), 2);
  EXPECT_FALSE(fs::exists(folder.path() / "step-000000100"));
  EXPECT_TRUE(fs::exists(folder.path() / "step-000000200"));
  EXPECT_EQ(latest_checkpoint(folder.path())->filename(), "step-000001000");
}

TEST(CheckpointTest, WhatAKillLeftIsTidiedWithoutTouchingWhatIsNewer) {
  const TemporaryDirectory folder;
  CheckpointData data;
  for (const std::int64_t step : {100, 200, 300, 400})
    write_checkpoint(folder.path(), step, data.contents(), 9);
  fs::create_directory(folder.path() / ".writing-000000500");
  tidy_checkpoints(folder.path(), 300, 2);
  EXPECT_FALSE(fs::exists(folder.path() / "step-000000100"));
  for (const char* name : {"step-000000200", "step-000000300", "step-000000400"})
    EXPECT_TRUE(fs::exists(folder.path() / name)) << name;
  EXPECT_FALSE(fs::exists(folder.path() / ".writing-000000500"));
  EXPECT_NO_THROW(tidy_checkpoints(folder.path() / "absent", 300, 2));

  // of a run that is done the last one is the newest
  tidy_checkpoints(folder.path(), 2);
  EXPECT_FALSE(fs::exists(folder.path() / "step-000000200"));
  EXPECT_TRUE(fs::exists(folder.path() / "step-000000300"));
  EXPECT_NO_THROW(tidy_checkpoints(folder.path() / "absent", 2));
}

TEST(CheckpointTest, ReplacesOneOfTheSameStep) {
  const TemporaryDirectory folder;
  CheckpointData data;
  write_checkpoint(folder.path(), 5, data.contents(1), 2);
  const fs::path path = write_checkpoint(folder.path(), 5, data.contents(2), 2);
  EXPECT_EQ(CheckpointReader(path).state().at("mark"), 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(CheckpointTest, AHalfWrittenOneIsPassedOver) {
  const TemporaryDirectory folder;
  CheckpointData data;
  const fs::path good = write_checkpoint(folder.path(), 1, data.contents(), 5);
  fs::remove(write_checkpoint(folder.path(), 2, data.contents(), 5) / "DONE");
  const fs::path cut = write_checkpoint(folder.path(), 3, data.contents(), 5);
  fs::resize_file(cut / "replay.safetensors", 1000);
  EXPECT_EQ(latest_checkpoint(folder.path()), good);
  EXPECT_EQ(latest_checkpoint(folder.path() / "absent"), std::nullopt);
}

TEST(CheckpointTest, DamageIsNamedWithTheWayOut) {
  const TemporaryDirectory folder;
  CheckpointData data;
  const fs::path path = write_checkpoint(folder.path(), 3, data.contents(), 5);
  const auto size = fs::file_size(path / "weights.safetensors");
  fs::resize_file(path / "weights.safetensors", 77);
  EXPECT_THAT(
      error_text<DataError>([&] { CheckpointReader reader(path); }),
      testing::AllOf(HasSubstr("step-000000003 is damaged: weights.safetensors has 77 bytes, " +
                               std::to_string(size) + " were written"),
                     HasSubstr("--resume PATH")));
  write_checkpoint(folder.path(), 3, data.contents(), 5);
  write_text(path / "state.json", std::string(fs::file_size(path / "state.json"), ' '));
  EXPECT_THAT(error_text<DataError>([&] { CheckpointReader reader(path); }),
              HasSubstr("state.json has changed since it was written"));
}

TEST(CheckpointTest, AFullDiskLeavesThePreviousOneIntact) {
  const TemporaryDirectory folder;
  CheckpointData data;
  const fs::path previous = write_checkpoint(folder.path(), 1, data.contents(1), 2);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    advise_options_of_a_run("--study DIR");
    const rlimit limit{100000, 100000};  // less than the replay's 160000 bytes
    setrlimit(RLIMIT_FSIZE, &limit);
    const std::string text =
        error_text<DataError>([&] { write_checkpoint(folder.path(), 2, data.contents(2), 2); });
    const bool named =
        text.find("replay.safetensors cannot be written") != std::string::npos &&
        text.find("with --study DIR; existing checkpoints are kept") != std::string::npos;
    const bool clean =
        std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 1;
    _exit(named && clean ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(latest_checkpoint(folder.path()), previous);
  EXPECT_EQ(CheckpointReader(previous).state().at("mark"), 1);
}

TEST(CheckpointTest, WhatIsPassedOverIsToldWithTheReason) {
  const TemporaryDirectory folder;
  CheckpointData data;
  fs::remove(write_checkpoint(folder.path(), 2, data.contents(), 5) / "DONE");
  std::vector<std::string> warnings;
  EXPECT_EQ(
      latest_checkpoint(folder.path(), [&](const std::string& text) { warnings.push_back(text); }),
      std::nullopt);
  EXPECT_THAT(warnings,
              testing::ElementsAre(testing::EndsWith(
                  "step-000000002 is passed over: DONE is missing: it was never completed")));
}

// DONE as versions before checksums of whole files wrote it
void write_old_done(const fs::path& checkpoint) {
  nlohmann::json done = nlohmann::json::parse(file_text(checkpoint / "DONE"));
  done.erase("crc32c");
  done["state_crc32c"] = crc32c(file_text(checkpoint / "state.json"));
  for (const char* file : {"weights.safetensors", "replay.safetensors"})
    done["header_crc32c"][file] = crc32c(SafetensorsFile(checkpoint / file).header());
  write_text(checkpoint / "DONE", done.dump());
}

void flip_bit(const fs::path& file, std::size_t byte) {
  std::string text = file_text(file);
  text[byte] ^= 4;
  write_text(file, text);
}

TEST(CheckpointTest, AFlippedBitAnywhereIsDamage) {
  const TemporaryDirectory folder;
  CheckpointData data;
  const fs::path older = write_checkpoint(folder.path(), 1, data.contents(), 5);
  const fs::path path = write_checkpoint(folder.path(), 3, data.contents(), 5);
  for (const char* file : {"weights.safetensors", "replay.safetensors", "state.json"}) {
    const std::size_t last = fs::file_size(path / file) - 1;
    for (const std::size_t byte : {last, last / 2}) {
      flip_bit(path / file, byte);
      EXPECT_THAT(error_text<DataError>([&] {
                    const CheckpointReader reader(path);
                    reader.read_weights(data.contents().weights);
                    reader.read_replay(data.contents().replay);
                  }),
                  HasSubstr(file + std::string(" has changed since it was written")));
      std::vector<std::string> warnings;
      EXPECT_EQ(latest_checkpoint(folder.path(),
                                  [&](const std::string& text) { warnings.push_back(text); }),
                older);
      EXPECT_EQ(warnings.size(), 1u);
      EXPECT_THAT(error_text<DataError>([&] { copy_checkpoint(path, folder.path() / "copy"); }),
                  HasSubstr("cannot be copied"));
      flip_bit(path / file, byte);
    }
  }
  EXPECT_EQ(latest_checkpoint(folder.path()), path);
}

TEST(CheckpointTest, OnesOfEarlierVersionsAreRead) {
  const TemporaryDirectory folder;
  CheckpointData data;
  const fs::path path = write_checkpoint(folder.path(), 3, data.contents(0.5), 5);
  write_old_done(path);
  EXPECT_EQ(latest_checkpoint(folder.path()), path);
  const CheckpointReader reader(path);
  EXPECT_EQ(reader.state().at("mark"), 0.5);
  reader.read_weights(data.contents().weights);
}

TEST(CheckpointTest, AWeightThatIsNotFiniteIsNamed) {
  const TemporaryDirectory folder;
  CheckpointData data;
  data.weight[5] = std::numeric_limits<float>::infinity();
  const fs::path path = write_checkpoint(folder.path(), 3, data.contents(), 5);
  const CheckpointReader reader(path);
  EXPECT_THAT(error_text<DataError>([&] { reader.read_weights(data.contents().weights); }),
              HasSubstr("weights.safetensors: actor.0.weight holds inf"));
}

TEST(CheckpointTest, ASizeThatIsNoneIsDamage) {
  const TemporaryDirectory folder;
  CheckpointData data;
  const fs::path path = write_checkpoint(folder.path(), 3, data.contents(), 5);
  for (const nlohmann::json& size :
       {nlohmann::json(1e300), nlohmann::json(-1), nlohmann::json("1")}) {
    nlohmann::json done = nlohmann::json::parse(file_text(path / "DONE"));
    done["bytes"]["state.json"] = size;
    write_text(path / "DONE", done.dump());
    EXPECT_THAT(error_text<DataError>([&] { CheckpointReader reader(path); }),
                testing::AllOf(HasSubstr("is damaged"), HasSubstr("DONE: state.json is ")));
  }
}

TEST(CheckpointTest, OneThatCannotBeReadIsKeptAndNotPassedOver) {
  const TemporaryDirectory folder;
  CheckpointData data;
  for (const std::int64_t step : {1, 2, 3})
    write_checkpoint(folder.path(), step, data.contents(), 5);
  // a link in a circle: an error of the file system that root has as well
  const fs::path done = folder.path() / "step-000000003" / "DONE";
  fs::rename(done, folder.path() / "kept");
  fs::create_symlink(done, done);
  EXPECT_THAT(error_text<DataError>([&] { latest_checkpoint(folder.path()); }),
              testing::AllOf(HasSubstr("step-000000003 cannot be used now"),
                             HasSubstr("Too many levels of symbolic links"),
                             HasSubstr("Try again, or move it away")));
  write_checkpoint(folder.path(), 4, data.contents(), 2);
  EXPECT_TRUE(fs::is_symlink(done));
  EXPECT_FALSE(fs::exists(folder.path() / "step-000000002"));
  fs::remove(done);
  fs::rename(folder.path() / "kept", done);
  EXPECT_EQ(CheckpointReader(folder.path() / "step-000000003").state().at("mark"), 0);
}

TEST(CheckpointTest, JsonNestedTooDeepIsDamage) {
  const TemporaryDirectory folder;
  CheckpointData data;
  const fs::path path = write_checkpoint(folder.path(), 3, data.contents(), 5);
  write_text(path / "DONE", std::string(200000, '['));
  EXPECT_THAT(error_text<DataError>([&] { CheckpointReader reader(path); }),
              testing::AllOf(HasSubstr("step-000000003 is damaged"), HasSubstr("DONE is nested")));
}

TEST(CheckpointTest, AChangedHeaderOrAnUnreadableDoneIsDamage) {
  const TemporaryDirectory folder;
  CheckpointData data;
  const fs::path path = write_checkpoint(folder.path(), 3, data.contents(), 5);
  write_old_done(path);
  // the same length, another name: only the checksum of the header tells
  std::string text = file_text(path / "weights.safetensors");
  text.replace(text.find("actor.0.weight"), 14, "actor.1.weight");
  write_text(path / "weights.safetensors", text);
  EXPECT_THAT(
      error_text<DataError>([&] { CheckpointReader(path).read_weights(data.contents().weights); }),
      HasSubstr("the header of weights.safetensors has changed since it was written"));
  write_text(path / "DONE", "{}");
  EXPECT_THAT(error_text<DataError>([&] { CheckpointReader reader(path); }),
              HasSubstr("DONE is not what this version of the program writes"));
}

TEST(CheckpointTest, ADamagedOneDoesNotCountAsKeptAndStaysUntilEnoughFollow) {
  const TemporaryDirectory folder;
  CheckpointData data;
  write_checkpoint(folder.path(), 1, data.contents(), 2);
  fs::remove(write_checkpoint(folder.path(), 2, data.contents(), 2) / "DONE");
  std::vector<std::string> warnings;
  const auto write = [&](std::int64_t step) {
    write_checkpoint(folder.path(), step, data.contents(), 2,
                     [&](const std::string& text) { warnings.push_back(text); });
  };
  write(3);
  EXPECT_TRUE(fs::exists(folder.path() / "step-000000001" / "DONE"));
  EXPECT_TRUE(fs::exists(folder.path() / "step-000000002"));
  EXPECT_THAT(warnings, testing::ElementsAre(
                            testing::AllOf(HasSubstr("step-000000002 is damaged: DONE is missing"),
                                           HasSubstr("It stays until 2 newer ones are whole"))));
  write(4);
  EXPECT_FALSE(fs::exists(folder.path() / "step-000000001"));
  EXPECT_FALSE(fs::exists(folder.path() / "step-000000002"));
}

TEST(CheckpointTest, ARunStartedOverReplacesThoseOfLaterSteps) {
  const TemporaryDirectory folder;
  CheckpointData data;
  write_checkpoint(folder.path(), 900, data.contents(), 5);
  const fs::path again = write_checkpoint(folder.path(), 100, data.contents(), 5);
  EXPECT_EQ(latest_checkpoint(folder.path()), again);
}

TEST(CheckpointTest, FoldersOfOtherNamesStay) {
  const TemporaryDirectory folder;
  CheckpointData data;
  fs::create_directories(folder.path() / "step-000000001-mine");
  for (const std::int64_t step : {1, 2, 3})
    write_checkpoint(folder.path(), step, data.contents(), 1);
  EXPECT_TRUE(fs::exists(folder.path() / "step-000000001-mine"));
}

TEST(CheckpointTest, TheOneMovedAsideByAKilledProcessIsFoundAndPutBack) {
  const TemporaryDirectory folder;
  CheckpointData data;
  fs::rename(write_checkpoint(folder.path(), 5, data.contents(5), 2),
             folder.path() / ".replaced-000000005");
  fs::create_directories(folder.path() / ".writing-000000005");
  EXPECT_EQ(latest_checkpoint(folder.path())->filename(), ".replaced-000000005");
  write_checkpoint(folder.path(), 6, data.contents(6), 2);
  EXPECT_EQ(CheckpointReader(folder.path() / "step-000000005").state().at("mark"), 5);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 2);
}

TEST(CheckpointTest, ACopyIsWholeAndTheOnlyOne) {
  const TemporaryDirectory folder;
  CheckpointData data;
  const fs::path source = write_checkpoint(folder.path() / "a", 20, data.contents(2), 2);
  for (const std::int64_t step : {10, 20, 30})
    write_checkpoint(folder.path() / "b", step, data.contents(1), 9);
  const fs::path copy = copy_checkpoint(source, folder.path() / "b");
  EXPECT_EQ(copy, folder.path() / "b" / "step-000000020");
  EXPECT_EQ(latest_checkpoint(folder.path() / "b"), copy);
  EXPECT_EQ(CheckpointReader(copy).state().at("mark"), 2.0);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path() / "b"), fs::directory_iterator()),
            1);
  // what becomes of the one is nothing to the other
  data.replay[0] = -7.0f;
  write_checkpoint(folder.path() / "a", 20, data.contents(3), 2);
  write_checkpoint(folder.path() / "a", 40, data.contents(4), 1);
  CheckpointData read;
  CheckpointReader(copy).read_replay(read.contents().replay);
  EXPECT_EQ(read.replay[0], 0.5f);
  EXPECT_EQ(CheckpointReader(copy).state().at("mark"), 2.0);
}

TEST(CheckpointTest, ADamagedOneIsNotCopied) {
  const TemporaryDirectory folder;
  CheckpointData data;
  const fs::path source = write_checkpoint(folder.path() / "a", 20, data.contents(2), 2);
  const fs::path kept = write_checkpoint(folder.path() / "b", 20, data.contents(1), 2);
  fs::resize_file(source / "replay.safetensors", 100);
  EXPECT_THAT(error_text<DataError>([&] { copy_checkpoint(source, folder.path() / "b"); }),
              testing::AllOf(HasSubstr("step-000000020 cannot be copied: replay.safetensors has 100"
                                       " bytes")));
  EXPECT_EQ(CheckpointReader(kept).state().at("mark"), 1.0);
}

}  // namespace
}  // namespace mbrl
