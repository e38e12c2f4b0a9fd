#include "host/config/overrides.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "host/config/fields.h"
#include "host/config/name_list.h"
#include "host/io/unique_json.h"

namespace mbrl {
namespace {

// ".5" as "0.5", also in lists: JSON wants the zero that Python, YAML and C do not
std::string with_leading_zeros(std::string_view text) {
  const auto is_digit = [&](std::size_t i) {
    return i < text.size() && text[i] >= '0' && text[i] <= '9';
  };
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.' && is_digit(i + 1) && (i == 0 || !is_digit(i - 1))) result += '0';
    result += text[i];
  }
  return result;
}

}  // namespace

const Field& apply_override(Config& config, std::string_view assignment) {
  const auto equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    throw ConfigError(fmt::format(
        "command line: {} is not an override; expected key=value, such as sac.learning_rate=3e-4.",
        assignment));
  }
  const std::string_view path = assignment.substr(0, equals);
  const std::string_view text = assignment.substr(equals + 1);

  const Field* field = find_field(path);
  if (field == nullptr) throw_unknown_key(path, "command line");

  // text keys take anything that is not in quotes as it stands: name=007 is the text 007
  using Json = nlohmann::ordered_json;
  Json value = Json::value_t::discarded;
  if (!is_text(*field) || text.starts_with('"')) {
    // numbers too large for a double throw even here
    try {
      value = Json::parse(is_text_list(*field) ? std::string(text) : with_leading_zeros(text),
                          unique_names<Json>(fmt::format("command line: {}", field->path())),
                          /*allow_exceptions=*/false);
    } catch (const Json::exception&) {
    } catch (const DataError& error) {
      throw ConfigError(error.what());
    }
  }
  // a list of names, and names between commas
  if (is_text(*field) && takes_several(*field) && text.starts_with("["))
    value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  // a list of texts may be written without quotes and brackets: controller.apply=real_ratio,model
  if (value.is_discarded() && is_text_list(*field)) {
    value = Json(names_of(text));
  }
  if (value.is_discarded()) value = std::string(text);
  set_field(config, *field, value, "command line");
  return *field;
}

}  // namespace mbrl
