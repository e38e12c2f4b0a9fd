#include "host/tune/study/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
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
    if (!choice.is_string() || !choice.get<std::string>().starts_with('[')) return choice;
    const Json list = Json::parse(choice.get<std::string>(), nullptr, /*allow_exceptions=*/false);
    return list.is_discarded() ? choice : list;
  }
  const double number = json_number<double>(value, "a parameter");
  constexpr double kMost = 9007199254740992.0;  // to which whole numbers are exact
  if (name == "IntDistribution")
    return static_cast<std::int64_t>(json_number<double>(value, "a parameter", -kMost, kMost));
  return number;
}

Json score_line(const Journal::Score& score) {
  return {{"op_code", JournalOperation::kIntermediate},
          {"trial_id", score.trial},
          {"step", score.steps},
          {"intermediate_value", score.value}};
}

std::string refusal_text(const std::string& place, const LineProblem& problem) {
  const std::string text = printable(problem.text);
  if (problem.kind == LineProblem::kTorn)
    return fmt::format(
        "{}, is damaged: {}. Lines after it are whole, so that nothing was cut off while it was "
        "written. Put the file back from a copy, or begin another study with --study DIR.",
        place, text);
  if (problem.kind == LineProblem::kForeign)
    return fmt::format(
        "{}, is no line of a journal of Optuna: {}. Choose another folder with --study DIR.", place,
        text);
  return fmt::format(
      "{}: {}. Is it another program's? Put it right, or choose another folder with --study DIR.",
      place, text);
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

Journal::Journal(std::filesystem::path file, const std::string& name, const Json& definition,
                 const SearchSpace& space, const std::function<void(const std::string&)>& warn)
    : path_(std::move(file)), space_(space), warn_(warn), lock_(path_, warn) {
  const Hold hold(*this);
  const auto is_planned = [](const Trial& trial) { return trial.plan.has_value(); };
  if (definition_.is_null() && std::any_of(trials_.begin(), trials_.end(), is_planned))
    throw DataError(fmt::format(
        "{} has trials of a search, and the line that says what is searched is gone. Put the file "
        "back from a copy, or begin another study with --study DIR.",
        path_.string()));
  file_ = std::make_unique<OutputFile>(path_, OutputFile::Mode::kAppend);
  if (!has_study_)
    append({Json{{"op_code", JournalOperation::kCreateStudy},
                 {"study_name", name},
                 {"directions", Json::array({kMaximize})}}});
  if (definition_.is_null()) {
    append({Json{{"op_code", JournalOperation::kStudyUserAttribute},
                 {"study_id", 0},
                 {"user_attr", {{kDefinition, definition}}}}});
    append({Json{{"op_code", JournalOperation::kStudySystemAttribute},
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
    const LineProblem problem =
        read_journal_line(line, is_whole, [this](const Json& json) { apply(json); });
    if (problem.kind != LineProblem::kNone) {
      const std::string place = fmt::format("{}, line {}", path_.string(), number);
      if (!is_last || !problem.is_damage(has_study_)) throw DataError(refusal_text(place, problem));
      if (!alone) return;
      warn_(fmt::format("{}, the last one, is damaged and dropped: {}. What it said is done again.",
                        place, printable(problem.text)));
      if (truncate(path_.c_str(), static_cast<off_t>(num_read_)) != 0)
        throw DataError(fmt::format("{} cannot be shortened to its whole lines: {}.",
                                    path_.string(), std::strerror(errno)));
      return;
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
  const auto set_parameter = [](Trial& trial, const std::string& key, const Json& value,
                                const Json& distribution) {
    trial.values[key] = external_value(value, distribution_of(distribution));
  };
  const auto keep = [](Trial& trial, const Json& attributes) {
    for (const auto& [name, value] : attributes.items()) {
      trial.attributes[name] = value;
      if (name == kError && value.is_string()) trial.error = value.get<std::string>();
    }
  };
  switch (operation_of(line, has_study_)) {
    case JournalOperation::kCreateStudy:
      has_study_ = true;
      return;
    case JournalOperation::kStudyUserAttribute:
      if (const Json& attribute = line.at("user_attr"); attribute.contains(kDefinition))
        definition_ = attribute.at(kDefinition);
      return;
    case JournalOperation::kStudySystemAttribute:
      for (const auto& [name, value] : line.at("system_attr").items())
        if (name.starts_with(kExchange)) exchanges_.push_back(value);
      return;
    case JournalOperation::kCreateTrial: {
      const CreatedTrial created = created_trial(line);
      Trial trial{.state = created.state, .scores = created.scores, .score = created.score};
      for (const auto& [key, value] : created.values.items())
        set_parameter(trial, key, value, created.distributions.at(key));
      keep(trial, created.attributes);
      if (const auto plan = trial.attributes.find(kPlan);
          plan != trial.attributes.end() && plan->second.is_number_unsigned())
        trial.plan = plan->second.get<std::size_t>();
      trials_.push_back(std::move(trial));
      return;
    }
    case JournalOperation::kParameter: {
      Trial& trial = at(line);
      if (!is_over(trial))
        set_parameter(trial, line.at("param_name").get<std::string>(),
                      line.at("param_value_internal"), line.at("distribution"));
      return;
    }
    case JournalOperation::kState: {
      Trial& trial = at(line);
      if (is_over(trial)) return;
      const TrialState state = trial_state(line.at("state"));
      if (const std::optional<double> score = score_of_line(line)) trial.score = score;
      trial.state = state;
      return;
    }
    case JournalOperation::kIntermediate: {
      Trial& trial = at(line);
      // none that is not finite counts
      if (!is_over(trial) && !line.at("intermediate_value").is_null())
        trial.scores[json_number<std::int64_t>(line.at("step"), "step")] =
            json_number<double>(line.at("intermediate_value"), "intermediate_value");
      return;
    }
    case JournalOperation::kTrialUserAttribute: {
      Trial& trial = at(line);
      if (!is_over(trial)) keep(trial, line.at("user_attr"));
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
    lines.push_back({{"op_code", JournalOperation::kCreateTrial},
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
  append({Json{{"op_code", JournalOperation::kState},
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
    lines.push_back({{"op_code", JournalOperation::kTrialUserAttribute},
                     {"trial_id", trial},
                     {"user_attr", {{name, value}}}});
  append(std::move(lines));
}

void Journal::add_exchange(const Json& line, const std::vector<Score>& scores) {
  const Hold hold(*this);
  std::vector<Json> lines;
  for (const Score& score : scores) lines.push_back(score_line(score));
  lines.push_back({{"op_code", JournalOperation::kStudySystemAttribute},
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
  append({Json{{"op_code", JournalOperation::kState},
               {"trial_id", trial},
               {"state", static_cast<int>(state)},
               {"values", values},
               {"datetime_complete", now_text()}}});
}

}  // namespace mbrl
