#include "host/tune/study/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/json_file.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;

// Optuna's operations
enum Operation {
  kCreateStudy = 0,
  kDeleteStudy = 1,
  kStudyUserAttribute = 2,
  kStudySystemAttribute = 3,
  kCreateTrial = 4,
  kParameter = 5,
  kState = 6,
  kIntermediate = 7,
  kTrialUserAttribute = 8,
  kTrialSystemAttribute = 9
};
constexpr int kMaximize = 2;
constexpr const char* kDefinition = "mbrl_gpu";
constexpr const char* kError = "error";
constexpr const char* kPlan = "plan";
constexpr const char* kExchange = "exchange:";

// ISO 8601, UTC
std::string now_text() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() %
      1'000'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:06}+00:00", text, micros);
}

// a choice as Optuna may hold one: no lists
Json choice_json(const std::string& choice) {
  Json value = Json::parse(choice);
  if (value.is_array() || value.is_object()) return choice;
  return value;
}

// the distribution as the text of JSON that Optuna expects
std::string distribution_text(const SearchDimension& d) {
  Json json;
  if (!d.choices.empty()) {
    Json choices = Json::array();
    for (const std::string& choice : d.choices) choices.push_back(choice_json(choice));
    json = {{"name", "CategoricalDistribution"}, {"attributes", {{"choices", choices}}}};
  } else if (d.integer) {
    // Optuna takes a step of one alone beside a logarithm
    json = {{"name", "IntDistribution"},
            {"attributes",
             {{"log", d.log},
              {"step", 1},
              {"low", static_cast<std::int64_t>(d.low)},
              {"high", static_cast<std::int64_t>(d.high)}}}};
  } else {
    json = {{"name", "FloatDistribution"},
            {"attributes", {{"step", nullptr}, {"low", d.low}, {"high", d.high}, {"log", d.log}}}};
  }
  return json.dump();
}

// a choice by its place, any other value as it is
Json internal_value(const SearchDimension& d, const Json& value) {
  for (std::size_t i = 0; i < d.choices.size(); ++i)
    if (Json::parse(d.choices[i]) == value) return i;
  return value;
}

Json external_value(const Json& value, const Json& distribution) {
  const Json& attributes = distribution.at("attributes");
  const auto name = distribution.at("name").get<std::string>();
  if (name == "CategoricalDistribution") {
    const Json& choices = attributes.at("choices");
    const Json& choice = choices.at(json_number<std::size_t>(value, "the place of a choice"));
    // a list is the text of one
    if (choice.is_string() && choice.get<std::string>().starts_with('['))
      return Json::parse(choice.get<std::string>());
    return choice;
  }
  const double number = json_number<double>(value, "a parameter");
  constexpr double kMost = 9007199254740992.0;  // to which whole numbers are exact
  if (name == "IntDistribution")
    return static_cast<std::int64_t>(json_number<double>(value, "a parameter", -kMost, kMost));
  return number;
}

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

Json score_line(const Journal::Score& score) {
  return {{"op_code", kIntermediate},
          {"trial_id", score.trial},
          {"step", score.steps},
          {"intermediate_value", score.value}};
}

// what a file holds from a byte on; nothing if there is no file. Opened each time: network file
// systems then see what another machine has written
std::string read_from(const std::filesystem::path& path, std::uint64_t first) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT && first == 0) return "";
  if (fd < 0) throw ReadError(path, errno);
  std::string text;
  struct stat found {};
  int error = ::fstat(fd, &found) == 0 ? 0 : errno;
  const auto size = static_cast<std::uint64_t>(found.st_size);
  if (error == 0 && size > first) text.resize(size - first);
  for (std::size_t done = 0; error == 0 && done < text.size();) {
    const ssize_t count =
        ::pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(first + done));
    if (count < 0 && errno != EINTR) error = errno;
    if (count == 0) text.resize(done);
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  ::close(fd);
  if (error != 0) throw ReadError(path, error);
  if (size < first)
    throw DataError(fmt::format(
        "{} has lost lines while this process worked on the study: it has {} bytes, and {} had been "
        "read. Put the file back from a copy, and start again.",
        path.string(), size, first));
  return text;
}

}  // namespace

std::string journal_line_problem(std::string_view line, bool has_end,
                                 nlohmann::ordered_json& json) {
  if (!has_end) return "it has no end";
  try {
    json = parse_json<Json>(without_nan(line), "it");
    return json.is_object() ? "" : "it is no JSON object";
  } catch (const DataError& error) {
    std::string problem = error.what();
    if (problem.ends_with('.')) problem.pop_back();
    return problem;
  }
}

bool is_over(const Trial& trial) {
  return trial.state == TrialState::kComplete || trial.state == TrialState::kPruned ||
         trial.state == TrialState::kFailed;
}

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

Journal::Journal(std::filesystem::path file, const std::string& name, const Json& definition,
                 const SearchSpace& space, const std::function<void(const std::string&)>& warn)
    : path_(std::move(file)), space_(space), warn_(warn), lock_(path_, warn) {
  const Hold hold(*this);
  file_ = std::make_unique<OutputFile>(path_, OutputFile::Mode::kAppend);
  if (!has_study_)
    append({Json{{"op_code", kCreateStudy},
                 {"study_name", name},
                 {"directions", Json::array({kMaximize})}}});
  if (definition_.is_null()) {
    append({Json{{"op_code", kStudyUserAttribute},
                 {"study_id", 0},
                 {"user_attr", {{kDefinition, definition}}}}});
    append({Json{{"op_code", kStudySystemAttribute},
                 {"study_id", 0},
                 {"system_attr", {{"study:metric_names", Json::array({"return"})}}}}});
  }
}

Journal::Hold::Hold(Journal& journal) : journal_(journal) {
  journal_.mutex_.lock();
  if (journal_.depth_++ > 0) return;
  try {
    journal_.lock_.lock();
    try {
      journal_.read(/*alone=*/true);
    } catch (...) {
      journal_.lock_.unlock();
      throw;
    }
  } catch (...) {
    --journal_.depth_;
    journal_.mutex_.unlock();
    throw;
  }
}

Journal::Hold::~Hold() {
  if (--journal_.depth_ == 0) journal_.lock_.unlock();
  journal_.mutex_.unlock();
}

void Journal::refresh() {
  const std::lock_guard<std::recursive_mutex> one(mutex_);
  read(depth_ > 0);
}

// Reads on from where it was. `alone`: no other process writes, so that a line without an end is one
// that never gets it.
void Journal::read(bool alone) {
  const std::string text = read_from(path_, num_read_);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::uint64_t number = num_lines_ + 1;
    const std::size_t end = text.find('\n', begin);
    const bool is_whole = end != std::string::npos;
    const bool is_last = !is_whole || end + 1 == text.size();
    const std::string_view line =
        std::string_view(text).substr(begin, (is_whole ? end : text.size()) - begin);
    Json json;
    const std::string problem = journal_line_problem(line, is_whole, json);
    if (!problem.empty()) {
      if (!is_last)
        throw DataError(fmt::format(
            "{}, line {}, is damaged: {}. Lines after it are whole, so that nothing was cut off "
            "while it was written. Put the file back from a copy, or begin another study with "
            "--study DIR.",
            path_.string(), number, printable(problem)));
      if (!alone) return;
      warn_(
          fmt::format("{}, line {}, the last one, is damaged and dropped: {}. What it said is "
                      "done again.",
                      path_.string(), number, printable(problem)));
      if (truncate(path_.c_str(), static_cast<off_t>(num_read_)) != 0)
        throw DataError(fmt::format("{} cannot be shortened to its whole lines: {}.",
                                    path_.string(), std::strerror(errno)));
      return;
    }
    try {
      apply(json);
    } catch (const ValueError& error) {
      throw DataError(fmt::format("{}, line {}: {} Is it another program's?", path_.string(),
                                  number, error.what()));
    } catch (const nlohmann::json::exception& error) {
      throw DataError(fmt::format(
          "{}, line {}, is no line of a journal of Optuna: {}. Choose another folder with --study "
          "DIR.",
          path_.string(), number, json_error_text(error)));
    }
    begin = end + 1;
    num_read_ += line.size() + 1;
    ++num_lines_;
  }
}

Trial& Journal::at(const Json& line) {
  const auto number = json_number<std::size_t>(line.at("trial_id"), "trial_id");
  if (number >= trials_.size())
    throw ValueError(
        fmt::format("trial_id is {}, and there are {} trials.", number, trials_.size()));
  return trials_[number];
}

void Journal::apply(const Json& line) {
  const int operation = json_number<int>(line.at("op_code"), "op_code");
  const auto set_parameter = [](Trial& trial, const std::string& key, const Json& value,
                                const Json& distribution) {
    trial.values[key] =
        external_value(value, parse_json<Json>(distribution.get<std::string>(), "distribution"));
  };
  switch (operation) {
    case kCreateStudy:
      if (has_study_) throw ValueError("this begins a second study; one file has one.");
      has_study_ = true;
      return;
    case kDeleteStudy:
      throw ValueError("this deletes the study.");
    case kStudyUserAttribute:
      if (const Json& attribute = line.at("user_attr"); attribute.contains(kDefinition))
        definition_ = attribute.at(kDefinition);
      return;
    case kStudySystemAttribute:
      for (const auto& [name, value] : line.at("system_attr").items())
        if (name.starts_with(kExchange)) exchanges_.push_back(value);
      return;
    case kCreateTrial: {
      Trial trial{.state = static_cast<TrialState>(
                      json_number<int>(line.value("state", Json(0)), "state", 0, 4))};
      const Json none = Json::object();
      const Json params = line.value("params", none), kinds = line.value("distributions", none);
      for (const auto& [key, value] : params.items())
        set_parameter(trial, key, value, kinds.at(key));
      if (const Json attributes = line.value("user_attrs", none); attributes.contains(kPlan))
        trial.plan = json_number<std::size_t>(attributes.at(kPlan), kPlan);
      trials_.push_back(std::move(trial));
      return;
    }
    case kParameter: {
      Trial& trial = at(line);
      if (!is_over(trial))
        set_parameter(trial, line.at("param_name").get<std::string>(),
                      line.at("param_value_internal"), line.at("distribution"));
      return;
    }
    case kState: {
      Trial& trial = at(line);
      if (is_over(trial)) return;
      trial.state = static_cast<TrialState>(json_number<int>(line.at("state"), "state", 0, 4));
      if (const Json& values = line.at("values"); !values.is_null() && !values.at(0).is_null())
        trial.score = json_number<double>(values.at(0), "a value");
      return;
    }
    case kIntermediate: {
      Trial& trial = at(line);
      // none that is not finite counts
      if (!is_over(trial) && !line.at("intermediate_value").is_null())
        trial.scores[json_number<std::int64_t>(line.at("step"), "step")] =
            json_number<double>(line.at("intermediate_value"), "intermediate_value");
      return;
    }
    case kTrialUserAttribute: {
      Trial& trial = at(line);
      if (is_over(trial)) return;
      for (const auto& [name, value] : line.at("user_attr").items()) {
        trial.attributes[name] = value;
        if (name == kError) trial.error = value.get<std::string>();
      }
      return;
    }
    default:
      return;  // what others note
  }
}

// what is known is what the file says, so that a study that goes on is in the state of one that does
void Journal::append(std::vector<Json> lines) {
  const Hold hold(*this);
  std::string text;
  for (Json& line : lines) {
    line["worker_id"] = fmt::format("mbrl_gpu-{}", getpid());
    text += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  file_->write(text);
  if (waits_) file_->sync();
  for (const Json& line : lines) apply(line);
  num_read_ += text.size();
  num_lines_ += lines.size();
}

void Journal::together(const std::function<void()>& write) {
  const Hold hold(*this);
  const bool waited = std::exchange(waits_, false);
  try {
    write();
  } catch (...) {
    waits_ = waited;
    throw;
  }
  waits_ = waited;
  if (waits_) file_->sync();
}

void Journal::add(const std::vector<TrialValues>& trials, std::size_t plan) {
  std::vector<Json> lines;
  for (const TrialValues& values : trials) {
    Json params = Json::object(), kinds = Json::object();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const SearchDimension& d = space_.dimensions[i];
      params[d.key] = internal_value(d, values[i]);
      kinds[d.key] = distribution_text(d);
    }
    lines.push_back({{"op_code", kCreateTrial},
                     {"study_id", 0},
                     {"datetime_start", nullptr},
                     {"state", static_cast<int>(TrialState::kWaiting)},
                     {"value", nullptr},
                     {"values", nullptr},
                     {"distributions", kinds},
                     {"params", params},
                     {"user_attrs", {{kPlan, plan++}}},
                     {"system_attrs", Json::object()},
                     {"intermediate_values", Json::object()}});
  }
  if (!lines.empty()) append(std::move(lines));
}

void Journal::begin(std::size_t trial) {
  const Hold hold(*this);
  if (trials_.at(trial).state != TrialState::kWaiting) return;
  append({Json{{"op_code", kState},
               {"trial_id", trial},
               {"state", static_cast<int>(TrialState::kRunning)},
               {"values", nullptr},
               {"datetime_start", now_text()}}});
}

void Journal::score(std::size_t trial, std::int64_t steps, double value) {
  const Hold hold(*this);
  if (is_over(trials_.at(trial))) return;
  append({score_line({trial, steps, value})});
}

void Journal::note(std::size_t trial, const Json& attributes) {
  std::vector<Json> lines;
  for (const auto& [name, value] : attributes.items())
    lines.push_back(
        {{"op_code", kTrialUserAttribute}, {"trial_id", trial}, {"user_attr", {{name, value}}}});
  append(std::move(lines));
}

void Journal::add_exchange(const Json& line, const std::vector<Score>& scores) {
  const Hold hold(*this);
  std::vector<Json> lines;
  for (const Score& score : scores) lines.push_back(score_line(score));
  lines.push_back({{"op_code", kStudySystemAttribute},
                   {"study_id", 0},
                   {"system_attr", {{fmt::format("{}{}", kExchange, exchanges_.size()), line}}}});
  append(std::move(lines));
}

void Journal::end(std::size_t trial, TrialState state, const std::string& error,
                  std::optional<double> score) {
  const Hold hold(*this);
  const Trial& known = trials_.at(trial);
  if (is_over(known)) return;
  if (!error.empty()) {
    Json attributes;
    attributes[kError] = printable(error);
    note(trial, attributes);
  }
  Json values = nullptr;
  if (state != TrialState::kFailed)
    values = Json::array({score ? *score : known.scores.rbegin()->second});
  append({Json{{"op_code", kState},
               {"trial_id", trial},
               {"state", static_cast<int>(state)},
               {"values", values},
               {"datetime_complete", now_text()}}});
}

}  // namespace mbrl
