#include "host/io/replace_file.h"

#include <fmt/format.h>

#include <system_error>

#include "base/error.h"
#include "host/io/output_file.h"

namespace mbrl {
namespace fs = std::filesystem;

void replace_file(const fs::path& given, const std::function<void(const fs::path&)>& write) {
  std::error_code unknown;
  const fs::file_status status = fs::status(given, unknown);
  // a rename would replace a device or a pipe for everybody
  if (fs::exists(status) && !fs::is_regular_file(status)) return write(given);
  fs::path path = given;
  // as many as the system itself would follow
  for (int links = 0; links < 40 && fs::is_symlink(path, unknown); ++links)
    path = path.parent_path() / fs::read_symlink(path, unknown);
  fs::path temporary = path;
  temporary += ".tmp";
  try {
    write(temporary);
    std::error_code error;
    fs::rename(temporary, path, error);
    if (error) {
      throw DataError(fmt::format("{} cannot be replaced: {}.", path.string(), error.message()));
    }
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
  sync_folder(path.parent_path());
}

}  // namespace mbrl
