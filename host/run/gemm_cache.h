// Whose matrix products were the fastest on this machine, remembered between runs in a JSON file:
//
//   {"<what was measured>": {"provider": "cublaslt", "seconds": {"hand": 1e-4, ...}}, ...}
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "kernels/gpu/product.h"

namespace mbrl {

/// The provider of a name that device.gemm and the file may hold; nothing for any other.
std::optional<GemmProvider> provider_named(std::string_view name);

class GemmCache {
 public:
  /// Reads the file. One that is absent, damaged or somebody else's is as good as empty: what it
  /// would have told is measured again.
  explicit GemmCache(std::filesystem::path file);

  /// What is remembered under `key`, if it is the name of a provider.
  std::optional<GemmProvider> find(const std::string& key) const;

  /// Keeps an answer, whose "provider" find() gives from now on, and writes the file. That it
  /// cannot be written costs a measurement of the next run, nothing else.
  void remember(const std::string& key, const nlohmann::json& answer);

 private:
  std::filesystem::path file_;
  nlohmann::json known_;
};

}  // namespace mbrl
