// Fuzz target for checkpoint folders (host/io/checkpoint.h, host/run/resume.h) and for all that learners,
// AutoMBPO's steering and its Q-network take out of them.
//
//   1 byte | state | weights.safetensors | replay.safetensors | DONE
//
// The byte chooses the algorithm and what the rest is. Of a file that is empty the folder has the one
// that a tiny learner wrote.
//   0  state is a JSON merge patch of that learner's state.json; DONE fits all files, so that what lies
//      behind the checksums is reached
//   1  state is state.json itself; DONE fits
//   2  DONE is the input's, too
// A state that is accepted has to be one to go on from: the learner takes a step.
#include "host/io/checkpoint.h"

#include <nlohmann/json.hpp>

#include "host/algo/registry.h"
#include "host/io/crc32c.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"
#include "host/run/resume.h"
#include "host/tune/autombpo/ror.h"
#include "host/tune/autombpo/steering.h"
#include "tests/fuzz/harness.h"
#include "tests/support/configs.h"

using namespace mbrl;

namespace {

constexpr const char* kFiles[] = {"state.json", "weights.safetensors", "replay.safetensors",
                                  "DONE"};

Config config_of(const std::string& algorithm) {
  Config config = algorithm == "ppo" ? small_ppo("cartpole") : tiny_mbpo("pendulum");
  config.algorithm = algorithm;
  config.env.max_episode_steps = 10;
  config.sac.hidden_sizes = config.ppo.hidden_sizes = {2};
  config.model.hidden_size = 2;
  config.rollout.batch_size = 4;
  config.rollout.schedule = {0, 1, 1, 2};
  config.sac.batch_size = 4;
  config.sac.updates_per_step = 1;
  config.loop.num_exploration_steps = 10;
  config.loop.epoch_length = 4;
  config.loop.model_train_interval = 4;
  config.loop.replay_capacity = 24;
  config.controller.features = {"samples", "values"};
  return config;
}

std::unique_ptr<RorDecider> make_decider(const Config& config) {
  return std::make_unique<RorDecider>(config, RandomKey{1, purpose::kHyperAction, 0});
}

// a learner's checkpoint
struct Written {
  Config config;
  std::string files[4];
  nlohmann::json state;
};

Written write(const fuzz::Folder& folder, Stream& stream, const std::string& algorithm) {
  Written written{.config = config_of(algorithm), .files = {}, .state = {}};
  const auto learner = make_learner(written.config, stream, {});
  for (int i = 0; i < 16; ++i) learner->step();
  auto decider = make_decider(written.config);
  const std::vector<float> state(
      static_cast<std::size_t>(hyper_state_size(decider->visible(0), written.config)));
  for (std::uint64_t draw = 0; draw < 3; ++draw) decider->decide(0, state, draw);
  const Steering steering(written.config, std::move(decider));
  save_checkpoint(folder.path() / algorithm, *learner, written.config,
                  {{"schedule", steering.state()}, {"wall_time_s", 1.5}});
  const auto made = *latest_checkpoint(folder.path() / algorithm);
  for (std::size_t i = 0; i < 4; ++i) written.files[i] = read_file(made / kFiles[i]);
  written.state = nlohmann::json::parse(written.files[0]);
  return written;
}

std::string done_of(const std::string (&files)[4]) {
  nlohmann::json done;
  for (std::size_t i = 0; i < 3; ++i) {
    done["bytes"][kFiles[i]] = files[i].size();
    done["crc32c"][kFiles[i]] = crc32c(files[i]);
  }
  return done.dump();
}

// as a run goes on from it
void resume(const Written& written, const std::filesystem::path& path, Stream& stream) {
  const auto learner = make_learner(written.config, stream, {});
  const std::vector<Hyperparameter> before = learner->hyperparameters();
  const nlohmann::json run = load_checkpoint(path, *learner, written.config);
  if (run.contains("schedule"))
    using_file(path / "state.json", [&] {
      auto decider = make_decider(written.config);
      RorDecider& ror = *decider;
      Steering steering(written.config, std::move(decider));
      steering.set_state(run.at("schedule"));
      ror.on_evaluation(2.0);
      ror.decide(0,
                 std::vector<float>(
                     static_cast<std::size_t>(hyper_state_size(ror.visible(0), written.config))),
                 3);
      steering.state().dump();
    });
  // one that sets a million updates for each step would take them
  const std::vector<Hyperparameter> after = learner->hyperparameters();
  for (std::size_t i = 0; i < before.size(); ++i)
    if (before[i].get() != after[i].get() && before[i].name != "model.fit") return;
  learner->step();
  learner->take_metrics();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  static ThreadPool pool(1);
  static Stream stream(pool);
  static const Written all[] = {write(folder, stream, "mbpo"), write(folder, stream, "sac"),
                                write(folder, stream, "ppo")};
  if (size == 0) return 0;
  const Written& written = all[data[0] % 3];
  const int mode = data[0] / 3 % 3;
  const auto given = fuzz::files_of(fuzz::text_of(data + 1, size - 1), 4);

  std::string files[4];
  for (std::size_t i = 0; i < 4; ++i)
    files[i] = given[i].empty() ? written.files[i] : std::string(given[i]);
  if (mode == 0 && !given[0].empty()) {
    nlohmann::json state = written.state;
    try {
      state.merge_patch(parse_json(given[0], "patch"));
    } catch (const DataError&) {
      return 0;
    }
    files[0] = state.dump();
  }
  if (mode < 2) files[3] = done_of(files);
  const std::filesystem::path path = folder.path() / "step-000000016";
  std::filesystem::create_directory(path);
  for (std::size_t i = 0; i < 4; ++i)
    folder.write(std::string("step-000000016/") + kFiles[i], files[i]);

  const Warn no_warning = [](const std::string&) {};
  fuzz::read_or_refuse([&] { latest_checkpoint(folder.path(), no_warning); });
  fuzz::read_or_refuse([&] { checkpoint_config(path); });
  fuzz::read_or_refuse([&] { resume(written, path, stream); });
  return 0;
}
