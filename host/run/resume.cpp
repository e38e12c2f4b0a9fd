#include "host/run/resume.h"

#include "base/error.h"
#include "host/algo/keys_read.h"
#include "host/config/load.h"
#include "host/config/print.h"
#include "host/io/archive.h"
#include "host/io/checkpoint.h"

namespace mbrl {
namespace {

// earlier versions saved every key, read or not
Config saved_config(const CheckpointReader& reader, const std::filesystem::path& path) {
  return without_unread_keys(
      config_from_json(nlohmann::ordered_json(reader.state().at("config")), path.string()));
}

}  // namespace

void save_checkpoint(const std::filesystem::path& checkpoints, Learner& learner,
                     const Config& config, const nlohmann::json& run) {
  StateWriter learned;
  learner.visit(learned);
  CheckpointContents contents;
  contents.state = {{"config", nlohmann::json(config_to_json(config, keys_read(config)))},
                    {"config_hash", config_hash(config)},
                    {"run", run},
                    {"learner", learned.state}};
  contents.weights = learned.weight_tensors;
  contents.replay = learned.replay_tensors;
  write_checkpoint(checkpoints, learner.env_steps(), contents, config.checkpoint.keep);
}

Config checkpoint_config(const std::filesystem::path& path) {
  const CheckpointReader reader(path);
  return saved_config(reader, path);
}

nlohmann::json load_checkpoint(const std::filesystem::path& path, Learner& learner,
                               const Config& config) {
  CheckpointReader reader(path);
  Config saved = saved_config(reader, path);
  const Config wanted = without_unread_keys(config);
  saved.loop.num_env_steps = wanted.loop.num_env_steps;
  if (config_hash(saved) != config_hash(wanted) || saved.seed != wanted.seed) {
    std::string differences;
    for (const std::string& text : config_difference(saved, wanted)) {
      if (text.starts_with("name ") || text.starts_with("checkpoint.")) continue;
      differences += (differences.empty() ? "" : "; ") + text;
    }
    throw DataError("checkpoint " + path.string() + " was written by config " +
                    reader.state().at("config_hash").get<std::string>() + ", this run is " +
                    config_hash(wanted) + ": " + differences +
                    ". Run with the saved values, or start anew with --resume never.");
  }
  try {
    StateReader saved_state(reader.state().at("learner"),
                            [&](Archive::File file, const TensorRef& tensor) {
                              if (file == Archive::File::kWeights)
                                return reader.read_weights({tensor});
                              reader.read_replay({tensor});
                            });
    learner.visit(saved_state);
  } catch (const nlohmann::json::exception& error) {
    throw DataError("checkpoint " + path.string() +
                    " was written by another version of this program, whose state differs (" +
                    error.what() +
                    "). Go on with that version, or start anew with --resume never.");
  }
  return reader.state().at("run");
}

std::filesystem::path find_checkpoint(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  if (fs::exists(path / "DONE")) return path;
  for (const fs::path& folder : {path / "checkpoints", path})
    if (const auto latest = latest_checkpoint(folder)) return *latest;

  // a folder above: clear if there is one run below
  std::vector<fs::path> found;
  std::string names;
  std::error_code absent;
  for (const auto& entry : fs::recursive_directory_iterator(path, absent)) {
    if (!entry.is_directory() || entry.path().filename() != "checkpoints") continue;
    if (const auto latest = latest_checkpoint(entry.path())) {
      found.push_back(*latest);
      names += " " + entry.path().parent_path().string();
    }
  }
  if (found.size() == 1) return found.front();
  if (found.size() > 1)
    throw DataError(path.string() + " holds " + std::to_string(found.size()) +
                    " runs; name one of them:" + names + ".");
  throw DataError(
      path.string() +
      " holds no complete checkpoint: expected a folder with a file DONE, or a run directory "
      "with checkpoints/step-*/DONE. `ls` it, or start anew with --resume never.");
}

}  // namespace mbrl
