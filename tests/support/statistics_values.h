// The tables of tests/golden/make_statistics.py: what scipy and rliable say.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace mbrl {

/// The rows below the heading of a table in tests/golden, in fields.
inline std::vector<std::vector<std::string>> golden_rows(const std::string& table) {
  std::ifstream file(std::string(MBRL_SOURCE_DIR "/tests/golden/") + table);
  EXPECT_TRUE(file.good()) << table;
  std::vector<std::vector<std::string>> rows;
  bool heading = true;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#") || std::exchange(heading, false)) continue;
    std::stringstream text(line);
    rows.emplace_back();
    for (std::string field; std::getline(text, field, ',');) rows.back().push_back(field);
  }
  return rows;
}

/// NaN, and a failure of the test, where the table has no such name.
inline double golden_value(const std::string& name) {
  static const auto kValues = [] {
    std::map<std::string, double> values;
    for (const auto& row : golden_rows("statistics_values.csv"))
      values[row.at(0)] = std::stod(row.at(1));
    return values;
  }();
  const auto found = kValues.find(name);
  EXPECT_NE(found, kValues.end()) << name;
  return found == kValues.end() ? std::nan("") : found->second;
}

}  // namespace mbrl
