// What a GPU can do at the sizes that decide here: the floors that profiling/README.md reads times
// against. Prints one JSON object per line; needs nothing but a GPU.
//
//   graph node gap           an empty kernel in a graph of 1000: what every launch costs at least
//   host round trip          host writes a mapped flag, a waiting kernel answers: the price of a
//   step weight stream            a block reads 128 KiB that lie in L2, for 1, 32 and all SMs mma
//   rate                 m16n8k8 tf32 and m16n8k16 16-bit from registers, all SMs fp32 rate fused
//   multiply-adds on the CUDA cores, all SMs
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

// answers each of `count` requests of the host
__global__ void echo_kernel(volatile unsigned* request, volatile unsigned* answer, unsigned count) {
  for (unsigned i = 1; i <= count; ++i) {
    while (*request != i) {
    }
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
    for (unsigned i = 1; i <= kCount; ++i) {
      if (i == 11) clock_gettime(CLOCK_MONOTONIC, &begin);
      *request = i;
      while (*answer != i) {
      }
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

  // 8 warps to a block, 2 blocks to an SM
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
  }
  rate("fma fp32", 256.0 * kSteps * 16 * 2,
       [&] { fma_kernel<<<blocks, 256, 0, stream>>>(kSteps, out); });
  return 0;
}
