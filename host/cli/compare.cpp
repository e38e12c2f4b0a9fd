// mbrl_gpu compare: arms of runs over seeds and tasks, and whether their means differ.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/printable.h"
#include "host/cli/cli.h"
#include "host/cli/columns.h"
#include "host/cli/compare_arms.h"
#include "host/cli/text_table.h"
#include "host/io/console.h"
#include "host/io/figure_file.h"
#include "host/io/svg_plot.h"
#include "host/stats/summary.h"
#include "host/stats/welch.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;

struct CompareOptions {
  std::vector<std::string> arms;
  RunValue value;
  std::string against, normalize = "auto", profile;
  double confidence = 0.95;
  bool lower_is_better = false, json = false;
};

// Welch's test of one task of an arm, or why there is none
struct Test {
  std::size_t arm, task;
  std::optional<WelchResult> welch;
  std::string why_not;
  double holm = 0.0;
};

struct Improvement {
  double probability;
  Interval interval;
};

struct Comparison {
  ComparedArms compared;
  std::vector<std::optional<ReferenceScores>> references;
  std::size_t against = 0;
  std::vector<TaskScores> scores;  // of each arm, normalized where there are references
  std::vector<Aggregates> aggregates;
  std::vector<AggregateIntervals> intervals;
  std::vector<std::size_t> ranking;                      // arms, the best first
  std::vector<std::optional<Improvement>> improvements;  // over the arm `against`
  std::vector<Test> tests;

  const std::vector<ComparedArm>& arms() const { return compared.arms; }
  bool one_task() const { return compared.tasks.size() == 1; }
  bool two_arms() const { return one_task() && arms().size() == 2; }
};

std::size_t find_arm(const ComparedArms& compared, const std::string& name) {
  if (name.empty()) return 0;
  std::string list;
  for (std::size_t i = 0; i < compared.arms.size(); ++i) {
    if (compared.arms[i].name == printable(name)) return i;
    list += (list.empty() ? "" : ", ") + compared.arms[i].name;
  }
  throw ConfigError(fmt::format("compare --against {}: there is no such arm; the arms are {}.",
                                printable(name), list));
}

// each task of each arm against that of the chosen one; two arms in their order
std::vector<Test> tests_of(const Comparison& c, double confidence) {
  std::vector<Test> tests;
  std::vector<double> p;
  for (std::size_t arm = 0; arm < c.arms().size(); ++arm) {
    if (arm == c.against) continue;
    for (std::size_t task = 0; task < c.compared.tasks.size(); ++task) {
      Test test{.arm = arm, .task = task, .welch = {}, .why_not = ""};
      const bool in_order = c.two_arms() && arm > c.against;
      const ComparedArm& a = c.arms()[in_order ? c.against : arm];
      const ComparedArm& b = c.arms()[in_order ? arm : c.against];
      try {
        test.welch = welch_test(a.name, a.values[task], b.name, b.values[task], confidence);
        p.push_back(test.welch->p);
      } catch (const DataError& error) {
        if (c.two_arms()) throw;
        test.why_not = error.what();
      }
      tests.push_back(std::move(test));
    }
  }
  const std::vector<double> adjusted = holm_adjusted(p);
  std::size_t next = 0;
  for (Test& test : tests)
    if (test.welch) test.holm = adjusted[next++];
  return tests;
}

Comparison comparison_of(const CompareOptions& o) {
  Comparison c;
  c.compared = read_arms(o.arms, o.value);
  c.references = references_of(c.compared, o.normalize, o.value.column);
  c.against = find_arm(c.compared, o.against);
  const BootstrapConstants bootstrap{.confidence = o.confidence};
  for (const ComparedArm& arm : c.arms()) {
    c.scores.push_back(normalized(arm, c.references));
    c.aggregates.push_back(aggregates_of(c.scores.back()));
    c.intervals.push_back(bootstrap_aggregates(c.scores.back(), bootstrap));
  }
  c.ranking.resize(c.arms().size());
  std::iota(c.ranking.begin(), c.ranking.end(), std::size_t{0});
  std::stable_sort(c.ranking.begin(), c.ranking.end(), [&](std::size_t a, std::size_t b) {
    const double of_a = c.aggregates[a].mean, of_b = c.aggregates[b].mean;
    return o.lower_is_better ? of_a < of_b : of_a > of_b;
  });
  for (std::size_t arm = 0; arm < c.arms().size(); ++arm) {
    c.improvements.emplace_back();
    if (arm == c.against) continue;
    // two arms in their order, as their difference
    const bool in_order = c.two_arms() && arm > c.against;
    std::size_t better = in_order ? c.against : arm, worse = in_order ? arm : c.against;
    if (o.lower_is_better) std::swap(better, worse);
    c.improvements.back() = {probability_of_improvement(c.scores[better], c.scores[worse]),
                             bootstrap_improvement(c.scores[better], c.scores[worse], bootstrap)};
  }
  c.tests = tests_of(c, o.confidence);
  return c;
}

// ---- text

std::string share_text(const Interval& interval) {
  return fmt::format("{:.2f} to {:.2f}", interval.low, interval.high);
}

std::string steps_text(const StepRange& range) {
  return fmt::format("steps {:.0f} to {:.0f}", range.low, range.high);
}

std::string value_text(const RunValue& value, const ComparedTask& task) {
  if (value.by == "last")
    return fmt::format("its last evaluation up to step {:.0f}", task.range.high);
  if (value.by == "final")
    return fmt::format("its mean over the last {:g} % of {}", 100.0 * value.final_share,
                       steps_text(task.range));
  return "its mean over " + steps_text(task.range);
}

// where the shortest run takes away much of the others
std::string cut_text(const ComparedTask& task, bool to_given) {
  if (to_given || task.longest <= 1.1 * task.range.high) return "";
  return fmt::format("the longest run goes on to step {:.0f}; {} ends first\n", task.longest,
                     task.shortest);
}

// which choices the arms' configs differ in, within each task
std::vector<std::string> differences_of(const Comparison& c) {
  std::vector<std::string> texts;
  for (std::size_t task = 0; task < c.compared.tasks.size(); ++task) {
    std::vector<RunGroup> groups;
    bool known = true, equal = true;
    for (const ComparedArm& arm : c.arms()) {
      groups.push_back(arm.groups[task]);
      known = known && !groups.back().values.empty();
      equal = equal && groups.back().values == groups.front().values;
    }
    const std::string text = !known ? "" : equal ? "nothing" : difference_text(groups);
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
  }
  return texts;
}

void print_heading(const Comparison& c, const CompareOptions& o) {
  const RunValue& value = o.value;
  const ComparedTask& first = c.compared.tasks.front();
  if (c.one_task()) {
    fmt::print("{} of each run: {}\n", printable(value.column), value_text(value, first));
    fmt::print("{}", cut_text(first, value.to.has_value()));
  } else {
    fmt::print("{} of each run, in {} environments:\n", printable(value.column),
               c.compared.tasks.size());
    for (const ComparedTask& task : c.compared.tasks) {
      fmt::print("  {}: {}\n", task.name.empty() ? "not known" : task.name,
                 value_text(value, task));
      const std::string cut = cut_text(task, value.to.has_value());
      if (!cut.empty()) fmt::print("    {}", cut);
    }
  }
  for (std::size_t task = 0; task < c.references.size(); ++task) {
    if (!c.references[task]) continue;
    const ReferenceScores& scores = *c.references[task];
    if (task == 0) fmt::print("normalized, so that 0 and 1 are\n");
    fmt::print("  {}: {:.6g} ({}) and {:.6g} ({})\n",
               scores.task.empty() ? "the task" : scores.task, scores.zero, scores.zero_source,
               scores.one, scores.one_source);
  }
  const std::vector<std::string> differences = differences_of(c);
  if (std::find(differences.begin(), differences.end(), "") == differences.end())
    for (const std::string& text : differences)
      fmt::print("the arms' configs differ in {}\n", text);
  fmt::print("\n");
}

std::size_t num_runs(const ComparedArm& arm) {
  std::size_t count = 0;
  for (const auto& runs : arm.values) count += runs.size();
  return count;
}

void print_arms(const Comparison& c, const CompareOptions& o) {
  Numbers numbers;
  for (std::size_t i = 0; i < c.arms().size(); ++i)
    for (const auto& task : c.scores[i])
      for (const double score : task) numbers.see(score);
  const bool ranked = c.arms().size() > 2;
  const std::string percent = fmt::format("{:g} %", 100.0 * o.confidence);
  std::vector<std::vector<std::string>> rows(1), bounds(1);
  rows[0] = {"arm", "n", "mean", "median"};
  if (c.one_task()) rows[0].push_back("sd");
  rows[0].insert(rows[0].end(), {"IQM", percent + " of the mean"});
  bounds[0] = {"arm", percent + " of the median", percent + " of the IQM"};
  for (std::size_t place = 0; place < c.arms().size(); ++place) {
    const std::size_t i = ranked ? c.ranking[place] : place;
    const Aggregates& all = c.aggregates[i];
    std::vector<std::string> row{c.arms()[i].name, std::to_string(num_runs(c.arms()[i])),
                                 numbers.text(all.mean), numbers.text(all.median)};
    if (c.one_task()) row.push_back(numbers.text(sample_std(c.scores[i].front())));
    row.push_back(numbers.text(all.interquartile_mean));
    row.push_back(numbers.text(c.intervals[i].mean));
    rows.push_back(std::move(row));
    bounds.push_back({c.arms()[i].name, numbers.text(c.intervals[i].median),
                      numbers.text(c.intervals[i].interquartile_mean)});
  }
  if (ranked) rows[0][0] = bounds[0][0] = "best first";
  fmt::print("{}\n{}", table_text(rows, 1), table_text(bounds, 1));
  if (!c.one_task()) fmt::print("mean and median: of the environments' means; IQM: of all runs\n");
}

void print_method(const CompareOptions& o) {
  fmt::print("\n{:g} % intervals of the table: {} bootstrap samples of the runs\n",
             100.0 * o.confidence, BootstrapConstants().num_resamples);
}

void print_two(const Comparison& c, const CompareOptions& o) {
  const Test& test = c.tests.front();
  const std::size_t other = test.arm;
  const WelchResult& welch = *test.welch;
  const std::size_t first = std::min(other, c.against), second = std::max(other, c.against);
  const std::string &a = c.arms()[first].name, &b = c.arms()[second].name;
  const Improvement& improvement = *c.improvements[other];
  Numbers numbers;
  for (const double value : {welch.difference, welch.interval.low, welch.interval.high})
    numbers.see(value);
  const double percent = 100.0 * o.confidence;
  fmt::print("\n{} - {}: {}, {:g} % interval {}\n", a, b, numbers.text(welch.difference), percent,
             numbers.text(welch.interval));
  fmt::print("Welch's two-sided t-test: p = {:.3g}, t = {:.4g}, df = {:.4g}\n", welch.p, welch.t,
             welch.df);
  fmt::print("P(a run of {} {} one of {}) = {:.2f}, {:g} % interval {}\n", a,
             o.lower_is_better ? "below" : "above", b, improvement.probability, percent,
             share_text(improvement.interval));
  print_method(o);
}

void print_improvements(const Comparison& c, const CompareOptions& o) {
  const std::string& against = c.arms()[c.against].name;
  std::vector<std::vector<std::string>> rows{{"against " + against,
                                              o.lower_is_better ? "P(below)" : "P(above)",
                                              fmt::format("{:g} %", 100.0 * o.confidence)}};
  for (const std::size_t arm : c.ranking)
    if (c.improvements[arm])
      rows.push_back({c.arms()[arm].name, fmt::format("{:.2f}", c.improvements[arm]->probability),
                      share_text(c.improvements[arm]->interval)});
  fmt::print("\n{}", table_text(rows, 1));
}

void print_tests(const Comparison& c, const CompareOptions& o) {
  Numbers numbers;
  for (const Test& test : c.tests)
    if (test.welch)
      for (const double value :
           {test.welch->difference, test.welch->interval.low, test.welch->interval.high})
        numbers.see(value);
  std::vector<std::vector<std::string>> rows{{"against " + c.arms()[c.against].name, "difference",
                                              fmt::format("{:g} %", 100.0 * o.confidence),
                                              "Welch p", "Holm p"}};
  const std::size_t num_left = c.one_task() ? 1 : 2;
  if (!c.one_task()) rows[0].insert(rows[0].begin() + 1, "environment");
  std::string reasons;
  for (const std::size_t arm : c.ranking)
    for (const Test& test : c.tests) {
      if (test.arm != arm) continue;
      std::vector<std::string> row{c.arms()[arm].name};
      if (!c.one_task()) row.push_back(c.compared.tasks[test.task].name);
      if (test.welch)
        row.insert(row.end(),
                   {numbers.text(test.welch->difference), numbers.text(test.welch->interval),
                    fmt::format("{:.3g}", test.welch->p), fmt::format("{:.3g}", test.holm)});
      else
        row.insert(row.end(), {"-", "-", "-", "-"});
      rows.push_back(std::move(row));
      if (!test.why_not.empty() && reasons.find(test.why_not) == std::string::npos)
        reasons += "no test: " + test.why_not + "\n";
    }
  fmt::print("\n{}", table_text(rows, num_left));
  fmt::print("{}", reasons);
}

// ---- JSON

Json json_of(const Interval& interval) { return {interval.low, interval.high}; }

Json arm_json(const Comparison& c, std::size_t i) {
  const ComparedArm& arm = c.arms()[i];
  Json values = arm.values.front();
  if (!c.one_task()) {
    values = Json::object();
    for (std::size_t task = 0; task < arm.values.size(); ++task)
      values[c.compared.tasks[task].name] = arm.values[task];
  }
  const auto place = std::find(c.ranking.begin(), c.ranking.end(), i) - c.ranking.begin();
  Json json = {{"name", arm.name},
               {"n", num_runs(arm)},
               {"rank", place + 1},
               {"mean", c.aggregates[i].mean},
               {"median", c.aggregates[i].median}};
  if (c.one_task()) json["sd"] = sample_std(c.scores[i].front());
  json.update({{"iqm", c.aggregates[i].interquartile_mean},
               {"interval", json_of(c.intervals[i].mean)},
               {"median_interval", json_of(c.intervals[i].median)},
               {"iqm_interval", json_of(c.intervals[i].interquartile_mean)},
               {"values", values}});
  return json;
}

Json welch_json(const WelchResult& welch) {
  return {{"t", welch.t},
          {"df", welch.df},
          {"p", welch.p},
          {"difference", welch.difference},
          {"interval", json_of(welch.interval)}};
}

void print_json(const Comparison& c, const CompareOptions& o) {
  const std::vector<std::string> differences = differences_of(c);
  Json result = {{"column", o.value.column}, {"by", o.value.by}};
  Json tasks = Json::array();
  for (std::size_t i = 0; i < c.compared.tasks.size(); ++i) {
    const ComparedTask& task = c.compared.tasks[i];
    Json json = {{"name", task.name}, {"steps", {task.range.low, task.range.high}}};
    if (c.references[i])
      json["normalized"] = {{"zero", c.references[i]->zero},
                            {"zero_source", c.references[i]->zero_source},
                            {"one", c.references[i]->one},
                            {"one_source", c.references[i]->one_source}};
    tasks.push_back(json);
  }
  if (c.one_task()) result["steps"] = tasks[0]["steps"];
  result.update(
      {{"tasks", tasks},
       {"confidence", o.confidence},
       {"lower_is_better", o.lower_is_better},
       {"differ_in", differences.size() == 1 ? Json(differences.front()) : Json(differences)},
       {"arms", Json::array()}});
  for (std::size_t i = 0; i < c.arms().size(); ++i) result["arms"].push_back(arm_json(c, i));
  if (c.two_arms()) {
    result["a"] = result["arms"][0];
    result["b"] = result["arms"][1];
    result["welch"] = welch_json(*c.tests.front().welch);
    const Improvement& improvement = *c.improvements[c.tests.front().arm];
    result["improvement"] = {{"probability", improvement.probability},
                             {"interval", json_of(improvement.interval)}};
  } else {
    result["against"] = c.arms()[c.against].name;
    result["improvement"] = Json::array();
    for (std::size_t i = 0; i < c.arms().size(); ++i)
      if (c.improvements[i])
        result["improvement"].push_back({{"arm", c.arms()[i].name},
                                         {"probability", c.improvements[i]->probability},
                                         {"interval", json_of(c.improvements[i]->interval)}});
    result["tests"] = Json::array();
    for (const Test& test : c.tests) {
      Json json = {{"arm", c.arms()[test.arm].name}, {"task", c.compared.tasks[test.task].name}};
      if (test.welch) {
        json.update(welch_json(*test.welch));
        json["holm"] = test.holm;
      } else {
        json["none"] = test.why_not;
      }
      result["tests"].push_back(json);
    }
  }
  fmt::print("{}\n", result.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// ---- profiles

Plot profile_of(const Comparison& c, const CompareOptions& o) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const TaskScores& arm : c.scores)
    for (const auto& task : arm)
      for (const double score : task) {
        low = std::min(low, score);
        high = std::max(high, score);
      }
  // both ends in sight: all runs are above the one, none above the other
  const double size = std::max({std::abs(low), std::abs(high), 1e-9}),
               margin = high > low ? 0.04 * (high - low) : 0.1 * size;
  constexpr int kPoints = 300;
  std::vector<double> thresholds;
  for (int i = 0; i <= kPoints; ++i)
    thresholds.push_back(low - margin + (high - low + 2 * margin) * i / kPoints);

  std::vector<const RunGroup*> groups;
  for (const ComparedArm& arm : c.arms())
    for (const RunGroup& group : arm.groups) groups.push_back(&group);
  const std::string of_run = o.value.by == "auc"    ? "mean over the curve"
                             : o.value.by == "last" ? "last evaluation"
                                                    : "mean at the end";
  std::string label = column_info(o.value.column, groups).label + ", " + of_run;
  if (c.references.front()) label = "normalized score, " + of_run;
  std::string title = "performance profile";
  if (c.one_task() && !c.compared.tasks.front().name.empty())
    title += ", " + c.compared.tasks.front().name;
  if (!c.one_task()) title += fmt::format(", {} environments", c.compared.tasks.size());
  Plot plot{.title = title, .x_label = label, .y_label = "share of runs above", .series = {}};
  const BootstrapConstants bootstrap{.confidence = o.confidence, .num_resamples = 2000};
  for (std::size_t i = 0; i < c.arms().size(); ++i) {
    const std::size_t n = num_runs(c.arms()[i]);
    PlotSeries series{.name = fmt::format("{} ({} run{})", c.arms()[i].name, n, n == 1 ? "" : "s"),
                      .x = thresholds,
                      .y = performance_profile(c.scores[i], thresholds)};
    if (n > 1)
      for (const Interval& interval : bootstrap_profile(c.scores[i], thresholds, bootstrap)) {
        series.low.push_back(interval.low);
        series.high.push_back(interval.high);
      }
    plot.series.push_back(std::move(series));
  }
  plot.band = fmt::format("band: {:g} % bootstrap interval, at each score", 100.0 * o.confidence);
  return plot;
}

std::string profile_figure(const Plot& plot) {
  // more bands hide each other, as in `mbrl_gpu plot`
  if (plot.series.size() <= 3) return svg_plot(plot);
  std::vector<Plot> panels = panels_apart(plot);
  for (Plot& panel : panels) {
    panel.width = 360;
    panel.height = 250;
  }
  return panels.empty() ? svg_plot(plot) : svg_panels(panels, 2, plot.title);
}

void compare(const CompareOptions& o) {
  if (!o.profile.empty()) check_figure_name(o.profile);
  const Comparison c = comparison_of(o);
  if (!o.profile.empty()) write_figure(o.profile, profile_figure(profile_of(c, o)));
  if (o.json) return print_json(c, o);
  print_heading(c, o);
  print_arms(c, o);
  if (c.two_arms()) {
    print_two(c, o);
  } else {
    print_improvements(c, o);
    print_tests(c, o);
    print_method(o);
  }
  if (!o.profile.empty()) fmt::print("\n{}\n", o.profile);
}

}  // namespace

void add_compare(CLI::App& program) {
  const auto o = std::make_shared<CompareOptions>();
  CLI::App* command = program.add_subcommand(
      "compare", "Compare arms of runs over seeds and environments: summaries, intervals, tests");
  command
      ->add_option("arms", o->arms,
                   "[NAME=]PATH: a folder of runs over seeds, one for each arm; one NAME several "
                   "times, or a folder of several environments, is one arm")
      ->required();
  command->add_option("--column", o->value.column, "column of metrics.csv")->capture_default_str();
  command->add_option("--to", o->value.to, "last step; the steps that all runs have if not given");
  // the words of before are one more for the same
  command
      ->add_option("--by,--window", o->value.by,
                   "a run's value: auc, the mean over its curve (area over length); final, that "
                   "over its last part; last, its last evaluation")
      ->transform(CLI::CheckedTransformer(std::map<std::string, std::string>{
          {"auc", "auc"}, {"final", "final"}, {"last", "last"}, {"mean", "auc"}}))
      ->default_str("auc");
  command->add_option("--final-share", o->value.final_share, "how much of the steps `final` is")
      ->check(CLI::Range(0.001, 1.0))
      ->capture_default_str();
  command->add_option("--against", o->against,
                      "the arm that others are tested against; the first if not given");
  command
      ->add_option("--normalize", o->normalize,
                   "published: 0 a random policy, 1 a published score; range: 0 the lowest run, 1 "
                   "the highest; none; a file with lines task,zero,one; auto: published where "
                   "there are several environments")
      ->capture_default_str();
  command->add_option("--profile", o->profile,
                      "draw performance profiles into this file: .svg, or .png");
  command->add_option("--confidence", o->confidence, "of the intervals")
      ->check(CLI::Range(0.5, 0.999))
      ->capture_default_str();
  command->add_flag("--lower-is-better", o->lower_is_better,
                    "rank and count the other way around, as for losses");
  command->add_flag("--json", o->json, "one JSON object, with each run's value");
  command->callback([o] { compare(*o); });
}

}  // namespace mbrl
