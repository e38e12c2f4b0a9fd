#include "host/analysis/value_error.h"

#include <algorithm>
#include <cmath>

#include "host/algo/draws.h"
#include "host/analysis/fresh_episodes.h"
#include "kernels/cpu/tile_mlp.h"
#include "kernels/formulas/squashed_gaussian.h"

namespace mbrl {
namespace {

/// An action and what the learner knows of it.
struct Choice {
  double log_prob;  // nats
  double value;     // of the smaller critic
};

/// Actor and critics of a learner on the host, one observation at a time.
class HostSac {
 public:
  explicit HostSac(const SacState& sac)
      : S_(sac.observation_size()),
        A_(sac.action_size()),
        actor_(sac.actor.layout, Activation::kRelu, 1, false),
        critic_(sac.critics.layout, Activation::kRelu, 1, false),
        actor_weights_(to_host(sac.actor.parameters.value)),
        critic_weights_{to_host(sac.critics.critic[0].value),
                        to_host(sac.critics.critic[1].value)} {}

  /// Samples an action as policy_act does. The log-density is that of the sample: an action at the
  /// end of its range no longer tells how it came about.
  Choice choose(const float* observation, const RandomKey& key, std::uint64_t step,
                std::uint32_t row, float* action) {
    set_column(actor_, observation, 0, S_);
    actor_.forward(actor_weights_.data(), 0);
    const float* head = actor_.output(0);
    double log_prob = 0.0;
    for (int i = 0; i < A_; ++i) {
      const SquashedSample sample = squashed_gaussian_sample(
          head[i * kTileRows], head[(A_ + i) * kTileRows], normal(key, step, row, i));
      action[i] = sample.action;
      log_prob += sample.log_prob;
    }
    set_column(critic_, observation, 0, S_);
    set_column(critic_, action, S_, A_);
    double value = HUGE_VAL;
    for (const std::vector<float>& weights : critic_weights_) {
      critic_.forward(weights.data(), 0);
      value = std::min(value, static_cast<double>(critic_.output(0)[0]));
    }
    return {log_prob, value};
  }

 private:
  // the first of a tile's columns is the one in use
  static void set_column(TileMlp& mlp, const float* values, int at, int count) {
    for (int i = 0; i < count; ++i) mlp.x(0, 0)[(at + i) * kTileRows] = values[i];
  }

  int S_, A_;
  TileMlp actor_, critic_;
  std::vector<float> actor_weights_, critic_weights_[2];
};

/// An episode step by step.
struct Track {
  std::vector<double> reward;
  std::vector<Choice> choice;  // one more than rewards where the critics' value stands at the end
  bool terminated = false;
};

EpisodeValues values_of(const Track& track, double discount, double alpha) {
  const std::size_t length = track.reward.size();
  EpisodeValues episode{std::vector<double>(length), std::vector<double>(length), track.terminated, 0.0};
  double earned = track.terminated ? 0.0 : track.choice[length].value;
  for (std::size_t t = length; t-- > 0;) {
    if (t + 1 < length || !track.terminated) earned -= alpha * track.choice[t + 1].log_prob;
    earned = track.reward[t] + discount * earned;
    episode.value[t] = track.choice[t].value;
    episode.earned[t] = earned;
    episode.total += track.reward[t];
  }
  return episode;
}

}  // namespace

std::vector<EpisodeValues> value_errors(Stream& stream, const Learner& learner, int num_episodes) {
  EnvPool envs(learner.config().env, num_episodes, fresh_seed(learner), stream.pool());
  HostSac sac(*learner.soft_actor_critic());
  const RandomKey noise{fresh_seed(learner), purpose::kActionNoise, 0};
  const auto N = static_cast<std::size_t>(num_episodes);
  const int A = envs.spec().action_size;
  std::vector<float> actions(N * static_cast<std::size_t>(A), 0.0f);
  const Matrix<float> action(actions.data(), num_episodes, A);
  std::vector<float> last_action(static_cast<std::size_t>(A));
  std::vector<std::uint8_t> active(N, 1);
  std::vector<Track> tracks(N);

  envs.reset(kFreshEpisode);
  int left = num_episodes;
  for (std::uint64_t step = kFreshStep; left > 0; ++step) {
    for (int i = 0; i < num_episodes; ++i)
      if (active[i])
        tracks[i].choice.push_back(sac.choose(envs.observation().row(i), noise, step,
                                              static_cast<std::uint32_t>(i), action.row(i)));
    const PoolStep result = envs.step(action, active);
    for (int i = 0; i < num_episodes; ++i) {
      if (!active[i]) continue;
      Track& track = tracks[i];
      if (!result.broken[i]) track.reward.push_back(result.reward[i]);
      if (!result.terminated[i] && !result.truncated[i]) continue;
      active[i] = 0;
      --left;
      track.terminated = result.terminated[i];
      // the choice at the state after the limit; where the simulator broke, it is the last one
      if (!track.terminated && !result.broken[i])
        track.choice.push_back(sac.choose(result.next_observation.row(i), noise, step + 1,
                                          static_cast<std::uint32_t>(i), last_action.data()));
    }
  }

  const double discount = learner.config().sac.discount;
  const double alpha = std::exp(to_host(learner.soft_actor_critic()->log_alpha.value)[0]);
  std::vector<EpisodeValues> episodes;
  for (const Track& track : tracks) episodes.push_back(values_of(track, discount, alpha));
  return episodes;
}

}  // namespace mbrl
