// What the wrappers of vendor libraries share: loading them, naming a product in their errors, the
// key of a plan.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/error.h"
#include "cuda/buffer.h"
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

/// A library that computes other products but not this one.
struct ProductRefused : DeviceError {
  using DeviceError::DeviceError;
};

/// What a library refused, without the product it was for.
struct Refusal {
  std::string text;
};

/// Device memory that a library may use while it computes a product.
inline constexpr std::size_t kLibraryWorkspace = std::size_t{32} << 20;

/// Products with equal keys share a plan: all of them but the addresses and the factors.
using PlanKey = std::array<std::int64_t, 20>;
PlanKey plan_key(const Product& product, Precision precision);

/// What a library keeps for a stream: its handle, workspace and plans. A Binding has the types
/// Handle and Plan (made of handle, product and precision), the text kName, and static functions
/// create(stream) and destroy(handle).
template <typename Binding>
class LibraryPlans {
 public:
  using Handle = typename Binding::Handle;
  using Plan = typename Binding::Plan;

  /// Those in `kept`, which is empty before the first product.
  static LibraryPlans& of(std::shared_ptr<void>& kept, Stream& stream) {
    if (kept == nullptr) kept = std::make_shared<LibraryPlans>(stream);
    return *static_cast<LibraryPlans*>(kept.get());
  }

  explicit LibraryPlans(Stream& stream)
      : workspace_(kLibraryWorkspace, Memory::kDevice, Binding::kName),
        handle_(Binding::create(stream)) {}
  ~LibraryPlans() {
    plans_.clear();
    Binding::destroy(handle_);
  }
  LibraryPlans(const LibraryPlans&) = delete;
  LibraryPlans& operator=(const LibraryPlans&) = delete;

  Handle handle() const { return handle_; }
  Buffer<std::byte>& workspace() { return workspace_; }
  Plan& plan(const Product& product, Precision precision) {
    const PlanKey key = plan_key(product, precision);
    const auto found = plans_.find(key);
    if (found != plans_.end()) return found->second;
    return plans_.try_emplace(key, handle_, product, precision).first->second;
  }

 private:
  Buffer<std::byte> workspace_;
  Handle handle_;
  std::map<PlanKey, Plan> plans_;
};

/// "3 x [37, 208] [208, 24] + bias, relu, in tf32": a product as errors call it.
std::string describe(const Product& product, Precision precision);

/// Whether there is nothing to compute.
inline bool empty(const Product& p) { return p.count == 0 || p.rows == 0 || p.columns == 0; }

/// What holds for every library.
///
/// Errors   DeviceError if the library is missing; ShapeError naming the operand whose pitch,
///          stride or address is not a multiple of 16 bytes, or results that would overlap.
void check_product(const Library& library, const Product& product, Precision precision);

/// `what` a library said of a product, and the ways out.
ProductRefused product_failed(const Library& library, const Product& product, Precision precision,
                              const std::string& what, const std::string& way_out);

}  // namespace mbrl::gpu
