// Runs the program as a user does, in a folder of its own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"

namespace mbrl {

struct Outcome {
  int exit_code;
  std::string error;
};

class ProgramTest : public testing::Test {
 protected:
  // `file_limit`: bytes that a file may have, which stands in for a full disk
  pid_t start(const std::vector<std::string>& arguments, rlim_t file_limit = RLIM_INFINITY) {
    const pid_t child = fork();
    if (child != 0) return child;
    std::vector<std::string> words{MBRL_PROGRAM};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const int out = open((folder_.path() / "out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const int err = open((folder_.path() / "err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    const rlimit limit{file_limit, file_limit};
    if (file_limit != RLIM_INFINITY) setrlimit(RLIMIT_FSIZE, &limit);
    if (chdir(folder_.path().c_str()) == 0) execv(MBRL_PROGRAM, argv.data());
    _exit(127);
  }
  Outcome finish(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, file_text(folder_.path() / "err")};
  }
  Outcome run(const std::vector<std::string>& arguments, rlim_t file_limit = RLIM_INFINITY) {
    return finish(start(arguments, file_limit));
  }
  // the program under a shell in the folder: $M is it. Returns the shell's exit code
  int shell(const std::string& script) const {
    const std::string words =
        "cd '" + folder_.path().string() + "' && M='" MBRL_PROGRAM "'; " + script;
    const int status = std::system(words.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string output() const { return file_text(folder_.path() / "out"); }

  // the only run below a runs folder
  std::filesystem::path run_folder(const std::string& runs) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path() / runs))
      if (entry.path().filename() == "config.json") return entry.path().parent_path();
    return {};
  }
  nlohmann::json summary(const std::string& runs) const {
    return nlohmann::json::parse(file_text(run_folder(runs) / "summary.json"));
  }

  // metrics.csv and episodes.csv without the column of wall time
  std::string tables(const std::string& runs) const {
    std::stringstream lines(file_text(run_folder(runs) / "metrics.csv"));
    std::string line, kept;
    while (std::getline(lines, line)) {
      std::stringstream fields(line);
      std::string field;
      for (int column = 0; std::getline(fields, field, ','); ++column)
        if (column != 2) kept += field + ",";
      kept += "\n";
    }
    return kept + file_text(run_folder(runs) / "episodes.csv");
  }

  TemporaryDirectory folder_;
};

}  // namespace mbrl
