// Checkpoint folders: complete or absent.
//
//   checkpoints/step-<9 digits>/{weights.safetensors, replay.safetensors, state.json, DONE}
//
// A checkpoint is written under a temporary name, DONE last, and renamed into place; so whatever
// happens, the previous one is intact and a half-written one is never taken for whole. DONE holds
// the size of each file, the checksum of state.json and those of the headers of the tensor files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/io/safetensors.h"

namespace mbrl {

struct CheckpointContents {
  std::vector<TensorRef> weights, replay;
  nlohmann::json state;
};

/// Writes checkpoints_dir/step-<env_steps>, replacing one of the same step, then deletes all but
/// the `keep` newest complete ones. Those of later steps go too: the run was started over from
/// before them, as its tables were. One process at a time writes to checkpoints_dir. Returns the
/// folder.
///
/// Errors   DataError, for instance on a full disk; earlier checkpoints are intact then.
std::filesystem::path write_checkpoint(const std::filesystem::path& checkpoints_dir,
                                       std::int64_t env_steps, const CheckpointContents& contents,
                                       int keep);

/// Copies a complete checkpoint to checkpoints_dir under its own name, replacing one of the same
/// step; all others go. The two may share files, which never change. Returns the copy's folder.
///
/// Errors   DataError if `checkpoint` is damaged or the copy cannot be written; the others are then
///          intact.
std::filesystem::path copy_checkpoint(const std::filesystem::path& checkpoint,
                                      const std::filesystem::path& checkpoints_dir);

/// The newest complete checkpoint of a folder. Folders without DONE, or that are not what DONE
/// says, are passed over; `warn` is told which and why, standard error if there is none.
std::optional<std::filesystem::path> latest_checkpoint(
    const std::filesystem::path& checkpoints_dir,
    const std::function<void(const std::string&)>& warn = {});

/// A checkpoint open for reading.
///
/// Errors   DataError of the constructor if a file is missing, truncated or changed since DONE was
///          written, and of the reads if tensors do not fit.
class CheckpointReader {
 public:
  explicit CheckpointReader(const std::filesystem::path& folder);

  const nlohmann::json& state() const { return state_; }
  void read_weights(const std::vector<TensorRef>& tensors) const;
  void read_replay(const std::vector<TensorRef>& tensors) const;

 private:
  std::filesystem::path folder_;
  nlohmann::json state_;
};

}  // namespace mbrl
