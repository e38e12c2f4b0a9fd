// What kernels see of CUDA, for the host compiler: cuda/kernel.cuh includes this file instead of
// the toolkit.
//
// launch --> blocks one after another --> threads of a block as fibers, in a chosen order -->
// barriers and warp operations switch fibers. README.md says what is checked and what is not.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <tuple>
#include <type_traits>

#include "base/hd.h"
#include "base/scalar.h"
#include "cuda/stream.h"

#define __global__
#define __device__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  // implicit, as in CUDA: a plain number is a shape of one axis
  constexpr dim3(unsigned x_size = 1, unsigned y_size = 1, unsigned z_size = 1)
      : x(x_size), y(y_size), z(z_size) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
MBRL_HD float2 make_float2(float x, float y) { return {x, y}; }
MBRL_HD float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// constinit: read without a call that would initialize them first
extern constinit thread_local uint3 threadIdx, blockIdx;
extern constinit thread_local dim3 blockDim, gridDim;

namespace mbrl::emulator {

/// Order in which the threads of a block run between two barriers, and blocks within a grid.
/// Shuffled: warps in random order, lanes in random order within their warp, drawn anew after every
/// barrier.
enum class Schedule { kInOrder, kReversed, kShuffled };

/// For all launches that follow, on every OS thread. At start: shuffled with seed 1.
void set_schedule(Schedule schedule, std::uint32_t seed = 1);
/// Most dynamic shared memory a block may ask for. At start: 227 KiB, as on compute capability 9.0.
void set_shared_limit(std::size_t bytes);
std::size_t shared_limit();

/// A launch: done now, or recorded while the stream is being captured (runtime.cpp). The first one
/// of a kernel, which loads it on a GPU, may not be recorded.
void issue(Stream& stream, const char* name, const void* kernel, std::function<void()> work);

// the engine below the CUDA names; kernels do not call it
namespace engine {

using Where = std::source_location;

extern constinit thread_local float* shared_memory;
extern constinit thread_local std::uint64_t
    num_waited;  // threads of this launch in wait_for_earlier()

void run_grid(const char* name, const dim3& grid, int threads, std::size_t shared_bytes,
              void (*body)(const void*), const void* arguments);
/// std::logic_error unless `wanted` threads have called wait_for_earlier().
void require_waits(const char* name, std::uint64_t wanted);
void wait_for_block(Where where);
std::uint64_t exchange_xor(std::uint64_t value, int mask, Where where);
unsigned vote(bool predicate, Where where);
void start_copy(void* to, const void* from, bool there, Where where);
void end_group();
void wait_for_copies(int newer);
void load_transposed(std::uint32_t (&words)[4], const void* row, Where where);

using Tile = float (&)[4];
using OperandA = const std::uint32_t (&)[4];
using OperandB = const std::uint32_t (&)[2];
void multiply_tf32(Tile c, OperandA a, OperandB b, Where where);
void multiply_bf16(Tile c, OperandA a, OperandB b, Where where);
void multiply_f16(Tile c, OperandA a, OperandB b, Where where);

// a value of 4 or 8 bytes as the word that travels between lanes
template <typename T>
MBRL_HD std::uint64_t to_word(T value) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  if constexpr (sizeof(T) == 8) return std::bit_cast<std::uint64_t>(value);
  if constexpr (sizeof(T) == 4) return std::bit_cast<std::uint32_t>(value);
}
template <typename T>
MBRL_HD T from_word(std::uint64_t word) {
  if constexpr (sizeof(T) == 8) return std::bit_cast<T>(word);
  if constexpr (sizeof(T) == 4) return std::bit_cast<T>(static_cast<std::uint32_t>(word));
}

// NaN becomes the one NaN of CUDA's conversions
MBRL_HD std::uint32_t to_f16(float x) {
  return x != x ? 0x7fffu : std::bit_cast<std::uint16_t>(static_cast<_Float16>(x));
}
MBRL_HD std::uint32_t to_bf16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  // half a unit minus one, plus one if the last bit kept is odd: ties go to even
  return x != x ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

}  // namespace engine
}  // namespace mbrl::emulator

namespace mbrl::gpu {

/// Blocks, threads per block and bytes of dynamic shared memory of a launch.
struct LaunchShape {
  dim3 grid;
  int threads;
  std::size_t shared_bytes = 0;
  /// It may start before the kernel before it has ended; every thread calls wait_for_earlier() before
  /// it touches memory.
  bool early = false;
};

/// Runs `kernel` to its end, or records the launch where the stream is being captured. DeviceError
/// for a shape that no GPU takes, std::logic_error naming the kernel if its threads wait for each
/// other in vain, or if one of an early kernel does not wait for the one before. What the body throws
/// is thrown on.
template <typename... Parameters, typename... Arguments>
void launch(Stream& stream, const char* name, void (*kernel)(Parameters...),
            const LaunchShape& shape, const Arguments&... arguments) {
  // every thread gets its own copy of the converted arguments
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> arguments;
  };
  const Call call{kernel, std::tuple<Parameters...>(Parameters(arguments)...)};
  emulator::issue(stream, name, reinterpret_cast<const void*>(kernel), [=] {
    emulator::engine::num_waited = 0;
    emulator::engine::run_grid(
        name, shape.grid, shape.threads, shape.shared_bytes,
        [](const void* data) {
          const Call& of_thread = *static_cast<const Call*>(data);
          std::apply(of_thread.kernel, of_thread.arguments);
        },
        &call);
    if (shape.early)
      emulator::engine::require_waits(name, std::uint64_t{shape.grid.x} * shape.grid.y *
                                                shape.grid.z *
                                                static_cast<std::uint64_t>(shape.threads));
  });
}

/// The block's dynamic shared memory, 16-byte aligned and filled with NaN.
__device__ __forceinline__ float* shared_floats() { return emulator::engine::shared_memory; }

// the last argument of each is the caller's line, for error texts
using emulator::engine::Where;

__device__ __forceinline__ void sync_block(Where where = Where::current()) {
  emulator::engine::wait_for_block(where);
}

/// Kernels run one after the other: only that every thread comes here is checked.
__device__ __forceinline__ void wait_for_earlier() {
  // atomic for ThreadSanitizer, which takes fibers for threads
  __atomic_fetch_add(&emulator::engine::num_waited, 1, __ATOMIC_RELAXED);
}

/// The value of the lane whose number differs by `mask`.
template <typename T>
__device__ __forceinline__ T shuffle_xor(T value, int mask, Where where = Where::current()) {
  using namespace emulator::engine;
  return from_word<T>(exchange_xor(to_word(value), mask, where));
}
/// Bit i is the predicate of lane i.
__device__ __forceinline__ unsigned ballot(bool predicate, Where where = Where::current()) {
  return emulator::engine::vote(predicate, where);
}

/// Until wait_for_copies() the 16 bytes are NaN, and the source is read as late as that. A thread that
/// returns before it is reported.
__device__ __forceinline__ void start_copy(void* to, const void* from, bool there,
                                           Where where = Where::current()) {
  emulator::engine::start_copy(to, from, there, where);
}
__device__ __forceinline__ void end_group() { emulator::engine::end_group(); }
template <int kNewer>
__device__ __forceinline__ void wait_for_copies() {
  emulator::engine::wait_for_copies(kNewer);
}

/// The emulated GPU has all formats.
template <Precision kPrecision>
__device__ __forceinline__ bool lacks_format() {
  return false;
}

/// Blocks run one after the other, threads of a block as fibers of one OS thread; atomic for
/// ThreadSanitizer, which takes fibers for threads.
inline int fetch_add(int* counter, int value) {
  return __atomic_fetch_add(counter, value, __ATOMIC_RELAXED);
}
inline void fence_device() {}

/// Operands of the matrix instructions: rounded to nearest, two to a word (low half first) for the
/// 16-bit types. Ties go away from zero for tf32 and to even for the others.
__device__ __forceinline__ std::uint32_t to_tf32(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  return x != x ? 0x7fffffffu : (bits + 0x1000u) & 0xffffe000u;
}
__device__ __forceinline__ std::uint32_t pack_f16(float low, float high) {
  return emulator::engine::to_f16(low) | emulator::engine::to_f16(high) << 16;
}
__device__ __forceinline__ std::uint32_t pack_bf16(float low, float high) {
  return emulator::engine::to_bf16(low) | emulator::engine::to_bf16(high) << 16;
}

/// Within 2^-11, as a GPU's is; where in that range is another matter.
__device__ __forceinline__ float tanh_approx(float x) {
  return std::bit_cast<float>(to_tf32(tanh_f(x)));
}

/// Back to fp32, the low half first.
__device__ __forceinline__ float2 unpack_f16(std::uint32_t pair) {
  return {static_cast<float>(std::bit_cast<_Float16>(static_cast<std::uint16_t>(pair & 0xffffu))),
          static_cast<float>(std::bit_cast<_Float16>(static_cast<std::uint16_t>(pair >> 16)))};
}
__device__ __forceinline__ float2 unpack_bf16(std::uint32_t pair) {
  return {std::bit_cast<float>(pair << 16), std::bit_cast<float>(pair & 0xffff0000u)};
}

/// As in cuda/kernel.cuh.
__device__ __forceinline__ void load_transposed(std::uint32_t (&words)[4], const void* row,
                                                Where where = Where::current()) {
  emulator::engine::load_transposed(words, row, where);
}

/// c += a b on one 16 x 8 tile, f32 accumulation; layouts in cuda/kernel.cuh. Products are exact,
/// sums are rounded in order of depth: the last bits differ from those of a GPU.
__device__ __forceinline__ void mma_tf32(float (&c)[4], const std::uint32_t (&a)[4],
                                         const std::uint32_t (&b)[2],
                                         Where where = Where::current()) {
  emulator::engine::multiply_tf32(c, a, b, where);
}
__device__ __forceinline__ void mma_bf16(float (&c)[4], const std::uint32_t (&a)[4],
                                         const std::uint32_t (&b)[2],
                                         Where where = Where::current()) {
  emulator::engine::multiply_bf16(c, a, b, where);
}
__device__ __forceinline__ void mma_f16(float (&c)[4], const std::uint32_t (&a)[4],
                                        const std::uint32_t (&b)[2],
                                        Where where = Where::current()) {
  emulator::engine::multiply_f16(c, a, b, where);
}

}  // namespace mbrl::gpu
