#include "host/io/run_state.h"

#include <fmt/format.h>

#include <string>
#include <system_error>
#include <utility>

#include "base/printable.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

constexpr std::pair<RunStatus, const char*> kRunStatusTexts[] = {
    {RunStatus::kOpen, "open"},         {RunStatus::kPaused, "paused"},
    {RunStatus::kStopped, "stopped"},   {RunStatus::kFailed, "failed"},
    {RunStatus::kDiverged, "diverged"}, {RunStatus::kDone, "done"}};

}  // namespace

const char* status_text(RunStatus status) {
  for (const auto& [value, text] : kRunStatusTexts)
    if (value == status) return text;
  return "";
}

RunStatus run_status(const fs::path& folder) {
  const fs::path file = folder / "summary.json";
  // a marker that cannot be seen may say "done": what is done would begin anew
  const auto is_there = [](const fs::path& path) {
    std::error_code error;
    const bool exists = fs::exists(path, error);
    if (error) throw ReadError(path, error.value());
    return exists;
  };
  // earlier versions marked a member of a population that diverged by a file of its own
  if (is_there(folder / "failed.json")) return RunStatus::kDiverged;
  if (!is_there(file)) return RunStatus::kOpen;
  const auto summary = read_json<nlohmann::ordered_json>(file);
  const std::string found =
      using_file(file, [&] { return summary.at("status").get<std::string>(); });
  for (const auto& [status, text] : kRunStatusTexts)
    if (found == text) return status;
  return RunStatus::kOpen;
}

std::string unfinished_text(const std::vector<fs::path>& tables) {
  constexpr int kMost = 5;
  int num_runs = 0, num_unfinished = 0;
  std::string list;
  for (const fs::path& table : tables) {
    const fs::path folder = table.parent_path();
    std::error_code unknown;
    if (!fs::exists(folder / "config.json", unknown)) continue;
    ++num_runs;
    std::string status = "unknown";
    try {
      if (is_done(folder)) continue;
      status = status_text(run_status(folder));
    } catch (const DataError&) {
      // a damaged marker; what is read here is the table
    }
    if (++num_unfinished <= kMost)
      list +=
          fmt::format("{}{} ({})", list.empty() ? "" : ", ", printable(folder.string()), status);
  }
  if (num_unfinished == 0) return "";
  return fmt::format("{} of {} runs {} not reached the end: {}{}", num_unfinished, num_runs,
                     num_unfinished == 1 ? "has" : "have", list,
                     num_unfinished > kMost ? ", ..." : "");
}

void write_run_state(const fs::path& folder, RunStatus status, nlohmann::ordered_json summary) {
  nlohmann::ordered_json marker{{"status", status_text(status)}};
  if (summary.is_object()) marker.update(summary);
  write_file_atomically(folder / "summary.json", marker.dump(2) + "\n");
}

void open_run_state(const fs::path& folder) {
  std::error_code error;
  for (const char* file : {"summary.json", "failed.json"}) {
    fs::remove(folder / file, error);
    if (error)
      throw DataError((folder / file).string() + " cannot be removed: " + error.message() +
                      ". It would say of this run what it said of the last one.");
  }
}

}  // namespace mbrl
