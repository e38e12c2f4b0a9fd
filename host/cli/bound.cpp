// mbrl_gpu bound: the real ratio that minimises the paper's return bound, over the amount of real
// data.
#include "host/stats/bound.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "host/cli/cli.h"
#include "host/io/figure_file.h"
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
                .width = 360,
                .height = 250};
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
      "\n"
      "N_real         real samples\n"
      "best ratio     share of real samples at which the bound is smallest\n"
      "bound          how far the learned policy's value may lie below the best one's: the sum of "
      "the next four,\n               in value units\n"
      "approximation  of it, what the value functions cannot represent: depends on neither\n"
      "sampling       of it, what too few samples cost: falls with N_real, rises with the ratio, as "
      "fewer\n               imagined samples come to the real ones\n"
      "model          of it, what the model's errors cost: falls slowly as the ratio rises, and to 0 "
      "at a ratio of 1\n"
      "iterations     of it, what is left after K iterations: depends on neither\n"
      "inner          the best of the ratios below 1, those that use the model, where there is one\n");
}

// what the optimum does with the number of real samples
std::string told(const BoundConstants& c, const std::vector<Row>& rows) {
  std::vector<const Row*> below, without;
  for (const Row& row : rows) (row.best.ratio < 1.0 ? below : without).push_back(&row);
  std::string text;
  if (!below.empty())
    text += fmt::format(
        "With {:.0f} to {:.0f} real samples the bound is smallest at a small share of real ones, which "
        "rises with their number: {:.3g} to {:.3g}. ",
        below.front()->num_real, below.back()->num_real, below.front()->best.ratio,
        below.back()->best.ratio);
  if (!without.empty())
    text += fmt::format(
        "With {:.0f} to {:.0f} it is smallest at a ratio of 1, without the model: there the model's "
        "errors cost more than the samples that it adds are worth. ",
        without.front()->num_real, without.back()->num_real);
  text +=
      "The inner ratio rises on, nearly in proportion to N_real, but stays far below 1 wherever it "
      "is the best: the bound tells the direction of a schedule, not its size.\n";
  const double num_real = rows.front().num_real;
  if (const auto estimate = estimated_inner_ratio(c, num_real))
    text += fmt::format(
        "For p = 1 it is close to (2 c3 sigma / (c2 z))^2 N_real / (|A| (L - 1)), with z = "
        "Phi^-1(1 - ratio delta / (8 K N_real)), L = ln(N_real K / (ratio |A| delta)) and c2, c3 the "
        "scales of sampling and model: {:.3g} at N_real = {:.0f}.\n",
        *estimate, num_real);
  return text;
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
  bound->add_option("--svg", o->svg, "draw the best real ratio into this file, .svg or .png");
  bound->add_flag("--json", o->json, "one JSON object");
  bound->callback([o] {
    if (!o->svg.empty()) check_figure_name(o->svg);
    const std::vector<Row> rows = rows_of(*o);
    if (o->json) {
      fmt::print("{}\n", json_of(o->constants, rows).dump());
    } else {
      print_table(rows);
      fmt::print("\n{}", told(o->constants, rows));
    }
    if (!o->svg.empty()) write_figure(o->svg, figure(rows));
  });
}

}  // namespace mbrl
