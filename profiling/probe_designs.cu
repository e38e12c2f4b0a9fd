// What decides between designs of the kernels, where probe.cu has the floors of the present ones: prices
// of launching, of exchanging between blocks, and of waiting for one another. Prints one JSON object
// per line; needs nothing but a GPU. What it cannot do on a device it says on stderr, and goes on.
//
//   graph node             a kernel that touches memory, launched plainly and programmatically (9.0)
//   graph, host memory     a copy of a plan, a kernel that reads it itself, a kernel that writes home
//   83-node graph          an environment step's launches: host time, from one thread and several
//   L2 read                all SMs, the same block of weights or each its own
//   grid barrier           a counter in L2 that all blocks wait for
//   active clusters        how many of a size fit at once, with little and with much shared memory (9.0)
//   exchange               a block reads 8 KiB of each of three others of its cluster, then a barrier
#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kThreads = 256;
constexpr int kNodes = 83;  // 20 SAC updates of four kernels, gather, plan, policy

#define PROBE(expression)                                                              \
  do {                                                                                 \
    const cudaError_t error = (expression);                                            \
    if (error != cudaSuccess) {                                                        \
      std::fprintf(stderr, "%s failed: %s\n", #expression, cudaGetErrorString(error)); \
      std::exit(3);                                                                    \
    }                                                                                  \
  } while (false)

/// False, and said on stderr, if the device cannot do it.
bool possible(cudaError_t error, const std::string& what) {
  if (error == cudaSuccess) return true;
  std::fprintf(stderr, "%s: %s\n", what.c_str(), cudaGetErrorString(error));
  cudaGetLastError();
  return false;
}

struct Times {
  double median, low, high;  // seconds
};

Times quartiles(std::vector<double> t) {
  std::sort(t.begin(), t.end());
  return {t[t.size() / 2], t[t.size() / 4], t[t.size() * 3 / 4]};
}

void report(const std::string& what, const char* unit, double value, double low, double high) {
  std::printf(
      "{\"probe\": \"%s\", \"value\": %.6g, \"q1\": %.6g, \"q3\": %.6g, \"unit\": \"%s\"}\n",
      what.c_str(), value, low, high, unit);
  std::fflush(stdout);
}

/// Times of `count` equal pieces, each in `unit`s of 1 / scale seconds.
void report_each(const std::string& what, const char* unit, double scale, const Times& t,
                 int count) {
  scale /= count;
  report(what, unit, scale * t.median, scale * t.low, scale * t.high);
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
  PROBE(cudaEventDestroy(begin));
  PROBE(cudaEventDestroy(end));
  return quartiles(times);
}

// host time of `work`, many times after a warm-up
Times time_on_host(
    int count, const std::function<void()>& work, const std::function<void()>& between = [] {}) {
  std::vector<double> times;
  for (int i = 0; i < count + 10; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
    if (i >= 10) times.push_back(spent.count());
    between();
  }
  return quartiles(times);
}

/// What a stream was given to do, as one launch.
class RecordedGraph {
 public:
  RecordedGraph(cudaStream_t stream, int count, const std::function<void()>& issue) {
    cudaGraph_t graph;
    PROBE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < count; ++i) issue();
    PROBE(cudaStreamEndCapture(stream, &graph));
    PROBE(cudaGraphInstantiate(&executable_, graph, 0));
    PROBE(cudaGraphDestroy(graph));
  }
  RecordedGraph(const RecordedGraph&) = delete;
  ~RecordedGraph() { cudaGraphExecDestroy(executable_); }
  void launch(cudaStream_t stream) const { PROBE(cudaGraphLaunch(executable_, stream)); }

 private:
  cudaGraphExec_t executable_;
};

__global__ void add_kernel(float* x) { x[blockIdx.x * kThreads + threadIdx.x] += 1.0f; }

// the next kernel of the stream may start before this one is done, and waits only here
__global__ void add_after_kernel(float* x) {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
  x[blockIdx.x * kThreads + threadIdx.x] += 1.0f;
}

__global__ void from_host_kernel(float* x, const float* host) {
  x[threadIdx.x] = host[threadIdx.x];
}

__global__ void to_host_kernel(float* x, float* host) {
  x[threadIdx.x] += 1.0f;
  if (threadIdx.x < 6) host[threadIdx.x] = x[threadIdx.x];
}

__global__ void read_kernel(const float4* weights, std::size_t stride, int count, int repeats,
                            float* out) {
  const float4* own = weights + stride * blockIdx.x;
  float sum = 0.0f;
  for (int r = 0; r < repeats; ++r) {
#pragma unroll 8
    for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) {
      const float4 w = __ldcg(own + i);  // from L2, past L1
      sum += w.x + w.y + w.z + w.w;
    }
  }
  if (sum == 12345.0f) *out = sum;
}

// every block adds one, then waits for all; the counter only grows. A block that never comes ends the
// kernel after some seconds.
__global__ void grid_barrier_kernel(int repeats, unsigned* counter) {
#if __CUDA_ARCH__ >= 700
  for (int i = 1; i <= repeats; ++i) {
    __syncthreads();
    if (threadIdx.x == 0) {
      asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter) : "memory");
      unsigned seen, looks = 0;
      do {
        asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(counter) : "memory");
        if (++looks > 1u << 24) __trap();
      } while (seen < gridDim.x * static_cast<unsigned>(i));
    }
    __syncthreads();
  }
#endif
}

__device__ __forceinline__ void cluster_barrier() {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "barrier.cluster.arrive.release.aligned;\n\t"
      "barrier.cluster.wait.acquire.aligned;" ::
          : "memory");
#endif
}

__global__ void __launch_bounds__(kThreads, 1) cluster_barrier_kernel(int repeats) {
  for (int r = 0; r < repeats; ++r) cluster_barrier();
}

// what blocks that share a layer would do after it: fetch `count` float4 from each of `peers` others
__global__ void __launch_bounds__(kThreads, 1)
    exchange_kernel(int repeats, int peers, int count, float* out) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ float4 own[];
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads)
    own[i] = make_float4(1.0f, 2.0f, 3.0f, 4.0f);
  std::uint32_t rank, size;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  const auto base = static_cast<std::uint32_t>(__cvta_generic_to_shared(own));
  cluster_barrier();
  float sum = 0.0f;
  for (int r = 0; r < repeats; ++r) {
    for (int p = 1; p <= peers; ++p) {
      std::uint32_t theirs;
      asm("mapa.shared::cluster.u32 %0, %1, %2;"
          : "=r"(theirs)
          : "r"(base), "r"((rank + static_cast<std::uint32_t>(p)) % size));
#pragma unroll 4
      for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) {
        float4 v;
        asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];"
                     : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
                     : "r"(theirs + 16 * static_cast<std::uint32_t>(i)));
        sum += v.x + v.y + v.z + v.w;
      }
    }
    cluster_barrier();  // also: a block's memory lives until its readers are done
  }
  if (sum == 12345.0f) *out = sum;
#endif
}

/// A launch with attributes, of blocks of kThreads.
struct Launch {
  cudaLaunchConfig_t config{};
  cudaLaunchAttribute attributes[2]{};

  Launch(cudaStream_t stream, int blocks, std::size_t shared_bytes = 0) {
    config.gridDim = dim3(static_cast<unsigned>(blocks));
    config.blockDim = dim3(kThreads);
    config.dynamicSmemBytes = shared_bytes;
    config.stream = stream;
    config.attrs = attributes;
  }
  Launch(const Launch&) = delete;
  Launch& in_clusters_of(int size) {
    cudaLaunchAttribute& a = attributes[config.numAttrs++];
    a.id = cudaLaunchAttributeClusterDimension;
    a.val.clusterDim.x = static_cast<unsigned>(size);
    a.val.clusterDim.y = a.val.clusterDim.z = 1;
    return *this;
  }
  Launch& cooperative() {
    cudaLaunchAttribute& a = attributes[config.numAttrs++];
    a.id = cudaLaunchAttributeCooperative;
    a.val.cooperative = 1;
    return *this;
  }
  Launch& overlapping() {
    cudaLaunchAttribute& a = attributes[config.numAttrs++];
    a.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    a.val.programmaticStreamSerializationAllowed = 1;
    return *this;
  }
  template <typename... Parameters, typename... Arguments>
  cudaError_t of(void (*kernel)(Parameters...), Arguments... arguments) {
    return cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
  }
};

void graph_nodes(cudaStream_t stream, int major) {
  float *x, *host;
  PROBE(cudaMalloc(&x, 256 * kThreads * sizeof(float)));
  PROBE(cudaMemset(x, 0, 256 * kThreads * sizeof(float)));
  PROBE(cudaHostAlloc(&host, 4096, cudaHostAllocMapped));
  // a kernel's first launch loads it, which no recording may do
  add_kernel<<<1, kThreads, 0, stream>>>(x);
  add_after_kernel<<<1, kThreads, 0, stream>>>(x);
  from_host_kernel<<<1, 192, 0, stream>>>(x, host);
  to_host_kernel<<<1, 192, 0, stream>>>(x, host);
  PROBE(cudaStreamSynchronize(stream));

  const auto per_node = [&](const std::string& what, const std::function<void()>& issue) {
    constexpr int kCount = 500;
    const RecordedGraph graph(stream, kCount, issue);
    report_each(what, "us", 1e6, time_on_device(stream, [&] { graph.launch(stream); }), kCount);
  };
  for (const int blocks : {1, 128}) {
    const std::string name = "graph node, " + std::to_string(blocks) + " blocks";
    per_node(name, [&] { add_kernel<<<blocks, kThreads, 0, stream>>>(x); });
    if (major >= 9)
      per_node(name + ", programmatic launch",
               [&] { PROBE(Launch(stream, blocks).overlapping().of(add_after_kernel, x)); });
  }
  per_node("graph: copy node of 768 B from pinned + kernel", [&] {
    PROBE(cudaMemcpyAsync(x, host, 768, cudaMemcpyHostToDevice, stream));
    add_kernel<<<1, kThreads, 0, stream>>>(x);
  });
  per_node("graph: kernel that reads 768 B of pinned + kernel", [&] {
    from_host_kernel<<<1, 192, 0, stream>>>(x, host);
    add_kernel<<<1, kThreads, 0, stream>>>(x);
  });
  per_node("graph: kernel that writes 24 B of pinned",
           [&] { to_host_kernel<<<1, 192, 0, stream>>>(x, host); });

  const std::string steps = std::to_string(kNodes) + "-node graph: ";
  const RecordedGraph graph(stream, kNodes, [&] { add_kernel<<<1, kThreads, 0, stream>>>(x); });
  const auto wait = [&] { PROBE(cudaStreamSynchronize(stream)); };
  const auto microseconds = [](const std::string& what, const Times& t) {
    report_each(what, "us", 1e6, t, 1);
  };
  microseconds(steps + "launch + wait", time_on_host(300, [&] {
                 graph.launch(stream);
                 wait();
               }));
  microseconds(steps + "the launch call", time_on_host(
                                              300, [&] { graph.launch(stream); }, wait));
  microseconds("one kernel: launch + wait", time_on_host(1000, [&] {
                 add_kernel<<<1, kThreads, 0, stream>>>(x);
                 wait();
               }));

  for (const int threads : {2, 5, 10}) {
    std::vector<Times> times(static_cast<std::size_t>(threads));
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; ++t)
      pool.emplace_back([&, t] {
        cudaStream_t own;
        PROBE(cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking));
        float* y = x + kThreads * t;
        {
          const RecordedGraph mine(own, kNodes, [&] { add_kernel<<<1, kThreads, 0, own>>>(y); });
          times[static_cast<std::size_t>(t)] = time_on_host(300, [&] {
            mine.launch(own);
            PROBE(cudaStreamSynchronize(own));
          });
        }
        PROBE(cudaStreamDestroy(own));
      });
    for (std::thread& thread : pool) thread.join();
    std::sort(times.begin(), times.end(),
              [](const Times& a, const Times& b) { return a.median < b.median; });
    microseconds(steps + "launch + wait, each of " + std::to_string(threads) + " threads",
                 times[times.size() / 2]);
  }
  PROBE(cudaFreeHost(host));
  PROBE(cudaFree(x));
}

void l2_reads(cudaStream_t stream, int sms, float* out) {
  constexpr int kBytes = 128 * 1024, kRepeats = 100;
  const std::size_t bytes = static_cast<std::size_t>(sms) * kBytes;
  float4* weights;
  PROBE(cudaMalloc(&weights, bytes));
  PROBE(cudaMemset(weights, 0, bytes));
  for (const bool own : {false, true}) {
    const Times t = time_on_device(stream, [&] {
      read_kernel<<<sms, kThreads, 0, stream>>>(weights, own ? kBytes / 16 : 0, kBytes / 16,
                                                kRepeats, out);
    });
    const double terabytes = 1e-12 * static_cast<double>(bytes) * kRepeats;
    report(own ? "L2 read, all SMs, 128 KiB each" : "L2 read, all SMs, one 128 KiB block", "TB/s",
           terabytes / t.median, terabytes / t.high, terabytes / t.low);
  }
  PROBE(cudaFree(weights));
}

void grid_barriers(cudaStream_t stream, int sms) {
  unsigned* counter;
  PROBE(cudaMalloc(&counter, sizeof *counter));
  for (const int blocks : {16, 64, sms}) {
    constexpr int kRepeats = 1000;
    const Times t = time_on_device(stream, [&] {
      PROBE(cudaMemsetAsync(counter, 0, sizeof *counter, stream));
      PROBE(Launch(stream, blocks).cooperative().of(grid_barrier_kernel, kRepeats, counter));
    });
    report_each("grid barrier through L2, " + std::to_string(blocks) + " blocks", "ns", 1e9, t,
                kRepeats);
  }
  PROBE(cudaFree(counter));
}

void clusters(cudaStream_t stream, float* out) {
  PROBE(cudaFuncSetAttribute(exchange_kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1));
  PROBE(cudaFuncSetAttribute(cluster_barrier_kernel, cudaFuncAttributeNonPortableClusterSizeAllowed,
                             1));
  PROBE(cudaFuncSetAttribute(exchange_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             227 * 1024));
  constexpr int kKib = 1024, kRepeats = 1000;
  for (const int size : {2, 4, 8, 16}) {
    const std::string of_size = "of " + std::to_string(size);
    for (const int kib : {24, 200}) {
      Launch launch(stream, 16 * size, static_cast<std::size_t>(kib) * kKib);
      launch.in_clusters_of(size);
      int active = 0;
      if (possible(cudaOccupancyMaxActiveClusters(&active, exchange_kernel, &launch.config),
                   "clusters " + of_size))
        report("active clusters " + of_size + ", " + std::to_string(kib) + " KiB", "clusters",
               active, active, active);
    }
    const auto barriers = [&](int repeats) {
      return Launch(stream, size).in_clusters_of(size).of(cluster_barrier_kernel, repeats);
    };
    if (!possible(barriers(1), "a cluster " + of_size)) continue;
    report_each("cluster barrier " + of_size + ", 256 threads", "ns", 1e9,
                time_on_device(stream, [&] { PROBE(barriers(kRepeats)); }), kRepeats);
    for (const int count : {1, 7}) {
      // 64 rows of 64 columns in 16 bits from each of three others
      const int peers = std::min(3, size - 1), words = 512;
      const Times t = time_on_device(stream, [&] {
        PROBE(Launch(stream, count * size, 32 * kKib)
                  .in_clusters_of(size)
                  .of(exchange_kernel, kRepeats, peers, words, out));
      });
      report_each("exchange " + std::to_string(peers) + " x 8 KiB + barrier, " +
                      std::to_string(count) + " cluster(s) " + of_size,
                  "ns", 1e9, t, kRepeats);
    }
  }
  const std::string together = "cooperative launch of 7 clusters of 16 with 200 KiB";
  if (possible(Launch(stream, 7 * 16, 200 * kKib)
                   .in_clusters_of(16)
                   .cooperative()
                   .of(exchange_kernel, 10, 3, 512, out),
               together) &&
      possible(cudaStreamSynchronize(stream), together))
    report(together, "works", 1, 1, 1);
}

}  // namespace

int main() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    std::fprintf(stderr, "no GPU: there is nothing to probe.\n");
    return 3;
  }
  cudaDeviceProp p{};
  PROBE(cudaGetDeviceProperties(&p, 0));
  std::printf(
      "{\"device\": \"%s\", \"capability\": \"%d.%d\", \"sms\": %d, \"shared_bytes\": %zu}\n",
      p.name, p.major, p.minor, p.multiProcessorCount, p.sharedMemPerBlockOptin);
  cudaStream_t stream;
  PROBE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  float* out;
  PROBE(cudaMalloc(&out, 256));
  graph_nodes(stream, p.major);
  l2_reads(stream, p.multiProcessorCount, out);
  if (p.cooperativeLaunch) grid_barriers(stream, p.multiProcessorCount);
  if (p.major >= 9) clusters(stream, out);
  PROBE(cudaDeviceSynchronize());
}
