// The program under tests/io/preload.cpp: tiny runs, what their calls were, and what they leave.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"

namespace mbrl {

/// One I/O call of the program.
struct IoCall {
  long number;
  std::string name, path, other;  // other: the second path of a rename

  /// Whether it changes what is on the disk.
  bool changes() const {
    return name != "open" && name != "read" && name != "pread" && name != "close";
  }
  /// Whether a full disk may refuse it.
  bool needs_room() const { return changes() && name != "unlink" && name != "rmdir"; }
  bool writes() const { return name == "write" || name == "pwrite" || name == "writev"; }
  bool reads() const { return name == "read" || name == "pread"; }
};

/// Which call, from 1, and what happens there (see preload.cpp); nothing for 0.
struct IoFault {
  long at = 0;
  std::string mode = {};
};

struct IoOutcome {
  int exit_code;  // -1 after a signal
  int signal;     // 0 if there was none
  std::string out, error;
};

/// A folder in memory if there is one, as thousands of runs wait for their disk else.
class IoFolder {
 public:
  IoFolder() {
    namespace fs = std::filesystem;
    const char* given = std::getenv("MBRL_IO_DIR");
    struct statvfs memory {};
    const bool fits = statvfs("/dev/shm", &memory) == 0 && access("/dev/shm", W_OK) == 0 &&
                      memory.f_bavail * memory.f_frsize > (std::uint64_t{64} << 20);
    const fs::path parent = given != nullptr ? fs::path(given)
                            : fits           ? fs::path("/dev/shm")
                                             : fs::temp_directory_path();
    std::string name = (parent / "mbrl_io_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~IoFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  IoFolder(const IoFolder&) = delete;
  IoFolder& operator=(const IoFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

  /// Writes a file in it and returns its path.
  std::string write(const std::string& name, const std::string& text) const {
    write_text(path_ / name, text);
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

/// Runs the program with calls below `root` counted. Their list goes to `trace` if that is given.
inline IoOutcome run_with_fault(const std::filesystem::path& scratch,
                                const std::filesystem::path& root,
                                const std::vector<std::string>& arguments,
                                const IoFault& fault = {},
                                const std::filesystem::path& trace = {}) {
  const std::string out = (scratch / "stdout.txt").string(),
                    err = (scratch / "stderr.txt").string();
  const pid_t child = fork();
  if (child == 0) {
    std::vector<std::string> words{MBRL_PROGRAM};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    setenv("LD_PRELOAD", MBRL_IO_LIBRARY, 1);
    setenv("MBRL_IO_ROOT", root.c_str(), 1);
    if (fault.at > 0) {
      setenv("MBRL_IO_AT", std::to_string(fault.at).c_str(), 1);
      setenv("MBRL_IO_MODE", fault.mode.c_str(), 1);
    }
    if (!trace.empty()) setenv("MBRL_IO_TRACE", trace.c_str(), 1);
    // the order of calls is that of one thread
    setenv("OMP_NUM_THREADS", "1", 1);
    dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDOUT_FILENO);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDERR_FILENO);
    execv(MBRL_PROGRAM, argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
          file_text(out), file_text(err)};
}

inline std::vector<IoCall> read_trace(const std::filesystem::path& trace) {
  std::vector<IoCall> calls;
  std::stringstream lines(file_text(trace));
  std::string line;
  while (std::getline(lines, line)) {
    std::stringstream words(line);
    IoCall call{};
    words >> call.number >> call.name;
    std::getline(words, call.path);
    call.path.erase(0, 1);
    if (const std::size_t at = call.path.find(" -> "); at != std::string::npos) {
      call.other = call.path.substr(at + 4);
      call.path.resize(at);
    }
    calls.push_back(call);
  }
  return calls;
}

/// Takes what a clock says out of JSON.
inline void drop_times(nlohmann::json& json) {
  if (json.is_object()) {
    for (const char* key : {"wall_time_s", "stage_seconds", "updates_per_s", "learner_seconds"})
      json.erase(key);
    // of DONE: size and checksum of a file that holds times
    if (json.contains("weights.safetensors")) json.erase("state.json");
  }
  if (json.is_structured())
    for (nlohmann::json& inner : json) drop_times(inner);
}

/// A table without the columns that a clock fills.
inline std::string without_times(const std::string& table) {
  std::stringstream lines(table);
  std::string line, kept;
  std::set<int> times;
  for (bool header = true; std::getline(lines, line); header = false) {
    std::stringstream fields(line);
    std::string field;
    for (int column = 0; std::getline(fields, field, ','); ++column) {
      if (header && (field == "wall_time_s" || field == "learner_seconds")) times.insert(column);
      if (!times.contains(column)) kept += field + ",";
    }
    kept += "\n";
  }
  return kept;
}

/// All that a run leaves but its log, its event files, its lock and what a clock says: path below
/// `root`, contents. Folders end in a slash.
using Tree = std::map<std::string, std::string>;
inline Tree tree_of(const std::filesystem::path& root) {
  namespace fs = std::filesystem;
  Tree tree;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const fs::path& path = entry.path();
    const std::string name = path.filename().string();
    std::string& contents =
        tree[fs::relative(path, root).string() + (entry.is_directory() ? "/" : "")];
    if (entry.is_directory()) continue;
    if (name == "log.txt" || name == "lock" || name == "command.txt") continue;
    if (name.starts_with("events.out.tfevents.")) {
      tree.erase(fs::relative(path, root).string());
      continue;
    }
    contents = file_text(path);
    if (name.ends_with(".csv")) contents = without_times(contents);
    if (name.ends_with(".json") || name == "DONE") {
      auto json = nlohmann::json::parse(contents, nullptr, /*allow_exceptions=*/false);
      drop_times(json);
      if (!json.is_discarded()) contents = json.dump(1);
    }
  }
  return tree;
}

/// What differs, a line for each path; "" if nothing does.
inline std::string difference(const Tree& wanted, const Tree& found) {
  std::string text;
  for (const auto& [path, contents] : wanted) {
    const auto there = found.find(path);
    if (there == found.end()) {
      text += path + " is missing\n";
    } else if (there->second != contents) {
      std::size_t at = 0;
      while (at < contents.size() && at < there->second.size() && contents[at] == there->second[at])
        ++at;
      const std::size_t from = at < 40 ? 0 : at - 40;
      const bool text_file = !path.ends_with(".safetensors");
      text += path + " differs from byte " + std::to_string(at) +
              (text_file
                   ? ": " + contents.substr(from, 100) + "\n  is " + there->second.substr(from, 100)
                   : "") +
              "\n";
    }
  }
  for (const auto& [path, contents] : found)
    if (!wanted.contains(path)) text += path + " should not be there\n";
  return text;
}

}  // namespace mbrl
