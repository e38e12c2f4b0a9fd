#include "host/analysis/open_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "host/io/svg_plot.h"
#include "host/model/predict.h"

namespace mbrl {
namespace {

// rows of the episodes that have `horizon` steps after them, `horizon` apart
std::vector<std::size_t> starts_of(const Episodes& episodes, int horizon) {
  std::vector<std::size_t> starts;
  std::size_t first = 0;
  int longest = 0;
  for (const int length : episodes.lengths) {
    for (int at = 0; at + horizon <= length; at += horizon)
      starts.push_back(first + static_cast<std::size_t>(at));
    first += static_cast<std::size_t>(length);
    longest = std::max(longest, length);
  }
  if (starts.empty())
    throw DataError(
        fmt::format("open loop: no episode has the {} steps that are to be predicted; the longest "
                    "has {}. Predict fewer.",
                    horizon, longest));
  return starts;
}

struct Members {
  double mean, low, high;
};
Members members_at(const OpenLoop& found, int step, int entry) {
  const auto size = static_cast<std::size_t>((found.horizon + 1) * found.observation_size);
  const auto at = static_cast<std::size_t>(step * found.observation_size + entry);
  Members m{0.0, HUGE_VAL, -HUGE_VAL};
  for (int e = 0; e < found.num_members; ++e) {
    const double value = found.predicted[static_cast<std::size_t>(e) * size + at];
    m.mean += value / found.num_members;
    m.low = std::min(m.low, value);
    m.high = std::max(m.high, value);
  }
  return m;
}

}  // namespace

double OpenLoop::relative(const std::vector<double>& values, int step) const {
  double sum = 0.0;
  int count = 0;
  for (int i = 0; i < observation_size; ++i) {
    const double of_entry = scale[static_cast<std::size_t>(i)];
    if (!(of_entry > 1e-8)) continue;
    sum += values[static_cast<std::size_t>(step * observation_size + i)] / of_entry;
    ++count;
  }
  return count > 0 ? sum / count : 0.0;
}

OpenLoop open_loop(Stream& stream, const EnsembleState& model, const Episodes& episodes,
                   int horizon) {
  if (model.num_steps == 0) throw DataError("open loop: the model has never been fitted.");
  const std::vector<std::size_t> starts = starts_of(episodes, horizon);
  const TransitionLayout& layout = episodes.layout;
  const TransitionsView real = episodes.view();
  const auto S = static_cast<std::size_t>(layout.observation_size);
  const auto E = static_cast<std::size_t>(model.ensemble_size);
  const std::size_t N = starts.size(), H = static_cast<std::size_t>(horizon);
  OpenLoop found{.horizon = horizon,
                 .num_starts = static_cast<int>(N),
                 .observation_size = layout.observation_size,
                 .num_members = model.ensemble_size,
                 .real = std::vector<double>((H + 1) * S),
                 .predicted = std::vector<double>(E * (H + 1) * S),
                 .error = std::vector<double>(H * S),
                 .spread = std::vector<double>(H * S),
                 .scale = std::vector<double>(S)};

  // a record for each member and start: the state that the member is in, and the real action
  const auto pitch = static_cast<std::size_t>(layout.pitch());
  std::vector<float> records(E * N * pitch, 0.0f);
  for (std::size_t e = 0; e < E; ++e)
    for (std::size_t n = 0; n < N; ++n)
      std::copy_n(real.record(starts[n]), S, records.data() + (e * N + n) * pitch);
  std::vector<double> sum(S), squares(S);
  for (std::size_t h = 0; h <= H; ++h) {
    // where the members are, and where the robot was
    for (std::size_t i = 0; i < S; ++i) {
      const auto real_entry = [&](std::size_t n) {
        // what the last step of an episode leads to is in its record alone
        return static_cast<double>(
            h == 0
                ? real.record(starts[n])[i]
                : real.record(starts[n] + h - 1)[layout.next_observation() + static_cast<int>(i)]);
      };
      found.real[h * S + i] = real_entry(0);
      for (std::size_t e = 0; e < E; ++e)
        found.predicted[(e * (H + 1) + h) * S + i] = records[e * N * pitch + i];
      double error = 0.0, variance = 0.0;
      for (std::size_t n = 0; n < N; ++n) {
        double mean = 0.0, of_members = 0.0;
        for (std::size_t e = 0; e < E; ++e) mean += records[(e * N + n) * pitch + i];
        mean /= static_cast<double>(E);
        for (std::size_t e = 0; e < E; ++e)
          of_members += std::pow(records[(e * N + n) * pitch + i] - mean, 2.0);
        variance += of_members / static_cast<double>(E);
        error += std::pow(mean - real_entry(n), 2.0);
        sum[i] += real_entry(n);
        squares[i] += real_entry(n) * real_entry(n);
      }
      if (h == 0) continue;
      found.error[(h - 1) * S + i] = std::sqrt(error / static_cast<double>(N));
      found.spread[(h - 1) * S + i] = std::sqrt(variance / static_cast<double>(N));
    }
    if (h == H) break;
    for (std::size_t e = 0; e < E; ++e)
      for (std::size_t n = 0; n < N; ++n)
        std::copy_n(real.record(starts[n] + h) + layout.action(), layout.action_size,
                    records.data() + (e * N + n) * pitch + layout.action());
    const std::vector<float> next =
        predict_by_members(stream, model, {records.data(), layout, E * N});
    for (std::size_t e = 0; e < E; ++e)
      for (std::size_t n = 0; n < N; ++n)
        std::copy_n(next.data() + (e * E * N + e * N + n) * S, S,
                    records.data() + (e * N + n) * pitch);
  }
  const auto count = static_cast<double>(N * (H + 1));
  for (std::size_t i = 0; i < S; ++i)
    found.scale[i] = std::sqrt(std::max(0.0, squares[i] / count - std::pow(sum[i] / count, 2.0)));
  return found;
}

std::string open_loop_figure(const OpenLoop& found, const std::string& title) {
  std::vector<Plot> panels;
  for (int i = 0; i < found.observation_size; ++i) {
    PlotSeries real{.name = "real", .x = {}, .y = {}};
    PlotSeries predicted{.name = "mean of the members", .x = {}, .y = {}};
    for (int h = 0; h <= found.horizon; ++h) {
      const Members m = members_at(found, h, i);
      real.x.push_back(h);
      real.y.push_back(found.real[static_cast<std::size_t>(h * found.observation_size + i)]);
      predicted.x.push_back(h);
      predicted.y.push_back(m.mean);
      predicted.low.push_back(m.low);
      predicted.high.push_back(m.high);
    }
    panels.push_back({.title = fmt::format("entry {}", i),
                      .x_label = "step",
                      .y_label = "",
                      .series = {real, predicted},
                      .width = 260,
                      .height = 170,
                      .band = "range of the members"});
  }
  constexpr int kColumns = 3;
  return svg_panels(panels, std::min(kColumns, found.observation_size), title);
}

std::string open_loop_csv(const OpenLoop& found) {
  std::string text = "step,entry,real,predicted,low,high,error,spread\n";
  for (int h = 1; h <= found.horizon; ++h)
    for (int i = 0; i < found.observation_size; ++i) {
      const Members m = members_at(found, h, i);
      const auto at = static_cast<std::size_t>((h - 1) * found.observation_size + i);
      text += fmt::format("{},{},{},{},{},{},{},{}\n", h, i,
                          found.real[at + static_cast<std::size_t>(found.observation_size)], m.mean,
                          m.low, m.high, found.error[at], found.spread[at]);
    }
  return text;
}

}  // namespace mbrl
