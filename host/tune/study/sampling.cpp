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

// the ends of a range, those of whole numbers with a share of their own beyond them
struct Ends {
  double low, high;
  bool log;
};

Ends ends_of(const SearchDimension& d) {
  constexpr double kHalf = 0.49999;
  const double beyond = d.integer ? kHalf : 0.0;
  return {d.low - beyond, d.high + beyond, d.log};
}

double at(const Ends& ends, double place) {
  if (!ends.log) return ends.low + place * (ends.high - ends.low);
  return std::exp(std::log(ends.low) + place * (std::log(ends.high) - std::log(ends.low)));
}

std::vector<Json> grid_values(const SearchDimension& d, int points) {
  std::vector<Json> values;
  for (const std::string& choice : d.choices) values.push_back(Json::parse(choice));
  if (!values.empty()) return values;
  for (int i = 0; i < points; ++i) {
    const Json value = number_json(d, at({d.low, d.high, d.log}, i / (points - 1.0)));
    if (values.empty() || values.back() != value) values.push_back(value);
  }
  return values;
}

}  // namespace

double rounded_value(double value) {
  const std::string text = fmt::format("{:.4g}", value);
  double result = value;
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

Json number_json(const SearchDimension& d, double value) {
  if (d.integer) return static_cast<std::int64_t>(std::clamp(std::round(value), d.low, d.high));
  return std::clamp(rounded_value(value), d.low, d.high);
}

double place_of(const SearchDimension& d, const Json& value) {
  const Ends ends = ends_of(d);
  const auto place = [&](double low, double high, double x) { return (x - low) / (high - low); };
  const auto x = value.get<double>();
  return ends.log ? place(std::log(ends.low), std::log(ends.high), std::log(x))
                  : place(ends.low, ends.high, x);
}

Json value_at(const SearchDimension& d, double place) {
  return number_json(d, at(ends_of(d), place));
}

std::vector<Json> extreme_values(const SearchDimension& d) { return grid_values(d, 2); }

Json drawn_value(const SearchDimension& d, std::uint32_t bits) {
  if (!d.choices.empty())
    return Json::parse(
        d.choices[uniform_index(bits, static_cast<std::uint32_t>(d.choices.size()))]);
  return value_at(d, uniform01(bits));
}

TrialValues draw_trial(const SearchSpace& space, std::uint32_t seed, std::uint64_t number) {
  const RandomKey key{seed, purpose::kTrial, 0};
  TrialValues values;
  for (std::size_t i = 0; i < space.dimensions.size(); ++i)
    values.push_back(
        drawn_value(space.dimensions[i], key.bits(number, static_cast<std::uint32_t>(i)).x));
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
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Field& field = *find_field(space.dimensions[i].key);
    set_field(result, field, as_key_value(field, values[i]), "trial");
  }
  return result;
}

std::vector<std::string> override_words(const SearchSpace& space, const TrialValues& values) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Json value = as_key_value(*find_field(space.dimensions[i].key), values[i]);
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
