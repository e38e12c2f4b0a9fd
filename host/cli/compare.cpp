// mbrl_gpu compare: two arms of runs over seeds, and whether their means differ.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/printable.h"
#include "host/cli/cli.h"
#include "host/cli/run_groups.h"
#include "host/io/curves.h"
#include "host/stats/summary.h"
#include "host/stats/welch.h"

namespace mbrl {
namespace {

struct CompareOptions {
  std::string a, b, column = "eval_return_mean", window = "mean";
  std::optional<double> to;
  double confidence = 0.95;
  bool json = false;
};

struct Arm {
  std::string name;
  RunGroup group;
  std::vector<Curve> curves;
  std::vector<double> values;  // one per run
};

Arm read_arm(const std::string& text, const std::string& column) {
  const auto [name, path] = name_and_path(text);
  std::vector<RunGroup> groups = find_groups(path, "metrics.csv");
  if (groups.size() == 1) return {name, groups.front(), read_group(groups.front(), column), {}};
  std::string list;
  for (const RunGroup& group : groups)
    list += fmt::format("{}{} ({} run{}, such as {})", list.empty() ? "" : "; ", group.label,
                        group.tables.size(), group.tables.size() == 1 ? "" : "s",
                        printable(group.tables.front().parent_path().string()));
  throw DataError(
      fmt::format("compare: {} holds runs of {} configs, which are no one arm; they differ in {}: "
                  "{}. Name a folder with the runs of one.",
                  printable(path.string()), groups.size(), difference_text(groups), list));
}

// steps that every run of both arms has evaluated, up to --to
StepRange range_of(const Arm& a, const Arm& b, const CompareOptions& o) {
  StepRange range = common_range(a.curves);
  const StepRange other = common_range(b.curves);
  range = {std::max(range.low, other.low), std::min(range.high, other.high)};
  if (o.to) range.high = std::min(range.high, *o.to);
  if (range.low > range.high)
    throw DataError(
        fmt::format("compare: the runs have no step in common{}: the latest begins at step {:.0f}, "
                    "and {:.0f} is where the range ends. Leave out runs that have only begun{}.",
                    o.to ? fmt::format(" up to --to {:.0f}", *o.to) : "", range.low, range.high,
                    o.to ? ", or raise --to" : ""));
  return range;
}

nlohmann::ordered_json arm_json(const Arm& arm, const Summary& s) {
  return {{"name", arm.name},
          {"n", s.count},
          {"mean", s.mean},
          {"sd", s.std},
          {"iqm", s.interquartile_mean},
          {"interval", {s.interval.low, s.interval.high}},
          {"values", arm.values}};
}

void print_arm(const Arm& arm, const Summary& s, std::size_t width) {
  fmt::print("{:<{}}  {:>3}  {:>10.2f}  {:>10.2f}  {:>10.2f}  {:>10.2f} to {:.2f}\n", arm.name,
             width, s.count, s.mean, s.std, s.interquartile_mean, s.interval.low, s.interval.high);
}

void compare(const CompareOptions& o) {
  Arm a = read_arm(o.a, o.column), b = read_arm(o.b, o.column);
  const StepRange range = range_of(a, b, o);
  for (Arm* arm : {&a, &b})
    for (const Curve& curve : arm->curves)
      arm->values.push_back(o.window == "last" ? last_value(curve, range.high)
                                               : mean_over(curve, range));

  const BootstrapConstants bootstrap{.confidence = o.confidence};
  const Summary of_a = summarize(a.values, bootstrap), of_b = summarize(b.values, bootstrap);
  const WelchResult welch = welch_test(a.name, a.values, b.name, b.values, o.confidence);
  const std::vector<RunGroup> arms{a.group, b.group};
  const bool know_configs = !a.group.values.empty() && !b.group.values.empty();
  const std::string differences = !know_configs                      ? ""
                                  : a.group.values == b.group.values ? "nothing"
                                                                     : difference_text(arms);
  if (o.json) {
    const nlohmann::ordered_json result = {
        {"column", o.column},
        {"window", o.window},
        {"steps", {range.low, range.high}},
        {"confidence", o.confidence},
        {"differ_in", differences},
        {"a", arm_json(a, of_a)},
        {"b", arm_json(b, of_b)},
        {"welch",
         {{"t", welch.t},
          {"df", welch.df},
          {"p", welch.p},
          {"difference", welch.difference},
          {"interval", {welch.interval.low, welch.interval.high}}}}};
    fmt::print("{}\n",
               result.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return;
  }
  const std::string window =
      o.window == "last"
          ? fmt::format("its last evaluation up to step {:.0f}", range.high)
          : fmt::format("its mean over steps {:.0f} to {:.0f}", range.low, range.high);
  const std::size_t width = std::max({a.name.size(), b.name.size(), std::size_t{4}});
  fmt::print("{} of each run: {}\n", o.column, window);
  if (know_configs) fmt::print("the arms' configs differ in {}\n", differences);
  fmt::print("\n");
  fmt::print("{:<{}}  {:>3}  {:>10}  {:>10}  {:>10}  {:g} % bootstrap interval of the mean\n",
             "arm", width, "n", "mean", "sd", "IQM", 100.0 * o.confidence);
  print_arm(a, of_a, width);
  print_arm(b, of_b, width);
  fmt::print("\n{} - {}: {:.2f}, {:g} % interval {:.2f} to {:.2f}\n", a.name, b.name,
             welch.difference, 100.0 * o.confidence, welch.interval.low, welch.interval.high);
  fmt::print("Welch's two-sided t-test: p = {:.3g}, t = {:.4g}, df = {:.4g}\n", welch.p, welch.t,
             welch.df);
}

}  // namespace

void add_compare(CLI::App& program) {
  const auto o = std::make_shared<CompareOptions>();
  CLI::App* command = program.add_subcommand(
      "compare", "Compare two arms of runs over seeds: summaries and Welch's t-test");
  command->add_option("a", o->a, "[NAME=]PATH: a folder of runs over seeds")->required();
  command->add_option("b", o->b, "[NAME=]PATH: the other")->required();
  command->add_option("--column", o->column, "column of metrics.csv")->capture_default_str();
  command->add_option("--to", o->to, "last step; the steps that all runs have if not given");
  command
      ->add_option("--window", o->window, "a run's value: mean over the curve, or last evaluation")
      ->check(CLI::IsMember({"mean", "last"}))
      ->capture_default_str();
  command->add_option("--confidence", o->confidence, "of the intervals")
      ->check(CLI::Range(0.5, 0.999))
      ->capture_default_str();
  command->add_flag("--json", o->json, "one JSON object, with each run's value");
  command->callback([o] { compare(*o); });
}

}  // namespace mbrl
