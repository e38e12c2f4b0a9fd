// Tests for host/run/run_dir.{h,cpp}.
#include "host/run/run_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "envs/mujoco/mujoco_version.h"
#include "host/algo/keys_read.h"
#include "host/config/print.h"
#include "tests/support/configs.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(RunDirTest, IsNameHashSeedAndSaysHowItWasMade) {
  const TemporaryDirectory folder;
  const RunDir dir = RunDir::open(folder.path() / "runs", trial_config(),
                                  {"mbrl_gpu", "run", "a b", "x=[1,2]"}, "cpu");
  EXPECT_EQ(dir.path(), folder.path() / "runs" / "trial" / config_hash(trial_config()) / "seed-4");
  EXPECT_EQ(file_text(dir.path() / "config.json"),
            config_json_text(trial_config(), keys_read(trial_config())));
  EXPECT_EQ(file_text(dir.path() / "command.txt"), "mbrl_gpu run 'a b' 'x=[1,2]'\n");
  const auto machine = nlohmann::json::parse(file_text(dir.path() / "machine.json"));
  for (const char* key : {"host", "cpu", "memory", "device", "program", "commit", "compiler"})
    EXPECT_TRUE(machine.contains(key)) << key;
}

// a start with another MuJoCo is refused where there is a checkpoint, and this file is written before
TEST(RunDirTest, TheMachineNamesTheMujocosOfFormerStartsOldestFirst) {
  const TemporaryDirectory folder;
  const auto before = [&](const std::string& former) {
    const fs::path file = RunDir::folder_of(folder.path(), trial_config()) / "machine.json";
    fs::create_directories(file.parent_path());
    write_text(file, former);
    RunDir::open(folder.path(), trial_config(), {}, "cpu");
    const auto machine = nlohmann::json::parse(file_text(file));
    EXPECT_EQ(machine.at("mujoco"), mujoco_name());
    return machine.value("mujoco_before", nlohmann::json::array()).dump();
  };
  EXPECT_EQ(before("{\"mujoco\": \"" + mujoco_name() + "\"}"), "[]");
  EXPECT_EQ(before("{\"mujoco\": \"MuJoCo 1.50\"}"), "[\"MuJoCo 1.50\"]");
  EXPECT_EQ(before("{\"mujoco\": \"MuJoCo 2.0\", \"mujoco_before\": [\"MuJoCo 1.50\"]}"),
            "[\"MuJoCo 1.50\",\"MuJoCo 2.0\"]");
  EXPECT_EQ(before("{\"mujoco\": \"MuJoCo 1.50\", \"mujoco_before\": [\"MuJoCo 1.50\"]}"),
            "[\"MuJoCo 1.50\"]");
  EXPECT_EQ(before("{\"cpu\": \"old\"}"), "[]");
  EXPECT_EQ(before("{\"mujoco"), "[]");
}

TEST(RunDirTest, AFolderThatCannotBeWrittenSaysWhyAndTheWayOut) {
  const TemporaryDirectory folder;
  write_text(folder.path() / "runs", "a file");
  try {
    RunDir::open(folder.path() / "runs", trial_config(), {}, "cpu");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("cannot be made: Not a directory"),
                                             HasSubstr("--runs DIR")));
    EXPECT_EQ(error.code(), ExitCode::kData);
  }
}

TEST(RunDirTest, ASecondProcessIsRefusedWhileTheFirstRuns) {
  const TemporaryDirectory folder;
  {
    const RunDir first = RunDir::open(folder.path(), trial_config(), {}, "cpu");
    try {
      RunDir::open(folder.path(), trial_config(), {}, "cpu");
      FAIL();
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("is in use by process " + std::to_string(getpid())));
    }
  }
  EXPECT_NO_THROW(RunDir::open(folder.path(), trial_config(), {}, "cpu"));
}

TEST(RunDirTest, FilesOfARankThatNeverAllArrivedGo) {
  const TemporaryDirectory folder;
  const fs::path run = RunDir::folder_of(folder.path(), trial_config());
  fs::create_directories(run.string() + ".arriving/checkpoints");
  const RunDir dir = RunDir::open(folder.path(), trial_config(), {}, "cpu");
  EXPECT_FALSE(fs::exists(run.string() + ".arriving"));
}

TEST(RunDirTest, AnEarlierRunIsSetAsideInOneStepBeforeAnythingIsWritten) {
  const TemporaryDirectory folder;
  const auto open = [&](RunDir::Earlier earlier) {
    return RunDir::open(folder.path(), trial_config(), {}, "cpu", earlier);
  };
  fs::path path;
  {
    const RunDir first = open(RunDir::Earlier::kIsSetAside);
    path = first.path();
    EXPECT_EQ(first.set_aside(), fs::path()) << "there was none";
    write_text(path / "metrics.csv", "first");
  }
  {
    const RunDir second = open(RunDir::Earlier::kIsSetAside);
    EXPECT_EQ(second.path(), path);
    EXPECT_EQ(second.set_aside(), path.string() + ".old-1");
    EXPECT_EQ(file_text(second.set_aside() / "metrics.csv"), "first");
    EXPECT_FALSE(fs::exists(path / "metrics.csv"));
    EXPECT_TRUE(fs::exists(path / "config.json"));
    write_text(path / "metrics.csv", "second");
    EXPECT_THROW(open(RunDir::Earlier::kIsSetAside), BusyError) << "one that runs stays";
  }
  {
    const RunDir third = open(RunDir::Earlier::kIsSetAside);
    EXPECT_EQ(third.set_aside(), path.string() + ".old-2");
    EXPECT_EQ(file_text(third.set_aside() / "metrics.csv"), "second");
    write_text(path / "metrics.csv", "third");
  }
  EXPECT_EQ(file_text(open(RunDir::Earlier::kGoesOn).path() / "metrics.csv"), "third");
  // killed between the rename and the new folder: the next command finds nothing to go on from
  fs::rename(path, path.string() + ".old-3");
  EXPECT_FALSE(fs::exists(open(RunDir::Earlier::kGoesOn).path() / "metrics.csv"));
}

TEST(RunDirTest, KnowsWhetherItsFolderIsStillThere) {
  const TemporaryDirectory folder;
  const RunDir dir = RunDir::open_folder(folder.path() / "run", trial_config(), {}, "cpu");
  EXPECT_TRUE(dir.is_in_place());
  EXPECT_NO_THROW(dir.require_in_place());
  const auto told = [&] { return error_text<DataError>([&] { dir.require_in_place(); }); };

  fs::rename(folder.path() / "run", folder.path() / "moved");
  EXPECT_THAT(told(), testing::AllOf(HasSubstr("was removed, moved or replaced"),
                                     HasSubstr((folder.path() / "run").string())));
  const RunDir other = RunDir::open_folder(folder.path() / "run", trial_config(), {}, "cpu");
  EXPECT_FALSE(dir.is_in_place()) << "another process's";
  EXPECT_TRUE(other.is_in_place());
  fs::remove_all(folder.path() / "run");
  fs::rename(folder.path() / "moved", folder.path() / "run");
  EXPECT_TRUE(dir.is_in_place()) << "moved back";
}

TEST(RunDirTest, AskingWhetherAFolderIsBusyTakesNothing) {
  const TemporaryDirectory folder;
  const fs::path path = folder.path() / "run";
  EXPECT_FALSE(RunDir::is_busy(path));
  {
    const RunDir dir = RunDir::open_folder(path, trial_config(), {}, "cpu");
    EXPECT_TRUE(RunDir::is_busy(path));
  }
  EXPECT_FALSE(RunDir::is_busy(path));
  EXPECT_NO_THROW(RunDir::open_folder(path, trial_config(), {}, "cpu"));
}

TEST(CommandTextTest, QuotesWhatAShellWouldSplit) {
  EXPECT_EQ(command_text({"a", "it's", "", "k=v"}), "a 'it'\\''s' '' k=v");
}

TEST(RunDirTest, ARunOfAnEarlierVersionIsFoundUnderItsNameThere) {
  const TemporaryDirectory folder;
  Config config = trial_config();
  config.name = "hopper";
  const fs::path below = fs::path(config_hash(config)) / "seed-4";
  EXPECT_EQ(RunDir::folder_of(folder.path(), config), folder.path() / "hopper" / below);
  fs::create_directories(folder.path() / "hopper-mbpo" / below);
  EXPECT_EQ(RunDir::folder_of(folder.path(), config), folder.path() / "hopper-mbpo" / below);
  // another seed is a run of its own
  config.seed = 5;
  EXPECT_EQ(RunDir::folder_of(folder.path(), config).parent_path().parent_path(),
            folder.path() / "hopper");
  // where both are, the present name counts
  config.seed = 4;
  fs::create_directories(folder.path() / "hopper" / below);
  EXPECT_EQ(RunDir::folder_of(folder.path(), config), folder.path() / "hopper" / below);

  // so for what an AutoMBPO run shares
  config.name = "autombpo_hopper-baseline";
  fs::create_directories(folder.path() / "autombpo-hopper-baseline" / below);
  EXPECT_EQ(RunDir::folder_of(folder.path(), config),
            folder.path() / "autombpo-hopper-baseline" / below);
}

TEST(RunDirTest, LatestLeadsToTheRunThatWasLinkedLast) {
  const TemporaryDirectory folder;
  const fs::path runs = folder.path() / "runs";
  for (const char* run : {"a/1/seed-0", "b/2/seed-0"}) {
    fs::create_directories(runs / run);
    link_latest(runs, runs / run);
    EXPECT_EQ(fs::read_symlink(runs / "latest"), run);
  }
  // the folder may be moved with the link in it
  fs::rename(runs, folder.path() / "moved");
  EXPECT_TRUE(fs::is_directory(folder.path() / "moved" / "latest"));
  // a link that was left over by a killed process, or leads nowhere, is in no one's way
  fs::create_directory_symlink("nowhere", folder.path() / "moved" / ".latest");
  fs::remove_all(folder.path() / "moved" / "b");
  link_latest(folder.path() / "moved", folder.path() / "moved" / "a/1/seed-0");
  EXPECT_EQ(fs::read_symlink(folder.path() / "moved" / "latest"), "a/1/seed-0");
  EXPECT_FALSE(fs::is_symlink(folder.path() / "moved" / ".latest"));
}

TEST(RunDirTest, WhatIsCalledLatestAndIsNoLinkStays) {
  const TemporaryDirectory folder;
  fs::create_directories(folder.path() / "a");
  write_text(folder.path() / "latest", "a user's");
  link_latest(folder.path(), folder.path() / "a");
  EXPECT_EQ(file_text(folder.path() / "latest"), "a user's");
  fs::remove(folder.path() / "latest");
  fs::create_directory(folder.path() / "latest");
  link_latest(folder.path(), folder.path() / "a");
  EXPECT_FALSE(fs::is_symlink(folder.path() / "latest"));
  // nor does a folder that takes no links end anything
  link_latest(folder.path() / "absent", folder.path() / "absent" / "a");
  EXPECT_FALSE(fs::exists(folder.path() / "absent"));
}

}  // namespace
}  // namespace mbrl
