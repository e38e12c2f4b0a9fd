// The functions of cuDNN that kernels/gpu/libraries/cudnn.cpp calls: graphs of one matmul with
// pointwise operations around it, in any order, executed on the emulated stream.
//
// Engines are those one meets: the first suggestion does not repeat its results, the second wants
// more workspace than we give, the third fails when it is compiled, the fourth works. All of them
// use tensor cores, as on GPUs since Ampere.
#include <cudnn_graph.h>

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cuda/emulator/runtime.h"
#include "tests/emulator/libraries/fakes.h"

namespace {

using mbrl::emulator::rounded;
using mbrl::emulator::Rounding;

struct Value {
  std::int64_t count = 0;
  std::vector<std::byte> bytes;
};

struct Descriptor {
  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  std::map<int, Value> values;
  // of an engine and its configuration
  int engine = -1;

  bool has(int name) const { return values.contains(name); }
  template <typename T>
  T get(int name, std::size_t i = 0) const {
    T value{};
    std::memcpy(&value, values.at(name).bytes.data() + i * sizeof(T), sizeof(T));
    return value;
  }
  Descriptor* child(int name, std::size_t i = 0) const {
    return static_cast<Descriptor*>(get<cudnnBackendDescriptor_t>(name, i));
  }
  std::size_t count(int name) const {
    return has(name) ? static_cast<std::size_t>(values.at(name).count) : 0;
  }
};

struct Context {
  cudaStream_t stream = nullptr;
};

std::set<const void*> alive;
std::string last_error;

cudnnStatus_t refuse(cudnnStatus_t status, std::string why) {
  last_error = std::move(why);
  return status;
}

Descriptor* object(const void* handle) {
  return alive.contains(handle) ? static_cast<Descriptor*>(const_cast<void*>(handle)) : nullptr;
}

std::size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN:
      return 1;
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    default:
      return 4;
  }
}

/// What may be set: the type of each attribute, whether it must be there, how many values.
struct Rule {
  cudnnBackendDescriptorType_t owner;
  cudnnBackendAttributeName_t name;
  cudnnBackendAttributeType_t type;
  bool required;
  std::int64_t most = 1;
};

constexpr Rule kRules[] = {
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, true},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, true},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, true},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, true, 8},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, true, 8},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, false},
    {CUDNN_BACKEND_MATMUL_DESCRIPTOR, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, true},
    {CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, CUDNN_ATTR_OPERATION_MATMUL_ADESC,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, CUDNN_ATTR_OPERATION_MATMUL_BDESC,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, CUDNN_ATTR_OPERATION_MATMUL_CDESC,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, CUDNN_ATTR_OPERATION_MATMUL_DESC,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE,
     true},
    {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE,
     true},
    {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_ATTR_POINTWISE_NAN_PROPAGATION,
     CUDNN_TYPE_NAN_PROPOGATION, false},
    {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, CUDNN_TYPE_DOUBLE,
     false},
    {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_ATTR_POINTWISE_SWISH_BETA, CUDNN_TYPE_DOUBLE, false},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_XDESC,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, false},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_YDESC,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, false},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_DXDESC,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, false},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_DYDESC,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, false},
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE,
     true},
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_OPS,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, true, 100},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, true},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE,
     true},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
     true, 100},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
     CUDNN_TYPE_VOID_PTR, true, 100},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
     true},
};

// where a configuration keeps its graph
constexpr int kConfigGraph = -1;

// the engines suggested, best first
constexpr int kNondeterministic = 0, kGreedy = 1, kBroken = 2, kWorks = 3;
constexpr std::int64_t kWorkspace[] = {0, std::int64_t{64} << 20, 0, 4096};

using Shape = std::array<std::int64_t, 3>;

struct Tensor {
  std::int64_t id = 0;
  Shape size{}, stride{};
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  bool is_virtual = false;

  std::int64_t count() const { return size[0] * size[1] * size[2]; }
  // a dimension of one element is repeated
  std::size_t dense(std::int64_t i, std::int64_t j, std::int64_t k) const {
    const auto in = [&](int axis, std::int64_t x) { return size[axis] == 1 ? 0 : x; };
    return static_cast<std::size_t>((in(0, i) * size[1] + in(1, j)) * size[2] + in(2, k));
  }
};

Tensor tensor_of(const Descriptor& d) {
  Tensor t;
  t.id = d.get<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
  for (std::size_t i = 0; i < 3; ++i) {
    t.size[i] = d.get<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS, i);
    t.stride[i] = d.get<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES, i);
  }
  t.type = d.get<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE);
  t.is_virtual = d.has(CUDNN_ATTR_TENSOR_IS_VIRTUAL) && d.get<bool>(CUDNN_ATTR_TENSOR_IS_VIRTUAL);
  return t;
}

/// One operation: inputs in the order x (or a), b, dy.
struct Step {
  bool is_matmul = false;
  cudnnPointwiseMode_t mode = CUDNN_POINTWISE_IDENTITY;
  double lower_clip = 0.0, swish_beta = 1.0;
  bool propagates_nan = false;
  std::vector<Tensor> inputs;
  Tensor output;
};

bool is_gradient(cudnnPointwiseMode_t mode) { return mode >= 200 && mode < 300; }

Step step_of(const Descriptor& operation) {
  Step s;
  if (operation.type == CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR) {
    s.is_matmul = true;
    s.inputs = {tensor_of(*operation.child(CUDNN_ATTR_OPERATION_MATMUL_ADESC)),
                tensor_of(*operation.child(CUDNN_ATTR_OPERATION_MATMUL_BDESC))};
    s.output = tensor_of(*operation.child(CUDNN_ATTR_OPERATION_MATMUL_CDESC));
    return s;
  }
  const Descriptor& settings = *operation.child(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
  s.mode = settings.get<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
  if (settings.has(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP))
    s.lower_clip = settings.get<double>(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP);
  if (settings.has(CUDNN_ATTR_POINTWISE_SWISH_BETA))
    s.swish_beta = settings.get<double>(CUDNN_ATTR_POINTWISE_SWISH_BETA);
  if (settings.has(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION))
    s.propagates_nan = settings.get<int>(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION) == 1;
  for (const int name : {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
                         CUDNN_ATTR_OPERATION_POINTWISE_DYDESC})
    if (operation.has(name)) s.inputs.push_back(tensor_of(*operation.child(name)));
  s.output =
      tensor_of(*operation.child(is_gradient(s.mode) ? CUDNN_ATTR_OPERATION_POINTWISE_DXDESC
                                                     : CUDNN_ATTR_OPERATION_POINTWISE_YDESC));
  return s;
}

/// Why a step cannot be; "" if it can.
std::string fault_of(const Step& s) {
  const auto fits = [](std::int64_t part, std::int64_t whole) {
    return part == whole || part == 1;
  };
  if (s.is_matmul) {
    const Tensor &a = s.inputs[0], &b = s.inputs[1], &c = s.output;
    const bool sizes = a.size[1] == c.size[1] && b.size[2] == c.size[2] && a.size[2] == b.size[1];
    if (!sizes || !fits(a.size[0], c.size[0]) || !fits(b.size[0], c.size[0]))
      return "the sizes of a matmul do not fit";
    return a.type == b.type ? "" : "the operands of a matmul differ in type";
  }
  std::size_t wanted = 1;
  switch (s.mode) {
    case CUDNN_POINTWISE_ADD:
    case CUDNN_POINTWISE_RELU_BWD:
    case CUDNN_POINTWISE_SWISH_BWD:
    case CUDNN_POINTWISE_TANH_BWD:
      wanted = 2;
      break;
    case CUDNN_POINTWISE_IDENTITY:
    case CUDNN_POINTWISE_RELU_FWD:
    case CUDNN_POINTWISE_SWISH_FWD:
    case CUDNN_POINTWISE_TANH_FWD:
      break;
    default:
      return "a pointwise mode that the fake does not know";
  }
  if (s.inputs.size() != wanted) return "a pointwise operation lacks an input or has one too many";
  for (const Tensor& x : s.inputs)
    for (std::size_t axis = 0; axis < 3; ++axis)
      if (!fits(x.size[axis], s.output.size[axis])) return "the sizes of a pointwise do not fit";
  return "";
}

float apply(const Step& s, float x, float second) {
  const double beta = s.swish_beta, z = x, sigmoid = 1.0 / (1.0 + std::exp(-beta * z));
  switch (s.mode) {
    case CUDNN_POINTWISE_ADD:
      return x + second;
    case CUDNN_POINTWISE_RELU_FWD:
      if (std::isnan(x)) return s.propagates_nan ? x : 0.0f;
      return x > static_cast<float>(s.lower_clip) ? x : 0.0f;
    case CUDNN_POINTWISE_SWISH_FWD:
      return static_cast<float>(z * sigmoid);
    case CUDNN_POINTWISE_TANH_FWD:
      return std::tanh(x);
    // the least welcome reading of what happens at the clip
    case CUDNN_POINTWISE_RELU_BWD:
      return x >= static_cast<float>(s.lower_clip) ? second : 0.0f;
    case CUDNN_POINTWISE_SWISH_BWD:
      return static_cast<float>(second * (sigmoid + beta * z * sigmoid * (1.0 - sigmoid)));
    case CUDNN_POINTWISE_TANH_BWD:
      return static_cast<float>(second * (1.0 - std::tanh(z) * std::tanh(z)));
    default:
      return x;
  }
}

Rounding rounding_of(cudnnDataType_t type) {
  return type == CUDNN_DATA_HALF       ? Rounding::kF16
         : type == CUDNN_DATA_BFLOAT16 ? Rounding::kBf16
                                       : Rounding::kNone;
}

/// A graph with its memory, by value: what is recorded keeps its arguments.
struct Program {
  std::vector<Step> steps;  // in an order that respects dependencies
  std::map<std::int64_t, float*> memory;

  void operator()() const {
    std::map<std::int64_t, std::vector<float>> values;
    for (const Step& step : steps) {
      for (const Tensor& x : step.inputs)
        if (!values.contains(x.id)) values[x.id] = load(x);
      std::vector<float> result(static_cast<std::size_t>(step.output.count()));
      for (std::int64_t i = 0; i < step.output.size[0]; ++i)
        for (std::int64_t j = 0; j < step.output.size[1]; ++j)
          for (std::int64_t k = 0; k < step.output.size[2]; ++k)
            result[step.output.dense(i, j, k)] = rounded(
                step.is_matmul ? dot(step, values, i, j, k) : pointwise(step, values, i, j, k),
                rounding_of(step.output.type));
      if (!step.output.is_virtual) store(step.output, result);
      values[step.output.id] = std::move(result);
    }
  }

 private:
  using Values = std::map<std::int64_t, std::vector<float>>;

  static std::int64_t offset(const Tensor& t, std::int64_t i, std::int64_t j, std::int64_t k) {
    return i * t.stride[0] + j * t.stride[1] + k * t.stride[2];
  }
  std::vector<float> load(const Tensor& t) const {
    std::vector<float> dense(static_cast<std::size_t>(t.count()));
    for (std::int64_t i = 0; i < t.size[0]; ++i)
      for (std::int64_t j = 0; j < t.size[1]; ++j)
        for (std::int64_t k = 0; k < t.size[2]; ++k)
          dense[t.dense(i, j, k)] = memory.at(t.id)[offset(t, i, j, k)];
    return dense;
  }
  void store(const Tensor& t, const std::vector<float>& dense) const {
    for (std::int64_t i = 0; i < t.size[0]; ++i)
      for (std::int64_t j = 0; j < t.size[1]; ++j)
        for (std::int64_t k = 0; k < t.size[2]; ++k)
          memory.at(t.id)[offset(t, i, j, k)] = dense[t.dense(i, j, k)];
  }

  // f32 operands are read as tf32
  static float dot(const Step& s, const Values& values, std::int64_t i, std::int64_t j,
                   std::int64_t k) {
    const Tensor &a = s.inputs[0], &b = s.inputs[1];
    const std::vector<float>&x = values.at(a.id), &y = values.at(b.id);
    const Rounding rounding = a.type == CUDNN_DATA_FLOAT ? Rounding::kTf32 : Rounding::kNone;
    float sum = 0.0f;
    for (std::int64_t d = 0; d < a.size[2]; ++d)
      sum = std::fma(rounded(x[a.dense(i, j, d)], rounding), rounded(y[b.dense(i, d, k)], rounding),
                     sum);
    return sum;
  }
  static float pointwise(const Step& s, const Values& values, std::int64_t i, std::int64_t j,
                         std::int64_t k) {
    const auto at = [&](std::size_t input) {
      const Tensor& t = s.inputs[input];
      return values.at(t.id)[t.dense(i, j, k)];
    };
    return apply(s, at(0), s.inputs.size() > 1 ? at(1) : 0.0f);
  }
};

/// The steps of a graph in order of dependency, or why it is none.
cudnnStatus_t order(const Descriptor& graph, std::vector<Step>& ordered) {
  std::vector<Step> left;
  std::set<std::int64_t> to_come;
  for (std::size_t i = 0; i < graph.count(CUDNN_ATTR_OPERATIONGRAPH_OPS); ++i) {
    const Descriptor* operation = object(graph.child(CUDNN_ATTR_OPERATIONGRAPH_OPS, i));
    if (operation == nullptr || !operation->finalized)
      return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "an operation is not finalized");
    left.push_back(step_of(*operation));
    if (const std::string fault = fault_of(left.back()); !fault.empty())
      return refuse(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, fault);
    if (!to_come.insert(left.back().output.id).second)
      return refuse(CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES, "a tensor has two sources");
  }
  const std::set<std::int64_t> results = to_come;
  while (!left.empty()) {
    const auto ready = std::find_if(left.begin(), left.end(), [&](const Step& s) {
      return std::none_of(s.inputs.begin(), s.inputs.end(),
                          [&](const Tensor& x) { return to_come.contains(x.id); });
    });
    if (ready == left.end())
      return refuse(CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "the graph has a cycle");
    for (const Tensor& x : ready->inputs)
      if (x.is_virtual && !results.contains(x.id))
        return refuse(CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "a virtual tensor has no source");
    to_come.erase(ready->output.id);
    ordered.push_back(*ready);
    left.erase(ready);
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t finalize_tensor(const Descriptor& d) {
  if (d.count(CUDNN_ATTR_TENSOR_DIMENSIONS) != 3 || d.count(CUDNN_ATTR_TENSOR_STRIDES) != 3)
    return refuse(CUDNN_STATUS_BAD_PARAM, "the fake knows tensors of three dimensions");
  const Tensor t = tensor_of(d);
  for (std::size_t i = 0; i < 3; ++i)
    if (t.size[i] <= 0 || t.stride[i] <= 0)
      return refuse(CUDNN_STATUS_BAD_PARAM_OUT_OF_BOUND, "a size or stride is not positive");
  if (!t.is_virtual && t.type != CUDNN_DATA_FLOAT)
    return refuse(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "the fake keeps f32 in memory");
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t finalize_pointwise(const Descriptor& d) {
  const auto mode = d.child(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR)
                        ->get<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
  const bool complete = is_gradient(mode) ? d.has(CUDNN_ATTR_OPERATION_POINTWISE_DXDESC) &&
                                                d.has(CUDNN_ATTR_OPERATION_POINTWISE_DYDESC)
                                          : d.has(CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
  return complete ? CUDNN_STATUS_SUCCESS
                  : refuse(CUDNN_STATUS_BAD_PARAM, "a pointwise operation has no result");
}

cudnnStatus_t finalize_plan(const Descriptor& d) {
  const Descriptor* config = d.child(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  if (config->engine == kBroken)
    return refuse(CUDNN_STATUS_NOT_SUPPORTED_SHARED_MEMORY_INSUFFICIENT,
                  "too little shared memory");
  return CUDNN_STATUS_SUCCESS;
}

// suggestions and engines are filled by the library, which is how they become final
void fill_config(Descriptor& config, int engine, const Descriptor* graph) {
  config.engine = engine;
  config.finalized = true;
  Value& value = config.values[kConfigGraph];
  value.count = 1;
  value.bytes.resize(sizeof graph);
  std::memcpy(value.bytes.data(), &graph, sizeof graph);
}

}  // namespace

extern "C" {

size_t cudnnGetVersion() { return CUDNN_VERSION; }
const char* cudnnGetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_SUCCESS                            ? "CUDNN_STATUS_SUCCESS"
         : CUDNN_STATUS_CATEGORY(static_cast<int>(status)) == 3000 ? "CUDNN_STATUS_NOT_SUPPORTED"
                                                                   : "CUDNN_STATUS_BAD_PARAM";
}
void cudnnGetLastErrorString(char* message, size_t room) {
  std::strncpy(message, last_error.c_str(), room - 1);
  message[room - 1] = '\0';
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  auto* context = new Context;
  alive.insert(context);
  ++mbrl::emulator::library_objects;
  *handle = reinterpret_cast<cudnnHandle_t>(context);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  if (alive.erase(handle) == 0) return refuse(CUDNN_STATUS_BAD_PARAM, "no such handle");
  --mbrl::emulator::library_objects;
  delete reinterpret_cast<Context*>(handle);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  if (!alive.contains(handle)) return refuse(CUDNN_STATUS_BAD_PARAM, "no such handle");
  reinterpret_cast<Context*>(handle)->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  *descriptor = new Descriptor{type, false, {}, -1};
  alive.insert(*descriptor);
  ++mbrl::emulator::library_objects;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  if (alive.erase(descriptor) == 0) return refuse(CUDNN_STATUS_BAD_PARAM, "no such descriptor");
  --mbrl::emulator::library_objects;
  delete static_cast<Descriptor*>(descriptor);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void* values) {
  Descriptor* d = object(descriptor);
  if (d == nullptr || values == nullptr)
    return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "no descriptor or no values");
  if (d->finalized) return refuse(CUDNN_STATUS_BAD_PARAM, "the descriptor is final");
  const Rule* rule = std::find_if(std::begin(kRules), std::end(kRules), [&](const Rule& r) {
    return r.owner == d->type && r.name == name;
  });
  if (rule == std::end(kRules))
    return refuse(CUDNN_STATUS_BAD_PARAM, "attribute " + std::to_string(name) + " is not its own");
  if (rule->type != type)
    return refuse(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "an attribute has the wrong type");
  if (count < 1 || count > rule->most)
    return refuse(CUDNN_STATUS_BAD_PARAM_OUT_OF_BOUND, "an attribute has too many values");
  const auto* first = static_cast<const std::byte*>(values);
  d->values[name] = {count, {first, first + static_cast<std::size_t>(count) * size_of(type)}};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  Descriptor* d = object(descriptor);
  if (d == nullptr) return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "no descriptor");
  for (const Rule& rule : kRules) {
    if (rule.owner != d->type) continue;
    if (!d->has(rule.name)) {
      if (!rule.required) continue;
      return refuse(CUDNN_STATUS_BAD_PARAM, "attribute " + std::to_string(rule.name) + " is unset");
    }
    if (rule.type == CUDNN_TYPE_HANDLE && !alive.contains(d->get<void*>(rule.name)))
      return refuse(CUDNN_STATUS_BAD_PARAM, "no such handle");
    if (rule.type != CUDNN_TYPE_BACKEND_DESCRIPTOR) continue;
    for (std::size_t i = 0; i < d->count(rule.name); ++i) {
      const Descriptor* child = object(d->child(rule.name, i));
      if (child == nullptr || !child->finalized)
        return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a part is not finalized");
    }
  }
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  std::vector<Step> steps;
  if (d->type == CUDNN_BACKEND_TENSOR_DESCRIPTOR) status = finalize_tensor(*d);
  if (d->type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR) status = finalize_pointwise(*d);
  if (d->type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) status = order(*d, steps);
  if (d->type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) status = finalize_plan(*d);
  if (d->type == CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR &&
      d->count(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS) !=
          d->count(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS))
    status = refuse(CUDNN_STATUS_BAD_PARAM, "as many ids as pointers");
  if (d->type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR) ++mbrl::emulator::library_searches;
  d->finalized = status == CUDNN_STATUS_SUCCESS;
  return status;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t room,
                                       int64_t* count, void* values) {
  const Descriptor* d = object(descriptor);
  if (d == nullptr || !d->finalized || count == nullptr)
    return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "the descriptor is not final");
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: {
      if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR)
        return refuse(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "an attribute has the wrong type");
      // the fallback suggests what works, without tuning
      const bool fallback = d->get<int>(CUDNN_ATTR_ENGINEHEUR_MODE) == CUDNN_HEUR_MODE_FALLBACK;
      const int first = fallback ? kWorks : kNondeterministic;
      *count = kWorks + 1 - first;
      for (int i = 0; i < std::min<std::int64_t>(room, *count); ++i)
        fill_config(*object(static_cast<cudnnBackendDescriptor_t*>(values)[i]), first + i,
                    d->child(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH));
      return CUDNN_STATUS_SUCCESS;
    }
    case CUDNN_ATTR_ENGINECFG_ENGINE: {
      Descriptor* engine = object(*static_cast<cudnnBackendDescriptor_t*>(values));
      if (engine == nullptr || engine->type != CUDNN_BACKEND_ENGINE_DESCRIPTOR)
        return refuse(CUDNN_STATUS_BAD_PARAM, "no engine to fill");
      engine->engine = d->engine;
      engine->finalized = true;
      *count = 1;
      return CUDNN_STATUS_SUCCESS;
    }
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE: {
      std::vector<cudnnBackendNumericalNote_t> notes{CUDNN_NUMERICAL_NOTE_TENSOR_CORE};
      if (d->engine == kNondeterministic) notes.push_back(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
      *count = std::min<std::int64_t>(room, std::ssize(notes));
      std::memcpy(values, notes.data(), static_cast<std::size_t>(*count) * sizeof notes[0]);
      return CUDNN_STATUS_SUCCESS;
    }
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE: {
      const int engine = d->child(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->engine;
      std::memcpy(values, &kWorkspace[engine], sizeof kWorkspace[0]);
      *count = 1;
      return CUDNN_STATUS_SUCCESS;
    }
    default:
      return refuse(CUDNN_STATUS_BAD_PARAM, "an attribute that the fake does not know");
  }
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t variant_pack) {
  const Descriptor *p = object(plan), *pack = object(variant_pack);
  if (!alive.contains(handle) || p == nullptr || !p->finalized || pack == nullptr ||
      !pack->finalized)
    return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a handle, plan or binding is not ready");
  // whatever a plan refers to should outlive it: the documentation does not say who keeps it
  const Descriptor* config = object(p->child(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG));
  const Descriptor* graph = config == nullptr ? nullptr : object(config->child(kConfigGraph));
  if (graph == nullptr) return refuse(CUDNN_STATUS_BAD_PARAM, "the plan's graph is gone");
  if (kWorkspace[config->engine] > 0 &&
      pack->get<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE) == nullptr)
    return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "the plan wants a workspace");

  Program program;
  if (const cudnnStatus_t status = order(*graph, program.steps); status != CUDNN_STATUS_SUCCESS)
    return status;
  for (std::size_t i = 0; i < pack->count(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS); ++i) {
    auto* data = pack->get<float*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, i);
    if (data == nullptr || reinterpret_cast<std::uintptr_t>(data) % 16 != 0)
      return refuse(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "a tensor is not aligned");
    program.memory[pack->get<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, i)] = data;
  }
  std::set<std::int64_t> in_memory;
  for (const Step& step : program.steps) {
    for (const Tensor& x : step.inputs)
      if (!x.is_virtual) in_memory.insert(x.id);
    if (!step.output.is_virtual) in_memory.insert(step.output.id);
  }
  for (const std::int64_t id : in_memory)
    if (!program.memory.contains(id))
      return refuse(CUDNN_STATUS_BAD_PARAM, "tensor " + std::to_string(id) + " has no memory");
  if (program.memory.size() != in_memory.size())
    return refuse(CUDNN_STATUS_BAD_PARAM, "memory for a tensor that the graph does not have");
  ++mbrl::emulator::library_products;
  mbrl::emulator::issue_on(reinterpret_cast<Context*>(handle)->stream, std::move(program));
  return CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
