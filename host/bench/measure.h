// Times of repeated calls.
#pragma once

#include <functional>

namespace mbrl {

/// Median and quartiles of the time per call, seconds.
struct Timing {
  double median, low, high;
};

/// Calls f in batches of about 0.1 s until `seconds` are over, after one warm-up batch.
Timing measure(const std::function<void()>& f, double seconds);

}  // namespace mbrl
