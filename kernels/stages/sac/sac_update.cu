// SAC on the GPU: four kernels per update and one that gathers the batches of all updates.
//
//   sac_gather          rows of all updates of the call; the weights as the products take them
//   sac_critics         per (row tile, role): one critic forward and backward, or the actor on s'
//                       and one target; whichever block of a tile comes last finds the TD errors
//   sac_update_critics  per (weight tile, critic): gradient, Adam, target averaging; per row tile:
//                       the actor on s
//   sac_actor           per (row tile, critic): the critic on (s, a_pi) down to a_pi; whichever
//                       block of a tile comes last takes both to the actor's gradients
//   sac_update_actor    per weight tile: gradient, Adam; one more block: temperature and losses
//
// A critic has one output, so its backward pass is linear in one number per row: it starts from 1
// beside the targets' passes rather than after them, and the update kernel multiplies each row by
// its TD error. That keeps the chain of layers short, which decides the time.
//
// With simultaneous gradients the row kernels are one (sac_gradients), and so are the others
// (sac_update_all). Where a library multiplies, sac_layers.cu takes the place of these kernels.
//
// What changes from call to call (counters, Adam's rates, sizes of the replays) travels in a plan
// that the first kernel brings to the device, so that a recorded graph never changes.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "cuda/kernel.cuh"
#include "kernels/gpu/dispatch.cuh"
#include "kernels/gpu/network_update.cuh"
#include "kernels/gpu/plan.h"
#include "kernels/stages/policy/policy.cuh"
#include "kernels/stages/sac/sac_arrays.cuh"
#include "kernels/stages/sac/sac_layers.h"

namespace mbrl::gpu {
namespace {

constexpr int kSacRows = 16;            // rows of a tile
enum { kCriticsCome, kPiCriticsCome };  // where blocks of a tile meet

// Of each update's batch one thread per four floats of a record, then one per four weights. The plan
// comes over the bus: to shared memory for each block, and by one of them to device memory for the
// kernels that follow.
template <Precision kPrecision>
__global__ void sac_gather_kernel(const __grid_constant__ SacArrays a,
                                  const __grid_constant__ SacRule rule, const SacPlan* mapped,
                                  SacPlan* on_device, int num_words, int num_updates,
                                  const __grid_constant__ RoundedCopies<kPrecision, 5> copies) {
  if (static_cast<int>(blockIdx.x) >= num_updates) {
    const std::size_t plane = blockIdx.x - static_cast<unsigned>(num_updates);
    const std::size_t i = (plane * gridDim.y + blockIdx.y) * kBlockThreads + threadIdx.x;
    if (i < copies.count()) copies(i);
    return;
  }
  const auto bring = [&](SacPlan* to, int words) {
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < words; i += kBlockThreads)
      reinterpret_cast<std::uint32_t*>(to)[i] = reinterpret_cast<const std::uint32_t*>(mapped)[i];
  };
  auto* plan = reinterpret_cast<SacPlan*>(shared_floats());
  bring(plan, sizeof(SacPlan) / sizeof(std::uint32_t));
  if (blockIdx.x == 0 && blockIdx.y == 0) bring(on_device, num_words);
  sync_block();

  const int per_record = a.layout.pitch() / 4;
  const int i = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x);
  const int update = static_cast<int>(blockIdx.x);
  if (i >= a.batch_size * per_record) return;
  const int row = i / per_record, part = i % per_record;
  const TransitionsView& pool = plan->source.of_row(row);
  const std::uint32_t bits = rule.key(purpose::kReplayIndex)
                                 .bits(plan->first_update + static_cast<std::uint64_t>(update),
                                       static_cast<std::uint32_t>(row))
                                 .x;
  const float* record = pool.record(uniform_index(bits, static_cast<std::uint32_t>(pool.size)));
  float* out = a.batch + (static_cast<std::size_t>(update) * a.batch_size + row) * a.layout.pitch();
  *reinterpret_cast<float4*>(out + 4 * part) = load4(record + 4 * part);
}

/// Blocks that a multiprocessor shall hold at once: in 16 bits the sums leave room for two, whose
/// loads then hide behind each other's products.
template <Precision kPrecision>
constexpr int kBlocksPerSm = kIs16Bit<kPrecision> ? 2 : 1;

/// A tile of rows in one block: the pieces both row kernels are made of.
template <Precision kPrecision>
class SacBlock {
 public:
  static constexpr int kRows = kSacRows;
  using Kept = Saved<OperandOf<kPrecision>>;

  /// Small arrays after the two activation tiles in shared memory, in floats.
  MBRL_HD static std::size_t shared_floats_needed(int pitch, int A) {
    return static_cast<std::size_t>(2 * kRows) * pitch + kRows * (2 * A + 1) + 1;
  }

  __device__ SacBlock(const SacArrays& a, const SacRule& rule, int update, int tile)
      : a_(a),
        rule_(rule),
        update_(update),
        tile_(tile),
        first_(tile * kRows),
        mlp_(shared_floats(), a.pitch) {
    float* p = shared_floats() + 2 * kRows * a.pitch;
    action_ = p;
    log_prob_terms_ = action_ + kRows * a.A;
    log_prob_ = log_prob_terms_ + kRows * a.A;
    flag_ = reinterpret_cast<int*>(log_prob_ + kRows);
  }

  /// One critic on the batch: Q, and the backward pass of dL/dQ = 1.
  __device__ void critic(int which) {
    for (int i = thread(); i < kRows * a_.A; i += kBlockThreads)
      action_[i] = record(i / a_.A)[a_.layout.action() + i % a_.A];
    sync_block();
    const Kept saved = saved_at<kPrecision>(a_.critic_saved_layout, a_.critic_saved[which]);
    evaluate(value(a_.critic_arrays[which]), &saved, a_.q[which],
             [&](int row, int column) { return record(row)[column]; });
    fill_unit_gradient(saved.dz(a_.critic.num_layers - 1, first_));
    mlp_.template backward<false>(a_.critic, value(a_.critic_arrays[which]), Activation::kRelu,
                                  saved, first_);
  }

  /// a' ~ pi(s') and one averaged critic on it.
  __device__ void target(int which) {
    const auto next = [&](int row, int i) { return record(row)[a_.layout.next_observation() + i]; };
    mlp_.fill(a_.actor.layer[0].in_pitch, a_.S, nullptr, next);
    mlp_.forward(a_.actor, value(a_.actor_arrays), Activation::kRelu, nullptr, first_);
    sample(mlp_.tile(), mlp_.pitch(), purpose::kNextActionNoise,
           which == 0 ? a_.next_log_prob : nullptr);
    evaluate(target_value(a_.critic_arrays[which]), nullptr, a_.target_q[which], next);
    if (which == 0 && tile_ == 0 && thread() == 0) *a_.alpha = alpha();
  }

  /// The actor on s, kept for its own backward pass.
  __device__ void actor() {
    const Kept saved = saved_at<kPrecision>(a_.actor_saved_layout, a_.actor_saved);
    forward_actor(&saved);
    const int width = padded(2 * a_.A);
    for (int i = thread(); i < kRows * width; i += kBlockThreads)
      a_.actor_output[static_cast<std::size_t>(first_) * width + i] =
          mlp_.tile()[i / width * mlp_.pitch() + i % width];
  }

  /// The actor on s, its output left in the tile.
  __device__ void forward_actor(const Kept* saved) {
    mlp_.fill(a_.actor.layer[0].in_pitch, a_.S, saved == nullptr ? nullptr : saved->x(0, first_),
              [&](int row, int i) { return record(row)[i]; });
    mlp_.forward(a_.actor, value(a_.actor_arrays), Activation::kRelu, saved, first_);
  }

  /// a_pi from the actor's output, one critic on it, and dQ/da_pi.
  __device__ void pi_critic(int which, const float* output, int pitch) {
    sample(output, pitch, purpose::kActorNoise, which == 0 ? a_.log_prob : nullptr);
    const Kept saved = saved_at<kPrecision>(a_.critic_saved_layout, a_.critic_pi_saved[which]);
    evaluate(value(a_.critic_arrays[which]), &saved, a_.pi_q[which],
             [&](int row, int column) { return record(row)[column]; });
    fill_unit_gradient(nullptr);
    mlp_.template backward<true>(a_.critic, value(a_.critic_arrays[which]), Activation::kRelu,
                                 saved, first_);
    for (int i = thread(); i < rows() * a_.A; i += kBlockThreads)
      a_.pi_action_gradient[which][first_ * a_.A + i] =
          mlp_.tile()[i / a_.A * mlp_.pitch() + a_.S + i % a_.A];
  }

  /// Whether this block is the last of the tile's kOf to come here, at one of two kinds of places; it
  /// then sees what all of them wrote.
  template <int kOf>
  __device__ bool comes_last(int kind) {
    sync_block();
    if (thread() == 0) {
      // the barriers pass on to all threads what the fences order for this one
      int* arrivals = a_.arrivals[kind] + tile_;
      fence_device();
      *flag_ = fetch_add(arrivals, 1);
      if (*flag_ == kOf - 1) *arrivals = 0;
      fence_device();
    }
    sync_block();
    return *flag_ == kOf - 1;
  }

  /// After critics and targets: how far the critics' values are from the targets.
  __device__ void td_errors() {
    if (thread() < rows()) find_td_errors(a_, rule_, update_, first_ + thread(), alpha());
  }

  /// After both critics: through the squashing to the actor's outputs, then down the actor.
  __device__ void actor_backward() {
    const int width = padded(2 * a_.A);
    const float* output = a_.actor_output + static_cast<std::size_t>(first_) * width;
    const Kept saved = saved_at<kPrecision>(a_.actor_saved_layout, a_.actor_saved);
    const RandomKey key = rule_.key(purpose::kActorNoise);
    const float d_log_prob = sac_actor_log_prob_gradient(alpha(), a_.row_weight);
    mlp_.fill(width, 2 * a_.A, saved.dz(a_.actor.num_layers - 1, first_), [&](int row, int column) {
      if (row >= rows()) return 0.0f;
      const int k = column % a_.A;
      const float raw = output[row * width + a_.A + k], n = noise(key, row, k);
      const SquashedGradient g =
          squashed_gaussian_gradient(squashed_gaussian_sample(output[row * width + k], raw, n), raw,
                                     n, pi_action_gradient(a_, first_ + row, k), d_log_prob);
      return scaled_gradient(column < a_.A ? g.d_mean : g.d_raw_log_std, kPrecision);
    });
    mlp_.template backward<false>(a_.actor, value(a_.actor_arrays), Activation::kRelu, saved,
                                  first_);
  }

  __device__ const float* tile() { return mlp_.tile(); }
  __device__ int pitch() const { return mlp_.pitch(); }
  __device__ const float* actor_output() const {
    return a_.actor_output + static_cast<std::size_t>(first_) * padded(2 * a_.A);
  }

 private:
  using Weights = Parameters<OperandOf<kPrecision>>;
  static __device__ Weights value(const NetworkArrays& n) {
    return parameters_at<kPrecision>(n.value, n.rounded);
  }
  static __device__ Weights target_value(const NetworkArrays& n) {
    return parameters_at<kPrecision>(n.target, n.rounded_target);
  }

  static __device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x); }
  /// Rows of the tile that the batch has; the others repeat its last and are not stored per row.
  __device__ int rows() const {
    const int left = a_.batch_size - first_;
    return left < kRows ? left : kRows;
  }
  __device__ const float* record(int row) const {
    return a_.record(update_, row < rows() ? first_ + row : a_.batch_size - 1);
  }
  __device__ float alpha() const { return exp_f(*a_.log_alpha); }
  __device__ float noise(const RandomKey& key, int row, int k) const {
    return normal(key, a_.plan->first_update + static_cast<std::uint64_t>(update_),
                  static_cast<std::uint32_t>(first_ + row), k);
  }

  /// The tile as the gradient 1 of a critic's only output.
  __device__ void fill_unit_gradient(OperandOf<kPrecision>* saved) {
    mlp_.fill(padded(1), 1, saved, [](int, int) { return 1.0f; });
  }

  /// Squashed Gaussian actions [row, A] from an actor's output; their log-densities go to
  /// log_prob[batch] where given.
  __device__ void sample(const float* output, int pitch, Purpose purpose, float* log_prob) {
    const RandomKey key = rule_.key(purpose);
    for (int i = thread(); i < kRows * a_.A; i += kBlockThreads) {
      const int row = i / a_.A, k = i % a_.A;
      const SquashedSample s = squashed_gaussian_sample(
          output[row * pitch + k], output[row * pitch + a_.A + k], noise(key, row, k));
      action_[i] = s.action;
      log_prob_terms_[i] = s.log_prob;
    }
    sync_block();
    if (log_prob == nullptr || thread() >= rows()) return;
    float sum = 0.0f;
    for (int k = 0; k < a_.A; ++k) sum += log_prob_terms_[thread() * a_.A + k];
    log_prob[first_ + thread()] = sum;
  }

  /// A critic on (observation, action_): its value to q[batch]; `saved` for a backward pass.
  template <typename Observation>
  __device__ void evaluate(const Weights& parameters, const Kept* saved, float* q,
                           Observation observation) {
    mlp_.fill(a_.critic.layer[0].in_pitch, a_.S + a_.A,
              saved == nullptr ? nullptr : saved->x(0, first_), [&](int row, int i) {
                return i < a_.S ? observation(row, i) : action_[row * a_.A + i - a_.S];
              });
    mlp_.forward(a_.critic, parameters, Activation::kRelu, saved, first_);
    if (thread() < rows()) q[first_ + thread()] = mlp_.tile()[thread() * mlp_.pitch()];
    sync_block();
  }

  const SacArrays& a_;
  const SacRule& rule_;
  int update_, tile_, first_;
  BlockMlp<kPrecision, kRows> mlp_;
  float *action_, *log_prob_terms_, *log_prob_;
  int* flag_;
};

// role: critic 0, critic 1, target 0, target 1
template <Precision kPrecision>
__device__ void evaluate_critics(SacBlock<kPrecision>& block, int role) {
  if (role < 2) {
    block.critic(role);
  } else {
    block.target(role - 2);
  }
  if (block.template comes_last<4>(kCriticsCome)) block.td_errors();
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerSm<kPrecision>)
    sac_critics_kernel(const __grid_constant__ SacArrays a, const __grid_constant__ SacRule rule,
                       int update) {
  if (lacks_format<kPrecision>()) return;
  wait_for_earlier();
  SacBlock<kPrecision> block(a, rule, update, static_cast<int>(blockIdx.x));
  evaluate_critics(block, static_cast<int>(blockIdx.y));
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerSm<kPrecision>)
    sac_actor_kernel(const __grid_constant__ SacArrays a, const __grid_constant__ SacRule rule,
                     int update) {
  if (lacks_format<kPrecision>()) return;
  wait_for_earlier();
  SacBlock<kPrecision> block(a, rule, update, static_cast<int>(blockIdx.x));
  block.pi_critic(static_cast<int>(blockIdx.y), block.actor_output(), padded(2 * a.A));
  if (block.template comes_last<2>(kPiCriticsCome)) block.actor_backward();
}

// all gradients from the parameters before the update; the longest roles come first
template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerSm<kPrecision>)
    sac_gradients_kernel(const __grid_constant__ SacArrays a, const __grid_constant__ SacRule rule,
                         int update) {
  if (lacks_format<kPrecision>()) return;
  wait_for_earlier();
  SacBlock<kPrecision> block(a, rule, update, static_cast<int>(blockIdx.x));
  const int role = static_cast<int>(blockIdx.y);
  if (role >= 2) return evaluate_critics(block, role - 2);
  if (role == 0) {
    block.actor();
  } else {
    block.forward_actor(nullptr);
  }
  block.pi_critic(role, block.tile(), block.pitch());
  if (block.template comes_last<2>(kPiCriticsCome)) block.actor_backward();
}

// weight tile `block` of a critic
template <Precision kPrecision>
__device__ void update_critic(const SacArrays& a, const UpdateTable& table, const SacRule& rule,
                              int update, int critic, int block) {
  update_network<kPrecision>(
      shared_floats(), table, saved_at<kPrecision>(a.critic_saved_layout, a.critic_saved[critic]),
      ParameterStep<kPrecision>{a.critic_arrays[critic], a.adam[update], rule.tau}, block,
      a.batch_size, [&](int row) { return critic_gradient(a, row, critic, kPrecision); });
}

template <Precision kPrecision>
__device__ void update_actor(const SacArrays& a, const UpdateTable& table, const SacRule& rule,
                             int update, int block, SacLosses* losses) {
  if (block == table.num_blocks())
    return finish_update(a, rule, update, reinterpret_cast<double*>(shared_floats()), losses);
  update_network<kPrecision>(
      shared_floats(), table, saved_at<kPrecision>(a.actor_saved_layout, a.actor_saved),
      ParameterStep<kPrecision>{a.actor_arrays, a.adam[update], 0.0f}, block, a.batch_size);
}

// row tiles of the actor, then weight tiles of critic 0 and critic 1
template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerSm<kPrecision>)
    sac_update_critics_kernel(const __grid_constant__ SacArrays a,
                              const __grid_constant__ UpdateTable table,
                              const __grid_constant__ SacRule rule, int update, int num_tiles) {
  if (lacks_format<kPrecision>()) return;
  wait_for_earlier();
  const int block = static_cast<int>(blockIdx.x);
  if (block < num_tiles) return SacBlock<kPrecision>(a, rule, update, block).actor();
  const int tile = block - num_tiles;
  update_critic<kPrecision>(a, table, rule, update, tile / table.num_blocks(),
                            tile % table.num_blocks());
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 2)
    sac_update_actor_kernel(const __grid_constant__ SacArrays a,
                            const __grid_constant__ UpdateTable table,
                            const __grid_constant__ SacRule rule, int update, SacLosses* losses) {
  if (lacks_format<kPrecision>()) return;
  wait_for_earlier();
  update_actor<kPrecision>(a, table, rule, update, static_cast<int>(blockIdx.x), losses);
}

// weight tiles of critic 0, critic 1 and actor, then the temperature
template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 2)
    sac_update_all_kernel(const __grid_constant__ SacArrays a,
                          const __grid_constant__ UpdateTable critic,
                          const __grid_constant__ UpdateTable actor,
                          const __grid_constant__ SacRule rule, int update, SacLosses* losses) {
  if (lacks_format<kPrecision>()) return;
  wait_for_earlier();
  const int block = static_cast<int>(blockIdx.x), per_critic = critic.num_blocks();
  if (block < 2 * per_critic) {
    update_critic<kPrecision>(a, critic, rule, update, block / per_critic, block % per_critic);
  } else {
    update_actor<kPrecision>(a, actor, rule, update, block - 2 * per_critic, losses);
  }
}

}  // namespace

/// Device arrays of the stage, and the graphs recorded over them.
class SacBuffers {
 public:
  SacBuffers(const Stream& stream, const SacState& state, int batch_size, const Gemm& gemm);

  void run(Stream& stream, const SacCall& call);

 private:
  /// What a recorded graph depends on.
  struct Key {
    std::size_t num_updates;
    int act_rows;
    bool simultaneous, stochastic, act_density;
    RandomKey act_key;
    SacRule rule;
    bool operator==(const Key&) const = default;
  };

  void reserve(std::size_t num_updates, int act_rows, const SacState& state);
  void bind(SacState& state);
  template <Precision kPrecision>
  void issue(Stream& stream, const Key& key);

  int batch_size_;
  std::size_t actor_size_, critic_size_;  // parameters
  SavedLayout actor_saved_, critic_saved_;
  Buffer<std::byte> saved_;
  Buffer<float> actor_output_, row_values_, batch_;
  Buffer<int> arrivals_;
  Precision precision_;
  Buffer<std::byte> rounded_;  // copies of actor, critics and targets
  SacArrays arrays_{};
  UpdateTable actor_table_, critic_table_;
  Plan<SacPlan> plan_{"SAC plan"};
  StepResults<SacLosses> losses_{"SAC losses"};
  Buffer<float> observation_, action_, log_prob_;  // pinned
  Recorded<Key, decltype(std::declval<SacArrays>().borrowed())> recorded_;
  std::unique_ptr<SacLayers> layers_;  // where a library multiplies
};

SacBuffers::SacBuffers(const Stream& stream, const SacState& state, int batch_size,
                       const Gemm& gemm)
    : batch_size_(batch_size),
      actor_size_(state.actor.layout.size),
      critic_size_(state.critics.layout.size),
      // whole tiles of the largest row count, whatever the precision
      actor_saved_(make_saved_layout(state.actor.layout, num_tiles(batch_size) * kTileRows)),
      critic_saved_(make_saved_layout(state.critics.layout, num_tiles(batch_size) * kTileRows)),
      saved_((actor_saved_.size + 4 * critic_saved_.size) * operand_bytes(stream.precision()),
             std::byte{0}, Memory::kDevice, "SAC activations"),
      actor_output_(static_cast<std::size_t>(num_tiles(batch_size)) * kTileRows *
                        padded(2 * state.action_size()),
                    0.0f, Memory::kDevice, "SAC activations"),
      row_values_(static_cast<std::size_t>(batch_size) * (10 + 2 * state.action_size()) + 1, 0.0f,
                  Memory::kDevice, "SAC rows"),
      arrivals_(2 * static_cast<std::size_t>((batch_size + kSacRows - 1) / kSacRows), 0,
                Memory::kDevice, "SAC rows"),
      precision_(stream.precision()),
      rounded_(rounded_buffer(stream, state.actor.layout.size + 4 * state.critics.layout.size,
                              "rounded SAC weights")),
      actor_table_(make_update_table(make_table(state.actor.layout))),
      critic_table_(make_update_table(make_table(state.critics.layout))) {
  arrays_.actor = make_table(state.actor.layout);
  arrays_.critic = make_table(state.critics.layout);
  arrays_.actor_saved_layout = actor_saved_;
  arrays_.critic_saved_layout = critic_saved_;
  std::byte* saved = saved_.data();
  const auto take_saved = [&](std::size_t size) {
    return std::exchange(saved, saved + size * operand_bytes(precision_));
  };
  arrays_.actor_saved = take_saved(actor_saved_.size);
  for (int i = 0; i < 2; ++i) {
    arrays_.critic_saved[i] = take_saved(critic_saved_.size);
    arrays_.critic_pi_saved[i] = take_saved(critic_saved_.size);
  }
  arrays_.actor_output = actor_output_.data();
  const auto rows = static_cast<std::size_t>(batch_size);
  float* memory = row_values_.data();
  const auto take = [&](std::size_t size) { return std::exchange(memory, memory + size); };
  for (int i = 0; i < 2; ++i) {
    arrays_.q[i] = take(rows);
    arrays_.td_error[i] = take(rows);
    arrays_.pi_q[i] = take(rows);
    arrays_.target_q[i] = take(rows);
    arrays_.pi_action_gradient[i] = take(rows * static_cast<std::size_t>(state.action_size()));
  }
  arrays_.log_prob = take(rows);
  arrays_.next_log_prob = take(rows);
  arrays_.alpha = take(1);
  for (std::size_t i = 0; i < 2; ++i)
    arrays_.arrivals[i] = arrivals_.data() + i * (arrivals_.size() / 2);
  arrays_.S = state.observation_size();
  arrays_.A = state.action_size();
  arrays_.batch_size = batch_size;
  arrays_.row_weight = 1.0f / static_cast<float>(batch_size);
  arrays_.pitch = shared_pitch(std::max(widest(arrays_.actor), widest(arrays_.critic)));
  arrays_.layout = {arrays_.S, arrays_.A};
  if (!gemm.fused()) layers_ = std::make_unique<SacLayers>(state, batch_size, gemm);
}

// grows with the largest call seen; recordings hold the old addresses
void SacBuffers::reserve(std::size_t num_updates, int act_rows, const SacState& state) {
  const std::size_t act_size = static_cast<std::size_t>(act_rows) * state.observation_size();
  if (plan_.reserve(num_updates)) {
    recorded_.clear();
    losses_.resize(num_updates);
    batch_ = Buffer<float>(num_updates * batch_size_ * arrays_.layout.pitch(), Memory::kDevice,
                           "SAC batches");
    arrays_.batch = batch_.data();
    arrays_.plan = plan_.on_device();
    arrays_.adam = plan_.steps_on_device();
  }
  if (act_size > observation_.size()) {
    recorded_.clear();
    observation_ = Buffer<float>(act_size, Memory::kPinned, "observations");
    action_ = Buffer<float>(static_cast<std::size_t>(act_rows) * state.action_size(),
                            Memory::kPinned, "actions");
    log_prob_ = Buffer<float>(static_cast<std::size_t>(act_rows), Memory::kPinned, "log-densities");
  }
}

// addresses of the state's arrays
void SacBuffers::bind(SacState& state) {
  std::byte* rounded = rounded_.data();  // null in fp32
  const auto take = [&](std::size_t size) {
    return rounded == nullptr ? nullptr
                              : std::exchange(rounded, rounded + size * operand_bytes(precision_));
  };
  const auto arrays = [&](TrainedParameters& p, Buffer<float>* target) {
    NetworkArrays a{p.value.data(), p.m.data(), p.v.data(), nullptr, take(p.value.size())};
    if (target != nullptr) {
      a.target = target->data();
      a.rounded_target = take(target->size());
    }
    return a;
  };
  arrays_.actor_arrays = arrays(state.actor.parameters, nullptr);
  for (int i = 0; i < 2; ++i)
    arrays_.critic_arrays[i] = arrays(state.critics.critic[i], &state.critics.target[i]);
  arrays_.log_alpha = state.log_alpha.value.data();
  arrays_.log_alpha_m = state.log_alpha.m.data();
  arrays_.log_alpha_v = state.log_alpha.v.data();
}

template <Precision kPrecision>
void SacBuffers::issue(Stream& stream, const Key& key) {
  const NetworkArrays &actor = arrays_.actor_arrays, *critic = arrays_.critic_arrays;
  const RoundedCopies<kPrecision, 5> copies(
      {{actor.value, actor.rounded, actor_size_},
       {critic[0].value, critic[0].rounded, critic_size_},
       {critic[1].value, critic[1].rounded, critic_size_},
       {critic[0].target, critic[0].rounded_target, critic_size_},
       {critic[1].target, critic[1].rounded_target, critic_size_}});
  const auto blocks_of = [](std::size_t threads, std::size_t of_block) {
    return static_cast<unsigned>((threads + of_block - 1) / of_block);
  };
  const auto updates = static_cast<unsigned>(key.num_updates);
  const unsigned gather_blocks = blocks_of(
      static_cast<std::size_t>(batch_size_) * static_cast<std::size_t>(arrays_.layout.pitch() / 4),
      kBlockThreads);
  // layers of a library read fp32
  const unsigned copy_planes =
      layers_ != nullptr ? 0
                         : blocks_of(copies.count(), std::size_t{gather_blocks} * kBlockThreads);
  launch(stream, "sac_gather", sac_gather_kernel<kPrecision>,
         {{updates + copy_planes, gather_blocks, 1}, kBlockThreads, sizeof(SacPlan)}, arrays_,
         key.rule, plan_.mapped(), plan_.on_device(), plan_.num_words(key.num_updates),
         static_cast<int>(updates), copies);
  constexpr bool kEarly = true;  // each follows a kernel: the first that of the batches and copies
  using Block = SacBlock<kPrecision>;
  const int tiles = (batch_size_ + Block::kRows - 1) / Block::kRows;
  const std::size_t shared = Block::shared_floats_needed(arrays_.pitch, arrays_.A) * sizeof(float);
  const auto grid = [](int x, int y) {
    return dim3{static_cast<unsigned>(x), static_cast<unsigned>(y), 1};
  };
  const int critic_blocks = critic_table_.num_blocks(), actor_blocks = actor_table_.num_blocks();
  for (int update = 0; update < static_cast<int>(key.num_updates); ++update) {
    if (layers_ != nullptr) {
      layers_->issue(stream, arrays_, key.rule, update, key.simultaneous, losses_.on_device());
    } else if (key.simultaneous) {
      launch(stream, "sac_gradients", sac_gradients_kernel<kPrecision>,
             {grid(tiles, 6), kBlockThreads, shared, kEarly}, arrays_, key.rule, update);
      launch(stream, "sac_update_all", sac_update_all_kernel<kPrecision>,
             {grid(2 * critic_blocks + actor_blocks + 1, 1), kBlockThreads,
              kUpdateSharedBytes<kPrecision>, kEarly},
             arrays_, critic_table_, actor_table_, key.rule, update, losses_.on_device());
    } else {
      launch(stream, "sac_critics", sac_critics_kernel<kPrecision>,
             {grid(tiles, 4), kBlockThreads, shared, kEarly}, arrays_, key.rule, update);
      launch(stream, "sac_update_critics", sac_update_critics_kernel<kPrecision>,
             {grid(tiles + 2 * critic_blocks, 1), kBlockThreads,
              std::max(shared, kUpdateSharedBytes<kPrecision>), kEarly},
             arrays_, critic_table_, key.rule, update, tiles);
      launch(stream, "sac_actor", sac_actor_kernel<kPrecision>,
             {grid(tiles, 2), kBlockThreads, shared, kEarly}, arrays_, key.rule, update);
      launch(stream, "sac_update_actor", sac_update_actor_kernel<kPrecision>,
             {grid(actor_blocks + 1, 1), kBlockThreads, kUpdateSharedBytes<kPrecision>, kEarly},
             arrays_, actor_table_, key.rule, update, losses_.on_device());
    }
  }
  if (key.act_rows > 0)
    launch_policy<kPrecision>(stream, arrays_.actor, arrays_.actor_arrays.value, arrays_.S,
                              arrays_.A, key.act_rows, observation_.data(), action_.data(),
                              key.act_density ? log_prob_.data() : nullptr, key.stochastic,
                              key.act_key, &arrays_.plan->act_step, kEarly);
  losses_.copy(stream, key.num_updates);
}

void SacBuffers::run(Stream& stream, const SacCall& call) {
  require_precision(stream, precision_);
  SacState& state = call.state;
  const SacConstants& c = call.constants;
  const ActRequest* act = call.then_act;
  const std::size_t num_updates = call.losses.size();
  const int act_rows = act == nullptr ? 0 : act->observation.size(0);
  reserve(num_updates, act_rows, state);
  bind(state);

  // the plan of this call
  plan_.value() = {static_cast<std::uint64_t>(state.num_updates), call.source,
                   act == nullptr ? 0 : act->step};
  plan_.set_steps(c.adam, state.num_updates, num_updates);
  if (act != nullptr)
    std::copy_n(act->observation.data, act->observation.count(), observation_.data());

  const Key key{num_updates,
                act_rows,
                c.simultaneous,
                act != nullptr && act->stochastic,
                act != nullptr && act->log_prob.data != nullptr,
                act == nullptr ? RandomKey{} : act->key,
                {c.discount, c.tau, c.target_entropy, c.seed, c.learner}};
  recorded_.run(stream, arrays_.borrowed(), key, [&] {
    with_precision(stream, [&]<Precision kPrecision>() { issue<kPrecision>(stream, key); });
  });
  stream.synchronize();

  std::copy_n(losses_.data(), num_updates, call.losses.data());
  if (act != nullptr) std::copy_n(action_.data(), act->action.count(), act->action.data);
  if (key.act_density) std::copy_n(log_prob_.data(), act->log_prob.count(), act->log_prob.data);
  state.num_updates += static_cast<std::int64_t>(num_updates);
}

std::shared_ptr<SacBuffers> make_sac_buffers(Stream& stream, const SacState& state, int batch_size,
                                             const Gemm& gemm) {
  return std::make_shared<SacBuffers>(stream, state, batch_size, gemm);
}

void sac_update(Stream& stream, const SacCall& call, SacBuffers& buffers) {
  buffers.run(stream, call);
}

}  // namespace mbrl::gpu
