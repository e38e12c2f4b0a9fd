#include "kernels/gpu/libraries/library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <utility>

#include "cuda/device.h"

namespace mbrl::gpu {
namespace {

const char* activation_text(Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return "relu";
    case Activation::kSwish:
      return "swish";
    case Activation::kTanh:
      return "tanh";
    default:
      return "";
  }
}

std::string operand_text(const Operand& x, int rows, int columns) {
  return x.transposed ? fmt::format("[{}, {}]^T", columns, rows)
                      : fmt::format("[{}, {}]", rows, columns);
}

bool on_16_bytes(const void* data) { return reinterpret_cast<std::uintptr_t>(data) % 16 == 0; }

}  // namespace

Library::Library(std::string name, const std::string& file) : name_(std::move(name)) {
  std::string first_reason;
  for (const std::string& path : {file, "/usr/local/cuda/lib64/" + file}) {
    std::string why;
    handle_ = open_library(path.c_str(), why);
    file_ = path;
    if (handle_ != nullptr) return;
    if (first_reason.empty()) first_reason = why;
  }
  missing_ = fmt::format("{} could not be loaded: {}", name_, first_reason);
}

void* Library::address(const char* symbol) {
  if (handle_ == nullptr) return nullptr;
  void* found = dlsym(handle_, symbol);
  if (found == nullptr && missing_.empty())
    missing_ = fmt::format("{} cannot be used: {} has no {}", name_, file_, symbol);
  return found;
}

std::string describe(const Product& p, Precision precision) {
  std::string text = p.count == 1 ? "" : fmt::format("{} x ", p.count);
  text += operand_text(p.a, p.rows, p.depth) + " " + operand_text(p.b, p.depth, p.columns);
  if (p.beta != 0.0f) text += " + c";
  if (p.bias != nullptr) text += " + bias";
  if (p.activation != Activation::kNone) {
    text += std::string(", ") + activation_text(p.activation);
    if (p.gate != nullptr) text += " gradient";
  }
  if (p.before_activation != nullptr) text += " and the value before it";
  return text + ", in " + precision_name(precision);
}

void check_product(const Library& library, const Product& p, Precision precision) {
  if (!library.missing().empty())
    throw DeviceError(fmt::format(
        "{}. Install it, or add its folder to LD_LIBRARY_PATH, or use device.gemm=hand.",
        library.missing()));

  struct Array {
    const char* name;
    const float* data;
    std::int64_t pitch;
    std::size_t stride;
  };
  const Array arrays[] = {{"a", p.a.data, p.a.pitch, p.a.stride},
                          {"b", p.b.data, p.b.pitch, p.b.stride},
                          {"c", p.c, p.c_pitch, p.c_stride},
                          {"bias", p.bias, 0, p.bias_stride},
                          {"before_activation", p.before_activation, p.c_pitch, p.c_stride},
                          {"gate", p.gate, p.c_pitch, p.c_stride}};
  for (const Array& array : arrays) {
    const bool aligned =
        on_16_bytes(array.data) && array.pitch % 4 == 0 && (p.count == 1 || array.stride % 4 == 0);
    if (!aligned)
      throw ShapeError(fmt::format(
          "{} product {}: {} has pitch {}, stride {} and address {}; expected multiples of 4 "
          "floats, which is what the libraries need.",
          library.name(), describe(p, precision), array.name, array.pitch, array.stride,
          fmt::ptr(array.data)));
  }
  if (p.count > 1 && p.c_stride == 0)
    throw ShapeError(fmt::format("{} product {}: c_stride is 0; every problem needs its own c.",
                                 library.name(), describe(p, precision)));
}

ProductRefused product_failed(const Library& library, const Product& p, Precision precision,
                              const std::string& what, const std::string& way_out) {
  return ProductRefused(fmt::format("{} cannot compute the product {}: {}. Use {}.", library.name(),
                                    describe(p, precision), what, way_out));
}

PlanKey plan_key(const Product& p, Precision precision) {
  const auto number = [](auto value) { return static_cast<std::int64_t>(value); };
  return {p.rows,
          p.columns,
          p.depth,
          p.count,
          p.a.pitch,
          number(p.a.stride),
          p.a.transposed,
          p.b.pitch,
          number(p.b.stride),
          p.b.transposed,
          p.c_pitch,
          number(p.c_stride),
          p.bias != nullptr,
          number(p.bias_stride),
          number(p.activation),
          p.before_activation != nullptr,
          p.gate != nullptr,
          p.beta != 0.0f,
          number(precision)};
}

}  // namespace mbrl::gpu
