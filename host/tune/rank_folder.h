// The folder of a run that another rank trains: whether it sees the same, and the folder's files as
// messages where it does not.
//
//   rank 0: FolderMark --> order --> rank: sees_mark? --no--> send_folder --> receive_folder, train
//   rank 0: adopt_folder <-- receive_folder <---------------- send_folder <--
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "host/tune/ranks.h"

namespace mbrl {

/// A file in a folder that says who looks at it and when, as long as this lives.
class FolderMark {
 public:
  /// Makes the folder where there is none. Errors   DataError if it cannot be written.
  explicit FolderMark(std::filesystem::path folder);
  ~FolderMark();
  FolderMark(const FolderMark&) = delete;
  FolderMark& operator=(const FolderMark&) = delete;

  /// What another process is to see: the mark and the newest checkpoint.
  nlohmann::json message() const;

 private:
  std::filesystem::path folder_;
  std::string text_;
};

/// Whether this process sees the folder as the message says. A file system may show another machine
/// yesterday's names: then it does not.
bool sees_mark(const nlohmann::json& message);

/// Bytes of a message of a file: what a rank holds of it in memory at a time.
inline constexpr std::size_t kFilePart = std::size_t{16} << 20;

/// Sends what a run's folder holds, but for locks and what is half written.
///
/// Errors   ReadError; those of Ranks::send.
/// Cost     the files once, in parts of `part` bytes.
void send_folder(Ranks& ranks, int to, int tag, const std::filesystem::path& folder,
                 std::size_t part = kFilePart);

/// Ends what send_folder() has begun and cannot go on with: the other side has an error then.
void break_off(Ranks& ranks, int to, int tag);

/// Takes what send_folder() sends into a folder that holds nothing; `on_disk`: and waits until the disk
/// has it.
///
/// Errors   DataError for a name that leads out of it, what was broken off, or a full disk, after all
///          else has been taken: who sends does not wait for ever; those of Ranks::wait_for.
void receive_folder(Ranks& ranks, int from, int tag, const std::filesystem::path& folder,
                    bool on_disk);

/// Puts what has arrived in place of what a run's folder holds: tables first, then whole checkpoints,
/// so that whoever is killed in between leaves a run that goes on. `arrived` is gone afterwards.
///
/// Errors   DataError.
void adopt_folder(const std::filesystem::path& arrived, const std::filesystem::path& folder);

/// A folder for a run whose own this rank does not see; gone with this object.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

  /// Deletes what processes of this machine have left that were killed.
  static void sweep_up();

 private:
  std::filesystem::path path_;
};

}  // namespace mbrl
