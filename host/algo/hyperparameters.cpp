#include "host/algo/hyperparameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <type_traits>
#include <variant>

#include "base/error.h"
#include "base/nearest_name.h"
#include "host/algo/registry.h"

namespace mbrl {
namespace {

bool contains(const Range& range, double value) {
  const bool above = range.low_open ? value > range.low : value >= range.low;
  const bool below = range.high_open ? value < range.high : value <= range.high;
  return above && below;  // and so no NaN
}

template <typename T>
Hyperparameter bind(const Field& field, T* value) {
  return make_hyperparameter(
      field.path(), std::is_same_v<T, bool> ? Range{.low = 0.0, .high = 1.0} : field.range,
      std::is_same_v<T, bool> ? Change::kToggle
      : std::is_integral_v<T> ? Change::kAdd
                              : Change::kMultiply,
      [value] { return static_cast<double>(*value); },
      [value](double to) {
        *value = static_cast<T>(std::is_floating_point_v<T> ? to : std::round(to));
      });
}

// all numbers of a list at once
Hyperparameter bind(const Field& field, std::vector<float>* values) {
  return make_hyperparameter(
      field.path(), field.range, Change::kMultiply,
      [values] {
        return std::accumulate(values->begin(), values->end(), 0.0) /
               static_cast<double>(values->size());
      },
      [values](double to) { std::fill(values->begin(), values->end(), static_cast<float>(to)); });
}

// a choice by its place among them
Hyperparameter bind(const Field& field, std::string* value) {
  const std::vector<std::string>& choices = field.choices;
  return make_hyperparameter(
      field.path(), {.low = 0.0, .high = static_cast<double>(choices.size()) - 1.0}, Change::kAdd,
      [&choices, value] {
        return static_cast<double>(std::find(choices.begin(), choices.end(), *value) -
                                   choices.begin());
      },
      [&choices, value](double to) { *value = choices[static_cast<std::size_t>(std::round(to))]; });
}

}  // namespace

Hyperparameter make_hyperparameter(std::string name, Range range, Change change,
                                   std::function<double()> get, std::function<void(double)> store) {
  return {.name = name,
          .range = range,
          .change = change,
          .get = std::move(get),
          .set = [name, range, store = std::move(store)](double value) {
            if (!contains(range, value)) {
              const std::string limits = range_text(range);
              const bool is_interval = limits.starts_with('[') || limits.starts_with('(');
              throw ConfigError(fmt::format("{} is set to {}; expected a number {}{}.", name, value,
                                            is_interval ? "in " : "", limits));
            }
            store(value);
          }};
}

std::vector<Hyperparameter> live_keys(Config& config) {
  const Algorithm& algorithm = find_algorithm(config.algorithm);
  std::vector<Hyperparameter> all;
  for (const Field& field : fields()) {
    if (!field.live || !reads_key(algorithm, field.path())) continue;
    const Slot slot = field.slot(config);
    if (auto* const* value = std::get_if<float*>(&slot)) all.push_back(bind(field, *value));
    if (auto* const* value = std::get_if<double*>(&slot)) all.push_back(bind(field, *value));
    if (auto* const* value = std::get_if<int*>(&slot)) all.push_back(bind(field, *value));
    if (auto* const* value = std::get_if<bool*>(&slot)) all.push_back(bind(field, *value));
    if (auto* const* value = std::get_if<std::string*>(&slot)) all.push_back(bind(field, *value));
    if (auto* const* value = std::get_if<std::vector<float>*>(&slot))
      all.push_back(bind(field, *value));
  }
  return all;
}

void put_hyperparameter(std::vector<Hyperparameter>& all, Hyperparameter hyperparameter) {
  for (Hyperparameter& known : all)
    if (known.name == hyperparameter.name) {
      known = std::move(hyperparameter);
      return;
    }
  all.push_back(std::move(hyperparameter));
}

Hyperparameter& find_hyperparameter(std::vector<Hyperparameter>& all, std::string_view name) {
  std::vector<std::string> names;
  for (Hyperparameter& hyperparameter : all) {
    if (hyperparameter.name == name) return hyperparameter;
    names.push_back(hyperparameter.name);
  }
  const std::string near = nearest_name(std::string(name), names);
  throw ConfigError(fmt::format("hyperparameter {} is unknown.{} There are: {}.", name,
                                near.empty() ? "" : fmt::format(" Did you mean {}?", near),
                                fmt::join(names, ", ")));
}

}  // namespace mbrl
