#include "base/free_name.h"

#include <algorithm>

#include "base/error.h"
#include "base/printable.h"

namespace mbrl {

void require_free_name(const std::string& caller, const std::string& what, const std::string& name,
                       const std::vector<std::string>& known) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const bool is_word = !name.empty() && is_letter(name.front()) &&
                       std::all_of(name.begin(), name.end(), [&](char c) {
                         return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
                       });
  if (!is_word)
    throw ConfigError(caller + ": \"" + printable(name) + "\" is no name for " + what +
                      ". Use small letters, digits and _, a letter first, such as my_robot.");
  if (std::find(known.begin(), known.end(), name) != known.end())
    throw ConfigError(caller + ": there is " + what + " " + name +
                      " already. Choose another name.");
}

}  // namespace mbrl
