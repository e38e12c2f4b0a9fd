#include "host/config/search_space.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/nearest_name.h"
#include "base/printable.h"
#include "host/config/fields.h"
#include "host/config/print.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExample =
    "{\"low\": 1e-5, \"high\": 1e-2, \"log\": true} or {\"choices\": [64, 128]}";

// the value as it was found, cut where it gets long
std::string found(const Json& value) {
  std::string text = printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

// reads one entry; `place` starts the text of its errors
class Entry {
 public:
  Entry(const std::string& key, const Json& json, std::string_view origin)
      : json_(json), place_(fmt::format("{}: tune.space.{}", origin, printable(key))) {
    dimension_.key = key;
    require_key(origin);
    if (!json.is_object()) refuse(fmt::format("is {}; expected {}.", found(json), kExample));
    const std::vector<std::string> known{"low", "high", "log", "int", "choices"};
    for (const auto& [name, value] : json.items()) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      const std::string near = nearest_name(name, known);
      refuse(fmt::format("has {}, which is unknown.{} Expected {}.", printable(name),
                         near.empty() ? "" : fmt::format(" Did you mean {}?", near), kExample));
    }
  }

  SearchDimension read() {
    const bool chooses = json_.contains("choices");
    const bool has_ends = json_.contains("low") || json_.contains("high");
    if (chooses && (has_ends || json_.contains("log") || json_.contains("int")))
      refuse("has choices beside the ends of a range; keep one of the two.");
    if (chooses)
      read_choices();
    else
      read_range();
    return dimension_;
  }

 private:
  [[noreturn]] void refuse(const std::string& text) const {
    throw ConfigError(fmt::format("{} {}", place_, text));
  }

  void require_key(std::string_view origin) {
    field_ = find_field(dimension_.key);
    if (field_ == nullptr) throw_unknown_key(dimension_.key, fmt::format("{}: tune.space", origin));
    dimension_.key = field_->path();
    if (field_->path() == "algorithm" || field_->path() == "env.name" ||
        field_->path() == "schedule" || is_of_search(*field_))
      refuse(
          "is no key of a trial: what is learned, and where, is the same in all of them. Make "
          "a study for each.");
    if (field_->path() == "loop.num_env_steps" || field_->path() == "seed")
      refuse(fmt::format("is no key of a trial: the study gives each its {}. Leave it out.",
                         field_->path() == "seed" ? "seeds (tune.seeds)" : "steps"));
    if (!is_hashed(*field_)) refuse("changes nothing that is learned. Leave it out.");
  }

  bool flag(const char* name) const {
    const auto value = json_.find(name);
    if (value == json_.end()) return false;
    if (!value->is_boolean())
      refuse(fmt::format("has {} = {}; expected true or false.", name, found(*value)));
    return value->get<bool>();
  }

  double end(const char* name) const {
    const auto value = json_.find(name);
    if (value == json_.end()) refuse(fmt::format("has no {}; expected {}.", name, kExample));
    if (!value->is_number() || !std::isfinite(value->get<double>()))
      refuse(fmt::format("has {} = {}; expected a number.", name, found(*value)));
    const double number = value->get<double>();
    if (dimension_.integer && (number != std::floor(number) || std::abs(number) > 2147483647.0))
      refuse(fmt::format("has {} = {}; expected a whole number.", name, found(*value)));
    take(*value, fmt::format("has {} = {}", name, found(*value)));
    return number;
  }

  void read_range() {
    const Json usual = field_value(Config{}, *field_);
    if (!usual.is_number() && !takes_one_number(*field_))
      refuse(
          fmt::format("is a range, and the key is {}; expected choices, such as {{\"choices\": "
                      "[{}]}}.",
                      expectation(*field_), found(usual)));
    dimension_.log = flag("log");
    dimension_.integer = flag("int") || usual.is_number_integer();
    dimension_.low = end("low");
    dimension_.high = end("high");
    if (dimension_.low > dimension_.high)
      refuse(fmt::format("has low = {} above high = {}; exchange them.", dimension_.low,
                         dimension_.high));
    if (dimension_.low == dimension_.high)
      refuse(
          fmt::format("has low and high at {}, which leaves nothing to choose; set the key "
                      "itself to it.",
                      dimension_.low));
    if (dimension_.log && dimension_.low <= 0.0)
      refuse(
          fmt::format("has log, and low = {}, which has no logarithm; raise low above 0, or "
                      "leave log out.",
                      dimension_.low));
  }

  void read_choices() {
    const Json& list = json_.at("choices");
    if (!list.is_array() || list.size() < 2)
      refuse(fmt::format("has choices = {}; expected a list of two or more values.", found(list)));
    for (const Json& choice : list) {
      take(choice, fmt::format("has the choice {}", found(choice)));
      // by value: 1 and 1.0 are one
      if (std::count(list.begin(), list.end(), choice) > 1)
        refuse(fmt::format("has the choice {} twice; leave one out.", found(choice)));
      dimension_.choices.push_back(choice.dump());
    }
  }

  // whether the key takes a value
  void take(const Json& value, const std::string& what) const {
    Config scratch;
    try {
      set_field(scratch, *field_, as_key_value(*field_, value), place_);
    } catch (const ConfigError&) {
      refuse(fmt::format("{}, which the key does not take; expected {} ({}).", what,
                         expectation(*field_), field_->doc));
    }
  }

  const Json& json_;
  std::string place_;
  const Field* field_ = nullptr;
  SearchDimension dimension_;
};

std::string dimension_text(const SearchDimension& d) {
  if (!d.choices.empty()) return printable(fmt::format("{}", fmt::join(d.choices, "|")));
  return fmt::format("{} to {}{}{}", d.low, d.high, d.integer ? " int" : "", d.log ? " log" : "");
}

Json end_json(const SearchDimension& d, double end) {
  if (d.integer) return static_cast<std::int64_t>(end);
  return end;
}

}  // namespace

SearchSpace search_space_from_json(const Json& json, std::string_view origin) {
  if (!json.is_object())
    throw ConfigError(
        fmt::format("{}: tune.space is {}; expected an object with an entry for each key, such as "
                    "{{\"sac.learning_rate\": {{\"low\": 1e-5, \"high\": 1e-2, \"log\": true}}}}.",
                    origin, found(json)));
  SearchSpace space;
  for (const auto& [key, entry] : json.items()) {
    space.dimensions.push_back(Entry(key, entry, origin).read());
    for (std::size_t i = 0; i + 1 < space.dimensions.size(); ++i)
      if (space.dimensions[i].key == space.dimensions.back().key)
        throw ConfigError(fmt::format("{}: tune.space has {} twice; keep one of them.", origin,
                                      space.dimensions[i].key));
  }
  return space;
}

Json to_json(const SearchSpace& space) {
  Json json = Json::object();
  for (const SearchDimension& d : space.dimensions) {
    Json& entry = json[d.key] = Json::object();
    if (!d.choices.empty()) {
      entry["choices"] = Json::array();
      for (const std::string& choice : d.choices) entry["choices"].push_back(Json::parse(choice));
      continue;
    }
    entry["low"] = end_json(d, d.low);
    entry["high"] = end_json(d, d.high);
    if (d.log) entry["log"] = true;
    if (d.integer) entry["int"] = true;
  }
  return json;
}

std::string search_space_text(const SearchSpace& space) {
  std::vector<std::string> texts;
  for (const SearchDimension& d : space.dimensions)
    texts.push_back(fmt::format("{}: {}", d.key, dimension_text(d)));
  return fmt::format("{{{}}}", fmt::join(texts, ", "));
}

std::vector<std::string> space_differences(const SearchSpace& from, const SearchSpace& to) {
  const auto find = [](const SearchSpace& space, const std::string& key) {
    return std::find_if(space.dimensions.begin(), space.dimensions.end(),
                        [&](const SearchDimension& d) { return d.key == key; });
  };
  std::vector<std::string> texts;
  for (const SearchDimension& d : from.dimensions) {
    const auto now = find(to, d.key);
    if (now == to.dimensions.end())
      texts.push_back(fmt::format("tune.space.{} is gone ({})", d.key, dimension_text(d)));
    else if (!(*now == d))
      texts.push_back(fmt::format("tune.space.{} differs ({} -> {})", d.key, dimension_text(d),
                                  dimension_text(*now)));
  }
  for (const SearchDimension& d : to.dimensions)
    if (find(from, d.key) == from.dimensions.end())
      texts.push_back(fmt::format("tune.space.{} is new ({})", d.key, dimension_text(d)));
  if (texts.empty() && !(from == to)) texts.emplace_back("tune.space has another order");
  return texts;
}

}  // namespace mbrl
