#include "host/io/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <exception>
#include <limits>
#include <sstream>
#include <system_error>

#include "base/natural_order.h"
#include "base/printable.h"
#include "host/io/console.h"
#include "host/io/csv.h"
#include "host/io/folders.h"
#include "host/io/output_file.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

// beyond which doubles no longer tell steps apart
constexpr double kMostSteps = 1e15;

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> fields;
  std::stringstream text(line);
  for (std::string field; std::getline(text, field, ',');) fields.push_back(field);
  return fields;
}

}  // namespace

double Curve::at(double position) const {
  const auto right = std::lower_bound(x.begin(), x.end(), position) - x.begin();
  if (right < static_cast<std::ptrdiff_t>(x.size()) && x[right] == position) return y[right];
  if (right == 0 || right == static_cast<std::ptrdiff_t>(x.size()))
    return std::numeric_limits<double>::quiet_NaN();
  const double share = (position - x[right - 1]) / (x[right] - x[right - 1]);
  return y[right - 1] + share * (y[right] - y[right - 1]);
}

Curve read_curve(const fs::path& path, const std::string& column) {
  const std::vector<std::string> lines = whole_lines(read_file(path));
  const auto first = std::find_if(lines.begin(), lines.end(),
                                  [](const std::string& line) { return !line.starts_with('#'); });
  if (first == lines.end())
    throw NoRows(fmt::format("{} holds no rows with {}.", path.string(), column));
  const std::vector<std::string> header = split(*first);
  const auto index = [&](const std::string& name) {
    const auto found = std::find(header.begin(), header.end(), name);
    if (found == header.end())
      throw DataError(fmt::format("{} has no column {}; its columns are {}.", path.string(), name,
                                  printable(*first)));
    return static_cast<std::size_t>(found - header.begin());
  };
  const std::size_t x = index("env_steps"), y = index(column);
  Curve curve;
  for (auto line = first + 1; line != lines.end(); ++line) {
    const std::vector<std::string> fields = split(*line);
    double values[2];
    bool complete = fields.size() > std::max(x, y);
    for (int i = 0; i < 2 && complete; ++i) {
      const std::string& field = fields[i == 0 ? x : y];
      complete =
          std::from_chars(field.data(), field.data() + field.size(), values[i]).ec == std::errc() &&
          std::isfinite(values[i]);
    }
    if (!complete) continue;  // an empty field: not measured
    if (!(values[0] >= 0.0 && values[0] <= kMostSteps))
      throw DataError(fmt::format("{}: env_steps is {}; expected 0 to {:.0e}.", path.string(),
                                  values[0], kMostSteps));
    if (!curve.x.empty() && values[0] <= curve.x.back())
      throw DataError(fmt::format("{}: env_steps {:.0f} follows {:.0f}; expected rising steps.",
                                  path.string(), values[0], curve.x.back()));
    curve.x.push_back(values[0]);
    curve.y.push_back(values[1]);
  }
  if (curve.x.empty())
    throw NoRows(fmt::format("{} holds no rows with {}.", path.string(), column));
  return curve;
}

std::vector<fs::path> find_tables(const fs::path& path, const std::string& table) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status) && error && error != std::errc::no_such_file_or_directory)
    throw ReadError(path, error.value());
  if (fs::exists(status) && !fs::is_directory(status)) return {path};
  std::vector<fs::path> found;
  for (const fs::path& folder : folders_below(path)) {
    for (const fs::path& entry : entries_of(folder)) {
      const std::string name = entry.filename().string();
      const bool is_table = name == table || (name.starts_with("seed-") && name.ends_with(".csv"));
      if (is_table && !fs::is_directory(entry, error)) found.push_back(entry);
    }
  }
  if (found.empty())
    throw DataError(fmt::format(
        "{} holds no {} or seed-*.csv: expected a table, a run directory or a folder of "
        "runs.",
        path.string(), table));
  std::sort(found.begin(), found.end(), natural_less);
  return found;
}

namespace {

// a run lies in <name>/<hash>/seed-<n>: neither of the last two says which run it is
std::string name_of(const fs::path& path) {
  std::error_code unknown;
  const fs::path real = fs::canonical(path, unknown);
  // "runs/hopper/" has an empty last part
  const fs::path written = path.has_filename() ? path : path.parent_path();
  if (unknown) return written.filename().string();
  const std::string last = real.filename().string(), above = real.parent_path().filename().string();
  if (last.starts_with("seed-") && is_config_hash(above))
    return real.parent_path().parent_path().filename().string() + " " + last;
  if (is_config_hash(last)) return above;
  return written.filename() == "." || written.filename() == ".." ? last
                                                                 : written.filename().string();
}

}  // namespace

std::pair<std::string, fs::path> name_and_path(const std::string& text) {
  const std::size_t at = text.find('=');
  std::error_code unknown;
  if (at == std::string::npos || fs::exists(text, unknown)) {
    const fs::path path = run_path(text);
    return {printable(name_of(path)), path};
  }
  return {printable(text.substr(0, at)), run_path(text.substr(at + 1))};
}

std::vector<Curve> read_curves(const fs::path& path, const std::string& column,
                               const std::string& table) {
  std::vector<Curve> curves;
  std::exception_ptr first;
  const auto leave_out = [&](const DataError& error) {
    if (first == nullptr) first = std::current_exception();
    print_to(stderr, fmt::format("warning: left out: {}\n", printable(error.what())));
  };
  for (const fs::path& file : find_tables(path, table)) {
    try {
      curves.push_back(read_curve(file, column));
    } catch (const NoRows& error) {
      leave_out(error);
    } catch (const ReadError& error) {
      leave_out(error);
    }
  }
  if (curves.empty()) std::rethrow_exception(first);
  return curves;
}

Curve binned(const Curve& curve, int num_bins) {
  const double first = curve.x.front(), width = (curve.x.back() - first) / num_bins;
  Curve result;
  double sum = 0.0;
  int count = 0, bin = 0;
  const auto close = [&] {
    if (count > 0) {
      result.x.push_back(first + (bin + 1) * width);
      result.y.push_back(sum / count);
    }
    sum = 0.0;
    count = 0;
  };
  for (std::size_t i = 0; i < curve.x.size(); ++i) {
    // the last row belongs to the last bin
    const int own =
        width > 0 ? std::min(static_cast<int>((curve.x[i] - first) / width), num_bins - 1) : 0;
    if (own != bin) close();
    bin = own;
    sum += curve.y[i];
    ++count;
  }
  close();
  return result;
}

StepRange common_range(const std::vector<Curve>& curves) {
  StepRange range{-std::numeric_limits<double>::infinity(),
                  std::numeric_limits<double>::infinity()};
  for (const Curve& curve : curves) {
    range.low = std::max(range.low, curve.x.front());
    range.high = std::min(range.high, curve.x.back());
  }
  return range;
}

double mean_over(const Curve& curve, StepRange range) {
  double area = 0.0, x = range.low, y = curve.at(range.low);
  const auto add_trapezium = [&](double next_x, double next_y) {
    area += 0.5 * (y + next_y) * (next_x - x);
    x = next_x;
    y = next_y;
  };
  if (range.low == range.high) return y;
  for (std::size_t i = 0; i < curve.x.size(); ++i)
    if (curve.x[i] > range.low && curve.x[i] < range.high) add_trapezium(curve.x[i], curve.y[i]);
  add_trapezium(range.high, curve.at(range.high));
  return area / (range.high - range.low);
}

double last_value(const Curve& curve, double step) {
  const auto after = std::upper_bound(curve.x.begin(), curve.x.end(), step) - curve.x.begin();
  return after == 0 ? std::numeric_limits<double>::quiet_NaN() : curve.y[after - 1];
}

}  // namespace mbrl
