// The table of all configuration keys, made of what config.h says of each: loading, overrides, help,
// schema, the saved config and its hash all walk it.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "host/config/config.h"

namespace mbrl {

/// Where the value of a field lives in one Config.
using Slot = std::variant<bool*, int*, float*, double*, std::string*, std::vector<int>*,
                          std::vector<float>*, std::vector<std::string>*, SearchSpace*>;

/// One key: where it is, what it means, what it may hold. Its type is the member's, its default the
/// one of Config{}.
struct Field {
  std::string section;  // "" for the keys outside of a section
  std::string key;
  std::function<Slot(Config&)> slot;
  std::string doc;                        // what it means, without a full stop
  std::string unit;                       // "" where there is none to name
  Range range = {};                       // numbers and lists of numbers
  std::vector<std::string> choices = {};  // strings and lists of them; empty: any text
  int num_items = 0;                      // length of a list; 0: one or more (see may_be_empty)
  std::string former_path = {};           // in configs of earlier versions, "" where it is the same
  bool live = false;                      // may change between two steps of a run
  bool variant = false;                   // implementations differ in it

  /// "model.learning_rate", or "seed" outside of a section.
  std::string path() const { return section.empty() ? key : section + "." + key; }
};

/// Whether a list may have no items: where that is its default.
bool may_be_empty(const Field& field);

/// All keys in the order of config.h.
const std::vector<Field>& fields();

/// The field at "section.key" or at "key", nullptr if there is none. A former path finds it too.
const Field* find_field(std::string_view path);

/// The sections in the order of config.h: env, mjcf, model, ...
const std::vector<std::string>& sections();

/// The value of a field as JSON. A number comes out as the shortest decimal that reads back as
/// itself.
nlohmann::ordered_json field_value(const Config& config, const Field& field);

/// The same as text for people: 0.001, [256, 256], hopper.
std::string field_text(const Config& config, const Field& field);

/// True for keys that `mbrl_gpu tune` reads and no run does.
bool is_of_search(const Field& field);

/// True for keys that hold text.
bool is_text(const Field& field);

/// True for keys that hold a list of texts.
bool is_text_list(const Field& field);

/// What a field accepts: "a number in [0, 1]", "one of mbpo, sac", "a list of 4 numbers >= 0".
std::string expectation(const Field& field);

/// Limits as text: "[0, 1]", ">= 1", "" where there are none.
std::string range_text(const Range& range);

/// Whether one number may stand for all items of the key, a list: as_key_value() makes the list.
bool takes_one_number(const Field& field);
nlohmann::ordered_json as_key_value(const Field& field, const nlohmann::ordered_json& value);

/// Sets a field. An integer may be written 1e5. What has to lie in the range is the number as it
/// is kept: 0.99999999999 is 1 as a float.
///
/// Errors   ConfigError naming `origin`, the key, what was found and what is expected.
void set_field(Config& config, const Field& field, const nlohmann::ordered_json& value,
               std::string_view origin);

/// The error for a key that does not exist, with the nearest ones that do.
///
/// Errors   always ConfigError.
[[noreturn]] void throw_unknown_key(std::string_view path, std::string_view origin);

}  // namespace mbrl
