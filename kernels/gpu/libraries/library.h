// What the wrappers of vendor libraries share: loading them, naming a product in their errors, the
// key of a plan.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "cuda/stream.h"
#include "kernels/gpu/product.h"

namespace mbrl::gpu {

/// A shared library and the functions taken from it. Opened by the constructor, never closed; const
/// afterwards, so that threads share it.
class Library {
 public:
  /// `file` where the loader finds it, else in the toolkit's usual folder, where the loader often
  /// does not look. `name` appears in errors.
  Library(std::string name, const std::string& file);

  const std::string& name() const { return name_; }
  /// Why it cannot be used, as a clause; "" if it can.
  const std::string& missing() const { return missing_; }

  /// Points `function` to `symbol`. A library without it counts as missing.
  template <typename Function>
  void find(Function*& function, const char* symbol) {
    function = reinterpret_cast<Function*>(address(symbol));
  }

 private:
  void* address(const char* symbol);

  std::string name_;
  std::string missing_;
  std::string file_;
  void* handle_ = nullptr;
};

/// What a library refused, without the product it was for.
struct Refusal {
  std::string text;
};

/// Device memory that a library may use while it computes a product.
inline constexpr std::size_t kLibraryWorkspace = std::size_t{32} << 20;

/// "3 x [37, 208] [208, 24] + bias, relu, in tf32": a product as errors call it.
std::string describe(const Product& product, Precision precision);

/// Whether there is nothing to compute.
inline bool empty(const Product& p) { return p.count == 0 || p.rows == 0 || p.columns == 0; }

/// What holds for every library.
///
/// Errors   DeviceError if the library is missing; ShapeError naming the operand whose pitch,
/// stride
///          or address is no multiple of 16 bytes, or results that would lie on each other.
void check_product(const Library& library, const Product& product, Precision precision);

/// `what` a library said of a product, and the ways out.
DeviceError product_failed(const Library& library, const Product& product, Precision precision,
                           const std::string& what, const std::string& way_out);

/// Products with equal keys share a plan: all of them but the addresses and the factors.
using PlanKey = std::array<std::int64_t, 20>;
PlanKey plan_key(const Product& product, Precision precision);

}  // namespace mbrl::gpu
