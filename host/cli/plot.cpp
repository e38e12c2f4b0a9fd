// mbrl_gpu plot: learning curves, schedules and other columns of runs as an SVG file.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "host/cli/cli.h"
#include "host/cli/run_groups.h"
#include "host/io/console.h"
#include "host/io/curves.h"
#include "host/io/output_file.h"
#include "host/io/svg_plot.h"

namespace mbrl {
namespace {

struct PlotOptions {
  std::string out, title, band = "minmax", x = "steps", table = "metrics.csv";
  int num_bins = 0, num_phases = 1;
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

std::string runs_text(std::size_t count) {
  return fmt::format("{} run{}", count, count == 1 ? "" : "s");
}

// where runs end before the longest one, the mean goes on over fewer: the number stands there
void note_ends(PlotSeries& series, const std::vector<Curve>& curves) {
  const auto running = [&](double x) {
    return static_cast<std::size_t>(std::count_if(
        curves.begin(), curves.end(), [&](const Curve& curve) { return curve.x.back() >= x; }));
  };
  for (std::size_t i = 1; i < series.x.size(); ++i)
    if (running(series.x[i]) < running(series.x[i - 1]))
      series.notes.push_back({i, runs_text(running(series.x[i]))});
}

// evaluations of seeds fall on slightly different steps: read all at those of the longest
PlotSeries series_of(const std::string& name, const std::vector<Curve>& curves, Band band) {
  const Curve& longest =
      *std::max_element(curves.begin(), curves.end(), [](const Curve& a, const Curve& b) {
        return std::pair(a.x.back(), a.x.size()) < std::pair(b.x.back(), b.x.size());
      });
  std::vector<std::vector<double>> values;
  for (const Curve& curve : curves) {
    values.emplace_back();
    for (const double x : longest.x) values.back().push_back(curve.at(x));
  }
  PlotSeries series = series_over_runs(fmt::format("{} ({})", name, runs_text(curves.size())),
                                       longest.x, values, band);
  note_ends(series, curves);
  return series;
}

// the curves of one config, whole or in phases of their order: how runs changed from one to the next
std::vector<PlotSeries> series_of(const PlotOptions& o, const RunSet& set, const RunGroup& group,
                                  const std::string& column) {
  const std::string name = group.label.empty() ? set.name : set.name + ": " + group.label;
  std::vector<Curve> curves = read_group(group, column);
  if (o.num_bins > 0)
    for (Curve& curve : curves) curve = binned(curve, o.num_bins);
  const Band band = o.band == "sd" ? Band::kStd : Band::kMinMax;
  if (o.num_phases == 1) return {series_of(name, curves, band)};
  const auto count = static_cast<int>(curves.size());
  if (count < o.num_phases)
    throw DataError(fmt::format("--phases {}: {} holds {} runs only.", o.num_phases, name, count));
  std::vector<PlotSeries> all;
  for (int i = 0; i < o.num_phases; ++i)
    all.push_back(series_of(
        fmt::format("{} {} to {} %", name, 100 * i / o.num_phases, 100 * (i + 1) / o.num_phases),
        {curves.begin() + i * count / o.num_phases,
         curves.begin() + (i + 1) * count / o.num_phases},
        band));
  return all;
}

Plot panel_of(const PlotOptions& o, const std::vector<RunSet>& sets, const std::string& column) {
  Plot panel{.title = o.title,
             .x_label = o.x == "share" ? "share of the steps" : "environment steps",
             .y_label = column,
             .series = {}};
  for (const RunSet& set : sets)
    for (const RunGroup& group : set.groups)
      for (PlotSeries& series : series_of(o, set, group, column))
        panel.series.push_back(std::move(series));
  for (const std::string& reference : o.references) {
    const auto [name, path] = name_and_path(reference);
    const Curve curve = read_curve(path, column);
    panel.series.push_back({.name = name, .x = curve.x, .y = curve.y, .dashed = true});
  }
  if (o.x == "share") {
    for (PlotSeries& series : panel.series) {
      const double last = series.x.back();
      for (double& x : series.x) x /= last;
    }
  }
  return panel;
}

}  // namespace

void add_plot(CLI::App& program) {
  const auto o = std::make_shared<PlotOptions>();
  CLI::App* plot =
      program.add_subcommand("plot", "Draw learning curves as SVG, mean and band over seeds");
  plot->add_option("out", o->out, "the SVG file to write")->required();
  plot->add_option("runs", o->runs, "[NAME=]PATH: a table, a run, or a folder of runs over seeds")
      ->required();
  plot->add_option("--reference", o->references, "[NAME=]FILE: a published curve, drawn dashed");
  plot->add_option("--title", o->title, "heading");
  plot->add_option("--columns,--column", o->columns,
                   "columns of the table, a,b,...: one panel each")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str();
  plot->add_option("--band", o->band, "around the mean: minmax, or sd for the sample deviation")
      ->check(CLI::IsMember({"minmax", "sd"}))
      ->capture_default_str();
  plot->add_option("--table", o->table,
                   "file of a run to read: metrics.csv, episodes.csv, decisions.csv")
      ->capture_default_str();
  plot->add_option("--bins", o->num_bins,
                   "means over this many spans of each run; 0: every row as it is")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  plot->add_option("--phases", o->num_phases,
                   "cut the runs of a folder, in the order of their names, into this many groups")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  plot->add_option("--x", o->x, "steps, or share of each curve's last step")
      ->check(CLI::IsMember({"steps", "share"}))
      ->capture_default_str();
  plot->callback([o] {
    std::vector<RunSet> sets;
    for (const std::string& run : o->runs) sets.push_back(find_set(*o, run));
    std::vector<Plot> panels;
    for (const std::string& column : o->columns) panels.push_back(panel_of(*o, sets, column));
    if (panels.size() == 1) {
      write_file_atomically(o->out, svg_plot(panels.front()));
    } else {
      // a page's width for two panels
      for (Plot& panel : panels) {
        panel.title = std::exchange(panel.y_label, "");
        panel.width = 520;
        panel.height = 340;
      }
      write_file_atomically(o->out, svg_panels(panels, 2, o->title));
    }
    fmt::print("{}\n", o->out);
  });
}

}  // namespace mbrl
