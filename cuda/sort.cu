// Sorting on the GPU by CUB's radix sort, in a file of its own: it takes longer to compile than all
// kernels of the stages.
#include <cub/device/device_radix_sort.cuh>

#include "cuda/kernel.cuh"
#include "cuda/sort.h"

namespace mbrl::gpu {

std::size_t sort_scratch_bytes(std::size_t count) {
  std::size_t bytes = 0;
  check_result("sort_u64", cub::DeviceRadixSort::SortKeys(
                               nullptr, bytes, static_cast<const std::uint64_t*>(nullptr),
                               static_cast<std::uint64_t*>(nullptr), static_cast<int>(count)));
  return bytes;
}

void sort_u64(Stream& stream, Vector<std::uint64_t> out, Vector<const std::uint64_t> keys,
              int begin_bit, Buffer<std::byte>& scratch) {
  std::size_t bytes = scratch.size();
  check_result("sort_u64", cub::DeviceRadixSort::SortKeys(
                               scratch.data(), bytes, keys.data, out.data, keys.size(), begin_bit,
                               64, static_cast<cudaStream_t>(stream.handle())));
}

}  // namespace mbrl::gpu
