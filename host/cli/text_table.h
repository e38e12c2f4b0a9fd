// Tables of text for a terminal, and numbers with as many digits as tell them apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "host/stats/summary.h"

namespace mbrl {

/// How many columns of a terminal a text takes.
std::size_t text_columns(std::string_view text);

/// Rows of cells below one another; the first `num_left` columns begin at the left, the others end
/// at the right. Each row has as many cells as the first.
std::string table_text(const std::vector<std::vector<std::string>>& rows, std::size_t num_left);

/// Writes numbers with as many digits as the largest of those that it has seen needs.
class Numbers {
 public:
  void see(double value) { largest_ = std::max(largest_, std::abs(value)); }
  std::string text(double value) const;
  std::string text(const Interval& interval) const {
    return text(interval.low) + " to " + text(interval.high);
  }

 private:
  double largest_ = 0.0;
};

}  // namespace mbrl
