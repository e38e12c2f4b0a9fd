#include "host/config/name_list.h"

#include <algorithm>

namespace mbrl {

bool takes_several(const Field& field) { return field.path() == "tune.method"; }

std::vector<std::string> names_of(std::string_view text) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    names.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

}  // namespace mbrl
