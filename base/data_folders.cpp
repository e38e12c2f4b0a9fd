#include "base/data_folders.h"

#include <system_error>

namespace mbrl {
namespace {

std::vector<std::filesystem::path>& added() {
  static std::vector<std::filesystem::path> folders;
  return folders;
}

}  // namespace

std::vector<std::filesystem::path> data_folders() {
  std::vector<std::filesystem::path> folders;
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back(program.parent_path().parent_path() / "share/mbrl_gpu");
  folders.insert(folders.end(), added().begin(), added().end());
  return folders;
}

void add_data_folder(const std::filesystem::path& folder) { added().push_back(folder); }

}  // namespace mbrl
