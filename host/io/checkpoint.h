// Checkpoint folders: complete or absent.
//
//   checkpoints/step-<9 digits>/{weights.safetensors, replay.safetensors, state.json, DONE}
//
// A checkpoint is written under a temporary name, DONE last, and renamed into place; so whatever
// happens, the previous one is intact and a half-written one is never taken for whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/io/safetensors.h"

namespace mbrl {

struct CheckpointContents {
  std::vector<TensorRef> weights, replay;
  nlohmann::json state;
};

/// Writes checkpoints_dir/step-<env_steps>, replacing one of the same step, then deletes all but the
/// `keep` newest. Returns the folder.
///
/// Errors   DataError, for instance on a full disk; earlier checkpoints are intact then.
std::filesystem::path write_checkpoint(const std::filesystem::path& checkpoints_dir,
                                       std::int64_t env_steps, const CheckpointContents& contents,
                                       int keep);

/// The newest complete checkpoint of a folder; folders without a valid DONE are passed over.
std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& checkpoints_dir);

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
