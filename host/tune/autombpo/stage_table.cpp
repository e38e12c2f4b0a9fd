#include "host/tune/autombpo/stage_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>
#include <string>
#include <system_error>
#include <type_traits>

#include "host/io/json_file.h"
#include "host/io/output_file.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;

// each entry of a record once, in the order of the table's columns
template <typename Record, typename Visit>
void for_each_entry(Record& r, Visit&& visit) {
  visit("group", r.group);
  visit("stage", r.stage);
  visit("num_episodes", r.num_episodes);
  visit("num_failed", r.num_failed);
  visit("mean_return", r.mean_return);
  visit("final_return", r.final_return);
  visit("baseline_return", r.baseline_return);
  visit("real_ratio", r.real_ratio);
  visit("updates_per_step", r.updates_per_step);
  visit("rollout_length", r.rollout_length);
  visit("share_of_fits", r.share_of_fits);
  visit("policy_loss", r.losses.policy_loss);
  visit("value_loss", r.losses.value_loss);
  visit("entropy", r.losses.entropy);
  visit("approx_kl", r.losses.approx_kl);
  visit("clip_fraction", r.losses.clip_fraction);
  visit("learner_seconds", r.learner_seconds);
}

}  // namespace

std::vector<StageRecord> read_stages(const AutoMbpoFolder& folder) {
  std::vector<StageRecord> stages;
  std::error_code unknown;
  if (!std::filesystem::exists(folder.stages_json(), unknown)) return stages;
  const Json rows = read_json<Json>(folder.stages_json());
  using_file(folder.stages_json(), [&] {
    for (const Json& row : rows)
      for_each_entry(stages.emplace_back(), [&](const char* name, auto& value) {
        using T = std::remove_reference_t<decltype(value)>;
        const Json& found = row.at(name);
        // JSON has no NaN: a loss that was none is null
        if constexpr (std::is_floating_point_v<T>)
          if (found.is_null()) {
            value = std::numeric_limits<T>::quiet_NaN();
            return;
          }
        value = json_number<T>(found, name);
      });
  });
  return stages;
}

void write_stages(const AutoMbpoFolder& folder, const std::vector<StageRecord>& stages) {
  Json all = Json::array();
  std::string table;
  for (const StageRecord& record : stages) {
    Json json;
    for_each_entry(record, [&](const char* name, const auto& value) { json[name] = value; });
    std::vector<std::string> names, values;
    for (const auto& [name, value] : json.items()) {
      names.push_back(name);
      values.push_back(value.dump());
    }
    if (table.empty()) table = fmt::format("{}\n", fmt::join(names, ","));
    table += fmt::format("{}\n", fmt::join(values, ","));
    all.push_back(json);
  }
  write_file_atomically(folder.stages_table(), table);
  write_file_atomically(folder.stages_json(), all.dump(1) + "\n");
}

}  // namespace mbrl
