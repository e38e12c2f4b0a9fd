#include "kernels/stages/check/twin_check.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/error.h"

namespace mbrl {

double rounding_allowed(Precision precision) {
  switch (precision) {
    case Precision::kFp32:
      return 1e-4;
    case Precision::kTf32:
    case Precision::kFp16:
      return 2e-2;
    case Precision::kBf16:
      return 1e-1;
  }
  return 0.0;
}

TwinCheck::Row& TwinCheck::row(const char* stage, const char* what, double allowed) {
  Row& row = rows_[{stage, what}];
  row.stage = stage;
  row.what = what;
  row.allowed = allowed;
  ++row.calls;
  return row;
}

void TwinCheck::take(Row& row, double difference) {
  if (!(difference <= row.largest)) {
    row.largest = std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
    row.largest_call = row.calls;
  }
}

void TwinCheck::compare(const char* stage, const char* what, std::span<const float> gpu,
                        std::span<const float> cpu, double allowed) {
  if (gpu.size() != cpu.size())
    throw ShapeError(std::string("check of ") + stage + ": " + what + " has " +
                     std::to_string(gpu.size()) + " values on the GPU and " +
                     std::to_string(cpu.size()) + " on the CPU.");
  double difference = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < gpu.size(); ++i) {
    difference += std::pow(static_cast<double>(gpu[i]) - cpu[i], 2);
    norm += std::pow(static_cast<double>(cpu[i]), 2);
  }
  Row& of = row(stage, what, allowed);
  take(of, difference == 0.0 ? 0.0 : std::sqrt(difference / norm));
}

void TwinCheck::compare(const char* stage, const char* what, const Buffer<float>& gpu,
                        const Buffer<float>& cpu, double allowed) {
  const Buffer<float> a = host_copy(gpu), b = host_copy(cpu);
  compare(stage, what, std::span<const float>(a.data(), a.size()),
          std::span<const float>(b.data(), b.size()), allowed);
}

bool TwinCheck::all_within() const {
  return std::all_of(rows_.begin(), rows_.end(),
                     [](const auto& named) { return named.second.within(); });
}

std::vector<TwinCheck::Row> TwinCheck::rows() const {
  std::vector<Row> all;
  for (const auto& [name, row] : rows_) all.push_back(row);
  return all;
}

std::string TwinCheck::table() const {
  std::string text =
      "stage            result                  calls  largest difference  at call   allowed\n";
  for (const auto& [name, row] : rows_) {
    char line[160];
    std::snprintf(line, sizeof line, "%-16s %-20s %8lld  %18.2e  %7lld  %8.1e%s\n",
                  row.stage.c_str(), row.what.c_str(), static_cast<long long>(row.calls),
                  row.largest, static_cast<long long>(row.largest_call), row.allowed,
                  row.within() ? "" : "  DIFFERS");
    text += line;
  }
  return text;
}

}  // namespace mbrl
