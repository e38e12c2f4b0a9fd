#include "host/io/csv.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "base/error.h"

namespace mbrl {
namespace {

std::string number_text(double value) {
  if (std::isnan(value)) return "";
  if (value == std::floor(value) && std::abs(value) < 1e15) return fmt::format("{:.0f}", value);
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  return std::string(text, end);
}

// the rows of an earlier part of the run that still count
std::string kept_rows(const std::filesystem::path& path, const std::string& header,
                      std::int64_t limit) {
  std::stringstream lines(read_file(path));
  std::string line, kept;
  if (std::getline(lines, line) && line != header)
    throw DataError(
        fmt::format("{} has the columns {}; this run writes {}. Move the file away, or use another "
                    "folder with --runs DIR.",
                    path.string(), line, header));
  const auto num_commas = std::count(header.begin(), header.end(), ',');
  while (std::getline(lines, line)) {
    // a crash or a full disk cuts off the last line, and "50000" may have become "50"
    const bool whole = !lines.eof() && std::count(line.begin(), line.end(), ',') == num_commas;
    if (whole && !line.empty() && std::atoll(line.c_str()) <= limit) kept += line + "\n";
  }
  return kept;
}

}  // namespace

CsvWriter::CsvWriter(const std::filesystem::path& path, const std::vector<std::string>& header,
                     std::int64_t resume_env_steps)
    : num_columns_(header.size()) {
  const std::string names = fmt::format("{}", fmt::join(header, ","));
  const bool resume = resume_env_steps >= 0 && std::filesystem::exists(path);
  const std::string rows = resume ? kept_rows(path, names, resume_env_steps) : "";
  write_file_atomically(path, names + "\n" + rows);
  file_ = std::make_unique<OutputFile>(path, OutputFile::Mode::kAppend);
}

void CsvWriter::append(const std::vector<double>& row) {
  if (row.size() != num_columns_)
    throw ShapeError(
        fmt::format("csv: a row has {} values, the header {} names.", row.size(), num_columns_));
  std::string line;
  for (const double value : row) line += number_text(value) + ",";
  line.back() = '\n';
  file_->write(line);
}

}  // namespace mbrl
