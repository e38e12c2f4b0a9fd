// PPO on the GPU: three kernels per update, one for acting.
//
//   ppo_rows       per (row tile, network): gather, forward, terms of the rows, backward
//   ppo_gradients  per weight tile of both networks: gradient and its squares; one more block: sums
//                  of the terms, which are losses and the gradient of log_std
//   ppo_adam       per parameter: Adam, once the norm of the whole gradient is known
//
// The batch's addresses, the constants and Adam's rates travel in a plan that the first node copies
// to the device, so that a recorded graph never changes.
#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "cuda/kernel.cuh"
#include "kernels/gpu/network_update.cuh"
#include "kernels/gpu/plan.h"
#include "kernels/gpu/reduce.cuh"
#include "kernels/stages/ppo/ppo_update.h"

namespace mbrl::gpu {
namespace {

constexpr int kPpoRows = 8;  // rows of a tile
using PpoMlp = BlockMlp<Precision::kFp32, kPpoRows>;

/// What a call decides. The Adam constants of each of its updates follow it.
struct alignas(16) PpoPlan {
  const float *observation, *action, *log_prob, *advantage, *value_target;
  const std::uint32_t* rows;  // [updates, B]
  PpoRule rule;
};

/// A network's parameters and moments.
struct TrainedArrays {
  float *value, *m, *v;
  std::size_t size;
  bool operator==(const TrainedArrays&) const = default;
};
// acting binds a constant state, and reads alone
TrainedArrays trained_arrays(const TrainedParameters& p) {
  return {const_cast<float*>(p.value.data()), const_cast<float*>(p.m.data()),
          const_cast<float*>(p.v.data()), p.value.size()};
}

/// What the kernels read; fixed for the life of the buffers.
struct PpoArrays {
  MlpTable policy, value;
  SavedLayout policy_saved_layout, value_saved_layout;
  float *policy_saved, *value_saved;
  TrainedArrays policy_arrays, log_std, value_arrays;
  float* gradient;  // policy, log_std, value
  double* squares;  // of the gradient, one sum per block of ppo_gradients
  float* terms;     // [kNumPpoTerms + action size][max rows]
  const PpoPlan* plan;
  const AdamStep* adam;
  PpoHeads heads;
  int S, max_rows;
  int pitch;  // of an activation tile in shared memory

  /// What belongs to the caller: a recording holds these addresses.
  auto borrowed() const { return std::tuple(policy_arrays, log_std, value_arrays); }
  __device__ float* log_std_gradient() const { return gradient + policy_arrays.size; }
  __device__ float* value_gradient() const { return log_std_gradient() + log_std.size; }
  __device__ int num_terms() const { return kNumPpoTerms + static_cast<int>(log_std.size); }
};

__device__ Parameters<float> parameters(const TrainedArrays& a) { return {a.value, a.value}; }

// grid: row tiles, then policy and value network
__global__ void __launch_bounds__(kBlockThreads, 1)
    ppo_rows_kernel(const __grid_constant__ PpoArrays a, int update, int B) {
  wait_for_earlier();
  const bool is_policy = blockIdx.y == 0;
  const int first = static_cast<int>(blockIdx.x) * kPpoRows;
  const int rows = B - first < kPpoRows ? B - first : kPpoRows;
  const MlpTable& table = is_policy ? a.policy : a.value;
  const Saved<float> saved{is_policy ? a.policy_saved_layout : a.value_saved_layout,
                           is_policy ? a.policy_saved : a.value_saved};
  const Parameters<float> weights = parameters(is_policy ? a.policy_arrays : a.value_arrays);
  const PpoPlan& plan = *a.plan;
  const std::uint32_t* indices = plan.rows + static_cast<std::size_t>(update) * B + first;
  const int thread = static_cast<int>(threadIdx.x);

  // rows past the update repeat its last one; they have no gradient
  PpoMlp mlp(shared_floats(), a.pitch);
  mlp.fill(table.layer[0].in_pitch, a.S, saved.x(0, first), [&](int row, int i) {
    const std::size_t at = indices[row < rows ? row : rows - 1];
    return plan.observation[at * a.S + i];
  });
  mlp.forward(table, weights, Activation::kTanh, &saved, first);

  // a row is one thread's
  const LayerLayout& last = table.layer[table.num_layers - 1];
  float* scratch = shared_floats() + 2 * kPpoRows * a.pitch;
  float* gradient = scratch + thread * padded(last.out);
  if (thread < rows) {
    const std::size_t at = indices[thread];
    const float* output = mlp.tile() + thread * mlp.pitch();
    float* terms = a.terms + first + thread;
    if (is_policy) {
      ppo_policy_row(a.heads, plan.rule, output, 1, a.log_std.value,
                     plan.action + at * a.heads.num_actions,
                     plan.log_prob + at * a.heads.num_log_probs, plan.advantage[at], gradient,
                     terms, a.max_rows);
    } else {
      ppo_value_row(plan.rule, *output, plan.value_target[at], *gradient,
                    terms[static_cast<std::size_t>(kPpoValueLoss) * a.max_rows]);
    }
  }
  sync_block();
  const int width = padded(last.out);
  mlp.fill(width, last.out, saved.dz(table.num_layers - 1, first),
           [&](int row, int i) { return row < rows ? scratch[row * width + i] : 0.0f; });
  mlp.template backward<false>(table, weights, Activation::kTanh, saved, first);
}

/// Shared memory of ppo_rows: two tiles, then the gradient of the outputs.
std::size_t rows_shared_bytes(const PpoArrays& a) {
  const int width = padded(std::max(a.heads.num_outputs, 1));
  return static_cast<std::size_t>(kPpoRows) * (2 * a.pitch + width) * sizeof(float);
}

/// What ppo_gradients does with finished gradients: keeps them, and sums their squares.
struct StoreGradient {
  float* gradient;
  double* squares;  // of this thread

  struct Four {};  // nothing is needed beforehand
  __device__ __forceinline__ Four load(std::size_t) const { return {}; }
  __device__ __forceinline__ void store(std::size_t at, Four, const float4& value, float) const {
    one(at, value.x, 0.0f);
    one(at + 1, value.y, 0.0f);
    one(at + 2, value.z, 0.0f);
    one(at + 3, value.w, 0.0f);
  }
  __device__ __forceinline__ void one(std::size_t at, float value, float) const {
    gradient[at] = value;
    *squares += static_cast<double>(value) * value;
  }
};

// means of the losses and the gradient of log_std: a warp per term
__device__ void sum_terms(const PpoArrays& a, int update, int B, PpoLosses* losses,
                          double* squares) {
  double* sums = reinterpret_cast<double*>(shared_floats());
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32;
  for (int term = thread / 32; term < a.num_terms(); term += kBlockThreads / 32) {
    const float* values = a.terms + static_cast<std::size_t>(term) * a.max_rows;
    double sum = 0.0;
    for (int row = lane; row < B; row += 32) sum += values[row];
    sum = warp_sum(sum);
    if (lane == 0) sums[term] = sum;
  }
  sync_block();
  if (thread != 0) return;
  const auto mean = [&](PpoTerm term) { return static_cast<float>(sums[term] / B); };
  losses[update] = {mean(kPpoPolicyLoss), mean(kPpoValueLoss), mean(kPpoEntropy), mean(kPpoKl),
                    mean(kPpoClipped)};
  *squares = 0.0;
  const StoreGradient store{a.log_std_gradient(), squares};
  for (std::size_t k = 0; k < a.log_std.size; ++k)
    store.one(k, static_cast<float>(sums[kNumPpoTerms + k]), 0.0f);
}

// weight tiles of the policy, of the value network, then the terms
__global__ void __launch_bounds__(kBlockThreads, 1)
    ppo_gradients_kernel(const __grid_constant__ PpoArrays a,
                         const __grid_constant__ UpdateTable policy,
                         const __grid_constant__ UpdateTable value, int update, int B,
                         PpoLosses* losses) {
  wait_for_earlier();
  const int block = static_cast<int>(blockIdx.x), policy_blocks = policy.num_blocks();
  if (block == policy_blocks + value.num_blocks())
    return sum_terms(a, update, B, losses, a.squares + block);
  double squares = 0.0;
  const bool is_policy = block < policy_blocks;
  const Saved<float> saved{is_policy ? a.policy_saved_layout : a.value_saved_layout,
                           is_policy ? a.policy_saved : a.value_saved};
  const StoreGradient store{is_policy ? a.gradient : a.value_gradient(), &squares};
  update_network<Precision::kFp32>(shared_floats(), is_policy ? policy : value, saved, store,
                                   is_policy ? block : block - policy_blocks, B);

  const double sum = block_sum(squares, reinterpret_cast<double*>(shared_floats()));
  if (threadIdx.x == 0) a.squares[block] = sum;
}

// one thread per parameter
__global__ void __launch_bounds__(kBlockThreads)
    ppo_adam_kernel(const __grid_constant__ PpoArrays a, int update, int num_sums) {
  wait_for_earlier();
  float* scale = shared_floats();
  const float limit = a.plan->rule.max_gradient_norm;
  if (threadIdx.x == 0) {
    double squares = 0.0;
    if (limit > 0.0f)
      for (int i = 0; i < num_sums; ++i) squares += a.squares[i];
    *scale = gradient_scale(squares, limit);
  }
  sync_block();
  const std::size_t i = static_cast<std::size_t>(blockIdx.x) * kBlockThreads + threadIdx.x;
  const auto step = [&](const TrainedArrays& p, std::size_t at) {
    adam_update(p.value[at], p.m[at], p.v[at], *scale * a.gradient[i], a.adam[update]);
  };
  const std::size_t log_std = a.policy_arrays.size, value = log_std + a.log_std.size;
  if (i < log_std) return step(a.policy_arrays, i);
  if (i < value) return step(a.log_std, i - log_std);
  if (i < value + a.value_arrays.size) return step(a.value_arrays, i - value);
}

// grid: row tiles, then policy and value network
__global__ void __launch_bounds__(kBlockThreads, 1)
    ppo_act_kernel(const __grid_constant__ PpoArrays a, int N, const float* observation,
                   float* action, float* log_prob, float* value, bool stochastic, RandomKey key,
                   const std::uint64_t* step) {
  const bool is_policy = blockIdx.y == 0;
  const MlpTable& table = is_policy ? a.policy : a.value;
  const int first = static_cast<int>(blockIdx.x) * kPpoRows;
  PpoMlp mlp(shared_floats(), a.pitch);
  mlp.fill(table.layer[0].in_pitch, a.S, nullptr, [&](int row, int i) {
    return observation[static_cast<std::size_t>(first + row < N ? first + row : N - 1) * a.S + i];
  });
  mlp.forward(table, parameters(is_policy ? a.policy_arrays : a.value_arrays), Activation::kTanh,
              nullptr, first);
  const int row = first + static_cast<int>(threadIdx.x);
  if (threadIdx.x >= kPpoRows || row >= N) return;
  const float* output = mlp.tile() + static_cast<int>(threadIdx.x) * mlp.pitch();
  if (is_policy) {
    ppo_act_row(a.heads, output, 1, a.log_std.value, stochastic, key, *step,
                static_cast<std::uint32_t>(row), action + row * a.heads.num_actions,
                log_prob + row * a.heads.num_log_probs);
  } else {
    value[row] = *output;
  }
}

}  // namespace

/// Device arrays of the stage, and the graphs recorded over them.
class PpoBuffers {
 public:
  PpoBuffers(const PpoState& state, int max_rows);

  void act(Stream& stream, const PpoState& state, const PpoActRequest& r);
  void update(Stream& stream, const PpoCall& call);

 private:
  /// What a recorded graph depends on.
  struct Key {
    std::size_t num_updates;
    int num_rows;
    bool operator==(const Key&) const = default;
  };

  void reserve(std::size_t num_updates);
  void bind(const PpoState& state);
  void issue(Stream& stream, const Key& key);
  bool has_value() const { return arrays_.value.num_layers > 0; }

  SavedLayout policy_saved_, value_saved_;
  Buffer<float> saved_, gradient_, terms_;
  UpdateTable policy_table_, value_table_;
  Buffer<double> squares_;
  PpoArrays arrays_{};
  Buffer<float> observation_, action_, log_prob_, value_;  // pinned
  Buffer<std::uint64_t> act_step_;                         // pinned
  Plan<PpoPlan> plan_{"PPO plan"};
  StepResults<PpoLosses> losses_{"PPO losses"};
  Recorded<Key, decltype(std::declval<PpoArrays>().borrowed())> recorded_;
};

PpoBuffers::PpoBuffers(const PpoState& state, int max_rows)
    // whole tiles
    : policy_saved_(make_saved_layout(state.policy_layout, num_tiles(max_rows) * kTileRows)),
      value_saved_(make_saved_layout(state.value_layout, num_tiles(max_rows) * kTileRows)),
      saved_(policy_saved_.size + value_saved_.size, 0.0f, Memory::kDevice, "PPO activations"),
      // zero where there is padding, which no kernel writes
      gradient_(state.policy.value.size() + state.log_std.value.size() + state.value.value.size(),
                0.0f, Memory::kDevice, "PPO gradients"),
      terms_(static_cast<std::size_t>(max_rows) *
                 (kNumPpoTerms + static_cast<std::size_t>(state.shape.action_size)),
             0.0f, Memory::kDevice, "PPO rows"),
      policy_table_(make_update_table(make_table(state.policy_layout))),
      value_table_(make_update_table(make_table(state.value_layout))),
      squares_(static_cast<std::size_t>(policy_table_.num_blocks() + value_table_.num_blocks() + 1),
               0.0, Memory::kDevice, "PPO gradients"),
      observation_(static_cast<std::size_t>(max_rows) * state.shape.observation_size,
                   Memory::kPinned, "observations"),
      action_(static_cast<std::size_t>(max_rows) * state.shape.num_actions(), Memory::kPinned,
              "actions"),
      log_prob_(static_cast<std::size_t>(max_rows) * state.shape.num_log_probs(), Memory::kPinned,
                "actions"),
      value_(static_cast<std::size_t>(max_rows), Memory::kPinned, "values"),
      act_step_(1, Memory::kPinned, "step") {
  arrays_.policy = make_table(state.policy_layout);
  arrays_.value = make_table(state.value_layout);
  arrays_.policy_saved_layout = policy_saved_;
  arrays_.value_saved_layout = value_saved_;
  arrays_.policy_saved = saved_.data();
  arrays_.value_saved = saved_.data() + policy_saved_.size;
  arrays_.gradient = gradient_.data();
  arrays_.squares = squares_.data();
  arrays_.terms = terms_.data();
  arrays_.heads = make_ppo_heads(state.shape);
  arrays_.S = state.shape.observation_size;
  arrays_.max_rows = max_rows;
  arrays_.pitch = shared_pitch(std::max(widest(arrays_.policy), widest(arrays_.value)));
}

// grows with the largest call seen; recordings hold the old addresses
void PpoBuffers::reserve(std::size_t num_updates) {
  if (!plan_.reserve(num_updates)) return;
  recorded_.clear();
  losses_.resize(num_updates);
  arrays_.plan = plan_.on_device();
  arrays_.adam = plan_.steps_on_device();
}

// addresses of the state's arrays
void PpoBuffers::bind(const PpoState& state) {
  arrays_.policy_arrays = trained_arrays(state.policy);
  arrays_.log_std = trained_arrays(state.log_std);
  arrays_.value_arrays = trained_arrays(state.value);
}

void PpoBuffers::act(Stream& stream, const PpoState& state, const PpoActRequest& r) {
  bind(state);
  const int N = r.observation.size(0);
  const bool with_value = has_value() && r.value.data != nullptr;
  std::copy_n(r.observation.data, r.observation.count(), observation_.data());
  act_step_[0] = r.step;
  const auto tiles = static_cast<unsigned>((N + kPpoRows - 1) / kPpoRows);
  launch(stream, "ppo_act", ppo_act_kernel,
         {{tiles, with_value ? 2u : 1u, 1},
          kBlockThreads,
          static_cast<std::size_t>(2 * kPpoRows) * arrays_.pitch * sizeof(float)},
         arrays_, N, observation_.data(), action_.data(), log_prob_.data(), value_.data(),
         r.stochastic, r.key, act_step_.data());
  stream.synchronize();
  std::copy_n(action_.data(), r.action.count(), r.action.data);
  if (r.log_prob.data != nullptr)
    std::copy_n(log_prob_.data(), r.log_prob.count(), r.log_prob.data);
  if (with_value) std::copy_n(value_.data(), r.value.count(), r.value.data);
}

void PpoBuffers::issue(Stream& stream, const Key& key) {
  plan_.copy(stream, key.num_updates);
  const int B = key.num_rows;
  const auto tiles = static_cast<unsigned>((B + kPpoRows - 1) / kPpoRows);
  const unsigned networks = has_value() ? 2 : 1;
  const int blocks = policy_table_.num_blocks() + value_table_.num_blocks() + 1;
  const auto adam_blocks =
      static_cast<unsigned>((gradient_.size() + kBlockThreads - 1) / kBlockThreads);
  const std::size_t sums =
      (kNumPpoTerms + static_cast<std::size_t>(arrays_.log_std.size)) * sizeof(double);
  for (int update = 0; update < static_cast<int>(key.num_updates); ++update) {
    launch(stream, "ppo_rows", ppo_rows_kernel,
           {{tiles, networks, 1}, kBlockThreads, rows_shared_bytes(arrays_), /*early=*/update > 0},
           arrays_, update, B);
    launch(stream, "ppo_gradients", ppo_gradients_kernel,
           {{static_cast<unsigned>(blocks), 1, 1},
            kBlockThreads,
            std::max(kUpdateSharedBytes<Precision::kFp32>, sums),
            /*early=*/true},
           arrays_, policy_table_, value_table_, update, B, losses_.on_device());
    launch(stream, "ppo_adam", ppo_adam_kernel,
           {{adam_blocks, 1, 1}, kBlockThreads, sizeof(float), /*early=*/true}, arrays_, update,
           blocks);
  }
  losses_.copy(stream, key.num_updates);
}

void PpoBuffers::update(Stream& stream, const PpoCall& call) {
  const auto& [losses, state, batch, rows, c] = call;
  reserve(losses.size());
  bind(state);
  const int B = rows.size(1);

  // the plan of this call
  plan_.value() = {
      batch.observation.data,
      batch.action.data,
      batch.log_prob.data,
      batch.advantage.data,
      batch.value_target.data,
      rows.data,
      {c.clip, c.entropy_bonus, c.value_weight, 1.0f / static_cast<float>(B), c.max_gradient_norm}};
  plan_.set_steps(c.adam, state.num_updates, losses.size());

  const Key key{losses.size(), B};
  recorded_.run(stream, arrays_.borrowed(), key, [&] { issue(stream, key); });
  stream.synchronize();
  std::copy_n(losses_.data(), losses.size(), losses.data());
  state.num_updates += static_cast<std::int64_t>(losses.size());
}

std::shared_ptr<PpoBuffers> make_ppo_buffers(const PpoState& state, int max_rows) {
  return std::make_shared<PpoBuffers>(state, max_rows);
}

void ppo_act(Stream& stream, const PpoState& state, const PpoActRequest& request,
             PpoBuffers& buffers) {
  buffers.act(stream, state, request);
}

void ppo_update(Stream& stream, const PpoCall& call, PpoBuffers& buffers) {
  buffers.update(stream, call);
}

}  // namespace mbrl::gpu
