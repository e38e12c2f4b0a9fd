// The folder of a run: runs/<name>/<config hash>/seed-<n>.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/config/config.h"

namespace mbrl {

/// Another process runs in the folder.
struct BusyError : DataError {
  using DataError::DataError;
};

/// Name, config hash and seed: the same command finds and continues the same run.
class RunDir {
 public:
  /// What becomes of a run that the folder holds already.
  enum class Earlier { kGoesOn, kIsSetAside };

  /// Makes the folder, takes its lock, and writes config.json, files.json (what the files behind its
  /// keys hold, if there are any), command.txt and machine.json.
  ///
  /// kIsSetAside renames an earlier run's folder to seed-<n>.old-<k> first, in one step: at any
  /// moment the old run is whole in one of the two places, and the new one is all there is here.
  ///
  /// Errors   DataError if the folder cannot be written or moved; BusyError if another process runs
  ///          in it.
  static RunDir open(const std::filesystem::path& runs_root, const Config& config,
                     const std::vector<std::string>& command, const std::string& device,
                     Earlier earlier = Earlier::kGoesOn);
  /// The same in a folder of the caller's choice: a run that belongs to a larger one.
  static RunDir open_folder(const std::filesystem::path& folder, const Config& config,
                            const std::vector<std::string>& command, const std::string& device,
                            Earlier earlier = Earlier::kGoesOn);
  RunDir(RunDir&& other) noexcept;
  RunDir& operator=(RunDir&&) = delete;
  ~RunDir();

  /// Where open() puts the run of a config: under its name, or, where that holds none and the name
  /// that version 0.1 gave to the shipped config does, there.
  static std::filesystem::path folder_of(const std::filesystem::path& runs_root,
                                         const Config& config);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  /// Where an earlier run was moved to; empty if there was none.
  const std::filesystem::path& set_aside() const { return set_aside_; }

  /// Whether this process still holds the folder at path(): not if it was removed, moved or replaced.
  bool is_in_place() const;
  /// Errors   DataError if it is not.
  void require_in_place() const;

  /// Whether a process runs in a folder.
  static bool is_busy(const std::filesystem::path& folder);

 private:
  explicit RunDir(std::filesystem::path path) : path_(std::move(path)) {}
  void take();
  bool lock();
  void release();
  void move_aside();

  std::filesystem::path path_, set_aside_;
  int lock_fd_ = -1;
};

/// The link to the newest run in a folder of runs.
inline constexpr const char* kLatest = "latest";

/// Lets <runs>/latest lead to the run, in one step. Where links cannot be made, or something else has
/// that name, nothing happens: a run does not need it.
void link_latest(const std::filesystem::path& runs_root, const std::filesystem::path& run);

/// Words as a shell would read them back.
std::string command_text(const std::vector<std::string>& words);

}  // namespace mbrl
