// The functions of cuBLASLt that kernels/gpu/libraries/cublaslt.cpp calls, on the emulated stream.
#include <cublasLt.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#include "cuda/emulator/runtime.h"
#include "tests/emulator/libraries/fakes.h"

namespace {

using mbrl::emulator::rounded;
using mbrl::emulator::Rounding;

struct Operation {
  cublasComputeType_t compute;
  std::int32_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  std::uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  std::int64_t bias_stride = 0;
};

struct Layout {
  std::int64_t rows, columns, pitch;
  std::int32_t count = 1;
  std::int64_t stride = 0;

  std::int64_t at(std::int64_t problem, std::int64_t row, std::int64_t column) const {
    return problem * stride + column * pitch + row;
  }
};

struct Preference {
  std::uint64_t workspace = 0;
  std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_MASK;
  std::uint32_t alignment[4] = {256, 256, 256, 256};
};

/// What the heuristic writes into the opaque algorithm: the problem it is good for.
struct Algorithm {
  std::uint32_t magic, alignment, bias_alignment, epilogue;
  std::uint64_t problem, workspace;
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));
constexpr std::uint32_t kMagic = 0xb1a5;

// objects alive; a destroyed or foreign one is recognised
std::set<const void*> alive;

template <typename Object, typename Handle>
void hand_out(Object* object, Handle* handle) {
  alive.insert(object);
  ++mbrl::emulator::library_objects;
  *handle = reinterpret_cast<Handle>(object);
}

template <typename Object, typename Handle>
cublasStatus_t take_back(Handle handle) {
  if (alive.erase(handle) == 0) return CUBLAS_STATUS_INVALID_VALUE;
  --mbrl::emulator::library_objects;
  delete reinterpret_cast<Object*>(handle);
  return CUBLAS_STATUS_SUCCESS;
}

template <typename Object, typename Handle>
Object* object(Handle handle) {
  return alive.contains(handle) ? reinterpret_cast<Object*>(handle) : nullptr;
}

// an attribute of the wrong size is refused, as the library does
template <typename T>
cublasStatus_t assign(T& to, const void* value, std::size_t size) {
  if (value == nullptr || size != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, value, size);
  return CUBLAS_STATUS_SUCCESS;
}

std::uint32_t alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  return address == 0
             ? 256
             : static_cast<std::uint32_t>(std::min<std::uintptr_t>(address & (~address + 1), 256));
}

bool has_bias(std::uint32_t epilogue) { return (epilogue & CUBLASLT_EPILOGUE_BIAS) != 0; }

struct Problem {
  const Operation* operation;
  const Layout *a, *b, *c, *d;

  std::int64_t depth() const {
    return operation->transpose_a == CUBLAS_OP_T ? a->rows : a->columns;
  }

  bool valid() const {
    if (operation == nullptr || a == nullptr || b == nullptr || c == nullptr || d == nullptr)
      return false;
    const bool ta = operation->transpose_a == CUBLAS_OP_T;
    const bool tb = operation->transpose_b == CUBLAS_OP_T;
    for (const Layout* x : {a, b, c, d})
      if (x->rows <= 0 || x->columns <= 0 || x->pitch < x->rows || x->count != d->count)
        return false;
    // the result's problems may not lie on each other
    if (d->count > 1 && d->stride == 0) return false;
    return (ta ? a->columns : a->rows) == d->rows && (tb ? b->rows : b->columns) == d->columns &&
           (tb ? b->columns : b->rows) == depth() && c->rows == d->rows &&
           c->columns == d->columns &&
           (!has_bias(operation->epilogue) || operation->bias != nullptr);
  }

  std::uint64_t hash() const {
    std::uint64_t h = operation->compute;
    const auto mix = [&](std::int64_t x) {
      h = h * 1099511628211u + static_cast<std::uint64_t>(x);
    };
    for (const Layout* x : {a, b, c, d})
      for (const std::int64_t field :
           {x->rows, x->columns, x->pitch, std::int64_t{x->count}, x->stride})
        mix(field);
    mix(operation->transpose_a);
    mix(operation->transpose_b);
    mix(operation->bias_stride);
    return h;
  }
};

Problem problem(cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
  return {object<Operation>(operation), object<Layout>(a), object<Layout>(b), object<Layout>(c),
          object<Layout>(d)};
}

Rounding rounding_of(cublasComputeType_t compute) {
  switch (compute) {
    case CUBLAS_COMPUTE_32F_FAST_TF32:
      return Rounding::kTf32;
    case CUBLAS_COMPUTE_32F_FAST_16F:
      return Rounding::kF16;
    case CUBLAS_COMPUTE_32F_FAST_16BF:
      return Rounding::kBf16;
    default:
      return Rounding::kNone;
  }
}

/// Everything a launch needs, by value: what is recorded keeps its arguments.
struct Launch {
  Operation operation;
  Layout layout_a, layout_b, layout_c, layout_d;
  std::int64_t depth;
  float alpha, beta;
  const float *a, *b, *c;
  float* d;
  Rounding rounding;

  float element(std::int64_t p, std::int64_t row, std::int64_t column) const {
    float sum = 0.0f;
    for (std::int64_t k = 0; k < depth; ++k) {
      const float x =
          a[operation.transpose_a == CUBLAS_OP_T ? layout_a.at(p, k, row) : layout_a.at(p, row, k)];
      const float y = b[operation.transpose_b == CUBLAS_OP_T ? layout_b.at(p, column, k)
                                                             : layout_b.at(p, k, column)];
      sum = std::fma(rounded(x, rounding), rounded(y, rounding), sum);
    }
    float z = alpha * sum;
    // c is not read with beta = 0
    if (beta != 0.0f) z += beta * c[layout_c.at(p, row, column)];
    if (has_bias(operation.epilogue))
      z += static_cast<const float*>(operation.bias)[p * operation.bias_stride + row];
    if ((operation.epilogue & CUBLASLT_EPILOGUE_RELU) != 0 && z < 0.0f) z = 0.0f;
    return z;
  }

  void operator()() const {
    for (std::int64_t p = 0; p < layout_d.count; ++p)
      for (std::int64_t column = 0; column < layout_d.columns; ++column)
        for (std::int64_t row = 0; row < layout_d.rows; ++row)
          d[layout_d.at(p, row, column)] = element(p, row, column);
  }
};

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  hand_out(new int(0), handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return take_back<int>(handle); }
size_t cublasLtGetVersion() { return CUBLAS_VERSION; }
const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "success";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "an unsupported value or parameter was passed to the function";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "the requested functionality is not supported";
    default:
      return "unknown status";
  }
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  if (scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  hand_out(new Operation{compute}, desc);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  return take_back<Operation>(desc);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t size) {
  Operation* o = object<Operation>(desc);
  if (o == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return assign(o->transpose_a, value, size);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return assign(o->transpose_b, value, size);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return assign(o->epilogue, value, size);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return assign(o->bias, value, size);
    case CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE:
      return assign(o->bias_stride, value, size);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t pitch) {
  if (type != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  hand_out(new Layout{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns), pitch},
           layout);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return take_back<Layout>(layout);
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void* value, size_t size) {
  Layout* l = object<Layout>(layout);
  if (l == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      return assign(l->count, value, size);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      return assign(l->stride, value, size);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  hand_out(new Preference, preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return take_back<Preference>(preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t size) {
  Preference* p = object<Preference>(preference);
  if (p == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return assign(p->workspace, value, size);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return assign(p->reductions, value, size);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return assign(p->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value,
                    size);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int room,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* num_results) {
  ++mbrl::emulator::library_searches;
  const Problem p = problem(desc, a, b, c, d);
  const Preference* wanted = object<Preference>(preference);
  if (!alive.contains(handle) || wanted == nullptr || room <= 0 || !p.valid())
    return CUBLAS_STATUS_INVALID_VALUE;
  // the best algorithm adds in place, in whatever order blocks arrive: not for us
  if ((wanted->reductions & CUBLASLT_REDUCTION_SCHEME_INPLACE) != 0)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  constexpr std::uint64_t kWorkspace = 1 << 20;
  *num_results = 0;
  if (wanted->workspace < kWorkspace) return CUBLAS_STATUS_SUCCESS;
  std::uint32_t alignment = 256;
  for (const std::uint32_t bytes : wanted->alignment) alignment = std::min(alignment, bytes);
  const Algorithm algorithm{
      kMagic,   alignment, alignment_of(p.operation->bias), p.operation->epilogue,
      p.hash(), kWorkspace};
  results[0] = {};
  std::memcpy(&results[0].algo, &algorithm, sizeof algorithm);
  results[0].workspaceSize = kWorkspace;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  *num_results = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algo,
                              void* workspace, size_t workspace_bytes, cudaStream_t stream) {
  const Problem p = problem(desc, a_layout, b_layout, c_layout, d_layout);
  if (!alive.contains(handle) || !p.valid() || algo == nullptr || alpha == nullptr ||
      beta == nullptr || a == nullptr || b == nullptr || c == nullptr || d == nullptr)
    return CUBLAS_STATUS_INVALID_VALUE;
  Algorithm algorithm;
  std::memcpy(&algorithm, algo, sizeof algorithm);
  if (algorithm.magic != kMagic || algorithm.problem != p.hash() ||
      algorithm.epilogue != p.operation->epilogue || workspace == nullptr ||
      workspace_bytes < algorithm.workspace || alignment_of(workspace) < 16)
    return CUBLAS_STATUS_INVALID_VALUE;
  for (const void* data : {a, b, c, static_cast<const void*>(d)})
    if (alignment_of(data) < algorithm.alignment) return CUBLAS_STATUS_INVALID_VALUE;
  for (const Layout* x : {p.a, p.b, p.d})
    if (x->pitch * 4 % algorithm.alignment != 0 || x->stride * 4 % algorithm.alignment != 0)
      return CUBLAS_STATUS_NOT_SUPPORTED;
  if (alignment_of(p.operation->bias) < algorithm.bias_alignment)
    return CUBLAS_STATUS_INVALID_VALUE;
  ++mbrl::emulator::library_products;
  mbrl::emulator::issue_on(
      stream,
      Launch{*p.operation, *p.a, *p.b, *p.c, *p.d, p.depth(), *static_cast<const float*>(alpha),
             *static_cast<const float*>(beta), static_cast<const float*>(a),
             static_cast<const float*>(b), static_cast<const float*>(c), static_cast<float*>(d),
             rounding_of(p.operation->compute)});
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
