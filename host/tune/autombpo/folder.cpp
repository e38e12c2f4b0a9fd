#include "host/tune/autombpo/folder.h"

#include <fmt/format.h>

#include <system_error>

#include "base/error.h"
#include "host/io/folders.h"
#include "host/io/output_file.h"
#include "host/io/run_state.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

// a report on the runs that happened to be found would be no report
std::vector<fs::path> all_of(const fs::path& folder) {
  return entries_of(folder, [](const std::string& text) {
    throw DataError(text + "; the report needs all runs in it.");
  });
}

}  // namespace

AutoMbpoFolder::AutoMbpoFolder(fs::path path) : path_(std::move(path)) {
  const fs::path controllers = path_ / "controller";
  if (const std::error_code error = make_folders(controllers); error)
    throw DataError(fmt::format("folder {} cannot be made: {}. Choose another place with {}.",
                                controllers.string(), error.message(), folder_option()));
}

fs::path AutoMbpoFolder::controller(int group, int stage) const {
  return path_ / "controller" / fmt::format("{}-{:03}.safetensors", group, stage);
}

fs::path AutoMbpoFolder::best_controller() const {
  return path_ / "controller" / "best.safetensors";
}

fs::path AutoMbpoFolder::episode(int number) const {
  return episodes() / fmt::format("{:04}", number);
}

fs::path AutoMbpoFolder::evaluation(int seed) const {
  return path_ / "evaluation" / fmt::format("seed-{}", seed);
}

bool AutoMbpoFolder::is_complete_episode(int number) const {
  std::error_code unknown;
  return is_done(episode(number)) && fs::exists(episode(number) / "trajectory.json", unknown);
}

std::vector<fs::path> AutoMbpoFolder::all_episodes() const { return all_of(episodes()); }

std::vector<fs::path> AutoMbpoFolder::complete_evaluations() const {
  std::vector<fs::path> folders;
  for (const fs::path& folder : all_of(path_ / "evaluation"))
    if (is_done(folder)) folders.push_back(folder);
  return folders;
}

}  // namespace mbrl
