#include "kernels/stages/ppo/ppo_update.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/not_finite.h"
#include "kernels/cpu/tile_mlp.h"
#include "kernels/data/shapes.h"
#include "kernels/networks/initialize.h"
#include "kernels/stages/check/checked_stages.h"

namespace mbrl {
int PpoShape::num_actions() const {
  return heads.empty() ? action_size : static_cast<int>(heads.size());
}
int PpoShape::num_log_probs() const { return heads.empty() ? 1 : static_cast<int>(heads.size()); }

PpoHeads make_ppo_heads(const PpoShape& shape) {
  if (shape.heads.empty() == (shape.action_size == 0))
    throw ShapeError("ppo: a policy has either heads or an action size; this one has " +
                     std::to_string(shape.heads.size()) + " heads and an action size of " +
                     std::to_string(shape.action_size) + ".");
  if (shape.heads.size() > kMaxPpoHeads)
    throw ShapeError("ppo: a policy has " + std::to_string(shape.heads.size()) + " heads; up to " +
                     std::to_string(kMaxPpoHeads) + " are possible.");
  PpoHeads heads;
  heads.num_actions = shape.num_actions();
  heads.num_log_probs = shape.num_log_probs();
  for (const int size : shape.heads) {
    if (size < 1)
      throw ShapeError("ppo: head " + std::to_string(heads.count) + " has " + std::to_string(size) +
                       " categories; expected at least one.");
    heads.size[heads.count++] = size;
    heads.num_outputs += size;
  }
  if (heads.count == 0) heads.num_outputs = shape.action_size;
  return heads;
}

PpoState::PpoState(PpoShape given, Memory memory)
    : shape(std::move(given)),
      policy_layout(make_mlp_layout(shape.observation_size, shape.hidden_sizes,
                                    make_ppo_heads(shape).num_outputs)),
      value_layout(shape.value ? make_mlp_layout(shape.observation_size, shape.hidden_sizes, 1)
                               : MlpLayout{}),
      policy(policy_layout.size, memory),
      log_std(static_cast<std::size_t>(shape.action_size), memory),
      value(value_layout.size, memory) {}

void init_ppo(PpoState& state, const RandomKey& key, float output_gain) {
  init_glorot_uniform(state.policy_layout, state.policy.value.data(), key, InitNetwork::kActor);
  if (state.shape.value)
    init_glorot_uniform(state.value_layout, state.value.value.data(), key, InitNetwork::kCritic0);
  state.log_std.value.fill(0.0f);

  std::vector<float> policy = to_host(state.policy.value);
  const LayerLayout& last = state.policy_layout.layers.back();
  for (std::size_t i = last.weight; i < last.bias; ++i) policy[i] *= output_gain;
  from_host(state.policy.value, policy);
}

/// What the CPU works on.
struct PpoTiles {
  PpoTiles(const PpoState& state, int max_rows, int num_threads)
      : heads(make_ppo_heads(state.shape)),
        num_terms(kNumPpoTerms + state.shape.action_size),
        policy(state.policy_layout, Activation::kTanh, num_tiles(max_rows), true),
        terms(static_cast<std::size_t>(num_tiles(max_rows)) * num_terms * kTileRows, 0.0f),
        gradient(state.policy.value.size() + state.log_std.value.size() + state.value.value.size(),
                 0.0f),
        scratch(num_threads * policy.update_scratch_size()) {
    if (state.shape.value)
      value = std::make_unique<TileMlp>(state.value_layout, Activation::kTanh, num_tiles(max_rows),
                                        true);
  }

  /// Terms of a tile's rows: [num_terms, 32].
  float* terms_of(int tile) {
    return terms.data() + static_cast<std::size_t>(tile) * num_terms * kTileRows;
  }

  const PpoHeads heads;
  const int num_terms;
  TileMlp policy;
  std::unique_ptr<TileMlp> value;
  Buffer<float> terms;
  Buffer<float> gradient;  // policy, log_std, value
  Buffer<float> scratch;   // per thread
};

PpoWorkspace::PpoWorkspace(Stream& stream, const PpoState& state, int max_rows)
    : max_rows_(max_rows) {
  if (stream.on_gpu()) gpu_ = gpu::make_ppo_buffers(state, max_rows);
  if (Stream* cpu = checked::cpu_of(stream))
    tiles_ = std::make_unique<PpoTiles>(state, max_rows, cpu->pool().num_threads());
}

PpoWorkspace::~PpoWorkspace() = default;

namespace {

// observations of a tile, feature-major; source(lane) is the row of one lane
template <typename Source>
void gather(float* x, int S, Lanes lanes, Source source) {
  for (int lane = lanes.first; lane < lanes.first + lanes.count; ++lane) {
    const float* observation = source(lane);
    for (int i = 0; i < S; ++i) x[i * kTileRows + lane] = observation[i];
  }
}

void check_rows(const char* operation, const char* argument, int rows, const PpoWorkspace& w) {
  if (rows > w.max_rows())
    throw ShapeError(std::string(operation) + ": " + argument + " has " + std::to_string(rows) +
                     " rows; the workspace was made for up to " + std::to_string(w.max_rows()) +
                     ".");
}

}  // namespace

void ppo_act(Stream& stream, const PpoState& state, const PpoActRequest& r, PpoWorkspace& w) {
  const int N = r.observation.size(0), S = state.shape.observation_size;
  check_shape("ppo_act", {"observation", r.observation}, {N, S}, "the policy's observation size");
  check_shape("ppo_act", {"action", r.action}, {N, state.shape.num_actions()},
              "a row per observation, a column per head or value");
  if (r.log_prob.data != nullptr)
    check_shape("ppo_act", {"log_prob", r.log_prob}, {N, state.shape.num_log_probs()},
                "a row per observation, a column per head");
  if (r.value.data != nullptr)
    check_shape("ppo_act", {"value", r.value}, {N}, "one per observation");
  check_rows("ppo_act", "observation", N, w);
  if (stream.check() != nullptr && stream.on_gpu()) return checked::ppo_act(stream, state, r, w);
  if (stream.on_gpu()) return gpu::ppo_act(stream, state, r, w.buffers());

  PpoTiles& t = w.tiles();
  stream.pool().parallel_for(num_tiles(N), [&](int tile) {
    const int begin = tile * kTileRows, rows = std::min(kTileRows, N - begin);
    const auto source = [&](int lane) { return r.observation.row(std::min(begin + lane, N - 1)); };
    gather(t.policy.x(0, tile), S, {}, source);
    t.policy.forward(state.policy.value.data(), tile);
    for (int lane = 0; lane < rows; ++lane) {
      const int row = begin + lane;
      ppo_act_row(t.heads, t.policy.output(tile) + lane, kTileRows, state.log_std.value.data(),
                  r.stochastic, r.key, r.step, static_cast<std::uint32_t>(row), r.action.row(row),
                  r.log_prob.data == nullptr ? nullptr : r.log_prob.row(row));
    }
    if (t.value == nullptr || r.value.data == nullptr) return;
    gather(t.value->x(0, tile), S, {}, source);
    t.value->forward(state.value.value.data(), tile);
    std::copy_n(t.value->output(tile), rows, r.value.data + begin);
  });
}

float ppo_gradient_scale(const float* gradient, std::size_t count, float max_gradient_norm) {
  constexpr std::size_t kChains = 16;
  double chain[kChains] = {};
  std::size_t i = 0;
  for (; i + kChains <= count; i += kChains)
    for (std::size_t j = 0; j < kChains; ++j) {
      const auto g = static_cast<double>(gradient[i + j]);
      chain[j] += g * g;
    }
  double total = 0.0;
  for (const double part : chain) total += part;
  for (; i < count; ++i) total += static_cast<double>(gradient[i]) * gradient[i];

  // squares round alike in every order, and each addition by 2^-53 of the sum at the most
  const double bound = 0x1p-51 * static_cast<double>(count) * total;
  const float scale = gradient_scale(total - bound, max_gradient_norm);
  if (scale == gradient_scale(total + bound, max_gradient_norm)) return scale;

  double in_order = 0.0;
  for (i = 0; i < count; ++i) in_order += static_cast<double>(gradient[i]) * gradient[i];
  return gradient_scale(in_order, max_gradient_norm);
}

namespace {

/// One update in progress on the CPU: its phases as members.
class PpoUpdate {
 public:
  PpoUpdate(PpoState& state, const PpoBatch& batch, const std::uint32_t* rows, int num_rows,
            const PpoConstants& c, PpoTiles& tiles)
      : state_(state),
        batch_(batch),
        rows_(rows),
        B_(num_rows),
        rule_{c.clip, c.entropy_bonus, c.value_weight, 1.0f / static_cast<float>(num_rows),
              c.max_gradient_norm},
        w_(tiles),
        adam_(adam_step_constants(c.adam, state.num_updates + 1)) {}

  PpoLosses run(ThreadPool& pool) {
    const int tiles = num_tiles(B_), networks = w_.value != nullptr ? 2 : 1;
    // a task is a tile of one network, or half a tile where threads would find none
    const int halves = networks * tiles < pool.num_threads() ? 2 : 1;
    pool.parallel_for(networks * tiles * halves, [&](int task) {
      const Lanes lanes{task % halves * (kTileRows / halves), kTileRows / halves};
      const int tile = task / halves % tiles;
      if (task / halves < tiles) {
        policy_tile(tile, lanes);
      } else {
        value_tile(tile, lanes);
      }
    });
    // without a limit of the gradient's norm, parameters move where their gradient is summed
    const bool limited = rule_.max_gradient_norm > 0.0f;
    const NetworkUpdate policy = limited ? into(policy_gradient()) : in_place(state_.policy);
    const NetworkUpdate value = limited ? into(value_gradient()) : in_place(state_.value);
    const int policy_tasks = w_.policy.num_update_tasks();
    const int value_tasks = w_.value != nullptr ? w_.value->num_update_tasks() : 0;
    pool.parallel_for(policy_tasks + value_tasks, [&](int task) {
      float* scratch =
          w_.scratch.data() + ThreadPool::thread_index() * w_.policy.update_scratch_size();
      if (task < policy_tasks) {
        w_.policy.update(task, tiles, policy, scratch);
      } else {
        w_.value->update(task - policy_tasks, tiles, value, scratch);
      }
    });
    for (int k = 0; k < state_.shape.action_size; ++k)
      log_std_gradient()[k] = static_cast<float>(sum(kNumPpoTerms + k));
    const float scale = limited ? ppo_gradient_scale(w_.gradient.data(), w_.gradient.size(),
                                                     rule_.max_gradient_norm)
                                : 1.0f;
    adam(state_.log_std, log_std_gradient(), scale, 0, state_.log_std.value.size());
    if (limited) step_networks(pool, scale);
    ++state_.num_updates;

    const auto mean = [&](PpoTerm term) { return static_cast<float>(sum(term) / B_); };
    return {mean(kPpoPolicyLoss), mean(kPpoValueLoss), mean(kPpoEntropy), mean(kPpoKl),
            mean(kPpoClipped)};
  }

 private:
  int rows_of(int tile) const { return std::min(kTileRows, B_ - tile * kTileRows); }
  /// Row of the batch that a lane holds; lanes past the update repeat its last row, and have no
  /// gradient.
  int source(int tile, int lane) const {
    return static_cast<int>(rows_[std::min(tile * kTileRows + lane, B_ - 1)]);
  }
  static NetworkUpdate into(float* gradient) {
    return {.value = nullptr, .m = nullptr, .v = nullptr, .adam = {}, .gradient = gradient};
  }
  NetworkUpdate in_place(TrainedParameters& p) const {
    return {.value = p.value.data(), .m = p.m.data(), .v = p.v.data(), .adam = adam_};
  }
  float* policy_gradient() { return w_.gradient.data(); }
  float* log_std_gradient() { return policy_gradient() + state_.policy.value.size(); }
  float* value_gradient() { return log_std_gradient() + state_.log_std.value.size(); }

  void policy_tile(int tile, Lanes lanes) {
    const int end = lanes.first + lanes.count;
    gather(w_.policy.x(0, tile), state_.shape.observation_size, lanes,
           [&](int lane) { return batch_.observation.row(source(tile, lane)); });
    w_.policy.forward(state_.policy.value.data(), tile, lanes);
    float* gradient = w_.policy.output_gradient(tile);
    for (int lane = lanes.first; lane < end; ++lane) {
      const int row = source(tile, lane);
      ppo_policy_row(w_.heads, rule_, w_.policy.output(tile) + lane, kTileRows,
                     state_.log_std.value.data(), batch_.action.row(row), batch_.log_prob.row(row),
                     batch_.advantage[row], gradient + lane, w_.terms_of(tile) + lane, kTileRows);
    }
    for (int lane = std::max(lanes.first, rows_of(tile)); lane < end; ++lane)
      for (int i = 0; i < w_.heads.num_outputs; ++i) gradient[i * kTileRows + lane] = 0.0f;
    w_.policy.backward(state_.policy.value.data(), tile, lanes);
  }

  void value_tile(int tile, Lanes lanes) {
    const int end = lanes.first + lanes.count;
    gather(w_.value->x(0, tile), state_.shape.observation_size, lanes,
           [&](int lane) { return batch_.observation.row(source(tile, lane)); });
    w_.value->forward(state_.value.value.data(), tile, lanes);
    float* gradient = w_.value->output_gradient(tile);
    float* loss = w_.terms_of(tile) + kPpoValueLoss * kTileRows;
    for (int lane = lanes.first; lane < end; ++lane)
      ppo_value_row(rule_, w_.value->output(tile)[lane], batch_.value_target[source(tile, lane)],
                    gradient[lane], loss[lane]);
    for (int lane = std::max(lanes.first, rows_of(tile)); lane < end; ++lane) gradient[lane] = 0.0f;
    w_.value->backward(state_.value.value.data(), tile, lanes);
  }

  /// Sum of a term over the update's rows, in their order.
  double sum(int term) {
    double total = 0.0;
    for (int tile = 0; tile < num_tiles(B_); ++tile)
      for (int lane = 0; lane < rows_of(tile); ++lane)
        total += w_.terms_of(tile)[term * kTileRows + lane];
    return total;
  }

  /// Adam on [begin, end) of some parameters.
  void adam(TrainedParameters& p, const float* gradient, float scale, std::size_t begin,
            std::size_t end) const {
    float *value = p.value.data(), *m = p.m.data(), *v = p.v.data();
    const AdamStep step = adam_;
#pragma GCC ivdep
    for (std::size_t i = begin; i < end; ++i)
      adam_update(value[i], m[i], v[i], scale * gradient[i], step);
  }

  /// Adam on both networks.
  void step_networks(ThreadPool& pool, float scale) {
    constexpr std::size_t kRange = 2048;  // parameters of a task: 2 us
    const auto ranges = [](const TrainedParameters& p) {
      return static_cast<int>((p.value.size() + kRange - 1) / kRange);
    };
    const int of_policy = ranges(state_.policy);
    pool.parallel_for(of_policy + ranges(state_.value), [&](int task) {
      const bool is_policy = task < of_policy;
      TrainedParameters& p = is_policy ? state_.policy : state_.value;
      const std::size_t begin =
          static_cast<std::size_t>(is_policy ? task : task - of_policy) * kRange;
      adam(p, is_policy ? policy_gradient() : value_gradient(), scale, begin,
           std::min(begin + kRange, p.value.size()));
    });
  }

  PpoState& state_;
  const PpoBatch& batch_;
  const std::uint32_t* rows_;
  const int B_;
  const PpoRule rule_;
  PpoTiles& w_;
  const AdamStep adam_;
};

void check_batch(const PpoState& state, const PpoBatch& batch, Matrix<const std::uint32_t> rows,
                 std::size_t num_updates, const PpoWorkspace& w) {
  const int M = batch.observation.size(0);
  check_shape("ppo_update", {"observation", batch.observation}, {M, state.shape.observation_size},
              "the policy's observation size");
  check_shape("ppo_update", {"action", batch.action}, {M, state.shape.num_actions()},
              "a row per observation, a column per head or value");
  check_shape("ppo_update", {"log_prob", batch.log_prob}, {M, state.shape.num_log_probs()},
              "a row per observation, a column per head");
  check_shape("ppo_update", {"advantage", batch.advantage}, {M}, "one per observation");
  if (state.shape.value)
    check_shape("ppo_update", {"value_target", batch.value_target}, {M}, "one per observation");
  check_shape("ppo_update", {"rows", rows}, {static_cast<int>(num_updates), rows.size(1)},
              "a row of indices for each update");
  check_rows("ppo_update", "an update", rows.size(1), w);
}

void check_losses(const PpoLosses& losses, std::int64_t update) {
  const auto check = [&](float value, const char* what) {
    if (!std::isfinite(value))
      throw DivergedError(
          "ppo: " + std::string(what) + " is " + not_finite_text(value) + " at policy update " +
          std::to_string(update) +
          ". Lower the learning rate, or look at the batch: an observation, action or advantage "
          "may be extreme.");
  };
  check(losses.policy_loss, "policy loss");
  check(losses.value_loss, "value loss");
  check(losses.entropy, "entropy");
}

}  // namespace

void ppo_update(Stream& stream, std::span<PpoLosses> losses, PpoState& state, const PpoBatch& batch,
                Matrix<const std::uint32_t> rows, const PpoConstants& constants, PpoWorkspace& w) {
  check_batch(state, batch, rows, losses.size(), w);
  if (losses.empty() || rows.size(1) == 0) return;
  if (stream.on_gpu()) {
    const std::int64_t before = state.num_updates;
    const PpoCall call{losses, state, batch, rows, constants};
    if (stream.check() != nullptr) {
      checked::ppo_update(stream, call, w);
    } else {
      gpu::ppo_update(stream, call, w.buffers());
    }
    for (std::size_t i = 0; i < losses.size(); ++i)
      check_losses(losses[i], before + static_cast<std::int64_t>(i) + 1);
    return;
  }
  for (std::size_t i = 0; i < losses.size(); ++i) {
    losses[i] =
        PpoUpdate(state, batch, rows.row(static_cast<int>(i)), rows.size(1), constants, w.tiles())
            .run(stream.pool());
    check_losses(losses[i], state.num_updates);
  }
}

}  // namespace mbrl
