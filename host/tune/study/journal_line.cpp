#include "host/tune/study/journal_line.h"

#include <fmt/format.h>

#include <charconv>

#include "base/error.h"

namespace mbrl {
// of its own, as the files of this folder are compiled together
namespace journal_line {
namespace {

using Json = nlohmann::ordered_json;

// Python writes NaN, Infinity and -Infinity, which are no JSON: null, outside of texts
std::string without_nan(std::string_view line) {
  std::string result;
  bool in_text = false;
  for (std::size_t i = 0; i < line.size();) {
    if (in_text && line[i] == '\\' && i + 1 < line.size()) {
      result += line.substr(i, 2);
      i += 2;
      continue;
    }
    if (line[i] == '"') in_text = !in_text;
    std::size_t count = 0;
    if (!in_text)
      for (const std::string_view word : {"NaN", "-Infinity", "Infinity"})
        if (count == 0 && line.substr(i).starts_with(word)) count = word.size();
    if (count == 0) {
      result += line[i++];
    } else {
      result += "null";
      i += count;
    }
  }
  return result;
}

std::string without_period(std::string text) {
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// the object called `name`; an empty one where there is none
Json object_of(const Json& line, const char* name) {
  Json object = line.value(name, Json::object());
  if (!object.is_object())
    throw ValueError(fmt::format("{} is {}; expected an object.", name, object.type_name()));
  return object;
}

// the steps that a name of "intermediate_values" is
std::int64_t steps_of(const std::string& name) {
  std::int64_t steps = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), steps);
  if (error != std::errc() || end != name.data() + name.size() || steps < 0)
    throw ValueError(
        fmt::format("intermediate_values has {}; expected a number of steps.", printable(name)));
  return steps;
}

void require_maximized(const Json& line) {
  const Json directions = line.value("directions", Json::array({kMaximize}));
  if (directions == Json::array({kMaximize})) return;
  const bool several = directions.is_array() && directions.size() > 1;
  throw RefusedLine(fmt::format(
      "this study {}, and a search has one return, which it maximizes. Create it with "
      "optuna.create_study(direction=\"maximize\").",
      several ? fmt::format("has {} values", directions.size()) : "minimizes its value"));
}

}  // namespace
}  // namespace journal_line

const char* state_text(TrialState state) {
  switch (state) {
    case TrialState::kRunning:
      return "running";
    case TrialState::kComplete:
      return "complete";
    case TrialState::kPruned:
      return "pruned";
    case TrialState::kFailed:
      return "failed";
    case TrialState::kWaiting:
      return "waiting";
  }
  return "";
}

bool is_over(TrialState state) {
  return state != TrialState::kRunning && state != TrialState::kWaiting;
}

LineProblem read_journal_line(std::string_view line, bool has_end,
                              const std::function<void(const nlohmann::ordered_json&)>& apply) {
  using namespace journal_line;
  if (!has_end) return {LineProblem::kTorn, "it has no end"};
  nlohmann::ordered_json json;
  try {
    json = parse_json<nlohmann::ordered_json>(without_nan(line), "it");
  } catch (const DataError& error) {
    return {LineProblem::kTorn, without_period(error.what())};
  }
  if (!json.is_object()) return {LineProblem::kTorn, "it is no JSON object"};
  try {
    apply(json);
    return {};
  } catch (const RefusedLine& error) {
    return {LineProblem::kRefused, without_period(error.what())};
  } catch (const ValueError& error) {
    return {LineProblem::kWrong, without_period(error.what())};
  } catch (const nlohmann::json::exception& error) {
    return {LineProblem::kForeign, json_error_text(error)};
  }
}

int operation_of(const nlohmann::ordered_json& line, bool has_study) {
  const int operation = json_number<int>(line.at("op_code"), "op_code");
  if (operation == JournalOperation::kDeleteStudy) throw RefusedLine("this deletes the study.");
  if (operation != JournalOperation::kCreateStudy) {
    if (!has_study) throw RefusedLine("the line that begins the study is not before this one.");
    return operation;
  }
  if (has_study) throw RefusedLine("this begins a second study; one file has one.");
  journal_line::require_maximized(line);
  return operation;
}

nlohmann::ordered_json distribution_of(const nlohmann::ordered_json& text) {
  try {
    return parse_json<nlohmann::ordered_json>(journal_line::without_nan(text.get<std::string>()),
                                              "distribution");
  } catch (const DataError& error) {
    throw ValueError(error.what());
  }
}

std::optional<double> score_of_line(const nlohmann::ordered_json& line) {
  // one that is created whole has its only value apart
  nlohmann::ordered_json value = line.value("values", nlohmann::ordered_json());
  if (value.is_null()) value = line.value("value", nlohmann::ordered_json());
  if (value.is_array())
    value = value.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(value.front());
  if (value.is_null()) return std::nullopt;
  return json_number<double>(value, "a value");
}

TrialState trial_state(const nlohmann::ordered_json& number) {
  return static_cast<TrialState>(json_number<int>(number, "state", 0, 4));
}

CreatedTrial created_trial(const nlohmann::ordered_json& line) {
  using journal_line::object_of;
  // one that is created without a state runs
  CreatedTrial trial{.state = trial_state(line.value("state", nlohmann::ordered_json(0))),
                     .score = score_of_line(line),
                     .scores = {},
                     .attributes = object_of(line, "user_attrs"),
                     .values = object_of(line, "params"),
                     .distributions = object_of(line, "distributions")};
  const nlohmann::ordered_json scores = object_of(line, "intermediate_values");
  for (const auto& [steps, value] : scores.items())
    if (!value.is_null())
      trial.scores[journal_line::steps_of(steps)] =
          json_number<double>(value, "an intermediate value");
  return trial;
}

}  // namespace mbrl
