// Tests for host/tune/study/journal_lock.{h,cpp} and for journals that several processes write: one at
// a time, whoever is killed, Optuna among them.
#include "host/tune/study/journal_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "host/tune/study/journal.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

class JournalLockTest : public testing::Test {
 protected:
  JournalLockTest() { write_text(journal().string(), ""); }
  fs::path journal() const { return folder_.path() / "journal.log"; }
  fs::path link() const { return folder_.path() / "journal.log.lock"; }
  bool is_locked() const { return fs::is_symlink(fs::symlink_status(link())); }
  JournalLock lock(milliseconds grace = hours(1)) {
    return JournalLock(
        journal(), [this](const std::string& text) { told_.push_back(text); }, grace);
  }
  static int exit_code_of(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  TemporaryDirectory folder_;
  std::vector<std::string> told_;
};

TEST_F(JournalLockTest, IsTheLinkThatOptunaLooksFor) {
  JournalLock one = lock();
  one.lock();
  ASSERT_TRUE(is_locked());
  EXPECT_TRUE(fs::exists(link())) << "its target is there: Optuna asks when that changed";
  one.unlock();
  EXPECT_FALSE(is_locked());
}

TEST_F(JournalLockTest, WaitsForOptunaAndTakesAwayWhatNobodyTouches) {
  fs::create_symlink(journal(), link());
  std::atomic<bool> released{false};
  std::thread optuna([&] {
    usleep(20'000);
    released = true;
    fs::remove(link());
  });
  JournalLock patient = lock();
  patient.lock();
  EXPECT_TRUE(released);
  optuna.join();
  patient.unlock();

  // one with a path from another folder leads nowhere
  for (const fs::path& target : {journal(), fs::path("not/here/journal.log")}) {
    told_.clear();
    fs::create_symlink(target, link());
    JournalLock hasty = lock(milliseconds(5));
    hasty.lock();
    EXPECT_THAT(told_, ElementsAre(HasSubstr("was left by a process that ended"))) << target;
    hasty.unlock();
  }
}

TEST_F(JournalLockTest, WhatAKilledProcessLeftIsTakenOverAtOnce) {
  const pid_t child = fork();
  if (child == 0) {
    JournalLock held = lock();
    held.lock();
    _exit(0);
  }
  exit_code_of(child);
  ASSERT_TRUE(is_locked());
  JournalLock next = lock();
  next.lock();
  EXPECT_TRUE(told_.empty());
  next.unlock();
  EXPECT_FALSE(is_locked());
}

TEST_F(JournalLockTest, ALinkThatIsAnothersByNowStays) {
  JournalLock held = lock();
  held.lock();
  fs::rename(link(), folder_.path() / "aside");
  fs::create_symlink(journal(), link());
  held.unlock();
  EXPECT_TRUE(is_locked());
}

TEST_F(JournalLockTest, ProcessesThatWriteAtATimeLoseNothingAndRepeatNothing) {
  constexpr int kProcesses = 4, kEach = 10;
  const SearchSpace space = search_space_from_json(
      nlohmann::ordered_json::parse(R"({"sac.learning_rate": {"low": 1e-5, "high": 1e-2}})"),
      "test");
  const auto open = [&] {
    return std::make_unique<Journal>(journal(), "study", nlohmann::ordered_json{{"what", 1}}, space,
                                     [](const std::string&) { _exit(3); });
  };
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    const auto own = open();
    for (int i = 0; i < kEach; ++i) {
      const Journal::Hold hold(*own);
      const std::size_t next = own->trials().size();
      own->add({{1e-3}}, next);
      own->begin(next);
    }
    _exit(0);
  }
  for (const pid_t child : children) EXPECT_EQ(exit_code_of(child), 0);
  const auto all = open();
  ASSERT_EQ(all->trials().size(), static_cast<std::size_t>(kProcesses * kEach));
  for (std::size_t i = 0; i < all->trials().size(); ++i) EXPECT_EQ(all->trials()[i].plan, i);
}

TEST_F(JournalLockTest, AJournalReadsOnAndLeavesALineThatIsBeingWritten) {
  const SearchSpace space = search_space_from_json(
      nlohmann::ordered_json::parse(R"({"sac.learning_rate": {"low": 1e-5, "high": 1e-2}})"),
      "test");
  const nlohmann::ordered_json what{{"what", 1}};
  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& text) { warnings.push_back(text); };
  Journal one(journal(), "study", what, space, warn), two(journal(), "study", what, space, warn);
  one.add({{1e-3}, {1e-4}}, 0);
  EXPECT_TRUE(two.trials().empty());
  two.refresh();
  ASSERT_EQ(two.trials().size(), 2u);
  // the first to begin it has it; a state after the end is none
  two.begin(1);
  one.end(0, TrialState::kFailed, "no");
  two.end(0, TrialState::kFailed, "again");
  two.score(0, 100, 1.0);
  EXPECT_EQ(two.trials()[0].error, "no");
  EXPECT_TRUE(two.trials()[0].scores.empty());
  EXPECT_EQ(one.trials()[1].state, TrialState::kRunning);

  const std::string before = file_text(journal());
  write_text(journal().string(), before + "{\"op_code\"");
  one.refresh();
  EXPECT_EQ(file_text(journal()), before + "{\"op_code\"");
  EXPECT_TRUE(warnings.empty());
  // whoever has the lock knows that nobody goes on with it
  one.add({{1e-2}}, 2);
  EXPECT_EQ(warnings.size(), 1u);
  two.refresh();
  EXPECT_EQ(two.trials().size(), 3u);
  EXPECT_EQ(warnings.size(), 1u);
}

}  // namespace
}  // namespace mbrl
