// Branched rollouts on the GPU: a fixed sequence of nine kernels per imagined step.
//
//   act               per tile of live rows: policy -> action, and the member that will answer
//   count, bucket_offsets, order            rows sorted by member, stable
//   step              per tile of one member's rows: next state, reward, end -> record in the ring
//   survivors, survivor_offsets, compact    rows that go on move up, in order
//   advance           counters
//
// The number of live rows stays on the device: grids are sized for all rows, and blocks past the
// live ones return at once. Nothing depends on the order in which blocks run.
#include <algorithm>
#include <cstddef>
#include <tuple>

#include "cuda/graph.h"
#include "cuda/kernel.cuh"
#include "envs/tasks/task.h"
#include "kernels/formulas/squashed_gaussian.h"
#include "kernels/gpu/block_mlp.cuh"
#include "kernels/gpu/dispatch.cuh"
#include "kernels/gpu/parameter_step.cuh"
#include "kernels/gpu/scan.cuh"
#include "kernels/stages/rollout/rollout.h"

namespace mbrl::gpu {
namespace {

constexpr int kTerminated = 1, kNotFinite = 2;  // bits of a row's outcome

/// Rows of a block: as many as pay for streaming a whole network's weights, or fewer where shared
/// memory is small. In 16 bits half as many as the sums would have room for, and two blocks to a
/// multiprocessor: one multiplies while the other waits for weights or draws.
template <Precision kPrecision>
constexpr int kManyRows = kPrecision == Precision::kTf32 ? 64 : 32;
template <Precision kPrecision>
constexpr int kRolloutBlocks = kIs16Bit<kPrecision> ? 2 : 1;
constexpr int kFewRows = 16;

/// Bytes of the activation tiles of a block.
constexpr std::size_t tile_bytes(int rows, int pitch) {
  return 2 * static_cast<std::size_t>(rows) * static_cast<std::size_t>(pitch) * sizeof(float);
}
constexpr int kSortRows = 256;  // rows per block of the sort and the compaction: one per thread

/// What a call decides, and what its steps count.
struct alignas(16) RolloutPlan {
  TransitionsView real;
  RingView ring;  // head moves on with every step
  std::uint64_t rollout_index;
  int num_rows, num_elites;
  float end_threshold;
  int live, survivors;  // rows of the running step, and of the next
  int num_terminated;
  int num_steps;
  int finite;
  std::uint64_t num_written;
  int elites[kMaxElitesGpu];
  int bucket_begin[kMaxElitesGpu + 1];  // rows of each elite, sorted
};

struct RolloutArrays {
  MlpTable policy, member;
  const float *policy_value, *member_value;
  void *policy_rounded, *member_rounded;  // as operands of the precision; null in fp32
  const float *shared, *input_mean, *input_inv_std;
  std::size_t member_size;
  float *state, *action, *next_state;  // [rows, S], [rows, A], [rows, S]
  std::uint32_t *row_id, *next_row_id, *order;
  std::uint8_t *chosen, *outcome;
  int* counts;  // per (bucket, tile of kSortRows), then their first positions
  RolloutPlan* plan;
  TransitionLayout layout;
  TaskId task;
  EndBounds end_bounds;
  ModelMaps maps;
  int S, A, D, num_regressed, num_inputs, shared_pitch, policy_pitch, member_pitch, num_sort_tiles;
  std::uint32_t seed, learner;

  MBRL_HD RandomKey key(Purpose purpose) const { return {seed, purpose, learner}; }
  /// What belongs to the caller: a recording holds these values.
  auto borrowed() const {
    return std::tuple(policy_value, member_value, shared, input_mean, input_inv_std, task,
                      end_bounds, seed, learner);
  }
};

__device__ int global_thread() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }

__device__ float* ring_record(const RolloutArrays& a, int row) {
  const RingView& ring = a.plan->ring;
  return ring.records + (ring.head + static_cast<std::size_t>(row)) % ring.capacity *
                            static_cast<std::size_t>(a.layout.pitch());
}

__global__ void rollout_start_kernel(const __grid_constant__ RolloutArrays a) {
  const int row = global_thread();
  if (row >= a.plan->num_rows) return;
  const auto id = static_cast<std::uint32_t>(row);
  const std::uint32_t bits =
      a.key(purpose::kRolloutStart).bits(rollout_draw_step(a.plan->rollout_index, 0), id).x;
  const TransitionsView& real = a.plan->real;
  const float* record = real.record(uniform_index(bits, static_cast<std::uint32_t>(real.size)));
  for (int i = 0; i < a.S; ++i) a.state[static_cast<std::size_t>(row) * a.S + i] = record[i];
  a.row_id[row] = id;
}

template <Precision kPrecision, int kRows>
__global__ void __launch_bounds__(kBlockThreads, kRolloutBlocks<kPrecision>)
    rollout_act_kernel(const __grid_constant__ RolloutArrays a, int step) {
  if (lacks_format<kPrecision>()) return;
  const int first = static_cast<int>(blockIdx.x) * kRows, live = a.plan->live;
  if (first >= live) return;
  const int rows = live - first < kRows ? live - first : kRows;
  const std::uint64_t draw_step = rollout_draw_step(a.plan->rollout_index, step);

  BlockMlp<kPrecision, kRows> mlp(shared_floats(), a.policy_pitch);
  const int thread = static_cast<int>(threadIdx.x);
  mlp.fill(a.policy.layer[0].in_pitch, a.S, nullptr, [&](int row, int column) {
    return row < rows ? a.state[static_cast<std::size_t>(first + row) * a.S + column] : 0.0f;
  });
  mlp.forward(a.policy, parameters_at<kPrecision>(a.policy_value, a.policy_rounded),
              Activation::kRelu, nullptr, 0);

  const RandomKey action_key = a.key(purpose::kRolloutAction);
  for (int i = thread; i < rows * a.A; i += kBlockThreads) {
    const int row = i / a.A, k = i % a.A;
    const float* output = mlp.tile() + row * mlp.pitch();
    const float noise = normal(action_key, draw_step, a.row_id[first + row], k);
    a.action[static_cast<std::size_t>(first + row) * a.A + k] =
        squashed_gaussian_action(output[k], output[a.A + k], noise);
  }
  for (int row = thread; row < rows; row += kBlockThreads) {
    const std::uint32_t bits =
        a.key(purpose::kMemberChoice).bits(draw_step, a.row_id[first + row]).x;
    a.chosen[first + row] = static_cast<std::uint8_t>(
        uniform_index(bits, static_cast<std::uint32_t>(a.plan->num_elites)));
  }
}

/// f(bucket, rank of this thread's row among those of its block in the bucket, whether it is in it)
/// for every elite's bucket. All threads of the block call it.
template <typename F>
__device__ __forceinline__ void for_each_bucket(const RolloutArrays& a, int live, F f) {
  const int row = global_thread();
  const int bucket = row < live ? a.chosen[row] : kMaxElitesGpu;
  auto* warp_counts = reinterpret_cast<int*>(shared_floats());
  for (int b = 0; b < a.plan->num_elites; ++b)
    f(b, rank_in_block(bucket == b, warp_counts), bucket == b);
}

// counts[bucket][tile]: the rows of a tile that chose each elite
__global__ void rollout_count_kernel(const __grid_constant__ RolloutArrays a) {
  const int tile = static_cast<int>(blockIdx.x), live = a.plan->live;
  if (tile * kSortRows >= live) return;
  for_each_bucket(a, live, [&](int b, const Rank& rank, bool) {
    if (threadIdx.x == 0) a.counts[b * a.num_sort_tiles + tile] = rank.total;
  });
}

// buckets one after the other, tiles in order within each
__global__ void rollout_bucket_offsets_kernel(const __grid_constant__ RolloutArrays a) {
  const int tiles = (a.plan->live + kSortRows - 1) / kSortRows;
  auto* scratch = reinterpret_cast<int*>(shared_floats());
  int before = 0;
  for (int b = 0; b < a.plan->num_elites; ++b) {
    int* counts = a.counts + b * a.num_sort_tiles;
    const int total = exclusive_sums(counts, tiles, scratch);
    for (int i = static_cast<int>(threadIdx.x); i < tiles; i += static_cast<int>(blockDim.x))
      counts[i] += before;
    if (threadIdx.x == 0) a.plan->bucket_begin[b] = before;
    before += total;
  }
  if (threadIdx.x == 0) a.plan->bucket_begin[a.plan->num_elites] = before;
}

// order: the rows of each elite side by side
__global__ void rollout_order_kernel(const __grid_constant__ RolloutArrays a) {
  const int tile = static_cast<int>(blockIdx.x), live = a.plan->live;
  if (tile * kSortRows >= live) return;
  for_each_bucket(a, live, [&](int b, const Rank& rank, bool is_mine) {
    if (is_mine)
      a.order[a.counts[b * a.num_sort_tiles + tile] + rank.before] =
          static_cast<std::uint32_t>(global_thread());
  });
}

// draws of the predicted targets, in place of the predictions
template <typename Loss>
__device__ __forceinline__ void sample_tile(const RolloutArrays& a, std::uint64_t draw_step,
                                            const std::uint32_t* live_rows, int rows, float* tile,
                                            int pitch) {
  constexpr int kShared = Loss::kShared > 0 ? Loss::kShared : 1;  // no array is empty
  const RandomKey noise_key = a.key(purpose::kModelNoise);
  for (int i = static_cast<int>(threadIdx.x); i < rows * a.num_regressed; i += kBlockThreads) {
    const int row = i / a.num_regressed, k = i % a.num_regressed;
    float* output = tile + row * pitch + k;
    float outputs[Loss::kOutputs], shared[kShared] = {};
#pragma unroll
    for (int j = 0; j < Loss::kOutputs; ++j) outputs[j] = output[j * a.D];
#pragma unroll
    for (int which = 0; which < Loss::kShared; ++which)
      shared[which] = a.shared[which * a.shared_pitch + k];
    float noise = 0.0f;
    if constexpr (Loss::kNoise) noise = normal(noise_key, draw_step, a.row_id[live_rows[row]], k);
    *output = Loss::sample(outputs, shared, noise);
  }
}

// one row's record; targets: what was drawn for it
__device__ __forceinline__ void write_row(const RolloutArrays& a, std::uint32_t row,
                                          float* targets) {
  const float* s = a.state + static_cast<std::size_t>(row) * a.S;
  const bool finite = apply_prediction(a.maps, s, a.S, targets, 1);
  const float* next = targets + a.maps.first_state();
  const bool terminated = a.maps.end != EndTarget::kNone
                              ? predicts_end(targets[a.D - 1], a.plan->end_threshold)
                              : task_terminated(a.task, a.end_bounds, next);
  write_record(ring_record(a, static_cast<int>(row)), a.layout, s,
               a.action + static_cast<std::size_t>(row) * a.A, targets[0], terminated, next);
  a.outcome[row] =
      static_cast<std::uint8_t>((terminated ? kTerminated : 0) | (finite ? 0 : kNotFinite));
}

// s', r ~ member(s, a); end rule; record
template <Precision kPrecision, int kRows, typename Loss>
__global__ void __launch_bounds__(kBlockThreads, kRolloutBlocks<kPrecision>)
    rollout_step_kernel(const __grid_constant__ RolloutArrays a, int step) {
  if (lacks_format<kPrecision>()) return;
  // block -> elite and rows of it
  int elite = 0, tile = static_cast<int>(blockIdx.x);
  const int* bucket_begin = a.plan->bucket_begin;
  for (; elite < a.plan->num_elites; ++elite) {
    const int tiles = (bucket_begin[elite + 1] - bucket_begin[elite] + kRows - 1) / kRows;
    if (tile < tiles) break;
    tile -= tiles;
  }
  if (elite == a.plan->num_elites) return;
  const int first = bucket_begin[elite] + tile * kRows;
  const int left = bucket_begin[elite + 1] - first;
  const int rows = left < kRows ? left : kRows;
  const std::uint32_t* live_rows = a.order + first;
  const int thread = static_cast<int>(threadIdx.x);
  const std::uint64_t draw_step = rollout_draw_step(a.plan->rollout_index, step);

  BlockMlp<kPrecision, kRows> mlp(shared_floats(), a.member_pitch);
  mlp.fill(a.member.layer[0].in_pitch, a.num_inputs, nullptr, [&](int row, int column) {
    if (row >= rows) return 0.0f;
    const std::size_t at = live_rows[row];
    return normalize(a.maps.input_value(a.state + at * a.S, a.action + at * a.A, a.S, column),
                     a.input_mean[column], a.input_inv_std[column]);
  });
  const std::size_t member = a.plan->elites[elite] * a.member_size;
  mlp.forward(a.member, parameters_at<kPrecision>(a.member_value, a.member_rounded, member),
              Activation::kSwish, nullptr, 0);

  sample_tile<Loss>(a, draw_step, live_rows, rows, mlp.tile(), mlp.pitch());
  sync_block();
  for (int row = thread; row < rows; row += kBlockThreads)
    write_row(a, live_rows[row], mlp.tile() + row * mlp.pitch());
}

// per tile: rows that go on, and rows with a value that is not finite
__global__ void rollout_survivors_kernel(const __grid_constant__ RolloutArrays a) {
  const int row = global_thread(), live = a.plan->live;
  if (static_cast<int>(blockIdx.x) * kSortRows >= live) return;
  const int outcome = row < live ? a.outcome[row] : kTerminated;
  auto* warp_counts = reinterpret_cast<int*>(shared_floats());
  const Rank going_on = rank_in_block((outcome & kTerminated) == 0, warp_counts);
  const Rank broken = rank_in_block((outcome & kNotFinite) != 0, warp_counts);
  if (threadIdx.x == 0) {
    a.counts[blockIdx.x] = going_on.total;
    a.counts[a.num_sort_tiles + static_cast<int>(blockIdx.x)] = broken.total;
  }
}

__global__ void rollout_survivor_offsets_kernel(const __grid_constant__ RolloutArrays a) {
  const int tiles = (a.plan->live + kSortRows - 1) / kSortRows;
  auto* scratch = reinterpret_cast<int*>(shared_floats());
  const int survivors = exclusive_sums(a.counts, tiles, scratch);
  const int broken = exclusive_sums(a.counts + a.num_sort_tiles, tiles, scratch);
  if (threadIdx.x == 0) {
    a.plan->survivors = survivors;
    if (broken > 0) a.plan->finite = 0;
  }
}

// survivors move up into the other pair of arrays
__global__ void rollout_compact_kernel(const __grid_constant__ RolloutArrays a) {
  const int row = global_thread(), live = a.plan->live;
  if (static_cast<int>(blockIdx.x) * kSortRows >= live) return;
  const bool goes_on = row < live && (a.outcome[row] & kTerminated) == 0;
  const Rank rank = rank_in_block(goes_on, reinterpret_cast<int*>(shared_floats()));
  if (!goes_on) return;
  const int to = a.counts[blockIdx.x] + rank.before;
  const float* next = ring_record(a, row) + a.layout.next_observation();
  for (int i = 0; i < a.S; ++i) a.next_state[static_cast<std::size_t>(to) * a.S + i] = next[i];
  a.next_row_id[to] = a.row_id[row];
}

// the step is over: counters move on
__global__ void rollout_advance_kernel(const __grid_constant__ RolloutArrays a) {
  RolloutPlan& p = *a.plan;
  if (p.live == 0) return;
  p.ring.head = (p.ring.head + static_cast<std::size_t>(p.live)) % p.ring.capacity;
  p.num_written += static_cast<std::uint64_t>(p.live);
  p.num_terminated += p.live - p.survivors;
  ++p.num_steps;
  p.live = p.survivors;
}

/// Device arrays of the stage, and the graph of each rollout length seen last.
class RolloutBuffers final : public RolloutStage {
 public:
  RolloutBuffers(const Stream& stream, const GaussianActor& policy, const EnsembleState& model,
                 int max_rows);

  RolloutResult run(const RolloutCall& call) override;

 private:
  void bind(const RolloutCall& call);
  void write_plan(const RolloutCall& call);
  void record(Stream& stream, EnsembleLoss loss, int length);
  template <Precision kPrecision, int kRows, typename Loss>
  void issue(Stream& stream, int length);

  int max_rows_;
  Buffer<float> state_, next_state_, action_;
  Buffer<std::uint32_t> row_id_, next_row_id_, order_;
  Buffer<std::uint8_t> chosen_, outcome_;
  Buffer<int> counts_;
  std::size_t policy_size_, member_size_;  // parameters
  Buffer<std::byte> policy_rounded_, member_rounded_;
  Buffer<RolloutPlan> plan_, plan_on_device_;
  RolloutArrays arrays_{};
  Graph graph_;
  int recorded_length_ = 0;
};

RolloutBuffers::RolloutBuffers(const Stream& stream, const GaussianActor& policy,
                               const EnsembleState& model, int max_rows)
    : max_rows_(max_rows),
      policy_size_(policy.layout.size),
      member_size_(model.members.value.size()),
      policy_rounded_(rounded_buffer(stream, policy_size_, "rounded rollout weights")),
      member_rounded_(rounded_buffer(stream, member_size_, "rounded rollout weights")) {
  const auto rows = static_cast<std::size_t>(max_rows);
  RolloutArrays& a = arrays_;
  a.S = model.data.observation_size;
  a.A = model.data.action_size;
  a.D = model.num_targets();
  a.num_regressed = model.num_regressed();
  a.layout = model.data;
  a.policy = make_table(policy.layout);
  a.member = make_table(model.layout);
  a.member_size = model.layout.size;
  a.maps = model.maps;
  a.num_inputs = model.num_inputs();
  a.shared_pitch = padded(a.D);
  a.policy_pitch = shared_pitch(widest(a.policy));
  a.member_pitch = shared_pitch(widest(a.member));
  a.num_sort_tiles = (max_rows + kSortRows - 1) / kSortRows;

  const char* name = "rollout rows";
  const auto S = static_cast<std::size_t>(a.S), A = static_cast<std::size_t>(a.A);
  state_ = Buffer<float>(rows * S, Memory::kDevice, name);
  next_state_ = Buffer<float>(rows * S, Memory::kDevice, name);
  action_ = Buffer<float>(rows * A, Memory::kDevice, name);
  row_id_ = Buffer<std::uint32_t>(rows, Memory::kDevice, name);
  next_row_id_ = Buffer<std::uint32_t>(rows, Memory::kDevice, name);
  order_ = Buffer<std::uint32_t>(rows, Memory::kDevice, name);
  chosen_ = Buffer<std::uint8_t>(rows, Memory::kDevice, name);
  outcome_ = Buffer<std::uint8_t>(rows, Memory::kDevice, name);
  counts_ = Buffer<int>(
      static_cast<std::size_t>(kMaxElitesGpu) * static_cast<std::size_t>(a.num_sort_tiles),
      Memory::kDevice, name);
  plan_ = Buffer<RolloutPlan>(1, Memory::kPinned, "rollout plan");
  plan_on_device_ = Buffer<RolloutPlan>(1, Memory::kDevice, "rollout plan");
  a.policy_rounded = policy_rounded_.data();
  a.member_rounded = member_rounded_.data();
  a.action = action_.data();
  a.order = order_.data();
  a.chosen = chosen_.data();
  a.outcome = outcome_.data();
  a.counts = counts_.data();
  a.plan = plan_on_device_.data();
}

template <Precision kPrecision, int kRows, typename Loss>
void RolloutBuffers::issue(Stream& stream, int length) {
  const auto blocks = [](int count) { return dim3{static_cast<unsigned>(count), 1, 1}; };
  const LaunchShape per_row{blocks(arrays_.num_sort_tiles), kSortRows, kSortRows * sizeof(int)};
  const LaunchShape one_block{blocks(1), kBlockThreads, kBlockThreads * sizeof(int)};
  const int tiles = (max_rows_ + kRows - 1) / kRows;

  copy_async(plan_on_device_.data(), plan_.data(), sizeof(RolloutPlan), stream.handle());
  RolloutArrays a = arrays_;
  a.state = state_.data();
  a.next_state = next_state_.data();
  a.row_id = row_id_.data();
  a.next_row_id = next_row_id_.data();
  launch_rounded_copies<kPrecision>(stream, {{a.policy_value, a.policy_rounded, policy_size_},
                                             {a.member_value, a.member_rounded, member_size_}});
  launch(stream, "rollout_start", rollout_start_kernel, per_row, a);
  for (int step = 0; step < length; ++step) {
    launch(stream, "rollout_act", rollout_act_kernel<kPrecision, kRows>,
           {blocks(tiles), kBlockThreads, tile_bytes(kRows, a.policy_pitch)}, a, step);
    launch(stream, "rollout_count", rollout_count_kernel, per_row, a);
    launch(stream, "rollout_bucket_offsets", rollout_bucket_offsets_kernel, one_block, a);
    launch(stream, "rollout_order", rollout_order_kernel, per_row, a);
    // every bucket may end in a part of a tile
    launch(stream, "rollout_step", rollout_step_kernel<kPrecision, kRows, Loss>,
           {blocks(tiles + kMaxElitesGpu), kBlockThreads, tile_bytes(kRows, a.member_pitch)}, a,
           step);
    launch(stream, "rollout_survivors", rollout_survivors_kernel, per_row, a);
    launch(stream, "rollout_survivor_offsets", rollout_survivor_offsets_kernel, one_block, a);
    launch(stream, "rollout_compact", rollout_compact_kernel, per_row, a);
    launch(stream, "rollout_advance", rollout_advance_kernel, {blocks(1), 1, 0}, a);
    std::swap(a.state, a.next_state);
    std::swap(a.row_id, a.next_row_id);
  }
  copy_async(plan_.data(), plan_on_device_.data(), sizeof(RolloutPlan), stream.handle());
}

void RolloutBuffers::bind(const RolloutCall& call) {
  RolloutArrays& a = arrays_;
  const RolloutArrays before = a;
  a.policy_value = call.policy.parameters.value.data();
  a.member_value = call.model.members.value.data();
  a.shared = call.model.logvar_bounds.value.data();
  a.input_mean = call.model.input_mean.data();
  a.input_inv_std = call.model.input_inv_std.data();
  a.task = call.constants.task;
  a.end_bounds = call.constants.end_bounds;
  a.seed = call.constants.seed;
  a.learner = call.constants.learner;
  if (a.borrowed() != before.borrowed() || recorded_length_ != call.constants.length)
    graph_ = Graph();
  recorded_length_ = call.constants.length;
}

void RolloutBuffers::write_plan(const RolloutCall& call) {
  RolloutPlan& plan = plan_[0];
  plan = {};
  plan.real = call.real;
  plan.ring = call.ring;
  plan.rollout_index = call.constants.rollout_index;
  plan.num_rows = plan.live = call.constants.num_rows;
  plan.finite = 1;
  plan.num_elites = static_cast<int>(call.model.elites.size());
  plan.end_threshold = call.model.end_threshold;
  std::copy(call.model.elites.begin(), call.model.elites.end(), plan.elites);
}

// the kernels of a call, with as many rows to a block as fit into shared memory
void RolloutBuffers::record(Stream& stream, EnsembleLoss loss, int length) {
  with_precision(stream, [&]<Precision kPrecision>() {
    with_loss(loss, [&]<typename Loss>() {
      const int pitch = std::max(arrays_.policy_pitch, arrays_.member_pitch);
      if (tile_bytes(kManyRows<kPrecision>, pitch) <= shared_memory_limit()) {
        issue<kPrecision, kManyRows<kPrecision>, Loss>(stream, length);
      } else {
        issue<kPrecision, kFewRows, Loss>(stream, length);
      }
    });
  });
}

RolloutResult RolloutBuffers::run(const RolloutCall& call) {
  bind(call);
  write_plan(call);
  graph_.run(call.stream, [&] { record(call.stream, call.model.loss, call.constants.length); });
  call.stream.synchronize();
  const RolloutPlan& plan = plan_[0];
  return {static_cast<std::size_t>(plan.num_written), static_cast<std::size_t>(plan.num_terminated),
          plan.num_steps, plan.finite != 0};
}

}  // namespace

std::unique_ptr<RolloutStage> make_rollout_stage(Stream& stream, const GaussianActor& policy,
                                                 const EnsembleState& model, int max_rows) {
  return std::make_unique<RolloutBuffers>(stream, policy, model, max_rows);
}

}  // namespace mbrl::gpu
