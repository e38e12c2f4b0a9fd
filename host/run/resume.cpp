#include "host/run/resume.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/error.h"
#include "base/printable.h"
#include "host/algo/keys_read.h"
#include "host/config/load.h"
#include "host/config/print.h"
#include "host/io/archive.h"
#include "host/io/checkpoint.h"
#include "host/io/folders.h"
#include "host/io/json_file.h"

namespace mbrl {
namespace {

// earlier versions saved every key, read or not
Config saved_config(const CheckpointReader& reader, const std::filesystem::path& path) {
  return using_file(path / "state.json", [&] {
    return without_unread_keys(
        config_from_json(nlohmann::ordered_json(reader.state().at("config")), path.string()));
  });
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
    throw DataError(
        "checkpoint " + path.string() + " was written by config " +
        using_file(path / "state.json",
                   [&] { return reader.state().at("config_hash").get<std::string>(); }) +
        ", this run is " + config_hash(wanted) + ": " + differences +
        ". Run with the saved values, or start anew with --resume never.");
  }
  try {
    StateReader saved_state(
        reader.state().at("learner"),
        [&](Archive::File file, const TensorRef& tensor) {
          if (file == Archive::File::kWeights) return reader.read_weights({tensor});
          reader.read_replay({tensor});
        },
        (path / "state.json").string());
    learner.visit(saved_state);
  } catch (const ConfigError& error) {
    // a key that the run had changed, out of its range
    throw DataError((path / "state.json").string() + ": " + error.what());
  } catch (const nlohmann::json::exception& error) {
    throw DataError("checkpoint " + path.string() +
                    " was written by another version of this program, whose state differs (" +
                    json_error_text(error) +
                    "). Go on with that version, or start anew with --resume never.");
  }
  return using_file(path / "state.json", [&] { return reader.state().at("run"); });
}

std::filesystem::path find_checkpoint(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(path / "DONE", error)) return path;
  for (const fs::path& folder : {path / "checkpoints", path})
    if (const auto latest = latest_checkpoint(folder)) return *latest;

  // a folder above: clear if there is one run below
  std::vector<fs::path> found;
  std::string names;
  for (const fs::path& folder : folders_below(path)) {
    if (folder.filename() != "checkpoints") continue;
    try {
      if (const auto latest = latest_checkpoint(folder)) {
        found.push_back(*latest);
        names += " " + folder.parent_path().string();
      }
    } catch (const DataError& sibling) {
      fmt::print(stderr, "warning: {}\n", printable(sibling.what()));
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
