#include "host/tune/study/study.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "host/algo/keys_read.h"
#include "host/algo/resolve_config.h"
#include "host/config/load.h"
#include "host/config/print.h"
#include "host/config/search_methods.h"
#include "host/io/curves.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"
#include "host/run/run_dir.h"
#include "host/run/signals.h"
#include "host/stats/summary.h"
#include "host/tune/grid.h"
#include "host/tune/scheduled_run.h"
#include "host/tune/study/hyperband.h"
#include "host/tune/study/population_search.h"
#include "host/tune/study/process_name.h"
#include "host/tune/study/space_checks.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

bool is_population(const std::string& method) { return search_method(method).is_population; }

std::string claim_of(std::size_t trial) { return fmt::format("{:04}", trial); }

// "pbt, pbt_bt and mf_pbt"
std::string populations_text() {
  std::vector<std::string> names = search_method_names();
  std::erase_if(names, [](const std::string& name) { return !is_population(name); });
  return fmt::format("{} and {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

// what a study may be given more of while it goes on; a population keeps its members. Who only reads what
// a study has found need not know how large it was to be
bool may_differ(const Field& field, const Config& config, bool only_reads) {
  const std::string path = field.path();
  if (path == "tune.test_seeds") return true;
  if (is_population(config.tune.method) && !only_reads) return false;
  return path == "tune.trials" || path == "tune.budget" || path == "tune.iterations";
}

// what the journal keeps of the study: all keys, and what the files behind them hold
Json definition_of(const Config& config) {
  return {{"config", config_to_json(config)}, {"files", to_json(input_files(config))}};
}

std::vector<std::string> definition_differences(const Json& before, const Config& now,
                                                const fs::path& file, bool only_reads) {
  Config saved;
  std::vector<InputFile> files;
  try {
    saved = config_from_json(before.at("config"), file.string());
    files = input_files_from_json(before.at("files"));
  } catch (const ConfigError& error) {
    throw DataError(fmt::format(
        "{} was begun by another version of this program: {} Go on with that version, or begin "
        "another study with --study DIR.",
        file.string(), error.what()));
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format(
        "{} does not say what it searches ({}). Choose another folder with --study DIR.",
        file.string(), json_error_text(error)));
  }
  std::vector<std::string> texts = space_differences(saved.tune.space, now.tune.space);
  const std::vector<InputFile> files_now = input_files(now);
  for (const Field& field : fields()) {
    const std::string path = field.path();
    const bool has_file =
        std::any_of(files.begin(), files.end(), [&](const InputFile& f) { return f.key == path; });
    const bool counts = is_hashed(field) || is_of_search(field) || path == "seed";
    if (!counts || has_file || path == "tune.space" || may_differ(field, now, only_reads)) continue;
    const std::string a = field_text(saved, field), b = field_text(now, field);
    if (a != b) texts.push_back(fmt::format("{} differs ({} -> {})", path, a, b));
  }
  for (std::string& text : file_differences(files, files_now)) texts.push_back(std::move(text));
  return texts;
}

// mean returns of a trial's runs at each of their evaluations, as far as all runs have come
Json returns_of(const std::vector<fs::path>& runs) {
  std::vector<Curve> curves;
  for (const fs::path& run : runs)
    curves.push_back(read_curve(run / "metrics.csv", "eval_return_mean"));
  Json list = Json::array();
  for (std::size_t i = 0;; ++i) {
    double sum = 0.0;
    for (const Curve& curve : curves) {
      if (i == curve.x.size()) return list;
      sum += curve.y[i];
    }
    list.push_back({{"step", static_cast<std::int64_t>(curves.front().x[i])},
                    {"value", sum / static_cast<double>(curves.size())}});
  }
}

}  // namespace

double trial_score(const std::vector<fs::path>& runs, std::int64_t steps) {
  double sum = 0.0;
  for (const fs::path& run : runs) {
    const Curve curve = read_curve(run / "metrics.csv", "eval_return_mean");
    std::size_t count = 0;
    while (count < curve.x.size() && curve.x[count] <= static_cast<double>(steps)) ++count;
    if (count == 0)
      throw DataError(fmt::format("{} has no evaluation up to env step {}.", run.string(), steps));
    const std::size_t last = std::min(count, kScoredEvaluations);
    sum += mean_of(std::span(curve.y).subspan(count - last, last));
  }
  return sum / static_cast<double>(runs.size());
}

std::vector<std::string> words_of_a_run(const std::vector<std::string>& overrides) {
  std::vector<std::string> words;
  for (const std::string& word : overrides) {
    const Field* field = find_field(word.substr(0, word.find('=')));
    const bool is_of_study = field != nullptr && (is_of_search(*field) || field->path() == "seed");
    if (!is_of_study) words.push_back(word);
  }
  return words;
}

Study::Study(StudyOptions options) : options_(std::move(options)), base_(options_.config) {
  base_.tune = {};
  base_.pbt = {};
  check_space();
  const fs::path& folder = options_.folder;
  if (const std::error_code error = make_folders(folder); error)
    throw DataError(fmt::format(
        "the study's folder {} cannot be made: {}. Choose another place with --study DIR.",
        printable(folder.string()), error.message()));
  journal_ = std::make_unique<Journal>(folder / "journal.log", options_.config.name,
                                       definition_of(options_.config), space(), options_.warn);
  require_same();
  claims_ = std::make_unique<Claims>(folder, request_stop);
  for (std::size_t i = 0; i < trials().size(); ++i)
    if (is_outside(i)) left_behind_.insert(i);
}

void Study::require_same() const {
  const fs::path file = options_.folder / "journal.log";
  const std::vector<std::string> texts =
      definition_differences(journal_->definition(), options_.config, file, options_.only_reads);
  if (texts.empty()) return;
  throw DataError(fmt::format(
      "{} is another study: {}. Go on with what it was begun with, or begin another one with "
      "--study DIR.",
      printable(file.string()), printable(fmt::format("{}", fmt::join(texts, "; ")))));
}

bool Study::continues() const { return options_.config.tune.rungs == "continued"; }

std::int64_t Study::min_steps() const {
  const int given = options_.config.tune.min_steps;
  return given > 0 ? given : std::max(1, base_.loop.num_env_steps / 9);
}

void Study::check_space() const {
  const TuneConfig& tune = options_.config.tune;
  if (space().dimensions.empty())
    throw ConfigError(fmt::format(
        "{}: tune.space is empty, so that there is nothing to search. Give the config a section "
        "such as \"tune\": {{\"space\": {{\"sac.learning_rate\": {{\"low\": 1e-5, \"high\": 1e-2, "
        "\"log\": true}}}}}}; `mbrl_gpu config show tune_smoke` is an example.",
        printable(options_.name)));
  for (const SearchDimension& d : space().dimensions)
    if (!is_read(base_, *find_field(d.key)))
      throw ConfigError(fmt::format(
          "{}: tune.space has {}, which no trial reads: algorithm {} on {} makes no use of it. "
          "Leave it out.",
          printable(options_.name), d.key, base_.algorithm, base_.env.name));
  check_ends(space(), base_, printable(options_.name));
  if (tune.method == "grid") grid_trials(space(), tune.points, kMostGridRuns);
  // what a trial can learn in the steps that it has at the least
  OrdinaryRun shortest{.options = {.config = base_, .runs = options_.folder, .command = {}},
                       .label = "a trial"};
  if (tune.method == "hyperband" && !continues() && min_steps() <= base_.loop.num_env_steps) {
    int& steps = shortest.options.config.loop.num_env_steps;
    steps = static_cast<int>(hyperband_bracket(min_steps(), steps, tune.eta, 0).front().steps);
    shortest.label = fmt::format("a trial of {} steps (tune.min_steps)", steps);
  }
  check_runs({shortest}, options_.warn);
  if (is_population(tune.method)) check_population(options_.config, base_, options_.name);
  if (tune.method != "hyperband") return;
  if (min_steps() > base_.loop.num_env_steps)
    throw ConfigError(fmt::format(
        "{}: tune.min_steps is {}, and a whole run has {} (loop.num_env_steps). Lower it.",
        printable(options_.name), min_steps(), base_.loop.num_env_steps));
  // evaluations are counted from where exploration ends
  const bool explores = is_read(base_, *find_field("loop.num_exploration_steps"));
  const int first = base_.eval.interval + (explores ? base_.loop.num_exploration_steps : 0);
  if (continues() && first > min_steps())
    throw ConfigError(fmt::format(
        "{}: with tune.rungs=continued the first rung ends at step {}, before the first evaluation "
        "at step {}. Lower eval.interval, or raise tune.min_steps.",
        printable(options_.name), min_steps(), first));
}

TrialValues Study::values_of(const Trial& trial) const {
  TrialValues values;
  for (const SearchDimension& d : space().dimensions) {
    const auto found = trial.values.find(d.key);
    if (found == trial.values.end())
      throw DataError(fmt::format("{}: a trial has no value of {}. Is it another program's?",
                                  (options_.folder / "journal.log").string(), d.key));
    values.push_back(found->second);
  }
  return values;
}

// ---- what the method tries

std::vector<TrialValues> Study::planned(std::size_t first, std::size_t count) const {
  const TuneConfig& tune = options_.config.tune;
  std::vector<TrialValues> trials;
  if (tune.method == "grid") trials = grid_trials(space(), tune.points, kMostGridRuns);
  std::vector<TrialValues> part;
  for (std::size_t i = first; i < first + count; ++i)
    part.push_back(tune.method == "grid"
                       ? trials.at(i)
                       : draw_trial(space(), static_cast<std::uint32_t>(base_.seed), i));
  return part;
}

// the numbers of planned trials in the journal, which gets those that it has not
std::vector<std::size_t> Study::place(std::size_t first, std::size_t count) {
  const Timed own(effort_.own_s);
  const Journal::Hold hold(*journal_);
  std::map<std::size_t, std::size_t> known;  // by plan
  for (std::size_t i = 0; i < trials().size(); ++i)
    if (trials()[i].plan) known.emplace(*trials()[i].plan, i);
  std::size_t missing = first;
  while (missing < first + count && known.contains(missing)) ++missing;
  const std::size_t before = trials().size();
  journal_->add(planned(missing, first + count - missing), missing);
  for (std::size_t i = missing; i < first + count; ++i) known[i] = before + (i - missing);
  std::vector<std::size_t> numbers;
  for (std::size_t i = first; i < first + count; ++i) numbers.push_back(known.at(i));
  return numbers;
}

std::vector<int> Study::affordable_brackets() const {
  const TuneConfig& tune = options_.config.tune;
  std::vector<int> brackets;
  double spent = 0.0;
  for (int j = 0; j < tune.iterations; ++j) {
    std::int64_t before = 0;
    for (const Rung& rung : hyperband_bracket(min_steps(), base_.loop.num_env_steps, tune.eta, j)) {
      spent += static_cast<double>(tune.seeds) * rung.num_trials *
               static_cast<double>(rung.steps - before);
      if (continues()) before = rung.steps;
    }
    if (tune.budget > 0.0 && spent > tune.budget) break;
    brackets.push_back(j);
  }
  return brackets;
}

std::size_t Study::num_planned() const {
  const TuneConfig& tune = options_.config.tune;
  if (tune.method == "hyperband") {
    std::size_t count = 0;
    for (const int j : affordable_brackets())
      count += static_cast<std::size_t>(
          hyperband_bracket(min_steps(), base_.loop.num_env_steps, tune.eta, j).front().num_trials);
    return count;
  }
  std::size_t count = tune.method == "grid"
                          ? grid_trials(space(), tune.points, kMostGridRuns).size()
                          : static_cast<std::size_t>(tune.trials);
  const double each = static_cast<double>(tune.seeds) * base_.loop.num_env_steps;
  if (tune.budget > 0.0)
    count = std::min(count, static_cast<std::size_t>(std::min(tune.budget / each, 1e9)));
  // whole quarters of each sub-population
  if (search_method(tune.method).has_parts)
    count -= count % (4 * options_.config.pbt.frequencies.size());
  return count;
}

// ---- trials as runs

OrdinaryRun Study::run_of(const Request& request, int seed) const {
  const TrialValues values = values_of(trials()[request.trial]);
  OrdinaryRun run{
      .options = {.config = with_values(base_, space(), values),
                  .device = options_.device,
                  .runs = options_.folder / "trials" / fmt::format("{:04}", request.trial),
                  .command = {}},
      .label = fmt::format("trial {}", request.trial),
      .until = request.steps,
      .keep_checkpoints = false};
  if (options_.config.tune.seeds > 1) run.label += fmt::format(" seed={}", seed);
  Config& config = run.options.config;
  config.seed = seed;
  if (!continues()) config.loop.num_env_steps = static_cast<int>(request.steps);
  run.options.command = {"mbrl_gpu", "run", options_.name};
  const auto add = [&](const std::vector<std::string>& words) {
    run.options.command.insert(run.options.command.end(), words.begin(), words.end());
  };
  add(words_of_a_run(options_.overrides));
  add(override_words(space(), values));
  add({fmt::format("seed={}", seed),
       fmt::format("loop.num_env_steps={}", config.loop.num_env_steps),
       "--runs=" + run.options.runs.string()});
  check_run(config, run.label);
  follow_files(run.options);
  return run;
}

// ---- with other processes

// nothing is left to do for it
bool Study::is_decided(const Request& request) const {
  const Trial& trial = trials()[request.trial];
  return is_over(trial) || trial.scores.contains(request.steps);
}

// it runs and no process of the study has it: whoever asked for it, or Optuna
bool Study::is_outside(std::size_t trial) const {
  const Trial& t = trials()[trial];
  return search_method(options_.config.tune.method).is_fixed_ahead &&
         t.state == TrialState::kRunning && t.scores.empty() &&
         !claims_->has_claim(claim_of(trial));
}

std::vector<std::size_t> Study::outside() const {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < trials().size(); ++i)
    if (trials()[i].plan && is_outside(i)) numbers.push_back(i);
  return numbers;
}

// claims a trial for this process, unless another has it or has been through with it. `last`: those
// that were left behind as well, for which nobody may come again
bool Study::begin(const Request& request, bool last) {
  const Journal::Hold hold(*journal_);
  if (is_decided(request)) return false;
  const bool is_mine = claims_->holder(claim_of(request.trial)) == claims_->name();
  if (is_mine) return true;
  if (is_outside(request.trial) && !(last && left_behind_.contains(request.trial))) return false;
  if (!claims_->take(claim_of(request.trial))) return false;
  journal_->begin(request.trial);
  return true;
}

// until another process has ended or given up a trial; false after a stop
bool Study::wait_for(const std::vector<Request>& requests) {
  constexpr std::chrono::milliseconds kLongestNap{1000};
  for (std::chrono::milliseconds nap{20};; nap = std::min(nap * 2, kLongestNap)) {
    if (stop_requested()) return false;
    journal_->refresh();
    std::string others;
    for (const Request& request : requests) {
      if (is_decided(request)) return true;
      if (is_outside(request.trial)) continue;
      const auto holder = claims_->holder(claim_of(request.trial));
      if (!holder) return true;
      others += fmt::format("{}trial {} ({})", others.empty() ? "" : ", ", request.trial,
                            process_text(*holder));
    }
    if (others.empty()) return true;
    if (!std::exchange(told_of_others_, true) && options_.tell)
      options_.tell(
          fmt::format("others train {}; waiting for them. What one of them leaves when it "
                      "ends too early is trained here.",
                      others));
    std::this_thread::sleep_for(nap);
  }
}

// trains each trial to its steps and notes what it has earned; `ends`: it is complete with that.
// false after a stop
bool Study::evaluate(const std::vector<Request>& requests, bool ends) {
  for (;;) {
    std::vector<Request> open;
    {
      const Timed own(effort_.own_s);
      const Journal::Hold hold(*journal_);
      for (const Request& request : requests) {
        const Trial& trial = trials()[request.trial];
        // killed between the two lines
        if (ends && !is_over(trial) && is_decided(request))
          journal_->end(request.trial, TrialState::kComplete);
        if (!is_decided(request)) open.push_back(request);
      }
    }
    // what is with others outside of the study stays with them
    if (std::all_of(open.begin(), open.end(), [&](const Request& request) {
          return is_outside(request.trial) && !left_behind_.contains(request.trial);
        }))
      return true;
    train(open, ends);
    if (claims_->is_lost())
      throw DataError(fmt::format(
          "{}: other processes of this study saw no sign of life of this one for two minutes and "
          "took over its trials. Was it stopped, or the file system away? Start it again.",
          printable(options_.folder.string())));
    if (stop_requested() || !wait_for(open)) return false;
  }
}

// a pass over trials: those that no other process has
void Study::train(const std::vector<Request>& requests, bool ends) {
  struct Pending {
    Request request;
    bool last;
    std::size_t num_open;
    std::vector<fs::path> folders;  // by seed
    std::string diverged = {};
    bool stays_open = false;
  };
  std::vector<Pending> parts;
  std::vector<std::pair<std::size_t, std::size_t>> part_of;  // of each run, and its seed
  std::vector<OrdinaryRun> runs;
  const auto num_seeds = static_cast<std::size_t>(options_.config.tune.seeds);
  const auto add = [&](const Request& request, bool last) {
    const Timed own_time(effort_.own_s);
    try {
      std::vector<OrdinaryRun> own;
      for (std::size_t s = 0; s < num_seeds; ++s)
        own.push_back(run_of(request, static_cast<int>(s)));
      check_runs(own, options_.warn);
      for (std::size_t s = 0; s < num_seeds; ++s) part_of.emplace_back(parts.size(), s);
      parts.push_back({.request = request,
                       .last = last,
                       .num_open = num_seeds,
                       .folders = std::vector<fs::path>(num_seeds)});
      runs.insert(runs.end(), own.begin(), own.end());
    } catch (const ConfigError& error) {
      // values that do not go together
      if (!begin(request, last)) return;
      journal_->end(request.trial, TrialState::kFailed, error.what());
      claims_->release(claim_of(request.trial));
    }
  };
  for (const Request& request : requests)
    if (!is_outside(request.trial)) add(request, false);
  for (const Request& request : requests)
    if (is_outside(request.trial) && left_behind_.contains(request.trial)) add(request, true);
  if (runs.empty()) return;

  std::vector<std::string> failures;
  const auto finish = [&](Pending& part) {
    const auto [trial, steps] = part.request;
    // the machine's fault: the claim ends with this process
    if (part.stays_open) return;
    const Journal::Hold hold(*journal_);
    // taken for dead, it has nothing to say
    if (claims_->holder(claim_of(trial)) != claims_->name()) return;
    const double score = part.diverged.empty() ? trial_score(part.folders, steps) : 0.0;
    if (!part.diverged.empty()) {
      journal_->end(trial, TrialState::kFailed, part.diverged);
    } else if (!std::isfinite(score)) {
      journal_->end(trial, TrialState::kFailed, "its return is not finite");
    } else {
      journal_->together([&] {
        journal_->score(trial, steps, score);
        journal_->note(trial, Json{{"returns", returns_of(part.folders)}});
        if (ends) journal_->end(trial, TrialState::kComplete);
      });
    }
    claims_->release(claim_of(trial));
  };
  OrdinaryRunsOptions how{.title = "tune",
                          .device = options_.device,
                          .num_threads = options_.num_threads,
                          .concurrent = options_.concurrent,
                          .warn = options_.warn};
  std::map<std::size_t, std::optional<Timed>> training;  // runs that have begun
  how.on_begin = [&](std::size_t i) {
    const Timed own(effort_.own_s);
    const Pending& part = parts[part_of[i].first];
    if (!begin(part.request, part.last)) return false;
    training[i].emplace(effort_.training_s);
    return true;
  };
  how.on_end = [&](std::size_t i, const RunOutcome& outcome) {
    training.erase(i);
    const Timed own(effort_.own_s);
    Pending& part = parts[part_of[i].first];
    if (outcome.status == RunStatus::kDiverged) {
      part.diverged = outcome.error;
    } else if (outcome.status == RunStatus::kDone || outcome.status == RunStatus::kPaused) {
      part.folders[part_of[i].second] = outcome.folder;
    } else {
      part.stays_open = true;
      if (outcome.status == RunStatus::kFailed)
        failures.push_back(fmt::format("{}: {}", runs[i].label, outcome.error));
    }
    if (--part.num_open == 0) finish(part);
  };
  train_runs(runs, how);
  if (stop_requested() || failures.empty()) return;
  throw DataError(fmt::format(
      "{} of {} runs failed for reasons outside of them, and the study ends here; the same "
      "command tries them again:\n  {}",
      failures.size(), runs.size(), fmt::join(failures, "\n  ")));
}

// ---- methods

bool Study::run() {
  const std::string& method = options_.config.tune.method;
  if (is_population(method)) {
    const Journal::Hold hold(*journal_);
    if (!claims_->take("study"))
      throw DataError(fmt::format(
          "{} works on the study in {}, and one process alone trains a population. Wait for it, stop "
          "it, or begin another study with --study DIR.",
          process_text(claims_->holder("study").value_or("")),
          printable(options_.folder.string())));
  }
  return method == "hyperband"   ? run_hyperband()
         : is_population(method) ? run_population()
                                 : run_plain();
}

bool Study::run_population() {
  const std::vector<std::size_t> members = place(0, num_planned());
  if (members.size() < 2)
    throw ConfigError(
        fmt::format("{}: tune.budget leaves {} members; a population has two at least. Raise it.",
                    printable(options_.name), members.size()));
  std::vector<std::string> command{"mbrl_gpu", "tune", options_.name};
  command.insert(command.end(), options_.overrides.begin(), options_.overrides.end());
  return PopulationSearch({.config = options_.config,
                           .base = base_,
                           .folder = options_.folder,
                           .command = command,
                           .device = options_.device,
                           .concurrent = options_.concurrent,
                           .num_threads = options_.num_threads,
                           .warn = options_.warn},
                          *journal_, members, effort_)
      .run();
}

std::vector<std::size_t> Study::members() const {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < trials().size(); ++i)
    if (trials()[i].plan) numbers.push_back(i);
  std::sort(numbers.begin(), numbers.end(),
            [&](std::size_t a, std::size_t b) { return *trials()[a].plan < *trials()[b].plan; });
  return numbers;
}

ScheduleFile Study::schedule(const std::string& kind) const {
  const std::string& method = options_.config.tune.method;
  ScheduleFile schedule{.algorithm = base_.algorithm, .end = base_.loop.num_env_steps};
  const auto nothing = [&] {
    return DataError(fmt::format(
        "tune --schedule {}: no trial of {} has earned anything yet. Run the study first.", kind,
        printable(options_.folder.string())));
  };
  if (!is_population(method)) {
    if (kind != "incumbent")
      throw ConfigError(fmt::format(
          "tune --schedule {}: the trials of {} keep their values. --schedule incumbent gives those "
          "of the best one; {} find schedules.",
          kind, method, populations_text()));
    const std::vector<std::size_t> order = ranking();
    if (order.empty()) throw nothing();
    for (const SearchDimension& d : space().dimensions)
      require_changeable(base_, d.key, "tune --schedule incumbent");
    schedule.points.push_back({0, values_json(space(), values_of(trials()[order.front()]))});
    return schedule;
  }
  const PopulationRecord record = read_population(options_.config, *journal_, members());
  const int best = best_slice(record, base_.loop.num_env_steps);
  if (best < 0) throw nothing();
  schedule.end = record.slice(best).end;
  // the slices were used up, and nobody goes on
  const auto has_ended = [&](std::size_t trial) { return is_over(trials()[trial]); };
  if (const std::vector<std::size_t> all = members();
      schedule.end < base_.loop.num_env_steps && std::all_of(all.begin(), all.end(), has_ended)) {
    options_.warn(fmt::format(
        "{}: no member has come to the end of its training. The best has {} of {} env steps; its "
        "last values hold from there on.",
        options_.folder.string(), schedule.end, base_.loop.num_env_steps));
    schedule.end = base_.loop.num_env_steps;
  }
  schedule.points =
      kind == "incumbent" ? record.schedule(best) : top_average(record, space(), kTopAverage);
  return schedule;
}

bool Study::run_plain() {
  std::vector<Request> requests;
  for (const std::size_t trial : place(0, num_planned()))
    requests.push_back({trial, base_.loop.num_env_steps});
  return evaluate(requests, true);
}

bool Study::run_hyperband() {
  std::size_t first = 0;
  for (const int j : affordable_brackets()) {
    const std::vector<Rung> rungs =
        hyperband_bracket(min_steps(), base_.loop.num_env_steps, options_.config.tune.eta, j);
    const auto count = static_cast<std::size_t>(rungs.front().num_trials);
    std::vector<std::size_t> racing = place(first, count);
    first += count;
    for (std::size_t r = 0; r < rungs.size(); ++r) {
      const bool last = r + 1 == rungs.size();
      std::vector<Request> requests;
      for (const std::size_t trial : racing) requests.push_back({trial, rungs[r].steps});
      if (!evaluate(requests, last)) return false;
      if (last) break;
      std::erase_if(racing, [&](std::size_t trial) {
        return !trials()[trial].scores.contains(rungs[r].steps);
      });
      std::stable_sort(racing.begin(), racing.end(), [&](std::size_t a, std::size_t b) {
        return trials()[a].scores.at(rungs[r].steps) > trials()[b].scores.at(rungs[r].steps);
      });
      const auto keep = std::min(racing.size(), static_cast<std::size_t>(rungs[r + 1].num_trials));
      for (std::size_t i = keep; i < racing.size(); ++i)
        if (!is_over(trials()[racing[i]])) journal_->end(racing[i], TrialState::kPruned);
      racing.resize(keep);
    }
  }
  return true;
}

std::optional<std::size_t> Study::ask() {
  const std::string& method = options_.config.tune.method;
  if (!search_method(method).is_fixed_ahead)
    throw ConfigError(fmt::format(
        "tune --ask: {} needs the scores of its own runs after each {}. Choose "
        "tune.method=random or grid, or let the program train the trials: leave --ask out.",
        method, is_population(method) ? "slice" : "rung"));
  const Journal::Hold hold(*journal_);
  for (const std::size_t trial : place(0, num_planned()))
    if (trials()[trial].state == TrialState::kWaiting && !claims_->holder(claim_of(trial))) {
      journal_->begin(trial);
      return trial;
    }
  return std::nullopt;
}

void Study::tell(std::size_t trial, std::optional<double> score) {
  const Journal::Hold hold(*journal_);
  const std::string name = fmt::format("tune --tell {}", trial);
  if (trial >= trials().size())
    throw ConfigError(fmt::format(
        "{}: there is no such trial; the study has {}{}.", name, trials().size(),
        trials().empty() ? ". `mbrl_gpu tune CONFIG --ask` begins one" : ", from 0 on"));
  const std::string& method = options_.config.tune.method;
  if (trials()[trial].plan && !search_method(method).is_fixed_ahead)
    throw ConfigError(fmt::format(
        "{}: {} trains its trials itself; choose tune.method=random or grid, or leave --tell out.",
        name, method));
  const TrialState state = trials()[trial].state;
  if (state != TrialState::kRunning)
    throw ConfigError(fmt::format(
        "{}: the trial is {}; {}.", name, state_text(state),
        state == TrialState::kWaiting ? "--ask gives it out first" : "what it earned stays"));
  if (const auto holder = claims_->holder(claim_of(trial)))
    throw ConfigError(fmt::format(
        "{}: {} trains this trial, as it was asked for and not told when that process began. Leave "
        "it to it.",
        name, process_text(*holder)));
  if (!score || !std::isfinite(*score))
    return journal_->end(trial, TrialState::kFailed, "told as failed");
  journal_->score(trial, base_.loop.num_env_steps, *score);
  journal_->end(trial, TrialState::kComplete);
}

std::vector<std::size_t> Study::ranking() const {
  const auto& dimensions = space().dimensions;
  const auto is_of_space = [&](const Trial& trial) {
    return std::all_of(dimensions.begin(), dimensions.end(),
                       [&](const SearchDimension& d) { return trial.values.contains(d.key); });
  };
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < trials().size(); ++i)
    if (const Trial& trial = trials()[i];
        trial.state == TrialState::kComplete && trial.score && is_of_space(trial))
      order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return *trials()[a].score > *trials()[b].score;
  });
  return order;
}

}  // namespace mbrl
