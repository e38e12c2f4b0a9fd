// Tests for the visit() of learners: a state.json from elsewhere is refused by the name of what is
// wrong in it, before anything is allocated or read with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "host/algo/mbpo.h"
#include "host/algo/ppo.h"
#include "tests/support/configs.h"
#include "tests/support/error_text.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

template <typename L>
class Foreign {
 public:
  explicit Foreign(const Config& config) : learner_(config, stream_, {}, 0) {
    for (int i = 0; i < 60; ++i) EXPECT_TRUE(learner_.step());
    StateWriter saved;
    learner_.visit(saved);
    state = nlohmann::json::parse(saved.state.dump());
  }

  /// What loading says with this value at a place; "" if it takes it.
  std::string with(const std::string& pointer, const nlohmann::json& value) {
    nlohmann::json changed = state;
    const nlohmann::json::json_pointer place(pointer);
    EXPECT_TRUE(changed.contains(place)) << pointer;
    changed[place] = value;
    StateReader reader(
        changed, [](Archive::File, const TensorRef&) {}, "x/state.json");
    std::string text = error_text<DataError>([&] { learner_.visit(reader); });
    StateReader whole(state, [](Archive::File, const TensorRef&) {});
    learner_.visit(whole);
    return text;
  }

  nlohmann::json state;

 private:
  ThreadPool pool_{1};
  Stream stream_{pool_};
  L learner_;
};

TEST(ForeignStateTest, WhatIsWrongInAnMbpoStateIsNamed) {
  Config config = small_mbpo("pendulum");
  config.env.max_episode_steps = 10;  // exploration ends with an episode, and the model is fitted
  Foreign<Mbpo> mbpo(config);
  EXPECT_EQ(mbpo.with("/env_steps", 60), "") << "the state itself";
  EXPECT_THAT(mbpo.with("/metrics/sum", {1.0, 2.0}),
              HasSubstr("x/state.json: metrics.sum has 2 values; expected "));
  EXPECT_THAT(mbpo.with("/metrics/count", nullptr), HasSubstr("metrics.count is null"));
  EXPECT_THAT(mbpo.with("/metrics/count/0", -1), HasSubstr("metrics.count holds -1; expected 0 to "));
  EXPECT_THAT(mbpo.with("/num_broken/0", std::numeric_limits<std::int64_t>::max()),
              HasSubstr("num_broken holds 9223372036854775807"));
  EXPECT_THAT(mbpo.with("/num_dead", std::numeric_limits<int>::max()), HasSubstr("num_dead is "));
  EXPECT_THAT(mbpo.with("/metrics/is_latest/0", 300), HasSubstr("metrics.is_latest is 300"));
  for (const nlohmann::json& elites :
       {nlohmann::json{0, 7}, nlohmann::json{-1, 0}, nlohmann::json{0.5, 1},
        nlohmann::json{0, 1, 2}, nlohmann::json::array(), nlohmann::json("all")})
    EXPECT_THAT(mbpo.with("/model/elites", elites),
                HasSubstr("model.elites is " + elites.dump() + "; expected at most 2"));
  for (const char* replay : {"real_replay", "model_replay"}) {
    const std::string name(replay);
    for (const nlohmann::json& capacity :
         {nlohmann::json(0), nlohmann::json(-1), nlohmann::json(1e12),
          nlohmann::json(std::numeric_limits<std::uint64_t>::max())})
      EXPECT_THAT(mbpo.with("/" + name + "/capacity", capacity),
                  HasSubstr(name + ".capacity is " + capacity.dump() + "; expected "));
    EXPECT_THAT(mbpo.with("/" + name + "/size", 1 << 20), HasSubstr(name + ".size is 1048576"));
    EXPECT_THAT(mbpo.with("/" + name + "/head", 1 << 20), HasSubstr(name + ".head is 1048576"));
  }
  for (const std::int64_t size : {std::int64_t{-1}, std::int64_t{1} << 40}) {
    EXPECT_THAT(mbpo.with("/pending_size", size), HasSubstr("pending_size is "));
    EXPECT_THAT(mbpo.with("/env_state_size", size), HasSubstr("env_state_size is "));
  }
  // one epoch's rollouts of the longest length: 3 steps from 100 states, twice
  EXPECT_EQ(mbpo.with("/model_replay/capacity", 600), "");
  EXPECT_THAT(mbpo.with("/model_replay/capacity", 601), HasSubstr("is 601; expected 1 to 600"));
  EXPECT_THAT(mbpo.with("/env_steps", -5), HasSubstr("env_steps is -5; expected 0 to "));
  EXPECT_THAT(mbpo.with("/exploring", 1), HasSubstr("exploring is 1; expected true or false"));
  EXPECT_THAT(mbpo.with("/last_return", "\x1b[31m"), HasSubstr("last_return is \"\\u001b[31m\""));
  EXPECT_THAT(mbpo.with("/model/num_rollouts", -1), HasSubstr("model.num_rollouts is -1"));
  EXPECT_THAT(mbpo.with("/model/rollout_length", 1000), HasSubstr("expected 0 to 3"));
}

TEST(ForeignStateTest, AnEpisodeIsAsLongAsTheConfigSays) {
  Config config = small_mbpo("pendulum");  // whose own limit is 200
  config.env.max_episode_steps = 500;
  Foreign<Mbpo> mbpo(config);
  EXPECT_EQ(mbpo.with("/episode_length", 450), "");
  EXPECT_EQ(mbpo.with("/pending_size", 450 * 16), "");
  EXPECT_THAT(mbpo.with("/episode_length", 501), HasSubstr("expected 0 to 500"));
}

TEST(ForeignStateTest, WhatIsWrongInAPpoStateIsNamed) {
  Config config = small_ppo("cartpole");
  Foreign<Ppo> ppo(config);
  const int last = config.ppo.steps_per_update - 1;
  for (const int count : {-1, last + 1, 1 << 30})
    EXPECT_THAT(ppo.with("/num_collected", count),
                HasSubstr("num_collected is " + std::to_string(count) + "; expected 0 to " +
                          std::to_string(last)));
  EXPECT_THAT(ppo.with("/num_updates", -1), HasSubstr("num_updates is -1"));
}

TEST(ForeignStateTest, WhatCountsInTheReplaysFileIsChecked) {
  ThreadPool pool(1);
  Stream stream(pool);
  const Config config = small_ppo("cartpole");
  Ppo ppo(config, stream, {}, 0);
  StateWriter saved;
  ppo.visit(saved);
  const auto with = [&](const std::string& name, auto value) {
    StateReader reader(saved.state, [&](Archive::File, const TensorRef& tensor) {
      if (tensor.name == name) std::memcpy(tensor.data, &value, sizeof(value));
    });
    return error_text<DataError>([&] { ppo.visit(reader); });
  };
  EXPECT_EQ(with("episode_length", 3), "");
  EXPECT_THAT(with("episode_length", -1), HasSubstr("episode_length holds -1"));
  EXPECT_THAT(with("env_state", 1e300), HasSubstr("is in step"));
  EXPECT_THAT(with("env_state", std::nan("")), HasSubstr("not finite"));
}

}  // namespace
}  // namespace mbrl
