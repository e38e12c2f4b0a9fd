// mbrl_gpu sweep: a grid of runs over seeds and keys, each as `mbrl_gpu run` makes it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "base/shell_word.h"
#include "base/thread_pool.h"
#include "host/algo/resolve_config.h"
#include "host/cli/cli.h"
#include "host/cli/compare_arms.h"
#include "host/cli/text_table.h"
#include "host/config/overrides.h"
#include "host/io/console.h"
#include "host/io/output_file.h"
#include "host/run/signals.h"
#include "host/stats/scores.h"
#include "host/tune/scheduled_run.h"
#include "host/tune/grid.h"
#include "host/tune/ordinary_runs.h"
#include "host/tune/rank_work.h"
#include "host/tune/ranks.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

struct SweepOptions : ManyRunsOptions {
  std::string name;
  std::vector<std::string> overrides;
  std::string runs = "runs";
};

// one setting of the keys, over seeds
struct Cell {
  std::vector<std::string> values;  // of each axis
  std::vector<std::size_t> runs;    // places in the list of runs
};

struct Sweep {
  std::vector<GridAxis> axes;  // but seed
  std::vector<Cell> cells;
  std::vector<OrdinaryRun> runs;
};

void warn(const std::string& text) {
  print_to(stderr, fmt::format("warning: {}\n", printable(text)));
}

// ---- before the first run

Sweep sweep_of(const SweepOptions& o) {
  Sweep sweep;
  std::optional<GridAxis> seeds;
  for (GridAxis& axis : parse_grid(o.overrides)) {
    if (axis.path() == "seed")
      seeds = std::move(axis);
    else
      sweep.axes.push_back(std::move(axis));
  }
  std::vector<std::string> told;
  const auto tell_once = [&](const std::string& text) {
    if (std::find(told.begin(), told.end(), text) != told.end()) return;
    told.push_back(text);
    print_to(stderr, text + "\n");
  };
  for (const std::vector<std::size_t>& point : grid_points(sweep.axes)) {
    Cell cell;
    std::vector<std::string> overrides, label;
    for (std::size_t i = 0; i < point.size(); ++i) {
      overrides.push_back(sweep.axes[i].override_text(point[i]));
      if (sweep.axes[i].values.size() > 1) label.push_back(overrides.back());
    }
    const Config config = resolve_config(o.name, overrides, UnreadKeys::kRefuse, tell_once);
    for (const GridAxis& axis : sweep.axes) cell.values.push_back(field_text(config, *axis.field));
    for (std::size_t s = 0; s < (seeds ? seeds->values.size() : 1); ++s) {
      OrdinaryRun run{
          .options = {.config = config, .device = o.device, .runs = o.runs, .command = {}},
          .label = ""};
      std::vector<std::string> all = overrides;
      if (seeds) {
        all.push_back(seeds->override_text(s));
        apply_override(run.options.config, all.back());
      }
      run.options.command = {"mbrl_gpu", "run", o.name};
      run.options.command.insert(run.options.command.end(), all.begin(), all.end());
      if (o.device != "auto") run.options.command.push_back("--device=" + o.device);
      if (o.runs != "runs") run.options.command.push_back("--runs=" + o.runs);
      std::vector<std::string> words = label;
      words.push_back(fmt::format("seed={}", run.options.config.seed));
      run.label = fmt::format("{}", fmt::join(words, " "));
      follow_files(run.options);
      cell.runs.push_back(sweep.runs.size());
      sweep.runs.push_back(std::move(run));
    }
    sweep.cells.push_back(std::move(cell));
  }
  return sweep;
}

std::string count_text(std::size_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

void print_plan(const Sweep& sweep, const SweepOptions& o, int at_a_time) {
  std::string text =
      fmt::format("sweep of {}: {} in {}, {} at a time\n", printable(o.name),
                  sweep.cells.size() == 1 || sweep.cells.front().runs.size() == 1
                      ? count_text(sweep.runs.size(), "run")
                      : fmt::format("{} x {} = {}", count_text(sweep.cells.size(), "setting"),
                                    count_text(sweep.cells.front().runs.size(), "seed"),
                                    count_text(sweep.runs.size(), "run")),
                  printable(o.runs), at_a_time);
  std::size_t num_done = 0;
  for (const OrdinaryRun& run : sweep.runs)
    num_done += outcome_of(run).status == RunStatus::kDone ? 1 : 0;
  if (num_done > 0)
    text += fmt::format("{} of them {} complete\n", num_done, num_done == 1 ? "is" : "are");
  print_to(stdout, text + idle_ranks_text(sweep.runs.size() - num_done));
}

// ---- after the last

// what stands for a setting in commands: its values, "0.0001,64"
std::string arm_name(const Sweep& sweep, const Cell& cell, const std::string& name) {
  std::string text;
  for (std::size_t i = 0; i < cell.values.size(); ++i)
    if (sweep.axes[i].values.size() > 1) text += (text.empty() ? "" : ",") + cell.values[i];
  if (text.empty()) text = fs::path(name).stem().string();
  std::erase(text, ' ');
  std::replace(text.begin(), text.end(), '=', ':');
  return text;
}

// the complete runs of a setting, by their folder where it holds no others
std::vector<std::string> arm_paths(const Cell& cell, const std::vector<RunOutcome>& outcomes) {
  std::vector<fs::path> folders;
  for (const std::size_t i : cell.runs)
    if (outcomes[i].status == RunStatus::kDone) folders.push_back(outcomes[i].folder);
  if (folders.empty()) return {};
  const fs::path parent = folders.front().parent_path();
  if (folders.size() > 1 && find_tables(parent).size() == folders.size()) return {parent.string()};
  std::vector<std::string> paths;
  for (const fs::path& folder : folders) paths.push_back(folder.string());
  return paths;
}

void print_table(const Sweep& sweep, const std::string& name,
                 const std::vector<RunOutcome>& outcomes) {
  std::vector<std::string> texts;
  std::vector<std::optional<std::size_t>> arm_of;  // of each cell
  std::size_t num_arms = 0;
  for (const Cell& cell : sweep.cells) {
    const std::vector<std::string> paths = arm_paths(cell, outcomes);
    arm_of.emplace_back();
    if (!paths.empty()) arm_of.back() = num_arms++;
    for (const std::string& path : paths) texts.push_back(arm_name(sweep, cell, name) + "=" + path);
  }
  if (num_arms == 0) return;
  const ComparedArms compared = read_arms(texts, {}, 1);
  const StepRange& range = compared.tasks.front().range;
  print_to(stdout, fmt::format("\n{} of each run: its mean over steps {:.0f} to {:.0f}\n\n",
                               RunValue().column, range.low, range.high));

  Numbers numbers;
  for (const ComparedArm& arm : compared.arms)
    for (const double value : arm.values.front()) numbers.see(value);
  std::vector<std::vector<std::string>> rows(1);
  std::vector<std::size_t> shown;  // axes
  for (std::size_t i = 0; i < sweep.axes.size(); ++i)
    if (sweep.axes[i].values.size() > 1) {
      shown.push_back(i);
      rows[0].push_back(sweep.axes[i].path());
    }
  if (shown.empty()) rows[0].push_back("config");
  const std::size_t num_left = rows[0].size();
  rows[0].insert(rows[0].end(), {"n", "mean", "IQM", "95 % of the mean"});
  for (std::size_t c = 0; c < sweep.cells.size(); ++c) {
    const Cell& cell = sweep.cells[c];
    std::vector<std::string> row;
    for (const std::size_t i : shown) row.push_back(cell.values[i]);
    if (shown.empty()) row.push_back(arm_name(sweep, cell, name));
    if (!arm_of[c]) {
      row.insert(row.end(), {fmt::format("0 of {}", cell.runs.size()), "-", "-", "-"});
    } else {
      const TaskScores& values = compared.arms[*arm_of[c]].values;
      const Aggregates all = aggregates_of(values);
      const std::size_t n = values.front().size();
      row.push_back(n == cell.runs.size() ? std::to_string(n)
                                          : fmt::format("{} of {}", n, cell.runs.size()));
      row.insert(row.end(), {numbers.text(all.mean), numbers.text(all.interquartile_mean),
                             n < 2 ? "-" : numbers.text(bootstrap_aggregates(values).mean)});
    }
    rows.push_back(std::move(row));
  }
  print_to(stdout, table_text(rows, num_left));

  std::string arms;
  for (const std::string& text : texts) arms += " " + printable(shell_word(text));
  print_to(stdout,
           fmt::format("\nnext     {}{}\n",
                       num_arms > 1 ? "mbrl_gpu compare" : "mbrl_gpu plot curve.svg", arms));
  if (num_arms > 1) print_to(stdout, fmt::format("         mbrl_gpu plot curve.svg{}\n", arms));
}

void print_failures(const Sweep& sweep, const std::vector<RunOutcome>& outcomes) {
  std::size_t num_failed = 0, num_diverged = 0;
  std::string text;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const RunOutcome& outcome = outcomes[i];
    const bool diverged = outcome.status == RunStatus::kDiverged;
    if (!diverged && outcome.status != RunStatus::kFailed) continue;
    ++(diverged ? num_diverged : num_failed);
    text += fmt::format("  {} {}: {}\n", printable(sweep.runs[i].label),
                        diverged ? "diverged" : "failed", printable(outcome.error));
  }
  if (text.empty()) return;
  print_to(stderr, fmt::format("\n{} of {} failed and {} no part of the table:\n{}",
                               num_failed + num_diverged, count_text(outcomes.size(), "run"),
                               num_failed + num_diverged == 1 ? "is" : "are", text));
  if (num_failed > 0)
    print_to(stderr, "The same command tries again what failed for a reason outside of it.\n");
  if (num_diverged > 0)
    print_to(stderr,
             "What diverged would again, and is left as it is; `mbrl_gpu run` with --resume never "
             "starts it over.\n");
}

ExitCode sweep(const SweepOptions& o) {
  const Sweep grid = sweep_of(o);
  check_runs(grid.runs, warn);
  advise_options_of_a_run();
  install_signal_handlers();
  const OrdinaryRunsOptions options{.title = "sweep",
                                    .device = o.device,
                                    .num_threads = threads_of(o),
                                    .concurrent = o.concurrent,
                                    .warn = warn};
  const int num_ranks = Ranks::current() != nullptr ? Ranks::current()->size() : 1;
  print_plan(
      grid, o,
      std::min(runs_at_a_time(grid.runs, options) * num_ranks, static_cast<int>(grid.runs.size())));
  const std::vector<RunOutcome> outcomes = train_runs(grid.runs, options);

  print_table(grid, o.name, outcomes);
  print_failures(grid, outcomes);
  const auto num_done = std::count_if(outcomes.begin(), outcomes.end(), [](const RunOutcome& run) {
    return run.status == RunStatus::kDone;
  });
  if (stop_requested()) {
    print_to(stdout, fmt::format("\nstopped: {} of {} are complete; the same command goes on.\n",
                                 num_done, count_text(outcomes.size(), "run")));
    return ExitCode::kStopped;
  }
  return num_done == std::ssize(outcomes) ? ExitCode::kDone : ExitCode::kData;
}

}  // namespace

int threads_of(const ManyRunsOptions& options) {
  if (options.num_threads > 0) return options.num_threads;
  return Ranks::current() != nullptr ? Ranks::current()->num_threads() : available_cores();
}

ExitCode with_ranks(const std::function<ExitCode()>& lead) {
  const std::unique_ptr<Ranks> ranks = Ranks::join();
  return ranks == nullptr || ranks->rank() == 0 ? lead() : serve(*ranks);
}

void add_many_runs_options(CLI::App& command, ManyRunsOptions& options) {
  const auto num_runs_or_auto = [](const std::string& text) -> std::string {
    const bool number = !text.empty() && text.size() <= 4 && text[0] != '0' &&
                        text.find_first_not_of("0123456789") == std::string::npos;
    if (number || text == "auto") return "";
    return text + " is no number of runs; expected auto, or a number from 1 to 9999";
  };
  command
      .add_option("--concurrent", options.concurrent,
                  "runs at the same time: auto (as many as there are cores, or fit on a GPU) or a "
                  "number")
      ->check(num_runs_or_auto)
      ->capture_default_str();
  command.add_option("--device", options.device, "auto, cpu or cuda:N")->capture_default_str();
  command
      .add_option("--threads", options.num_threads,
                  "host threads of all runs together; 0: all cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

void add_sweep(CLI::App& program) {
  const auto o = std::make_shared<SweepOptions>();
  CLI::App* command = program.add_subcommand(
      "sweep", "Train a grid of runs over seeds and keys, several at a time");
  command->add_option("config", o->name, "a file, or a shipped config such as hopper.json")
      ->required();
  command->add_option("overrides", o->overrides,
                      "key=A,B or seed=0..4 ...: every combination of the values is a run");
  add_many_runs_options(*command, *o);
  command->add_option("--runs", o->runs, "folder that receives runs/<name>/<config hash>/seed-<n>")
      ->capture_default_str();
  command->callback([o] {
    const ExitCode code = with_ranks([&] { return sweep(*o); });
    if (code != ExitCode::kDone) throw CLI::RuntimeError(static_cast<int>(code));
  });
}

}  // namespace mbrl
