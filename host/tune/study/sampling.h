// Values out of a search space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/rng.h"
#include "host/config/config.h"

namespace mbrl {

namespace purpose {
inline constexpr Purpose kTrial{30};  // the values of a trial of a search
}

/// The values of one trial, one for each dimension of its space, in their order.
using TrialValues = std::vector<nlohmann::ordered_json>;

/// A number to four digits: what a person can type again.
double rounded_value(double value);

/// A number as a range's value: rounded, within its ends.
nlohmann::ordered_json number_json(const SearchDimension& dimension, double value);

/// Where a range's value lies between its ends, in [0, 1], in their logarithms where the range has
/// that; and the value at a place. Each whole number has [n - 0.5, n + 0.5] to itself.
double place_of(const SearchDimension& dimension, const nlohmann::ordered_json& value);
nlohmann::ordered_json value_at(const SearchDimension& dimension, double place);

/// Both ends of a range, or all choices.
std::vector<nlohmann::ordered_json> extreme_values(const SearchDimension& dimension);

/// A value that 32 random bits choose.
nlohmann::ordered_json drawn_value(const SearchDimension& dimension, std::uint32_t bits);

/// Trial `number` of a random search: of a range evenly, or evenly in the logarithm, rounded to four
/// digits, both ends in it; of whole numbers each as likely as its share of [low - 0.5, high + 0.5];
/// of choices each as likely as any. A function of seed and number alone.
TrialValues draw_trial(const SearchSpace& space, std::uint32_t seed, std::uint64_t number);

/// All combinations of `points` values of each range, evenly spaced with both ends (in the logarithm
/// where the range has that), and of all choices; the last dimension fastest.
///
/// Errors   ConfigError if there are more than `most`.
std::vector<TrialValues> grid_trials(const SearchSpace& space, int points, std::size_t most);

/// A config with a trial's values. What must hold between its keys is not checked.
///
/// Errors   ConfigError naming the key if it does not take its value.
Config with_values(const Config& config, const SearchSpace& space, const TrialValues& values);

/// The words of a command that sets them: "sac.learning_rate=0.0003", "sac.hidden_sizes=[64,64]".
std::vector<std::string> override_words(const SearchSpace& space, const TrialValues& values);

/// {"sac.learning_rate": 0.0003, ...}
nlohmann::ordered_json values_json(const SearchSpace& space, const TrialValues& values);

}  // namespace mbrl
