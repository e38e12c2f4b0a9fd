#include "host/analysis/film.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "envs/picture.h"
#include "host/analysis/camera.h"
#include "host/analysis/fresh_episodes.h"

namespace mbrl {

FilmRate film_rate(double dt) {
  constexpr double kMostPerSecond = 60.0;
  // a dt of 1 / 60 s is no more than a float's error away
  const int steps = static_cast<int>(std::ceil(1.0 / (dt * kMostPerSecond) - 1e-6));
  const int steps_per_picture = std::max(steps, 1);
  return {1.0 / (dt * steps_per_picture), steps_per_picture};
}

Film film_episodes(Stream& stream, Learner& learner, const FilmOptions& options,
                   const std::function<std::unique_ptr<FilmWriter>(double rate)>& open) {
  const EnvOptions& env_options = learner.config().env;
  const std::unique_ptr<Env> env = make_env(env_options);
  const EnvSpec& spec = env->spec();
  const int limit = episode_limit(env_options, spec);
  const std::unique_ptr<PolicyCopy> policy = learner.make_policy_copy(stream, 1);
  const Picture picture = picture_of(*env);
  Camera camera(picture, options.width, options.height);
  const FilmRate rate = film_rate(spec.dt);
  const std::unique_ptr<FilmWriter> writer = open(rate.frames_per_second);
  Film film{
      .returns = {}, .lengths = {}, .num_pictures = 0, .frames_per_second = rate.frames_per_second};
  const auto show = [&] {
    writer->add(camera.draw(*env));
    ++film.num_pictures;
  };

  std::vector<float> observation(static_cast<std::size_t>(spec.observation_size)),
      action(static_cast<std::size_t>(spec.action_size));
  for (int i = 0; i < options.num_episodes; ++i) {
    policy->renew();  // a planner begins anew
    env->reset(fresh_seed(learner), (static_cast<std::uint64_t>(i) << 32) + kFreshEpisode,
               observation);
    show();
    film.returns.push_back(0.0);
    film.lengths.push_back(0);
    for (bool ended = false; !ended;) {
      policy->act({observation.data(), 1, spec.observation_size},
                  {action.data(), 1, spec.action_size});
      const StepResult result = env->step(action, observation);
      if (result.broken) break;
      film.returns.back() += result.reward;
      ended = ++film.lengths.back() >= limit || result.terminated || result.truncated;
      if (ended || film.lengths.back() % rate.steps_per_picture == 0) show();
    }
  }
  writer->close();
  return film;
}

}  // namespace mbrl
