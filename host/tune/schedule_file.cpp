#include "host/tune/schedule_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/nearest_name.h"
#include "base/printable.h"
#include "host/algo/keys_read.h"
#include "host/config/fields.h"
#include "host/io/archive.h"
#include "host/io/json_file.h"
#include "host/io/unique_json.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kMark = "mbrl_gpu_schedule";
constexpr int kVersion = 1;

void require_entries(const Json& json, const std::vector<std::string>& known,
                     const std::string& place) {
  for (const auto& [name, value] : json.items()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string near = nearest_name(name, known);
    throw ConfigError(fmt::format("{} has {}, which is unknown.{} Leave it out.", place,
                                  printable(name),
                                  near.empty() ? "" : fmt::format(" Did you mean {}?", near)));
  }
}

void require_live(const Field& field, const std::string& place) {
  if (field.live) return;
  throw ConfigError(fmt::format(
      "{}: {} cannot change between two steps of a run. Leave it out, and set it for the whole run "
      "as {}=VALUE.",
      place, field.path(), field.path()));
}

// the keys by their names of today, with values that they take
KeyValues read_values(const Json& json, const std::string& place) {
  KeyValues values = KeyValues::object();
  Config scratch;
  for (const auto& [name, value] : json.items()) {
    const Field* field = find_field(name);
    if (field == nullptr) throw_unknown_key(name, place);
    require_live(*field, place);
    set_field(scratch, *field, as_key_value(*field, value), place);
    if (!value.is_primitive())
      throw ConfigError(fmt::format("{}: {} has a list; expected one number for all of it.", place,
                                    field->path()));
    // a former name beside today's
    if (values.contains(field->path()))
      throw ConfigError(
          fmt::format("{}: {} appears twice; keep one of them.", place, field->path()));
    values[field->path()] = value;
  }
  return values;
}

}  // namespace

ScheduleFile read_schedule(const std::filesystem::path& file) {
  const Json json = read_unique_json<Json>(file);
  const std::string name = printable(file.string());
  if (!json.is_object() || !json.contains(kMark))
    throw DataError(fmt::format(
        "{} is no schedule: it has no \"{}\". `mbrl_gpu tune CONFIG --schedule incumbent` prints "
        "one.",
        name, kMark));
  return using_file(file, [&] {
    if (const int version = json_number<int>(json.at(kMark), kMark); version != kVersion)
      throw DataError(fmt::format("{} is a schedule of version {}; this program reads version {}.",
                                  name, version, kVersion));
    require_entries(json, {kMark, "algorithm", "unit", "end", "points"}, name);
    ScheduleFile schedule;
    schedule.algorithm = json.value("algorithm", std::string());
    schedule.unit = json.value("unit", schedule.unit);
    if (schedule.unit != "steps" && schedule.unit != "trials")
      throw ConfigError(fmt::format("{}: unit is {}; expected one of steps, trials.", name,
                                    printable(schedule.unit)));
    if (json.contains("end"))
      schedule.end = json_number<std::int64_t>(json.at("end"), "end", 1, kMaxCount);
    const Json& points = json.at("points");
    if (!points.is_array() || points.empty())
      throw ConfigError(fmt::format("{}: points is {}; expected a list of one or more.", name,
                                    points.is_array() ? "empty" : points.type_name()));
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Json& point = points[i];
      const std::string place = fmt::format("{}: points[{}]", name, i);
      if (!point.is_object() || !point.contains("at") || !point.contains("values") ||
          !point.at("values").is_object())
        throw ConfigError(fmt::format(
            "{} is no point; expected {{\"at\": 0, \"values\": {{\"sac.learning_rate\": 3e-4}}}}.",
            place));
      require_entries(point, {"at", "values"}, place);
      const auto at = json_number<std::int64_t>(point.at("at"), place + ".at", 0, kMaxCount);
      if (i == 0 && at != 0)
        throw ConfigError(fmt::format(
            "{} is at {}; expected 0: a run begins with it. What holds before it may be left out of "
            "its values.",
            place, at));
      if (i > 0 && at <= schedule.points.back().at)
        throw ConfigError(
            fmt::format("{} is at {}, and the one before it at {}; put them in order.", place, at,
                        schedule.points.back().at));
      schedule.points.push_back({at, read_values(point.at("values"), place)});
    }
    if (schedule.end > 0 && schedule.points.back().at >= schedule.end)
      throw ConfigError(fmt::format("{}: end is {}, and the last point is at {}; raise end.", name,
                                    schedule.end, schedule.points.back().at));
    return schedule;
  });
}

std::string schedule_text(const ScheduleFile& schedule) {
  std::string text = fmt::format("{{\"{}\": {}, \"algorithm\": {}, \"unit\": {},", kMark, kVersion,
                                 Json(schedule.algorithm).dump(), Json(schedule.unit).dump());
  if (schedule.end > 0) text += fmt::format(" \"end\": {},", schedule.end);
  text += "\n \"points\": [";
  for (std::size_t i = 0; i < schedule.points.size(); ++i) {
    const SchedulePoint& point = schedule.points[i];
    text += fmt::format("{}\n  {{\"at\": {}, \"values\": {}}}", i == 0 ? "" : ",", point.at,
                        point.values.dump());
  }
  return text + "\n ]}\n";
}

double as_number(const Field& field, const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1.0 : 0.0;
  if (value.is_number()) return value.get<double>();
  const auto& choices = field.choices;
  return static_cast<double>(std::find(choices.begin(), choices.end(), value.get<std::string>()) -
                             choices.begin());
}

void require_changeable(const Config& config, const std::string& key, const std::string& origin) {
  const Field* field = find_field(key);
  if (field == nullptr) throw_unknown_key(key, origin);
  require_live(*field, origin);
  if (!is_read(config, *field))
    throw ConfigError(fmt::format(
        "{}: {} is not read by this run: algorithm {} on {} makes no use of it. Leave it out.",
        origin, key, config.algorithm, config.env.name));
}

}  // namespace mbrl
