// mbrl_gpu bound: the real ratio that minimises the paper's return bound, over the amount of real
// data.
#include "host/stats/bound.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "host/cli/cli.h"
#include "host/io/output_file.h"
#include "host/io/svg_plot.h"

namespace mbrl {
namespace {

struct BoundOptions {
  BoundConstants constants;
  double from = 1000, to = 1000000;
  int num_points = 13;
  std::string svg;
  bool json = false;
};

struct Row {
  double num_real;
  BestRatio best;
};

// geometric steps, rounded to whole samples
std::vector<Row> rows_of(const BoundOptions& o) {
  if (!(o.from <= o.to))
    throw ConfigError(
        fmt::format("bound: --from is {}, --to {}; expected from <= to.", o.from, o.to));
  std::vector<Row> rows;
  for (int i = 0; i < o.num_points; ++i) {
    const double share = o.num_points > 1 ? static_cast<double>(i) / (o.num_points - 1) : 0.0;
    const double num_real = std::round(o.from * std::pow(o.to / o.from, share));
    rows.push_back({num_real, best_real_ratio(o.constants, num_real)});
  }
  return rows;
}

std::string figure(const std::vector<Row>& rows) {
  PlotSeries best{.name = "", .x = {}, .y = {}}, inner = best;
  for (const Row& row : rows) {
    best.x.push_back(row.num_real);
    best.y.push_back(row.best.ratio);
    if (!row.best.inner_ratio) continue;
    inner.x.push_back(row.num_real);
    inner.y.push_back(*row.best.inner_ratio);
  }
  const auto panel = [](const PlotSeries& series, const std::string& title) {
    return Plot{.title = title,
                .x_label = "real samples",
                .y_label = "real ratio",
                .series = {series},
                .width = 520,
                .height = 340};
  };
  std::vector<Plot> panels{panel(best, "best real ratio")};
  if (!inner.x.empty()) panels.push_back(panel(inner, "best real ratio that uses the model"));
  return svg_panels(panels, 2, "Return bound of AutoMBPO, equation 8");
}

nlohmann::ordered_json json_of(const BoundConstants& c, const std::vector<Row>& rows) {
  nlohmann::ordered_json result = {{"constants",
                                    {{"gamma", c.gamma},
                                     {"concentrability", c.concentrability},
                                     {"bellman_error", c.bellman_error},
                                     {"p", c.p},
                                     {"num_actions", c.num_actions},
                                     {"num_iterations", c.num_iterations},
                                     {"delta", c.delta},
                                     {"sigma", c.sigma},
                                     {"v_max", c.v_max},
                                     {"sampling_scale", c.sampling_scale},
                                     {"model_scale", c.model_scale},
                                     {"iteration_scale", c.iteration_scale}}},
                                   {"rows", nlohmann::ordered_json::array()}};
  for (const auto& [num_real, best] : rows) {
    nlohmann::ordered_json row = {{"num_real", num_real},
                                  {"best_ratio", best.ratio},
                                  {"bound", best.terms.total()},
                                  {"approximation", best.terms.approximation},
                                  {"sampling", best.terms.sampling},
                                  {"model", best.terms.model},
                                  {"iterations", best.terms.iterations},
                                  {"inner_ratio", nullptr}};
    if (best.inner_ratio) row["inner_ratio"] = *best.inner_ratio;
    result["rows"].push_back(row);
  }
  return result;
}

void print_table(const std::vector<Row>& rows) {
  fmt::print("{:>10}  {:>10}  {:>10}  {:>13}  {:>10}  {:>10}  {:>10}  {:>10}\n", "N_real",
             "best ratio", "bound", "approximation", "sampling", "model", "iterations", "inner");
  for (const auto& [num_real, best] : rows)
    fmt::print(
        "{:>10.0f}  {:>10.4g}  {:>10.4g}  {:>13.4g}  {:>10.4g}  {:>10.4g}  {:>10.4g}  "
        "{:>10}\n",
        num_real, best.ratio, best.terms.total(), best.terms.approximation, best.terms.sampling,
        best.terms.model, best.terms.iterations,
        best.inner_ratio ? fmt::format("{:.4g}", *best.inner_ratio) : "");
  fmt::print(
      "\ninner: the best of the real ratios that still use the model, where there is one.\n");
}

}  // namespace

void add_bound(CLI::App& program) {
  const auto o = std::make_shared<BoundOptions>();
  CLI::App* bound = program.add_subcommand(
      "bound", "The return bound of AutoMBPO's equation 8 and the real ratio that minimises it");
  const auto number = [&](const char* name, double& value, const char* what) {
    bound->add_option(name, value, what)->capture_default_str();
  };
  BoundConstants& c = o->constants;
  number("--gamma", c.gamma, "discount");
  number("--concentrability", c.concentrability, "C, of the state distributions");
  number("--bellman-error", c.bellman_error, "d, inherent to the value functions");
  number("--p", c.p, "of the L^p norm");
  number("--actions", c.num_actions, "|A|, number of actions");
  number("--iterations", c.num_iterations, "K, of value iteration");
  number("--delta", c.delta, "the bound holds with probability 1 - delta");
  number("--sigma", c.sigma, "of the model error; `eval --model-error` measures it");
  number("--vmax", c.v_max, "largest value, r_max / (1 - gamma)");
  number("--sampling-scale", c.sampling_scale, "constant of O() of the sampling term");
  number("--model-scale", c.model_scale, "constant of O() of the model term");
  number("--iteration-scale", c.iteration_scale, "constant of O() of the iteration term");
  number("--from", o->from, "least number of real samples");
  number("--to", o->to, "largest");
  bound->add_option("--points", o->num_points, "rows between them, geometrically spaced")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  bound->add_option("--svg", o->svg, "draw the best real ratio into this file");
  bound->add_flag("--json", o->json, "one JSON object");
  bound->callback([o] {
    const std::vector<Row> rows = rows_of(*o);
    if (o->json) {
      fmt::print("{}\n", json_of(o->constants, rows).dump());
    } else {
      print_table(rows);
    }
    if (!o->svg.empty()) write_file_atomically(o->svg, figure(rows));
  });
}

}  // namespace mbrl
