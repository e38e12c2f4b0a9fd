#include "host/model/end_rule.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace mbrl {

EndWeights balanced_weights(std::span<const float> ended) {
  const auto rows = static_cast<float>(ended.size());
  const auto ends = static_cast<float>(std::count(ended.begin(), ended.end(), 1.0f));
  if (ends == 0.0f || ends == rows) return {};
  return {std::min(kMaxEndWeight, rows / (2.0f * (rows - ends))),
          std::min(kMaxEndWeight, rows / (2.0f * ends))};
}

float matching_threshold(std::vector<float> logits, std::size_t num_rows, std::size_t num_ended,
                         const EndWeights& weights) {
  std::sort(logits.begin(), logits.end(), std::greater<>());
  // weighted rows move the logit of even odds by this
  const float even = std::log(weights.ends / weights.goes_on);
  const std::size_t above = logits.size() / num_rows * num_ended;
  if (above == 0) return std::max(even, logits.front());
  // above it, not at it
  if (above == logits.size()) return std::min(even, std::nextafter(logits.back(), -INFINITY));
  return logits[above] + 0.5f * (logits[above - 1] - logits[above]);
}

}  // namespace mbrl
