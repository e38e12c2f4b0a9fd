// Scaling of the model's inputs by mean and standard deviation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/buffer.h"
#include "cuda/stream.h"
#include "kernels/data/transition.h"
#include "kernels/formulas/ensemble_rows.h"

namespace mbrl {

/// Mean and inverse standard deviation of each model input over the chosen records.
///
/// Shapes   indices: positions in data; mean and inv_std: one per input of maps.
/// Units    population standard deviation; one below min_std counts as 1.
/// Errors   ShapeError if mean or inv_std has another length, or if no row is chosen.
/// Cost     two passes over the rows in double, in chunks of fixed size: deterministic for any
///          number of threads. No allocation after the first call of a thread.
void fit_normalizer(Stream& stream, const TransitionsView& data, const ModelMaps& maps,
                    Vector<const std::uint32_t> indices, Vector<float> mean, Vector<float> inv_std,
                    float min_std, Buffer<double>& scratch);

namespace gpu {
MBRL_GPU_ONLY void fit_normalizer(Stream& stream, const TransitionsView& data,
                                  const ModelMaps& maps, Vector<const std::uint32_t> indices,
                                  Vector<float> mean, Vector<float> inv_std, float min_std,
                                  double* scratch);
/// Doubles of its scratch.
MBRL_GPU_ONLY std::size_t normalizer_scratch_size(int rows, int columns);
}  // namespace gpu

}  // namespace mbrl
