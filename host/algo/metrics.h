// Running means of what an algorithm measures, under names fixed at start.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "host/io/archive.h"

namespace mbrl {

/// One measured value, as Metrics::declare gives it.
struct Metric {
  std::size_t index;
};

/// A list of named values in the order of their declaration: the mean of what was added since the
/// last take(), or a current value. take_recent() reads the same over spans of its own. Part of the
/// checkpoint, so that a resumed run writes the same rows.
class Metrics {
 public:
  /// A mean.
  Metric declare(const std::string& name);
  /// A value that is asked for when it is taken.
  void declare(const std::string& name, std::function<double()> current);
  const std::vector<std::string>& names() const { return names_; }

  void add(Metric metric, double value);

  /// The values, NaN where nothing was measured; means start anew.
  std::vector<double> take();
  /// The same since the last call of this one; what take() gives does not change.
  std::vector<double> take_recent();

  void visit(Archive& archive);

 private:
  std::vector<std::string> names_;
  std::vector<std::function<double()>> current_;  // empty for means
  std::vector<double> sum_;
  std::vector<std::int64_t> count_;
  std::vector<double> recent_sum_;
  std::vector<std::int64_t> recent_count_;
  std::vector<std::uint8_t> is_latest_;  // was taken as a current value
};

}  // namespace mbrl
