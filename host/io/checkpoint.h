// Checkpoint folders: complete or absent.
//
//   checkpoints/step-<9 digits>/{weights.safetensors, replay.safetensors, state.json, DONE}
//
// A checkpoint is written under a temporary name, DONE last, and renamed into place; so whatever
// happens, the previous one is intact and a half-written one is never taken for whole. DONE holds
// size and checksum of each file; earlier versions wrote checksums of state.json and of the headers
// of the tensor files alone, and networks as one array each, with its padding.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "host/io/safetensors.h"

namespace mbrl {

struct CheckpointContents {
  std::vector<TensorRef> weights, replay;
  nlohmann::json state;
  std::map<std::string, std::string> metadata = {};  // of the file of weights
};

/// Where warnings go; to standard error if there is none.
using Warn = std::function<void(const std::string&)>;

/// Writes checkpoints_dir/step-<env_steps>, replacing one of the same step, then deletes those with
/// `keep` newer ones. One that is damaged does not count among these, is warned about and stays
/// until then; one that merely cannot be read counts. What cannot be deleted takes space, and is
/// warned about. Those of later steps go too: the run was started over from before them, as its
/// tables were. One process at a time writes to checkpoints_dir. Returns the folder.
///
/// Errors   DataError, for instance on a full disk; earlier checkpoints are intact then. One, too, if
///          a checkpoint of a later step cannot be deleted, which would be the newest.
std::filesystem::path write_checkpoint(const std::filesystem::path& checkpoints_dir,
                                       std::int64_t env_steps, const CheckpointContents& contents,
                                       int keep, const Warn& warn = {});

/// Deletes what a process has left that ended, or failed, while it wrote or deleted checkpoints:
/// half-written ones, and those with `keep` others from the step `newest` down. One process at a
/// time.
void tidy_checkpoints(const std::filesystem::path& checkpoints_dir, std::int64_t newest, int keep,
                      const Warn& warn = {});
/// The same of a run that has reached its end, whose newest checkpoint is its last.
void tidy_checkpoints(const std::filesystem::path& checkpoints_dir, int keep,
                      const Warn& warn = {});

/// Copies a complete checkpoint to checkpoints_dir under its own name, replacing one of the same
/// step; all others go. The two may share files, which never change. Returns the copy's folder.
///
/// Errors   DataError if `checkpoint` is damaged or the copy cannot be written; the others are then
///          intact.
std::filesystem::path copy_checkpoint(const std::filesystem::path& checkpoint,
                                      const std::filesystem::path& checkpoints_dir);

/// When the names of a copy are on the disk: as the call returns, or when the system gets to it. In the
/// second case a power failure, and nothing else, may damage the copy or leave what was there before.
enum class OnDisk { kAtOnce, kInTime };

/// Takes a folder away that is no longer needed, as Discards does; deletes it if there is none.
/// Returns why it stays where it is.
using Discard = std::function<std::error_code(const std::filesystem::path&)>;

/// The same without a look at what the files hold: for one that was just written. Who loads the copy
/// compares the checksums. Cost: a few names, whatever the size; kInTime waits for no disk.
std::filesystem::path link_checkpoint(const std::filesystem::path& checkpoint,
                                      const std::filesystem::path& checkpoints_dir,
                                      OnDisk on_disk = OnDisk::kAtOnce,
                                      const Discard& discard = {});

/// Puts a checkpoint into checkpoints_dir as copy_checkpoint() does that has weights.safetensors, and of
/// the learner's values those named in `values`, of `learned`, and all else of `own`.
///
/// Errors   DataError if one of the two is damaged; those of write_checkpoint.
std::filesystem::path graft_checkpoint(const std::filesystem::path& own,
                                       const std::filesystem::path& learned,
                                       const std::vector<std::string>& values,
                                       const std::filesystem::path& checkpoints_dir,
                                       const Discard& discard = {});

/// The newest complete checkpoint of a folder, whose files are read for it. Folders without DONE, or
/// that are not what DONE says, are passed over; `warn` is told which and why.
///
/// Errors   DataError if the folder or a newer one cannot be read: it may be whole, and a run that
///          went on from an older one would delete it.
std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& checkpoints_dir,
                                                       const Warn& warn = {});

/// A checkpoint open for reading.
///
/// Errors   DataError of the constructor if a file is missing, truncated or its state changed since
///          DONE was written; of the reads if a file of tensors changed, if tensors do not fit and
///          if a weight is not finite.
class CheckpointReader {
 public:
  explicit CheckpointReader(const std::filesystem::path& folder);

  const nlohmann::json& state() const { return state_; }
  /// Of the file of weights. The first call of these three reads a whole file for its checksum.
  const std::map<std::string, std::string>& metadata() const;
  void read_weights(const std::vector<TensorRef>& tensors) const;
  void read_replay(const std::vector<TensorRef>& tensors) const;

 private:
  const SafetensorsFile& open(std::unique_ptr<SafetensorsFile>& file, const char* name) const;

  std::filesystem::path folder_;
  nlohmann::json done_, state_;
  mutable std::unique_ptr<SafetensorsFile> weights_, replay_;  // once their checksums are right
};

}  // namespace mbrl
