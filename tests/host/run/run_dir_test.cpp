// Tests for host/run/run_dir.{h,cpp}.
#include "host/run/run_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "host/algo/keys_read.h"
#include "host/config/print.h"
#include "tests/support/configs.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

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

TEST(CommandTextTest, QuotesWhatAShellWouldSplit) {
  EXPECT_EQ(command_text({"a", "it's", "", "k=v"}), "a 'it'\\''s' '' k=v");
}

}  // namespace
}  // namespace mbrl
