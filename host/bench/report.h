// What `mbrl_gpu bench` prints: a row per operation, beside the floor that this machine's peaks
// set.
#pragma once

#include <string>

#include "host/bench/measure.h"

namespace mbrl {

struct BenchRow {
  std::string operation, shape, unit, provider;
  Timing time;
  double per_call;       // units of work per call
  double flop = 0.0;     // per call
  double bytes = 0.0;    // that must move between memory and device, per call
  double launches = 0;   // in a row, per call
  bool in_fp32 = false;  // whatever the precision of the others
};

/// What the machine can do, measured in the same process. Zero: unknown.
struct Peaks {
  double flops = 0.0;       // per second, at the sizes of the layers, in the precision of the rows
  double flops_fp32 = 0.0;  // the same of rows in fp32
  double bytes = 0.0;       // per second, read plus written
  double seconds_launch = 0.0;  // from one node of a graph to the next

  /// The least time a row can take: arithmetic, memory or the chain of launches.
  double floor(const BenchRow& row) const;
};

/// Prints rows as a table, or as one JSON object per line.
class BenchReport {
 public:
  /// `machine` stands in each JSON object.
  BenchReport(bool json, int num_threads, std::string device, std::string precision,
              std::string machine);

  void add(const BenchRow& row) const;
  /// Those that floors of the rows to come are computed from.
  Peaks& peaks() { return peaks_; }

 private:
  bool json_;
  int num_threads_;
  std::string device_, precision_, machine_;
  Peaks peaks_;
};

}  // namespace mbrl
