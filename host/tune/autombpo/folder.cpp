#include "host/tune/autombpo/folder.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/io/output_file.h"

namespace mbrl {
namespace fs = std::filesystem;

AutoMbpoFolder::AutoMbpoFolder(fs::path path, bool start_over) : path_(std::move(path)) {
  if (start_over) {
    for (const char* name : {"episodes", "evaluation", "controller"}) fs::remove_all(path_ / name);
    for (const fs::path& file : {stages_json(), stages_table(), summary()}) fs::remove(file);
  }
  fs::create_directories(path_ / "controller");
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

std::vector<fs::path> AutoMbpoFolder::all_episodes() const {
  std::vector<fs::path> folders;
  if (fs::exists(episodes()))
    for (const auto& entry : fs::directory_iterator(episodes())) folders.push_back(entry.path());
  return folders;
}

std::vector<fs::path> AutoMbpoFolder::complete_evaluations() const {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(path_ / "evaluation"))
    if (is_done(entry.path())) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  return folders;
}

nlohmann::ordered_json read_json(const fs::path& file) {
  return nlohmann::ordered_json::parse(read_file(file));
}

bool is_done(const fs::path& folder) {
  return fs::exists(folder / "summary.json") &&
         read_json(folder / "summary.json").value("status", "") == "done";
}

bool has_failed(const fs::path& folder) { return fs::exists(folder / "failed.json"); }

void mark_failed(const fs::path& folder, const std::string& error) {
  write_file_atomically(folder / "failed.json",
                        nlohmann::ordered_json{{"error", error}}.dump(2) + "\n");
}

}  // namespace mbrl
