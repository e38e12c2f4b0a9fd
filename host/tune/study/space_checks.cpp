#include "host/tune/study/space_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "envs/env.h"
#include "host/algo/checks.h"
#include "host/algo/registry.h"
#include "host/config/fields.h"
#include "host/tune/scheduled_run.h"
#include "host/tune/study/sampling.h"

namespace mbrl {
namespace {

bool has(const SearchSpace& space, const char* key) {
  return std::any_of(space.dimensions.begin(), space.dimensions.end(),
                     [&](const SearchDimension& d) { return d.key == key; });
}

// some of the multiples of a number between two, both ends of the list as far out as there are
std::vector<int> multiples_between(int of, int low, int high) {
  constexpr int kMost = 6;
  const int first = (low + of - 1) / of, last = high / of;
  const int stride = std::max(1, (last - first + kMost - 1) / kMost);
  std::vector<int> found;
  for (int k = first; k <= last; k += stride) found.push_back(k * of);
  if (found.empty()) found.push_back(first * of);
  return found;
}

// members that predict a share of the particles each
void check_particles(const SearchDimension& d, const Config& base, const std::string& origin) {
  const int members = base.model.ensemble_size;
  std::vector<int> values;
  for (const auto& value : extreme_values(d)) values.push_back(value.get<int>());
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const bool even =
      std::all_of(values.begin(), values.end(), [&](int n) { return n % members == 0; });
  if (even && (!d.choices.empty() || *least == *most || members == 1)) return;
  throw ConfigError(fmt::format(
      "{}: tune.space.planner.particles has numbers that {} members (model.ensemble_size) cannot "
      "share evenly, as planner.propagation={} needs. Give {{\"choices\": [{}]}}, or set "
      "planner.propagation to e, ds or mm.",
      origin, members, base.planner.propagation,
      fmt::join(multiples_between(members, *least, *most), ", ")));
}

}  // namespace

Config with_room(Config config, const SearchSpace& space, const std::string& origin) {
  std::vector<KeyValues> all;
  for (const SearchDimension& d : space.dimensions)
    for (const auto& value : extreme_values(d)) all.push_back({{d.key, value}});
  make_room(config, all, origin);
  return config;
}

void check_ends(const SearchSpace& space, const Config& base, const std::string& origin) {
  with_room(base, space, origin + ": tune.space");
  for (const SearchDimension& d : space.dimensions)
    for (const auto& value : extreme_values(d))
      check_sizes(with_values(base, {{d}}, {value}),
                  requirement(fmt::format("{}: tune.space.{} at {}", origin, d.key, value.dump())));
  if (!reads_section(find_algorithm(base.algorithm), "planner")) return;

  const EnvSpec env = make_env(base.env)->spec();
  const bool deals = base.planner.propagation == "ts_inf" || base.planner.propagation == "ts1";
  for (const SearchDimension& d : space.dimensions) {
    if (d.key == "planner.particles" && deals && !has(space, "planner.propagation"))
      check_particles(d, base, origin);
    if (d.key != "planner.horizon" && d.key != "planner.min_variance") continue;
    for (const auto& value : extreme_values(d))
      check_searches(with_values(base, {{d}}, {value}), env, requirement(origin + ": tune.space"));
  }
}

}  // namespace mbrl
