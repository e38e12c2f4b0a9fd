// Tests of what other commands write and read: at each I/O call that fails the file of before is
// whole or the new one is, a run is never changed by who reads it, and the program says what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>
#include <cstring>

#include "tests/io/faults.h"
#include "tests/io/tiny_runs.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

// two seeds of MBPO and two of SAC
class OutputsTest : public testing::Test {
 protected:
  void SetUp() override {
    MBRL_IO_SKIP_UNDER_SANITIZERS();
    fs::create_directories(out_);
    for (const auto& [name, config] : {std::pair("mbpo", kMbpo), std::pair("sac", kSac)})
      for (const char* seed : {"seed=0", "seed=1"}) {
        const std::string file = folder_.write(std::string(name) + ".json", config);
        const IoOutcome outcome = run(tiny_command(file, runs_ / name, {seed}), {}, runs_);
        ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
      }
    for (const auto& entry : fs::recursive_directory_iterator(runs_ / "mbpo"))
      if (entry.path().filename() == "seed-0") run_ = entry.path();
  }
  IoOutcome run(const Words& words, const IoFault& fault, const fs::path& root,
                const fs::path& trace = {}) const {
    return run_with_fault(folder_.path(), root, words, fault, trace);
  }
  std::vector<IoCall> calls_of(const Words& words, const fs::path& root) const {
    const fs::path trace = folder_.path() / "trace";
    fs::remove(trace);
    EXPECT_EQ(run(words, {}, root, trace).exit_code, 0);
    return read_trace(trace);
  }
  void expect_told(const IoOutcome& outcome, int error, const std::string& what) const {
    EXPECT_EQ(outcome.exit_code, 4) << what << outcome.error;
    EXPECT_THAT(outcome.error, testing::HasSubstr(std::strerror(error))) << what;
    EXPECT_THAT(outcome.error, testing::HasSubstr(folder_.path().string())) << what;
    EXPECT_THAT(outcome.error, testing::Not(testing::HasSubstr("does not expect"))) << what;
  }

  const IoFolder folder_;
  const fs::path runs_ = folder_.path() / "runs", out_ = folder_.path() / "out";
  fs::path run_;
};

TEST_F(OutputsTest, AFigureIsTheOneOfBeforeOrTheNewOneAtAnyCall) {
  const fs::path file = out_ / "figure.svg";
  const Words commands[] = {
      {"plot", file.string(), (runs_ / "mbpo").string(), (runs_ / "sac").string()},
      {"eval", run_.string(), "--model-error", "50", "--svg", file.string(), "--threads", "1"},
      {"eval", run_.string(), "--value-error", "2", "--svg", file.string(), "--threads", "1"},
      {"bound", "--svg", file.string()}};
  constexpr std::pair<const char*, int> kModes[] = {
      {"kill", 0},  {"torn", 0},      {"short", 0},     {"enospc", ENOSPC},
      {"eio", EIO}, {"erofs", EROFS}, {"full", ENOSPC}, {"readonly", EROFS}};
  int number = 0;
  for (const Words& command : commands) {
    fs::remove(file);
    const std::vector<IoCall> calls = calls_of(command, out_);
    const std::string made = file_text(file);
    ASSERT_FALSE(made.empty());
    for (const auto& [mode, error] : kModes) {
      const std::string earlier = ++number % 2 == 0 ? "" : "the one of before";
      for (const IoCall& call : calls) {
        if ((std::strcmp(mode, "torn") == 0 || std::strcmp(mode, "short") == 0) && !call.writes())
          continue;
        if ((error == ENOSPC && !call.needs_room()) || (error == EROFS && !call.changes()))
          continue;
        fs::remove(file);
        if (!earlier.empty()) write_text(file, earlier);
        const std::string what = command[0] + ", " + mode + " at call " +
                                 std::to_string(call.number) + ", " + call.name + " " + call.path +
                                 "\n";
        const IoOutcome outcome = run(command, {call.number, mode}, out_);
        if (std::strcmp(mode, "kill") == 0 || std::strcmp(mode, "torn") == 0) {
          EXPECT_EQ(outcome.signal, SIGKILL) << what;
        } else if (error == 0 || (call.name == "close" && fs::is_directory(call.path))) {
          // what has been read is read, and what has been brought to disk is there
          EXPECT_EQ(outcome.exit_code, 0) << what;
        } else {
          expect_told(outcome, error, what);
          // what cannot be removed on such a disk stays, as after a kill
          EXPECT_TRUE(error == EROFS || !fs::exists(file.string() + ".tmp")) << what;
        }
        const std::string found = file_text(file);
        EXPECT_TRUE(found == made || (found == earlier && (error != 0 || outcome.signal != 0)))
            << what << found.substr(0, 100);
        EXPECT_EQ(fs::exists(file), !found.empty()) << what;
      }
      EXPECT_EQ(run(command, {}, out_).exit_code, 0);
      EXPECT_EQ(file_text(file), made);
      EXPECT_EQ(std::distance(fs::directory_iterator(out_), fs::directory_iterator()), 1);
    }
  }
}

TEST_F(OutputsTest, AReadThatFailsIsToldAndChangesNoRun) {
  const fs::path file = out_ / "figure.svg";
  const Words commands[] = {{"plot", file.string(), (runs_ / "mbpo").string()},
                            {"compare", (runs_ / "mbpo").string(), (runs_ / "sac").string()},
                            {"eval", run_.string(), "--episodes", "1", "--threads", "1"}};
  const Tree before = tree_of(runs_);
  for (const Words& command : commands) {
    const std::vector<IoCall> calls = calls_of(command, runs_);
    const std::string printed = run(command, {}, runs_).out;
    const char* given = std::getenv("MBRL_IO_STRIDE");
    const std::size_t stride = given != nullptr ? std::max(1, std::atoi(given)) : 5;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const IoCall& call = calls[i];
      EXPECT_FALSE(call.changes()) << command[0] << ": " << call.name << " " << call.path;
      const std::string what = command[0] + ", call " + std::to_string(call.number) + ", " +
                               call.name + " " + call.path + "\n";
      if (call.reads() && i % stride == 1 % stride) {
        EXPECT_EQ(run(command, {call.number, "short"}, runs_).out, printed) << what;
      }
      if (i % stride != 0) continue;
      const IoOutcome outcome = run(command, {call.number, "eio"}, runs_);
      // a run that cannot be read is left out, aloud; what is read is whole
      if (outcome.exit_code == 0 && outcome.out == printed) continue;
      if (outcome.exit_code != 0) {
        expect_told(outcome, EIO, what);
      } else {
        EXPECT_THAT(outcome.error, testing::HasSubstr("warning: ")) << what;
        EXPECT_THAT(outcome.error, testing::HasSubstr(std::strerror(EIO))) << what;
      }
    }
  }
  EXPECT_EQ(difference(before, tree_of(runs_)), "");
}

}  // namespace
}  // namespace mbrl
