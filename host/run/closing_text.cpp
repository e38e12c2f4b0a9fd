#include "host/run/closing_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "base/shell_word.h"
#include "host/io/curves.h"
#include "host/io/json_file.h"
#include "host/io/progress.h"
#include "host/stats/summary.h"

namespace mbrl {
namespace {

constexpr std::size_t kLastEvaluations = 5;

// "last 3412.1, best 3541.0 at 98000, mean of the last 5 3398.2"
std::string returns_text(const Curve& returns) {
  const auto best = std::max_element(returns.y.begin(), returns.y.end()) - returns.y.begin();
  const std::size_t count = std::min(kLastEvaluations, returns.y.size());
  const double mean = mean_of(std::span(returns.y).last(count));
  return fmt::format("last {:.1f}, best {:.1f} at step {:.0f}, mean of the last {} {:.1f}",
                     returns.y.back(), returns.y[static_cast<std::size_t>(best)],
                     returns.x[static_cast<std::size_t>(best)], count, mean);
}

// the largest first, what is left together: "sac 61 %, model_fit 30 %, other 9 %"
std::string stages_text(const nlohmann::ordered_json& seconds, double total) {
  std::vector<std::pair<double, std::string>> stages;
  for (const auto& [stage, time] : seconds.items()) stages.emplace_back(time.get<double>(), stage);
  std::sort(stages.rbegin(), stages.rend());
  constexpr std::size_t kShown = 4;
  std::vector<std::string> texts;
  double shown = 0.0;
  for (std::size_t i = 0; i < std::min(kShown, stages.size()); ++i) {
    texts.push_back(fmt::format("{} {:.0f} %", stages[i].second, 100.0 * stages[i].first / total));
    shown += stages[i].first;
  }
  texts.push_back(fmt::format("other {:.0f} %", std::max(0.0, 100.0 * (total - shown) / total)));
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

std::string closing_text(const std::filesystem::path& run) {
  const nlohmann::ordered_json summary = read_json(run / "summary.json");
  std::string text;
  const auto line = [&](const char* name, const std::string& what) {
    text += fmt::format("{:<8} {}\n", name, what);
  };
  using_file(run / "summary.json", [&] {
    const double seconds = summary.at("wall_time_s");
    const std::string updated = summary.contains("model_updates") ? "model" : "policy";
    line(summary.at("status").get<std::string>().c_str(),
         fmt::format("{} env steps, {} {} updates in {}",
                     summary.at("env_steps").get<std::int64_t>(),
                     summary.at(updated + "_updates").get<std::int64_t>(), updated,
                     duration_text(seconds)));
    try {
      line("return", returns_text(read_curve(run / "metrics.csv", "eval_return_mean")));
    } catch (const NoRows&) {
      line("return", "no evaluation yet");
    }
    if (seconds > 0.0) line("time", stages_text(summary.at("stage_seconds"), seconds));
  });
  const std::string folder = printable(shell_word(run.string()));
  line("folder", printable(run.string()));
  line("next", "mbrl_gpu eval " + folder);
  line("", "mbrl_gpu plot curve.svg " + folder);
  line("", "tensorboard --logdir " + folder);
  return text;
}

}  // namespace mbrl
