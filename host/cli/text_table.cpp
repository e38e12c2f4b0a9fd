#include "host/cli/text_table.h"

#include <fmt/format.h>

#include "base/printable.h"

namespace mbrl {

std::size_t text_columns(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Utf8Character letter = first_character(text);
    const bool is_accent = letter.point >= 0x300 && letter.point < 0x370;
    columns += is_accent ? 0 : letter.point >= 0x1100 && letter.point < 0xfb00 ? 2 : 1;
    text.remove_prefix(std::max<std::size_t>(letter.bytes, 1));
  }
  return columns;
}

std::string table_text(const std::vector<std::vector<std::string>>& rows, std::size_t num_left) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], text_columns(row[i]));
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - text_columns(row[i]), ' ');
      line += i == 0 ? "" : "  ";
      line += i < num_left ? row[i] + blanks : blanks + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string Numbers::text(double value) const {
  if (largest_ >= 2.0 && largest_ < 1e7) return fmt::format("{:.2f}", value);
  if (largest_ >= 0.01 && largest_ < 2.0) return fmt::format("{:.3f}", value);
  return fmt::format("{:.4g}", value);
}

}  // namespace mbrl
