// How an error prints a value that is not finite.
#pragma once

#include <cmath>
#include <string>

namespace mbrl {

/// "nan", "inf" or "-inf": the sign of a NaN means nothing and differs between machines.
inline std::string not_finite_text(double value) {
  return std::isnan(value) ? "nan" : std::to_string(value);
}

}  // namespace mbrl
