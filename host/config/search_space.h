// What a tuner may choose: for some keys of a config the values between two ends, or a list.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace mbrl {

/// One key of a space: a range of numbers, or choices.
struct SearchDimension {
  std::string key;  // "sac.learning_rate"
  double low = 0.0, high = 0.0;
  bool log = false;                       // drawn evenly in the logarithm
  bool integer = false;                   // whole numbers, both ends in them
  std::vector<std::string> choices = {};  // each as JSON: 64, "hard", [64,64]; empty: a range

  bool operator==(const SearchDimension&) const = default;
};

/// The keys that are searched, in the order of the file.
///
///   {"sac.learning_rate": {"low": 1e-5, "high": 1e-2, "log": true},
///    "sac.batch_size":    {"choices": [64, 128, 256]}}
struct SearchSpace {
  std::vector<SearchDimension> dimensions = {};

  bool operator==(const SearchSpace&) const = default;
};

/// Reads a space. Each entry's ends and choices are values that the key takes.
///
/// Errors   ConfigError that starts with `origin` and names the entry, what was found and what is
///          expected: no object, an unknown key or one that no trial may change, an entry that is
///          neither a range nor choices, ends in the wrong order, a logarithm of what is not above 0,
///          a value that the key does not take.
SearchSpace search_space_from_json(const nlohmann::ordered_json& json, std::string_view origin);

nlohmann::ordered_json to_json(const SearchSpace& space);

/// The same for people: {sac.learning_rate: 1e-05 to 0.01 log, sac.batch_size: 64|128|256}.
std::string search_space_text(const SearchSpace& space);

/// One text for each entry in which two spaces differ:
/// "tune.space.sac.learning_rate differs (1e-05 to 0.01 log -> 1e-05 to 0.1 log)".
std::vector<std::string> space_differences(const SearchSpace& from, const SearchSpace& to);

}  // namespace mbrl
