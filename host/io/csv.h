// Tables of numbers that grow by a row at a time and survive a resume.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/io/output_file.h"

namespace mbrl {

/// The lines of a table, without the byte order mark that some editors put before the first and the
/// carriage returns that they put after each. What follows the last line end is no line: a crash or a
/// full disk cut it off, and "50000" may have become "50".
std::vector<std::string> whole_lines(std::string_view text);

class CsvWriter {
 public:
  /// Opens a table whose first column is env_steps. resume_env_steps < 0 starts it anew; otherwise
  /// rows beyond that step, and one that was cut off in the middle, are dropped, so that a resumed
  /// run leaves the file of one that never stopped.
  ///
  /// Errors   DataError if an existing file has another header, or on a write error.
  CsvWriter(const std::filesystem::path& path, const std::vector<std::string>& header,
            std::int64_t resume_env_steps);

  /// Appends a row and hands it to the operating system. Whole numbers print without a point,
  /// others with the digits that read back exactly; NaN is empty.
  void append(const std::vector<double>& row);

  /// Waits until the disk has all rows.
  void sync() { file_->sync(); }

 private:
  std::unique_ptr<OutputFile> file_;
  std::size_t num_columns_;
};

}  // namespace mbrl
