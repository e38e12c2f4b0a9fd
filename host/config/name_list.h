// Keys whose text may name several of their choices: "random,hyperband".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "host/config/fields.h"

namespace mbrl {

/// True for keys that take one of their choices, several between commas, or a list of some; what is
/// kept is the text between commas.
bool takes_several(const Field& field);

/// The names between the commas of a text, in their order; one for "".
std::vector<std::string> names_of(std::string_view text);

}  // namespace mbrl
