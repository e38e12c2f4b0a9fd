// What the fuzz targets share: files that are made of an input, and how reading one may end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mbrl::fuzz {

/// A folder in memory with the files of the input at hand. It goes with the process; what one that
/// crashed has left, the next one removes.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Writes a file, in place of an earlier one, and returns its path.
  std::filesystem::path write(const std::string& name, std::string_view text) const;
  void remove(const std::string& name) const;

 private:
  std::filesystem::path path_;
};

/// What stands between two files of one input.
inline constexpr std::string_view kBetweenFiles = "\n%%%%\n";

/// The files of an input: `count` of them, empty where it holds fewer; the last has all that is left.
std::vector<std::string_view> files_of(std::string_view input, std::size_t count);

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// An input is read, or refused by an error that says so. A ShapeError blames the program, and what
/// is none of ours escapes: either ends the process, and is a fault.
template <typename Read>
void read_or_refuse(const Read& read) {
  try {
    read();
  } catch (const ConfigError&) {
  } catch (const DataError&) {
  }
}

/// A claim about what was read. Ends the process where it does not hold.
void require(bool holds, const char* claim);

}  // namespace mbrl::fuzz
