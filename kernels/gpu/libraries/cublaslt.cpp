// Products by cuBLASLt: bias and relu in the epilogue, everything else left to the caller.
//
// The library thinks in columns: our row-major c is its column-major c^T = op(b)^T op(a)^T, so our
// b is its first operand, and its bias, one value per row, is ours per column.
#include <cublasLt.h>
#include <fmt/format.h>

#include <map>
#include <memory>
#include <type_traits>

#include "cuda/buffer.h"
#include "kernels/gpu/libraries/library.h"

namespace mbrl::gpu::cublaslt {
namespace {

struct Functions : Library {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtGetVersion) get_version;
  decltype(&cublasLtGetStatusString) status_text;
  decltype(&cublasLtMatmulDescCreate) desc_create;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set;
  decltype(&cublasLtMatrixLayoutCreate) layout_create;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy;
  decltype(&cublasLtMatrixLayoutSetAttribute) layout_set;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set;
  decltype(&cublasLtMatmulAlgoGetHeuristic) get_heuristic;
  decltype(&cublasLtMatmul) matmul;

  // only the major version of the header has its layouts
  Functions() : Library("cuBLASLt", fmt::format("libcublasLt.so.{}", CUBLAS_VER_MAJOR)) {
    find(create, "cublasLtCreate");
    find(destroy, "cublasLtDestroy");
    find(get_version, "cublasLtGetVersion");
    find(status_text, "cublasLtGetStatusString");
    find(desc_create, "cublasLtMatmulDescCreate");
    find(desc_destroy, "cublasLtMatmulDescDestroy");
    find(desc_set, "cublasLtMatmulDescSetAttribute");
    find(layout_create, "cublasLtMatrixLayoutCreate");
    find(layout_destroy, "cublasLtMatrixLayoutDestroy");
    find(layout_set, "cublasLtMatrixLayoutSetAttribute");
    find(preference_create, "cublasLtMatmulPreferenceCreate");
    find(preference_destroy, "cublasLtMatmulPreferenceDestroy");
    find(preference_set, "cublasLtMatmulPreferenceSetAttribute");
    find(get_heuristic, "cublasLtMatmulAlgoGetHeuristic");
    find(matmul, "cublasLtMatmul");
  }
};

const Functions& lt() {
  static const Functions functions;
  return functions;
}

void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw Refusal{fmt::format("{} said \"{}\" ({})", call, lt().status_text(status),
                              static_cast<int>(status))};
}

struct Destroy {
  void operator()(cublasLtMatmulDesc_t x) const { lt().desc_destroy(x); }
  void operator()(cublasLtMatrixLayout_t x) const { lt().layout_destroy(x); }
  void operator()(cublasLtMatmulPreference_t x) const { lt().preference_destroy(x); }
};
template <typename Pointer>
using Owner = std::unique_ptr<std::remove_pointer_t<Pointer>, Destroy>;

class Operation {
 public:
  explicit Operation(cublasComputeType_t compute_type) {
    cublasLtMatmulDesc_t desc = nullptr;
    check(lt().desc_create(&desc, compute_type, CUDA_R_32F), "cublasLtMatmulDescCreate");
    desc_.reset(desc);
  }
  template <typename T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check(lt().desc_set(desc_.get(), attribute, &value, sizeof(T)),
          "cublasLtMatmulDescSetAttribute");
  }
  cublasLtMatmulDesc_t get() const { return desc_.get(); }

 private:
  Owner<cublasLtMatmulDesc_t> desc_;
};

/// `count` column-major matrices of f32.
class Layout {
 public:
  Layout(int rows, int columns, int pitch, int count, std::size_t stride) {
    cublasLtMatrixLayout_t layout = nullptr;
    check(lt().layout_create(&layout, CUDA_R_32F, static_cast<std::uint64_t>(rows),
                             static_cast<std::uint64_t>(columns), pitch),
          "cublasLtMatrixLayoutCreate");
    layout_.reset(layout);
    if (count == 1) return;
    set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(count));
    set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, static_cast<std::int64_t>(stride));
  }
  cublasLtMatrixLayout_t get() const { return layout_.get(); }

 private:
  template <typename T>
  void set(cublasLtMatrixLayoutAttribute_t attribute, const T& value) {
    check(lt().layout_set(layout_.get(), attribute, &value, sizeof(T)),
          "cublasLtMatrixLayoutSetAttribute");
  }
  Owner<cublasLtMatrixLayout_t> layout_;
};

class Preference {
 public:
  Preference() {
    cublasLtMatmulPreference_t preference = nullptr;
    check(lt().preference_create(&preference), "cublasLtMatmulPreferenceCreate");
    preference_.reset(preference);
  }
  template <typename T>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, const T& value) {
    check(lt().preference_set(preference_.get(), attribute, &value, sizeof(T)),
          "cublasLtMatmulPreferenceSetAttribute");
  }
  cublasLtMatmulPreference_t get() const { return preference_.get(); }

 private:
  Owner<cublasLtMatmulPreference_t> preference_;
};

// fp32 stays fp32: tensor cores only where the precision names their format
cublasComputeType_t compute_type(Precision precision) {
  switch (precision) {
    case Precision::kTf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case Precision::kFp16:
      return CUBLAS_COMPUTE_32F_FAST_16F;
    case Precision::kBf16:
      return CUBLAS_COMPUTE_32F_FAST_16BF;
    default:
      return CUBLAS_COMPUTE_32F;
  }
}

cublasLtEpilogue_t epilogue(const Product& p) {
  if (p.activation == Activation::kRelu)
    return p.bias != nullptr ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
  return p.bias != nullptr ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
}

// an operand lies in memory as its rows, which the library takes for columns
Layout operand_layout(const Operand& x, int rows, int columns, int count) {
  return x.transposed ? Layout(rows, columns, x.pitch, count, x.stride)
                      : Layout(columns, rows, x.pitch, count, x.stride);
}

struct Plan {
  Operation operation;
  Layout a, b, c;
  cublasLtMatmulAlgo_t algorithm{};

  Plan(cublasLtHandle_t handle, const Product& p, Precision precision)
      : operation(compute_type(precision)),
        a(operand_layout(p.a, p.rows, p.depth, p.count)),
        b(operand_layout(p.b, p.depth, p.columns, p.count)),
        c(p.columns, p.rows, p.c_pitch, p.count, p.c_stride) {
    const auto transposition = [](const Operand& x) {
      return static_cast<std::int32_t>(x.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    };
    operation.set(CUBLASLT_MATMUL_DESC_TRANSA, transposition(p.b));
    operation.set(CUBLASLT_MATMUL_DESC_TRANSB, transposition(p.a));
    operation.set(CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<std::uint32_t>(epilogue(p)));
    if (p.bias != nullptr) {
      // no address yet: the least aligned one that a launch may have
      operation.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                    reinterpret_cast<const void*>(std::uintptr_t{16}));
      if (p.count > 1)
        operation.set(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE,
                      static_cast<std::int64_t>(p.bias_stride));
    }
    choose_algorithm(handle);
  }

 private:
  void choose_algorithm(cublasLtHandle_t handle) {
    Preference preference;
    preference.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                   static_cast<std::uint64_t>(kLibraryWorkspace));
    // depth split over blocks only with partial sums added in a fixed order: results repeat
    preference.set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                   static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      preference.set(attribute, std::uint32_t{16});

    // best first
    cublasLtMatmulHeuristicResult_t results[8] = {};
    int num_results = 0;
    check(lt().get_heuristic(handle, operation.get(), b.get(), a.get(), c.get(), c.get(),
                             preference.get(), 8, results, &num_results),
          "cublasLtMatmulAlgoGetHeuristic");
    for (int i = 0; i < num_results; ++i) {
      if (results[i].state != CUBLAS_STATUS_SUCCESS || results[i].workspaceSize > kLibraryWorkspace)
        continue;
      algorithm = results[i].algo;
      return;
    }
    throw Refusal{"it has no algorithm for it"};
  }
};

struct Binding {
  using Handle = cublasLtHandle_t;
  using Plan = cublaslt::Plan;
  static constexpr const char* kName = "cublaslt.workspace";

  static Handle create(Stream&) {
    Handle handle = nullptr;
    check(lt().create(&handle), "cublasLtCreate");
    return handle;
  }
  static void destroy(Handle handle) { lt().destroy(handle); }
};

void run(Stream& stream, std::shared_ptr<void>& kept, const Product& p) {
  auto& library = LibraryPlans<Binding>::of(kept, stream);
  Plan& plan = library.plan(p, stream.precision());
  if (p.bias != nullptr)
    plan.operation.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(p.bias));
  check(lt().matmul(library.handle(), plan.operation.get(), &p.alpha, p.b.data, plan.b.get(),
                    p.a.data, plan.a.get(), &p.beta, p.c, plan.c.get(), p.c, plan.c.get(),
                    &plan.algorithm, library.workspace().data(), library.workspace().size(),
                    static_cast<cudaStream_t>(stream.handle())),
        "cublasLtMatmul");
}

}  // namespace

std::string missing() { return lt().missing(); }

std::string version() {
  if (!missing().empty()) return "no cuBLASLt";
  const std::size_t number = lt().get_version();
  return fmt::format("cuBLASLt {}.{}.{}", number / 10000, number / 100 % 100, number % 100);
}

void multiply(Stream& stream, std::shared_ptr<void>& kept, const Product& p) {
  if (empty(p)) return;
  check_product(lt(), p, stream.precision());
  if ((p.activation != Activation::kNone && p.activation != Activation::kRelu) ||
      p.gate != nullptr || p.before_activation != nullptr)
    throw ShapeError(fmt::format(
        "cuBLASLt product {}: of what follows a product the library does bias and relu alone.",
        describe(p, stream.precision())));
  try {
    run(stream, kept, p);
  } catch (const Refusal& refusal) {
    throw product_failed(lt(), p, stream.precision(), refusal.text, "device.gemm=hand");
  }
}

}  // namespace mbrl::gpu::cublaslt
