#include "host/tune/grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/printable.h"
#include "host/config/overrides.h"

namespace mbrl {
namespace {

[[noreturn]] void refuse(const std::string& text) { throw ConfigError("command line: " + text); }

// the parts of a text between the commas that are in no brackets and no quotes
std::vector<std::string> split(std::string_view text, const std::string& path) {
  std::vector<std::string> parts{""};
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\' && i + 1 < text.size()) parts.back() += text[i++];
    if (c == '"') quoted = !quoted;
    if (!quoted && c == '[') ++depth;
    if (!quoted && c == ']') --depth;
    if (c == ',' && !quoted && depth == 0)
      parts.emplace_back();
    else
      parts.back() += text[i];
    if (depth < 0) break;
  }
  if (quoted || depth != 0)
    refuse(
        fmt::format("{}={} has {} that is not closed; expected values between commas, such as "
                    "{}=A,B or, of lists, {}=[1,2],[3,4].",
                    path, printable(text), quoted ? "a quote" : "a bracket", path, path));
  return parts;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number > 1'000'000'000'000 ||
      number < -1'000'000'000'000)
    return std::nullopt;
  return number;
}

// "0..4" and "0..8..2", both ends in them; nothing if the text is no range
std::vector<std::string> range(std::string_view text, const std::string& path) {
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) return {};
  std::string_view last = text.substr(dots + 2), step_text = "1";
  if (const auto more = last.find(".."); more != std::string_view::npos) {
    step_text = last.substr(more + 2);
    last = last.substr(0, more);
  }
  const auto low = whole_number(text.substr(0, dots)), high = whole_number(last),
             step = whole_number(step_text);
  if (!low || !high || !step || *step < 1)
    refuse(
        fmt::format("{}={} is no range; expected whole numbers, FIRST..LAST or "
                    "FIRST..LAST..STEP, such as {}=0..4 or {}=0..8..2.",
                    path, printable(text), path, path));
  if (*low > *high)
    refuse(fmt::format("{}={} goes down; write {}={}..{}.", path, text, path, *high, *low));
  if ((*high - *low) / *step >= static_cast<std::int64_t>(kMostGridRuns))
    refuse(fmt::format("{}={} has {} values; at most {} runs are one grid.", path, text,
                       (*high - *low) / *step + 1, kMostGridRuns));
  std::vector<std::string> values;
  for (std::int64_t value = *low; value <= *high; value += *step)
    values.push_back(std::to_string(value));
  return values;
}

bool holds_numbers(const Field& field) { return field_value(Config{}, field).is_number(); }

GridAxis parse_axis(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    refuse(
        fmt::format("{} is no key with values; expected key=A,B, such as "
                    "sac.learning_rate=1e-4,3e-4 or seed=0..4.",
                    printable(text)));
  const std::string path = text.substr(0, equals);
  const Field* field = find_field(path);
  if (field == nullptr) throw_unknown_key(path, "command line");

  GridAxis axis{.field = field, .values = {}};
  const std::vector<std::string> parts = split(std::string_view(text).substr(equals + 1), path);
  for (const std::string& part : parts) {
    if (part.empty() && (parts.size() > 1 || !is_text(*field)))
      refuse(fmt::format("{} has an empty value in {}; expected {}=A,B.", path, printable(text),
                         path));
    std::vector<std::string> values;
    if (holds_numbers(*field)) values = range(part, path);
    if (values.empty()) values.push_back(part);
    axis.values.insert(axis.values.end(), values.begin(), values.end());
  }
  // as the key keeps them: 1e-4 and 0.0001 are one
  std::vector<std::pair<std::string, std::string>> seen;
  for (std::size_t i = 0; i < axis.values.size(); ++i) {
    Config config;
    apply_override(config, axis.override_text(i));
    seen.emplace_back(field_value(config, *field).dump(), axis.values[i]);
  }
  std::sort(seen.begin(), seen.end());
  for (std::size_t i = 1; i < seen.size(); ++i)
    if (seen[i].first == seen[i - 1].first)
      refuse(fmt::format("{} has the value {} twice{}; leave one of them out.", path,
                         printable(seen[i].second),
                         seen[i].second == seen[i - 1].second
                             ? ""
                             : fmt::format(", as {} too", printable(seen[i - 1].second))));
  return axis;
}

}  // namespace

std::vector<GridAxis> parse_grid(const std::vector<std::string>& texts) {
  std::vector<GridAxis> axes;
  std::size_t num_points = 1;
  for (const std::string& text : texts) {
    GridAxis axis = parse_axis(text);
    for (const GridAxis& other : axes)
      if (other.field == axis.field)
        refuse(fmt::format("{} is given twice; put its values into one list, {}=A,B.", axis.path(),
                           axis.path()));
    num_points *= axis.values.size();
    if (num_points > kMostGridRuns)
      refuse(
          fmt::format("with the {} values of {} there are {} runs, of which at most {} are one "
                      "grid. Leave out values, or make several sweeps.",
                      axis.values.size(), axis.path(), num_points, kMostGridRuns));
    axes.push_back(std::move(axis));
  }
  return axes;
}

std::vector<std::vector<std::size_t>> grid_points(const std::vector<GridAxis>& axes) {
  std::vector<std::vector<std::size_t>> points{{}};
  for (const GridAxis& axis : axes) {
    std::vector<std::vector<std::size_t>> longer;
    for (const auto& point : points)
      for (std::size_t i = 0; i < axis.values.size(); ++i) {
        longer.push_back(point);
        longer.back().push_back(i);
      }
    points = std::move(longer);
  }
  return points;
}

}  // namespace mbrl
