// The peaks of this machine that floors of the hot loops are computed from.
#pragma once

#include "cuda/stream.h"
#include "host/bench/report.h"

namespace mbrl {

/// Every thread multiplies its own 256 x 256 matrices, the size of the layers here, by oneDNN and
/// by the tiles that the fused stages are made of. Adds rows and sets report.peaks().flops.
void measure_cpu_peaks(Stream& stream, double seconds, BenchReport& report);

/// Chain of launches, memory, and the largest products that any provider multiplies. Adds rows and
/// sets all of report.peaks().
void measure_gpu_peaks(Stream& stream, double seconds, BenchReport& report);

}  // namespace mbrl
