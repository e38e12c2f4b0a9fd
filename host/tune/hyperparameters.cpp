#include "host/tune/hyperparameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/error.h"
#include "base/nearest_name.h"
#include "host/io/archive.h"
#include "host/io/json_file.h"

namespace mbrl {

int num_options(Change change) { return change == Change::kToggle ? 2 : 3; }

double after_option(const TunedHyperparameter& tuned, double value, int option, double factor) {
  switch (tuned.change) {
    case Change::kMultiply:
      value *= std::pow(factor, option - 1);
      break;
    case Change::kAdd:
      value += option - 1;
      break;
    case Change::kToggle:
      value = option == 0 ? 1.0 : 0.0;
      break;
  }
  return std::clamp(value, tuned.range.low, tuned.range.high);
}

const TunedHyperparameter& find_tuned(const std::vector<TunedHyperparameter>& all,
                                      std::string_view name) {
  std::vector<std::string> names;
  for (const TunedHyperparameter& tuned : all) {
    if (tuned.name == name) return tuned;
    names.push_back(tuned.name);
  }
  const std::string near = nearest_name(std::string(name), names);
  throw ConfigError(fmt::format("{} is not a hyperparameter that is tuned.{} There are: {}.", name,
                                near.empty() ? "" : fmt::format(" Did you mean {}?", near),
                                fmt::join(names, ", ")));
}

nlohmann::json values_to_json(const std::vector<TunedHyperparameter>& all,
                              const HyperValues& values) {
  nlohmann::json json = nlohmann::json::object();
  for (const TunedHyperparameter& tuned : all) {
    const double value = values.at(tuned.name);
    nlohmann::json& entry = json[tuned.column];
    if (tuned.change == Change::kToggle) {
      entry = value != 0.0;
    } else if (tuned.change == Change::kAdd) {
      entry = static_cast<std::int64_t>(value);
    } else {
      entry = value;
    }
  }
  return json;
}

HyperValues values_from_json(const std::vector<TunedHyperparameter>& all,
                             const nlohmann::json& json) {
  HyperValues values;
  for (const TunedHyperparameter& tuned : all) {
    const nlohmann::json& entry = json.at(tuned.column);
    // one that nobody decides on may lie out of the range of decisions
    values[tuned.name] = entry.is_boolean() ? (entry.get<bool>() ? 1.0 : 0.0)
                                            : json_number<double>(entry, tuned.column, 0.0,
                                                                  static_cast<double>(kMaxCount));
  }
  return values;
}

}  // namespace mbrl
