// Arrays as a checkpoint holds them: some of each type, one with nothing in it.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

#include "host/io/checkpoint.h"
#include "host/io/safetensors.h"

namespace mbrl {

struct CheckpointData {
  std::vector<float> weight = std::vector<float>(256 * 11);
  std::vector<double> state = {1.5, -2.25};
  std::vector<std::uint8_t> flags = {1, 0, 255};
  std::vector<float> replay = std::vector<float>(40000, 0.5f);

  CheckpointData() { std::iota(weight.begin(), weight.end(), 0.0f); }

  std::vector<TensorRef> weights() {
    return {tensor_ref("actor.0.weight", weight.data(), {256, 11}),
            tensor_ref("flags", flags.data(), {3}),
            tensor_ref("nothing", static_cast<float*>(nullptr), {0, 4})};
  }
  CheckpointContents contents(double mark = 0) {
    return {weights(),
            {tensor_ref("replay", replay.data(), {static_cast<std::int64_t>(replay.size())}),
             tensor_ref("state", state.data(), {2})},
            {{"mark", mark}}};
  }
};

}  // namespace mbrl
