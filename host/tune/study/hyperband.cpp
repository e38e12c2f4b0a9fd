#include "host/tune/study/hyperband.h"

#include <algorithm>

namespace mbrl {
namespace {

// floor(log(max / min) / log eta), without a logarithm's rounding
int num_divisions(std::int64_t min_steps, std::int64_t max_steps, int eta) {
  int count = 0;
  for (double steps = static_cast<double>(max_steps) / eta;
       steps >= static_cast<double>(min_steps) && steps >= 1.0; steps /= eta)
    ++count;
  return count;
}

}  // namespace

std::vector<Rung> hyperband_bracket(std::int64_t min_steps, std::int64_t max_steps, int eta,
                                    int iteration) {
  const int num_budgets = num_divisions(min_steps, max_steps, eta) + 1;
  const int s = num_budgets - 1 - iteration % num_budgets;
  std::int64_t power = 1;  // eta^s
  for (int i = 0; i < s; ++i) power *= eta;
  std::int64_t num_trials = num_budgets / (s + 1) * power;
  std::vector<Rung> rungs;
  for (int i = 0; i <= s; ++i) {
    rungs.push_back({static_cast<int>(std::max<std::int64_t>(num_trials, 1)), max_steps / power});
    num_trials /= eta;
    power /= eta;
  }
  return rungs;
}

}  // namespace mbrl
