// Running means of what an algorithm measures, under names fixed at start.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mbrl {

/// A fixed list of named values. add() averages over the calls since the last take(); set() keeps
/// the latest value. Part of the checkpoint, so that a resumed run writes the same rows.
class Metrics {
 public:
  /// Registers a name; returns its index.
  int declare(const std::string& name);
  const std::vector<std::string>& names() const { return names_; }

  void add(int index, double value);
  void set(int index, double value);

  /// Current values, NaN where nothing was measured; means start anew, set values stay.
  std::vector<double> take();

  nlohmann::json state() const;
  void set_state(const nlohmann::json& state);

 private:
  std::vector<std::string> names_;
  std::vector<double> sum_;
  std::vector<std::int64_t> count_;
  std::vector<std::uint8_t> is_latest_;
};

}  // namespace mbrl
