#include "host/config/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "base/error.h"
#include "base/nearest_name.h"
#include "base/printable.h"
#include "host/config/name_list.h"
#include "host/config/search_space.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;

// adds the keys of a struct and of the structs in it; `get` finds it in a Config
template <typename Object, typename Get>
void add_fields(std::vector<Field>& table, const std::string& section, Get get) {
  for_each_key<Object>(
      [&](const auto& member) {
        const KeyDescription& d = member.description;
        table.push_back({.section = section,
                         .key = d.name,
                         .slot = [get, at = member.get](Config& c) -> Slot { return &at(get(c)); },
                         .doc = d.text,
                         .unit = d.unit,
                         .range = d.range,
                         .choices = d.choices,
                         .num_items = d.num_items,
                         .former_path = d.former_path,
                         .live = d.live,
                         .variant = d.variant});
      },
      [&](const auto& member) {
        const auto inner = [get, at = member.get](Config& c) -> decltype(auto) {
          return at(get(c));
        };
        using Inner = std::remove_reference_t<decltype(inner(std::declval<Config&>()))>;
        add_fields<Inner>(table, member.name, inner);
      });
}

// ---------------------------------------------------------------------------------------------------
// values

// calls f with the value of the field
template <typename F>
auto visit_value(const Config& config, const Field& field, F&& f) {
  const Slot slot = field.slot(const_cast<Config&>(config));
  return std::visit([&](const auto* value) { return f(*value); }, slot);
}

// the double whose shortest text is the float's shortest text: 0.001f gives 0.001, not
// 0.00100000005
double as_double(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  double result = 0.0;
  std::from_chars(text, end, result);
  return result;
}

// Paths are bytes and JSON is UTF-8: a byte that is part of no character goes by as a character of
// its own, U+F780 to U+F7FF, which nobody else uses; those characters go by byte by byte.
constexpr char32_t kByte = 0xf700;

std::string text_of_bytes(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    auto [point, count] = first_character(bytes);
    if (count > 0 && !(point >= kByte + 0x80 && point <= kByte + 0xff)) {
      text += bytes.substr(0, count);
    } else {
      count = 1;
      const char32_t stand_in = kByte + static_cast<unsigned char>(bytes[0]);
      text += static_cast<char>(0xe0 | (stand_in >> 12));
      text += static_cast<char>(0x80 | (stand_in >> 6 & 0x3f));
      text += static_cast<char>(0x80 | (stand_in & 0x3f));
    }
    bytes.remove_prefix(count);
  }
  return text;
}

std::string bytes_of_text(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const auto [point, count] = first_character(text);
    if (point >= kByte + 0x80 && point <= kByte + 0xff) {
      bytes += static_cast<char>(point - kByte);
    } else {
      bytes += text.substr(0, std::max<std::size_t>(1, count));
    }
    text.remove_prefix(std::max<std::size_t>(1, count));
  }
  return bytes;
}

Json to_json(bool value) { return value; }
Json to_json(int value) { return value; }
Json to_json(float value) { return as_double(value); }
Json to_json(double value) { return value; }
Json to_json(const std::string& value) { return text_of_bytes(value); }
template <typename T>
Json to_json(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(to_json(value));
  return list;
}

std::string to_text(bool value) { return value ? "true" : "false"; }
std::string to_text(int value) { return fmt::format("{}", value); }
std::string to_text(float value) { return fmt::format("{}", value); }
std::string to_text(double value) { return fmt::format("{}", value); }
std::string to_text(const std::string& value) { return printable(value); }
std::string to_text(const SearchSpace& value) { return search_space_text(value); }
template <typename T>
std::string to_text(const std::vector<T>& values) {
  return fmt::format("[{}]", fmt::join(values, ", "));
}

// of the number as it is kept: a float's limits are decimals, too
double kept(int value) { return value; }
double kept(float value) { return as_double(value); }
double kept(double value) { return value; }

template <typename T>
bool in_range(T number, const Range& range) {
  const double value = kept(number);
  const bool low = range.low_open ? value > range.low : value >= range.low;
  const bool high = range.high_open ? value < range.high : value <= range.high;
  return low && high;
}

// what arithmetic that flushes subnormal numbers takes a number for: 1e-40f is no number above 0
template <typename T>
T to_normal(T number) {
  return std::fpclassify(number) == FP_SUBNORMAL ? T{0} : number;
}

// reads one number; false if it is of another kind or not representable
bool read_number(const Json& value, int& number) {
  if (!value.is_number()) return false;
  const double wide = value.get<double>();
  if (wide != std::floor(wide) || std::abs(wide) > std::numeric_limits<int>::max()) return false;
  number = static_cast<int>(wide);
  return true;
}
bool read_number(const Json& value, float& number) {
  if (!value.is_number()) return false;
  number = to_normal(static_cast<float>(value.get<double>()));
  return std::isfinite(number);
}
bool read_number(const Json& value, double& number) {
  if (!value.is_number()) return false;
  number = to_normal(value.get<double>());
  return std::isfinite(number);
}

bool read(const Json& value, const Field&, bool& result) {
  if (!value.is_boolean()) return false;
  result = value.get<bool>();
  return true;
}
// names in a list or between commas; each once
bool read_several(const Json& value, const Field& field, std::string& result) {
  std::vector<std::string> names;
  if (value.is_string())
    names = names_of(value.get<std::string>());
  else if (!value.is_array() || value.empty())
    return false;
  else
    for (const Json& item : value) {
      if (!item.is_string()) return false;
      names.push_back(item.get<std::string>());
    }
  std::vector<std::string> seen;
  for (const std::string& name : names) {
    if (std::find(field.choices.begin(), field.choices.end(), name) == field.choices.end() ||
        std::find(seen.begin(), seen.end(), name) != seen.end())
      return false;
    seen.push_back(name);
  }
  result = fmt::format("{}", fmt::join(names, ","));
  return true;
}
bool read(const Json& value, const Field& field, std::string& result) {
  if (takes_several(field)) return read_several(value, field, result);
  if (!value.is_string()) return false;
  result = bytes_of_text(value.get_ref<const std::string&>());
  return field.choices.empty() ||
         std::find(field.choices.begin(), field.choices.end(), result) != field.choices.end();
}
bool read(const Json& value, const Field& field, std::vector<std::string>& result) {
  if (!value.is_array() || (value.empty() && !may_be_empty(field))) return false;
  result.clear();
  for (const Json& item : value) {
    std::string text;
    if (!read(item, field, text)) return false;
    result.push_back(text);
  }
  return true;
}
template <typename T>
requires std::is_arithmetic_v<T>
bool read(const Json& value, const Field& field, T& result) {
  return read_number(value, result) && in_range(result, field.range);
}
template <typename T>
bool read(const Json& value, const Field& field, std::vector<T>& result) {
  if (!value.is_array() || (value.empty() && !may_be_empty(field))) return false;
  if (field.num_items > 0 && static_cast<int>(value.size()) != field.num_items) return false;
  result.clear();
  for (const Json& item : value) {
    T number{};
    if (!read_number(item, number) || !in_range(number, field.range)) return false;
    result.push_back(number);
  }
  return true;
}

// ---------------------------------------------------------------------------------------------------
// texts

// the largest number the field's type can hold
double largest_number(const Field& field) {
  return visit_value(Config{}, field, [](const auto& value) -> double {
    using T = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_same_v<T, int>) return std::numeric_limits<int>::max();
    if constexpr (std::is_same_v<T, double>) return std::numeric_limits<double>::max();
    return std::numeric_limits<float>::max();
  });
}

bool is_float(const Field& field) {
  return visit_value(Config{}, field, [](const auto& value) {
    return std::is_same_v<std::remove_cvref_t<decltype(value)>, float>;
  });
}

// a name as it may stand in an error, cut where nobody reads on
std::string shown(std::string_view name) {
  constexpr std::size_t kMost = 80;
  return printable(name.substr(0, kMost)) + (name.size() > kMost ? "..." : "");
}

// the value as it was found, cut where it gets long; its kind only where that is the surprise
std::string found_text(const Json& value, const Field& field) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";

  if (value.is_string() && !is_text(field)) return text + ", a string";
  if (value.is_number() && std::abs(value.get<double>()) > largest_number(field)) {
    return text + ", which is too large";
  }
  // where rounding to the type of the key is what takes it out of the range
  if (value.is_number() && is_float(field) && in_range(value.get<double>(), field.range)) {
    return text + fmt::format(", which is kept as {}", static_cast<float>(value.get<double>()));
  }
  if (value.is_array()) return text + fmt::format(", a list of {}", value.size());
  if (value.is_object()) return text + ", an object";
  return text;
}

}  // namespace

const std::vector<Field>& fields() {
  static const std::vector<Field> table = [] {
    std::vector<Field> all;
    add_fields<Config>(all, "", [](Config& c) -> Config& { return c; });
    return all;
  }();
  return table;
}

bool may_be_empty(const Field& field) {
  const Json value = field_value(Config{}, field);
  return value.is_array() && value.empty();
}

const Field* find_field(std::string_view path) {
  for (const Field& field : fields()) {
    if (field.path() == path || (!path.empty() && field.former_path == path)) return &field;
  }
  return nullptr;
}

const std::vector<std::string>& sections() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> found;
    for (const Field& field : fields()) {
      if (!field.section.empty() && (found.empty() || found.back() != field.section)) {
        found.push_back(field.section);
      }
    }
    return found;
  }();
  return names;
}

bool is_of_search(const Field& field) { return field.section == "tune" || field.section == "pbt"; }

bool is_text(const Field& field) {
  Config config;
  return std::holds_alternative<std::string*>(field.slot(config));
}

bool takes_one_number(const Field& field) {
  Config config;
  return field.live && field.num_items == 0 &&
         std::holds_alternative<std::vector<float>*>(field.slot(config));
}

Json as_key_value(const Field& field, const Json& value) {
  return takes_one_number(field) && value.is_number() ? Json::array({value}) : value;
}

bool is_text_list(const Field& field) {
  Config config;
  return std::holds_alternative<std::vector<std::string>*>(field.slot(config));
}

Json field_value(const Config& config, const Field& field) {
  return visit_value(config, field, [](const auto& value) { return to_json(value); });
}

std::string field_text(const Config& config, const Field& field) {
  return visit_value(config, field, [](const auto& value) { return to_text(value); });
}

std::string range_text(const Range& range) {
  const bool low = std::isfinite(range.low), high = std::isfinite(range.high);
  if (low && high) {
    return fmt::format("{}{}, {}{}", range.low_open ? '(' : '[', range.low, range.high,
                       range.high_open ? ')' : ']');
  }
  if (low) return fmt::format("{} {}", range.low_open ? ">" : ">=", range.low);
  if (high) return fmt::format("{} {}", range.high_open ? "<" : "<=", range.high);
  return "";
}

std::string expectation(const Field& field) {
  if (!field.choices.empty())
    return fmt::format("{} {}",
                       is_text_list(field)    ? "a list of some of"
                       : takes_several(field) ? "one or several of"
                                              : "one of",
                       fmt::join(field.choices, ", "));

  const std::string limits = range_text(field.range);
  const std::string in_limits = limits.empty()                           ? ""
                                : (limits[0] == '[' || limits[0] == '(') ? " in " + limits
                                                                         : " " + limits;
  const std::string count = field.num_items > 0 ? fmt::format("{} ", field.num_items) : "";
  return visit_value(Config{}, field, [&](const auto& value) -> std::string {
    using T = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_same_v<T, bool>) return "true or false";
    if constexpr (std::is_same_v<T, std::string>) return "a string";
    if constexpr (std::is_same_v<T, int>) return "an integer" + in_limits;
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>)
      return "a number" + in_limits;
    if constexpr (std::is_same_v<T, std::vector<int>>) {
      return fmt::format("a list of {}integers{}", count, in_limits);
    }
    if constexpr (std::is_same_v<T, std::vector<float>>) {
      return fmt::format("a list of {}numbers{}", count, in_limits);
    }
    if constexpr (std::is_same_v<T, std::vector<std::string>>) return "a list of strings";
    if constexpr (std::is_same_v<T, SearchSpace>)
      return "an object with a range or choices for each key";
  });
}

void set_field(Config& config, const Field& field, const Json& value, std::string_view origin) {
  // read into a copy of the value, so that a refused one leaves the config as it was
  const bool accepted = std::visit(
      [&](auto* target) {
        auto candidate = *target;
        if constexpr (std::is_same_v<decltype(candidate), SearchSpace>) {
          candidate = search_space_from_json(value, origin);
        } else {
          if (!read(value, field, candidate)) return false;
        }
        *target = std::move(candidate);
        return true;
      },
      field.slot(config));
  if (accepted) return;

  std::string hint;
  // of a list, the first name that is not among them
  const auto is_wrong = [&](const Json& name) {
    return name.is_string() && std::find(field.choices.begin(), field.choices.end(),
                                         name.get<std::string>()) == field.choices.end();
  };
  const Json list =
      takes_several(field) && value.is_string() ? Json(names_of(value.get<std::string>())) : value;
  const auto in_list =
      list.is_array() ? std::find_if(list.begin(), list.end(), is_wrong) : list.end();
  const Json& name = in_list != list.end() ? *in_list : value;
  if (takes_several(field) && list.is_array() && in_list == list.end()) {
    const bool all_names =
        std::all_of(list.begin(), list.end(), [](const Json& item) { return item.is_string(); });
    if (!list.empty() && all_names) hint = " Each may stand there once.";
  } else if (name.is_string() && !field.choices.empty()) {
    if (value.is_array() || list.size() > 1)
      hint = fmt::format(" There is no {}.", shown(name.get<std::string>()));
    const std::string near = nearest_name(name.get<std::string>(), field.choices);
    if (!near.empty()) hint += fmt::format(" Did you mean {}?", near);
  }
  throw ConfigError(fmt::format("{}: {} is {}; expected {} ({}).{}", origin, field.path(),
                                found_text(value, field), expectation(field), field.doc, hint));
}

void throw_unknown_key(std::string_view path, std::string_view origin) {
  const auto is_section = [](const std::string& name) {
    return std::find(sections().begin(), sections().end(), name) != sections().end();
  };
  if (path == "extends") {
    throw ConfigError(fmt::format(
        "{}: extends is not a key of a run; it stands at the top of a config file.", origin));
  }
  if (is_section(std::string(path))) {
    throw ConfigError(fmt::format(
        "{}: {} is a section of keys; `mbrl_gpu config keys {}` lists them.", origin, path, path));
  }
  const auto dot = path.find('.');
  const bool has_section = dot != std::string_view::npos;
  std::string section(has_section ? path.substr(0, dot) : "");
  const std::string key(has_section ? path.substr(dot + 1) : path);

  // the right key in the wrong place or in none, then the nearest spelling
  std::vector<std::string> near, known, keys;
  for (const Field& field : fields()) {
    if (field.key == key) near.push_back(field.path());
    known.push_back(field.path());
    keys.push_back(field.key);
  }
  if (near.empty()) {
    if (!has_section) known.insert(known.end(), sections().begin(), sections().end());
    const std::string name = nearest_name(path, known);
    if (!name.empty()) near.push_back(name);
  }
  if (near.empty() && !has_section) {
    const std::string name = nearest_name(key, keys);
    for (const Field& field : fields()) {
      if (field.key == name) near.push_back(field.path());
    }
  }

  // point to the section that is meant, as far as that is clear
  if (has_section && !is_section(section)) section = nearest_name(section, sections());
  throw ConfigError(
      fmt::format("{}: {} is unknown.{} `mbrl_gpu config keys{}` lists all.", origin, shown(path),
                  near.empty() ? "" : fmt::format(" Did you mean {}?", fmt::join(near, " or ")),
                  section.empty() ? "" : " " + section));
}

}  // namespace mbrl
