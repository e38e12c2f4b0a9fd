// Shape checks of operations: what was passed, what was expected, in one sentence.
#pragma once

#include <array>
#include <initializer_list>
#include <string>

#include "cuda/buffer.h"

namespace mbrl {

/// The shape of an argument and its name in the operation's declaration.
struct NamedShape {
  static constexpr int kMaxRank = 3;

  template <typename T, int kRank>
  requires(kRank <= kMaxRank) NamedShape(const char* argument, const View<T, kRank>& view)
      : name(argument), rank(kRank) {
    for (int axis = 0; axis < kRank; ++axis) sizes[axis] = view.size(axis);
  }
  NamedShape(const char* argument, std::initializer_list<int> shape);

  bool operator==(const NamedShape& other) const {
    return rank == other.rank && sizes == other.sizes;
  }
  /// Such as "[256, 12]".
  std::string text() const;

  const char* name;
  int rank;
  std::array<int, kMaxRank> sizes{};
};

/// Throws ShapeError at the first of `others` whose shape is not that of `first`:
/// "gaussian_nll: mean is [256, 12], target is [256, 11]; expected the same shape."
void check_same_shape(const char* operation, const NamedShape& first,
                      std::initializer_list<NamedShape> others);

/// Throws ShapeError unless the argument has the expected shape; `reason` ends the sentence:
/// "gae: value is [3]; expected [4], one per environment."
void check_shape(const char* operation, const NamedShape& argument,
                 std::initializer_list<int> expected, const char* reason);

}  // namespace mbrl
