#include "host/run/resume.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/error.h"
#include "base/printable.h"
#include "host/algo/keys_read.h"
#include "host/algo/resolve_config.h"
#include "host/config/load.h"
#include "host/config/print.h"
#include "host/io/archive.h"
#include "host/io/console.h"
#include "host/io/folders.h"
#include "host/io/json_file.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

// earlier versions saved every key, read or not
Config saved_config(const CheckpointReader& reader, const std::filesystem::path& path) {
  return using_file(path / "state.json", [&] {
    return without_unread_keys(
        config_from_json(nlohmann::ordered_json(reader.state().at("config")), path.string()));
  });
}

// what differs between a checkpoint and the run that is to go on from it: keys with their values,
// then the files behind them
std::vector<std::string> differences(const Config& saved, std::vector<InputFile> saved_files,
                                     const Config& wanted, std::vector<InputFile> files,
                                     CheckpointUse use) {
  const auto has_files = [](const std::vector<InputFile>& list, const std::string& key) {
    return std::any_of(list.begin(), list.end(), [&](const InputFile& f) { return f.key == key; });
  };
  std::vector<std::string> texts;
  std::set<std::string> compared;  // keys whose files are
  for (const Field& field : fields()) {
    const std::string path = field.path();
    if (has_files(saved_files, path) && has_files(files, path)) {
      if (use == CheckpointUse::kGoOn || field.section == "mjcf") compared.insert(path);
      continue;  // a file may lie elsewhere
    }
    if (!is_hashed(field) && path != "seed") continue;
    const std::string before = field_text(saved, field), after = field_text(wanted, field);
    if (before != after) texts.push_back(fmt::format("{} differs ({} -> {})", path, before, after));
  }
  const auto drop_others = [&](std::vector<InputFile>& list) {
    std::erase_if(list, [&](const InputFile& file) { return !compared.contains(file.key); });
  };
  drop_others(saved_files);
  drop_others(files);
  for (std::string& text : file_differences(saved_files, files)) texts.push_back(std::move(text));
  return texts;
}

// Which simulator the environment of a checkpoint ran on; "" where nothing tells. Those of earlier
// versions do not: there MuJoCo is what the run began with (machine_text).
std::string simulator_of(const CheckpointReader& reader, const fs::path& path,
                         const std::string& present) {
  return using_file(path / "state.json", [&]() -> std::string {
    const auto named = reader.state().find("simulator");
    if (named != reader.state().end()) return *named;
    const fs::path machine = path.parent_path().parent_path() / "machine.json";
    std::error_code error;
    if (!present.starts_with("MuJoCo ") || !fs::exists(machine, error)) return "";
    return using_file(machine, [&]() -> std::string {
      const nlohmann::json facts = read_json(machine);
      const auto before = facts.find("mujoco_before");
      return before != facts.end() ? before->at(0).get<std::string>() : facts.value("mujoco", "");
    });
  });
}

// two versions of a simulator part within a few steps: a curve of both is neither's
void compare_simulators(const std::string& before, const std::string& present, const fs::path& path,
                        bool may_differ, const Warn& warn) {
  if (before.empty() || before == present) return;
  if (!may_differ)
    throw DataError(fmt::format(
        "checkpoint {} was trained on {}, this program has {}: its environment would go on as "
        "another. Go on with a program that is built with {} (-DMuJoCo_ROOT and the like), start "
        "anew with --resume never, or accept the change with checkpoint.other_simulator=true.",
        path.string(), before, present, before));
  if (warn)
    warn(fmt::format(
        "{} was trained on {} and goes on with {}, as checkpoint.other_simulator allows",
        path.string(), before, present));
}

ActionBounds bounds_of(const CheckpointReader& reader, const fs::path& path, int action_size) {
  const fs::path file = path / "weights.safetensors";
  const auto numbers = [&](const char* name) -> std::vector<float> {
    const auto found = reader.metadata().find(name);
    if (found == reader.metadata().end()) return {};
    return using_file(file, [&] {
      return json_numbers<float>(parse_json(found->second, file.string()), name,
                                 static_cast<std::size_t>(action_size));
    });
  };
  return {numbers("action_low"), numbers("action_high")};
}

// one of a process, or of a program of a user's own, may be another by now
void compare_environments(const CheckpointReader& reader, const fs::path& path,
                          const EnvOptions& options, const EnvSpec& spec, CheckpointUse use) {
  const bool is_served = options.name == "process";
  const std::string name =
      is_served ? "env.command " + printable(options.command) : "env.name " + options.name;
  const std::string way_out = fmt::format(
      "{} as it was to {}", is_served ? "Serve it" : "Put it back",
      use == CheckpointUse::kGoOn ? "go on, or start anew with --resume never" : "use this run");
  const auto saved = [&](const char* entry, int present) {
    const auto found = reader.metadata().find(entry);
    return found == reader.metadata().end() ? std::to_string(present) : found->second;
  };
  const int S = spec.observation_size, A = spec.action_size;
  const std::string saved_S = saved("observation_size", S), saved_A = saved("action_size", A);
  if (saved_S != std::to_string(S) || saved_A != std::to_string(A))
    throw DataError(
        fmt::format("checkpoint {}: {} now has observations of {} entries and actions of {}; when "
                    "the run was trained they had {} and {}. {}.",
                    path.string(), name, S, A, saved_S, saved_A, way_out));
  const ActionBounds before = bounds_of(reader, path, A);
  const std::vector<float> low = spec.lowest_action(), high = spec.highest_action();
  if (use == CheckpointUse::kExport || before.low.empty() ||
      (before.low == low && before.high == high))
    return;
  throw DataError(fmt::format(
      "checkpoint {}: {} now bounds its actions by {} and {}; when the run was trained, by {} and "
      "{}: the policy would act on another scale. {}.{}",
      path.string(), name, low, high, before.low, before.high, way_out,
      use == CheckpointUse::kGoOn ? "" : " `mbrl_gpu export` keeps the bounds of the training."));
}

}  // namespace

CheckpointState::CheckpointState(Learner& learner, const Config& config)
    : env_steps_(learner.env_steps()), keep_(config.checkpoint.keep) {
  StateWriter learned;
  learner.visit(learned);
  const std::string hash = config_hash(config, learner.inputs());
  contents_.state = {{"config", nlohmann::json(config_to_json(config, keys_read(config)))},
                     {"config_hash", hash},
                     {"files", nlohmann::json(to_json(learner.inputs()))},
                     {"simulator", learner.env_spec().simulator},
                     {"learner", learned.state}};
  contents_.metadata = learned.metadata;
  contents_.metadata.insert({{"format", "mbrl_gpu checkpoint 2"},
                             {"algorithm", config.algorithm},
                             {"env", config.env.name},
                             {"config_hash", hash},
                             {"env_steps", std::to_string(env_steps_)}});
  contents_.weights = learned.weight_tensors;
  contents_.replay = learned.replay_tensors;
}

std::uint64_t CheckpointState::bytes() const {
  std::uint64_t sum = 0;
  for (const auto* tensors : {&contents_.weights, &contents_.replay})
    for (const TensorRef& tensor : *tensors) sum += num_bytes(tensor);
  return sum;
}

void CheckpointState::detach(Stream& stream) {
  for (auto* tensors : {&contents_.weights, &contents_.replay})
    for (TensorRef& tensor : *tensors) {
      const auto size = static_cast<std::size_t>(num_bytes(tensor));
      Buffer<char>& array = arrays_.emplace_back(size, Memory::kHost, "copy for a checkpoint");
      const auto* from = static_cast<const char*>(tensor.data);
      if (tensor.memory == Memory::kDevice) {
        copy(stream, array.data(), from, size);
      } else {
        std::copy_n(from, size, array.data());
      }
      tensor.data = array.data();
      tensor.memory = Memory::kHost;
    }
  stream.synchronize();
}

void CheckpointState::write(const std::filesystem::path& checkpoints, const nlohmann::json& run,
                            const Warn& warn) {
  contents_.state["run"] = run;
  write_checkpoint(checkpoints, env_steps_, contents_, keep_, warn);
}

void save_checkpoint(const std::filesystem::path& checkpoints, Learner& learner,
                     const Config& config, const nlohmann::json& run) {
  CheckpointState(learner, config).write(checkpoints, run);
}

Config checkpoint_config(const std::filesystem::path& path) {
  const CheckpointReader reader(path);
  const Config config = saved_config(reader, path);
  try {
    check_run(config, (path / "state.json").string());
  } catch (const ConfigError& error) {
    // no run had it
    throw DataError(error.what());
  }
  return config;
}

ActionBounds checkpoint_bounds(const std::filesystem::path& path, int action_size) {
  return bounds_of(CheckpointReader(path), path, action_size);
}

nlohmann::json load_checkpoint(const std::filesystem::path& path, Learner& learner,
                               const Config& config, CheckpointUse use, const Warn& warn) {
  const bool evaluates = use != CheckpointUse::kGoOn;
  CheckpointReader reader(path);
  Config saved = saved_config(reader, path);
  const Config wanted = without_unread_keys(config);
  saved.loop.num_env_steps = wanted.loop.num_env_steps;
  const auto saved_files = using_file(path / "state.json", [&] {
    const auto files = reader.state().find("files");
    return files == reader.state().end() ? input_files(saved)
                                         : input_files_from_json(nlohmann::ordered_json(*files));
  });
  if (const std::vector<std::string> texts =
          differences(saved, saved_files, wanted, learner.inputs(), use);
      !texts.empty()) {
    if (evaluates)
      throw DataError(
          fmt::format("checkpoint {} was trained with files that have changed since: "
                      "{}. Put them back as they were to evaluate it.",
                      path.string(), fmt::join(texts, "; ")));
    throw DataError(fmt::format(
        "checkpoint {} was written by config {}, this run is {}: {}. Run with the saved values and "
        "files, or start anew with --resume never.",
        path.string(),
        using_file(path / "state.json",
                   [&] { return reader.state().at("config_hash").get<std::string>(); }),
        config_hash(wanted, learner.inputs()), fmt::join(texts, "; ")));
  }
  if (!evaluates) {
    const std::string& present = learner.env_spec().simulator;
    compare_simulators(simulator_of(reader, path, present), present, path,
                       config.checkpoint.other_simulator, warn);
  }
  compare_environments(reader, path, config.env, learner.env_spec(), use);
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
                    json_error_text(error) + "). " +
                    (evaluates ? "Evaluate it with that version."
                               : "Go on with that version, or start anew with --resume never."));
  }
  return using_file(path / "state.json", [&] { return reader.state().at("run"); });
}

std::optional<std::filesystem::path> checkpoint_to_resume(const std::string& resume,
                                                          const std::filesystem::path& checkpoints,
                                                          const Warn& warn) {
  if (resume == "never") return std::nullopt;
  if (resume != "auto") return find_checkpoint(resume);
  std::vector<std::string> passed_over;
  const auto latest =
      latest_checkpoint(checkpoints, [&](const std::string& text) { passed_over.push_back(text); });
  // starting over would replace the tables of hours of training
  if (!latest && !passed_over.empty())
    throw DataError(
        fmt::format("{} holds {}, and none can be used: {}. Restore the files, or go on from a "
                    "copy with --resume PATH. To start over, pass --resume never, which sets this "
                    "run aside.",
                    checkpoints.string(),
                    passed_over.size() == 1 ? "1 checkpoint"
                                            : fmt::format("{} checkpoints", passed_over.size()),
                    fmt::join(passed_over, "; ")));
  for (const std::string& text : passed_over) warn(text);
  return latest;
}

std::vector<std::filesystem::path> find_checkpoints(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(path / "DONE", error)) return {path};
  for (const fs::path& folder : {path / "checkpoints", path})
    if (const auto latest = latest_checkpoint(folder)) return {*latest};

  // a folder above
  std::vector<fs::path> found;
  for (const fs::path& folder : folders_below(path)) {
    if (folder.filename() != "checkpoints") continue;
    try {
      if (const auto latest = latest_checkpoint(folder)) found.push_back(*latest);
    } catch (const DataError& sibling) {
      print_to(stderr, fmt::format("warning: {}\n", printable(sibling.what())));
    }
  }
  if (!found.empty()) return found;
  throw DataError(
      path.string() +
      " holds no complete checkpoint: expected a folder with a file DONE, or a run directory "
      "with checkpoints/step-*/DONE. A run that has just begun has none yet.");
}

std::filesystem::path find_checkpoint(const std::filesystem::path& path) {
  const std::vector<std::filesystem::path> found = find_checkpoints(path);
  if (found.size() == 1) return found.front();
  std::string names;
  for (const std::filesystem::path& checkpoint : found)
    names += " " + checkpoint.parent_path().parent_path().string();
  throw DataError(path.string() + " holds " + std::to_string(found.size()) +
                  " runs; name one of them:" + names + ".");
}

}  // namespace mbrl
