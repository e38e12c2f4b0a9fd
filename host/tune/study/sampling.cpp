#include "host/tune/study/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "host/config/fields.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;

// what a person can type again
double rounded(double value) {
  const std::string text = fmt::format("{:.4g}", value);
  double result = value;
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

Json number(const SearchDimension& d, double value) {
  if (d.integer) return static_cast<std::int64_t>(std::clamp(std::round(value), d.low, d.high));
  return std::clamp(rounded(value), d.low, d.high);
}

// the value at a share of the range, in its logarithm where it has that
double at(const SearchDimension& d, double low, double high, double share) {
  if (!d.log) return low + share * (high - low);
  return std::exp(std::log(low) + share * (std::log(high) - std::log(low)));
}

Json drawn(const SearchDimension& d, std::uint32_t bits) {
  if (!d.choices.empty())
    return Json::parse(
        d.choices[uniform_index(bits, static_cast<std::uint32_t>(d.choices.size()))]);
  const double share = uniform01(bits);
  if (!d.integer) return number(d, at(d, d.low, d.high, share));
  // each whole number has a share of its own, those at the ends too
  constexpr double kHalf = 0.49999;
  return number(d, at(d, d.low - kHalf, d.high + kHalf, share));
}

std::vector<Json> grid_values(const SearchDimension& d, int points) {
  std::vector<Json> values;
  for (const std::string& choice : d.choices) values.push_back(Json::parse(choice));
  if (!values.empty()) return values;
  for (int i = 0; i < points; ++i) {
    const Json value = number(d, at(d, d.low, d.high, i / (points - 1.0)));
    if (values.empty() || values.back() != value) values.push_back(value);
  }
  return values;
}

}  // namespace

TrialValues draw_trial(const SearchSpace& space, std::uint32_t seed, std::uint64_t number) {
  const RandomKey key{seed, purpose::kTrial, 0};
  TrialValues values;
  for (std::size_t i = 0; i < space.dimensions.size(); ++i)
    values.push_back(drawn(space.dimensions[i], key.bits(number, static_cast<std::uint32_t>(i)).x));
  return values;
}

std::vector<TrialValues> grid_trials(const SearchSpace& space, int points, std::size_t most) {
  std::vector<TrialValues> trials{{}};
  for (const SearchDimension& d : space.dimensions) {
    const std::vector<Json> values = grid_values(d, points);
    if (trials.size() * values.size() > most)
      throw ConfigError(fmt::format(
          "tune.space: a grid of {} values of each range has more than {} trials. Lower "
          "tune.points, leave keys out, or choose tune.method=random.",
          points, most));
    std::vector<TrialValues> longer;
    for (const TrialValues& trial : trials)
      for (const Json& value : values) {
        longer.push_back(trial);
        longer.back().push_back(value);
      }
    trials = std::move(longer);
  }
  return trials;
}

Config with_values(const Config& config, const SearchSpace& space, const TrialValues& values) {
  Config result = config;
  for (std::size_t i = 0; i < values.size(); ++i)
    set_field(result, *find_field(space.dimensions[i].key), values[i], "trial");
  return result;
}

std::vector<std::string> override_words(const SearchSpace& space, const TrialValues& values) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Json& value = values[i];
    const bool plain = value.is_string() && !value.get<std::string>().starts_with('"');
    words.push_back(space.dimensions[i].key + "=" +
                    (plain ? value.get<std::string>() : value.dump()));
  }
  return words;
}

Json values_json(const SearchSpace& space, const TrialValues& values) {
  Json json = Json::object();
  for (std::size_t i = 0; i < values.size(); ++i) json[space.dimensions[i].key] = values[i];
  return json;
}

}  // namespace mbrl
