// Programs on the PATH.
#pragma once

#include <string>

namespace mbrl {

/// The file that a shell would start for this name; "" if there is none.
std::string program_path(const std::string& name);

}  // namespace mbrl
