#include "kernels/data/shapes.h"

#include <algorithm>

#include "base/error.h"

namespace mbrl {

NamedShape::NamedShape(const char* argument, std::initializer_list<int> shape)
    : name(argument), rank(static_cast<int>(shape.size())) {
  std::copy(shape.begin(), shape.end(), sizes.begin());
}

std::string NamedShape::text() const {
  std::string text = "[";
  for (int axis = 0; axis < rank; ++axis)
    text += (axis > 0 ? ", " : "") + std::to_string(sizes[axis]);
  return text + "]";
}

void check_same_shape(const char* operation, const NamedShape& first,
                      std::initializer_list<NamedShape> others) {
  for (const NamedShape& other : others)
    if (!(other == first))
      throw ShapeError(std::string(operation) + ": " + first.name + " is " + first.text() + ", " +
                       other.name + " is " + other.text() + "; expected the same shape.");
}

void check_shape(const char* operation, const NamedShape& argument,
                 std::initializer_list<int> expected, const char* reason) {
  const NamedShape wanted(argument.name, expected);
  if (argument == wanted) return;
  throw ShapeError(std::string(operation) + ": " + argument.name + " is " + argument.text() +
                   "; expected " + wanted.text() + ", " + reason + ".");
}

}  // namespace mbrl
