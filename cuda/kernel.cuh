// What kernels see of CUDA: index variables, shared memory, barriers, warp exchange, matrix
// instructions and the launch.
//
// Kernel sources include this header and none of the toolkit's, so that the same sources also
// compile with the host compiler: cuda/emulator/emulator.h defines the same names and runs every
// thread of a block as a fiber. Matrix instructions are warp-wide; all 32 lanes take part.
#pragma once

#if !defined(__CUDACC__)
#include "cuda/emulator/emulator.h"
#else

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstddef>
#include <cstdint>

#include "cuda/stream.h"

namespace mbrl::gpu {

/// Blocks, threads per block and bytes of dynamic shared memory of a launch.
struct LaunchShape {
  dim3 grid;
  int threads;
  std::size_t shared_bytes = 0;
  /// It follows a kernel, and its blocks may take their places while that one ends. Every thread
  /// calls wait_for_earlier() before it touches memory.
  bool early = false;
};

/// Throws DeviceError naming the kernel if the launch failed.
void check_launch(const char* name);
/// The same for a call that returned `error`, a cudaError_t.
void check_result(const char* name, int error);
/// Allows `kernel`, which needs more than 48 KiB of dynamic shared memory, all that a block may
/// have (it must have no static shared memory); DeviceError if that is less than `bytes`.
void allow_shared_memory(const void* kernel, const char* name, std::size_t bytes);

/// Whether the device in use lets kernels start early: compute capability 9.0 and a driver that
/// records it.
bool starts_early();

/// Issues `kernel` on the stream. `name` appears in errors.
template <typename... Parameters, typename... Arguments>
void launch(Stream& stream, const char* name, void (*kernel)(Parameters...),
            const LaunchShape& shape, const Arguments&... arguments) {
  if (shape.shared_bytes > 48 * 1024)
    allow_shared_memory(reinterpret_cast<const void*>(kernel), name, shape.shared_bytes);
  if (shape.early && starts_early()) {
    cudaLaunchAttribute early{};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = shape.grid;
    config.blockDim = dim3(static_cast<unsigned>(shape.threads));
    config.dynamicSmemBytes = shape.shared_bytes;
    config.stream = static_cast<cudaStream_t>(stream.handle());
    config.attrs = &early;
    config.numAttrs = 1;
    return check_result(name, cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...));
  }
  kernel<<<shape.grid, shape.threads, shape.shared_bytes,
           static_cast<cudaStream_t>(stream.handle())>>>(Parameters(arguments)...);
  check_launch(name);
}

/// The block's dynamic shared memory, 16-byte aligned and uninitialized.
__device__ __forceinline__ float* shared_floats() {
  extern __shared__ float4 memory[];
  return reinterpret_cast<float*>(memory);
}

__device__ __forceinline__ void sync_block() { __syncthreads(); }

/// Waits for the end of the kernel before this one and sees all that it wrote; then the kernel after
/// this one may take its place, where it is launched early.
__device__ __forceinline__ void wait_for_earlier() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// The value of the lane whose number differs by `mask`.
template <typename T>
__device__ __forceinline__ T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
/// Bit i is the predicate of lane i.
__device__ __forceinline__ unsigned ballot(bool predicate) {
  return __ballot_sync(0xffffffffu, predicate);
}

/// Adds to a counter in device memory; the value before. Integers alone: the order of arrival must
/// never decide a float.
__device__ __forceinline__ int fetch_add(int* counter, int value) {
  return atomicAdd(counter, value);
}
/// What this thread wrote before is seen by whoever sees what it writes after.
__device__ __forceinline__ void fence_device() { __threadfence(); }

/// Copies 16 bytes from device to shared memory, both at multiples of 16, while the thread goes on;
/// where not `there`, zeros, and `from` is not read. The bytes are there, for this thread, after the
/// wait_for_copies() that covers them; for others after a barrier behind it. Architectures before
/// 8.0 copy at once.
__device__ __forceinline__ void start_copy(void* to, const void* from, bool there) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                   static_cast<unsigned>(__cvta_generic_to_shared(to))),
               "l"(from), "r"(there ? 16 : 0)
               : "memory");
#else
  *static_cast<uint4*>(to) = there ? *static_cast<const uint4*>(from) : uint4{0, 0, 0, 0};
#endif
}
/// This thread's copies since the last call are one group, which may be empty.
__device__ __forceinline__ void end_group() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
/// Waits until all groups of this thread but the last kNewer are there.
template <int kNewer>
__device__ __forceinline__ void wait_for_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kNewer) : "memory");
#endif
}

/// Whether this architecture cannot multiply operands of the format. A kernel compiled for such an
/// architecture stops at once and holds no further code. select_precision never asks for it.
template <Precision kPrecision>
__device__ __forceinline__ bool lacks_format() {
#if defined(__CUDA_ARCH__)
  constexpr int kNeeded = kPrecision == Precision::kFp32   ? 0
                          : kPrecision == Precision::kFp16 ? 750
                                                           : 800;
  if constexpr (__CUDA_ARCH__ < kNeeded) {
    __trap();
    return true;
  }
#endif
  return false;
}

/// tanh by one instruction: within 2^-11 of it, relatively. For what is rounded to 16 bits anyway.
__device__ __forceinline__ float tanh_approx(float x) {
  float y;
  asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// Operands of the matrix instructions: rounded to nearest, two to a word (low half first) for the
/// 16-bit types.
__device__ __forceinline__ std::uint32_t to_tf32(float x) {
#if __CUDA_ARCH__ >= 800
  std::uint32_t word;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(x));
  return word;
#else
  return __float_as_uint(x);
#endif
}
__device__ __forceinline__ std::uint32_t pack_f16(float low, float high) {
  const __half2 pair = __floats2half2_rn(low, high);
  return reinterpret_cast<const std::uint32_t&>(pair);
}
__device__ __forceinline__ std::uint32_t pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return reinterpret_cast<const std::uint32_t&>(pair);
}

/// Back to fp32, the low half first.
__device__ __forceinline__ float2 unpack_f16(std::uint32_t pair) {
  return __half22float2(reinterpret_cast<const __half2&>(pair));
}
__device__ __forceinline__ float2 unpack_bf16(std::uint32_t pair) {
  return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u));
}

/// Four matrices of 8 x 8 16-bit values, transposed, from shared memory: lane i names the 16 bytes of
/// row i % 8 of matrix i / 8. With g = lane / 4 and t = lane % 4 a lane gets, of each matrix, the
/// elements (2t, g) and (2t + 1, g), the first in the low half: an operand of mma_f16 or mma_bf16.
__device__ __forceinline__ void load_transposed(std::uint32_t (&words)[4], const void* row) {
#if __CUDA_ARCH__ >= 750
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
               : "memory");
#else
  __trap();
#endif
}

/// c += a b on one 16 x 8 tile, f32 accumulation. With g = lane / 4 and t = lane % 4 a lane holds
///   c[0..3]  (g, 2t), (g, 2t+1), (g+8, 2t), (g+8, 2t+1)
///   tf32, depth 8:     a[0..3]  (g, t), (g+8, t), (g, t+4), (g+8, t+4)
///                      b[0..1]  (t, g), (t+4, g)
///   16 bit, depth 16:  a[0..3]  (g, 2t..), (g+8, 2t..), (g, 2t+8..), (g+8, 2t+8..), pairs
///                      b[0..1]  (2t.., g), (2t+8.., g), pairs
/// tf32 and bf16 need compute capability 8.0; below it f16 takes two instructions of depth 8.
__device__ __forceinline__ void mma_tf32(float (&c)[4], const std::uint32_t (&a)[4],
                                         const std::uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}
__device__ __forceinline__ void mma_bf16(float (&c)[4], const std::uint32_t (&a)[4],
                                         const std::uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
      "{%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}
__device__ __forceinline__ void mma_f16(float (&c)[4], const std::uint32_t (&a)[4],
                                        const std::uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif __CUDA_ARCH__ >= 750
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(b[0]));
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[2]), "r"(a[3]), "r"(b[1]));
#else
  __trap();
#endif
}

}  // namespace mbrl::gpu

#endif
