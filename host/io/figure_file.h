// Figures on the disk: SVG as it is, PNG through a program that renders it.
#pragma once

#include <filesystem>
#include <string>

namespace mbrl {

/// Writes a figure in one step (write_file_atomically). A file named *.png holds what rsvg-convert
/// or resvg, whichever is found first on the PATH, makes of it at three times its size: 300 dots an
/// inch where a figure of 440 pixels is 110 mm wide.
///
/// Errors   ConfigError if the name ends with that of another kind of image, or with .png where
///          neither program is found: how to get one; DataError with what the program said if it
///          fails; those of write_file_atomically.
void write_figure(const std::filesystem::path& path, const std::string& svg);

/// The errors of a name that write_figure refuses, before there is a figure.
void check_figure_name(const std::filesystem::path& path);

}  // namespace mbrl
