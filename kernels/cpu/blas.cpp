#include "kernels/cpu/blas.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include <string>

#include "base/error.h"

namespace mbrl {
namespace {

std::string describe(const char* name, Matrix<const float> m, bool transposed) {
  return std::string(name) + " is [" + std::to_string(m.size(0)) + ", " +
         std::to_string(m.size(1)) + "]" + (transposed ? " transposed" : "");
}

std::string describe(Matrix<const float> c, Matrix<const float> a, bool transpose_a,
                     Matrix<const float> b, bool transpose_b) {
  return describe("a", a, transpose_a) + ", " + describe("b", b, transpose_b) + ", " +
         describe("c", c, false);
}

/// One OpenMP thread for the calling thread's library calls: parallelism is the pool's business.
class OneLibraryThread {
 public:
  OneLibraryThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneLibraryThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneLibraryThread(const OneLibraryThread&) = delete;
  OneLibraryThread& operator=(const OneLibraryThread&) = delete;

 private:
  int before_;
};

}  // namespace

void gemm(Matrix<float> c, Matrix<const float> a, bool transpose_a, Matrix<const float> b,
          bool transpose_b, float alpha, float beta) {
  const int m = a.size(transpose_a ? 1 : 0), k = a.size(transpose_a ? 0 : 1);
  const int n = b.size(transpose_b ? 0 : 1);
  if (b.size(transpose_b ? 1 : 0) != k || c.size(0) != m || c.size(1) != n)
    throw ShapeError("gemm: " + describe(c, a, transpose_a, b, transpose_b) +
                     "; expected [m, k] times [k, n] to give [m, n].");
  if (k == 0) {
    for (std::size_t i = 0; i < c.count(); ++i) c[i] = beta == 0.0f ? 0.0f : beta * c[i];
    return;
  }
  if (m == 0 || n == 0) return;

  const OneLibraryThread one_thread;
  const dnnl_status_t status =
      dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha, a.data,
                 a.size(1), b.data, b.size(1), beta, c.data, n);
  if (status != dnnl_success)
    throw DeviceError("gemm: oneDNN refused the product (status " + std::to_string(status) + "); " +
                      describe(c, a, transpose_a, b, transpose_b) + ".");
}

}  // namespace mbrl
