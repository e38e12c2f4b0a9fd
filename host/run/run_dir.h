// The folder of a run: runs/<name>/<config hash>/seed-<n>.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "host/config/config.h"

namespace mbrl {

/// Name, config hash and seed: the same command finds and continues the same run.
class RunDir {
 public:
  /// Makes the folder, takes its lock, and writes config.json, command.txt and machine.json.
  ///
  /// Errors   DataError if the folder cannot be written, or if another process runs in it.
  static RunDir open(const std::filesystem::path& runs_root, const Config& config,
                     const std::vector<std::string>& command, const std::string& device);
  /// The same in a folder of the caller's choice: a run that belongs to a larger one.
  static RunDir open_folder(const std::filesystem::path& folder, const Config& config,
                            const std::vector<std::string>& command, const std::string& device);
  RunDir(RunDir&& other) noexcept;
  RunDir& operator=(RunDir&&) = delete;
  ~RunDir();

  /// Where open() puts the run of a config.
  static std::filesystem::path folder_of(const std::filesystem::path& runs_root,
                                         const Config& config);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }

 private:
  explicit RunDir(std::filesystem::path path) : path_(std::move(path)) {}
  void lock();

  std::filesystem::path path_;
  int lock_fd_ = -1;
};

/// Words as a shell would read them back.
std::string command_text(const std::vector<std::string>& words);

}  // namespace mbrl
