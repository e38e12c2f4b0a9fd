// Section "device": how the machine computes.
#pragma once

#include <string>

#include "base/keys.h"

namespace mbrl {

struct DeviceConfig {
  MBRL_KEY(std::string, precision,
           "operands of matrix products; sums and parameters are always fp32; bf16 needs a GPU or a "
           "CPU with AVX512-BF16, tf32 and fp16 a GPU",
           Choices{{"fp32", "tf32", "fp16", "bf16"}}) = "fp32";
  MBRL_KEY(std::string, gemm,
           "GPU: matrix products of SAC and the ensemble by our fused kernels (hand), layer by "
           "layer by our own kernel (plain) or a library, or whichever is fastest here (auto, "
           "measured once)",
           Choices{{"hand", "plain", "cublaslt", "cudnn", "auto"}}) = "hand";
  MBRL_KEY(bool, graphs,
           "GPU: launch recorded sequences as one graph; false: kernel by kernel, to find "
           "errors") = true;
  MBRL_KEY(std::string, plans,
           "control steps of a process's learners that plan at the same time: in one call "
           "(together), one by one (alone), or together on a GPU (auto); the results are the same",
           Choices{{"auto", "together", "alone"}}) = "auto";
};

}  // namespace mbrl
