#include "kernels/policy.h"

#include <algorithm>

#include "kernels/squashed_gaussian.h"
#include "kernels/tile_mlp.h"

namespace mbrl {

PolicyWorkspace::PolicyWorkspace(Stream& stream, const SacState& policy, int max_rows)
    : max_rows_(max_rows) {
  if (stream.on_gpu()) {
    gpu_ = gpu::make_policy_buffers(policy, max_rows);
  } else {
    actor_ = std::make_unique<TileMlp>(policy.actor_layout, Activation::kRelu, num_tiles(max_rows),
                                       false);
  }
}

PolicyWorkspace::~PolicyWorkspace() = default;

void policy_act(Stream& stream, const SacState& policy, Matrix<const float> observation,
                Matrix<float> action, bool stochastic, const RandomKey& key, std::uint64_t step,
                PolicyWorkspace& w) {
  if (stream.on_gpu())
    return gpu::policy_act(stream, policy, observation, action, stochastic, key, step, *w.gpu_);

  const int N = observation.size(0), S = observation.size(1), A = action.size(1);
  stream.pool().parallel_for(num_tiles(N), [&](int tile) {
    const int begin = tile * kTileRows, rows = std::min(kTileRows, N - begin);
    float* x = w.actor_->x(0, tile);
    for (int lane = 0; lane < rows; ++lane)
      for (int i = 0; i < S; ++i) x[i * kTileRows + lane] = observation.row(begin + lane)[i];
    w.actor_->forward(policy.actor.value.data(), tile);
    const float* output = w.actor_->output(tile);
    for (int lane = 0; lane < rows; ++lane)
      for (int i = 0; i < A; ++i) {
        const auto row = static_cast<std::uint32_t>(begin + lane);
        const float noise = stochastic ? normal(key, step, row, i) : 0.0f;
        action.row(begin + lane)[i] = squashed_gaussian_action(
            output[i * kTileRows + lane], output[(A + i) * kTileRows + lane], noise);
      }
  });
}

}  // namespace mbrl
