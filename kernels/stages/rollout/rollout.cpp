// Branched rollouts on the CPU, and the checks of both devices.
#include "kernels/stages/rollout/rollout.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "kernels/cpu/lane_draws.h"
#include "kernels/cpu/tile_mlp.h"
#include "kernels/formulas/squashed_gaussian.h"
#include "kernels/stages/check/checked_stages.h"

namespace mbrl {

void check_elites(const Stream& stream, int num_elites) {
  const int most = stream.on_gpu() ? kMaxElitesGpu : kMaxElitesCpu;
  if (num_elites <= most) return;
  throw ConfigError(
      "model.num_elites is " + std::to_string(num_elites) + "; rollouts on the " +
      (stream.on_gpu() ? "GPU" : "CPU") + " choose among up to " + std::to_string(most) +
      " elites. Lower model.num_elites" +
      (stream.on_gpu() && num_elites <= kMaxElitesCpu ? " or run with --device cpu." : "."));
}

namespace {

/// Live rows, and the phases of a step over tiles of them.
class RolloutTiles final : public RolloutStage {
 public:
  RolloutTiles(const GaussianActor& policy, const EnsembleState& model, int max_rows,
               int num_threads, bool bf16);

  RolloutResult run(const RolloutCall& call) override;

 private:
  void refresh(const RolloutCall& call);
  void start(const RolloutCall& call);
  void act(const RolloutCall& call, int step);
  void bucket(int num_elites);
  template <typename Loss>
  void predict(const RolloutCall& call, int step);
  template <typename Loss>
  void sample_tile(const RolloutCall& call, std::uint64_t draw_step, const std::uint32_t* live_rows,
                   int rows, float* output) const;
  void write_row(const RolloutCall& call, std::uint32_t row, float* output);
  int compact(const RolloutCall& call, RolloutResult& result);

  float* state_of(std::size_t row) { return state_.data() + row * S_; }
  float* action_of(std::size_t row) { return action_.data() + row * A_; }
  /// Where the transition of a live row goes.
  float* record_of(const RolloutCall& call, std::size_t row) const {
    return call.ring.records +
           (head_ + row) % call.ring.capacity * static_cast<std::size_t>(call.model.data.pitch());
  }
  RandomKey key(const RolloutCall& call, Purpose purpose) const {
    return {call.constants.seed, purpose, call.constants.learner};
  }

  std::size_t S_, A_;
  TileMlp policy_, member_;                              // per thread
  std::vector<Bf16Weights> bf16_policy_, bf16_members_;  // one, and one per member; or none
  Buffer<float> state_, action_;                         // [rows, S], [rows, A] of the live rows
  Buffer<std::uint32_t> row_id_;  // original row of each live row: the random coordinate
  Buffer<std::uint8_t> chosen_;   // position of the member among the elites
  Buffer<std::uint32_t> order_;   // live rows sorted by member
  Buffer<std::uint8_t> terminated_, finite_;

  // of the running step
  int live_ = 0;
  std::size_t head_ = 0;  // of the ring
  std::uint32_t bucket_begin_[kMaxElitesCpu + 1];
  int first_tile_[kMaxElitesCpu + 1];
};

RolloutTiles::RolloutTiles(const GaussianActor& policy, const EnsembleState& model, int max_rows,
                           int num_threads, bool bf16)
    : S_(static_cast<std::size_t>(model.data.observation_size)),
      A_(static_cast<std::size_t>(model.data.action_size)),
      policy_(policy.layout, Activation::kRelu, num_threads, false, nullptr, bf16),
      member_(model.layout, Activation::kSwish, num_threads, false, nullptr, bf16),
      bf16_policy_(make_bf16_weights(bf16, policy.layout, 1)),
      bf16_members_(make_bf16_weights(bf16, model.layout, model.ensemble_size)),
      state_(static_cast<std::size_t>(max_rows) * S_),
      action_(static_cast<std::size_t>(max_rows) * A_),
      row_id_(max_rows),
      chosen_(max_rows),
      order_(max_rows),
      terminated_(max_rows),
      finite_(max_rows) {}

RolloutResult RolloutTiles::run(const RolloutCall& call) {
  RolloutResult result;
  head_ = call.ring.head;
  refresh(call);
  start(call);
  while (result.num_steps < call.constants.length && live_ > 0) {
    const int step = result.num_steps;
    act(call, step);
    bucket(static_cast<int>(call.model.elites.size()));
    with_loss(call.model.loss, [&]<typename Loss>() { predict<Loss>(call, step); });
    const int kept = compact(call, result);
    head_ = (head_ + static_cast<std::size_t>(live_)) % call.ring.capacity;
    result.num_written += static_cast<std::size_t>(live_);
    ++result.num_steps;
    live_ = kept;
  }
  return result;
}

// bf16 copies of the networks that the branches ask
void RolloutTiles::refresh(const RolloutCall& call) {
  if (bf16_policy_.empty()) return;
  const std::vector<int>& elites = call.model.elites;
  call.stream.pool().parallel_for(1 + static_cast<int>(elites.size()), [&](int i) {
    if (i == 0) return bf16_policy_[0].refresh(call.policy.parameters.value.data());
    const int e = elites[static_cast<std::size_t>(i) - 1];
    bf16_members_[static_cast<std::size_t>(e)].refresh(call.model.member(e));
  });
}

// start states
void RolloutTiles::start(const RolloutCall& call) {
  const RandomKey start_key = key(call, purpose::kRolloutStart);
  const std::uint64_t draw_step = rollout_draw_step(call.constants.rollout_index, 0);
  const auto num_records = static_cast<std::uint32_t>(call.real.size);
  live_ = call.constants.num_rows;
  call.stream.pool().parallel_for(num_tiles(live_), [&](int tile) {
    const int end = std::min((tile + 1) * kTileRows, live_);
    for (int row = tile * kTileRows; row < end; ++row) {
      const auto id = static_cast<std::uint32_t>(row);
      const std::uint32_t bits = start_key.bits(draw_step, id).x;
      std::copy_n(call.real.record(uniform_index(bits, num_records)), S_, state_of(id));
      row_id_[row] = id;
    }
  });
}

// a ~ pi(s), and the member that will answer
void RolloutTiles::act(const RolloutCall& call, int step) {
  const std::uint64_t draw_step = rollout_draw_step(call.constants.rollout_index, step);
  const RandomKey action_key = key(call, purpose::kRolloutAction);
  const RandomKey member_key = key(call, purpose::kMemberChoice);
  const auto num_elites = static_cast<std::uint32_t>(call.model.elites.size());
  const int S = static_cast<int>(S_), A = static_cast<int>(A_);
  call.stream.pool().parallel_for(num_tiles(live_), [&](int tile) {
    const int thread = ThreadPool::thread_index();
    const int begin = tile * kTileRows, rows = std::min(kTileRows, live_ - begin);
    float* x = policy_.x(0, thread);
    for (int lane = 0; lane < kTileRows; ++lane) {
      const float* s = state_of(static_cast<std::size_t>(begin + std::min(lane, rows - 1)));
      for (int i = 0; i < S; ++i) x[i * kTileRows + lane] = s[i];
    }
    policy_.forward({call.policy.parameters.value.data(), bf16_of(bf16_policy_, 0)}, thread);
    const float* output = policy_.output(thread);
    TileNormals normals(action_key, draw_step);
    for (int lane = 0; lane < kTileRows; ++lane)
      normals.row[lane] = row_id_[begin + std::min(lane, rows - 1)];
    for (int i = 0; i < A; ++i) {
      alignas(64) float action[kTileRows];
      const float* noise = normals.of(i);
      for (int lane = 0; lane < kTileRows; ++lane)
        action[lane] = squashed_gaussian_action(output[i * kTileRows + lane],
                                                output[(A + i) * kTileRows + lane], noise[lane]);
      for (int lane = 0; lane < rows; ++lane)
        action_of(static_cast<std::size_t>(begin + lane))[i] = action[lane];
    }
    for (int lane = 0; lane < rows; ++lane) {
      const std::uint32_t bits = member_key.bits(draw_step, row_id_[begin + lane]).x;
      chosen_[begin + lane] = static_cast<std::uint8_t>(uniform_index(bits, num_elites));
    }
  });
}

// rows of one member side by side, each group in row order, and the first tile of each group
void RolloutTiles::bucket(int num_elites) {
  std::fill_n(bucket_begin_, num_elites + 1, 0u);
  for (int row = 0; row < live_; ++row) ++bucket_begin_[chosen_[row] + 1];
  for (int e = 0; e < num_elites; ++e) bucket_begin_[e + 1] += bucket_begin_[e];
  std::uint32_t next[kMaxElitesCpu];
  std::copy_n(bucket_begin_, num_elites, next);
  for (int row = 0; row < live_; ++row)
    order_[next[chosen_[row]]++] = static_cast<std::uint32_t>(row);
  first_tile_[0] = 0;
  for (int e = 0; e < num_elites; ++e)
    first_tile_[e + 1] =
        first_tile_[e] + num_tiles(static_cast<int>(bucket_begin_[e + 1] - bucket_begin_[e]));
}

// s', r ~ member(s, a); end rule; record
template <typename Loss>
void RolloutTiles::predict(const RolloutCall& call, int step) {
  const EnsembleState& model = call.model;
  const std::uint64_t draw_step = rollout_draw_step(call.constants.rollout_index, step);
  const auto num_elites = static_cast<int>(model.elites.size());
  const int S = static_cast<int>(S_), inputs = model.num_inputs();
  call.stream.pool().parallel_for(first_tile_[num_elites], [&](int task) {
    const int thread = ThreadPool::thread_index();
    const auto e = static_cast<int>(
        std::upper_bound(first_tile_, first_tile_ + num_elites + 1, task) - first_tile_ - 1);
    const std::uint32_t begin =
        bucket_begin_[e] + static_cast<std::uint32_t>(task - first_tile_[e]) * kTileRows;
    const int rows =
        static_cast<int>(std::min<std::uint32_t>(kTileRows, bucket_begin_[e + 1] - begin));
    const std::uint32_t* live_rows = order_.data() + begin;

    float* x = member_.x(0, thread);
    for (int lane = 0; lane < kTileRows; ++lane) {
      const std::uint32_t row = live_rows[std::min(lane, rows - 1)];
      const float *s = state_of(row), *a = action_of(row);
      for (int i = 0; i < inputs; ++i)
        x[i * kTileRows + lane] = normalize(model.maps.input_value(s, a, S, i), model.input_mean[i],
                                            model.input_inv_std[i]);
    }
    const int member = model.elites[e];
    member_.forward({model.member(member), bf16_of(bf16_members_, member)}, thread);

    float* output = member_.output(thread);
    sample_tile<Loss>(call, draw_step, live_rows, rows, output);
    for (int lane = 0; lane < rows; ++lane) write_row(call, live_rows[lane], output + lane);
  });
}

/// One target of a tile; plain arrays, so that the compiler works on vectors of lanes.
template <typename Loss>
void sample_lanes(float* output, int pitch, const float* shared, const float* noise) {
  alignas(64) float sample[kTileRows];
  for (int lane = 0; lane < kTileRows; ++lane) {
    float outputs[Loss::kOutputs];
    for (int j = 0; j < Loss::kOutputs; ++j) outputs[j] = output[j * pitch + lane];
    sample[lane] = Loss::sample(outputs, shared, Loss::kNoise ? noise[lane] : 0.0f);
  }
  std::copy_n(sample, kTileRows, output);
}

// draws of the predicted targets, in place of the predictions
template <typename Loss>
void RolloutTiles::sample_tile(const RolloutCall& call, std::uint64_t draw_step,
                               const std::uint32_t* live_rows, int rows, float* output) const {
  constexpr int kShared = Loss::kShared > 0 ? Loss::kShared : 1;  // no array is empty
  const RandomKey noise_key = key(call, purpose::kModelNoise);
  const int pitch = call.model.num_targets() * kTileRows;
  TileNormals normals(noise_key, draw_step);
  for (int lane = 0; lane < kTileRows; ++lane)
    normals.row[lane] = row_id_[live_rows[std::min(lane, rows - 1)]];
  for (int i = 0; i < call.model.num_regressed(); ++i) {
    const float* noise = nullptr;
    if constexpr (Loss::kNoise) noise = normals.of(i);
    float shared[kShared] = {};
    for (int which = 0; which < Loss::kShared; ++which) shared[which] = call.model.shared(which)[i];
    sample_lanes<Loss>(output + i * kTileRows, pitch, shared, noise);
  }
}

// one row's record; output: its targets, a tile's row apart
void RolloutTiles::write_row(const RolloutCall& call, std::uint32_t row, float* output) {
  const EnsembleState& model = call.model;
  const TransitionLayout& layout = model.data;
  const int S = layout.observation_size;
  const float* s = state_of(row);
  float* record = record_of(call, row);
  finite_[row] = apply_prediction(model.maps, s, S, output, kTileRows);
  float* next = record + layout.next_observation();
  for (int i = 0; i < S; ++i) next[i] = output[(model.maps.first_state() + i) * kTileRows];
  const bool terminated =
      model.maps.end != EndTarget::kNone
          ? predicts_end(output[(model.num_targets() - 1) * kTileRows], model.end_threshold)
          : task_terminated(call.constants.task, call.constants.end_bounds, next);
  write_record(record, layout, s, action_of(row), output[0], terminated, next);
  terminated_[row] = terminated;
}

// keeps the rows that go on, in order; how many
int RolloutTiles::compact(const RolloutCall& call, RolloutResult& result) {
  int kept = 0;
  for (int row = 0; row < live_; ++row) {
    result.finite = result.finite && finite_[row];
    if (terminated_[row]) {
      ++result.num_terminated;
      continue;
    }
    std::copy_n(record_of(call, static_cast<std::size_t>(row)) + call.model.data.next_observation(),
                S_, state_of(static_cast<std::size_t>(kept)));
    row_id_[kept] = row_id_[row];
    ++kept;
  }
  return kept;
}

}  // namespace

RolloutWorkspace::RolloutWorkspace(Stream& stream, const GaussianActor& policy,
                                   const EnsembleState& model, int max_rows, int num_elites) {
  check_elites(stream, num_elites);
  if (model.maps.backward() || !model.maps.reward)
    throw ShapeError(
        "rollout: the model predicts what was before, or no reward; branches need what comes "
        "next.");
  if (stream.on_gpu()) {
    stage_ = gpu::make_rollout_stage(stream, policy, model, max_rows);
    if (stream.check() != nullptr)
      stage_ =
          checked::rollout_stage(stream, std::move(stage_), policy, model, max_rows, num_elites);
  } else {
    stage_ = std::make_unique<RolloutTiles>(policy, model, max_rows, stream.pool().num_threads(),
                                            multiplies_bf16(stream));
  }
}

RolloutResult rollout(Stream& stream, const GaussianActor& policy, const EnsembleState& model,
                      const TransitionsView& real, const RingView& ring,
                      const RolloutConstants& constants, RolloutWorkspace& workspace) {
  if (real.size == 0)
    throw ShapeError("rollout: the real replay is empty; there is no start state.");
  check_elites(stream, static_cast<int>(model.elites.size()));
  if (ring.capacity < static_cast<std::size_t>(constants.num_rows))
    throw ShapeError("rollout: the model replay holds " + std::to_string(ring.capacity) +
                     " transitions, one step writes up to " + std::to_string(constants.num_rows) +
                     ". Raise rollout.retain_epochs or lower rollout.batch_size.");
  return workspace.stage().run({stream, policy, model, real, ring, constants});
}

}  // namespace mbrl
