// What an action says when it fails.
#pragma once

#include <string>

namespace mbrl {

/// The text of the error `action` throws; empty if it throws none.
template <typename Expected, typename Action>
std::string error_text(Action action) {
  try {
    action();
  } catch (const Expected& error) {
    return error.what();
  }
  return "";
}

}  // namespace mbrl
