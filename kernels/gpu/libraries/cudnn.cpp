// Products by cuDNN: one graph with the product and everything around it, compiled at first use.
//
//   a, b -> (cast) -> matmul -> (+ bias) -> activation                    -> c
//                                      \-> before_activation
//   a, b -> (cast) -> matmul -> (+ bias) -> times activation'(gate)       -> c
//
// Operands and results are f32 in memory. The product of f32 tensors is computed from tf32 operands
// by every engine that uses tensor cores; for fp16 and bf16 the graph rounds them first.
#include <cudnn_graph.h>
#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "cuda/buffer.h"
#include "kernels/gpu/libraries/library.h"

namespace mbrl::gpu::cudnn {
namespace {

struct Functions : Library {
  decltype(&cudnnCreate) create;
  decltype(&cudnnDestroy) destroy;
  decltype(&cudnnSetStream) set_stream;
  decltype(&cudnnGetVersion) get_version;
  decltype(&cudnnGetErrorString) status_text;
  decltype(&cudnnGetLastErrorString) last_error;
  decltype(&cudnnBackendCreateDescriptor) descriptor_create;
  decltype(&cudnnBackendDestroyDescriptor) descriptor_destroy;
  decltype(&cudnnBackendSetAttribute) set_attribute;
  decltype(&cudnnBackendGetAttribute) get_attribute;
  decltype(&cudnnBackendFinalize) finalize;
  decltype(&cudnnBackendExecute) execute;

  Functions() : Library("cuDNN", fmt::format("libcudnn.so.{}", CUDNN_MAJOR)) {
    find(create, "cudnnCreate");
    find(destroy, "cudnnDestroy");
    find(set_stream, "cudnnSetStream");
    find(get_version, "cudnnGetVersion");
    find(status_text, "cudnnGetErrorString");
    find(last_error, "cudnnGetLastErrorString");
    find(descriptor_create, "cudnnBackendCreateDescriptor");
    find(descriptor_destroy, "cudnnBackendDestroyDescriptor");
    find(set_attribute, "cudnnBackendSetAttribute");
    find(get_attribute, "cudnnBackendGetAttribute");
    find(finalize, "cudnnBackendFinalize");
    find(execute, "cudnnBackendExecute");
  }
};

const Functions& dnn() {
  static const Functions functions;
  return functions;
}

std::string said(cudnnStatus_t status, const char* call) {
  char detail[512] = "";
  dnn().last_error(detail, sizeof detail);
  return fmt::format("{} said \"{}\" ({})", call, dnn().status_text(status), detail);
}

void check(cudnnStatus_t status, const char* call) {
  if (status != CUDNN_STATUS_SUCCESS) throw Refusal{said(status, call)};
}

// the tag of each type that attributes are made of
template <typename T>
constexpr std::nullptr_t kTypeOf{};  // none: does not compile
template <>
constexpr cudnnBackendAttributeType_t kTypeOf<std::int64_t> = CUDNN_TYPE_INT64;
template <>
constexpr cudnnBackendAttributeType_t kTypeOf<cudnnHandle_t> = CUDNN_TYPE_HANDLE;
template <>
constexpr cudnnBackendAttributeType_t kTypeOf<cudnnDataType_t> = CUDNN_TYPE_DATA_TYPE;
template <>
constexpr cudnnBackendAttributeType_t kTypeOf<bool> = CUDNN_TYPE_BOOLEAN;
template <>
constexpr cudnnBackendAttributeType_t kTypeOf<double> = CUDNN_TYPE_DOUBLE;
template <>
constexpr cudnnBackendAttributeType_t kTypeOf<cudnnBackendHeurMode_t> = CUDNN_TYPE_HEUR_MODE;
template <>
constexpr cudnnBackendAttributeType_t kTypeOf<cudnnPointwiseMode_t> = CUDNN_TYPE_POINTWISE_MODE;
template <>
constexpr cudnnBackendAttributeType_t kTypeOf<cudnnNanPropagation_t> = CUDNN_TYPE_NAN_PROPOGATION;

/// Owns one object of the library.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    check(dnn().descriptor_create(type, &handle_), "cudnnBackendCreateDescriptor");
  }
  Descriptor(Descriptor&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Descriptor() {
    if (handle_ != nullptr) dnn().descriptor_destroy(handle_);
  }

  cudnnBackendDescriptor_t get() const { return handle_; }

  // a pointer may be a descriptor or memory, so those are named
  Descriptor& set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                      std::size_t count, const void* values) {
    check(dnn().set_attribute(handle_, name, type, static_cast<std::int64_t>(count), values),
          "cudnnBackendSetAttribute");
    return *this;
  }
  template <typename T>
  Descriptor& set(cudnnBackendAttributeName_t name, const T& value) {
    return set_raw(name, kTypeOf<T>, 1, &value);
  }
  template <std::size_t kCount>
  Descriptor& set(cudnnBackendAttributeName_t name,
                  const std::array<std::int64_t, kCount>& values) {
    return set_raw(name, CUDNN_TYPE_INT64, kCount, values.data());
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.handle_);
  }
  Descriptor& finalize() {
    check(dnn().finalize(handle_), "cudnnBackendFinalize");
    return *this;
  }

 private:
  cudnnBackendDescriptor_t handle_ = nullptr;
};

/// The name by which a launch binds a tensor to memory.
enum Id : std::int64_t { kA = 1, kB, kBias, kGate, kBefore, kC, kFirstVirtual };

/// Whether something follows z = a b + bias: an activation, its gradient, or a second copy of z.
bool has_last_step(const Product& p) {
  return p.activation != Activation::kNone || (p.before_activation != nullptr && p.gate == nullptr);
}

/// The operations of one product and the tensors between them.
class Graph {
 public:
  Graph(cudnnHandle_t handle, const Product& p, Precision precision) : p_(p) {
    add_operations(p, precision);
    std::vector<cudnnBackendDescriptor_t> operations;
    for (const Descriptor& operation : operations_) operations.push_back(operation.get());
    graph_.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle)
        .set_raw(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, operations.size(),
                 operations.data())
        .finalize();
  }

  const Descriptor& get() const { return graph_; }

 private:
  void add_operations(const Product& p, Precision precision) {
    const Descriptor& a = operand(kA, p.a, p.rows, p.depth, precision);
    const Descriptor& b = operand(kB, p.b, p.depth, p.columns, precision);

    // z passes through what is asked for; the last operation writes c
    const bool biased = p.bias != nullptr, acts = has_last_step(p);
    const Descriptor* z = &result(biased, acts);
    const Descriptor& settings = keep(Descriptor(CUDNN_BACKEND_MATMUL_DESCRIPTOR))
                                     .set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_DATA_FLOAT)
                                     .finalize();
    Descriptor matmul(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    matmul.set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, a)
        .set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, b)
        .set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, *z)
        .set(CUDNN_ATTR_OPERATION_MATMUL_DESC, settings)
        .finalize();
    operations_.push_back(std::move(matmul));

    if (biased) {
      const Descriptor& sum = result(false, acts);
      pointwise(CUDNN_POINTWISE_ADD, *z, sum, &bias());
      z = &sum;
    }
    if (!acts) return;
    if (p.gate != nullptr) {
      gradient(*z, matrix(kGate), matrix(kC));
    } else {
      pointwise(forward_mode(), *z, matrix(kC));
    }
  }

  // a problem that all share is one problem to the library, which repeats it
  std::int64_t batch(std::size_t stride) const { return stride == 0 ? 1 : p_.count; }

  Descriptor& keep(Descriptor descriptor) {
    kept_.push_back(std::make_unique<Descriptor>(std::move(descriptor)));
    return *kept_.back();
  }

  const Descriptor& tensor(std::int64_t id, cudnnDataType_t type,
                           const std::array<std::int64_t, 3>& sizes,
                           const std::array<std::int64_t, 3>& strides) {
    Descriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
        .set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{16})
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, sizes)
        .set(CUDNN_ATTR_TENSOR_STRIDES, strides);
    if (id >= kFirstVirtual) t.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, true);
    t.finalize();
    return keep(std::move(t));
  }

  // the stride of a single problem means nothing, but 0 would be refused
  static std::int64_t stride_or(std::size_t stride, std::int64_t whole) {
    return stride == 0 ? whole : static_cast<std::int64_t>(stride);
  }

  /// Shaped like c.
  const Descriptor& matrix(std::int64_t id) {
    return tensor(id, CUDNN_DATA_FLOAT, {p_.count, p_.rows, p_.columns},
                  {stride_or(p_.c_stride, std::int64_t{p_.rows} * p_.c_pitch), p_.c_pitch, 1});
  }

  // z after an operation: c if it is the last, before_activation if only the activation follows
  const Descriptor& result(bool bias_follows, bool activation_follows) {
    if (!bias_follows && !activation_follows) return matrix(kC);
    if (!bias_follows && p_.before_activation != nullptr && p_.gate == nullptr)
      return matrix(kBefore);
    return matrix(next_virtual_++);
  }

  /// op(x) as the product reads it.
  const Descriptor& operand(std::int64_t id, const Operand& x, int rows, int columns,
                            Precision precision) {
    const std::array<std::int64_t, 3> sizes{batch(x.stride), rows, columns};
    const std::int64_t whole = std::int64_t{x.pitch} * (x.transposed ? columns : rows);
    std::array<std::int64_t, 3> strides{stride_or(x.stride, whole), x.pitch, 1};
    if (x.transposed) std::swap(strides[1], strides[2]);
    const Descriptor& stored = tensor(id, CUDNN_DATA_FLOAT, sizes, strides);
    if (precision != Precision::kFp16 && precision != Precision::kBf16) return stored;
    const Descriptor& rounded = tensor(
        next_virtual_++, precision == Precision::kFp16 ? CUDNN_DATA_HALF : CUDNN_DATA_BFLOAT16,
        sizes, strides);
    pointwise(CUDNN_POINTWISE_IDENTITY, stored, rounded);
    return rounded;
  }

  // one row for all; its layout is named like that of c, which engines want where c is one element
  const Descriptor& bias() {
    return tensor(kBias, CUDNN_DATA_FLOAT, {batch(p_.bias_stride), 1, p_.columns},
                  {stride_or(p_.bias_stride, p_.c_pitch), p_.c_pitch, 1});
  }

  cudnnPointwiseMode_t forward_mode() const {
    return p_.activation == Activation::kRelu    ? CUDNN_POINTWISE_RELU_FWD
           : p_.activation == Activation::kSwish ? CUDNN_POINTWISE_SWISH_FWD
           : p_.activation == Activation::kTanh  ? CUDNN_POINTWISE_TANH_FWD
                                                 : CUDNN_POINTWISE_IDENTITY;
  }
  cudnnPointwiseMode_t gradient_mode() const {
    return p_.activation == Activation::kRelu    ? CUDNN_POINTWISE_RELU_BWD
           : p_.activation == Activation::kSwish ? CUDNN_POINTWISE_SWISH_BWD
                                                 : CUDNN_POINTWISE_TANH_BWD;
  }

  Descriptor& settings(cudnnPointwiseMode_t mode) {
    Descriptor s(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    s.set(CUDNN_ATTR_POINTWISE_MODE, mode).set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
    if (mode == CUDNN_POINTWISE_SWISH_FWD || mode == CUDNN_POINTWISE_SWISH_BWD)
      s.set(CUDNN_ATTR_POINTWISE_SWISH_BETA, 1.0);
    if (mode == CUDNN_POINTWISE_RELU_FWD || mode == CUDNN_POINTWISE_RELU_BWD)
      s.set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_PROPAGATE_NAN);
    // the gradient at the clip itself is not documented; at 0, where relu's results lie, ours is 0
    if (mode == CUDNN_POINTWISE_RELU_BWD)
      s.set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, double{FLT_MIN});
    s.finalize();
    return keep(std::move(s));
  }

  void pointwise(cudnnPointwiseMode_t mode, const Descriptor& x, const Descriptor& y,
                 const Descriptor* second = nullptr) {
    Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, settings(mode))
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    if (second != nullptr) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *second);
    operation.finalize();
    operations_.push_back(std::move(operation));
  }

  void gradient(const Descriptor& dy, const Descriptor& x, const Descriptor& dx) {
    Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, settings(gradient_mode()))
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_DYDESC, dy)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_DXDESC, dx)
        .finalize();
    operations_.push_back(std::move(operation));
  }

  Product p_;
  std::int64_t next_virtual_ = kFirstVirtual;
  std::vector<std::unique_ptr<Descriptor>> kept_;  // what operations refer to
  std::vector<Descriptor> operations_;
  Descriptor graph_{CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR};
};

/// What the engine of a configuration does to numbers.
std::vector<cudnnBackendNumericalNote_t> notes_of(const Descriptor& config) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t handle = engine.get();
  std::int64_t count = 0;
  check(dnn().get_attribute(config.get(), CUDNN_ATTR_ENGINECFG_ENGINE,
                            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &handle),
        "cudnnBackendGetAttribute(engine)");
  // room for notes of later versions
  std::vector<cudnnBackendNumericalNote_t> notes(32);
  check(
      dnn().get_attribute(engine.get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                          static_cast<std::int64_t>(notes.size()), &count, notes.data()),
      "cudnnBackendGetAttribute(notes)");
  notes.resize(static_cast<std::size_t>(count));
  return notes;
}

// results repeat, sums are f32, operands have the format asked for
bool acceptable(const std::vector<cudnnBackendNumericalNote_t>& notes, Precision precision) {
  for (const cudnnBackendNumericalNote_t note : notes) {
    if (note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC ||
        note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||
        note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)
      return false;
    if (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && precision == Precision::kFp32) return false;
  }
  return true;
}

/// Configurations of engines for a graph, best first.
std::vector<Descriptor> suggestions(const Descriptor& graph, cudnnBackendHeurMode_t mode) {
  Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph).set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  // a mode with nothing to say of a graph refuses to be asked
  if (dnn().finalize(heuristic.get()) != CUDNN_STATUS_SUCCESS) return {};
  const auto get = [&](std::int64_t room, std::int64_t& count, cudnnBackendDescriptor_t* handles) {
    check(dnn().get_attribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                              CUDNN_TYPE_BACKEND_DESCRIPTOR, room, &count, handles),
          "cudnnBackendGetAttribute(results)");
  };
  std::int64_t count = 0;
  get(0, count, nullptr);
  std::vector<Descriptor> configs;
  std::vector<cudnnBackendDescriptor_t> handles;
  for (std::int64_t i = 0; i < count; ++i) {
    configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    handles.push_back(configs.back().get());
  }
  if (count > 0) get(count, count, handles.data());
  configs.erase(configs.begin() + std::min<std::ptrdiff_t>(count, std::ssize(configs)),
                configs.end());
  return configs;
}

/// A graph with the engine that runs it.
class Plan {
 public:
  Plan(cudnnHandle_t handle, const Product& p, Precision precision) : graph_(handle, p, precision) {
    std::string why = "it has no engine for it";
    for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
      for (Descriptor& config : suggestions(graph_.get(), mode))
        if (acceptable(notes_of(config), precision) && works(handle, config, why)) {
          config_ = std::move(config);
          return;
        }
    throw Refusal{why};
  }

  const Descriptor& get() const { return plan_; }

 private:
  /// Compiles the plan of a configuration; false, with the reason in `why`, if it is not for us.
  bool works(cudnnHandle_t handle, const Descriptor& config, std::string& why) {
    Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, handle)
        .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
    const cudnnStatus_t status = dnn().finalize(plan.get());
    if (status != CUDNN_STATUS_SUCCESS) {
      why = said(status, "cudnnBackendFinalize(plan)");
      return false;
    }
    std::int64_t count = 0, workspace = 0;
    check(dnn().get_attribute(plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                              CUDNN_TYPE_INT64, 1, &count, &workspace),
          "cudnnBackendGetAttribute(workspace)");
    if (workspace > static_cast<std::int64_t>(kLibraryWorkspace)) {
      why = fmt::format("its plan wants {} bytes of workspace", workspace);
      return false;
    }
    plan_ = std::move(plan);
    return true;
  }

  Graph graph_;
  Descriptor config_{CUDNN_BACKEND_ENGINECFG_DESCRIPTOR};
  Descriptor plan_{CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR};
};

struct Binding {
  using Handle = cudnnHandle_t;
  using Plan = cudnn::Plan;
  static constexpr const char* kName = "cudnn.workspace";

  static Handle create(Stream& stream) {
    Handle handle = nullptr;
    check(dnn().create(&handle), "cudnnCreate");
    check(dnn().set_stream(handle, static_cast<cudaStream_t>(stream.handle())), "cudnnSetStream");
    return handle;
  }
  static void destroy(Handle handle) { dnn().destroy(handle); }
};

void run(Stream& stream, std::shared_ptr<void>& kept, const Product& p) {
  auto& library = LibraryPlans<Binding>::of(kept, stream);
  Plan& plan = library.plan(p, stream.precision());

  // where the tensors lie
  std::array<std::int64_t, 6> ids{kA, kB, kC};
  std::array<void*, 6> addresses{const_cast<float*>(p.a.data), const_cast<float*>(p.b.data), p.c};
  std::size_t count = 3;
  const auto bind = [&](std::int64_t id, const float* data) {
    if (data == nullptr) return;
    ids[count] = id;
    addresses[count++] = const_cast<float*>(data);
  };
  bind(kBias, p.bias);
  if (p.activation != Activation::kNone) bind(kGate, p.gate);
  if (p.gate == nullptr) bind(kBefore, p.before_activation);
  void* workspace = library.workspace().data();
  Descriptor binding(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  binding
      .set_raw(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, addresses.data())
      .set_raw(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, ids.data())
      .set_raw(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace)
      .finalize();
  check(dnn().execute(library.handle(), plan.get().get(), binding.get()), "cudnnBackendExecute");
}

}  // namespace

std::string missing() { return dnn().missing(); }

std::string version() {
  if (!missing().empty()) return "no cuDNN";
  const std::size_t number = dnn().get_version();
  return fmt::format("cuDNN {}.{}.{}", number / 10000, number / 100 % 100, number % 100);
}

void multiply(Stream& stream, std::shared_ptr<void>& kept, const Product& p) {
  if (empty(p)) return;
  const Precision precision = stream.precision();
  check_product(dnn(), p, precision);
  if (p.alpha != 1.0f || p.beta != 0.0f)
    throw ShapeError(fmt::format(
        "cuDNN product {}: alpha is {} and beta is {}; its graph has neither, expected 1 and 0.",
        describe(p, precision), p.alpha, p.beta));
  try {
    run(stream, kept, p);
  } catch (const Refusal& refusal) {
    throw product_failed(dnn(), p, precision, refusal.text,
                         precision == Precision::kFp32
                             ? "device.precision=tf32 or device.gemm=cublaslt"
                             : "device.gemm=cublaslt or device.gemm=hand");
  }
}

}  // namespace mbrl::gpu::cudnn
