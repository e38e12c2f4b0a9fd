// Tests for host/run/closing_text.{h,cpp}.
#include "host/run/closing_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

constexpr const char* kSummary = R"({"status": "done", "env_steps": 125000,
  "policy_updates": 2400000, "wall_time_s": 7384.2, "stage_seconds": {"checkpoint": 10.0,
  "env_step": 73.84, "eval": 50.0, "model_fit": 2215.26, "rollout": 221.5, "sac": 4430.52}})";

TEST(ClosingTextTest, SaysWhatTheRunHasComeToAndWhatIsNext) {
  const TemporaryDirectory folder;
  const auto run = folder.path() / "a run";
  std::filesystem::create_directory(run);
  write_text(run / "summary.json", kSummary);
  write_text(run / "metrics.csv",
             "env_steps,eval_return_mean\n1000,10\n2000,50\n3000,20\n4000,30\n5000,40\n"
             "6000,31\n7000,32\n");
  const std::string quoted = "'" + run.string() + "'";
  EXPECT_EQ(closing_text(run),
            "done     125000 env steps, 2400000 policy updates in 2:03:04\n"
            "return   last 32.0, best 50.0 at step 2000, mean of the last 5 30.6\n"
            "time     sac 60 %, model_fit 30 %, rollout 3 %, env_step 1 %, other 6 %\n"
            "folder   " +
                run.string() + "\n" + "next     mbrl_gpu eval " + quoted + "\n" +
                "         mbrl_gpu plot curve.svg " + quoted + "\n" +
                "         tensorboard --logdir " + quoted + "\n");
}

TEST(ClosingTextTest, ARunThatEndedEarlyHasFewerEvaluationsOrNone) {
  const TemporaryDirectory folder;
  write_text(folder.path() / "summary.json", kSummary);
  write_text(folder.path() / "metrics.csv", "env_steps,eval_return_mean\n1000,10\n2000,5\n");
  EXPECT_THAT(closing_text(folder.path()),
              testing::HasSubstr("last 5.0, best 10.0 at step 1000, mean of the last 2 7.5\n"));
  write_text(folder.path() / "metrics.csv", "env_steps,eval_return_mean\n");
  EXPECT_THAT(closing_text(folder.path()), testing::HasSubstr("return   no evaluation yet\n"));
}

TEST(ClosingTextTest, ADamagedSummaryIsNamed) {
  const TemporaryDirectory folder;
  write_text(folder.path() / "summary.json", R"({"status": "done"})");
  EXPECT_THAT(error_text<DataError>([&] { closing_text(folder.path()); }),
              testing::HasSubstr((folder.path() / "summary.json").string()));
}

}  // namespace
}  // namespace mbrl
