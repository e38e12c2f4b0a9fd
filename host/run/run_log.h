// log.txt of a run, and the same lines on standard error.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace spdlog {
class logger;
}

namespace mbrl {

/// Lines with their time. Any thread may write.
class RunLog {
 public:
  /// Errors   DataError if the file cannot be written.
  RunLog(const std::filesystem::path& file, bool append, bool to_console);

  void info(const std::string& text);
  void warn(const std::string& text);
  /// These into the file alone.
  void note(const std::string& text);
  void record_error(const std::string& text);

  /// Waits until the disk has all lines, as far as it can: a log is no reason to end a run.
  void sync();

 private:
  std::filesystem::path file_;
  std::shared_ptr<spdlog::logger> logger_, file_only_;
};

}  // namespace mbrl
