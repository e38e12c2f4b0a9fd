#include "host/io/checkpoint.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "cuda/check.h"
#include "host/io/crc32c.h"
#include "host/io/output_file.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFiles[] = {"weights.safetensors", "replay.safetensors", "state.json"};

// size of each file and checksum of state.json: what DONE promises
nlohmann::json promise(const fs::path& folder) {
  nlohmann::json done;
  for (const char* file : kFiles) done["bytes"][file] = fs::file_size(folder / file);
  done["state_crc32c"] = crc32c(read_file(folder / "state.json"));
  return done;
}

// why a folder is no complete checkpoint; "" if it is one
std::string damage(const fs::path& folder) {
  if (!fs::exists(folder / "DONE")) return "DONE is missing: it was never completed";
  try {
    const nlohmann::json done = nlohmann::json::parse(read_file(folder / "DONE"));
    for (const char* file : kFiles) {
      const auto expected = done.at("bytes").at(file).get<std::uint64_t>();
      if (!fs::exists(folder / file)) return fmt::format("{} is missing", file);
      const std::uint64_t found = fs::file_size(folder / file);
      if (found != expected)
        return fmt::format("{} has {} bytes, {} were written", file, found, expected);
    }
    if (done.at("state_crc32c") != crc32c(read_file(folder / "state.json")))
      return "state.json has changed since it was written";
  } catch (const std::exception& error) {
    return fmt::format("DONE cannot be read: {}", error.what());
  }
  return "";
}

std::vector<fs::path> step_folders(const fs::path& checkpoints_dir) {
  std::vector<fs::path> folders;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(checkpoints_dir, absent))
    if (entry.is_directory() && entry.path().filename().string().starts_with("step-"))
      folders.push_back(entry.path());
  // fixed width, so names sort as numbers; newest first
  std::sort(folders.rbegin(), folders.rend());
  return folders;
}

void rename_or_throw(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error)
    throw DataError(fmt::format("checkpoint {} cannot be put in place: {}.", to.string(), error.message()));
}

}  // namespace

fs::path write_checkpoint(const fs::path& checkpoints_dir, std::int64_t env_steps,
                          const CheckpointContents& contents, int keep) {
  const fs::path target = checkpoints_dir / fmt::format("step-{:09}", env_steps);
  const fs::path temporary = checkpoints_dir / fmt::format(".writing-{:09}", env_steps);
  const fs::path replaced = checkpoints_dir / fmt::format(".replaced-{:09}", env_steps);
  std::error_code ignored;
  try {
    std::error_code error;
    fs::create_directories(checkpoints_dir, error);
    fs::remove_all(temporary, error);
    if (!fs::create_directory(temporary, error))
      throw DataError(fmt::format("checkpoint folder {} cannot be made: {}.", temporary.string(),
                                  error.message()));
    write_safetensors(temporary / "weights.safetensors", contents.weights);
    write_safetensors(temporary / "replay.safetensors", contents.replay);
    write_file_atomically(temporary / "state.json", contents.state.dump(1));
    write_file_atomically(temporary / "DONE", promise(temporary).dump(1));
    sync_folder(temporary);

    // a folder cannot replace one that is not empty, so the old one steps aside first
    fs::remove_all(replaced, ignored);
    if (fs::exists(target)) rename_or_throw(target, replaced);
    rename_or_throw(temporary, target);
    sync_folder(checkpoints_dir);
  } catch (...) {
    fs::remove_all(temporary, ignored);
    if (fs::exists(replaced) && !fs::exists(target)) fs::rename(replaced, target, ignored);
    throw;
  }
  fs::remove_all(replaced, ignored);
  const std::vector<fs::path> folders = step_folders(checkpoints_dir);
  for (std::size_t i = static_cast<std::size_t>(std::max(keep, 1)); i < folders.size(); ++i)
    if (folders[i] != target) fs::remove_all(folders[i], ignored);
  return target;
}

std::optional<fs::path> latest_checkpoint(const fs::path& checkpoints_dir) {
  for (const fs::path& folder : step_folders(checkpoints_dir))
    if (damage(folder).empty()) return folder;
  return std::nullopt;
}

CheckpointReader::CheckpointReader(const fs::path& folder) : folder_(folder) {
  if (const std::string what = damage(folder); !what.empty())
    throw DataError(fmt::format("checkpoint {} is damaged: {}. An older one of the same run can be used with "
                                "--resume PATH.",
                                folder.string(), what));
  state_ = nlohmann::json::parse(read_file(folder / "state.json"));
}

void CheckpointReader::read_weights(const std::vector<TensorRef>& tensors) const {
  const SafetensorsFile file(folder_ / "weights.safetensors");
  for (const TensorRef& tensor : tensors) file.read_into(tensor);
}

void CheckpointReader::read_replay(const std::vector<TensorRef>& tensors) const {
  const SafetensorsFile file(folder_ / "replay.safetensors");
  for (const TensorRef& tensor : tensors) file.read_into(tensor);
}

}  // namespace mbrl
