// Parallel coordinates as SVG: one line of each setting through its values of all keys. The axes lie
// below one another, so that a phone shows them with their names.
#pragma once

#include <string>
#include <vector>

namespace mbrl {

/// One axis, from the left to the right.
struct ParallelAxis {
  std::string name, low, high;  // the texts at its ends
};

/// One line from the first axis to the last.
struct ParallelLine {
  std::vector<double> places;  // on each axis, 0 the left end to 1; what is not finite is a gap
  double strength = 0.0;       // 0 faint to 1 strong
  bool is_best = false;        // in a color of its own, above all others
};

/// The text of an SVG file of 420 pixels' width; equal arguments give equal bytes.
///
/// Errors   ShapeError if a line has not a place for each axis, DataError if there is no axis.
std::string svg_parallel(const std::vector<ParallelAxis>& axes,
                         const std::vector<ParallelLine>& lines);

}  // namespace mbrl
