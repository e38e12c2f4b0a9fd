// Trained parameters and their optimizer's moments.
#pragma once

#include <cstddef>

#include "cuda/buffer.h"

namespace mbrl {

/// Parameters of one network, or of several of one layout one after the other, with Adam's moments.
struct TrainedParameters {
  Buffer<float> value, m, v;

  explicit TrainedParameters(std::size_t size = 0, Memory memory = Memory::kHost)
      : value(size, 0.0f, memory, "parameters"),
        m(size, 0.0f, memory, "moments"),
        v(size, 0.0f, memory, "moments") {}
};

}  // namespace mbrl
