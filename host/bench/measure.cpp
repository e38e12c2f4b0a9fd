#include "host/bench/measure.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace mbrl {

Timing measure(const std::function<void()>& f, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto time = [&](int calls) {
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) f();
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  f();
  const double once = std::max(time(1), 1e-7);
  const int calls = std::clamp(static_cast<int>(0.1 / once), 1, 1000000);
  time(calls);
  std::vector<double> times;
  for (double total = 0.0; total < seconds || times.size() < 5;) {
    times.push_back(time(calls) / calls);
    total += times.back() * calls;
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() / 4], times[times.size() * 3 / 4]};
}

}  // namespace mbrl
