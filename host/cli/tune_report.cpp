#include "host/cli/tune_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>

#include "base/error.h"
#include "base/printable.h"
#include "host/cli/text_table.h"
#include "host/config/version.h"
#include "host/io/console.h"
#include "host/io/curves.h"
#include "host/io/folders.h"
#include "host/io/html.h"
#include "host/io/output_file.h"
#include "host/io/run_state.h"
#include "host/io/svg_parallel.h"
#include "host/io/svg_plot.h"
#include "host/stats/importance.h"
#include "host/stats/ranks.h"
#include "host/stats/summary.h"
#include "host/tune/study/study.h"
#include "host/tune/study/study_record.h"

namespace mbrl {
// of its own, as the files of this folder are compiled together
namespace tune_pages {
namespace {

namespace fs = std::filesystem;

constexpr int kWidth = 420, kHeight = 290;  // pixels: letters of a phone's width are still read
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kFewTestSeeds = 10;  // at least so many are asked for

/// One run of a study's best on a test seed.
struct TestRun {
  std::string what;  // "trial-0007"
  int seed = 0;
  double value = kNone;  // nothing until the run is complete
};

struct Entry {
  StudyRecord study;
  std::string label;  // for legends: "random-0"
  std::vector<TestRun> tests = {};

  std::string method() const { return study.method.empty() ? "unknown" : study.method; }
  std::string task() const {
    return study.env.empty() ? study.name : fmt::format("{} on {}", study.name, study.env);
  }
};

/// Studies of one config, which may be compared.
struct Task {
  std::string name;
  std::vector<const Entry*> entries;
  std::vector<std::string> methods = {};  // random first, then as they come

  std::vector<const Entry*> of(const std::string& method) const {
    std::vector<const Entry*> found;
    for (const Entry* entry : entries)
      if (entry->method() == method) found.push_back(entry);
    return found;
  }
};

// ---------------------------------------------------------------------------------------------------
// what there is

int seed_of(const fs::path& run) {
  const std::string name = run.filename().string();
  int seed = -1;
  if (name.starts_with("seed-")) std::from_chars(name.data() + 5, name.data() + name.size(), seed);
  return seed;
}

std::vector<TestRun> tests_of(const StudyRecord& study, std::vector<std::string>& notes) {
  std::vector<TestRun> tests;
  const auto quiet = [](const std::string&) {};
  for (const fs::path& what : entries_of(study.folder / "test", quiet)) {
    std::error_code unknown;
    if (!fs::is_directory(what, unknown)) continue;
    for (const fs::path& run : folders_below(what, quiet)) {
      if (!fs::exists(run / "metrics.csv", unknown)) continue;
      TestRun test{.what = what.filename().string(), .seed = seed_of(run)};
      try {
        if (is_done(run)) test.value = trial_score({run}, std::numeric_limits<std::int64_t>::max());
      } catch (const DataError& error) {
        notes.push_back(error.what());
      }
      tests.push_back(test);
    }
  }
  return tests;
}

// those of the best trial; of an earlier best where it has none
std::vector<TestRun> judged(const Entry& entry) {
  const std::vector<std::size_t> order = entry.study.ranking();
  const std::string best = order.empty() ? "" : fmt::format("trial-{:04}", order.front());
  std::vector<TestRun> of_best, of_last;
  for (const TestRun& test : entry.tests) {
    if (!std::isfinite(test.value)) continue;
    if (test.what == best) of_best.push_back(test);
    if (!of_last.empty() && of_last.front().what != test.what) of_last.clear();
    of_last.push_back(test);
  }
  return of_best.empty() ? of_last : of_best;
}

std::vector<double> values_of(const std::vector<TestRun>& tests) {
  std::vector<double> values;
  for (const TestRun& test : tests) values.push_back(test.value);
  return values;
}

std::vector<Task> tasks_of(const std::vector<Entry>& entries) {
  std::vector<Task> tasks;
  for (const Entry& entry : entries) {
    auto task = std::find_if(tasks.begin(), tasks.end(),
                             [&](const Task& t) { return t.name == entry.task(); });
    if (task == tasks.end()) task = tasks.insert(task, Task{.name = entry.task(), .entries = {}});
    task->entries.push_back(&entry);
    if (std::find(task->methods.begin(), task->methods.end(), entry.method()) ==
        task->methods.end())
      task->methods.push_back(entry.method());
  }
  for (Task& task : tasks)
    std::stable_partition(task.methods.begin(), task.methods.end(),
                          [](const std::string& method) { return method == "random"; });
  return tasks;
}

std::string number_text(double value) {
  return std::isfinite(value) ? fmt::format("{:.6g}", value) : "-";
}
std::string steps_text(double value) { return fmt::format("{:.0f}", value); }
std::string count_text(std::size_t count, const std::string& what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : what.ends_with("h") ? "es" : "s");
}

double best_of(const StudyRecord& study) {
  const std::vector<std::size_t> order = study.ranking();
  return order.empty() ? kNone : *study.trials[order.front()].score;
}

// ---------------------------------------------------------------------------------------------------
// tables

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

class Table {
 public:
  explicit Table(const std::vector<std::string>& header) { add(header); }
  void add(const std::vector<std::string>& row) {
    for (std::size_t i = 0; i < row.size(); ++i) text_ += (i > 0 ? "," : "") + csv_cell(row[i]);
    text_ += "\n";
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string exact(double value) { return std::isfinite(value) ? fmt::format("{}", value) : ""; }

std::string trials_table(const std::vector<Entry>& entries) {
  std::vector<std::string> header{"study", "method", "seed",   "trial",
                                  "state", "steps",  "return", "error"};
  std::vector<std::string> keys;
  for (const Entry& entry : entries)
    for (const RecordedAxis& axis : entry.study.axes)
      if (std::find(keys.begin(), keys.end(), axis.key) == keys.end()) keys.push_back(axis.key);
  header.insert(header.end(), keys.begin(), keys.end());
  Table table(header);
  for (const Entry& entry : entries)
    for (std::size_t i = 0; i < entry.study.trials.size(); ++i) {
      const RecordedTrial& trial = entry.study.trials[i];
      std::vector<std::string> row{
          entry.label,
          entry.study.method,
          std::to_string(entry.study.seed),
          std::to_string(i),
          state_text(trial.state),
          trial.scores.empty() ? "" : std::to_string(trial.scores.rbegin()->first),
          trial.score ? exact(*trial.score) : "",
          trial.error};
      for (const std::string& key : keys) {
        const auto axis = std::find_if(entry.study.axes.begin(), entry.study.axes.end(),
                                       [&](const RecordedAxis& a) { return a.key == key; });
        const auto place = trial.places.find(key);
        row.push_back(axis == entry.study.axes.end() || place == trial.places.end()
                          ? ""
                          : axis->text(place->second));
      }
      table.add(row);
    }
  return table.text();
}

std::string tests_table(const std::vector<Entry>& entries) {
  Table table({"study", "method", "search_seed", "what", "test_seed", "return"});
  for (const Entry& entry : entries)
    for (const TestRun& test : entry.tests)
      table.add({entry.label, entry.study.method, std::to_string(entry.study.seed), test.what,
                 std::to_string(test.seed), exact(test.value)});
  return table.text();
}

// a trial's attribute of that name means nothing where there are no members
std::vector<Copied> copies_in(const StudyRecord& study, std::size_t trial) {
  return study.is_population() ? copies_of(study.trials[trial]) : std::vector<Copied>();
}

std::string lineage_table(const std::vector<Entry>& entries) {
  Table table({"study", "trial", "step", "copied_from", "copied"});
  for (const Entry& entry : entries)
    for (std::size_t i = 0; i < entry.study.trials.size(); ++i)
      for (const Copied& copy : copies_in(entry.study, i))
        table.add({entry.label, std::to_string(i), std::to_string(copy.step),
                   std::to_string(copy.from), copy.values_only ? "values" : "all"});
  return table.text();
}

// ---------------------------------------------------------------------------------------------------
// best so far

/// The best return by then; each point holds until the next. Of a trial that was trained for a part of
/// its steps alone the cost counts, not the return: the luckiest of many that have hardly begun is no
/// setting that a search would end with. A member of a population counts at any step.
struct Best {
  std::vector<double> steps, trials, values;

  double at(const std::vector<double>& x, double position) const {
    double value = kNone;
    for (std::size_t i = 0; i < x.size() && x[i] <= position; ++i) value = values[i];
    return value;
  }
};

Best best_so_far(const StudyRecord& study) {
  Best best;
  double cost = 0.0, ended = 0.0, value = -std::numeric_limits<double>::infinity();
  for (const Scored& scored : study.scored) {
    cost += scored.cost;
    ended = std::max(ended, static_cast<double>(scored.num_ended));
    if (study.is_population() || scored.steps >= study.num_env_steps)
      value = std::max(value, scored.value);
    if (!std::isfinite(value)) continue;
    best.steps.push_back(cost);
    best.trials.push_back(ended);
    best.values.push_back(value);
  }
  return best;
}

std::string best_table(const std::vector<Entry>& entries) {
  Table table({"study", "method", "seed", "env_steps", "trials", "best_return"});
  for (const Entry& entry : entries) {
    const Best best = best_so_far(entry.study);
    for (std::size_t i = 0; i < best.values.size(); ++i)
      table.add({entry.label, entry.study.method, std::to_string(entry.study.seed),
                 exact(best.steps[i]), exact(best.trials[i]), exact(best.values[i])});
  }
  return table.text();
}

std::string figure_text(const Plot& plot, const std::string& caption) {
  try {
    return plot.series.empty() ? "" : html_figure(svg_plot(plot), caption);
  } catch (const DataError&) {
    return "";  // no value that can be drawn
  }
}

std::string best_figure(const Task& task, bool by_trials) {
  Plot plot{.title = "",
            .x_label = by_trials ? "trials that have ended" : "environment steps of all trials",
            .y_label = "best return so far",
            .series = {},
            .width = kWidth,
            .height = kHeight};
  bool any_band = false;
  for (const std::string& method : task.methods) {
    std::vector<Best> searches;
    std::set<double> positions;
    for (const Entry* entry : task.of(method)) {
      searches.push_back(best_so_far(entry->study));
      const Best& best = searches.back();
      for (const double x : by_trials ? best.trials : best.steps) positions.insert(x);
      if (best.values.empty()) searches.pop_back();
    }
    if (searches.empty()) continue;
    PlotSeries series{.name = method, .x = {}, .y = {}};
    const bool has_band = searches.size() > 1;
    any_band = any_band || has_band;
    std::vector<double> before;
    const auto add = [&](double x, const std::vector<double>& values) {
      series.x.push_back(x);
      series.y.push_back(mean_of(values));
      if (!has_band) return;
      series.low.push_back(*std::min_element(values.begin(), values.end()));
      series.high.push_back(*std::max_element(values.begin(), values.end()));
    };
    for (const double x : positions) {
      std::vector<double> values;
      for (const Best& best : searches) {
        const double value = best.at(by_trials ? best.trials : best.steps, x);
        if (std::isfinite(value)) values.push_back(value);
      }
      if (values.empty()) continue;
      if (!before.empty()) add(x, before);  // it holds until here
      add(x, values);
      before = values;
    }
    if (series.x.size() == 1) {
      // a line that can be seen
      series.x.insert(series.x.begin(), 0.0);
      for (std::vector<double>* values : {&series.y, &series.low, &series.high})
        if (!values->empty()) values->push_back(values->front());
    }
    plot.series.push_back(std::move(series));
  }
  const std::string caption =
      "The best return of a trial that has been trained to its end by then; of a population's members "
      "at any step.";
  return figure_text(plot, caption + (any_band ? " Mean over searches, band from the worst to the "
                                                 "best."
                                               : ""));
}

// ---------------------------------------------------------------------------------------------------
// final returns

// of trials that were trained to the end
std::vector<double> final_returns(const Task& task, const std::string& method) {
  std::vector<double> values;
  for (const Entry* entry : task.of(method))
    for (const std::size_t trial : entry->study.ranking())
      values.push_back(*entry->study.trials[trial].score);
  return values;
}

std::string histogram_figure(const Task& task) {
  constexpr int kBins = 20;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const std::string& method : task.methods)
    for (const double value : final_returns(task, method)) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  if (!(low <= high) || std::max(std::abs(low), std::abs(high)) > 1e300) return "";
  if (low == high) {
    const double margin = std::max(1.0, 0.1 * std::abs(low));
    low -= margin;
    high += margin;
  }
  std::vector<double> edges;
  for (int i = 0; i <= kBins; ++i) edges.push_back(low + (high - low) * i / kBins);
  Plot plot{.title = "",
            .x_label = "final return of a trial",
            .y_label = "share of trials",
            .series = {},
            .width = kWidth,
            .height = kHeight};
  for (const std::string& method : task.methods) {
    const std::vector<double> values = final_returns(task, method);
    if (values.empty()) continue;
    std::vector<double> heights(kBins);
    for (const double value : values) {
      const double bin = std::floor((value - low) / (high - low) * kBins);
      heights[static_cast<std::size_t>(std::clamp(bin, 0.0, kBins - 1.0))] +=
          1.0 / static_cast<double>(values.size());
    }
    plot.series.push_back(
        histogram_series(fmt::format("{} ({})", method, values.size()), edges, heights));
  }
  return figure_text(
      plot,
      "Returns of all trials that were trained to their end, their number beside the "
      "method (figure 3 of Zhang et al. 2021, arXiv:2102.13651).");
}

// ---------------------------------------------------------------------------------------------------
// one study

std::string parallel_figure(const StudyRecord& study) {
  constexpr std::size_t kMost = 400;
  if (study.axes.empty()) return "";
  const std::vector<std::size_t> order = study.ranking();
  if (order.empty()) return "";
  std::vector<ParallelAxis> axes;
  for (const RecordedAxis& axis : study.axes) {
    if (axis.choices.empty())
      axes.push_back({axis.key + (axis.log ? " (log)" : ""), fmt::format("{}", axis.low),
                      fmt::format("{}", axis.high)});
    else
      axes.push_back({axis.key, axis.choices.front(), axis.choices.back()});
  }
  const double best = *study.trials[order.front()].score, worst = *study.trials[order.back()].score;
  axes.push_back({"return", number_text(worst), number_text(best)});
  std::vector<ParallelLine> lines;
  for (std::size_t rank = 0; rank < std::min(kMost, order.size()); ++rank) {
    const RecordedTrial& trial = study.trials[order[rank]];
    ParallelLine line{
        .places = {},
        .strength = order.size() < 2
                        ? 1.0
                        : 1.0 - static_cast<double>(rank) / static_cast<double>(order.size() - 1),
        .is_best = rank == 0};
    for (const RecordedAxis& axis : study.axes) {
      const auto place = trial.places.find(axis.key);
      line.places.push_back(place == trial.places.end() ? kNone : axis.share(place->second));
    }
    line.places.push_back(best > worst ? (*trial.score - worst) / (best - worst) : 0.5);
    lines.push_back(std::move(line));
  }
  return html_figure(
      svg_parallel(axes, lines),
      std::string("Each line is a trial; the bluer, the better its rank; orange is the best.") +
          (study.is_population() ? " The values are those that members began with." : ""));
}

struct Fidelity {
  std::int64_t low = 0, high = 0;
  std::size_t count = 0;
  std::optional<RankCorrelation> found = {};
};

std::vector<Fidelity> fidelities(const StudyRecord& study) {
  constexpr std::size_t kMostSteps = 6;
  if (study.is_population()) return {};
  std::map<std::int64_t, std::size_t> counts;
  for (const RecordedTrial& trial : study.trials)
    for (const auto& [steps, value] : trial.scores) ++counts[steps];
  std::vector<std::int64_t> steps;
  for (const auto& [step, count] : counts)
    if (count >= 3) steps.push_back(step);
  if (steps.size() > kMostSteps) {
    // as Hyperband's rungs lie
    std::set<std::int64_t> few;
    for (const int divisor : {9, 3, 1})
      few.insert(*std::min_element(steps.begin(), steps.end(), [&](std::int64_t a, std::int64_t b) {
        const std::int64_t aim = steps.back() / divisor;
        return std::abs(a - aim) < std::abs(b - aim);
      }));
    steps.assign(few.begin(), few.end());
  }
  std::vector<Fidelity> all;
  for (std::size_t i = 0; i < steps.size(); ++i)
    for (std::size_t j = i + 1; j < steps.size(); ++j) {
      std::vector<double> x, y;
      for (const RecordedTrial& trial : study.trials)
        if (trial.scores.contains(steps[i]) && trial.scores.contains(steps[j])) {
          x.push_back(trial.scores.at(steps[i]));
          y.push_back(trial.scores.at(steps[j]));
        }
      if (x.empty()) continue;
      Fidelity one{.low = steps[i], .high = steps[j], .count = x.size()};
      try {
        one.found = rank_correlation(x, y);
      } catch (const DataError&) {
        // too few, or all equal
      }
      all.push_back(one);
    }
  return all;
}

std::string fidelity_table(const std::vector<Entry>& entries) {
  Table table({"study", "low_steps", "high_steps", "trials", "spearman_rho", "p", "p_is_exact"});
  for (const Entry& entry : entries)
    for (const Fidelity& one : fidelities(entry.study))
      table.add({entry.label, std::to_string(one.low), std::to_string(one.high),
                 std::to_string(one.count), one.found ? exact(one.found->rho) : "",
                 one.found ? exact(one.found->p) : "",
                 one.found ? (one.found->is_exact ? "true" : "false") : ""});
  return table.text();
}

std::string fidelity_html(const StudyRecord& study) {
  const std::vector<Fidelity> all = fidelities(study);
  if (all.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const Fidelity& one : all)
    rows.push_back({std::to_string(one.low), std::to_string(one.high), std::to_string(one.count),
                    one.found ? fmt::format("{:.3f}", one.found->rho) : "<span>-</span>",
                    one.found ? fmt::format("{:.3g}", one.found->p) : "<span>-</span>",
                    one.found ? (one.found->is_exact ? "all permutations" : "Student's t")
                              : "fewer than 3 trials, or all equal"});
  return "<h3>Rank correlation between budgets</h3>\n" +
         html_table({"steps", "steps", "trials", "Spearman's rho", "p", "p from"}, rows) +
         "<p class=\"faint\">Over the trials that were trained to both. Where a method lets the "
         "better ones go on, those are chosen by the smaller budget, and few: a low rho is then "
         "expected, and so is a large p.</p>\n";
}

std::optional<Importance> importance_of(const StudyRecord& study) {
  const std::vector<std::size_t> order = study.ranking();
  if (study.is_population() || order.size() < 2 || study.axes.empty()) return std::nullopt;
  std::vector<double> returns;
  std::vector<ImportanceAxis> axes;
  for (const RecordedAxis& axis : study.axes)
    axes.push_back({.low = axis.low,
                    .high = axis.high,
                    .log = axis.log,
                    .step = axis.step,
                    .num_choices = axis.choices.size(),
                    .values = {}});
  for (const std::size_t i : order) {
    const RecordedTrial& trial = study.trials[i];
    if (trial.places.size() != study.axes.size()) continue;  // another program's
    returns.push_back(*trial.score);
    for (std::size_t a = 0; a < axes.size(); ++a)
      axes[a].values.push_back(trial.places.at(study.axes[a].key));
  }
  try {
    return ped_anova(returns, axes);
  } catch (const DataError&) {
    return std::nullopt;  // fewer than two
  }
}

std::string importance_table(const std::vector<Entry>& entries) {
  Table table({"study", "key", "importance", "share", "top_trials", "trials"});
  for (const Entry& entry : entries)
    if (const std::optional<Importance> found = importance_of(entry.study))
      for (std::size_t a = 0; a < entry.study.axes.size(); ++a)
        table.add({entry.label, entry.study.axes[a].key, exact(found->values[a]),
                   exact(found->shares[a]), std::to_string(found->num_top),
                   std::to_string(found->num_trials)});
  return table.text();
}

std::string importance_html(const StudyRecord& study) {
  const std::optional<Importance> found = importance_of(study);
  if (!found) return "";
  constexpr std::size_t kFew = 5;
  std::vector<std::size_t> order;
  for (std::size_t a = 0; a < study.axes.size(); ++a) order.push_back(a);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return found->shares[a] > found->shares[b];
  });
  std::string bars;
  for (const std::size_t a : order)
    bars += fmt::format(
        "<span>{}</span><div class=\"bar\" style=\"width:{:.1f}%\"></div><span>{:.1f} %</span>\n",
        html_text(study.axes[a].key), 100.0 * found->shares[a], 100.0 * found->shares[a]);
  std::string text = fmt::format(
      "PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255): how far each key's values among the best "
      "{} of {} trials are from those among all. Each key is seen alone, inside of the space that was "
      "searched, and for being among the best; what only shows in two keys together is not seen.",
      found->num_top, found->num_trials);
  if (found->num_top < kFew)
    text += fmt::format(
        " With fewer than {} best trials these shares are mostly chance: search at least {}.", kFew,
        10 * (kFew - 1) + 1);
  return fmt::format(
      "<h3>Importance of the keys</h3>\n<div class=\"bars\">\n{}</div>\n<p class=\"faint\">{}</p>\n",
      bars, text);
}

std::string lineage_figure(const StudyRecord& study) {
  std::vector<std::vector<Copied>> copies;
  bool any = false;
  std::int64_t end = 0;
  for (std::size_t i = 0; i < study.trials.size(); ++i) {
    const RecordedTrial& trial = study.trials[i];
    copies.push_back(copies_in(study, i));
    any = any || !copies.back().empty();
    if (!trial.scores.empty()) end = std::max(end, trial.scores.rbegin()->first);
    for (const Copied& copy : copies.back()) end = std::max(end, copy.step);
  }
  if (!any || end <= 0) return "";
  Plot plot{.title = "",
            .x_label = "environment steps of a member",
            .y_label = "member",
            .series = {},
            .width = kWidth,
            .height = kHeight};
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const double y = static_cast<double>(i);
    plot.series.push_back(
        {.name = "", .x = {0.0, static_cast<double>(end)}, .y = {y, y}, .faint = true});
  }
  // slanting, so that those of one step can be told apart, and who copied whom
  std::set<std::int64_t> steps{end};
  for (const std::vector<Copied>& of_member : copies)
    for (const Copied& copy : of_member) steps.insert(copy.step);
  auto gap = static_cast<double>(end);
  for (auto step = steps.begin(); std::next(step) != steps.end(); ++step)
    gap = std::min(gap, static_cast<double>(*std::next(step)) - static_cast<double>(*step));
  const double slant = 0.6 * gap;
  PlotSeries states{.name = "copied from", .x = {}, .y = {}, .color = 4};
  PlotSeries values{.name = "values from", .x = {}, .y = {}, .color = 2};
  for (std::size_t i = 0; i < copies.size(); ++i)
    for (const Copied& copy : copies[i]) {
      const double x = static_cast<double>(copy.step);
      PlotSeries& series = copy.values_only ? values : states;
      for (const auto& [at, y] :
           {std::pair(x, static_cast<double>(copy.from)),
            std::pair(x + slant, static_cast<double>(i)), std::pair(x, kNone)}) {
        series.x.push_back(at);
        series.y.push_back(y);
      }
    }
  const bool any_values = !values.x.empty();
  for (PlotSeries* series : {&states, &values})
    if (!series->x.empty()) plot.series.push_back(std::move(*series));
  if (const std::vector<std::size_t> order = study.ranking(); !order.empty()) {
    // from the end back to the member that it began as
    PlotSeries best{.name = "ancestors of the best", .x = {}, .y = {}, .color = 1};
    std::size_t member = order.front();
    std::int64_t until = end;
    bool first = true;
    best.x.push_back(static_cast<double>(end));
    best.y.push_back(static_cast<double>(member));
    while (true) {
      const Copied* last = nullptr;
      for (const Copied& copy : copies[member])
        if (!copy.values_only && (first ? copy.step <= until : copy.step < until) &&
            copy.from < copies.size() && (last == nullptr || copy.step >= last->step))
          last = &copy;
      if (last == nullptr) break;
      best.x.push_back(static_cast<double>(last->step) + slant);
      best.y.push_back(static_cast<double>(member));
      best.x.push_back(static_cast<double>(last->step));
      best.y.push_back(static_cast<double>(last->from));
      until = last->step;
      member = last->from;
      first = false;
    }
    best.x.push_back(0.0);
    best.y.push_back(static_cast<double>(member));
    plot.series.push_back(std::move(best));
  }
  return figure_text(
      plot, fmt::format("Each gray line is a member; a slanting one leads from a member to "
                        "one that {}.",
                        any_values ? "took its values over, and kept what it had learned"
                                   : "became a copy of it"));
}

// other programs draw numbers of 17 digits; trials.csv has all of them
std::string value_text(const RecordedAxis& axis, double place) {
  return axis.choices.empty() && !axis.integer ? fmt::format("{:.5g}", place) : axis.text(place);
}

std::string best_trials(const StudyRecord& study) {
  constexpr std::size_t kShown = 10;
  const std::vector<std::size_t> order = study.ranking();
  if (order.empty()) return "<p class=\"faint\">No trial is complete yet.</p>\n";
  std::vector<std::string> header{"trial", "return"};
  for (const RecordedAxis& axis : study.axes) header.push_back(html_text(axis.key));
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < std::min(kShown, order.size()); ++i) {
    const RecordedTrial& trial = study.trials[order[i]];
    rows.push_back({std::to_string(order[i]), number_text(*trial.score)});
    for (const RecordedAxis& axis : study.axes) {
      const auto place = trial.places.find(axis.key);
      rows.back().push_back(place == trial.places.end()
                                ? "<span>-</span>"
                                : html_text(value_text(axis, place->second)));
    }
  }
  return html_table(header, rows);
}

std::string failures(const StudyRecord& study) {
  std::map<std::string, std::size_t> reasons;
  for (const RecordedTrial& trial : study.trials)
    if (trial.state == TrialState::kFailed)
      ++reasons[trial.error.empty() ? "no reason is given" : trial.error];
  std::string html;
  for (const auto& [reason, count] : reasons)
    html += fmt::format("<p class=\"bad\">{} failed: {}</p>\n", count_text(count, "trial"),
                        html_text(reason));
  return html;
}

std::string study_html(const Entry& entry, bool open) {
  const StudyRecord& study = entry.study;
  std::string figures = parallel_figure(study) + lineage_figure(study);
  if (!figures.empty()) figures = "<div class=\"figures\">\n" + figures + "</div>\n";
  std::string html =
      fmt::format("<details{}><summary>{}: {}</summary>\n", open ? " open=\"open\"" : "",
                  html_text(entry.label), count_text(study.trials.size(), "trial"));
  html += failures(study) + best_trials(study) + figures + importance_html(study);
  if (study.is_population())
    html +=
        "<p class=\"faint\">Members change their values while they train: no importance of the values "
        "that they began with, and no rank correlation, is shown.</p>\n";
  return html + fidelity_html(study) + "</details>\n";
}

// ---------------------------------------------------------------------------------------------------
// judged on test seeds

std::string condition(bool holds, const std::string& text) {
  return fmt::format("<p><span class=\"{}\">{}</span> {}</p>\n", holds ? "good" : "bad",
                     holds ? "yes:" : "no:", html_text(text));
}

std::string judged_html(const Task& task) {
  std::vector<std::vector<std::string>> rows;
  std::size_t fewest_seeds = std::numeric_limits<std::size_t>::max(),
              fewest_searches = fewest_seeds;
  bool any = false, apart = true;
  int most_tuning = 0, first_test = std::numeric_limits<int>::max();
  double least_cost = std::numeric_limits<double>::infinity(), most_cost = 0.0;
  for (const std::string& method : task.methods) {
    std::vector<double> all, means;
    for (const Entry* entry : task.of(method)) {
      least_cost = std::min(least_cost, entry->study.cost());
      most_cost = std::max(most_cost, entry->study.cost());
      most_tuning = std::max(most_tuning, entry->study.num_seeds - 1);
      const std::vector<TestRun> tests = judged(*entry);
      if (tests.empty()) continue;
      const std::vector<double> values = values_of(tests);
      for (const TestRun& test : tests) {
        apart = apart && test.seed >= kFirstTestSeed;
        first_test = std::min(first_test, test.seed);
      }
      fewest_seeds = std::min(fewest_seeds, values.size());
      all.insert(all.end(), values.begin(), values.end());
      means.push_back(mean_of(values));
    }
    fewest_searches = std::min(fewest_searches, means.size());
    if (all.empty()) {
      rows.push_back({html_text(method), "0", "0", "<span>-</span>", "<span>-</span>",
                      "<span>-</span>", "not tested yet"});
      continue;
    }
    any = true;
    // over searches where there are several: what varies between them is what a claim is about
    const bool over_searches = means.size() > 1;
    const std::vector<double>& spread = over_searches ? means : all;
    std::string interval = "<span>-</span>";
    if (spread.size() > 1) {
      const Interval found = bootstrap_mean(spread);
      interval =
          fmt::format("<span>{} to {}</span>", number_text(found.low), number_text(found.high));
    }
    rows.push_back({html_text(method), std::to_string(means.size()), std::to_string(all.size()),
                    number_text(mean_of(means)), number_text(interquartile_mean(all)), interval,
                    over_searches ? "searches" : "test seeds of one search"});
  }
  std::string html = html_table(
      {"method", "searches", "test runs", "mean", "IQM", "95 % of the mean", "interval over"},
      rows);
  if (!any)
    return html +
           "<p class=\"faint\">No best setting has been trained on test seeds yet: the best of many "
           "trials looks better than it is. <code>mbrl_gpu tune CONFIG --test</code> does it.</p>\n";
  const bool has_random =
      std::find(task.methods.begin(), task.methods.end(), "random") != task.methods.end();
  html +=
      "<p class=\"faint\">A test run earns the mean of its last three evaluations, as a trial "
      "does. What the table can be taken for (ARLBench, arXiv:2409.18827):</p>\n";
  html +=
      condition(apart, fmt::format("tuning seeds (0 to {}) and test seeds (from {} on) are apart",
                                   most_tuning, first_test));
  html += condition(fewest_seeds >= kFewTestSeeds,
                    fmt::format("each best setting has {} test seeds or more ({} at the least)",
                                kFewTestSeeds, fewest_seeds));
  html += condition(has_random, has_random ? "random search is beside the others"
                                           : "there is no random search beside");
  html += condition(most_cost <= 1.1 * least_cost,
                    fmt::format("budgets are equal within a tenth ({} to {} env steps)",
                                steps_text(least_cost), steps_text(most_cost)));
  html +=
      condition(fewest_searches > 1,
                fmt::format("several searches of each method ({} at the least); a claim about a "
                            "method needs them: other values of the key seed",
                            fewest_searches));
  return html;
}

// ---------------------------------------------------------------------------------------------------
// the page

std::vector<std::vector<std::string>> overview_rows(const std::vector<Entry>& entries) {
  std::vector<std::vector<std::string>> rows;
  for (const Entry& entry : entries) {
    const StudyRecord& study = entry.study;
    const std::size_t open = study.count(TrialState::kRunning) + study.count(TrialState::kWaiting);
    rows.push_back({entry.label, std::to_string(study.trials.size()),
                    std::to_string(study.count(TrialState::kComplete)),
                    std::to_string(study.count(TrialState::kPruned)),
                    std::to_string(study.count(TrialState::kFailed)), std::to_string(open),
                    steps_text(study.cost()), number_text(best_of(study))});
  }
  return rows;
}

const std::vector<std::string>& overview_header() {
  static const std::vector<std::string> header{"study",  "trials", "complete",  "pruned",
                                               "failed", "open",   "env steps", "best"};
  return header;
}

// the shortest ends of their folders that tell the studies apart
void label(std::vector<Entry>& entries) {
  const auto end_of = [](const fs::path& folder, int parts) {
    std::error_code unknown;
    fs::path path = fs::absolute(folder, unknown).lexically_normal();
    if (path.filename().empty()) path = path.parent_path();
    std::string text = path.filename().string();
    for (int i = 1; i < parts && path.has_relative_path(); ++i) {
      path = path.parent_path();
      if (!path.filename().empty()) text = path.filename().string() + "/" + text;
    }
    return printable(text);
  };
  for (int parts = 1; parts < 16; ++parts) {
    std::set<std::string> labels;
    for (Entry& entry : entries) {
      entry.label = end_of(entry.study.folder, parts);
      labels.insert(entry.label);
    }
    if (labels.size() == entries.size()) return;
  }
  for (Entry& entry : entries) entry.label = printable(entry.study.folder.string());
}

std::vector<Entry> read_entries(const std::vector<std::string>& arguments,
                                std::vector<std::string>& notes) {
  std::vector<Entry> entries;
  std::set<fs::path> seen;
  std::string first_error;
  for (const std::string& argument : arguments)
    for (const fs::path& journal : find_journals(argument)) {
      std::error_code unknown;
      const fs::path real = fs::canonical(journal, unknown);
      if (!unknown && !seen.insert(real).second) continue;
      try {
        Entry entry{.study = read_study(journal), .label = {}};
        entry.tests = tests_of(entry.study, notes);
        notes.insert(notes.end(), entry.study.warnings.begin(), entry.study.warnings.end());
        entries.push_back(std::move(entry));
      } catch (const DataError& error) {
        if (first_error.empty()) first_error = error.what();
        notes.push_back(error.what());
      }
    }
  if (entries.empty()) throw DataError(first_error);
  label(entries);
  return entries;
}

std::string section(const std::string& title, const std::string& body) {
  return body.empty() ? "" : fmt::format("<h2>{}</h2>\n{}", html_text(title), body);
}

std::string page_of(const std::vector<Entry>& entries, const std::vector<std::string>& notes) {
  const std::vector<Task> tasks = tasks_of(entries);
  std::vector<std::string> names;
  for (const Task& task : tasks) names.push_back(task.name);
  const std::string title = fmt::format("{}", fmt::join(names, ", "));
  std::string body = fmt::format("<h1>Searches of {}</h1>\n", html_text(title));
  std::vector<std::vector<std::string>> rows = overview_rows(entries);
  for (std::vector<std::string>& row : rows) row[0] = html_text(row[0]);
  body += html_table(overview_header(), rows);
  for (const std::string& note : notes)
    body += fmt::format("<p class=\"bad\">{}</p>\n", html_text(note));
  for (const Task& task : tasks) {
    const std::string of = tasks.size() > 1 ? ": " + task.name : "";
    body += section("Judged on test seeds" + of, judged_html(task));
    std::string figures =
        best_figure(task, false) + best_figure(task, true) + histogram_figure(task);
    body += section("Best so far, and final returns" + of,
                    figures.empty() ? "<p class=\"faint\">No trial has a return yet.</p>\n"
                                    : "<div class=\"figures\">\n" + figures + "</div>\n");
    std::string studies;
    for (const Entry* entry : task.entries) studies += study_html(*entry, studies.empty());
    body += section("Studies" + of, studies);
  }
  body +=
      fmt::format("<p class=\"faint\">Written by mbrl_gpu {}.</p>\n", html_text(program_version()));
  return html_page("mbrl_gpu: searches of " + title, body);
}

}  // namespace
}  // namespace tune_pages

TuneReport tune_report(const std::vector<std::string>& arguments,
                       const std::function<void(const std::string&)>& warn) {
  using namespace tune_pages;
  std::vector<std::string> notes;
  const std::vector<Entry> entries = read_entries(arguments, notes);
  for (const std::string& note : notes) warn(note);
  TuneReport report{.html = page_of(entries, notes), .tables = {}, .overview = {}};
  report.tables = {
      {"trials.csv", trials_table(entries)},         {"best.csv", best_table(entries)},
      {"tests.csv", tests_table(entries)},           {"fidelities.csv", fidelity_table(entries)},
      {"importance.csv", importance_table(entries)}, {"lineage.csv", lineage_table(entries)}};
  std::vector<std::vector<std::string>> rows = overview_rows(entries);
  rows.insert(rows.begin(), overview_header());
  // what no study has takes no place
  for (std::size_t column = rows[0].size(); column-- > 3;) {
    const bool any = std::any_of(rows.begin() + 1, rows.end(),
                                 [&](const auto& row) { return row[column] != "0"; });
    if (any) continue;
    for (std::vector<std::string>& row : rows)
      row.erase(row.begin() + static_cast<std::ptrdiff_t>(column));
  }
  report.overview = table_text(rows, 1);
  return report;
}

CLI::App* add_tune_report(CLI::App& tune) {
  struct Options {
    std::vector<std::string> studies;
    std::string out = "tune_report.html", tables;
  };
  const auto o = std::make_shared<Options>();
  CLI::App* command = tune.add_subcommand(
      "report",
      "Show searches as one HTML file and as tables: methods beside each other, best so "
      "far, final returns, importance of keys, lineages, returns on test seeds");
  command->add_option("studies", o->studies,
                      "a study's folder, or one that holds several; studies if not given");
  command->add_option("-o,--out", o->out, "the file to write")->capture_default_str();
  command->add_option("--tables", o->tables,
                      "folder of the tables (CSV); the file's name without .html if not given");
  command->callback([o] {
    if (o->studies.empty()) o->studies.emplace_back("studies");
    const TuneReport report = tune_report(o->studies, [](const std::string& text) {
      print_to(stderr, fmt::format("warning: {}\n", printable(text)));
    });
    const std::filesystem::path out = o->out;
    std::filesystem::path folder = o->tables;
    if (folder.empty())
      folder = out.extension() == ".html" ? std::filesystem::path(out).replace_extension()
                                          : std::filesystem::path(o->out + "_tables");
    if (const std::error_code error = make_folders(folder); error)
      throw DataError(fmt::format(
          "the folder of the tables {} cannot be made: {}. Choose another place with --tables DIR.",
          printable(folder.string()), error.message()));
    for (const auto& [name, text] : report.tables) write_file_atomically(folder / name, text);
    write_file_atomically(out, report.html);
    print_to(stdout, fmt::format("{}\n{}\ntables in {}\n", report.overview, printable(out.string()),
                                 printable(folder.string())));
  });
  return command;
}

}  // namespace mbrl
