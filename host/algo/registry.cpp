#include "host/algo/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/free_name.h"
#include "base/nearest_name.h"

namespace mbrl {

namespace {

constexpr std::array<std::string_view, 7> kCommonSections = {"env", "mjcf",       "process", "eval",
                                                             "log", "checkpoint", "device"};

std::vector<Algorithm>& all_algorithms() {
#define MBRL_ENTRY(name) ::mbrl::algorithms::name##_algorithm(),
  static std::vector<Algorithm> all{MBRL_ALGORITHMS(MBRL_ENTRY)};
#undef MBRL_ENTRY
  return all;
}

std::string_view section_of(std::string_view path) { return path.substr(0, path.find('.')); }

}  // namespace

const std::vector<Algorithm>& list_algorithms() { return all_algorithms(); }

void register_algorithm(Algorithm algorithm) {
  require_free_name("register_algorithm", "an algorithm", algorithm.name, algorithm_names());
  algorithm_names().push_back(algorithm.name);
  all_algorithms().push_back(std::move(algorithm));
}

const Algorithm& find_algorithm(std::string_view name) {
  std::vector<std::string> names;
  for (const Algorithm& algorithm : list_algorithms()) {
    if (algorithm.name == name) return algorithm;
    names.push_back(algorithm.name);
  }
  const std::string near = nearest_name(std::string(name), names);
  throw ConfigError(fmt::format("algorithm {} is unknown.{} Algorithms: {}.", name,
                                near.empty() ? "" : fmt::format(" Did you mean {}?", near),
                                fmt::join(names, ", ")));
}

bool reads_key(const Algorithm& algorithm, std::string_view path) {
  const std::string_view section = section_of(path);
  if (section == path) return true;  // outside of the sections
  const auto listed = [&](const std::string& entry) {
    return std::find(algorithm.reads.begin(), algorithm.reads.end(), entry) !=
           algorithm.reads.end();
  };
  if (listed("-" + std::string(path))) return false;
  if (std::find(kCommonSections.begin(), kCommonSections.end(), section) != kCommonSections.end())
    return true;
  return listed(std::string(section)) || listed(std::string(path));
}

bool reads_section(const Algorithm& algorithm, std::string_view section) {
  return std::find(algorithm.reads.begin(), algorithm.reads.end(), section) !=
         algorithm.reads.end();
}

std::unique_ptr<Learner> make_learner(const Config& config, Stream& stream, Hooks hooks,
                                      std::uint32_t learner_index) {
  const Algorithm& algorithm = find_algorithm(config.algorithm);
  if (algorithm.make == nullptr)
    throw ConfigError(
        fmt::format("algorithm {} trains many learners; it is not one itself.", algorithm.name));
  return algorithm.make(config, stream, std::move(hooks), learner_index);
}

}  // namespace mbrl
