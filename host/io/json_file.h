// JSON from outside: bounded in size and depth, its numbers of the types and in the ranges that they
// have to have, and with the file's name in every error.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/output_file.h"

namespace mbrl {

/// More than any file of this program holds, less than what would exhaust memory or the stack.
inline constexpr int kMaxJsonDepth = 64;
inline constexpr std::uint64_t kMaxJsonBytes = std::uint64_t{64} << 20;

/// What the JSON library says, without its own numbers.
inline std::string json_error_text(const nlohmann::json::exception& error) {
  const std::string_view words = error.what();
  const auto end = words.find("] ");
  return printable(end == std::string_view::npos ? words : words.substr(end + 2));
}

/// For Json::parse: refuses what is nested too deep to be written or destroyed again, and names
/// that hold a NUL, which cuts every text.
///
/// Errors   of the callback: DataError naming `name`.
template <typename Json>
auto json_bounds(const std::string& name) {
  return [name](int depth, typename Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxJsonDepth)
      throw DataError(fmt::format("{} is nested more than {} levels deep.", name, kMaxJsonDepth));
    if (event == Json::parse_event_t::key &&
        parsed.template get_ref<const std::string&>().find('\0') != std::string::npos)
      throw DataError(fmt::format("{} holds a name with a NUL character.", name));
    return true;
  };
}

/// The value that `text` is. Errors: DataError that starts with `name`.
template <typename Json = nlohmann::json>
Json parse_json(std::string_view text, const std::string& name) {
  if (text.size() > kMaxJsonBytes)
    throw DataError(fmt::format("{} holds {}; at most {} of JSON are read.", name,
                                bytes_text(text.size()), bytes_text(kMaxJsonBytes)));
  try {
    return Json::parse(text, json_bounds<Json>(name));
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("{} is not JSON: {}.", name, json_error_text(error)));
  }
}

/// The value in a file. Errors: ReadError, DataError.
template <typename Json = nlohmann::json>
Json read_json(const std::filesystem::path& file) {
  return parse_json<Json>(read_file(file, kMaxJsonBytes), file.string());
}

/// A value that is not what it has to be. Its text names the value; using_file adds the file.
struct ValueError : DataError {
  using DataError::DataError;
};

/// The number called `name`, from `low` to `high`. The library would cut 1.5 to 1, wrap -1 around
/// and take 1e300 for any integer.
///
/// Errors   ValueError.
template <typename T, typename Json>
T json_number(const Json& json, std::string_view name,
              std::type_identity_t<T> low = std::numeric_limits<T>::lowest(),
              std::type_identity_t<T> high = std::numeric_limits<T>::max()) {
  bool holds = false;
  T number{};
  if constexpr (std::is_integral_v<T>) {
    if (json.is_number_unsigned()) {
      holds = std::in_range<T>(json.template get<std::uint64_t>());
    } else if (json.is_number_integer()) {
      holds = std::in_range<T>(json.template get<std::int64_t>());
    }
    if (holds) number = json.template get<T>();
  } else if (json.is_number()) {
    number = static_cast<T>(json.template get<double>());
    holds = std::isfinite(number);
  }
  if (holds && low <= number && number <= high) return number;
  std::string found = json.is_array() ? fmt::format("a list of {}", json.size())
                      : json.is_object()
                          ? std::string("an object")
                          : json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (found.size() > 60) found.resize(60);
  const bool any = low == std::numeric_limits<T>::lowest() && high == std::numeric_limits<T>::max();
  throw ValueError(fmt::format("{} is {}; expected {}{}.", name, printable(found),
                               std::is_integral_v<T> ? "an integer" : "a finite number",
                               any ? "" : fmt::format(" from {} to {}", low, high)));
}

/// The list of `size` numbers called `name`. Errors: ValueError.
template <typename T, typename Json>
std::vector<T> json_numbers(const Json& json, const std::string& name, std::size_t size) {
  if (!json.is_array() || json.size() != size)
    throw ValueError(fmt::format(
        "{} is {}; expected a list of {}.", name,
        json.is_array() ? fmt::format("a list of {}", json.size()) : json.type_name(), size));
  std::vector<T> numbers;
  numbers.reserve(size);
  for (const Json& number : json) numbers.push_back(json_number<T>(number, name));
  return numbers;
}

/// Runs `use`, which takes values out of what was read from `file`.
///
/// Errors   DataError naming the file in place of ValueError, of those of the JSON library (a value
///          is absent or of another type) and of the file system.
template <typename Use>
decltype(auto) using_file(const std::filesystem::path& file, const Use& use) {
  try {
    return use();
  } catch (const ValueError& error) {
    throw DataError(
        fmt::format("{}: {} Is it damaged, or another's?", file.string(), error.what()));
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format(
        "{} is not what this version of the program writes: {}. Is it damaged, or another's?",
        file.string(), json_error_text(error)));
  } catch (const std::filesystem::filesystem_error& error) {
    throw DataError(fmt::format("{} cannot be used: {}.", file.string(), error.code().message()));
  }
}

}  // namespace mbrl
