#include "host/tune/study/study_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "base/error.h"
#include "base/printable.h"
#include "host/config/search_methods.h"
#include "host/io/folders.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"
#include "host/tune/study/journal.h"

namespace mbrl {
// of its own, as the files of this folder are compiled together
namespace study_record {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kJournal = "journal.log";

std::optional<double> number_of(const Json& value) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) return std::nullopt;
  return value.get<double>();
}

std::string choice_text(const Json& choice) {
  return printable(choice.is_string()
                       ? choice.get<std::string>()
                       : choice.dump(-1, ' ', false, Json::error_handler_t::replace));
}

RecordedAxis axis_of(const std::string& key, const Json& distribution) {
  RecordedAxis axis{.key = key};
  const Json& attributes = distribution.at("attributes");
  const auto kind = distribution.at("name").get<std::string>();
  if (kind == "CategoricalDistribution") {
    for (const Json& choice : attributes.at("choices")) axis.choices.push_back(choice_text(choice));
    return axis;
  }
  axis.low = json_number<double>(attributes.at("low"), "low");
  axis.high = json_number<double>(attributes.at("high"), "high");
  axis.log = attributes.value("log", false) && axis.low > 0.0;
  axis.integer = kind == "IntDistribution";
  axis.step = axis.integer ? 1.0 : 0.0;
  if (const Json step = attributes.value("step", Json()); !step.is_null())
    axis.step = json_number<double>(step, "step", std::numeric_limits<double>::min());
  return axis;
}

class Reader {
 public:
  explicit Reader(const fs::path& journal) {
    study_.journal = journal;
    study_.folder = journal.parent_path().empty() ? fs::path(".") : journal.parent_path();
  }

  StudyRecord read() {
    const std::string text = read_file(study_.journal);
    std::size_t number = 0;
    for (std::size_t begin = 0; begin < text.size();) {
      ++number;
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const bool is_last = end + 1 >= text.size();
      read_line(std::string_view(text).substr(begin, end - begin), number, is_last,
                end < text.size());
      begin = end + 1;
    }
    if (!has_study_)
      throw DataError(
          fmt::format("{} holds no study{}", printable(study_.journal.string()),
                      text.empty() ? ": it is empty. `mbrl_gpu tune` writes it." : "."));
    order_axes();
    add_returns();
    return std::move(study_);
  }

 private:
  void read_line(std::string_view line, std::size_t number, bool is_last, bool has_end) {
    const std::string place =
        fmt::format("{}, line {}", printable(study_.journal.string()), number);
    const LineProblem problem =
        read_journal_line(line, has_end, [this](const Json& json) { apply(json); });
    if (problem.kind == LineProblem::kNone) return;
    const std::string text = printable(problem.text);
    if (is_last && problem.is_damage(has_study_)) {
      study_.warnings.push_back(
          fmt::format("{}, the last one, is damaged and left out: {}.", place, text));
      return;
    }
    if (problem.kind == LineProblem::kTorn)
      throw DataError(
          fmt::format("{}, is damaged: {}. Lines after it are whole, so that nothing was cut off "
                      "while it was written. Put the file back from a copy.",
                      place, text));
    if (problem.kind == LineProblem::kForeign)
      throw DataError(fmt::format("{}, is no line of a journal of Optuna: {}.", place, text));
    throw DataError(fmt::format("{}: {}.", place, text));
  }

  std::size_t number_in(const Json& line) const {
    const auto number = json_number<std::size_t>(line.at("trial_id"), "trial_id");
    if (number >= study_.trials.size())
      throw ValueError(
          fmt::format("trial_id is {}, and there are {} trials.", number, study_.trials.size()));
    return number;
  }

  static void set_parameter(std::vector<RecordedAxis>& axes, RecordedTrial& trial,
                            const std::string& key, const Json& value, const Json& distribution) {
    const RecordedAxis axis = axis_of(key, distribution_of(distribution));
    const double place = axis.choices.empty()
                             ? json_number<double>(value, key)
                             : static_cast<double>(json_number<std::size_t>(
                                   value, "the place of a choice", 0, axis.choices.size() - 1));
    auto known =
        std::find_if(axes.begin(), axes.end(), [&](const RecordedAxis& a) { return a.key == key; });
    if (known == axes.end()) {
      axes.push_back(axis);
    } else if (known->choices.empty() && axis.choices.empty()) {
      known->low = std::min(known->low, axis.low);
      known->high = std::max(known->high, axis.high);
    }
    trial.places[key] = place;
  }

  void set_score(std::size_t number, std::int64_t steps, double value) {
    RecordedTrial& trial = study_.trials[number];
    const bool scratch = study_.method == "hyperband" && !study_.continues;
    std::int64_t before = 0;
    if (!scratch)
      for (const auto& [earlier, score] : trial.scores)
        if (earlier < steps) before = earlier;
    trial.scores[steps] = value;
    study_.scored.push_back(
        {number, steps, static_cast<double>(steps - before) * study_.num_seeds, value, num_ended_});
  }

  // the keys of the space
  static std::vector<std::string> define(StudyRecord& study, const Json& definition) {
    const Json config = definition.value("config", Json::object());
    const auto section = [&](const char* name) { return config.value(name, Json::object()); };
    const Json tune = section("tune");
    study.name = config.value("name", "");
    study.algorithm = config.value("algorithm", "");
    study.env = section("env").value("name", "");
    study.method = tune.value("method", "");
    const auto whole = [](const Json& from, const char* key, int low, int otherwise) {
      return from.contains(key) ? json_number<int>(from.at(key), key, low) : otherwise;
    };
    study.seed = whole(config, "seed", 0, 0);
    study.num_seeds = whole(tune, "seeds", 1, 1);
    study.continues = tune.value("rungs", "") == "continued";
    study.num_env_steps = whole(section("loop"), "num_env_steps", 0, 0);
    const Json space = tune.value("space", Json::object());
    std::vector<std::string> keys;
    for (const auto& [key, entry] : space.items()) keys.push_back(key);
    return keys;
  }

  // a trial is over
  void end(std::size_t number) {
    const RecordedTrial& trial = study_.trials[number];
    ++num_ended_;
    // other programs tell the end alone
    if (trial.state == TrialState::kComplete && trial.score && trial.scores.empty())
      set_score(number, study_.num_env_steps, *trial.score);
    for (auto scored = study_.scored.rbegin(); scored != study_.scored.rend(); ++scored)
      if (scored->trial == number) {
        scored->num_ended = std::max(scored->num_ended, num_ended_);
        break;
      }
  }

  static void note(RecordedTrial& trial, const Json& attributes) {
    for (const auto& [name, value] : attributes.items()) {
      trial.attributes[name] = value;
      if (name == "error" && value.is_string()) trial.error = printable(value.get<std::string>());
    }
  }

  void apply(const Json& line) {
    switch (operation_of(line, has_study_)) {
      case JournalOperation::kCreateStudy:
        has_study_ = true;
        study_.name = printable(line.value("study_name", ""));
        return;
      case JournalOperation::kStudyUserAttribute:
        if (const Json& attribute = line.at("user_attr"); attribute.contains("mbrl_gpu")) {
          StudyRecord defined = study_;
          order_ = define(defined, attribute.at("mbrl_gpu"));
          study_ = std::move(defined);
        }
        return;
      case JournalOperation::kCreateTrial: {
        const CreatedTrial created = created_trial(line);
        RecordedTrial trial{.state = created.state, .score = created.score};
        note(trial, created.attributes);
        std::vector<RecordedAxis> axes = study_.axes;
        for (const auto& [key, value] : created.values.items())
          set_parameter(axes, trial, key, value, created.distributions.at(key));
        study_.axes = std::move(axes);
        const std::size_t number = study_.trials.size();
        study_.trials.push_back(std::move(trial));
        for (const auto& [steps, value] : created.scores) set_score(number, steps, value);
        if (is_over(created.state)) end(number);
        return;
      }
      case JournalOperation::kParameter:
        if (RecordedTrial& trial = study_.trials[number_in(line)]; !is_over(trial.state))
          set_parameter(study_.axes, trial, line.at("param_name").get<std::string>(),
                        line.at("param_value_internal"), line.at("distribution"));
        return;
      case JournalOperation::kState: {
        const std::size_t number = number_in(line);
        RecordedTrial& trial = study_.trials[number];
        if (is_over(trial.state)) return;
        const TrialState state = trial_state(line.at("state"));
        if (const std::optional<double> score = score_of_line(line)) trial.score = score;
        trial.state = state;
        if (is_over(state)) end(number);
        return;
      }
      case JournalOperation::kIntermediate: {
        const std::size_t number = number_in(line);
        const Json& value = line.at("intermediate_value");
        if (is_over(study_.trials[number].state) || value.is_null()) return;
        set_score(number, json_number<std::int64_t>(line.at("step"), "step", 0),
                  json_number<double>(value, "intermediate_value"));
        return;
      }
      case JournalOperation::kTrialUserAttribute:
        if (RecordedTrial& trial = study_.trials[number_in(line)]; !is_over(trial.state))
          note(trial, line.at("user_attr"));
        return;
      default:
        return;  // what others note
    }
  }

  // the space's order; keys that it does not have come after it
  void order_axes() {
    std::stable_sort(study_.axes.begin(), study_.axes.end(),
                     [&](const RecordedAxis& a, const RecordedAxis& b) {
                       return std::find(order_.begin(), order_.end(), a.key) <
                              std::find(order_.begin(), order_.end(), b.key);
                     });
  }

  // of members whose returns stand in an attribute alone, all of one step before those of the next
  void add_returns() {
    std::vector<Scored> added;
    for (std::size_t i = 0; i < study_.trials.size(); ++i) {
      RecordedTrial& trial = study_.trials[i];
      const auto returns = trial.attributes.find("returns");
      if (trial.scores.size() > 1 || returns == trial.attributes.end() || !returns->is_array() ||
          !study_.is_population())
        continue;
      std::int64_t before = 0;
      for (const Json& entry : *returns) {
        if (!entry.is_object() || !entry.contains("step") || !entry.contains("value")) continue;
        const std::optional<double> step = number_of(entry.at("step")),
                                    value = number_of(entry.at("value"));
        if (!step || !value || *step < 0.0 || *step > 1e15) continue;
        const auto steps = static_cast<std::int64_t>(*step);
        std::erase_if(study_.scored, [&](const Scored& s) { return s.trial == i; });
        trial.scores[steps] = *value;
        added.push_back(
            {i, steps,
             static_cast<double>(std::max<std::int64_t>(0, steps - before)) * study_.num_seeds,
             *value, 0});
        before = steps;
      }
    }
    std::stable_sort(added.begin(), added.end(),
                     [](const Scored& a, const Scored& b) { return a.steps < b.steps; });
    study_.scored.insert(study_.scored.end(), added.begin(), added.end());
  }

  StudyRecord study_;
  std::vector<std::string> order_;
  std::size_t num_ended_ = 0;
  bool has_study_ = false;
};

}  // namespace
}  // namespace study_record

double RecordedAxis::share(double place) const {
  if (!choices.empty())
    return choices.size() < 2 ? 0.5 : place / static_cast<double>(choices.size() - 1);
  const auto scaled = [&](double value) { return log ? std::log(std::max(value, low)) : value; };
  const double width = scaled(high) - scaled(low);
  return width > 0.0 ? std::clamp((scaled(place) - scaled(low)) / width, 0.0, 1.0) : 0.5;
}

std::string RecordedAxis::text(double place) const {
  if (choices.empty()) return fmt::format("{}", place);
  const auto i = static_cast<std::size_t>(place);
  return i < choices.size() ? choices[i] : "?";
}

bool StudyRecord::is_population() const { return search_method(method).is_population; }

std::vector<std::size_t> StudyRecord::ranking() const {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < trials.size(); ++i)
    if (trials[i].state == TrialState::kComplete && trials[i].score) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return *trials[a].score > *trials[b].score;
  });
  return order;
}

std::size_t StudyRecord::count(TrialState state) const {
  return static_cast<std::size_t>(
      std::count_if(trials.begin(), trials.end(),
                    [&](const RecordedTrial& trial) { return trial.state == state; }));
}

double StudyRecord::cost() const {
  double sum = 0.0;
  for (const Scored& one : scored) sum += one.cost;
  return sum;
}

StudyRecord read_study(const std::filesystem::path& journal) {
  return study_record::Reader(journal).read();
}

std::vector<Copied> copies_of(const RecordedTrial& trial) {
  std::vector<Copied> copies;
  const auto lineage = trial.attributes.find("lineage");
  if (lineage == trial.attributes.end() || !lineage->is_array()) return copies;
  for (const auto& entry : *lineage) {
    if (!entry.is_object() || !entry.contains("step") || !entry.contains("from") ||
        !entry.at("step").is_number_integer() || !entry.at("from").is_number_unsigned())
      return {};
    copies.push_back(
        {.step = entry.at("step").get<std::int64_t>(),
         .from = entry.at("from").get<std::size_t>(),
         .values_only = entry.contains("values_only") && entry.at("values_only") == true});
  }
  return copies;
}

std::vector<std::filesystem::path> find_journals(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code unknown;
  if (fs::is_regular_file(path, unknown)) return {path};
  std::vector<fs::path> journals;
  const auto has_journal = [](const fs::path& folder) {
    std::error_code absent;
    return fs::is_regular_file(folder / study_record::kJournal, absent);
  };
  for (const fs::path& folder : folders_below(path, {}, has_journal))
    if (has_journal(folder)) journals.push_back(folder / study_record::kJournal);
  if (!journals.empty()) return journals;
  throw DataError(fmt::format(
      "{} {}. Give a study's folder, or one that holds several: `mbrl_gpu tune CONFIG` makes "
      "studies/<name>/<method>-<seed>.",
      printable(path.string()),
      fs::exists(path, unknown) ? "holds no study: there is no journal.log in it or below it"
                                : "is not there"));
}

}  // namespace mbrl
