// What tests share with tests/golden/make_torch.py: problems that both sides make to the bit, and
// the tables that it writes.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cuda/buffer.h"
#include "kernels/networks/mlp_layout.h"
#include "tests/support/matchers.h"

namespace mbrl::golden {

/// 16-bit numbers of a linear congruential generator; the first two steps tell seeds apart.
inline std::vector<std::uint32_t> sequence(std::uint32_t seed, std::size_t count) {
  std::vector<std::uint32_t> numbers;
  std::uint32_t x = seed;
  for (std::size_t i = 0; i < count + 2; ++i) {
    x = 1664525u * x + 1013904223u;
    if (i >= 2) numbers.push_back(x >> 16);
  }
  return numbers;
}

/// Numbers in [-scale, scale), multiples of scale / 2048; scale is a power of two.
inline std::vector<float> values(std::uint32_t seed, std::size_t count, float scale = 1.0f) {
  std::vector<float> all;
  for (const std::uint32_t x : sequence(seed, count))
    all.push_back((static_cast<float>(x / 16) - 2048.0f) / 2048.0f * scale);
  return all;
}

inline std::vector<std::uint32_t> rows(std::uint32_t seed, std::size_t count, std::uint32_t below) {
  std::vector<std::uint32_t> all = sequence(seed, count);
  for (std::uint32_t& row : all) row %= below;
  return all;
}

/// Weights of layer i: values(seed + 2 i), row by row; biases: values(seed + 2 i + 1).
inline void fill_network(const MlpLayout& layout, float* parameters, std::uint32_t seed,
                         float last_scale = 0.25f, float hidden_scale = 1.0f) {
  for (int i = 0; i < layout.num_layers(); ++i) {
    const LayerLayout& l = layout.layers[static_cast<std::size_t>(i)];
    const float scale = i + 1 == layout.num_layers() ? last_scale : hidden_scale;
    const auto at = seed + 2 * static_cast<std::uint32_t>(i);
    const std::vector<float> weights = values(at, static_cast<std::size_t>(l.out * l.in), scale);
    const std::vector<float> biases = values(at + 1, static_cast<std::size_t>(l.out), 0.25f);
    for (int out = 0; out < l.out; ++out) {
      for (int in = 0; in < l.in; ++in)
        parameters[l.weight + static_cast<std::size_t>(out * l.in_pitch + in)] =
            weights[static_cast<std::size_t>(out * l.in + in)];
      parameters[l.bias + static_cast<std::size_t>(out)] = biases[static_cast<std::size_t>(out)];
    }
  }
}

/// `tensor` - `before` in units of `rate`, projected on two fixed vectors.
inline std::vector<float> projected_change(const std::vector<float>& tensor,
                                           const std::vector<float>& before, double rate) {
  std::vector<float> projections;
  for (const std::uint32_t seed : {901u, 902u}) {
    const std::vector<float> direction = values(seed, tensor.size());
    double sum = 0.0;
    for (std::size_t i = 0; i < tensor.size(); ++i)
      sum += direction[i] * (static_cast<double>(tensor[i]) - before[i]) / rate;
    projections.push_back(static_cast<float>(sum));
  }
  return projections;
}

/// A table of make_torch.py: lines "case,updates,quantity,numbers" below a comment. Each line is
/// compared once; what was not compared is an error at the end.
class Table {
 public:
  explicit Table(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line[0] == '#') continue;
      std::istringstream words(line);
      std::string key, word;
      for (int i = 0; i < 3; ++i) {
        std::getline(words, word, ',');
        key += (i == 0 ? "" : ",") + word;
      }
      std::vector<double> numbers;
      while (std::getline(words, word, ',')) numbers.push_back(std::stod(word));
      lines_[key].push_back(numbers);
    }
  }
  ~Table() {
    if (testing::Test::HasFailure()) return;
    for (const auto& [key, rest] : lines_)
      EXPECT_TRUE(rest.empty()) << key << ": " << rest.size() << " lines were not compared";
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  /// The case that is compared from here on.
  void begin(const std::string& name) { case_ = name; }

  /// The next line of a quantity.
  std::vector<double> take(int updates, const std::string& quantity) {
    const std::string key = case_ + "," + std::to_string(updates) + "," + quantity;
    std::vector<std::vector<double>>& lines = lines_[key];
    if (lines.empty()) {
      ADD_FAILURE() << "the table has no line " << key;
      return {};
    }
    std::vector<double> numbers = lines.front();
    lines.erase(lines.begin());
    return numbers;
  }

  template <typename Range>
  void expect(int updates, const std::string& quantity, const Range& got, Tolerance allowed) {
    EXPECT_THAT(std::vector<float>(got.begin(), got.end()),
                ElementsNear(take(updates, quantity), allowed))
        << case_ << " after " << updates << ": " << quantity;
  }

  /// Both projections of every tensor of a network.
  void expect_changes(int updates, const std::string& network, const MlpLayout& layout,
                      const float* parameters, const float* before, double rate,
                      Tolerance allowed) {
    for (int i = 0; i < layout.num_layers(); ++i) {
      const LayerLayout& l = layout.layers[static_cast<std::size_t>(i)];
      const auto tensor = [&](const float* from, bool bias) {
        std::vector<float> all;
        for (int out = 0; out < l.out; ++out) {
          const float* row = from + l.weight + static_cast<std::size_t>(out * l.in_pitch);
          if (bias) {
            all.push_back(from[l.bias + static_cast<std::size_t>(out)]);
          } else {
            all.insert(all.end(), row, row + l.in);
          }
        }
        return all;
      };
      for (const bool bias : {false, true})
        expect(updates, network + (bias ? ".bias" : ".weight") + std::to_string(i),
               projected_change(tensor(parameters, bias), tensor(before, bias), rate), allowed);
    }
  }

 private:
  std::map<std::string, std::vector<std::vector<double>>> lines_;
  std::string case_;
};

}  // namespace mbrl::golden
