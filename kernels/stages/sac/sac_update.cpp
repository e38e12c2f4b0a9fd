#include "kernels/stages/sac/sac_update.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/not_finite.h"
#include "kernels/cpu/tile_mlp.h"
#include "kernels/formulas/squashed_gaussian.h"
#include "kernels/formulas/td_target.h"
#include "kernels/networks/initialize.h"
#include "kernels/stages/check/checked_stages.h"
#include "kernels/stages/policy/policy.h"

namespace mbrl {
void init_sac(SacState& state, std::uint32_t seed, std::uint32_t learner, float init_alpha) {
  init_actor(state.actor, seed, learner);
  const RandomKey key{seed, purpose::kInit, learner};
  for (int i = 0; i < 2; ++i) {
    const auto network = i == 0 ? InitNetwork::kCritic0 : InitNetwork::kCritic1;
    init_glorot_uniform(state.critics.layout, state.critics.critic[i].value.data(), key, network);
    from_host(state.critics.target[i], to_host(state.critics.critic[i].value));
  }
  from_host(state.log_alpha.value, {std::log(init_alpha)});
}

/// What the tiles of the CPU work on.
struct SacTiles {
  SacTiles(const SacState& state, int batch_size, int num_threads, bool bf16);

  /// Takes over the parameters that may have changed since the last call: bf16 copies, if any.
  void refresh(ThreadPool& pool, const SacState& state);

  NetworkWeights actor(const SacState& state) {
    return {state.actor.parameters.value.data(), bf16_of(bf16_actor_, 0)};
  }
  NetworkWeights critic(const SacState& state, int i) {
    return {state.critics.critic[i].value.data(), bf16_of(bf16_critics_, i)};
  }
  NetworkWeights target(const SacState& state, int i) {
    return {state.critics.target[i].data(), bf16_of(bf16_targets_, i)};
  }

  int num_tiles_;
  TileMlp actor_next_;              // per thread: actor on s'
  TileMlp actor_;                   // per tile: actor on s
  TileMlp target_;                  // per thread
  std::vector<TileMlp> critic_;     // per tile, two
  std::vector<TileMlp> critic_pi_;  // per tile, two: critics on (s, a_pi)
  TileMlp smaller_;                 // per thread: a critic on rows where it is the smaller one
  // those rows: critic 0's, then critic 1's, and how many each has
  std::vector<std::uint32_t> rows_by_critic_;
  int num_rows_of_[2];
  Buffer<float> action_noise_;     // [tile][A, 32] of the actor loss
  Buffer<float> action_gradient_;  // [tile][A, 32]: d min Q / da
  Buffer<float> log_prob_;         // [tile][32]
  Buffer<float> scratch_;          // per thread
  std::vector<double> partial_;    // sums per tile, added in tile order
  std::vector<Bf16Weights> bf16_actor_, bf16_critics_, bf16_targets_;  // one and two; or none
};

SacTiles::SacTiles(const SacState& state, int batch_size, int num_threads, bool bf16)
    : num_tiles_(mbrl::num_tiles(batch_size)),
      actor_next_(state.actor.layout, Activation::kRelu, num_threads, false, nullptr, bf16),
      actor_(state.actor.layout, Activation::kRelu, num_tiles_, true, nullptr, bf16),
      target_(state.critics.layout, Activation::kRelu, num_threads, false, nullptr, bf16),
      smaller_(state.critics.layout, Activation::kRelu, num_threads, true, nullptr, bf16),
      rows_by_critic_(static_cast<std::size_t>(batch_size)),
      num_rows_of_{},
      action_noise_(static_cast<std::size_t>(num_tiles_) * state.action_size() * kTileRows),
      // zero: rows past the batch keep it
      action_gradient_(action_noise_.size(), 0.0f),
      log_prob_(static_cast<std::size_t>(num_tiles_) * kTileRows),
      partial_(static_cast<std::size_t>(num_tiles_) * kNumSacTerms),
      bf16_actor_(make_bf16_weights(bf16, state.actor.layout, 1)),
      bf16_critics_(make_bf16_weights(bf16, state.critics.layout, 2)),
      bf16_targets_(make_bf16_weights(bf16, state.critics.layout, 2)) {
  for (int i = 0; i < 2; ++i) {
    // both critics read the first one's input
    const auto add = [&](std::vector<TileMlp>& critics, bool training) {
      critics.emplace_back(state.critics.layout, Activation::kRelu, num_tiles_, training,
                           i == 0 ? nullptr : &critics[0], bf16);
    };
    add(critic_, true);
    add(critic_pi_, false);
  }
  scratch_ = Buffer<float>(num_threads * actor_.update_scratch_size());
}

void SacTiles::refresh(ThreadPool& pool, const SacState& state) {
  if (bf16_actor_.empty()) return;
  pool.parallel_for(5, [&](int network) {
    if (network == 0) {
      bf16_actor_[0].refresh(state.actor.parameters.value.data());
    } else if (network < 3) {
      bf16_critics_[network - 1].refresh(state.critics.critic[network - 1].value.data());
    } else {
      bf16_targets_[network - 3].refresh(state.critics.target[network - 3].data());
    }
  });
}

SacWorkspace::SacWorkspace(Stream& stream, const SacState& state, int batch_size,
                           const Gemm& gemm) {
  if (stream.on_gpu()) gpu_ = gpu::make_sac_buffers(stream, state, batch_size, gemm);
  if (Stream* cpu = checked::cpu_of(stream))
    tiles_ = std::make_unique<SacTiles>(state, batch_size, cpu->pool().num_threads(),
                                        multiplies_bf16(*cpu));
}

SacWorkspace::~SacWorkspace() = default;

PolicyWorkspace& SacWorkspace::acting(Stream& cpu, const GaussianActor& actor, int rows) {
  if (acting_ == nullptr || acting_->max_rows() < rows)
    acting_ = std::make_unique<PolicyWorkspace>(cpu, actor, rows);
  return *acting_;
}

/// One update in progress: its phases as members.
class SacUpdate {
 public:
  SacUpdate(SacState& state, const MixedSource& source, const SacConstants& constants,
            SacTiles& workspace)
      : state_(state),
        source_(source),
        c_(constants),
        w_(workspace),
        S_(state.observation_size()),
        A_(state.action_size()),
        alpha_(exp_f(state.log_alpha.value[0])),
        row_weight_(1.0f / static_cast<float>(constants.batch_size)),
        adam_(adam_step_constants(constants.adam, state.num_updates + 1)) {}

  SacLosses run(ThreadPool& pool);

 private:
  int rows_of(int tile) const { return std::min(kTileRows, c_.batch_size - tile * kTileRows); }
  float* action_noise(int tile) { return w_.action_noise_.data() + tile * A_ * kTileRows; }
  float* action_gradient(int tile) { return w_.action_gradient_.data() + tile * A_ * kTileRows; }
  double& partial(SacTerm which, int tile) { return w_.partial_[which * w_.num_tiles_ + tile]; }
  RandomKey key(Purpose purpose) const { return {c_.seed, purpose, c_.learner}; }

  void gather(int tile, int thread, float* reward, float* terminated);
  void sample(const float* output, Purpose purpose, int tile, float* action, float* log_prob,
              float* noise_out);
  void critic_tile(int tile);
  void evaluate_actor_tile(int tile);
  void backward_actor(ThreadPool& pool);
  void group_rows();
  void backward_smaller(int task);
  void actor_tile(int tile);
  void update_critics(ThreadPool& pool);
  void update_actor(ThreadPool& pool, bool with_critics);
  void update_critic_task(int task);
  void update_alpha(double mean_log_prob);

  SacState& state_;
  const MixedSource& source_;
  const SacConstants& c_;
  SacTiles& w_;
  const int S_, A_;
  const float alpha_, row_weight_;
  const AdamStep adam_;
};

// rows of this tile: s' for the actor and the targets, s for the actor, (s, a) for both critics.
// Rows past the batch repeat the last one; their gradients are set to zero.
void SacUpdate::gather(int tile, int thread, float* reward, float* terminated) {
  float* next = w_.actor_next_.x(0, thread);
  float* current = w_.actor_.x(0, tile);
  float* target_input = w_.target_.x(0, thread);
  float* critic_input = w_.critic_[0].x(0, tile);
  const RandomKey index_key = key(purpose::kReplayIndex);
  const auto step = static_cast<std::uint64_t>(state_.num_updates);

  for (int lane = 0; lane < kTileRows; ++lane) {
    const int row = std::min(tile * kTileRows + lane, c_.batch_size - 1);
    const TransitionsView& pool = source_.of_row(row);
    const std::uint32_t bits = index_key.bits(step, static_cast<std::uint32_t>(row)).x;
    const float* record = pool.record(uniform_index(bits, static_cast<std::uint32_t>(pool.size)));
    const TransitionLayout& layout = pool.layout;
    for (int i = 0; i < S_; ++i) {
      const float s = record[i];
      const float s_next = record[layout.next_observation() + i];
      current[i * kTileRows + lane] = s;
      critic_input[i * kTileRows + lane] = s;
      next[i * kTileRows + lane] = s_next;
      target_input[i * kTileRows + lane] = s_next;
    }
    for (int i = 0; i < A_; ++i)
      critic_input[(S_ + i) * kTileRows + lane] = record[layout.action() + i];
    reward[lane] = record[layout.reward()];
    terminated[lane] = record[layout.terminated()];
  }
}

// squashed Gaussian actions [A, 32] and their log-densities [32] from an actor's output [2A, 32]
void SacUpdate::sample(const float* output, Purpose purpose, int tile, float* action,
                       float* log_prob, float* noise_out) {
  const RandomKey noise_key = key(purpose);
  const auto step = static_cast<std::uint64_t>(state_.num_updates);
  for (int lane = 0; lane < kTileRows; ++lane) log_prob[lane] = 0.0f;
  for (int i = 0; i < A_; ++i) {
    float* noise = noise_out + i * kTileRows;
    for (int lane = 0; lane < kTileRows; ++lane)
      noise[lane] = normal(noise_key, step, static_cast<std::uint32_t>(tile * kTileRows + lane), i);
    for (int lane = 0; lane < kTileRows; ++lane) {
      const SquashedSample s = squashed_gaussian_sample(
          output[i * kTileRows + lane], output[(A_ + i) * kTileRows + lane], noise[lane]);
      action[i * kTileRows + lane] = s.action;
      log_prob[lane] += s.log_prob;
    }
  }
}

void SacUpdate::critic_tile(int tile) {
  const int thread = ThreadPool::thread_index();
  alignas(64) float reward[kTileRows], terminated[kTileRows], next_log_prob[kTileRows],
      y[kTileRows], first_q[kTileRows];
  gather(tile, thread, reward, terminated);

  // a' ~ pi(s'); this noise is not needed again, so the memory of the actor loss's serves
  w_.actor_next_.forward(w_.actor(state_), thread);
  sample(w_.actor_next_.output(thread), purpose::kNextActionNoise, tile,
         w_.target_.x(0, thread) + S_ * kTileRows, next_log_prob, action_noise(tile));

  // y = r + gamma (1 - d)(min Q' - alpha log pi)
  w_.target_.forward(w_.target(state_, 0), thread);
  std::copy_n(w_.target_.output(thread), kTileRows, first_q);
  w_.target_.forward(w_.target(state_, 1), thread);
  const float* second_q = w_.target_.output(thread);
  for (int lane = 0; lane < kTileRows; ++lane)
    y[lane] = td_target_value(reward[lane], terminated[lane], first_q[lane], second_q[lane], alpha_,
                              next_log_prob[lane], c_.discount);

  // both critics: loss and gradients
  const int rows = rows_of(tile);
  for (int i = 0; i < 2; ++i) {
    TileMlp& critic = w_.critic_[i];
    critic.forward(w_.critic(state_, i), tile);
    const float* q = critic.output(tile);
    float* dq = critic.output_gradient(tile);
    double loss = 0.0, sum_q = 0.0;
    for (int lane = 0; lane < kTileRows; ++lane) {
      const float td_error = lane < rows ? q[lane] - y[lane] : 0.0f;
      dq[lane] = sac_critic_gradient(td_error, row_weight_);
      loss += sac_critic_loss(td_error);
      sum_q += lane < rows ? q[lane] : 0.0f;
    }
    critic.backward(w_.critic(state_, i), tile);
    partial(i == 0 ? kSacCriticLoss0 : kSacCriticLoss1, tile) = loss;
    if (i == 0) partial(kSacQ, tile) = sum_q;
  }

  // the actor on s, for the actor loss: its parameters do not change before that
  w_.actor_.forward(w_.actor(state_), tile);
}

// the actor loss on a tile
void SacUpdate::evaluate_actor_tile(int tile) {
  float* log_prob = w_.log_prob_.data() + tile * kTileRows;

  // a ~ pi(s), then both critics on (s, a)
  float* input = w_.critic_pi_[0].x(0, tile);
  std::copy_n(w_.actor_.x(0, tile), S_ * kTileRows, input);
  sample(w_.actor_.output(tile), purpose::kActorNoise, tile, input + S_ * kTileRows, log_prob,
         action_noise(tile));
  for (int i = 0; i < 2; ++i) w_.critic_pi_[i].forward(w_.critic(state_, i), tile);

  const float *q0 = w_.critic_pi_[0].output(tile), *q1 = w_.critic_pi_[1].output(tile);
  double loss = 0.0, sum_log_prob = 0.0;
  for (int lane = 0; lane < rows_of(tile); ++lane) {
    loss += sac_actor_loss(alpha_, log_prob[lane], q0[lane], q1[lane]);
    sum_log_prob += log_prob[lane];
  }
  partial(kSacActorLoss, tile) = loss;
  partial(kSacLogProb, tile) = sum_log_prob;
}

// Each row's gradient goes to its smaller critic alone. So rows are regrouped by it, and a critic
// runs backward on its own rows: half of the tiles. What a row gets does not depend on its tile.
void SacUpdate::backward_actor(ThreadPool& pool) {
  group_rows();
  pool.parallel_for(num_tiles(w_.num_rows_of_[0]) + num_tiles(w_.num_rows_of_[1]),
                    [&](int task) { backward_smaller(task); });
  pool.parallel_for(w_.num_tiles_, [&](int tile) { actor_tile(tile); });
}

// rows of critic 0 from the front, those of critic 1 after them, each in order
void SacUpdate::group_rows() {
  const auto smaller = [&](int row) {
    const int tile = row / kTileRows, lane = row % kTileRows;
    return sac_smaller_critic(w_.critic_pi_[0].output(tile)[lane],
                              w_.critic_pi_[1].output(tile)[lane]);
  };
  w_.num_rows_of_[1] = 0;
  for (int row = 0; row < c_.batch_size; ++row) w_.num_rows_of_[1] += smaller(row);
  w_.num_rows_of_[0] = c_.batch_size - w_.num_rows_of_[1];
  int next[2] = {0, w_.num_rows_of_[0]};
  for (int row = 0; row < c_.batch_size; ++row)
    w_.rows_by_critic_[next[smaller(row)]++] = static_cast<std::uint32_t>(row);
}

// up to 32 rows of one critic, from the loss down to their actions
void SacUpdate::backward_smaller(int task) {
  const int thread = ThreadPool::thread_index();
  const int tiles_of_first = num_tiles(w_.num_rows_of_[0]);
  const int critic = task < tiles_of_first ? 0 : 1;
  const int begin = (critic == 0 ? task : task - tiles_of_first) * kTileRows;
  const int count = std::min(kTileRows, w_.num_rows_of_[critic] - begin);
  const std::uint32_t* first =
      w_.rows_by_critic_.data() + (critic == 0 ? 0 : w_.num_rows_of_[0]) + begin;
  std::uint32_t rows[kTileRows];  // lanes after the last repeat it
  for (int lane = 0; lane < kTileRows; ++lane) rows[lane] = first[std::min(lane, count - 1)];

  w_.smaller_.take_hidden_units(w_.critic_pi_[critic], rows, thread);
  std::fill_n(w_.smaller_.output_gradient(thread), kTileRows, sac_actor_q_gradient(row_weight_));
  const NetworkWeights weights = w_.critic(state_, critic);
  w_.smaller_.backward(weights, thread);
  float* gradient = w_.smaller_.x(0, thread);  // whose own input no pass reads
  w_.smaller_.input_gradient(weights, thread, S_, A_, gradient);
  for (int i = 0; i < A_; ++i)
    for (int lane = 0; lane < count; ++lane)
      action_gradient(
          static_cast<int>(rows[lane] / kTileRows))[i * kTileRows + rows[lane] % kTileRows] =
          gradient[i * kTileRows + lane];
}

// through the squashing to the actor's outputs, then down the actor
void SacUpdate::actor_tile(int tile) {
  const int rows = rows_of(tile);
  const float *output = w_.actor_.output(tile), *noise = action_noise(tile),
              *d_action = action_gradient(tile);
  float* d_output = w_.actor_.output_gradient(tile);
  for (int i = 0; i < A_; ++i) {
    for (int lane = 0; lane < kTileRows; ++lane) {
      const int at = i * kTileRows + lane;
      const float raw = output[A_ * kTileRows + at];
      const SquashedSample s = squashed_gaussian_sample(output[at], raw, noise[at]);
      const float d_log_prob =
          lane < rows ? sac_actor_log_prob_gradient(alpha_, row_weight_) : 0.0f;
      // + 0: what the other critic adds; it turns -0 into 0
      const SquashedGradient g =
          squashed_gaussian_gradient(s, raw, noise[at], d_action[at] + 0.0f, d_log_prob);
      d_output[at] = g.d_mean;
      d_output[A_ * kTileRows + at] = g.d_raw_log_std;
    }
  }
  w_.actor_.backward(w_.actor(state_), tile);
}

void SacUpdate::update_critic_task(int task) {
  const int per_critic = w_.critic_[0].num_update_tasks();
  const int i = task / per_critic;
  TrainedParameters& p = state_.critics.critic[i];
  w_.critic_[i].update(
      task % per_critic, w_.num_tiles_,
      {.value = p.value.data(),
       .m = p.m.data(),
       .v = p.v.data(),
       .target = state_.critics.target[i].data(),
       .tau = c_.tau,
       .adam = adam_,
       .bf16 = bf16_of(w_.bf16_critics_, i),
       .bf16_target = bf16_of(w_.bf16_targets_, i)},
      w_.scratch_.data() + ThreadPool::thread_index() * w_.actor_.update_scratch_size());
}

void SacUpdate::update_critics(ThreadPool& pool) {
  pool.parallel_for(2 * w_.critic_[0].num_update_tasks(),
                    [&](int task) { update_critic_task(task); });
}

void SacUpdate::update_actor(ThreadPool& pool, bool with_critics) {
  const int num_critic_tasks = with_critics ? 2 * w_.critic_[0].num_update_tasks() : 0;
  pool.parallel_for(num_critic_tasks + w_.actor_.num_update_tasks(), [&](int task) {
    if (task < num_critic_tasks) return update_critic_task(task);
    TrainedParameters& p = state_.actor.parameters;
    w_.actor_.update(
        task - num_critic_tasks, w_.num_tiles_,
        {.value = p.value.data(),
         .m = p.m.data(),
         .v = p.v.data(),
         .adam = adam_,
         .bf16 = bf16_of(w_.bf16_actor_, 0)},
        w_.scratch_.data() + ThreadPool::thread_index() * w_.actor_.update_scratch_size());
  });
}

void SacUpdate::update_alpha(double mean_log_prob) {
  TrainedParameters& p = state_.log_alpha;
  adam_update(p.value[0], p.m[0], p.v[0],
              sac_temperature_gradient(mean_log_prob, c_.target_entropy), adam_);
}

SacLosses SacUpdate::run(ThreadPool& pool) {
  if (c_.simultaneous) {
    pool.parallel_for(w_.num_tiles_, [&](int tile) {
      critic_tile(tile);
      evaluate_actor_tile(tile);
    });
    backward_actor(pool);
    update_actor(pool, /*with_critics=*/true);
  } else {
    pool.parallel_for(w_.num_tiles_, [&](int tile) { critic_tile(tile); });
    update_critics(pool);
    pool.parallel_for(w_.num_tiles_, [&](int tile) { evaluate_actor_tile(tile); });
    backward_actor(pool);
    update_actor(pool, /*with_critics=*/false);
  }

  // add the tiles in order
  double mean[kNumSacTerms] = {};
  for (int term = 0; term < kNumSacTerms; ++term) {
    for (int tile = 0; tile < w_.num_tiles_; ++tile)
      mean[term] += partial(static_cast<SacTerm>(term), tile);
    mean[term] /= c_.batch_size;
  }
  update_alpha(mean[kSacLogProb]);
  ++state_.num_updates;
  return sac_losses(mean, alpha_);
}

namespace {

void check_sources(const MixedSource& source, int batch_size) {
  if (source.num_real > 0 && source.real.size == 0)
    throw ShapeError("sac_update: the batch asks for " + std::to_string(source.num_real) +
                     " real rows, but the real replay is empty.");
  if (source.num_real < batch_size && source.imagined.size == 0)
    throw ShapeError("sac_update: the batch asks for " +
                     std::to_string(batch_size - source.num_real) +
                     " imagined rows, but the model replay is empty.");
}

void check_losses(const SacLosses& losses, std::int64_t update) {
  const auto check = [&](float value, const char* what) {
    if (!std::isfinite(value))
      throw DivergedError(
          std::string(what) + " is " + not_finite_text(value) + " at policy update " +
          std::to_string(update) +
          ". Lower sac.learning_rate, or look at the replay: a reward or observation may be "
          "extreme.");
  };
  check(losses.critic_loss[0], "sac: loss of critic 0");
  check(losses.critic_loss[1], "sac: loss of critic 1");
  check(losses.actor_loss, "sac: actor loss");
  check(losses.alpha, "sac: alpha");
}

}  // namespace

void sac_update(Stream& stream, std::span<SacLosses> losses, SacState& state,
                const MixedSource& source, const SacConstants& constants, SacWorkspace& workspace,
                const ActRequest* then_act) {
  check_sources(source, constants.batch_size);
  if (stream.on_gpu()) {
    const SacCall call{losses, state, source, constants, then_act};
    if (stream.check() != nullptr) {
      checked::sac_update(stream, call, workspace);
    } else {
      gpu::sac_update(stream, call, workspace.buffers());
    }
    for (std::size_t i = 0; i < losses.size(); ++i)
      check_losses(losses[i], state.num_updates - static_cast<std::int64_t>(losses.size() - i) + 1);
    return;
  }

  workspace.tiles().refresh(stream.pool(), state);
  for (SacLosses& of_update : losses) {
    of_update = SacUpdate(state, source, constants, workspace.tiles()).run(stream.pool());
    check_losses(of_update, state.num_updates);
  }
  if (then_act == nullptr) return;
  policy_act(stream, state.actor, *then_act,
             workspace.acting(stream, state.actor, then_act->observation.size(0)));
}

SacLosses sac_update(Stream& stream, SacState& state, const MixedSource& source,
                     const SacConstants& constants, SacWorkspace& workspace) {
  SacLosses losses;
  sac_update(stream, {&losses, 1}, state, source, constants, workspace);
  return losses;
}

}  // namespace mbrl
