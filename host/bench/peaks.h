// The peaks of this machine that floors of the hot loops are computed from.
#pragma once

#include "cuda/stream.h"
#include "host/bench/report.h"

namespace mbrl {

/// What the cores can do at the most, multiplying and adding on registers alone, which sets
/// report.peaks().flops; beside it, every thread with 256 x 256 matrices of its own, the size of the
/// layers here, by oneDNN and by the tiles that the fused stages are made of. Adds rows.
void measure_cpu_peaks(Stream& stream, double seconds, BenchReport& report);

/// Chain of launches, memory, and the largest products that any provider multiplies. Adds rows and
/// sets all of report.peaks().
void measure_gpu_peaks(Stream& stream, double seconds, BenchReport& report);

}  // namespace mbrl
