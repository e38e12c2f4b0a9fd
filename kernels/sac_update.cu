// SAC on the GPU: four kernels per update and one that gathers the batches of all updates.
//
//   gather            rows of all updates of the call
//   sac_critics       per (row tile, role): actor on s' -> targets -> one critic forward, backward;
//                     the third role is the actor on s
//   sac_update_critics  per (weight tile, critic): gradient, Adam, target averaging
//   sac_actor         per row tile: both critics on (s, a_pi) -> actor backward
//   sac_update_actor  per weight tile: gradient, Adam; one more block: temperature and losses
//
// What changes from call to call (counters, Adam's rates, sizes of the replays) travels in a plan
// that the first node copies to the device, so that a recorded graph never changes.
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "cuda/graph.h"
#include "cuda/kernel.cuh"
#include "kernels/dispatch.cuh"
#include "kernels/network_update.cuh"
#include "kernels/policy.cuh"
#include "kernels/sac_update.h"
#include "kernels/squashed_gaussian.h"
#include "kernels/td_target.h"

namespace mbrl::gpu {
namespace {

/// Rows of a tile: matrix instructions need 16; the CUDA cores prefer more, smaller blocks.
template <Precision kPrecision>
constexpr int kSacRows = kPrecision == Precision::kFp32 ? 8 : 16;
constexpr int kSmallestSacRows = 8;

/// What a call decides. Behind it lie the Adam constants of each of its updates.
struct alignas(16) SacPlan {
  std::uint64_t first_update;
  TransitionsView real, imagined;
  int num_real;
  std::uint64_t act_step;
};

enum Sum { kCriticLoss0, kCriticLoss1, kActorLoss, kLogProb, kQ, kNumSums };

/// What every kernel of the stage reads; fixed for the life of the buffers.
struct SacArrays {
  MlpTable actor, critic;
  NetworkArrays actor_arrays, critic_arrays[2];
  SavedLayout actor_saved_layout, critic_saved_layout;
  float *actor_saved, *critic_saved[2];
  float* critic_pi_saved[2];  // critics on (s, a_pi): what their backward pass needs
  float* actor_output;        // [batch, padded(2A)]
  float* batch;               // [updates][batch, pitch]
  double* sums;               // [kNumSums][tiles]
  float *log_alpha, *log_alpha_m, *log_alpha_v;
  const SacPlan* plan;
  const AdamStep* adam;
  int S, A, batch_size;
  int pitch;  // of an activation tile in shared memory
  TransitionLayout layout;
};

/// The part of SacConstants that kernels read.
struct SacRule {
  float discount, tau, target_entropy;
  std::uint32_t seed, learner;

  MBRL_HD RandomKey key(Purpose purpose) const { return {seed, purpose, learner}; }
  bool operator==(const SacRule&) const = default;
};

// one thread per four floats of a record; rows past the batch of a tile repeat the last one by
// index
__global__ void sac_gather_kernel(const __grid_constant__ SacArrays a,
                                  const __grid_constant__ SacRule rule) {
  const int per_record = a.layout.pitch() / 4;
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int update = static_cast<int>(blockIdx.y);
  if (i >= a.batch_size * per_record) return;
  const int row = i / per_record, part = i % per_record;
  const TransitionsView& pool = row < a.plan->num_real ? a.plan->real : a.plan->imagined;
  const std::uint32_t bits = rule.key(Purpose::kReplayIndex)
                                 .bits(a.plan->first_update + static_cast<std::uint64_t>(update),
                                       static_cast<std::uint32_t>(row))
                                 .x;
  const float* record = pool.record(uniform_index(bits, static_cast<std::uint32_t>(pool.size)));
  float* out = a.batch + (static_cast<std::size_t>(update) * a.batch_size + row) * a.layout.pitch();
  *reinterpret_cast<float4*>(out + 4 * part) = load4(record + 4 * part);
}

/// A tile of rows in one block: the pieces both row kernels are made of.
template <Precision kPrecision>
class SacBlock {
 public:
  static constexpr int kRows = kSacRows<kPrecision>;

  /// Small arrays behind the two activation tiles in shared memory, in floats.
  MBRL_HD static std::size_t shared_floats_needed(int pitch, int A) {
    return static_cast<std::size_t>(2 * kRows) * pitch + kRows * (2 * A + 4);
  }

  __device__ SacBlock(const SacArrays& a, const SacRule& rule, int update)
      : a_(a),
        rule_(rule),
        update_(update),
        first_(static_cast<int>(blockIdx.x) * kRows),
        mlp_(shared_floats(), a.pitch) {
    float* p = shared_floats() + 2 * kRows * a.pitch;
    action_ = p;
    log_prob_terms_ = action_ + kRows * a.A;
    log_prob_ = log_prob_terms_ + kRows * a.A;
    y_ = log_prob_ + kRows;
    q_ = y_ + kRows;  // [2][kRows]
  }

  __device__ int rows() const {
    const int left = a_.batch_size - first_;
    return left < kRows ? left : kRows;
  }
  __device__ const float* record(int row) const {
    const int in_batch = first_ + row < a_.batch_size ? first_ + row : a_.batch_size - 1;
    return a_.batch +
           (static_cast<std::size_t>(update_) * a_.batch_size + in_batch) * a_.layout.pitch();
  }
  __device__ float alpha() const { return exp_f(*a_.log_alpha); }

  /// Columns [0, width) of the tile from value(row, column), zero from `used` on; also to `saved`.
  template <typename Value>
  __device__ void fill_tile(int width, int used, float* saved, Value value) {
    for (int i = thread(); i < kRows * width; i += kBlockThreads) {
      const int row = i / width, column = i % width;
      const float v = column < used ? value(row, column) : 0.0f;
      mlp_.tile()[row * mlp_.pitch() + column] = v;
      if (saved != nullptr) saved[i] = v;
    }
    sync_block();
  }

  /// Squashed Gaussian actions [row, A] and their log-densities from an actor's output.
  __device__ void sample(const float* output, int pitch, Purpose purpose) {
    const RandomKey key = rule_.key(purpose);
    for (int i = thread(); i < kRows * a_.A; i += kBlockThreads) {
      const int row = i / a_.A, k = i % a_.A;
      const SquashedSample s = squashed_gaussian_sample(
          output[row * pitch + k], output[row * pitch + a_.A + k], noise(key, row, k));
      action_[i] = s.action;
      log_prob_terms_[i] = s.log_prob;
    }
    sync_block();
    if (thread() < kRows) {
      float sum = 0.0f;
      for (int k = 0; k < a_.A; ++k) sum += log_prob_terms_[thread() * a_.A + k];
      log_prob_[thread()] = sum;
    }
    sync_block();
  }

  __device__ void critic(int which);
  __device__ void actor();
  __device__ void actor_loss();

 private:
  static __device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x); }
  __device__ std::uint64_t step() const {
    return a_.plan->first_update + static_cast<std::uint64_t>(update_);
  }
  __device__ float noise(const RandomKey& key, int row, int k) const {
    return normal(key, step(), static_cast<std::uint32_t>(first_ + row), k);
  }
  __device__ double& sum(Sum which) { return a_.sums[which * gridDim.x + blockIdx.x]; }

  /// q_[which] of (observation, action_) by a critic; `saved` for a backward pass.
  template <typename Observation>
  __device__ void evaluate(const float* parameters, int which, const Saved* saved,
                           Observation observation) {
    const int width = a_.critic.layer[0].in_pitch;
    fill_tile(width, a_.S + a_.A, saved == nullptr ? nullptr : saved->x(0, first_),
              [&](int row, int i) {
                return i < a_.S ? observation(row, i) : action_[row * a_.A + i - a_.S];
              });
    mlp_.forward(a_.critic, parameters, Activation::kRelu, saved, first_);
    if (thread() < kRows) q_[which * kRows + thread()] = mlp_.tile()[thread() * mlp_.pitch()];
    sync_block();
  }

  /// The tile as the gradient of a critic's only output.
  template <typename Value>
  __device__ void fill_output_gradient(float* saved, Value value) {
    fill_tile(padded(1), 1, saved, [&](int row, int) { return value(row); });
  }

  const SacArrays& a_;
  const SacRule& rule_;
  int update_, first_;
  BlockMlp<kPrecision, kRows> mlp_;
  float *action_, *log_prob_terms_, *log_prob_, *y_, *q_;
};

// one critic: targets, forward, half the mean squared error, backward
template <Precision kPrecision>
__device__ void SacBlock<kPrecision>::critic(int which) {
  // a' ~ pi(s')
  fill_tile(a_.actor.layer[0].in_pitch, a_.S, nullptr,
            [&](int row, int i) { return record(row)[a_.layout.next_observation() + i]; });
  mlp_.forward(a_.actor, a_.actor_arrays.value, Activation::kRelu, nullptr, first_);
  sample(mlp_.tile(), mlp_.pitch(), Purpose::kNextActionNoise);

  // y = r + gamma (1 - d)(min Q' - alpha log pi)
  for (int i = 0; i < 2; ++i)
    evaluate(a_.critic_arrays[i].target, i, nullptr, [&](int row, int column) {
      return record(row)[a_.layout.next_observation() + column];
    });
  if (thread() < kRows) {
    const int row = thread();
    y_[row] = td_target_value(record(row)[a_.layout.reward()], record(row)[a_.layout.terminated()],
                              q_[row], q_[kRows + row], alpha(), log_prob_[row], rule_.discount);
  }
  for (int i = thread(); i < kRows * a_.A; i += kBlockThreads)
    action_[i] = record(i / a_.A)[a_.layout.action() + i % a_.A];
  sync_block();

  const float* parameters = a_.critic_arrays[which].value;
  const Saved saved{a_.critic_saved_layout, a_.critic_saved[which]};
  evaluate(parameters, which, &saved, [&](int row, int column) { return record(row)[column]; });
  const float scale = 1.0f / static_cast<float>(a_.batch_size);
  const float* q = q_ + which * kRows;
  fill_output_gradient(saved.dz(a_.critic.num_layers - 1, first_),
                       [&](int row) { return row < rows() ? (q[row] - y_[row]) * scale : 0.0f; });
  if (thread() == 0) {
    double loss = 0.0, sum_q = 0.0;
    for (int row = 0; row < rows(); ++row) {
      const double error = q[row] - y_[row];
      loss += 0.5 * error * error;
      sum_q += q[row];
    }
    sum(which == 0 ? kCriticLoss0 : kCriticLoss1) = loss;
    if (which == 0) sum(kQ) = sum_q;
  }
  mlp_.template backward<false>(a_.critic, parameters, Activation::kRelu, saved, first_);
}

// the actor on s, for the actor loss: its parameters do not change before that
template <Precision kPrecision>
__device__ void SacBlock<kPrecision>::actor() {
  const Saved saved{a_.actor_saved_layout, a_.actor_saved};
  fill_tile(a_.actor.layer[0].in_pitch, a_.S, saved.x(0, first_),
            [&](int row, int i) { return record(row)[i]; });
  mlp_.forward(a_.actor, a_.actor_arrays.value, Activation::kRelu, &saved, first_);
  const int width = padded(2 * a_.A);
  for (int i = thread(); i < kRows * width; i += kBlockThreads)
    a_.actor_output[static_cast<std::size_t>(first_) * width + i] =
        mlp_.tile()[i / width * mlp_.pitch() + i % width];
}

// loss = mean(alpha log pi - min Q), down to the gradients of the actor's layers
template <Precision kPrecision>
__device__ void SacBlock<kPrecision>::actor_loss() {
  const int width = padded(2 * a_.A);
  const float* output = a_.actor_output + static_cast<std::size_t>(first_) * width;
  sample(output, width, Purpose::kActorNoise);
  for (int i = 0; i < 2; ++i) {
    const Saved saved{a_.critic_saved_layout, a_.critic_pi_saved[i]};
    evaluate(a_.critic_arrays[i].value, i, &saved,
             [&](int row, int column) { return record(row)[column]; });
  }

  const float scale = 1.0f / static_cast<float>(a_.batch_size);
  const float weight = alpha() * scale;
  if (thread() == 0) {
    double loss = 0.0, sum_log_prob = 0.0;
    for (int row = 0; row < rows(); ++row) {
      loss += static_cast<double>(alpha()) * log_prob_[row] - min_f(q_[row], q_[kRows + row]);
      sum_log_prob += log_prob_[row];
    }
    sum(kActorLoss) = loss;
    sum(kLogProb) = sum_log_prob;
  }

  // dL/da: each row's gradient goes through its smaller critic; the terms' memory is free by now
  float* action_gradient = log_prob_terms_;
  for (int i = 0; i < 2; ++i) {
    fill_output_gradient(nullptr, [&](int row) {
      const int smaller = q_[kRows + row] < q_[row] ? 1 : 0;
      return row < rows() && smaller == i ? -scale : 0.0f;
    });
    mlp_.template backward<true>(a_.critic, a_.critic_arrays[i].value, Activation::kRelu,
                                 {a_.critic_saved_layout, a_.critic_pi_saved[i]}, first_);
    for (int j = thread(); j < kRows * a_.A; j += kBlockThreads) {
      const float g = mlp_.tile()[j / a_.A * mlp_.pitch() + a_.S + j % a_.A];
      action_gradient[j] = i == 0 ? g : action_gradient[j] + g;
    }
    sync_block();
  }

  // through the squashing to the actor's outputs, then down the actor
  const Saved saved{a_.actor_saved_layout, a_.actor_saved};
  const RandomKey key = rule_.key(Purpose::kActorNoise);
  fill_tile(width, 2 * a_.A, saved.dz(a_.actor.num_layers - 1, first_), [&](int row, int column) {
    const int k = column % a_.A;
    const float raw = output[row * width + a_.A + k], n = noise(key, row, k);
    const SquashedSample s = squashed_gaussian_sample(output[row * width + k], raw, n);
    const SquashedGradient g = squashed_gaussian_gradient(
        s, raw, n, action_gradient[row * a_.A + k], row < rows() ? weight : 0.0f);
    return column < a_.A ? g.d_mean : g.d_raw_log_std;
  });
  mlp_.template backward<false>(a_.actor, a_.actor_arrays.value, Activation::kRelu, saved, first_);
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 1)
    sac_critics_kernel(const __grid_constant__ SacArrays a, const __grid_constant__ SacRule rule,
                       int update) {
  if (lacks_format<kPrecision>()) return;
  SacBlock<kPrecision> block(a, rule, update);
  const int role = static_cast<int>(blockIdx.y);
  if (role < 2) {
    block.critic(role);
  } else {
    block.actor();
  }
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 1)
    sac_actor_kernel(const __grid_constant__ SacArrays a, const __grid_constant__ SacRule rule,
                     int update) {
  if (lacks_format<kPrecision>()) return;
  SacBlock<kPrecision>(a, rule, update).actor_loss();
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 1)
    sac_update_critics_kernel(const __grid_constant__ SacArrays a,
                              const __grid_constant__ UpdateTable table,
                              const __grid_constant__ SacRule rule, int update) {
  if (lacks_format<kPrecision>()) return;
  const ParameterStep step{a.critic_arrays[blockIdx.y], a.adam[update], rule.tau};
  update_network<kPrecision>(shared_floats(), table,
                             {a.critic_saved_layout, a.critic_saved[blockIdx.y]}, step,
                             static_cast<int>(blockIdx.x), a.batch_size);
}

// tiles of the sums, added in order by one thread, then the temperature's own step
__device__ void finish_update(const SacArrays& a, const SacRule& rule, const AdamStep& adam,
                              int num_tiles, SacLosses* losses) {
  if (threadIdx.x != 0) return;
  double sums[kNumSums];
  for (int which = 0; which < kNumSums; ++which) {
    sums[which] = 0.0;
    for (int tile = 0; tile < num_tiles; ++tile) sums[which] += a.sums[which * num_tiles + tile];
    sums[which] /= a.batch_size;
  }
  *losses = {{static_cast<float>(sums[kCriticLoss0]), static_cast<float>(sums[kCriticLoss1])},
             static_cast<float>(sums[kActorLoss]),
             exp_f(*a.log_alpha),
             static_cast<float>(-sums[kLogProb]),
             static_cast<float>(sums[kQ])};
  // d/d log_alpha of -log_alpha mean(log pi + target_entropy)
  const auto gradient = static_cast<float>(-(sums[kLogProb] + rule.target_entropy));
  adam_update(*a.log_alpha, *a.log_alpha_m, *a.log_alpha_v, gradient, adam);
}

template <Precision kPrecision>
__global__ void __launch_bounds__(kBlockThreads, 1)
    sac_update_actor_kernel(const __grid_constant__ SacArrays a,
                            const __grid_constant__ UpdateTable table,
                            const __grid_constant__ SacRule rule, int update, int num_tiles,
                            SacLosses* losses) {
  if (lacks_format<kPrecision>()) return;
  const int block = static_cast<int>(blockIdx.x);
  if (block == table.num_blocks())
    return finish_update(a, rule, a.adam[update], num_tiles, losses + update);
  update_network<kPrecision>(shared_floats(), table, {a.actor_saved_layout, a.actor_saved},
                             {a.actor_arrays, a.adam[update], 0.0f}, block, a.batch_size);
}

}  // namespace

/// Device arrays of the stage, and the graphs recorded over them.
class SacBuffers {
 public:
  SacBuffers(const SacState& state, int batch_size);

  void run(Stream& stream, std::span<SacLosses> losses, SacState& state, const MixedSource& source,
           const SacConstants& c, const ActRequest* then_act);

 private:
  /// What a recorded graph depends on.
  struct Recording {
    std::size_t num_updates;
    int act_rows;
    bool simultaneous, stochastic;
    RandomKey act_key;
    SacRule rule;
    Graph graph;
  };

  void reserve(std::size_t num_updates, int act_rows, const SacState& state);
  void bind(SacState& state);
  template <Precision kPrecision>
  void issue(Stream& stream, const Recording& recording);

  int batch_size_;
  SavedLayout actor_saved_, critic_saved_;
  Buffer<float> saved_, actor_output_, batch_;
  Buffer<double> sums_;
  SacArrays arrays_{};
  UpdateTable actor_table_, critic_table_;
  std::size_t max_updates_ = 0;
  std::size_t plan_bytes_ = 0;
  Buffer<std::byte> plan_, plan_on_device_;
  Buffer<SacLosses> losses_;            // pinned
  Buffer<float> observation_, action_;  // pinned
  std::vector<Recording> recordings_;
};

SacBuffers::SacBuffers(const SacState& state, int batch_size)
    : batch_size_(batch_size),
      // whole tiles of the largest row count, whatever the precision
      actor_saved_(make_saved_layout(state.actor_layout, num_tiles(batch_size) * kTileRows)),
      critic_saved_(make_saved_layout(state.critic_layout, num_tiles(batch_size) * kTileRows)),
      saved_(actor_saved_.size + 4 * critic_saved_.size, 0.0f, Memory::kDevice, "SAC activations"),
      actor_output_(static_cast<std::size_t>(num_tiles(batch_size)) * kTileRows *
                        padded(2 * state.action_size()),
                    0.0f, Memory::kDevice, "SAC activations"),
      sums_(static_cast<std::size_t>(kNumSums) *
                ((batch_size + kSmallestSacRows - 1) / kSmallestSacRows),
            0.0, Memory::kDevice, "SAC sums"),
      actor_table_(make_update_table(make_table(state.actor_layout))),
      critic_table_(make_update_table(make_table(state.critic_layout))) {
  arrays_.actor = make_table(state.actor_layout);
  arrays_.critic = make_table(state.critic_layout);
  arrays_.actor_saved_layout = actor_saved_;
  arrays_.critic_saved_layout = critic_saved_;
  float* memory = saved_.data();
  const auto take = [&](std::size_t size) { return std::exchange(memory, memory + size); };
  arrays_.actor_saved = take(actor_saved_.size);
  for (int i = 0; i < 2; ++i) {
    arrays_.critic_saved[i] = take(critic_saved_.size);
    arrays_.critic_pi_saved[i] = take(critic_saved_.size);
  }
  arrays_.actor_output = actor_output_.data();
  arrays_.sums = sums_.data();
  arrays_.S = state.observation_size();
  arrays_.A = state.action_size();
  arrays_.batch_size = batch_size;
  arrays_.pitch = shared_pitch(std::max(widest(arrays_.actor), widest(arrays_.critic)));
  arrays_.layout = {arrays_.S, arrays_.A};
}

// grows with the largest call seen; recordings hold the old addresses
void SacBuffers::reserve(std::size_t num_updates, int act_rows, const SacState& state) {
  const std::size_t act_size = static_cast<std::size_t>(act_rows) * state.observation_size();
  if (num_updates <= max_updates_ && act_size <= observation_.size()) return;
  recordings_.clear();
  max_updates_ = std::max(max_updates_, num_updates);
  plan_bytes_ = sizeof(SacPlan) + max_updates_ * sizeof(AdamStep);
  plan_ = Buffer<std::byte>(plan_bytes_, Memory::kPinned, "SAC plan");
  plan_on_device_ = Buffer<std::byte>(plan_bytes_, Memory::kDevice, "SAC plan");
  losses_ = Buffer<SacLosses>(max_updates_, Memory::kPinned, "SAC losses");
  batch_ = Buffer<float>(max_updates_ * batch_size_ * arrays_.layout.pitch(), Memory::kDevice,
                         "SAC batches");
  if (act_size > observation_.size()) {
    observation_ = Buffer<float>(act_size, Memory::kPinned, "observations");
    action_ = Buffer<float>(static_cast<std::size_t>(act_rows) * state.action_size(),
                            Memory::kPinned, "actions");
  }
  arrays_.batch = batch_.data();
  arrays_.plan = reinterpret_cast<const SacPlan*>(plan_on_device_.data());
  arrays_.adam = reinterpret_cast<const AdamStep*>(plan_on_device_.data() + sizeof(SacPlan));
}

// addresses of the state's arrays
void SacBuffers::bind(SacState& state) {
  const auto arrays = [](TrainedParameters& p, float* target) {
    return NetworkArrays{p.value.data(), p.m.data(), p.v.data(), target};
  };
  if (arrays_.actor_arrays.value != state.actor.value.data()) recordings_.clear();
  arrays_.actor_arrays = arrays(state.actor, nullptr);
  for (int i = 0; i < 2; ++i)
    arrays_.critic_arrays[i] = arrays(state.critic[i], state.target[i].data());
  arrays_.log_alpha = state.log_alpha.value.data();
  arrays_.log_alpha_m = state.log_alpha.m.data();
  arrays_.log_alpha_v = state.log_alpha.v.data();
}

template <Precision kPrecision>
void SacBuffers::issue(Stream& stream, const Recording& r) {
  copy_async(plan_on_device_.data(), plan_.data(), plan_bytes_, stream.handle());
  const unsigned gather_blocks =
      (batch_size_ * (arrays_.layout.pitch() / 4) + kBlockThreads - 1) / kBlockThreads;
  launch(stream, "sac_gather", sac_gather_kernel,
         {{gather_blocks, static_cast<unsigned>(r.num_updates), 1}, kBlockThreads}, arrays_,
         r.rule);

  using Block = SacBlock<kPrecision>;
  const int tiles = (batch_size_ + Block::kRows - 1) / Block::kRows;
  const std::size_t shared = Block::shared_floats_needed(arrays_.pitch, arrays_.A) * sizeof(float);
  const auto grid = [](int x, int y) {
    return dim3{static_cast<unsigned>(x), static_cast<unsigned>(y), 1};
  };
  for (int update = 0; update < static_cast<int>(r.num_updates); ++update) {
    const auto critics = [&] {
      launch(stream, "sac_critics", sac_critics_kernel<kPrecision>,
             {grid(tiles, 3), kBlockThreads, shared}, arrays_, r.rule, update);
    };
    const auto update_critics = [&] {
      launch(stream, "sac_update_critics", sac_update_critics_kernel<kPrecision>,
             {grid(critic_table_.num_blocks(), 2), kBlockThreads, kUpdateSharedBytes}, arrays_,
             critic_table_, r.rule, update);
    };
    const auto actor = [&] {
      launch(stream, "sac_actor", sac_actor_kernel<kPrecision>,
             {grid(tiles, 1), kBlockThreads, shared}, arrays_, r.rule, update);
    };
    critics();
    if (!r.simultaneous) update_critics();
    actor();
    if (r.simultaneous) update_critics();
    launch(stream, "sac_update_actor", sac_update_actor_kernel<kPrecision>,
           {grid(actor_table_.num_blocks() + 1, 1), kBlockThreads, kUpdateSharedBytes}, arrays_,
           actor_table_, r.rule, update, tiles, losses_.data());
  }
  if (r.act_rows > 0)
    launch_policy<kPrecision>(stream, arrays_.actor, arrays_.actor_arrays.value, arrays_.S,
                              arrays_.A, r.act_rows, observation_.data(), action_.data(),
                              r.stochastic, r.act_key, &arrays_.plan->act_step);
}

void SacBuffers::run(Stream& stream, std::span<SacLosses> losses, SacState& state,
                     const MixedSource& source, const SacConstants& c, const ActRequest* act) {
  const int act_rows = act == nullptr ? 0 : act->observation.size(0);
  reserve(losses.size(), act_rows, state);
  bind(state);

  // the plan of this call
  auto& plan = *reinterpret_cast<SacPlan*>(plan_.data());
  plan = {static_cast<std::uint64_t>(state.num_updates), source.real, source.imagined,
          source.num_real, act == nullptr ? 0 : act->step};
  auto* adam = reinterpret_cast<AdamStep*>(plan_.data() + sizeof(SacPlan));
  for (std::size_t i = 0; i < losses.size(); ++i)
    adam[i] = adam_step_constants(c.adam, state.num_updates + 1 + static_cast<std::int64_t>(i));
  if (act != nullptr)
    std::copy_n(act->observation.data, act->observation.count(), observation_.data());

  const SacRule rule{c.discount, c.tau, c.target_entropy, c.seed, c.learner};
  const RandomKey act_key = act == nullptr ? RandomKey{} : act->key;
  const bool stochastic = act != nullptr && act->stochastic;
  auto recording = std::find_if(recordings_.begin(), recordings_.end(), [&](const Recording& r) {
    return r.num_updates == losses.size() && r.act_rows == act_rows &&
           r.simultaneous == c.simultaneous && r.stochastic == stochastic && r.act_key == act_key &&
           r.rule == rule;
  });
  if (recording == recordings_.end())
    recording = recordings_.insert(
        recording,
        Recording{losses.size(), act_rows, c.simultaneous, stochastic, act_key, rule, {}});
  recording->graph.run(stream, [&] {
    with_precision(stream, [&]<Precision kPrecision>() { issue<kPrecision>(stream, *recording); });
  });
  stream.synchronize();

  std::copy_n(losses_.data(), losses.size(), losses.data());
  if (act != nullptr) std::copy_n(action_.data(), act->action.count(), act->action.data);
  state.num_updates += static_cast<std::int64_t>(losses.size());
}

std::shared_ptr<SacBuffers> make_sac_buffers(Stream&, const SacState& state, int batch_size) {
  return std::make_shared<SacBuffers>(state, batch_size);
}

void sac_update(Stream& stream, std::span<SacLosses> losses, SacState& state,
                const MixedSource& source, const SacConstants& constants, SacBuffers& buffers,
                const ActRequest* then_act) {
  buffers.run(stream, losses, state, source, constants, then_act);
}

}  // namespace mbrl::gpu
