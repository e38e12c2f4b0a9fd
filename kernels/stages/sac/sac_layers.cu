// SAC layer by layer. Networks run over the whole batch; the actor sees s and s' in one pass.
#include <cstddef>

#include "kernels/gpu/layered_mlp.h"
#include "kernels/gpu/linear.cuh"
#include "kernels/stages/sac/sac_arrays.cuh"
#include "kernels/stages/sac/sac_layers.h"
#include "kernels/stages/sac/sac_update.h"

namespace mbrl::gpu {
namespace {

/// Where the small kernels find inputs and outputs of the networks. Rows of the actor: the batch's
/// s, then its s'.
struct SacLayerArrays {
  float *actor_input, *actor_output, *actor_gradient;
  // per critic: targets on (s', a'), critics on (s, a), critics on (s, a_pi)
  float *target_input[2], *critic_input[2], *pi_input[2];
  float *target_output[2], *critic_output[2], *pi_output[2];
  float *critic_gradient[2], *pi_gradient[2];
  float* d_pi_input[2];
  int actor_pitch, head_pitch, critic_pitch, q_pitch;
};

// the batch to the inputs of the networks; one element of (s, a) each
struct FillInputs {
  SacArrays a;
  SacLayerArrays l;
  int update;
  __device__ void operator()(std::size_t i) const {
    const int width = a.S + a.A, row = static_cast<int>(i) / width,
              column = static_cast<int>(i) % width;
    const float* record = a.record(update, row);
    const int at = row * l.critic_pitch + column;
    const float value = record[column];
    for (int c = 0; c < 2; ++c) l.critic_input[c][at] = value;
    if (column >= a.S) return;
    const float next = record[a.layout.next_observation() + column];
    l.actor_input[row * l.actor_pitch + column] = value;
    l.actor_input[(a.batch_size + row) * l.actor_pitch + column] = next;
    for (int c = 0; c < 2; ++c) {
      l.pi_input[c][at] = value;
      l.target_input[c][at] = next;
    }
  }
};

__device__ float action_noise(const SacArrays& a, const SacRule& rule, Purpose purpose, int update,
                              int row, int k) {
  return normal(rule.key(purpose), a.plan->first_update + static_cast<std::uint64_t>(update),
                static_cast<std::uint32_t>(row), k);
}

// actions of one row of the actor's output
struct Sample {
  SacArrays a;
  SacRule rule;
  SacLayerArrays l;
  int update;
  __device__ void operator()(std::size_t i) const {
    const bool next = i >= static_cast<std::size_t>(a.batch_size);
    const int row = static_cast<int>(i) - (next ? a.batch_size : 0);
    const Purpose purpose = next ? purpose::kNextActionNoise : purpose::kActorNoise;
    const float* head = l.actor_output + i * l.head_pitch;
    float log_prob = 0.0f;
    for (int k = 0; k < a.A; ++k) {
      const SquashedSample s = squashed_gaussian_sample(
          head[k], head[a.A + k], action_noise(a, rule, purpose, update, row, k));
      for (int c = 0; c < 2; ++c)
        (next ? l.target_input : l.pi_input)[c][row * l.critic_pitch + a.S + k] = s.action;
      log_prob += s.log_prob;
    }
    (next ? a.next_log_prob : a.log_prob)[row] = log_prob;
    if (i == 0) *a.alpha = exp_f(*a.log_alpha);
  }
};

// values of a row of the batch, and the gradients of both critics' losses
struct CriticGradients {
  SacArrays a;
  SacRule rule;
  SacLayerArrays l;
  int update;
  Precision precision;
  __device__ void operator()(std::size_t i) const {
    const int row = static_cast<int>(i), at = row * l.q_pitch;
    for (int c = 0; c < 2; ++c) {
      a.q[c][row] = l.critic_output[c][at];
      a.target_q[c][row] = l.target_output[c][at];
    }
    find_td_errors(a, rule, update, row, *a.alpha);
    for (int c = 0; c < 2; ++c) l.critic_gradient[c][at] = critic_gradient(a, row, c, precision);
  }
};

// critics on (s, a_pi): backward passes start from 1, as in the fused kernels
struct PiValues {
  SacArrays a;
  SacLayerArrays l;
  __device__ void operator()(std::size_t i) const {
    for (int c = 0; c < 2; ++c) {
      a.pi_q[c][i] = l.pi_output[c][i * l.q_pitch];
      l.pi_gradient[c][i * l.q_pitch] = 1.0f;
    }
  }
};

// through the squashing to the actor's outputs; one action dimension of one row each
struct SquashGradient {
  SacArrays a;
  SacRule rule;
  SacLayerArrays l;
  int update;
  Precision precision;
  __device__ void operator()(std::size_t i) const {
    const int row = static_cast<int>(i) / a.A, k = static_cast<int>(i) % a.A;
    for (int c = 0; c < 2; ++c)
      a.pi_action_gradient[c][i] = l.d_pi_input[c][row * l.critic_pitch + a.S + k];
    const float* head = l.actor_output + static_cast<std::size_t>(row) * l.head_pitch;
    const float noise = action_noise(a, rule, purpose::kActorNoise, update, row, k);
    const SquashedGradient g = squashed_gaussian_gradient(
        squashed_gaussian_sample(head[k], head[a.A + k], noise), head[a.A + k], noise,
        pi_action_gradient(a, row, k), sac_actor_log_prob_gradient(*a.alpha, a.row_weight));
    float* out = l.actor_gradient + static_cast<std::size_t>(row) * l.head_pitch;
    out[k] = scaled_gradient(g.d_mean, precision);
    out[a.A + k] = scaled_gradient(g.d_raw_log_std, precision);
  }
};

__global__ void sac_layers_finish_kernel(const __grid_constant__ SacArrays a,
                                         const __grid_constant__ SacRule rule, int update,
                                         SacLosses* losses) {
  finish_update(a, rule, update, reinterpret_cast<double*>(shared_floats()), losses);
}

}  // namespace

struct SacLayers::Parts {
  Parts(const SacState& state, int batch_size, const Gemm& gemm)
      : batch(batch_size),
        actor(state.actor.layout, Activation::kRelu, 2 * batch, 1, gemm, kName),
        target{critic_of(state, gemm), critic_of(state, gemm)},
        critic{critic_of(state, gemm), critic_of(state, gemm)},
        critic_pi{critic_of(state, gemm), critic_of(state, gemm)},
        actor_gradient(state.actor.layout.size, 0.0f, Memory::kDevice, kName) {
    for (int i = 0; i < 2; ++i) {
      critic_gradient[i] = Buffer<float>(state.critics.layout.size, 0.0f, Memory::kDevice, kName);
      d_pi_input[i] = Buffer<float>(static_cast<std::size_t>(batch) * critic[0].input_pitch(), 0.0f,
                                    Memory::kDevice, kName);
    }
    l.actor_input = actor.input();
    l.actor_output = actor.output();
    l.actor_gradient = actor.output_gradient();
    for (int i = 0; i < 2; ++i) {
      l.target_input[i] = target[i].input();
      l.critic_input[i] = critic[i].input();
      l.pi_input[i] = critic_pi[i].input();
      l.target_output[i] = target[i].output();
      l.critic_output[i] = critic[i].output();
      l.pi_output[i] = critic_pi[i].output();
      l.critic_gradient[i] = critic[i].output_gradient();
      l.pi_gradient[i] = critic_pi[i].output_gradient();
      l.d_pi_input[i] = d_pi_input[i].data();
    }
    l.actor_pitch = actor.input_pitch();
    l.head_pitch = actor.output_pitch();
    l.critic_pitch = critic[0].input_pitch();
    l.q_pitch = critic[0].output_pitch();
  }

  LayeredMlp critic_of(const SacState& state, const Gemm& gemm) const {
    return LayeredMlp(state.critics.layout, Activation::kRelu, batch, 1, gemm, kName);
  }

  static constexpr const char* kName = "SAC activations";
  int batch;
  LayeredMlp actor, target[2], critic[2], critic_pi[2];
  Buffer<float> actor_gradient, critic_gradient[2], d_pi_input[2];
  SacLayerArrays l{};
};

SacLayers::SacLayers(const SacState& state, int batch_size, const Gemm& gemm)
    : parts_(std::make_unique<Parts>(state, batch_size, gemm)) {}
SacLayers::~SacLayers() = default;

void SacLayers::issue(Stream& stream, const SacArrays& a, const SacRule& rule, int update,
                      bool simultaneous, SacLosses* losses) {
  Parts& p = *parts_;
  const auto batch = static_cast<std::size_t>(p.batch);
  const auto A = static_cast<std::size_t>(a.A), S = static_cast<std::size_t>(a.S);
  const LaunchShape one_block{{1, 1, 1}, kBlockThreads, kBlockThreads / 32 * sizeof(double)};

  launch_linear(stream, "sac_layers_inputs", batch * (S + A), FillInputs{a, p.l, update});
  p.actor.forward(stream, a.actor_arrays.value);
  launch_linear(stream, "sac_layers_sample", 2 * batch, Sample{a, rule, p.l, update});

  // critics: targets, loss, gradients
  for (int i = 0; i < 2; ++i) {
    p.target[i].forward(stream, a.critic_arrays[i].target);
    p.critic[i].forward(stream, a.critic_arrays[i].value);
  }
  launch_linear(stream, "sac_layers_critics", batch,
                CriticGradients{a, rule, p.l, update, stream.precision()});
  for (int i = 0; i < 2; ++i) {
    p.critic[i].backward(stream, a.critic_arrays[i].value, 0, p.batch);
    p.critic[i].parameter_gradient(stream, p.critic_gradient[i].data(), 0, p.batch);
  }
  const auto update_critics = [&] {
    for (int i = 0; i < 2; ++i)
      launch_step(stream, {.mlp = a.critic,
                           .arrays = a.critic_arrays[i],
                           .gradient = p.critic_gradient[i].data(),
                           .adam = a.adam + update,
                           .tau = rule.tau});
  };
  if (!simultaneous) update_critics();

  // the actor through both critics
  for (int i = 0; i < 2; ++i) p.critic_pi[i].forward(stream, a.critic_arrays[i].value);
  launch_linear(stream, "sac_layers_pi", batch, PiValues{a, p.l});
  for (int i = 0; i < 2; ++i) {
    p.critic_pi[i].backward(stream, a.critic_arrays[i].value, 0, p.batch);
    p.critic_pi[i].input_gradient(stream, p.d_pi_input[i].data(), a.critic_arrays[i].value,
                                  p.batch);
  }
  launch_linear(stream, "sac_layers_squash", batch * A,
                SquashGradient{a, rule, p.l, update, stream.precision()});
  p.actor.backward(stream, a.actor_arrays.value, 0, p.batch);
  p.actor.parameter_gradient(stream, p.actor_gradient.data(), 0, p.batch);
  if (simultaneous) update_critics();
  launch_step(stream, {.mlp = a.actor,
                       .arrays = a.actor_arrays,
                       .gradient = p.actor_gradient.data(),
                       .adam = a.adam + update});
  launch(stream, "sac_layers_finish", sac_layers_finish_kernel, one_block, a, rule, update, losses);
}

}  // namespace mbrl::gpu
