// An optional opponent: a hidden layer of the ensemble inside one block, by our BlockMlp and by cuBLASDx.
// Prints one JSON object per line. It is built where its package is (cmake -DMBRL_MATHDX=DIR; PyPI:
// nvidia-mathdx), and nothing of the program depends on it.
//
//   layer of 32 rows, 208 -> 208, swish     weights from L2 on both sides, all SMs busy, in fp32 and bf16
//
// Both begin and end with activations in shared memory, and both add the bias and the activation to sums
// in registers: what our layer does and no single product can.
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cublasdx.hpp>
#include <functional>
#include <string>
#include <vector>

#include "kernels/gpu/block_mlp.cuh"

namespace {

using namespace mbrl;
using namespace mbrl::gpu;

// both sides compute the padded width, so that they do the same work
constexpr int kRows = 32, kWidth = 208, kLayers = 8, kRepeats = 20;

#define PROBE(expression)                                                              \
  do {                                                                                 \
    const cudaError_t error = (expression);                                            \
    if (error != cudaSuccess) {                                                        \
      std::fprintf(stderr, "%s failed: %s\n", #expression, cudaGetErrorString(error)); \
      std::exit(3);                                                                    \
    }                                                                                  \
  } while (false)

template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 1)
    our_layers_kernel(const __grid_constant__ MlpTable mlp, Parameters<OperandOf<kPrecision>> of,
                      float* out) {
  BlockMlp<kPrecision, kRows> tile(shared_floats(), shared_pitch(kWidth));
  tile.fill(kWidth, kWidth, nullptr, [](int row, int column) { return 1e-3f * (row + column); });
  for (int i = 0; i < kRepeats; ++i) tile.forward(mlp, of, Activation::kSwish, nullptr, 0);
  if (threadIdx.x == 0) out[blockIdx.x] = tile.tile()[0];
}

template <typename Value>
using Product =
    decltype(cublasdx::Size<kRows, kWidth, kWidth>() + cublasdx::Precision<Value, Value, float>() +
             cublasdx::Type<cublasdx::type::real>() + cublasdx::Function<cublasdx::function::MM>() +
             cublasdx::Arrangement<cublasdx::row_major, cublasdx::col_major,
                                   cublasdx::row_major>() +
             cublasdx::Block() + cublasdx::BlockDim<kBlockThreads>() + cublasdx::SM<900>() +
             cublasdx::MaxAlignment());

template <typename Value>
struct SharedTiles {
  alignas(16) Value x[kRows * kWidth];
  alignas(16) Value weight[kWidth * kWidth];
};

// weights of a layer go to shared memory, the product leaves its sums in registers, and swish of
// them goes back to the tile
template <typename Value>
__global__ void __launch_bounds__(kBlockThreads, 1)
    cublasdx_layers_kernel(const Value* weight, const float* bias, float* out) {
  using Layer = Product<Value>;
  extern __shared__ __align__(16) unsigned char memory[];
  auto* tiles = reinterpret_cast<SharedTiles<Value>*>(memory);
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kWidth; i += kBlockThreads)
    tiles->x[i] = static_cast<Value>(1e-3f * static_cast<float>(i % kWidth + i / kWidth));
  auto x = cublasdx::make_tensor(tiles->x, Layer::get_layout_smem_a());
  auto w = cublasdx::make_tensor(tiles->weight, Layer::get_layout_smem_b());
  for (int i = 0; i < kRepeats * kLayers; ++i) {
    const int layer = i % kLayers;
    const auto from =
        cublasdx::make_tensor(weight + layer * kWidth * kWidth, Layer::get_layout_gmem_b());
    cublasdx::copy<Layer, 16>(from, w);
    cublasdx::copy_wait();
    auto [sums, partition] = Layer().execute(x, w);
    __syncthreads();
    for (int j = 0; j < cublasdx::size(sums); ++j) {
      const auto [row, column] = partition.map_fragment_index(j);
      const float z = static_cast<float>(sums(j)) + bias[layer * kWidth + column];
      if (partition.is_thread_active() && partition.is_index_in_bounds(j))
        tiles->x[row * kWidth + column] = static_cast<Value>(z / (1.0f + __expf(-z)));
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) out[blockIdx.x] = static_cast<float>(tiles->x[0]);
}

// median device time of 15 after a warm-up, as microseconds for a layer of one block
void report(const std::string& what, const std::function<void()>& work) {
  cudaEvent_t begin, end;
  PROBE(cudaEventCreate(&begin));
  PROBE(cudaEventCreate(&end));
  std::vector<float> times;
  for (int i = 0; i < 17; ++i) {
    PROBE(cudaEventRecord(begin));
    work();
    PROBE(cudaEventRecord(end));
    PROBE(cudaEventSynchronize(end));
    float ms = 0.0f;
    PROBE(cudaEventElapsedTime(&ms, begin, end));
    if (i >= 2) times.push_back(1e3f * ms / (kRepeats * kLayers));
  }
  PROBE(cudaGetLastError());
  std::sort(times.begin(), times.end());
  const std::size_t n = times.size();
  std::printf(
      "{\"probe\": \"%s\", \"value\": %.6g, \"q1\": %.6g, \"q3\": %.6g, \"unit\": \"us\"}\n",
      what.c_str(), times[n / 2], times[n / 4], times[3 * n / 4]);
}

template <typename Kernel, typename... Arguments>
std::function<void()> launch(Kernel kernel, int blocks, std::size_t shared_bytes,
                             Arguments... arguments) {
  PROBE(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared_bytes)));
  return [=] { kernel<<<blocks, kBlockThreads, shared_bytes>>>(arguments...); };
}

}  // namespace

int main() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    std::fprintf(stderr, "no GPU: there is nothing to probe.\n");
    return 3;
  }
  cudaDeviceProp device{};
  PROBE(cudaGetDeviceProperties(&device, 0));
  if (device.major != 9) {
    std::fprintf(stderr, "the products are compiled for 9.0 alone; this is %d.%d.\n", device.major,
                 device.minor);
    return 3;
  }
  const int sms = device.multiProcessorCount;
  const MlpLayout layout = make_mlp_layout(std::vector<int>(kLayers + 1, kWidth));
  const MlpTable table = make_table(layout);
  float *value, *out;
  std::uint16_t* half;
  PROBE(cudaMalloc(&value, layout.size * sizeof *value));
  PROBE(cudaMalloc(&half, layout.size * sizeof *half));
  PROBE(cudaMalloc(&out, static_cast<std::size_t>(sms) * sizeof *out));
  PROBE(cudaMemset(value, 0, layout.size * sizeof *value));
  PROBE(cudaMemset(half, 0, layout.size * sizeof *half));

  const std::size_t ours = 2 * sizeof(float) * kRows * shared_pitch(kWidth);
  const std::string layer = "layer of 32 rows, 208 -> 208, swish, ";
  report(layer + "fp32, BlockMlp", launch(our_layers_kernel<Precision::kFp32>, sms, ours, table,
                                          Parameters<float>{value, value}, out));
  report(layer + "fp32, cuBLASDx",
         launch(cublasdx_layers_kernel<float>, sms, sizeof(SharedTiles<float>),
                static_cast<const float*>(value), static_cast<const float*>(value), out));
  report(layer + "bf16, BlockMlp", launch(our_layers_kernel<Precision::kBf16>, sms, ours, table,
                                          Parameters<std::uint16_t>{value, half}, out));
  report(
      layer + "bf16, cuBLASDx",
      launch(cublasdx_layers_kernel<__nv_bfloat16>, sms, sizeof(SharedTiles<__nv_bfloat16>),
             reinterpret_cast<const __nv_bfloat16*>(half), static_cast<const float*>(value), out));
  PROBE(cudaDeviceSynchronize());
}
