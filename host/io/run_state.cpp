#include "host/io/run_state.h"

#include <string>
#include <system_error>
#include <utility>

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
  std::error_code unknown;
  // earlier versions marked a member of a population that diverged by a file of its own
  if (fs::exists(folder / "failed.json", unknown)) return RunStatus::kDiverged;
  if (!fs::exists(file, unknown)) return RunStatus::kOpen;
  const auto summary = read_json<nlohmann::ordered_json>(file);
  const std::string found =
      using_file(file, [&] { return summary.at("status").get<std::string>(); });
  for (const auto& [status, text] : kRunStatusTexts)
    if (found == text) return status;
  return RunStatus::kOpen;
}

void write_run_state(const fs::path& folder, RunStatus status, nlohmann::ordered_json summary) {
  nlohmann::ordered_json marker{{"status", status_text(status)}};
  marker.update(summary);
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
