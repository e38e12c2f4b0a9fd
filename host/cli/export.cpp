// mbrl_gpu export: the policy of a run as a file that other programs use.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <system_error>

#include "base/error.h"
#include "base/printable.h"
#include "host/algo/export_policy.h"
#include "host/algo/registry.h"
#include "host/cli/cli.h"
#include "host/io/console.h"
#include "host/io/folders.h"
#include "host/io/npz.h"
#include "host/io/output_file.h"
#include "host/io/replace_file.h"
#include "host/run/open_device.h"
#include "host/run/resume.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

struct ExportOptions {
  std::string run, onnx, c_header, safetensors, npz;
};

void require_policy(bool has_policy, const Config& config, const ExportOptions& o) {
  if (has_policy) return;
  std::vector<std::string> names;
  for (const Algorithm& algorithm : list_algorithms())
    if (algorithm.has_policy) names.push_back(algorithm.name);
  const std::string last = names.back();
  names.pop_back();
  throw ConfigError(fmt::format(
      "export: {} was trained by {}, which has no policy to take out; expected a run of {} or {}. "
      "What it has learned is in checkpoints/step-*/weights.safetensors.",
      printable(o.run), config.algorithm, fmt::join(names, ", "), last));
}

// a second file would replace the first
void require_files_of_their_own(const ExportOptions& o) {
  struct Asked {
    const char* option;
    const std::string& file;
  };
  std::map<fs::path, const char*> taken;
  for (const Asked& asked : {Asked{"--onnx", o.onnx}, Asked{"--c-header", o.c_header},
                             Asked{"--safetensors", o.safetensors}, Asked{"--npz", o.npz}}) {
    if (asked.file.empty()) continue;
    std::error_code error;
    const fs::path whole = fs::weakly_canonical(fs::absolute(asked.file, error), error);
    const auto [same, is_first] = taken.emplace(whole, asked.option);
    if (!is_first)
      throw ConfigError(fmt::format("export: {} and {} both name the file {}; give each its own.",
                                    same->second, asked.option, printable(asked.file)));
  }
}

// the policy, and what the learner itself does at the start of an episode
ExportedPolicy exported(Learner& learner, Stream& stream, const Config& config,
                        const PolicyNetwork& network) {
  ExportedPolicy policy{.network = network, .observation = {}, .action = {}};
  const int S = policy.network.observation_size(), A = policy.network.action_size();
  const float* observation = learner.environments().pool().observation().data;
  policy.observation.assign(observation, observation + S);
  std::vector<float> action(static_cast<std::size_t>(A));
  const std::unique_ptr<PolicyCopy> own = learner.make_policy_copy(stream, 1);
  own->renew();
  own->act({policy.observation.data(), 1, S}, {action.data(), 1, A});
  const std::vector<float> found = policy.network.act(policy.observation);
  for (int i = 0; i < A; ++i) {
    const auto at = static_cast<std::size_t>(i);
    policy.action.push_back(policy.network.to_environment(i, action[at]));
    const float range = policy.network.high[at] - policy.network.low[at];
    if (!(std::abs(found[at] - policy.action[at]) <= 1e-3f * range))
      throw DataError(fmt::format(
          "export: the exported policy has the action {} where that of the run has {}: an error "
          "of this program, please report it. No file was written.",
          found[at], policy.action[at]));
  }
  policy.about = {{"algorithm", config.algorithm},
                  {"env", config.env.name},
                  {"env_steps", std::to_string(learner.env_steps())},
                  {"config_hash", config_hash(config, learner.inputs())}};
  return policy;
}

void export_policy(const ExportOptions& o) {
  const fs::path path = find_checkpoint(o.run);
  const Config config = checkpoint_config(path);
  require_policy(find_algorithm(config.algorithm).has_policy, config, o);
  ThreadPool pool(1);
  DeviceConfig device_config = config.device;
  device_config.precision = "fp32";
  OpenDevice device("cpu", device_config, pool);
  const auto learner = make_learner(config, device.stream, {});
  load_checkpoint(path, *learner, config, CheckpointUse::kExport);
  // those of other programs need not say which they have
  std::optional<PolicyNetwork> network = learner->policy_network();
  require_policy(network.has_value(), config, o);
  // what the environment was trained with, whatever a process serves by now
  if (const ActionBounds bounds = checkpoint_bounds(path, network->action_size());
      !bounds.low.empty()) {
    network->low = bounds.low;
    network->high = bounds.high;
  }
  ExportedPolicy policy = exported(*learner, device.stream, config, *network);
  fmt::print("checkpoint {}\npolicy of {}: {} observations, {} actions\n", printable(path.string()),
             config.env.name, policy.network.observation_size(), policy.network.action_size());
  const auto written = [](const std::string& file) { fmt::print("{}\n", printable(file)); };
  if (!o.onnx.empty()) {
    write_file_atomically(o.onnx, onnx_model(policy_graph(policy)));
    written(o.onnx);
  }
  if (!o.c_header.empty()) {
    write_file_atomically(o.c_header, policy_header(policy, o.c_header));
    written(o.c_header);
  }
  if (!o.safetensors.empty()) {
    replace_file(o.safetensors, [&](const fs::path& file) {
      write_safetensors(file, policy_tensors(policy), policy_metadata(policy));
    });
    written(o.safetensors);
  }
  if (!o.npz.empty()) {
    write_npz(o.npz, policy_tensors(policy));
    written(o.npz);
  }
}

}  // namespace

std::string named_run(const std::string& given) {
  const fs::path path = run_path(given);
  std::error_code error;
  const fs::path target = fs::read_symlink(path, error);
  return error ? path.string() : (path.parent_path() / target).lexically_normal().string();
}

void add_export(CLI::App& program) {
  const auto o = std::make_shared<ExportOptions>();
  CLI::App* command = program.add_subcommand(
      "export",
      "Write the policy of a run as a file for other programs: observation in, action out");
  command->add_option("run", o->run, "a run or one of its checkpoints; runs/ may be left out")
      ->required();
  command->add_option("--onnx", o->onnx, "an ONNX model")->type_name("FILE");
  command
      ->add_option("--c-header", o->c_header,
                   "a header for C99 and C++ that needs no library, with an observation to test it")
      ->type_name("FILE");
  command->add_option("--safetensors", o->safetensors, "its arrays as safetensors")
      ->type_name("FILE");
  command->add_option("--npz", o->npz, "its arrays for NumPy")->type_name("FILE");
  command->callback([=] {
    o->run = named_run(o->run);
    if (o->onnx.empty() && o->c_header.empty() && o->safetensors.empty() && o->npz.empty())
      throw ConfigError(
          "export: there is nothing to write; add --onnx FILE, --c-header FILE, --safetensors FILE "
          "or --npz FILE.");
    require_files_of_their_own(*o);
    export_policy(*o);
  });
}

}  // namespace mbrl
