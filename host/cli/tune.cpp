// mbrl_gpu tune: a search for values of keys, trial after trial.
#include <fmt/format.h>
#include <fmt/ranges.h>

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
#include "host/io/console.h"
#include "host/io/output_file.h"
#include "host/run/signals.h"
#include "host/tune/study/study.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

struct TuneOptions : ManyRunsOptions {
  std::string name;
  std::vector<std::string> overrides, tell;
  std::string study, schedule;
  bool ask = false;
};

StudyOptions study_options(const TuneOptions& o) {
  StudyOptions study{.name = o.name,
                     .overrides = o.overrides,
                     .config = resolve_config(o.name, o.overrides, UnreadKeys::kRefuseButTune),
                     .folder = o.study,
                     .device = o.device,
                     .concurrent = o.concurrent,
                     .num_threads = o.num_threads > 0 ? o.num_threads : available_cores(),
                     .warn = [](const std::string& text) {
                       print_to(stderr, fmt::format("warning: {}\n", printable(text)));
                     }};
  if (study.folder.empty())
    study.folder = fs::path("studies") / study.config.name /
                   fmt::format("{}-{}", study.config.tune.method, study.config.seed);
  return study;
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
  print_to(stdout, text);
}

// the values that a trial ended with: those of a member of a population have changed meanwhile
TrialValues last_values(const Study& study, std::size_t number) {
  const Trial& trial = study.trials()[number];
  const auto schedule = trial.attributes.find("schedule");
  if (schedule == trial.attributes.end()) return study.values_of(trial);
  TrialValues values;
  for (const SearchDimension& d : study.space().dimensions)
    values.push_back(schedule->second.back().at("values").at(d.key));
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

void print_result(const Study& study, const StudyOptions& o) {
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
      for (const auto& value : last_values(study, order[i]))
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
  if (order.empty()) return;
  std::string words = printable(shell_word(o.name)), all = words;
  for (const std::string& word : o.overrides) {
    const std::string shown = " " + printable(shell_word(word));
    all += shown;
    if (!word.starts_with("tune.") && !word.starts_with("pbt.") && !word.starts_with("seed="))
      words += shown;
  }
  // what a population has found is values over time
  std::string first, values = values_text(study, order.front());
  if (study.trials()[order.front()].attributes.contains("schedule")) {
    first =
        fmt::format("mbrl_gpu tune {} --study {} --schedule incumbent > incumbent.json\n         ",
                    all, printable(shell_word(o.folder.string())));
    values = " schedule=incumbent.json";
  }
  print_to(stdout,
           fmt::format("\nnext     {}mbrl_gpu sweep {}{} seed={}..{}\n"
                       "         on seeds that no trial has seen: the best of many trials looks "
                       "better than it is\n         optuna-dashboard {}\n",
                       first, words, values, kFirstTestSeed,
                       kFirstTestSeed + o.config.tune.test_seeds - 1,
                       printable(shell_word((o.folder / "journal.log").string()))));
}

ExitCode tune(const TuneOptions& o) {
  const StudyOptions options = study_options(o);
  advise_options_of_a_run();
  install_signal_handlers();
  std::error_code absent;
  if (!o.schedule.empty() && !fs::exists(options.folder / "journal.log", absent))
    throw DataError(fmt::format(
        "tune --schedule {}: there is no study in {}. Run it first, or name its folder with --study "
        "DIR.",
        o.schedule, printable(options.folder.string())));
  Study study(options);
  if (!o.schedule.empty()) {
    fmt::print("{}", schedule_text(study.schedule(o.schedule)));
    return ExitCode::kDone;
  }
  if (!o.tell.empty()) tell(study, o.tell);
  if (o.ask) {
    const std::optional<std::size_t> trial = study.ask();
    nlohmann::ordered_json answer{{"trial", nullptr}, {"values", nullptr}};
    if (trial) {
      answer["trial"] = *trial;
      answer["values"] = values_json(study.space(), study.values_of(study.trials()[*trial]));
    }
    fmt::print("{}\n", answer.dump());
  }
  if (o.ask || !o.tell.empty()) return ExitCode::kDone;

  print_plan(study, options);
  const bool ended = study.run();
  print_result(study, options);
  if (!ended) {
    print_to(stdout, "\nstopped; the same command goes on.\n");
    return ExitCode::kStopped;
  }
  if (!study.ranking().empty()) return ExitCode::kDone;
  throw DataError(
      "No trial has ended with a finite return, so that there is no best one. Narrow tune.space, or "
      "set the other keys so that it holds what learns.");
}

}  // namespace

void add_tune(CLI::App& program) {
  const auto o = std::make_shared<TuneOptions>();
  CLI::App* command = program.add_subcommand(
      "tune", "Search for values of keys: what the config's section tune says");
  command->add_option("config", o->name, "a file, or a shipped config such as tune_smoke")
      ->required();
  command->add_option("overrides", o->overrides,
                      "key=value ...; `mbrl_gpu config keys tune` lists those of a search");
  command->add_option("--study", o->study,
                      "the study's folder; studies/<name>/<method>-<seed> if not given");
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
  add_many_runs_options(*command, *o);
  command->callback([o] {
    const ExitCode code = tune(*o);
    if (code != ExitCode::kDone) throw CLI::RuntimeError(static_cast<int>(code));
  });
}

}  // namespace mbrl
