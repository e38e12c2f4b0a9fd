#include "kernels/stages/policy/policy.h"

#include <algorithm>

#include "kernels/cpu/tile_mlp.h"
#include "kernels/formulas/squashed_gaussian.h"
#include "kernels/stages/check/checked_stages.h"

namespace mbrl {
namespace {

// the policy's weights, with what has changed since the last call
NetworkWeights weights_of(const GaussianActor& policy, PolicyWorkspace& w) {
  const float* value = policy.parameters.value.data();
  if (w.bf16() != nullptr) w.bf16()->refresh(value);
  return {value, w.bf16()};
}

// the actor's outputs on a tile of observations, [2A, 32]
const float* forward_tile(TileMlp& actor, const NetworkWeights& weights,
                          Matrix<const float> observation, int tile) {
  const int begin = tile * kTileRows, rows = std::min(kTileRows, observation.size(0) - begin);
  float* x = actor.x(0, tile);
  for (int lane = 0; lane < rows; ++lane)
    for (int i = 0; i < observation.size(1); ++i)
      x[i * kTileRows + lane] = observation.row(begin + lane)[i];
  actor.forward(weights, tile);
  return actor.output(tile);
}

// of one row's action; output: of its tile
float action_log_prob(const float* output, int lane, const float* action, int A) {
  float sum = 0.0f;
  for (int i = 0; i < A; ++i)
    sum += squashed_gaussian_log_prob(output[i * kTileRows + lane],
                                      output[(A + i) * kTileRows + lane], action[i]);
  return sum;
}

}  // namespace

PolicyWorkspace::PolicyWorkspace(Stream& stream, const GaussianActor& policy, int max_rows)
    : max_rows_(max_rows) {
  if (stream.on_gpu()) gpu_ = gpu::make_policy_buffers(policy, max_rows);
  if (const Stream* cpu = checked::cpu_of(stream)) {
    const bool bf16 = multiplies_bf16(*cpu);
    tiles_ = std::make_unique<TileMlp>(policy.layout, Activation::kRelu, num_tiles(max_rows), false,
                                       nullptr, bf16);
    if (bf16) bf16_ = std::make_unique<Bf16Weights>(policy.layout);
  }
}

PolicyWorkspace::~PolicyWorkspace() = default;

void policy_act(Stream& stream, const GaussianActor& policy, const ActRequest& r,
                PolicyWorkspace& w) {
  if (stream.check() != nullptr && stream.on_gpu())
    return checked::policy_act(stream, policy, r, w);
  if (stream.on_gpu()) return gpu::policy_act(stream, policy, r, w.buffers());

  const int N = r.observation.size(0), A = r.action.size(1);
  const NetworkWeights weights = weights_of(policy, w);
  stream.pool().parallel_for(num_tiles(N), [&](int tile) {
    const int begin = tile * kTileRows, rows = std::min(kTileRows, N - begin);
    const float* output = forward_tile(w.tiles(), weights, r.observation, tile);
    for (int lane = 0; lane < rows; ++lane) {
      const auto row = static_cast<std::uint32_t>(begin + lane);
      float* action = r.action.row(begin + lane);
      for (int i = 0; i < A; ++i) {
        const float noise = r.stochastic ? normal(r.key, r.step, row, i) : 0.0f;
        action[i] = squashed_gaussian_action(output[i * kTileRows + lane],
                                             output[(A + i) * kTileRows + lane], noise);
      }
      if (r.log_prob.data != nullptr) r.log_prob[row] = action_log_prob(output, lane, action, A);
    }
  });
}

void policy_log_prob(Stream& stream, const GaussianActor& policy, Matrix<const float> observation,
                     Matrix<const float> action, Vector<float> log_prob, PolicyWorkspace& w) {
  if (stream.check() != nullptr && stream.on_gpu())
    return checked::policy_log_prob(stream, policy, observation, action, log_prob, w);
  if (stream.on_gpu())
    return gpu::policy_log_prob(stream, policy, observation, action, log_prob, w.buffers());

  const int N = observation.size(0), A = action.size(1);
  const NetworkWeights weights = weights_of(policy, w);
  stream.pool().parallel_for(num_tiles(N), [&](int tile) {
    const int begin = tile * kTileRows, rows = std::min(kTileRows, N - begin);
    const float* output = forward_tile(w.tiles(), weights, observation, tile);
    for (int lane = 0; lane < rows; ++lane)
      log_prob[static_cast<std::size_t>(begin + lane)] =
          action_log_prob(output, lane, action.row(begin + lane), A);
  });
}

}  // namespace mbrl
