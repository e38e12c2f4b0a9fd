// What a GPU can do at the sizes that decide here: the floors that profiling/README.md reads times
// against. Prints one JSON object per line; needs nothing but a GPU.
//
//   graph node gap        an empty kernel in a graph of 1000: what every launch costs at least
//   host round trip       host writes a mapped flag, a waiting kernel answers: the price of a step
//   128 KiB from L2       a block reads weights that lie in L2, for 1, 32 and all SMs
//   fma, mma rate         fused multiply-adds on the CUDA cores; m16n8k8 tf32 and m16n8k16 bf16
//                         from registers, the latter also with operands from shared memory
//   wgmma rate            m64n128k16 bf16 from shared memory (9.0 alone)
//   cluster barrier       all threads of a cluster of 8 blocks (9.0 and later)
//   distributed shared    latency of a load from the next block's shared memory (9.0 and later)
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "cuda/kernel.cuh"

namespace {

using namespace mbrl;

#define PROBE(expression)                                                              \
  do {                                                                                 \
    const cudaError_t error = (expression);                                            \
    if (error != cudaSuccess) {                                                        \
      std::fprintf(stderr, "%s failed: %s\n", #expression, cudaGetErrorString(error)); \
      std::exit(3);                                                                    \
    }                                                                                  \
  } while (false)

__global__ void empty_kernel() {}

// answers each of `count` requests of the host; ends if none comes for some seconds
__global__ void echo_kernel(volatile unsigned* request, volatile unsigned* answer, unsigned count) {
  constexpr long long kPatience = 5'000'000'000;  // cycles
  for (unsigned i = 1; i <= count; ++i) {
    for (const long long start = clock64(); *request != i;)
      if (clock64() - start > kPatience) return;
    *answer = i;
    __threadfence_system();
  }
}

__global__ void stream_kernel(const float4* weights, int count, int repeats, float* out) {
  float sum = 0.0f;
  for (int r = 0; r < repeats; ++r) {
#pragma unroll 8
    for (int i = static_cast<int>(threadIdx.x); i < count; i += 256) {
      const float4 w = __ldcg(weights + i);  // from L2, past L1
      sum += w.x + w.y + w.z + w.w;
    }
  }
  if (sum == 12345.0f) *out = sum;
}

enum class Format { kTf32, kBf16 };

template <Format kFormat>
__global__ void mma_kernel(int repeats, float* out) {
  float c[8][4] = {};
  const std::uint32_t word = threadIdx.x;
  const std::uint32_t a[4] = {word, word + 1, word + 2, word + 3}, b[2] = {word, word + 5};
  for (int r = 0; r < repeats; ++r)
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      if constexpr (kFormat == Format::kTf32) {
        gpu::mma_tf32(c[i], a, b);
      } else {
        gpu::mma_bf16(c[i], a, b);
      }
    }
  float sum = 0.0f;
  for (int i = 0; i < 8; ++i) sum += c[i][0] + c[i][1] + c[i][2] + c[i][3];
  if (sum == 12345.0f) *out = sum;
}

__global__ void fma_kernel(int repeats, float* out) {
  float x[16];
  for (int i = 0; i < 16; ++i) x[i] = static_cast<float>(threadIdx.x + i);
  for (int r = 0; r < repeats; ++r)
#pragma unroll
    for (int i = 0; i < 16; ++i) x[i] = __fmaf_rn(x[i], 1.0001f, 0.5f);
  float sum = 0.0f;
  for (int i = 0; i < 16; ++i) sum += x[i];
  if (sum == 12345.0f) *out = sum;
}

// a warp reads a 16 x 16 and a 16 x 32 tile for every four products, as a layer does
__global__ void mma_shared_kernel(int repeats, float* out) {
#if __CUDA_ARCH__ >= 800
  __shared__ __align__(128) std::uint16_t tiles[8][64 * 16];
  for (int i = static_cast<int>(threadIdx.x); i < 8 * 64 * 16; i += 256) tiles[0][i] = 0;
  __syncthreads();
  const auto base = static_cast<std::uint32_t>(__cvta_generic_to_shared(tiles[threadIdx.x / 32])) +
                    threadIdx.x % 32 * 16;
  float c[4][4] = {};
  for (int r = 0; r < repeats; ++r) {
    std::uint32_t a[4], b[8];
    const auto load = [](std::uint32_t* to, std::uint32_t from) {
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                   : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                   : "r"(from));
    };
    load(a, base);
    load(b, base + 512);
    load(b + 4, base + 1024);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const std::uint32_t pair[2] = {b[2 * i], b[2 * i + 1]};
      gpu::mma_bf16(c[i], a, pair);
    }
  }
  float sum = 0.0f;
  for (int i = 0; i < 4; ++i) sum += c[i][0] + c[i][1] + c[i][2] + c[i][3];
  if (sum == 12345.0f) *out = sum;
#endif
}

#define FOUR(c, i) "+f"(c[i]), "+f"(c[i + 1]), "+f"(c[i + 2]), "+f"(c[i + 3])
#define SIXTEEN(c, i) FOUR(c, i), FOUR(c, i + 4), FOUR(c, i + 8), FOUR(c, i + 12)

constexpr float kNotBuilt = -1.0f;

// A warpgroup multiplies tiles in shared memory, laid out without swizzle. Zeros would draw less
// power and run faster: values lie between 0.5 and 2.
__global__ void __launch_bounds__(128) wgmma_kernel(int repeats, float* out) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  __shared__ __align__(128) std::uint16_t tiles[64 * 16 + 128 * 16];
  for (int i = static_cast<int>(threadIdx.x); i < 192 * 16; i += 128)
    tiles[i] = static_cast<std::uint16_t>(0x3f00 | (i * 40503u >> 9 & 0xff));
  __syncthreads();
  asm volatile("fence.proxy.async.shared::cta;");
  // address, 128 bytes between core matrices along k, 256 along rows; all in units of 16 bytes
  const auto descriptor = [](const void* tile) {
    const auto address = static_cast<std::uint64_t>(__cvta_generic_to_shared(tile));
    return (address & 0x3ffff) >> 4 | std::uint64_t{8} << 16 | std::uint64_t{16} << 32;
  };
  const std::uint64_t a = descriptor(tiles), b = descriptor(tiles + 64 * 16);
  float c[64] = {};
  for (int r = 0; r < repeats; ++r) {
    asm volatile("wgmma.fence.sync.aligned;");
#pragma unroll
    for (int i = 0; i < 4; ++i)
      asm volatile(
          "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
          "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
          "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
          "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
          "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, "
          "%64, %65, 1, 1, 1, 0, 0;"
          : SIXTEEN(c, 0), SIXTEEN(c, 16), SIXTEEN(c, 32), SIXTEEN(c, 48)
          : "l"(a), "l"(b));
    asm volatile("wgmma.commit_group.sync.aligned;");
    asm volatile("wgmma.wait_group.sync.aligned 0;");
  }
  float sum = 0.0f;
  for (int i = 0; i < 64; ++i) sum += c[i];
  if (sum == 12345.0f) *out = sum;
#else
  *out = kNotBuilt;
#endif
}

__device__ __forceinline__ void cluster_barrier() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.aligned;\n\tbarrier.cluster.wait.aligned;" ::: "memory");
#endif
}

__global__ void cluster_barrier_kernel(int repeats) {
  for (int r = 0; r < repeats; ++r) cluster_barrier();
}

// one thread per block follows a chain of addresses in the next block's shared memory
__global__ void distributed_shared_kernel(int repeats, std::uint32_t* out) {
#if __CUDA_ARCH__ >= 900
  __shared__ std::uint32_t offset[32];
  if (threadIdx.x < 32) offset[threadIdx.x] = 4 * ((threadIdx.x + 1) % 32);
  cluster_barrier();
  if (threadIdx.x == 0) {
    std::uint32_t rank, size, base, at = 0;
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
    asm("mapa.shared::cluster.u32 %0, %1, %2;"
        : "=r"(base)
        : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(offset))),
          "r"((rank + 1) % size));
    for (int r = 0; r < repeats; ++r)
      asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(at) : "r"(base + at));
    if (at == 12345) *out = at;
  }
  cluster_barrier();  // a block's memory lives until its readers are done
#endif
}

struct Times {
  double median, low, high;  // seconds
};

Times quartiles(std::vector<double> t) {
  std::sort(t.begin(), t.end());
  return {t[t.size() / 2], t[t.size() / 4], t[t.size() * 3 / 4]};
}

// device time of `work`, 15 times after a warm-up
Times time_on_device(cudaStream_t stream, const std::function<void()>& work) {
  cudaEvent_t begin, end;
  PROBE(cudaEventCreate(&begin));
  PROBE(cudaEventCreate(&end));
  std::vector<double> times;
  for (int i = 0; i < 17; ++i) {
    PROBE(cudaEventRecord(begin, stream));
    work();
    PROBE(cudaEventRecord(end, stream));
    PROBE(cudaEventSynchronize(end));
    float ms = 0.0f;
    PROBE(cudaEventElapsedTime(&ms, begin, end));
    if (i >= 2) times.push_back(1e-3 * ms);
  }
  PROBE(cudaGetLastError());
  return quartiles(times);
}

void report(const char* what, const char* unit, double value, double low, double high) {
  std::printf(
      "{\"probe\": \"%s\", \"value\": %.6g, \"q1\": %.6g, \"q3\": %.6g, \"unit\": \"%s\"}\n", what,
      value, low, high, unit);
  std::fflush(stdout);
}

void graph_gap(cudaStream_t stream) {
  constexpr int kNodes = 1000;
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  PROBE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  for (int i = 0; i < kNodes; ++i) empty_kernel<<<1, 32, 0, stream>>>();
  PROBE(cudaStreamEndCapture(stream, &graph));
  PROBE(cudaGraphInstantiate(&executable, graph, 0));
  const Times t = time_on_device(stream, [&] { PROBE(cudaGraphLaunch(executable, stream)); });
  report("graph node gap", "us", 1e6 * t.median / kNodes, 1e6 * t.low / kNodes,
         1e6 * t.high / kNodes);
}

// waits until *answer is `wanted`, for two seconds at most: a kernel that has failed answers nothing
void await(const volatile unsigned* answer, unsigned wanted, cudaStream_t stream) {
  timespec begin, now;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (unsigned tries = 1; *answer != wanted; ++tries) {
    if (tries % (1u << 20) != 0) continue;
    const cudaError_t state = cudaStreamQuery(stream);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (state == cudaErrorNotReady && now.tv_sec - begin.tv_sec <= 2) continue;
    std::fprintf(stderr, "echo_kernel does not answer request %u: %s\n", wanted,
                 state == cudaErrorNotReady ? "it still runs" : cudaGetErrorString(state));
    std::exit(3);
  }
}

void round_trip(cudaStream_t stream) {
  constexpr unsigned kCount = 1000;
  unsigned* flags = nullptr;
  PROBE(cudaHostAlloc(&flags, 256, cudaHostAllocMapped));
  volatile unsigned* request = flags;
  volatile unsigned* answer = flags + 32;  // another cache line
  std::vector<double> times;
  timespec begin, end;
  for (int repeat = 0; repeat < 7; ++repeat) {
    *request = 0;
    *answer = 0;
    echo_kernel<<<1, 1, 0, stream>>>(request, answer, kCount);
    PROBE(cudaGetLastError());  // nobody would answer
    for (unsigned i = 1; i <= kCount; ++i) {
      if (i == 11) clock_gettime(CLOCK_MONOTONIC, &begin);
      *request = i;
      await(answer, i, stream);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    PROBE(cudaStreamSynchronize(stream));
    times.push_back((static_cast<double>(end.tv_sec - begin.tv_sec) +
                     1e-9 * static_cast<double>(end.tv_nsec - begin.tv_nsec)) /
                    (kCount - 10));
  }
  const Times t = quartiles(times);
  report("host round trip", "us", 1e6 * t.median, 1e6 * t.low, 1e6 * t.high);
}

// work in clusters of 8 blocks, one cluster
template <typename... Parameters, typename... Arguments>
void launch_cluster(cudaStream_t stream, void (*kernel)(Parameters...), Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(8);
  config.blockDim = dim3(256);
  config.stream = stream;
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = 8;
  cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
  config.attrs = &cluster;
  config.numAttrs = 1;
  PROBE(cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...));
}

void clusters(cudaStream_t stream, std::uint32_t* out) {
  constexpr int kRepeats = 2000;
  const auto nanoseconds = [](const char* what, const Times& t) {
    report(what, "ns", 1e9 * t.median / kRepeats, 1e9 * t.low / kRepeats, 1e9 * t.high / kRepeats);
  };
  nanoseconds("cluster barrier, 8 blocks", time_on_device(stream, [&] {
                launch_cluster(stream, cluster_barrier_kernel, kRepeats);
              }));
  nanoseconds("distributed shared memory load", time_on_device(stream, [&] {
                launch_cluster(stream, distributed_shared_kernel, kRepeats, out);
              }));
}

}  // namespace

int main() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    std::fprintf(stderr, "no GPU: there is nothing to probe.\n");
    return 3;
  }
  cudaDeviceProp p{};
  int driver = 0, runtime = 0;
  PROBE(cudaGetDeviceProperties(&p, 0));
  PROBE(cudaDriverGetVersion(&driver));
  PROBE(cudaRuntimeGetVersion(&runtime));
  std::printf(
      "{\"device\": \"%s\", \"capability\": \"%d.%d\", \"sms\": %d, \"l2_bytes\": %d, "
      "\"driver\": %d, \"runtime\": %d}\n",
      p.name, p.major, p.minor, p.multiProcessorCount, p.l2CacheSize, driver, runtime);

  cudaStream_t stream;
  PROBE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  graph_gap(stream);
  round_trip(stream);

  float* memory = nullptr;
  constexpr int kBytes = 128 * 1024;
  PROBE(cudaMalloc(&memory, kBytes + 256));
  PROBE(cudaMemset(memory, 0, kBytes + 256));
  float* out = memory + kBytes / 4;
  constexpr int kRepeats = 200;
  for (const int blocks : {1, 32, p.multiProcessorCount}) {
    const Times t = time_on_device(stream, [&] {
      stream_kernel<<<blocks, 256, 0, stream>>>(reinterpret_cast<const float4*>(memory),
                                                kBytes / 16, kRepeats, out);
    });
    char name[64];
    std::snprintf(name, sizeof name, "128 KiB from L2, %d blocks", blocks);
    report(name, "us per block", 1e6 * t.median / kRepeats, 1e6 * t.low / kRepeats,
           1e6 * t.high / kRepeats);
  }

  // 8 warps to a block, 2 blocks to an SM (wgmma: 4 warps)
  const int blocks = 2 * p.multiProcessorCount;
  constexpr int kSteps = 20000;
  const auto rate = [&](const char* name, double flop_per_block, const std::function<void()>& run) {
    const Times t = time_on_device(stream, run);
    const double flop = flop_per_block * blocks;
    report(name, "TFLOP/s", 1e-12 * flop / t.median, 1e-12 * flop / t.high, 1e-12 * flop / t.low);
  };
  if (p.major >= 8) {
    rate("mma m16n8k8 tf32", 8.0 * kSteps * 8 * 2 * 16 * 8 * 8,
         [&] { mma_kernel<Format::kTf32><<<blocks, 256, 0, stream>>>(kSteps, out); });
    rate("mma m16n8k16 bf16", 8.0 * kSteps * 8 * 2 * 16 * 8 * 16,
         [&] { mma_kernel<Format::kBf16><<<blocks, 256, 0, stream>>>(kSteps, out); });
    rate("mma m16n8k16 bf16 from shared memory", 8.0 * kSteps * 4 * 2 * 16 * 8 * 16,
         [&] { mma_shared_kernel<<<blocks, 256, 0, stream>>>(kSteps, out); });
  }
  if (p.major == 9) {
    PROBE(cudaMemset(out, 0, sizeof *out));
    wgmma_kernel<<<1, 128, 0, stream>>>(1, out);
    float answer = 0.0f;
    PROBE(cudaMemcpyAsync(&answer, out, sizeof answer, cudaMemcpyDefault, stream));
    PROBE(cudaStreamSynchronize(stream));
    if (answer == kNotBuilt)
      std::fprintf(stderr, "wgmma: built for 90; CMAKE_CUDA_ARCHITECTURES=90a has it\n");
    else
      rate("wgmma m64n128k16 bf16 from shared memory", 1.0 * kSteps * 4 * 2 * 64 * 128 * 16,
           [&] { wgmma_kernel<<<blocks, 128, 0, stream>>>(kSteps, out); });
  }
  rate("fma fp32", 256.0 * kSteps * 16 * 2,
       [&] { fma_kernel<<<blocks, 256, 0, stream>>>(kSteps, out); });
  if (p.major >= 9) clusters(stream, reinterpret_cast<std::uint32_t*>(out));
  return 0;
}
