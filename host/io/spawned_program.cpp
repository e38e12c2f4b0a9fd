#include "host/io/spawned_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/printable.h"

extern char** environ;

namespace mbrl {
namespace {

[[noreturn]] void fail(const char* what) {
  throw DataError(fmt::format("{} cannot be made: {}.", what, std::strerror(errno)));
}

}  // namespace

MemoryFile::MemoryFile() : fd_(memfd_create("mbrl_gpu", MFD_CLOEXEC)) {
  if (fd() < 0) fail("a file in memory");
}

void MemoryFile::write(const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(fd(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail("a file in memory");
    done += static_cast<std::size_t>(count);
  }
  lseek(fd(), 0, SEEK_SET);
}

std::string MemoryFile::read(std::size_t most) const {
  std::string text;
  char buffer[65536];
  while (text.size() < most) {
    const ssize_t count = pread(fd(), buffer, std::min(sizeof(buffer), most - text.size()),
                                static_cast<off_t>(text.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

SpawnedProgram::SpawnedProgram(const std::string& file, const std::vector<std::string>& arguments,
                               int in, int out, int error) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const int streams[] = {in, out, error};
  for (int i = 0; i < 3; ++i)
    if (streams[i] >= 0) posix_spawn_file_actions_adddup2(&actions, streams[i], i);
  std::vector<char*> words{const_cast<char*>(file.c_str())};
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  const int why = posix_spawn(&pid_, file.c_str(), &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (why == 0) return;
  pid_ = -1;
  throw DataError(fmt::format("{} cannot be started: {}.", printable(file), std::strerror(why)));
}

int SpawnedProgram::wait() {
  if (pid_ < 0) return status_;
  while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return status_;
}

}  // namespace mbrl
