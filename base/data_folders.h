// Where the files lie that the program brings with it: configs, Python module, scripts.
#pragma once

#include <filesystem>
#include <vector>

namespace mbrl {

/// Folders share/mbrl_gpu that may hold them, the first that has a file counts: beside the running
/// program, then what was added. They need not exist.
std::vector<std::filesystem::path> data_folders();

/// Adds one, for a program that is installed elsewhere than the library. Before all else.
void add_data_folder(const std::filesystem::path& folder);

}  // namespace mbrl
