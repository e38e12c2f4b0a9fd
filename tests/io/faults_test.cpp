// Tests that kill, stop or fail a tiny run of each algorithm at its I/O calls, one after the other.
//
// Whatever happens at a call, the program says what is wrong in one paragraph and ends with exit
// code 4, or goes on where it does not matter; no whole checkpoint is lost; and the same command then
// ends as the run that nothing happened to, bit for bit, with nothing left over. README.md beside
// this file says what the whole sweep found and how to run it: MBRL_IO_STRIDE=1 tries every call,
// the default every so many, others in each mode.
#include "tests/io/faults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstring>
#include <iostream>

#include "host/io/crc32c.h"
#include "tests/io/tiny_runs.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

// what a command finds
enum class Start { kNothing, kAKilledRun, kADoneRun };

struct Scenario {
  const char* name;
  const char* config;
  Start start;
  int keep;
  int stride;  // of the default choice
};

constexpr Scenario kScenarios[] = {{"mbpo", kMbpo, Start::kNothing, 2, 11},
                                   {"sac", kSac, Start::kNothing, 2, 23},
                                   {"ppo", kPpo, Start::kNothing, 2, 23},
                                   {"autombpo", kAutoMbpo, Start::kNothing, 1, 31},
                                   {"mbpo_resumed", kMbpo, Start::kAKilledRun, 2, 13},
                                   {"autombpo_resumed", kAutoMbpo, Start::kAKilledRun, 1, 37},
                                   {"mbpo_started_over", kMbpo, Start::kADoneRun, 2, 19}};

struct Mode {
  const char* name;
  bool (*meets)(const IoCall& call);  // whether the call could fail so
  bool kills;
  int error;  // errno, or 0
};

constexpr Mode kModes[] = {
    {"kill", [](const IoCall&) { return true; }, true, 0},
    {"torn", [](const IoCall& call) { return call.writes(); }, true, 0},
    {"term", [](const IoCall&) { return true; }, false, 0},
    {"short", [](const IoCall& call) { return call.writes() || call.reads(); }, false, 0},
    {"enospc", [](const IoCall& call) { return call.needs_room() || call.name == "close"; }, false,
     ENOSPC},
    {"eio", [](const IoCall&) { return true; }, false, EIO},
    {"erofs", [](const IoCall& call) { return call.changes(); }, false, EROFS},
    {"full", [](const IoCall& call) { return call.needs_room(); }, false, ENOSPC},
    {"readonly", [](const IoCall& call) { return call.changes(); }, false, EROFS}};

bool is_checkpoint(const fs::path& folder) {
  return folder.parent_path().filename() == "checkpoints" &&
         folder.filename().string().starts_with("step-");
}

// a checkpoint that is all that its DONE promises
bool is_whole(const fs::path& folder) {
  const auto done = nlohmann::json::parse(file_text(folder / "DONE"), nullptr, false);
  if (!done.is_object()) return false;
  for (const char* file : {"weights.safetensors", "replay.safetensors", "state.json"})
    if (crc32c(file_text(folder / file)) != done.at("crc32c").at(file)) return false;
  return true;
}

// The checkpoints that are complete before call `at`, given those of the start.
std::set<fs::path> complete_before(long at, const std::vector<IoCall>& calls,
                                   std::set<fs::path> complete) {
  for (const IoCall& call : calls) {
    if (call.number >= at) break;
    if (call.name == "rename" || call.name == "exchange") {
      std::set<fs::path> moved;
      for (const fs::path& folder : complete)
        moved.insert(folder.string().starts_with(call.path + "/")
                         ? fs::path(call.other + folder.string().substr(call.path.size()))
                         : folder);
      complete = moved;
      if (is_checkpoint(call.other)) complete.insert(call.other);
    } else if (call.name == "unlink" || call.name == "rmdir") {
      std::erase_if(complete, [&](const fs::path& folder) {
        return (call.path + "/").starts_with(folder.string() + "/");
      });
    }
  }
  return complete;
}

// of each folder of checkpoints the newest alone: a run that was told to stop has saved one more
Tree newest_checkpoints(const Tree& tree) {
  const auto folder_of = [](const std::string& path) {
    const std::size_t at = path.find("checkpoints/step-");
    return at == path.npos ? "" : path.substr(0, path.find('/', at + std::strlen("checkpoints/")));
  };
  std::map<std::string, std::string> newest;
  for (const auto& [path, contents] : tree)
    if (const std::string folder = folder_of(path); !folder.empty()) {
      std::string& so_far = newest[fs::path(folder).parent_path()];
      so_far = std::max(so_far, folder);
    }
  Tree kept;
  for (const auto& [path, contents] : tree) {
    const std::string folder = folder_of(path);
    if (folder.empty() || newest[fs::path(folder).parent_path()] == folder) kept[path] = contents;
  }
  return kept;
}

class FaultTest : public testing::TestWithParam<std::tuple<Scenario, Mode>> {
 protected:
  const Scenario& scenario() const { return std::get<0>(GetParam()); }
  const Mode& mode() const { return std::get<1>(GetParam()); }

  Words command(bool over) const {
    return tiny_command(config_, runs_, over ? Words{"--resume", "never"} : Words{});
  }
  IoOutcome run(const IoFault& fault = {}, const fs::path& trace = {}, bool over = false) const {
    return run_with_fault(folder_.path(), runs_, command(over), fault, trace);
  }
  void put_start() const {
    fs::remove_all(runs_);
    if (fs::exists(start_))
      fs::copy(start_, runs_, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  }

  void SetUp() override {
    MBRL_IO_SKIP_UNDER_SANITIZERS();
    config_ = folder_.path() / "tiny.json";
    write_text(config_, scenario().config);
    runs_ = folder_.path() / "runs";
    start_ = folder_.path() / "start";
    const fs::path trace = folder_.path() / "trace";
    const IoOutcome whole = run({}, trace);
    ASSERT_EQ(whole.exit_code, 0) << whole.error;
    wanted_ = tree_of(runs_);
    calls_ = read_trace(trace);
    ASSERT_FALSE(calls_.empty()) << "the library counts nothing";
    over_ = scenario().start == Start::kADoneRun;
    if (scenario().start == Start::kNothing) return;

    if (scenario().start == Start::kAKilledRun) {
      fs::remove_all(runs_);
      const long middle = static_cast<long>(calls_.size()) * 3 / 5;
      ASSERT_EQ(run({middle, "kill"}).signal, SIGKILL);
    }
    fs::rename(runs_, start_);
    put_start();
    for (const auto& entry : fs::recursive_directory_iterator(runs_))
      // one that the kill caught while it was being deleted is none
      if (entry.is_directory() && is_checkpoint(entry.path()) && is_whole(entry.path()))
        at_start_.insert(entry.path());
    fs::remove(trace);
    const IoOutcome again = run({}, trace, over_);
    ASSERT_EQ(again.exit_code, 0) << again.error;
    calls_ = read_trace(trace);
    ASSERT_EQ(difference(wanted_tree(), tree_of(runs_)), "");
  }

  // with the run that was set aside, where there is one
  Tree wanted_tree() const {
    Tree tree = wanted_;
    if (!over_) return tree;
    for (const auto& [path, contents] : wanted_) {
      const std::size_t at = path.find("seed-0/");
      if (at == path.npos) continue;
      const std::string old = path.substr(0, at) + "seed-0.old-1" + path.substr(at + 6);
      if (fs::exists(runs_ / path.substr(0, at) / "seed-0.old-1")) tree[old] = contents;
    }
    return tree;
  }

  // what is wrong after a fault at a call; "" if nothing is
  std::string try_call(const IoCall& call);
  std::string what_ended_wrong(const IoOutcome& outcome) const;
  std::string what_was_lost(const IoCall& call, const IoOutcome& outcome) const;

  const IoFolder folder_;
  fs::path config_, runs_, start_;
  Tree wanted_;
  std::vector<IoCall> calls_;
  std::set<fs::path> at_start_;  // checkpoints
  bool over_ = false;
  std::map<std::string, int> ends_;
};

std::string FaultTest::what_ended_wrong(const IoOutcome& outcome) const {
  const std::string end = outcome.signal != 0 ? "signal " + std::to_string(outcome.signal)
                                              : "exit " + std::to_string(outcome.exit_code);
  if (mode().kills) return outcome.signal == SIGKILL ? "" : end + " in place of SIGKILL\n";
  if (std::strcmp(mode().name, "term") == 0)
    return outcome.exit_code == 0 || outcome.exit_code == 130 ? "" : end + "\n" + outcome.error;
  if (outcome.exit_code == 0) return "";
  if (mode().error == 0 || outcome.exit_code != 4) return end + "\n" + outcome.error;
  // one paragraph, the last line, with the reason and a path
  std::stringstream lines(outcome.error);
  std::string line, last;
  while (std::getline(lines, line))
    if (!line.empty()) last = line;
  const bool told = last.find(std::strerror(mode().error)) != last.npos &&
                    last.find(runs_.string()) != last.npos && last.ends_with('.') &&
                    last.find("does not expect") == last.npos;
  return told ? "" : "the last line does not say what is wrong:\n" + outcome.error;
}

std::string FaultTest::what_was_lost(const IoCall& call, const IoOutcome& outcome) const {
  if (outcome.exit_code == 0) return "";  // then the whole tree is compared
  std::string text;
  std::map<fs::path, int> wanted;
  for (const fs::path& folder : complete_before(call.number, calls_, at_start_)) {
    ++wanted[folder.parent_path()];
    if (outcome.signal != 0 && !is_whole(folder)) text += folder.string() + " is no longer whole\n";
  }
  // newer ones may have taken the place of older ones meanwhile
  for (const auto& [folder, number] : wanted) {
    // what AutoMBPO learns from a run that is done lies in its tables; its checkpoints go
    if (!fs::exists(folder) && fs::exists(folder.parent_path() / "summary.json")) continue;
    int whole = 0;
    if (fs::exists(folder))
      for (const auto& entry : fs::directory_iterator(folder))
        whole += is_checkpoint(entry.path()) && is_whole(entry.path()) ? 1 : 0;
    if (whole < std::min(number, scenario().keep))
      text += std::to_string(whole) + " whole checkpoints are left of " + std::to_string(number) +
              " in " + folder.string() + "\n";
  }
  return text;
}

std::string FaultTest::try_call(const IoCall& call) {
  put_start();
  const IoOutcome outcome = run({call.number, mode().name}, {}, over_);
  ++ends_[outcome.signal != 0 ? "killed" : "exit " + std::to_string(outcome.exit_code)];
  std::string wrong = what_ended_wrong(outcome) + what_was_lost(call, outcome);
  if (over_) {
    // the earlier run is whole in one of its two places
    std::string of_old;
    for (const auto& entry : fs::recursive_directory_iterator(runs_))
      if (entry.path().filename() == "seed-0.old-1") of_old = entry.path().string();
    if (of_old.empty()) {
      wrong += difference(wanted_, tree_of(runs_));
    } else {
      Tree wanted;
      for (const auto& [path, contents] : wanted_)
        if (const std::size_t at = path.find("seed-0/"); at != path.npos && path.size() > at + 7)
          wanted[path.substr(at + 7)] = contents;
      wrong += difference(wanted, tree_of(of_old));
    }
  }

  const IoOutcome after = run();
  if (after.exit_code != 0)
    return wrong + "the same command then ends with exit " + std::to_string(after.exit_code) +
           "\n" + after.error;
  const Tree wanted = wanted_tree(), found = tree_of(runs_);
  const bool saves_more = std::strcmp(mode().name, "term") == 0;
  return wrong + (saves_more ? difference(newest_checkpoints(wanted), newest_checkpoints(found))
                             : difference(wanted, found));
}

TEST_P(FaultTest, LosesNothing) {
  std::vector<IoCall> met;
  for (const IoCall& call : calls_)
    if (mode().meets(call)) met.push_back(call);
  const char* given = std::getenv("MBRL_IO_STRIDE");
  const std::size_t stride = given != nullptr ? std::max(1, std::atoi(given)) : scenario().stride;
  // other calls in each mode
  const std::size_t index = static_cast<std::size_t>(
      std::find_if(std::begin(kModes), std::end(kModes),
                   [&](const Mode& m) { return std::strcmp(m.name, mode().name) == 0; }) -
      std::begin(kModes));
  const std::size_t first = (1 + index * 7) % stride;
  int num_tried = 0, num_wrong = 0;
  for (std::size_t i = first; i < met.size() && num_wrong < 10; i += stride, ++num_tried) {
    const std::string wrong = try_call(met[i]);
    if (wrong.empty()) continue;
    ++num_wrong;
    ADD_FAILURE() << mode().name << " at call " << met[i].number << ", " << met[i].name << " "
                  << met[i].path << (met[i].other.empty() ? "" : " -> " + met[i].other) << ":\n"
                  << wrong;
  }
  std::cout << scenario().name << ", " << mode().name << ": " << num_tried << " of " << met.size()
            << " calls";
  for (const auto& [end, number] : ends_) std::cout << ", " << number << " " << end;
  std::cout << std::endl;
}

// What is not seen is not gone: a run that took it so would begin anew, over the one that is there.
TEST(FolderFaultTest, AFolderThatCannotBeListedEndsTheRunThatWouldStartOver) {
  MBRL_IO_SKIP_UNDER_SANITIZERS();
  const IoFolder folder;
  const std::string config = folder.write("tiny.json", kMbpo);
  const fs::path runs = folder.path() / "runs", trace = folder.path() / "trace";
  ASSERT_EQ(run_with_fault(folder.path(), runs, tiny_command(config, runs)).exit_code, 0);
  const Tree wanted = tree_of(runs);
  for (const Words& more : {Words{}, Words{"--resume", "never"}}) {
    const Words command = tiny_command(config, runs, more);
    fs::copy(runs, folder.path() / "copy",
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    fs::remove(trace);
    ASSERT_EQ(run_with_fault(folder.path(), runs, command, {}, trace).exit_code, 0);
    // the first listing of the run's folder or of its checkpoints is what decides
    long number = 0;
    const std::vector<IoCall> calls = read_trace(trace);
    for (std::size_t i = 0; i + 1 < calls.size() && number == 0; ++i) {
      const std::string name = fs::path(calls[i].path).filename().string();
      const bool lists = calls[i].name == "open" && calls[i + 1].name != "fsync";
      if (lists && (name == "checkpoints" || name == "seed-0")) number = calls[i].number;
    }
    ASSERT_GT(number, 0);
    fs::remove_all(runs);
    fs::rename(folder.path() / "copy", runs);
    const IoOutcome outcome = run_with_fault(folder.path(), runs, command, {number, "eio"});
    EXPECT_EQ(outcome.exit_code, 4) << outcome.error;
    EXPECT_THAT(outcome.error, testing::HasSubstr("cannot be read: Input/output error."));
    EXPECT_EQ(difference(wanted, tree_of(runs)), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Runs, FaultTest,
                         testing::Combine(testing::ValuesIn(kScenarios), testing::ValuesIn(kModes)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) + "_" +
                                  std::get<1>(test.param).name;
                         });

}  // namespace
}  // namespace mbrl
