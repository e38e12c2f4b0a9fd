// The one table of search methods: what kind of search each name of tune.method is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mbrl {

struct SearchMethod {
  std::string_view name;
  /// Its trials are the members of one population, which one process alone trains: what it finds is
  /// values over time. Else trials keep their values.
  bool is_population = false;
  /// No trial's values or steps depend on what another has earned: others may train them.
  bool is_fixed_ahead = false;
  /// Of a population: members go back to earlier moments.
  bool looks_back = false;
  /// Of a population: it is made of several, which evolve at pbt.frequencies.
  bool has_parts = false;
};

inline constexpr SearchMethod kSearchMethods[] = {
    {.name = "random", .is_fixed_ahead = true},
    {.name = "grid", .is_fixed_ahead = true},
    {.name = "hyperband"},
    {.name = "pbt", .is_population = true},
    {.name = "pbt_bt", .is_population = true, .looks_back = true},
    {.name = "mf_pbt", .is_population = true, .has_parts = true},
};

/// The method of this name; one that is nothing in particular for a name of another version.
constexpr SearchMethod search_method(std::string_view name) {
  for (const SearchMethod& method : kSearchMethods)
    if (method.name == name) return method;
  return {.name = name};
}

inline std::vector<std::string> search_method_names() {
  std::vector<std::string> names;
  for (const SearchMethod& method : kSearchMethods) names.emplace_back(method.name);
  return names;
}

}  // namespace mbrl
