// Helper of the config tests: the text of an error.
#pragma once

#include <string>

#include "base/error.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {

/// The text of the ConfigError that `action` throws, "no error" if it throws none.
template <typename Action>
std::string config_error(Action action) {
  const std::string text = error_text<ConfigError>(action);
  return text.empty() ? "no error" : text;
}

}  // namespace mbrl
