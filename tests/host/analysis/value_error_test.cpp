// Tests for host/analysis/value_error.{h,cpp}.
#include "host/analysis/value_error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "host/algo/registry.h"

namespace mbrl {
namespace {

Config small_config(const std::string& env, int max_episode_steps) {
  Config c;
  c.algorithm = "sac";
  c.env.name = env;
  c.env.max_episode_steps = max_episode_steps;
  c.sac.hidden_sizes = {8};
  c.sac.discount = 0.9;
  return c;
}

/// A learner whose networks give the same output everywhere: their last biases.
struct Session {
  ThreadPool pool{2};
  Stream stream{pool};
  std::unique_ptr<Learner> learner;
  std::map<std::string, TensorRef> tensors;

  Session(const std::string& env, int max_episode_steps)
      : learner(make_learner(small_config(env, max_episode_steps), stream, {})) {
    StateWriter state;
    learner->visit(state);
    for (const TensorRef& tensor : state.weight_tensors) {
      tensors.emplace(tensor.name, tensor);
      std::fill_n(values(tensor.name), tensor.shape.front(), 0.0f);
    }
    values("log_alpha")[0] = -100.0f;  // no entropy unless a test asks for it
  }
  const SacState& sac() const { return *learner->soft_actor_critic(); }
  float* values(const std::string& name) { return static_cast<float*>(tensors.at(name).data); }
  void set_critics(float first, float second) {
    values("critic0")[sac().critics.layout.layers.back().bias] = first;
    values("critic1")[sac().critics.layout.layers.back().bias] = second;
  }
};

nlohmann::json state_of(Learner& learner) {
  StateWriter writer;
  learner.visit(writer);
  return writer.state;
}

TEST(ValueErrorsTest, EarnedIsTheDiscountedReturnUntilTheEpisodeTerminates) {
  Session session("cartpole", 1000);
  session.set_critics(5.0f, 4.0f);
  const auto episodes = value_errors(session.stream, *session.learner, 3);
  ASSERT_EQ(episodes.size(), 3u);
  for (const EpisodeValues& episode : episodes) {
    EXPECT_TRUE(episode.terminated) << "random actions let the pole fall";
    const auto length = static_cast<int>(episode.earned.size());
    ASSERT_GT(length, 5);
    EXPECT_EQ(episode.total, length);
    for (int t = 0; t < length; ++t) {
      // a reward of 1 for each step that is left
      EXPECT_NEAR(episode.earned[t], (1.0 - std::pow(0.9, length - t)) / 0.1, 1e-5) << t;
      EXPECT_EQ(episode.value[t], 4.0) << "the smaller critic";
    }
  }
  EXPECT_NE(episodes[0].earned.size(), episodes[1].earned.size());
}

TEST(ValueErrorsTest, BehindATimeLimitStandsTheCriticsValue) {
  Session session("cartpole", 4);
  session.set_critics(-7.0f, 20.0f);
  const auto episodes = value_errors(session.stream, *session.learner, 2);
  for (const EpisodeValues& episode : episodes) {
    EXPECT_FALSE(episode.terminated);
    ASSERT_EQ(episode.earned.size(), 4u);
    for (int t = 0; t < 4; ++t)
      EXPECT_NEAR(episode.earned[t],
                  (1.0 - std::pow(0.9, 4 - t)) / 0.1 - 7.0 * std::pow(0.9, 4 - t), 1e-5)
          << t;
  }
}

TEST(ValueErrorsTest, EntropyOfTheActionsToComeIsEarnedToo) {
  Session session("cartpole", 40);
  session.set_critics(0.0f, 0.0f);
  const SacState& policy = session.sac();
  // a narrow Gaussian around 0, hardly squashed: entropy ln(sd sqrt(2 pi e))
  session.values("actor")[policy.actor.layout.layers.back().bias + 1] = -4.0f;
  session.values("log_alpha")[0] = std::log(0.5f);
  const auto episodes = value_errors(session.stream, *session.learner, 50);
  double sum = 0.0;
  int count = 0;
  for (const EpisodeValues& episode : episodes) {
    const std::size_t length = episode.earned.size();
    for (std::size_t t = 0; t + 1 < length; ++t, ++count)
      sum += (episode.earned[t] - 1.0) / 0.9 - episode.earned[t + 1];
  }
  ASSERT_GT(count, 400);
  const double entropy = -4.0 + 0.5 * std::log(2.0 * M_PI * M_E);
  // the standard deviation of ln pi is that of half a chi-squared: sqrt(1/2)
  EXPECT_NEAR(sum / count, 0.5 * entropy, 0.5 * 4.0 * std::sqrt(0.5 / count));
}

TEST(ValueErrorsTest, RepeatsItselfAndLeavesTheLearnerAlone) {
  Session session("pendulum", 7);
  const auto before = state_of(*session.learner);
  const auto first = value_errors(session.stream, *session.learner, 3);
  const auto second = value_errors(session.stream, *session.learner, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(first[i].earned, second[i].earned);
  EXPECT_NE(first[0].earned, first[1].earned);
  EXPECT_EQ(before, state_of(*session.learner));
}

}  // namespace
}  // namespace mbrl
