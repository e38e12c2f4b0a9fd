// Lists of values on the command line, and the grid that they span: key=a,b seed=0..4.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "host/config/fields.h"

namespace mbrl {

/// One key of a grid with its values, in their order.
struct GridAxis {
  const Field* field;
  std::vector<std::string> values;  // as an override has them: "1e-4", "[64,64]"

  std::string path() const { return field->path(); }
  /// The override that sets the key to a value: "sac.learning_rate=1e-4".
  std::string override_text(std::size_t i) const { return path() + "=" + values[i]; }
};

/// More runs than anybody means.
inline constexpr std::size_t kMostGridRuns = 10000;

/// Reads key=VALUES. Values stand between commas; one in brackets or quotes holds its commas:
/// model.hidden_size=64,128, sac.hidden_sizes=[64,64],[256,256]. Keys of numbers take ranges of whole
/// numbers, both ends in them: seed=0..4, seed=0..8..2.
///
/// Errors   ConfigError naming the key and the way out: text that is no override, an unknown key, a
///          key given twice, a value that the key does not take, is empty or comes twice, a range
///          that goes down, and more than kMostGridRuns values in all combinations.
std::vector<GridAxis> parse_grid(const std::vector<std::string>& texts);

/// The grid's points: for each of them which value of each axis, the last axis fastest. Without axes
/// there is one.
std::vector<std::vector<std::size_t>> grid_points(const std::vector<GridAxis>& axes);

}  // namespace mbrl
