// Arrays as NumPy's .npz: a ZIP archive of .npy files, stored without compression.
#pragma once

#include <filesystem>
#include <vector>

#include "host/io/safetensors.h"

namespace mbrl {

/// Writes arrays in host memory under their names, which np.load(path) has as keys.
///
/// Errors   DataError naming the file, for instance on a full disk; ShapeError for more than 4 GB,
///          which archives of this kind do not hold.
void write_npz(const std::filesystem::path& path, const std::vector<TensorRef>& tensors);

}  // namespace mbrl
