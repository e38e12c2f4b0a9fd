// A member of a population becomes a copy of another (host/tune/study/population_search.h), on disk.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "host/bench/measure.h"

namespace mbrl {

/// Bytes of what pets_halfcheetah's member has after 300 trials of 1000 steps.
struct CopySizes {
  std::size_t history = std::size_t{300} * 1000 * 48 * 4;
  std::size_t weights = 8'400'000;  // with their moments
  std::string text() const;
};

class CopyTrial {
 public:
  /// Writes a member's checkpoint below the folder for temporary files. Errors   DataError.
  explicit CopyTrial(const CopySizes& sizes = {});
  ~CopyTrial();
  CopyTrial(const CopyTrial&) = delete;
  CopyTrial& operator=(const CopyTrial&) = delete;

  /// A call has another member take its state over.
  Timing copy(double seconds);

 private:
  std::filesystem::path folder_;
};

}  // namespace mbrl
