// mbrl_gpu tune: a search for values of keys, trial after trial.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "base/shell_word.h"
#include "base/thread_pool.h"
#include "host/algo/resolve_config.h"
#include "host/cli/cli.h"
#include "host/cli/text_table.h"
#include "host/cli/tune_report.h"
#include "host/config/search_methods.h"
#include "host/io/console.h"
#include "host/io/output_file.h"
#include "host/run/signals.h"
#include "host/stats/summary.h"
#include "host/tune/rank_work.h"
#include "host/tune/study/methods.h"
#include "host/tune/study/study.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

struct TuneOptions : ManyRunsOptions {
  std::string name;
  std::vector<std::string> overrides, tell;
  std::string study, schedule;
  bool ask = false, test = false;
};

void warn_of_tune(const std::string& text) {
  print_to(stderr, fmt::format("warning: {}\n", printable(text)));
}

void tell_of_tune(const std::string& text) {
  print_to(stdout, fmt::format("{}\n", printable(text)));
}

// a study for each method
std::vector<StudyOptions> study_options(const TuneOptions& o) {
  const Config config = resolve_config(o.name, o.overrides, UnreadKeys::kRefuseButTune);
  const std::vector<Config> each = config_of_each_method(config, printable(o.name));
  const char* of_one = o.ask ? "ask" : "tell";
  if (each.size() > 1 && (o.ask || !o.tell.empty()))
    throw ConfigError(
        fmt::format("tune --{}: tune.method is {}, and this is for one study. Choose one, such as "
                    "tune.method={}.",
                    of_one, config.tune.method, each.front().tune.method));
  std::vector<StudyOptions> studies;
  for (const Config& one : each) {
    const std::string name = fmt::format("{}-{}", one.tune.method, one.seed);
    const fs::path folder = o.study.empty()    ? fs::path("studies") / one.name / name
                            : each.size() == 1 ? fs::path(o.study)
                                               : fs::path(o.study) / name;
    studies.push_back({.name = o.name,
                       .overrides = o.overrides,
                       .config = one,
                       .folder = folder,
                       .device = o.device,
                       .concurrent = o.concurrent,
                       .num_threads = threads_of(o),
                       .warn = warn_of_tune,
                       .tell = tell_of_tune});
  }
  return studies;
}

// the trial and the value of --tell; a value that is no number means that the trial failed
void tell(Study& study, const std::vector<std::string>& words) {
  std::size_t trial = 0;
  const std::string& number = words.at(0);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), trial);
  if (error != std::errc() || end != number.data() + number.size())
    throw ConfigError(
        fmt::format("tune --tell {}: expected a trial's number, as --ask gives it, "
                    "and its value.",
                    printable(number)));
  std::optional<double> score;
  const std::string& text = words.at(1);
  if (text != "failed" && text != "nan") {
    double value = 0.0;
    const auto [last, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || last != text.data() + text.size())
      throw ConfigError(
          fmt::format("tune --tell {} {}: the value is no number; expected one, or failed.", trial,
                      printable(text)));
    score = value;
  }
  study.tell(trial, score);
}

void print_plan(const Study& study, const StudyOptions& o) {
  std::string text =
      fmt::format("{} search of {}: {} trials in {}\n", o.config.tune.method, printable(o.name),
                  study.num_planned(), printable(o.folder.string()));
  for (const SearchDimension& d : o.config.tune.space.dimensions)
    text += fmt::format("  {}\n", search_space_text({{d}}));
  std::size_t num_over = 0;
  for (const Trial& trial : study.trials())
    num_over += trial.state != TrialState::kWaiting && trial.state != TrialState::kRunning;
  if (num_over > 0) text += fmt::format("{} of them have ended before\n", num_over);
  print_to(stdout,
           text + idle_ranks_text(study.num_planned() - std::min(num_over, study.num_planned())));
}

// whether what a trial has found is values over time
bool is_member(const StudyOptions& o, const Trial& trial) {
  return search_method(o.config.tune.method).is_population && trial.plan.has_value();
}

// the values that a trial ended with: those of a member of a population have changed meanwhile, as its
// attribute tells, which other programs may have set
TrialValues last_values(const Study& study, const StudyOptions& o, std::size_t number) {
  const Trial& trial = study.trials()[number];
  const auto schedule = trial.attributes.find("schedule");
  if (!is_member(o, trial) || schedule == trial.attributes.end() || !schedule->second.is_array() ||
      schedule->second.empty())
    return study.values_of(trial);
  const nlohmann::ordered_json& last = schedule->second.back();
  TrialValues values;
  for (const SearchDimension& d : study.space().dimensions) {
    if (!last.is_object() || !last.contains("values") || !last.at("values").contains(d.key))
      return study.values_of(trial);
    values.push_back(last.at("values").at(d.key));
  }
  return values;
}

// Returns the words that set a trial's values.
std::string values_text(const Study& study, std::size_t trial) {
  std::string text;
  for (const std::string& word :
       override_words(study.space(), study.values_of(study.trials()[trial])))
    text += " " + printable(shell_word(word));
  return text;
}

void print_result(const Study& study, const StudyOptions& o, bool is_one_of_several) {
  const std::vector<std::size_t> order = study.ranking();
  std::size_t num_failed = 0;
  for (const Trial& trial : study.trials()) num_failed += trial.state == TrialState::kFailed;
  if (!order.empty()) {
    constexpr std::size_t kShown = 5;
    Numbers numbers;
    for (const std::size_t trial : order) numbers.see(*study.trials()[trial].score);
    std::vector<std::vector<std::string>> rows{{"best first", "return"}};
    for (const SearchDimension& d : study.space().dimensions) rows[0].push_back(d.key);
    for (std::size_t i = 0; i < std::min(kShown, order.size()); ++i) {
      const Trial& trial = study.trials()[order[i]];
      rows.push_back({fmt::format("trial {}", order[i]), numbers.text(*trial.score)});
      for (const auto& value : last_values(study, o, order[i]))
        rows.back().push_back(printable(value.dump()));
    }
    print_to(stdout, fmt::format("\nreturn: mean of a run's last three evaluations{}\n\n{}",
                                 o.config.tune.seeds > 1
                                     ? fmt::format(", over seeds 0 to {}", o.config.tune.seeds - 1)
                                     : "",
                                 table_text(rows, 1)));
  }
  if (num_failed > 0) {
    std::string text = fmt::format("\n{} of {} trials failed, and none of them is ranked:\n",
                                   num_failed, study.trials().size());
    for (std::size_t i = 0; i < study.trials().size(); ++i)
      if (study.trials()[i].state == TrialState::kFailed)
        text += fmt::format("  trial {}: {}\n", i, printable(study.trials()[i].error));
    print_to(stderr, text);
  }
  if (const std::vector<std::size_t> outside = study.outside(); !outside.empty())
    print_to(stdout,
             fmt::format("\nasked for and not told: {} {}. Tell what they have earned, or let "
                         "the same command train them.\n",
                         outside.size() == 1 ? "trial" : "trials", fmt::join(outside, ", ")));
  if (const Effort& effort = study.effort(); effort.training_s > 0.0)
    print_to(stdout, fmt::format("\ntime     {:.1f} s of training in all threads, {:.1f} s of the "
                                 "search itself ({:.2g} %)\n",
                                 effort.training_s.load(), effort.own_s.load(),
                                 100.0 * effort.own_share()));
  if (order.empty()) return;
  const auto shown = [](const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += " " + printable(shell_word(word));
    return text;
  };
  const std::string name = printable(shell_word(o.name)),
                    words = name + shown(words_of_a_run(o.overrides));
  std::string first, values = values_text(study, order.front());
  if (is_member(o, study.trials()[order.front()])) {
    // of several methods this one
    std::vector<std::string> own = o.overrides;
    if (is_one_of_several) {
      std::erase_if(own, [](const std::string& word) { return word.starts_with("tune.method="); });
      own.push_back("tune.method=" + o.config.tune.method);
    }
    first = fmt::format(
        "mbrl_gpu tune {}{} --study {} --schedule incumbent > incumbent.json\n         ", name,
        shown(own), printable(shell_word(o.folder.string())));
    values = " schedule=incumbent.json";
  }
  print_to(stdout,
           fmt::format("\nnext     {}mbrl_gpu sweep {}{} seed={}..{}\n"
                       "         on seeds that no trial has seen: the best of many trials looks "
                       "better than it is\n"
                       "         the same command with --test does it within the study, for\n"
                       "         mbrl_gpu tune report {}\n         optuna-dashboard {}\n",
                       first, words, values, kFirstTestSeed,
                       kFirstTestSeed + o.config.tune.test_seeds - 1,
                       printable(shell_word(o.folder.string())),
                       printable(shell_word((o.folder / "journal.log").string()))));
}

StudyOptions reading(StudyOptions options) {
  options.only_reads = true;
  return options;
}

// ---- the best on test seeds

struct Tested {
  StudyOptions study;
  std::size_t trial = 0;
  std::vector<std::size_t> runs = {};  // places in the list of all runs
};

void print_tested(const std::vector<Tested>& all, const std::vector<RunOutcome>& outcomes,
                  const std::vector<OrdinaryRun>& runs) {
  Numbers numbers;
  std::vector<std::vector<double>> values;
  std::string failures;
  for (const Tested& one : all) {
    values.emplace_back();
    for (const std::size_t i : one.runs) {
      const RunOutcome& outcome = outcomes[i];
      if (outcome.status == RunStatus::kDone)
        values.back().push_back(
            trial_score({outcome.folder}, runs[i].options.config.loop.num_env_steps));
      else if (!outcome.error.empty())
        failures += fmt::format("  {}: {}\n", printable(runs[i].label), printable(outcome.error));
    }
    for (const double value : values.back()) numbers.see(value);
  }
  std::vector<std::vector<std::string>> rows{
      {"method", "trial", "n", "mean", "IQM", "95 % of the mean"}};
  for (std::size_t s = 0; s < all.size(); ++s) {
    std::vector<std::string> row{all[s].study.config.tune.method, std::to_string(all[s].trial),
                                 fmt::format("{} of {}", values[s].size(), all[s].runs.size())};
    const bool finite =
        !values[s].empty() && std::all_of(values[s].begin(), values[s].end(),
                                          [](double value) { return std::isfinite(value); });
    if (finite)
      row.insert(row.end(),
                 {numbers.text(mean_of(values[s])), numbers.text(interquartile_mean(values[s])),
                  values[s].size() < 2 ? "-" : numbers.text(bootstrap_mean(values[s]))});
    else
      row.insert(row.end(), 3, "-");
    rows.push_back(std::move(row));
  }
  print_to(stdout, fmt::format("\nreturn of the best settings on test seeds, from {} on\n\n{}",
                               kFirstTestSeed, table_text(rows, 1)));
  if (!failures.empty()) print_to(stderr, "\nno part of the table:\n" + failures);
}

ExitCode test_best(const std::vector<StudyOptions>& studies) {
  std::vector<std::unique_ptr<Study>> open;  // nobody else tests in them meanwhile
  std::vector<Tested> all;
  std::vector<OrdinaryRun> runs;
  for (const StudyOptions& options : studies) {
    std::error_code unknown;
    if (!fs::exists(options.folder / "journal.log", unknown))
      throw DataError(fmt::format(
          "there is no study in {} to test. Search first: the same command without --test.",
          printable(options.folder.string())));
    open.push_back(std::make_unique<Study>(reading(options)));
    const Study& study = *open.back();
    const std::vector<std::size_t> order = study.ranking();
    if (order.empty())
      throw DataError(fmt::format(
          "{}: no trial is complete with a finite return, so that there is no best one to test. Go "
          "on with the search: the same command without --test.",
          printable(options.folder.string())));
    std::size_t num_open = 0;
    for (const Trial& trial : study.trials())
      num_open += trial.state == TrialState::kWaiting || trial.state == TrialState::kRunning;
    if (num_open > 0)
      options.warn(
          fmt::format("{}: {} of its trials have not ended; what is tested is the best so "
                      "far, trial {}",
                      options.folder.string(), num_open, order.front()));
    Tested tested{.study = options, .trial = order.front()};
    const Trial& best = study.trials()[order.front()];
    fs::path schedule;
    if (is_member(options, best)) {
      schedule = options.folder / "test" / fmt::format("trial-{:04}.json", order.front());
      make_folders(schedule.parent_path());
      write_file_atomically(schedule, schedule_text(study.schedule("incumbent")));
    }
    for (OrdinaryRun& run : test_runs(options, order.front(), study.values_of(best), schedule)) {
      tested.runs.push_back(runs.size());
      runs.push_back(std::move(run));
    }
    all.push_back(std::move(tested));
  }
  const StudyOptions& first = studies.front();
  check_runs(runs, first.warn);
  const OrdinaryRunsOptions how{.title = "test",
                                .device = first.device,
                                .num_threads = first.num_threads,
                                .concurrent = first.concurrent,
                                .warn = first.warn};
  print_to(stdout,
           fmt::format("{} test runs, {} at a time\n", runs.size(), runs_at_a_time(runs, how)));
  const std::vector<RunOutcome> outcomes = train_runs(runs, how);
  print_tested(all, outcomes, runs);
  if (stop_requested()) {
    print_to(stdout, "\nstopped; the same command goes on.\n");
    return ExitCode::kStopped;
  }
  std::string folders;
  for (const StudyOptions& study : studies)
    folders += " " + printable(shell_word(study.folder.string()));
  print_to(stdout, fmt::format("\nnext     mbrl_gpu tune report{}\n", folders));
  const bool whole = std::all_of(outcomes.begin(), outcomes.end(), [](const RunOutcome& run) {
    return run.status == RunStatus::kDone;
  });
  return whole ? ExitCode::kDone : ExitCode::kData;
}

ExitCode print_schedule(const TuneOptions& o, const std::vector<StudyOptions>& studies) {
  // of several methods those whose trials keep their values have none of their own
  std::vector<const StudyOptions*> able;
  for (const StudyOptions& study : studies)
    if (studies.size() == 1 || search_method(study.config.tune.method).is_population)
      able.push_back(&study);
  if (able.size() != 1)
    throw ConfigError(fmt::format(
        "tune --schedule {}: {} of the methods find schedules, and one is printed. Choose one with "
        "tune.method.",
        o.schedule, able.empty() ? "none" : "several"));
  const StudyOptions& options = *able.front();
  std::error_code absent;
  if (!fs::exists(options.folder / "journal.log", absent))
    throw DataError(fmt::format(
        "tune --schedule {}: there is no study in {}. Run it first, or name its folder with --study "
        "DIR.",
        o.schedule, printable(options.folder.string())));
  const Study study(reading(options));
  fmt::print("{}", schedule_text(study.schedule(o.schedule)));
  return ExitCode::kDone;
}

void ask_and_tell(const TuneOptions& o, Study& study) {
  if (!o.tell.empty()) tell(study, o.tell);
  if (!o.ask) return;
  const std::optional<std::size_t> trial = study.ask();
  nlohmann::ordered_json answer{{"trial", nullptr}, {"values", nullptr}};
  if (trial) {
    answer["trial"] = *trial;
    answer["values"] = values_json(study.space(), study.values_of(study.trials()[*trial]));
  }
  fmt::print("{}\n", answer.dump());
}

ExitCode tune(const TuneOptions& o) {
  if (o.name.empty())
    throw ConfigError(
        "tune needs a config, a file or a shipped one: `mbrl_gpu tune tune_smoke`. `mbrl_gpu tune "
        "report` shows what has been searched.");
  const std::vector<StudyOptions> studies = study_options(o);
  advise_options_of_a_run("--study DIR");
  install_signal_handlers();
  if (o.test) return test_best(studies);
  if (!o.schedule.empty()) return print_schedule(o, studies);
  if (o.ask || !o.tell.empty()) {
    Study study(studies.front());
    ask_and_tell(o, study);
    return ExitCode::kDone;
  }
  std::string without_best;
  for (const StudyOptions& options : studies) {
    if (&options != &studies.front()) print_to(stdout, "\n");
    Study study(options);
    print_plan(study, options);
    const bool ended = study.run();
    print_result(study, options, studies.size() > 1);
    if (!ended) {
      print_to(stdout, "\nstopped; the same command goes on.\n");
      return ExitCode::kStopped;
    }
    if (study.ranking().empty())
      without_best += (without_best.empty() ? "" : ", ") + options.config.tune.method;
  }
  if (without_best.empty()) return ExitCode::kDone;
  throw DataError(fmt::format(
      "{}No trial has ended with a finite return, so that there is no best one. Narrow tune.space, or "
      "set the other keys so that it holds what learns.",
      studies.size() > 1 ? without_best + ": " : ""));
}

}  // namespace

void add_tune(CLI::App& program) {
  const auto o = std::make_shared<TuneOptions>();
  CLI::App* command = program.add_subcommand(
      "tune", "Search for values of keys: what the config's section tune says");
  command->add_option("config", o->name, "a file, or a shipped config such as tune_smoke");
  command->add_option("overrides", o->overrides,
                      "key=value ...; `mbrl_gpu config keys tune` lists those of a search");
  command->add_option("--study", o->study,
                      "the study's folder, which several processes may work on; "
                      "studies/<name>/<method>-<seed> if not given");
  command->add_flag("--ask", o->ask,
                    "print the next trial, {\"trial\": N, \"values\": {...}}, instead of training");
  command->add_option("--tell", o->tell, "TRIAL VALUE: what a trial has earned, or failed")
      ->expected(2);
  command
      ->add_option("--schedule", o->schedule,
                   "print what a run is to follow to train as the best member of a population did "
                   "(incumbent), or as the mean of the five best did (top_avg); run it with "
                   "schedule=FILE")
      ->check(CLI::IsMember({"incumbent", "top_avg"}));
  command->add_flag("--test", o->test,
                    "train the best setting, or the best member's schedule, on seeds from 100 on "
                    "(tune.test_seeds), instead of searching");
  add_many_runs_options(*command, *o);
  const CLI::App* report = add_tune_report(*command);
  command->callback([o, report] {
    if (report->parsed()) return;
    const ExitCode code = with_ranks([&] { return tune(*o); });
    if (code != ExitCode::kDone) throw CLI::RuntimeError(static_cast<int>(code));
  });
}

}  // namespace mbrl
