// Schedule files: values that keys take over the course of a run.
//
//   {"mbrl_gpu_schedule": 1, "algorithm": "pets", "unit": "steps", "end": 60000,
//    "points": [{"at": 0, "values": {"model.learning_rate": 0.001}},
//               {"at": 6000, "values": {"model.learning_rate": 0.0005}}]}
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/config/config.h"
#include "host/config/fields.h"

namespace mbrl {

/// Values by key, as a config file has them; a key of a list of numbers has one for all places.
using KeyValues = nlohmann::ordered_json;

/// Values that are in force from a moment on; keys that a point leaves out keep theirs.
struct SchedulePoint {
  std::int64_t at = 0;
  KeyValues values = KeyValues::object();

  bool operator==(const SchedulePoint&) const = default;
};

struct ScheduleFile {
  std::string algorithm;       // whose keys they were; for people
  std::string unit = "steps";  // of `at` and `end`: env steps, or trials that have ended
  std::int64_t end = 0;        // what it was recorded for; 0: any length
  std::vector<SchedulePoint> points = {};  // ascending, the first at 0

  bool operator==(const ScheduleFile&) const = default;
};

/// Reads a file.
///
/// Errors   DataError if it is no schedule, is damaged, or another version's; ConfigError naming the
///          file and the point for an unknown entry or one that comes twice, moments that do not ascend
///          from 0, a key that is unknown or may not change during a run, and a value that the key does
///          not take.
ScheduleFile read_schedule(const std::filesystem::path& file);

/// The same as text, a line for each point, which read_schedule() reads back.
std::string schedule_text(const ScheduleFile& schedule);

/// The value as a learner's hyperparameter has it: a choice is its place among them.
double as_number(const Field& field, const nlohmann::ordered_json& value);

/// Errors   ConfigError that starts with `origin` if the key is none that a run of this config reads,
///          or may not change between two of its steps.
void require_changeable(const Config& config, const std::string& key, const std::string& origin);

}  // namespace mbrl
