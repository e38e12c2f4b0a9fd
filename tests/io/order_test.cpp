// Tests of the order in which a run's I/O calls come: what is renamed into place is on the disk
// before, its name after, and a checkpoint never outlives the rows before it. A kill shows none of
// this, as the operating system lives on; a power failure would.
#include <gtest/gtest.h>

#include <functional>

#include "tests/io/faults.h"
#include "tests/io/tiny_runs.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

class OrderTest : public testing::TestWithParam<TinyRun> {
 protected:
  void SetUp() override {
    MBRL_IO_SKIP_UNDER_SANITIZERS();
    write_text(folder_.path() / "tiny.json", GetParam().config);
  }
  std::vector<IoCall> calls_of_a_run(const std::vector<std::string>& more = {}) {
    const fs::path trace = folder_.path() / "trace";
    fs::remove(trace);
    // the folder that holds the runs gets their name, too
    const IoOutcome outcome =
        run_with_fault(folder_.path(), folder_.path(),
                       tiny_command(folder_.path() / "tiny.json", runs_, more), {}, trace);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    return read_trace(trace);
  }

  const IoFolder folder_;
  const fs::path runs_ = folder_.path() / "runs";
};

bool is_below(const std::string& path, const fs::path& folder) {
  return path.starts_with(folder.string() + "/");
}

// index of the last call before `end` that `meets`, or -1
long last_before(const std::vector<IoCall>& calls, std::size_t end,
                 const std::function<bool(const IoCall&)>& meets) {
  for (std::size_t i = end; i-- > 0;)
    if (meets(calls[i])) return static_cast<long>(i);
  return -1;
}

// what of a file or a folder's names is not on the disk before call `end`; "" if all is
std::string not_synced(const std::vector<IoCall>& calls, std::size_t end, const std::string& path) {
  const long changed = last_before(calls, end, [&](const IoCall& call) {
    if (call.path == path) return call.writes() || call.name == "ftruncate";
    const bool names = call.name == "create" || call.name == "rename" || call.name == "mkdir";
    const std::string& made = call.name == "rename" ? call.other : call.path;
    // a temporary name need not last, nor that of a lock
    return names && fs::path(made).parent_path() == path && !made.ends_with(".tmp") &&
           !made.ends_with("/lock");
  });
  const long synced = last_before(calls, end, [&](const IoCall& call) {
    return call.path == path && (call.name == "fsync" || call.name == "fdatasync");
  });
  if (synced > changed) return "";
  return changed < 0 ? ""
                     : path + " has changed at call " + std::to_string(calls[changed].number) +
                           " and is not synced\n";
}

// what breaks a promise of the order; "" if nothing does
std::string faults_of(const std::vector<IoCall>& calls) {
  std::string wrong;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const IoCall& call = calls[i];
    if (call.name != "rename" && call.name != "exchange") continue;
    const fs::path target = call.other, folder = target.parent_path();
    const std::string where =
        "call " + std::to_string(call.number) + ", " + call.path + " -> " + call.other + ": ";
    const auto add = [&](const std::string& text) {
      if (!text.empty()) wrong += where + text;
    };
    add(not_synced(calls, i, call.path));
    // its name lasts before anything else is put in place or a table grows
    bool lasts = false;
    for (std::size_t j = i + 1; j < calls.size() && !lasts; ++j) {
      lasts = calls[j].name == "fsync" && calls[j].path == folder.string();
      if (calls[j].name == "rename" || calls[j].name == "exchange" || calls[j].writes()) break;
    }
    if (!lasts) add(folder.string() + " is not synced next\n");

    if (folder.filename() == "checkpoints" && target.filename().string().starts_with("step-")) {
      for (const char* file : {"weights.safetensors", "replay.safetensors"})
        add(not_synced(calls, i, (fs::path(call.path) / file).string()));
      // the rows that it counts, and the names of the folders above it
      const fs::path run = folder.parent_path();
      for (const char* table : {"metrics.csv", "episodes.csv", "decisions.csv"})
        add(not_synced(calls, i, (run / table).string()));
      for (fs::path above = run; above != above.parent_path(); above = above.parent_path()) {
        const long made = last_before(calls, i, [&](const IoCall& c) {
          return c.name == "mkdir" && c.path == above.string();
        });
        if (made >= 0) add(not_synced(calls, i, above.parent_path().string()));
      }
    }
    if (target.filename() == "summary.json") {
      // the marker is written when all other files of the run are on the disk, and nothing after it
      std::set<std::string> files;
      for (std::size_t j = 0; j < i; ++j)
        if (calls[j].writes() && is_below(calls[j].path, folder) &&
            !calls[j].path.ends_with(".tmp") && !calls[j].path.ends_with("/lock") &&
            calls[j].path.find("/.writing-") == std::string::npos)
          files.insert(calls[j].path);
      for (const std::string& file : files) add(not_synced(calls, i, file));
      for (std::size_t j = i + 1; j < calls.size(); ++j)
        if ((calls[j].writes() || calls[j].name == "create" || calls[j].name == "rename") &&
            is_below(calls[j].path, folder))
          add("call " + std::to_string(calls[j].number) + " then does " + calls[j].name + " to " +
              calls[j].path + "\n");
    }
  }
  return wrong;
}

TEST_P(OrderTest, WhatIsPutInPlaceIsOnTheDiskAndACheckpointAfterItsRows) {
  const std::vector<IoCall> first = calls_of_a_run();
  ASSERT_FALSE(first.empty());
  EXPECT_EQ(faults_of(first), "");
  EXPECT_EQ(faults_of(calls_of_a_run()), "") << "a run that is complete";
  EXPECT_EQ(faults_of(calls_of_a_run({"--resume", "never"})), "") << "started over";
}

INSTANTIATE_TEST_SUITE_P(Algorithms, OrderTest, testing::ValuesIn(kTinyRuns),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace mbrl
