// From the precision a user chose to the kernel compiled for it.
#pragma once

#include "cuda/stream.h"
#include "kernels/gpu/device_mlp.h"

namespace mbrl::gpu {

/// Calls f.template operator()<precision>() with the stream's precision.
template <typename F>
void with_precision(const Stream& stream, F&& f) {
  switch (stream.precision()) {
    case Precision::kFp32:
      return f.template operator()<Precision::kFp32>();
    case Precision::kTf32:
      return f.template operator()<Precision::kTf32>();
    case Precision::kFp16:
      return f.template operator()<Precision::kFp16>();
    case Precision::kBf16:
      return f.template operator()<Precision::kBf16>();
  }
}

}  // namespace mbrl::gpu
