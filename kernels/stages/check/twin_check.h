// A GPU's stages beside their CPU twins while a run goes on: the quickest way to trust a new card.
//
//   stage on the GPU --> its results
//   the same state and rows, copied to the host before --> the CPU twin --> compared
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/stream.h"

namespace mbrl {

/// What a run with Stream::set_check has seen. Every call of a stage is computed twice from one state, so
/// errors do not add up from call to call; the run goes on with the GPU's results.
class TwinCheck {
 public:
  /// The largest difference in one result of one stage.
  struct Row {
    std::string stage, what;
    std::int64_t calls = 0;  // compared
    double largest = 0.0;    // ||GPU - CPU|| / ||CPU||; infinite where one of them is not finite
    std::int64_t largest_call = 0;  // its number, from 1
    double allowed = 0.0;           // by the operands' format; 0: equal bits
    bool within() const { return largest <= allowed; }
  };

  /// `pool` is what the twins run on and must outlive the check.
  explicit TwinCheck(ThreadPool& pool) : cpu_(pool) {}

  /// The stream of the twins.
  Stream& cpu() { return cpu_; }

  /// Takes in one result of a call. `allowed` is the largest relative difference in norm that rounding
  /// explains.
  ///
  /// Errors   ShapeError if the two have different lengths.
  void compare(const char* stage, const char* what, std::span<const float> gpu,
               std::span<const float> cpu, double allowed);
  void compare(const char* stage, const char* what, const Buffer<float>& gpu,
               const Buffer<float>& cpu, double allowed);

  /// Whether no result differs by more than is allowed.
  bool all_within() const;
  /// One row per result, by stage and name.
  std::vector<Row> rows() const;
  /// The rows as an aligned table; a row beyond what is allowed ends in "DIFFERS".
  std::string table() const;

 private:
  Row& row(const char* stage, const char* what, double allowed);
  static void take(Row& row, double difference);

  Stream cpu_;
  std::map<std::pair<std::string, std::string>, Row> rows_;
};

/// Relative difference in norm that rounding explains in one gradient step or one forward pass, by the format
/// of the operands of products.
double rounding_allowed(Precision precision);

/// A copy on the host of what a stage reads.
template <typename T>
Buffer<T> host_copy(const Buffer<T>& buffer) {
  Buffer<T> copy(buffer.size());
  if (buffer.size() > 0) copy_memory(copy.data(), buffer.data(), buffer.size() * sizeof(T));
  return copy;
}
template <typename T>
Buffer<T> host_copy(const T* data, std::size_t size) {
  Buffer<T> copy(size);
  if (size > 0) copy_memory(copy.data(), data, size * sizeof(T));
  return copy;
}

}  // namespace mbrl
