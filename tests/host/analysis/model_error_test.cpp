// Tests for host/analysis/model_error.{h,cpp}.
#include "host/analysis/model_error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "host/algo/mbpo.h"
#include "tests/support/configs.h"

namespace mbrl {
namespace {

Config small_config() {
  Config c = tiny_mbpo("pendulum");
  c.env.max_episode_steps = 7;
  c.sac.updates_per_step = 1;
  c.loop.num_exploration_steps = 30;
  return c;
}

struct Session {
  ThreadPool pool{2};
  Stream stream{pool};
  Mbpo learner{small_config(), stream, {}, 0};

  void fit() {
    while (learner.model()->num_steps == 0) learner.step();
  }
};

nlohmann::json state_of(Learner& learner) {
  StateWriter writer;
  learner.visit(writer);
  return writer.state;
}

TEST(CollectFreshTest, RowsOfAnEnvironmentFollowEachOtherUntilItsEpisodeEnds) {
  Session session;
  const TransitionLayout layout = session.learner.real_replay().layout();
  constexpr int kCount = 94, kEnvs = 10;
  const std::vector<float> records = collect_fresh(session.stream, session.learner, kCount);
  ASSERT_EQ(records.size(), static_cast<std::size_t>(kCount * layout.pitch()));
  const auto record = [&](int i) { return records.data() + i * layout.pitch(); };
  for (int i = 0; i + kEnvs < kCount; ++i) {
    // episodes last 7 steps
    const bool goes_on = (i / kEnvs + 1) % 7 != 0;
    EXPECT_EQ(std::equal(record(i + kEnvs), record(i + kEnvs) + layout.observation_size,
                         record(i) + layout.next_observation()),
              goes_on)
        << i;
    EXPECT_LE(std::abs(record(i)[layout.action()]), 1.0f);
  }
  EXPECT_NE(record(0)[layout.action()], record(1)[layout.action()]) << "the policy is stochastic";
}

TEST(CollectFreshTest, RepeatsItselfAndLeavesTheLearnerAlone) {
  Session session;
  const auto before = state_of(session.learner);
  const std::vector<float> first = collect_fresh(session.stream, session.learner, 50);
  EXPECT_EQ(first, collect_fresh(session.stream, session.learner, 50));
  EXPECT_EQ(before, state_of(session.learner));
}

TEST(ModelErrorsTest, AModelThatPredictsNoChangeErrsByTheChange) {
  Session session;
  session.fit();
  StateWriter state;
  session.learner.visit(state);
  for (const TensorRef& tensor : state.weight_tensors)
    if (tensor.name == "model")
      std::fill_n(static_cast<float*>(tensor.data), session.learner.model()->members.value.size(),
                  0.0f);
  const std::vector<double> errors = model_errors(session.stream, session.learner, 40);
  const std::vector<float> records = collect_fresh(session.stream, session.learner, 40);
  const TransitionLayout layout = session.learner.real_replay().layout();
  ASSERT_EQ(errors.size(), 40u);
  for (int row = 0; row < 40; ++row) {
    const float* record = records.data() + row * layout.pitch();
    double squares = 0.0;
    for (int i = 0; i < layout.observation_size; ++i)
      squares +=
          std::pow(static_cast<double>(record[layout.next_observation() + i]) - record[i], 2);
    EXPECT_NEAR(errors[row], std::sqrt(squares), 1e-6) << row;
    EXPECT_GT(errors[row], 0.0);
  }
}

TEST(ModelErrorsTest, AModelThatWasNeverFittedIsAnError) {
  Session session;
  try {
    model_errors(session.stream, session.learner, 10);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(),
                 "model error: the model of this checkpoint has never been fitted. Take a later "
                 "one, or train on past loop.num_exploration_steps.");
  }
}

}  // namespace
}  // namespace mbrl
