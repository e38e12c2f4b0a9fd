// Tests for host/tune/study/{claims,process_name}.{h,cpp}: who has a trial, and when it is free again.
#include "host/tune/study/claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/tune/study/process_name.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr char kOtherMachine[] = "node7.example.0a1b2c3d.4026531836.4711.99";

class ClaimsTest : public testing::Test {
 protected:
  Claims process(const std::string& name, milliseconds silence = hours(1)) {
    return Claims(folder_.path(), {}, name, {.beat = hours(1), .silence = silence});
  }
  std::filesystem::path worker(const std::string& name) const {
    return folder_.path() / "workers" / name;
  }

  TemporaryDirectory folder_;
};

TEST_F(ClaimsTest, OneProcessAtATimeHasATrial) {
  Claims here = process(own_process_name()), there = process(kOtherMachine);
  EXPECT_TRUE(here.take("0003"));
  EXPECT_TRUE(here.take("0003")) << "it has it";
  EXPECT_FALSE(there.take("0003"));
  EXPECT_TRUE(there.take("0004"));
  EXPECT_EQ(there.holder("0003"), own_process_name());
  EXPECT_EQ(here.holder("0004"), kOtherMachine);
  there.release("0003");
  EXPECT_FALSE(there.take("0003")) << "it was not its own to give";
  here.release("0003");
  EXPECT_FALSE(here.has_claim("0003"));
  EXPECT_EQ(here.holder("0003"), std::nullopt);
  EXPECT_TRUE(there.take("0003"));
}

TEST_F(ClaimsTest, WhatAProcessLeavesAtItsEndIsFreeAtOnce) {
  process(kOtherMachine).take("0000");
  Claims here = process(own_process_name());
  EXPECT_TRUE(here.has_claim("0000"));
  EXPECT_EQ(here.holder("0000"), std::nullopt);
  EXPECT_TRUE(here.take("0000"));
}

TEST_F(ClaimsTest, AKilledProcessOfThisMachineIsDeadAtOnceAndOneOfAnotherAfterItsSilence) {
  const pid_t child = fork();
  if (child == 0) {
    auto* killed = new Claims(folder_.path());
    killed->take("0000");
    _exit(0);  // as by SIGKILL: nothing is put away
  }
  int status = 0;
  waitpid(child, &status, 0);
  Claims here = process(own_process_name());
  EXPECT_TRUE(here.has_claim("0000"));
  EXPECT_TRUE(here.take("0000"));

  // another machine's, which is gone without a word
  Claims patient = process("a.0.0.1.1"), hasty = process("b.0.0.1.1", milliseconds(0));
  auto* gone =
      new Claims(folder_.path(), {}, kOtherMachine, {.beat = hours(1), .silence = hours(1)});
  gone->take("0001");
  EXPECT_EQ(hasty.holder("0001"), kOtherMachine) << "first it is watched";
  const auto later =
      std::filesystem::last_write_time(worker(kOtherMachine)) + std::chrono::seconds(1);
  std::filesystem::last_write_time(worker(kOtherMachine), later);
  EXPECT_EQ(hasty.holder("0001"), kOtherMachine) << "a sign of life";
  EXPECT_FALSE(patient.take("0001"));
  usleep(1000);
  EXPECT_TRUE(hasty.take("0001"));
  EXPECT_FALSE(std::filesystem::exists(worker(kOtherMachine))) << "so that it learns of it";
  delete gone;
}

TEST_F(ClaimsTest, AProcessThatWasTakenForDeadHearsOfIt) {
  std::atomic<bool> told{false};
  Claims here(folder_.path(), [&] { told = true; }, own_process_name(),
              {.beat = milliseconds(1), .silence = hours(1)});
  ASSERT_TRUE(here.take("0000"));
  std::filesystem::remove(worker(own_process_name()));
  while (!told) usleep(1000);
  EXPECT_TRUE(here.is_lost());
  EXPECT_FALSE(here.take("0000"));
  EXPECT_FALSE(here.take("0001"));
}

TEST(ProcessName, TellsTheLivingFromTheDeadWhateverNumberTheyHave) {
  const std::string own = own_process_name();
  EXPECT_EQ(process_has_ended(own), false);
  // the same number at another start: it came again
  EXPECT_EQ(process_has_ended(own.substr(0, own.rfind('.')) + ".7"), true);
  EXPECT_EQ(process_has_ended(kOtherMachine), std::nullopt);
  for (const char* none : {"", "x", "a.b.c.d.e", "..", "a.b.c.-1.2"})
    EXPECT_EQ(process_has_ended(none), true) << none;
  EXPECT_EQ(process_text(kOtherMachine), "process 4711 on node7.example");
}

}  // namespace
}  // namespace mbrl
