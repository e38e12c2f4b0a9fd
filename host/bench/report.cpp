#include "host/bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace mbrl {
namespace {

constexpr char kColumns[] = "{:<22} {:<34} {:>12} {:<16} {:>9} {:>9} {:>9} {:>6}  {}\n";

std::string milliseconds(double s) { return fmt::format("{:.3f}ms", 1e3 * s); }

}  // namespace

double Peaks::floor(const BenchRow& row) const {
  double seconds = row.launches * seconds_launch;
  const double peak = row.in_fp32 ? flops_fp32 : flops;
  if (peak > 0.0) seconds = std::max(seconds, row.flop / peak);
  if (bytes > 0.0) seconds = std::max(seconds, row.bytes / bytes);
  return seconds;
}

BenchReport::BenchReport(bool json, int num_threads, std::string device, std::string precision,
                         std::string machine)
    : json_(json),
      num_threads_(num_threads),
      device_(std::move(device)),
      precision_(std::move(precision)),
      machine_(std::move(machine)) {
  if (!json_)
    fmt::print(kColumns, "operation", "shape", "rate", "", "median", "q1", "q3", "floor",
               "provider");
}

void BenchReport::add(const BenchRow& row) const {
  const double floor = peaks_.floor(row), rate = row.per_call / row.time.median;
  const double share = floor / row.time.median;
  if (json_) {
    nlohmann::ordered_json j{{"operation", row.operation},
                             {"shape", row.shape},
                             {"device", device_},
                             {"threads", num_threads_},
                             {"precision", row.in_fp32 ? "fp32" : precision_},
                             {"machine", machine_}};
    j["time_s"] = row.time.median;
    j["time_q1_s"] = row.time.low;
    j["time_q3_s"] = row.time.high;
    j["rate"] = rate;
    j["unit"] = row.unit;
    if (floor > 0) {
      j["floor_s"] = floor;
      j["share_of_floor"] = share;
    }
    j["provider"] = row.provider;
    fmt::print("{}\n", j.dump());
  } else {
    fmt::print(kColumns, row.operation, row.shape, fmt::format("{:.4g}", rate), row.unit,
               milliseconds(row.time.median), milliseconds(row.time.low),
               milliseconds(row.time.high), floor > 0 ? fmt::format("{:.0f} %", 100.0 * share) : "",
               row.provider);
  }
  std::fflush(stdout);
}

}  // namespace mbrl
