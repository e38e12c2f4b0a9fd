// mbrl_gpu plot: learning curves, schedules and other columns of runs as a figure.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "host/cli/cli.h"
#include "host/cli/columns.h"
#include "host/cli/run_groups.h"
#include "host/io/console.h"
#include "host/io/curves.h"
#include "host/io/figure_file.h"
#include "host/io/svg_plot.h"
#include "host/stats/summary.h"

namespace mbrl {
namespace {

// more bands than this in one frame hide each other
constexpr int kMostBands = 3;

struct PlotOptions {
  std::string out, band = "range", x = "steps", table = "metrics.csv", panels = "auto";
  std::optional<std::string> title, x_label, y_label;
  std::string x_limits, y_limits;
  int num_bins = 0, num_phases = 1, smooth = 1;
  bool log = false;
  std::vector<std::string> columns{"eval_return_mean"};
  std::vector<std::string> runs, references;
};

// one argument: its runs, those of each config by themselves
struct RunSet {
  std::string name, path;
  std::vector<RunGroup> groups;
};

RunSet find_set(const PlotOptions& o, const std::string& run) {
  const auto [name, path] = name_and_path(run);
  // phases show how a controller changed from one run to the next
  const GroupBy by = o.num_phases > 1 ? GroupBy::kConfigButController : GroupBy::kConfig;
  RunSet set{name, printable(path.string()), find_groups(path, o.table, by)};
  if (set.groups.size() > 1)
    print_to(stderr, fmt::format("warning: {} holds runs of {} configs, which are drawn apart; "
                                 "they differ in {}.\n",
                                 set.path, set.groups.size(), difference_text(set.groups)));
  return set;
}

std::optional<double> number_of(std::string_view text) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

// "LOW,HIGH", either of which may be left out
AxisLimits limits_of(const std::string& option, const std::string& text) {
  if (text.empty()) return {};
  const std::size_t comma = text.find(',');
  const auto refuse = [&](const std::string& why) -> ConfigError {
    return ConfigError(fmt::format(
        "plot {} {}: {}; expected LOW,HIGH with LOW < HIGH, or one of them (\"0,\", \",5000\"). A "
        "negative LOW needs an equals sign: {}=-5,5.",
        option, printable(text), why, option));
  };
  if (comma == std::string::npos) throw refuse("there is no comma");
  AxisLimits limits;
  const std::string ends[] = {text.substr(0, comma), text.substr(comma + 1)};
  for (int i = 0; i < 2; ++i) {
    if (ends[i].empty()) continue;
    const std::optional<double> value = number_of(ends[i]);
    if (!value || std::abs(*value) > 1e15)
      throw refuse(fmt::format("\"{}\" is no number within 1e15", printable(ends[i])));
    (i == 0 ? limits.low : limits.high) = value;
  }
  if (!limits.low && !limits.high) throw refuse("there is no number");
  if (limits.low && limits.high && !(*limits.low < *limits.high))
    throw refuse(fmt::format("{:g} is not below {:g}", *limits.low, *limits.high));
  return limits;
}

// LEVEL[=name], where no file is meant: "2019=curve.csv" is a curve if there is such a file
std::optional<Plot::Level> level_of(const std::string& text) {
  const std::size_t at = text.find('=');
  const std::optional<double> value = number_of(std::string_view(text).substr(0, at));
  std::error_code unknown;
  if (!value || std::filesystem::exists(text, unknown)) return std::nullopt;
  if (at == std::string::npos) return Plot::Level{*value, fmt::format("{:g}", *value)};
  const std::string name = text.substr(at + 1);
  if (std::filesystem::exists(name, unknown)) return std::nullopt;
  return Plot::Level{*value, printable(name)};
}

std::string runs_text(std::size_t count) {
  return fmt::format("{} run{}", count, count == 1 ? "" : "s");
}

// A curve as it is read beside others: its ends reach as far as half the distance between two
// evaluations, because those that belong together fall on slightly different steps.
struct ReachingCurve {
  const Curve& curve;
  double reach;

  bool covers(double x) const {
    return curve.x.front() - reach <= x && x <= curve.x.back() + reach;
  }
  double at(double x) const {
    return covers(x) ? curve.at(std::clamp(x, curve.x.front(), curve.x.back())) : std::nan("");
  }
};

// where the number of runs that a mean is of changes, it stands on the line
void note_changes(PlotSeries& series, const std::vector<ReachingCurve>& curves) {
  std::ptrdiff_t before = std::ssize(curves);
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    const std::ptrdiff_t now =
        std::count_if(curves.begin(), curves.end(),
                      [&](const ReachingCurve& curve) { return curve.covers(series.x[i]); });
    if (now != before) series.notes.push_back({i, runs_text(static_cast<std::size_t>(now))});
    before = now;
  }
}

BandRule band_rule(const std::string& band, const ColumnInfo& info, bool* cut) {
  if (band == "range")
    return [](std::span<const double> values) {
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      return std::pair(*low, *high);
    };
  if (band == "ci")
    return [](std::span<const double> values) {
      // at every point of the curve: as many as its line can show
      const Interval interval = bootstrap_mean(values, {.num_resamples = 2000});
      return std::pair(interval.low, interval.high);
    };
  return [=](std::span<const double> values) {
    const double mean = mean_of(values), std = sample_std(values);
    // no further than the column can be; values beyond what is known of it say that it is wrong
    const double low = std::max(mean - std, std::min(info.low, mean)),
                 high = std::min(mean + std, std::max(info.high, mean));
    if (low > mean - std || high < mean + std) *cut = true;
    return std::pair(low, high);
  };
}

std::string band_text(const std::string& band, bool cut) {
  if (band == "range") return "band: lowest to highest run";
  if (band == "ci") return "band: 95 % bootstrap interval of the mean";
  return fmt::format("band: \u00b1 standard deviation{}", cut ? ", within possible values" : "");
}

Curve smoothed(const Curve& curve, int window) {
  Curve result{curve.x, {}};
  for (std::size_t i = 0; i < curve.y.size(); ++i) {
    const std::size_t first = i + 1 > static_cast<std::size_t>(window) ? i + 1 - window : 0;
    result.y.push_back(mean_of(std::span(curve.y).subspan(first, i + 1 - first)));
  }
  return result;
}

// all runs read at the evaluations of the longest, and at those of the earliest before it begins
PlotSeries series_of(const std::string& name, const std::vector<Curve>& curves,
                     const BandRule& rule) {
  const Curve& longest =
      *std::max_element(curves.begin(), curves.end(), [](const Curve& a, const Curve& b) {
        return std::pair(a.x.back(), a.x.size()) < std::pair(b.x.back(), b.x.size());
      });
  const Curve& earliest =
      *std::min_element(curves.begin(), curves.end(),
                        [](const Curve& a, const Curve& b) { return a.x.front() < b.x.front(); });
  const auto num_gaps = static_cast<double>(longest.x.size() - 1);
  const double reach = num_gaps > 0 ? 0.5 * (longest.x.back() - longest.x.front()) / num_gaps : 0.0;
  std::vector<ReachingCurve> reaching;
  for (const Curve& curve : curves) reaching.push_back({curve, reach});
  std::vector<double> positions;
  for (const double x : earliest.x)
    if (x < longest.x.front() - reach) positions.push_back(x);
  positions.insert(positions.end(), longest.x.begin(), longest.x.end());
  std::vector<std::vector<double>> values;
  for (const ReachingCurve& curve : reaching) {
    values.emplace_back();
    for (const double x : positions) values.back().push_back(curve.at(x));
  }
  PlotSeries series = series_over_runs(fmt::format("{} ({})", name, runs_text(curves.size())),
                                       positions, values, rule);
  if (curves.size() == 1) series.low = series.high = {};
  note_changes(series, reaching);
  return series;
}

// the curves of one config, whole or in phases of their order: how runs changed from one to the next
std::vector<PlotSeries> series_of(const PlotOptions& o, const RunSet& set, const RunGroup& group,
                                  const std::string& column, const BandRule& rule) {
  const std::string name = group.label.empty() ? set.name : set.name + ": " + group.label;
  std::vector<Curve> curves = read_group(group, column);
  for (Curve& curve : curves) {
    if (o.num_bins > 0) curve = binned(curve, o.num_bins);
    if (o.smooth > 1) curve = smoothed(curve, o.smooth);
  }
  if (o.num_phases == 1) return {series_of(name, curves, rule)};
  const auto count = static_cast<int>(curves.size());
  if (count < o.num_phases)
    throw DataError(fmt::format("--phases {}: {} holds {} runs only.", o.num_phases, name, count));
  std::vector<PlotSeries> all;
  for (int i = 0; i < o.num_phases; ++i)
    all.push_back(series_of(
        fmt::format("{} {} to {} %", name, 100 * i / o.num_phases, 100 * (i + 1) / o.num_phases),
        {curves.begin() + i * count / o.num_phases,
         curves.begin() + (i + 1) * count / o.num_phases},
        rule));
  return all;
}

std::vector<const RunGroup*> groups_of(const std::vector<RunSet>& sets) {
  std::vector<const RunGroup*> groups;
  for (const RunSet& set : sets)
    for (const RunGroup& group : set.groups) groups.push_back(&group);
  return groups;
}

// environments, or else what the arguments are called
std::string title_of(const PlotOptions& o, const std::vector<RunSet>& sets) {
  if (o.title) return *o.title;
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(name);
  };
  for (const RunGroup* group : groups_of(sets)) add(environment_of(*group));
  if (names.empty())
    for (const RunSet& set : sets) add(set.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

Plot panel_of(const PlotOptions& o, const std::vector<RunSet>& sets, const std::string& column,
              bool* cut) {
  const ColumnInfo info = column_info(column, groups_of(sets));
  Plot panel{.title = title_of(o, sets),
             .x_label = o.x == "share" ? "share of the steps" : "environment steps",
             .y_label = o.y_label.value_or(info.label),
             .series = {}};
  if (o.x_label) panel.x_label = *o.x_label;
  if (o.smooth > 1) panel.y_label += fmt::format(", mean of {} rows", o.smooth);
  panel.x_limits = limits_of("--xlim", o.x_limits);
  panel.y_limits = limits_of("--ylim", o.y_limits);
  panel.log_y = o.log;
  if (o.log)
    for (const auto& end : {panel.y_limits.low, panel.y_limits.high})
      if (end && *end <= 0.0)
        throw ConfigError(fmt::format(
            "plot --log: --ylim {} has no place on a logarithmic axis; expected numbers above 0.",
            printable(o.y_limits)));
  const BandRule rule = band_rule(o.band, info, cut);
  for (const RunSet& set : sets)
    for (const RunGroup& group : set.groups)
      for (PlotSeries& series : series_of(o, set, group, column, rule))
        panel.series.push_back(std::move(series));
  for (const std::string& reference : o.references) {
    if (std::optional<Plot::Level> level = level_of(reference)) {
      panel.levels.push_back(std::move(*level));
      continue;
    }
    const auto [name, path] = name_and_path(reference);
    const Curve curve = read_curve(path, column);
    panel.series.push_back({.name = name, .x = curve.x, .y = curve.y, .dashed = true});
  }
  if (o.x == "share") {
    for (PlotSeries& series : panel.series) {
      const double last = series.x.back();
      if (last > 0.0)
        for (double& x : series.x) x /= last;
    }
  }
  return panel;
}

std::string figure_of(const PlotOptions& o, const std::vector<RunSet>& sets) {
  std::vector<Plot> panels;
  bool split = false, cut = false;
  for (const std::string& column : o.columns) {
    Plot whole = panel_of(o, sets, column, &cut);
    const auto bands = std::count_if(whole.series.begin(), whole.series.end(),
                                     [](const PlotSeries& series) { return !series.low.empty(); });
    if (bands > 1 && (o.panels == "apart" || (o.panels == "auto" && bands > kMostBands))) {
      split = true;
      for (Plot& panel : panels_apart(whole)) panels.push_back(std::move(panel));
    } else {
      if (o.columns.size() > 1) whole.title = "";
      panels.push_back(std::move(whole));
    }
  }
  for (Plot& panel : panels)
    if (std::any_of(panel.series.begin(), panel.series.end(),
                    [](const PlotSeries& series) { return !series.low.empty(); }))
      panel.band = band_text(o.band, cut);
  if (panels.size() == 1 && !split) return svg_plot(panels.front());
  // two of them are as wide as a page
  for (Plot& panel : panels) {
    panel.width = 360;
    panel.height = 250;
  }
  return svg_panels(panels, 2, title_of(o, sets));
}

}  // namespace

void add_plot(CLI::App& program) {
  const auto o = std::make_shared<PlotOptions>();
  CLI::App* plot = program.add_subcommand(
      "plot", "Draw learning curves as SVG or PNG, mean and band over seeds");
  plot->add_option("out", o->out, "the file to write: .svg, or .png through rsvg-convert or resvg")
      ->required();
  plot->add_option("runs", o->runs, "[NAME=]PATH: a table, a run, or a folder of runs over seeds")
      ->required();
  plot->add_option("--reference", o->references,
                   "[NAME=]FILE: a published curve, drawn dashed; LEVEL[=NAME]: a horizontal line");
  plot->add_option("--title", o->title, "heading; the environment if not given, \"\" for none");
  plot->add_option("--x-label", o->x_label, "name of the horizontal axis");
  plot->add_option("--y-label", o->y_label, "name of the vertical axis, with its unit");
  plot->add_option("--columns,--column", o->columns,
                   "columns of the table, a,b,...: one panel each")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str();
  // the name of before is one more for the range
  plot->add_option("--band", o->band,
                   "around the mean: range, lowest to highest run; sd, the sample deviation; ci, "
                   "the 95 % bootstrap interval of the mean")
      ->transform(CLI::CheckedTransformer(std::map<std::string, std::string>{
          {"range", "range"}, {"sd", "sd"}, {"ci", "ci"}, {"minmax", "range"}}))
      ->default_str("range");
  plot->add_option(
          "--panels", o->panels,
          "apart: a panel for each line with a band; auto: where there are more than three")
      ->check(CLI::IsMember({"auto", "apart", "together"}))
      ->capture_default_str();
  plot->add_option("--table", o->table,
                   "file of a run to read: metrics.csv, episodes.csv, decisions.csv")
      ->capture_default_str();
  plot->add_option("--bins", o->num_bins,
                   "means over this many spans of each run; 0: every row as it is")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  plot->add_option("--smooth", o->smooth,
                   "running mean over this many rows of each run, up to each row; 1: none")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  plot->add_flag("--log", o->log, "logarithmic vertical axis; values of 0 and below are gaps");
  plot->add_option("--xlim", o->x_limits,
                   "LOW,HIGH of the horizontal axis; either may be left out");
  plot->add_option("--ylim", o->y_limits, "LOW,HIGH of the vertical axis; either may be left out");
  plot->add_option("--phases", o->num_phases,
                   "cut the runs of a folder, in the order of their names, into this many groups")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  plot->add_option("--x", o->x, "steps, or share of each curve's last step")
      ->check(CLI::IsMember({"steps", "share"}))
      ->capture_default_str();
  plot->callback([o] {
    check_figure_name(o->out);
    std::vector<RunSet> sets;
    for (const std::string& run : o->runs) sets.push_back(find_set(*o, run));
    write_figure(o->out, figure_of(*o, sets));
    fmt::print("{}\n", o->out);
  });
}

}  // namespace mbrl
