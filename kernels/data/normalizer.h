// Scaling of the model's inputs by mean and standard deviation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/buffer.h"
#include "base/hd.h"
#include "cuda/stream.h"

namespace mbrl {

MBRL_HD float normalize(float x, float mean, float inv_std) { return (x - mean) * inv_std; }

/// Mean and inverse standard deviation of the first `columns` floats of the chosen rows.
///
/// Shapes   row i is base[indices[i] * row_pitch ...]; mean and inv_std: [columns].
/// Units    population standard deviation; one below min_std counts as 1.
/// Errors   ShapeError if mean or inv_std has another length, or if no row is chosen.
/// Cost     two passes over the rows in double, in chunks of fixed size: deterministic for any
/// number of
///          threads. No allocation after the first call of a thread.
void fit_normalizer(Stream& stream, const float* base, std::size_t row_pitch,
                    Vector<const std::uint32_t> indices, int columns, Vector<float> mean,
                    Vector<float> inv_std, float min_std, Buffer<double>& scratch);

namespace gpu {
MBRL_GPU_ONLY void fit_normalizer(Stream& stream, const float* base, std::size_t row_pitch,
                                  Vector<const std::uint32_t> indices, int columns,
                                  Vector<float> mean, Vector<float> inv_std, float min_std,
                                  double* scratch);
/// Doubles of its scratch.
MBRL_GPU_ONLY std::size_t normalizer_scratch_size(int rows, int columns);
}  // namespace gpu

}  // namespace mbrl
