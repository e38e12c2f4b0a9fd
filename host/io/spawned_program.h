// Programs that this one starts, and files in memory that they write to.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "base/descriptor.h"

namespace mbrl {

/// A file in memory. Errors: DataError if the system has no room for it.
class MemoryFile {
 public:
  MemoryFile();
  int fd() const { return fd_.get(); }

  /// Puts text at its end, and readers at its start.
  void write(const std::string& text);
  /// What it holds from its start on, at most `most` bytes.
  std::string read(std::size_t most = ~std::size_t{0}) const;

 private:
  Descriptor fd_;
};

/// A program that runs with these descriptors as its standard input, output and error; a negative
/// one is this program's own. The destructor waits for its end.
class SpawnedProgram {
 public:
  /// Errors   DataError if `file` cannot be started.
  SpawnedProgram(const std::string& file, const std::vector<std::string>& arguments, int in,
                 int out, int error);
  ~SpawnedProgram() { wait(); }
  SpawnedProgram(const SpawnedProgram&) = delete;
  SpawnedProgram& operator=(const SpawnedProgram&) = delete;

  pid_t pid() const { return pid_; }
  /// Its status as of waitpid, once it has ended.
  int wait();

 private:
  pid_t pid_ = -1;
  int status_ = 0;
};

}  // namespace mbrl
