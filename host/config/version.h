// What this program was built from.
#pragma once

#include <string>

namespace mbrl {

std::string program_version();  // "0.2.0"
std::string
git_commit();            // "1399c2d", "-dirty" added if files had changed; "unknown" outside of git
std::string compiler();  // "GCC 12.2.0, Release"
std::string source_configs();  // the source tree's folder configs/, "" if the build did not tell

}  // namespace mbrl
