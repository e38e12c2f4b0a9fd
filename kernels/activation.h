// Activations of hidden layers.
#pragma once

namespace mbrl {

enum class Activation { kNone, kRelu, kSwish, kTanh };

}  // namespace mbrl
