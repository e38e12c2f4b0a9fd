// Fuzz target for what runs and AutoMBPO leave beside tables and checkpoints: a byte chooses the reader,
// the rest is the file.
//   0  trajectory.json (host/tune/autombpo/steering.h); a controller learns from it
//   1  stages.json (host/tune/autombpo/stage_table.h)
//   2  summary.json (host/io/run_state.h)
//   3  files.json (host/config/input_files.h)
//   4  config.json and files.json of a run that is compared with another (host/cli/run_groups.h)
#include <nlohmann/json.hpp>

#include "host/cli/run_groups.h"
#include "host/config/input_files.h"
#include "host/io/json_file.h"
#include "host/io/run_state.h"
#include "host/tune/autombpo/controller.h"
#include "host/tune/autombpo/stage_table.h"
#include "host/tune/autombpo/steering.h"
#include "tests/fuzz/harness.h"

using namespace mbrl;

namespace {

void read_trajectory(const std::filesystem::path& file) {
  static ThreadPool pool(1);
  static Stream stream(pool);
  Config config;
  config.controller.hidden_size = 2;
  config.controller.features = {"samples", "values"};
  config.controller.updates_per_episode = 1;
  config.controller.value_baseline = true;
  ControllerStack controller(stream, config, 0);
  const HyperTrajectory trajectory = using_file(file, [&] {
    return trajectory_from_json(read_json(file), controller.heads(0),
                                hyper_state_size(controller.visible(0), config));
  });
  controller.learn(stream, 0, {trajectory}, 0, 0);
}

void read_stage_table(const fuzz::Folder& folder, std::string_view text) {
  const AutoMbpoFolder run(folder.path() / "autombpo");
  folder.write("autombpo/stages.json", text);
  const std::vector<StageRecord> stages = read_stages(run);
  write_stages(run, stages);
  fuzz::require(read_stages(run).size() == stages.size(), "a table of stages reads back");
}

void read_files_json(const std::filesystem::path& file) {
  const std::vector<InputFile> files = using_file(
      file, [&] { return input_files_from_json(read_json<nlohmann::ordered_json>(file)); });
  content_hash(files, "mjcf.model");
  file_differences(files, {{"mjcf.model", "robot.xml", "1a2b3c4d"}});
  file_differences({{"mjcf.model", "robot.xml", "1a2b3c4d"}}, files);
}

void compare_runs(const fuzz::Folder& folder, std::string_view text) {
  const auto files = fuzz::files_of(text, 2);
  for (const char* run : {"runs/a/", "runs/b/"}) {
    folder.write(std::string(run) + "metrics.csv", "env_steps,eval_return_mean\n1,2\n");
    folder.write(std::string(run) + "summary.json", "{\"status\": \"done\"}");
  }
  folder.write("runs/a/config.json", files[0]);
  folder.write("runs/a/files.json", files[1]);
  folder.write("runs/b/config.json", "{}");
  difference_text(find_groups(folder.path() / "runs", "metrics.csv", GroupBy::kConfig));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  static const bool made = std::filesystem::create_directories(folder.path() / "runs/a") &&
                           std::filesystem::create_directory(folder.path() / "runs/b");
  if (size == 0 || !made) return 0;
  const std::string_view text = fuzz::text_of(data + 1, size - 1);
  fuzz::read_or_refuse([&] {
    switch (data[0] % 5) {
      case 0:
        return read_trajectory(folder.write("trajectory.json", text));
      case 1:
        return read_stage_table(folder, text);
      case 2:
        folder.write("summary.json", text);
        is_done(folder.path());
        return;
      case 3:
        return read_files_json(folder.write("files.json", text));
      default:
        return compare_runs(folder, text);
    }
  });
  return 0;
}
