#include "kernels/gpu/product.h"

namespace mbrl::gpu {

const char* provider_name(GemmProvider provider) {
  switch (provider) {
    case GemmProvider::kFused:
      return "hand";
    case GemmProvider::kPlain:
      return "plain";
    case GemmProvider::kCublasLt:
      return "cublaslt";
    case GemmProvider::kCudnn:
      return "cudnn";
  }
  return "";
}

std::string provider_missing(GemmProvider provider) {
  const auto reason = [](std::string (*missing)(), const char* header) {
    return missing == nullptr
               ? std::string("this program was built without ") + header + " of the CUDA toolkit"
               : missing();
  };
  if (provider == GemmProvider::kCublasLt) return reason(cublaslt::missing, "cublasLt.h");
  if (provider == GemmProvider::kCudnn) return reason(cudnn::missing, "cudnn.h");
  return "";
}

}  // namespace mbrl::gpu
