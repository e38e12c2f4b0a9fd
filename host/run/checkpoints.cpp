#include "host/run/checkpoints.h"

#include "cuda/check.h"
#include "host/config/load.h"
#include "host/config/print.h"
#include "host/io/checkpoint.h"

namespace mbrl {

void save_checkpoint(const std::filesystem::path& checkpoints, Learner& learner, const Config& config,
                     const nlohmann::json& run) {
  CheckpointContents contents;
  contents.state = {{"config", nlohmann::json(config_to_json(config))},
                    {"config_hash", config_hash(config)},
                    {"run", run},
                    {"learner", learner.state()}};
  contents.weights = learner.weight_tensors();
  contents.replay = learner.replay_tensors();
  write_checkpoint(checkpoints, learner.env_steps(), contents, config.checkpoint.keep);
}

Config checkpoint_config(const std::filesystem::path& path) {
  const CheckpointReader reader(path);
  return config_from_json(nlohmann::ordered_json(reader.state().at("config")), path.string());
}

nlohmann::json load_checkpoint(const std::filesystem::path& path, Learner& learner, const Config& config) {
  CheckpointReader reader(path);
  Config saved = config_from_json(nlohmann::ordered_json(reader.state().at("config")), path.string());
  saved.loop.num_env_steps = config.loop.num_env_steps;
  if (config_hash(saved) != config_hash(config) || saved.seed != config.seed) {
    std::string differences;
    for (const std::string& text : config_difference(saved, config)) {
      if (text.starts_with("name ") || text.starts_with("checkpoint.")) continue;
      differences += (differences.empty() ? "" : "; ") + text;
    }
    throw DataError("checkpoint " + path.string() + " was written by config " +
                    reader.state().at("config_hash").get<std::string>() + ", this run is " +
                    config_hash(config) + ": " + differences +
                    ". Run with the saved values, or start anew with --resume never.");
  }
  learner.set_state(reader.state().at("learner"));
  reader.read_weights(learner.weight_tensors());
  reader.read_replay(learner.replay_tensors());
  learner.finish_loading();
  return reader.state().at("run");
}

std::filesystem::path find_checkpoint(const std::filesystem::path& path) {
  if (std::filesystem::exists(path / "DONE")) return path;
  for (const std::filesystem::path& folder : {path / "checkpoints", path})
    if (const auto latest = latest_checkpoint(folder)) return *latest;
  throw DataError(path.string() +
                  " holds no complete checkpoint: expected a folder with a file DONE, or a run directory "
                  "with checkpoints/step-*/DONE. `ls` it, or start anew with --resume never.");
}

}  // namespace mbrl
