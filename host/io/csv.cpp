#include "host/io/csv.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/console.h"
#include "host/io/output_file.h"

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
  std::vector<std::string> lines;
  try {
    lines = whole_lines(read_file(path));
  } catch (const ReadError& error) {
    if (error.number != ENOENT) throw;
  }
  // an older version had no such table, or someone moved it away
  if (lines.empty() && limit > 0)
    print_to(stderr, fmt::format("warning: {} is empty or not there: rows up to step {} are lost\n",
                                 printable(path.string()), limit));
  if (!lines.empty() && lines[0] != header)
    throw DataError(
        fmt::format("{} has the columns {}; this run writes {}. Move the file away, or use another "
                    "folder with {}.",
                    path.string(), printable(lines[0]), header, folder_option()));
  const auto num_commas = std::count(header.begin(), header.end(), ',');
  std::string kept;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    const bool whole = std::count(line.begin(), line.end(), ',') == num_commas;
    if (whole && !line.empty() && std::atoll(line.c_str()) <= limit) kept += line + "\n";
  }
  return kept;
}

}  // namespace

std::vector<std::string> whole_lines(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<std::string> lines;
  for (std::size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    text.remove_prefix(end + 1);
  }
  return lines;
}

CsvWriter::CsvWriter(const std::filesystem::path& path, const std::vector<std::string>& header,
                     std::int64_t resume_env_steps)
    : num_columns_(header.size()) {
  const std::string names = fmt::format("{}", fmt::join(header, ","));
  const std::string rows = resume_env_steps >= 0 ? kept_rows(path, names, resume_env_steps) : "";
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
