// mbrl_gpu plot: learning curves of runs as an SVG file.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <memory>
#include <sstream>

#include "cuda/check.h"
#include "host/cli/cli.h"
#include "host/io/output_file.h"
#include "host/io/svg_plot.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

struct Curve {
  std::vector<double> x, y;

  // linear between points, NaN outside
  double at(double position) const {
    const auto right = std::lower_bound(x.begin(), x.end(), position) - x.begin();
    if (right < static_cast<std::ptrdiff_t>(x.size()) && x[right] == position) return y[right];
    if (right == 0 || right == static_cast<std::ptrdiff_t>(x.size()))
      return std::numeric_limits<double>::quiet_NaN();
    const double share = (position - x[right - 1]) / (x[right] - x[right - 1]);
    return y[right - 1] + share * (y[right] - y[right - 1]);
  }
};

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> fields;
  std::stringstream text(line);
  for (std::string field; std::getline(text, field, ',');) fields.push_back(field);
  return fields;
}

// columns env_steps and `column` of a table; lines that start with # are comments
Curve read_curve(const fs::path& path, const std::string& column) {
  std::stringstream lines(read_file(path));
  std::string line;
  while (std::getline(lines, line) && line.starts_with('#')) {
  }
  const std::vector<std::string> header = split(line);
  const auto index = [&](const std::string& name) {
    const auto found = std::find(header.begin(), header.end(), name);
    if (found == header.end())
      throw DataError(
          fmt::format("{} has no column {}; its columns are {}.", path.string(), name, line));
    return static_cast<std::size_t>(found - header.begin());
  };
  const std::size_t x = index("env_steps"), y = index(column);
  Curve curve;
  while (std::getline(lines, line)) {
    const std::vector<std::string> fields = split(line);
    double values[2];
    bool complete = fields.size() > std::max(x, y);
    for (int i = 0; i < 2 && complete; ++i) {
      const std::string& field = fields[i == 0 ? x : y];
      complete =
          std::from_chars(field.data(), field.data() + field.size(), values[i]).ec == std::errc();
    }
    if (!complete) continue;  // an empty field: not measured
    curve.x.push_back(values[0]);
    curve.y.push_back(values[1]);
  }
  if (curve.x.empty())
    throw DataError(fmt::format("{} holds no rows with {}.", path.string(), column));
  return curve;
}

// a table, or every metrics.csv below a folder
std::vector<fs::path> tables(const fs::path& path) {
  if (fs::is_regular_file(path)) return {path};
  std::vector<fs::path> found;
  std::error_code absent;
  for (const auto& entry : fs::recursive_directory_iterator(path, absent)) {
    const std::string name = entry.path().filename().string();
    if (name == "metrics.csv" || (name.starts_with("seed-") && name.ends_with(".csv")))
      found.push_back(entry.path());
  }
  if (found.empty())
    throw DataError(
        fmt::format("{} holds no metrics.csv or seed-*.csv: expected a table, a run directory or a "
                    "folder of runs.",
                    path.string()));
  std::sort(found.begin(), found.end());
  return found;
}

// "NAME=PATH", or a path that names itself
std::pair<std::string, fs::path> named(const std::string& text) {
  const std::size_t at = text.find('=');
  if (at == std::string::npos) return {fs::path(text).filename().string(), text};
  return {text.substr(0, at), text.substr(at + 1)};
}

}  // namespace

void add_plot(CLI::App& program) {
  struct Options {
    std::string out, title, column = "eval_return_mean";
    std::vector<std::string> runs, references;
  };
  const auto o = std::make_shared<Options>();
  CLI::App* plot =
      program.add_subcommand("plot", "Draw learning curves as SVG, mean and range over seeds");
  plot->add_option("out", o->out, "the SVG file to write")->required();
  plot->add_option("runs", o->runs, "[NAME=]PATH: a table, a run, or a folder of runs over seeds")
      ->required();
  plot->add_option("--reference", o->references, "[NAME=]FILE: a published curve, drawn dashed");
  plot->add_option("--title", o->title, "heading");
  plot->add_option("--column", o->column, "column of metrics.csv")->capture_default_str();
  plot->callback([o] {
    Plot figure{
        .title = o->title, .x_label = "environment steps", .y_label = o->column, .series = {}};
    for (const std::string& run : o->runs) {
      const auto [name, path] = named(run);
      std::vector<Curve> curves;
      for (const fs::path& table : tables(path)) curves.push_back(read_curve(table, o->column));
      // evaluations of seeds fall on slightly different steps: read all at those of the longest
      const Curve& longest =
          *std::max_element(curves.begin(), curves.end(),
                            [](const Curve& a, const Curve& b) { return a.x.size() < b.x.size(); });
      std::vector<std::vector<double>> values;
      for (const Curve& curve : curves) {
        values.emplace_back();
        for (const double x : longest.x) values.back().push_back(curve.at(x));
      }
      figure.series.push_back(series_over_runs(
          fmt::format("{} ({} seed{})", name, curves.size(), curves.size() == 1 ? "" : "s"),
          longest.x, values, Band::kMinMax));
    }
    for (const std::string& reference : o->references) {
      const auto [name, path] = named(reference);
      const Curve curve = read_curve(path, o->column);
      figure.series.push_back({.name = name, .x = curve.x, .y = curve.y, .dashed = true});
    }
    write_file_atomically(o->out, svg_plot(figure));
    fmt::print("{}\n", o->out);
  });
}

}  // namespace mbrl
