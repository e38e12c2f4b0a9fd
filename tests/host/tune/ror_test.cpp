// Tests for host/tune/autombpo/ror.{h,cpp}: the Q-network's gradient, rewards, a bandit, its state.
#include "host/tune/autombpo/ror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "host/io/json_file.h"
#include "host/tune/autombpo/controller.h"
#include "tests/support/error_text.h"
#include "tests/support/float64.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

const RandomKey kKey{3, purpose::kHyperAction, 5};

TEST(QNetworkTest, DescendsAlongTheGradientOfTheSquaredErrors) {
  QNetwork network(3, 5, kKey);
  const std::vector<float> input{0.3f, -1.2f, 0.8f};
  const std::vector<double> target{1, -2, 0.5, 3, 0};
  const auto loss = [&] {
    const std::vector<double> q = network.values(input);
    double sum = 0.0;
    for (std::size_t i = 0; i < q.size(); ++i) sum += 0.5 * (q[i] - target[i]) * (q[i] - target[i]);
    return sum;
  };
  // both sides of the ELU are in use
  std::vector<double> gradient;
  for (double& parameter : network.parameters())
    gradient.push_back(reference::derivative(parameter, loss));
  const std::vector<double> before = network.parameters();
  std::vector<double> errors = network.values(input);
  for (std::size_t i = 0; i < errors.size(); ++i) errors[i] -= target[i];
  constexpr double kRate = 1e-3;
  network.descend(input, errors, kRate);
  int moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_NEAR((before[i] - network.parameters()[i]) / kRate, gradient[i], 1e-7) << i;
    moved += gradient[i] != 0.0;
  }
  EXPECT_GT(moved, 100);
}

TEST(QNetworkTest, StartsAtGlorotsWeightsThatTheKeyDecides) {
  const QNetwork a(6, 4, kKey), b(6, 4, kKey), c(6, 4, {3, purpose::kHyperAction, 6});
  EXPECT_EQ(a.parameters(), b.parameters());
  EXPECT_NE(a.parameters(), c.parameters());
  // 6 x 8 weights and 8 biases, 8 x 8 and 8, 8 x 4 and 4
  ASSERT_EQ(a.parameters().size(), 48u + 8 + 64 + 8 + 32 + 4);
  for (std::size_t i = 0; i < 48; ++i)
    EXPECT_LE(std::fabs(a.parameters()[i]), std::sqrt(6.0 / 14.0));
  for (std::size_t i = 48; i < 56; ++i) EXPECT_EQ(a.parameters()[i], 0.0);
}

Config one_head() {
  Config config;
  config.controller.heads = {"model"};
  config.controller.features = {"samples"};
  return config;
}

TEST(RorDeciderTest, AStepEarnsTheSignOfTheChangeOfTheReturn) {
  RorDecider decider(one_head(), kKey);
  decider.on_evaluation(10);  // before the first decision
  std::uint64_t draw = 0;
  const auto decide = [&] { decider.decide(0, {0.5f}, draw++); };
  decide();
  decider.on_evaluation(12);
  decide();  // paid: rose
  decide();  // paid: nothing was evaluated
  decider.on_evaluation(5);
  decide();  // paid: fell
  decider.on_evaluation(5);
  decide();  // paid: the same
  std::vector<double> rewards;
  const nlohmann::json state = decider.state();
  for (const auto& experience : state.at("memory")) rewards.push_back(experience.at(2));
  EXPECT_EQ(rewards, (std::vector<double>{1, 0, -1, 0}));
}

TEST(RorDeciderTest, LearnsWhichOptionRaisesTheReturn) {
  for (const float good : {0.0f, 1.0f}) {
    RorDecider decider(one_head(), kKey);
    double value = 0.0;
    int late = 0, random = 0;
    decider.on_evaluation(value);
    for (std::uint64_t i = 0; i < 400; ++i) {
      const HyperDecision d = decider.decide(0, {0.5f}, i);
      value += d.options[0] == good ? 1.0 : -1.0;
      decider.on_evaluation(value);
      if (i >= 200) late += d.options[0] == good;
      // the chance of the greedy option is 0.9 + 0.1 / 2
      const bool greedy = std::fabs(d.log_probs[0] - std::log(0.95)) < 1e-6;
      EXPECT_TRUE(greedy || std::fabs(d.log_probs[0] - std::log(0.05)) < 1e-6);
      random += !greedy;
    }
    EXPECT_GT(late, 170) << good;
    // one in twenty, with a deviation of 4.4
    EXPECT_NEAR(random, 20, 18);
    EXPECT_GT(random, 4);
  }
}

// Q-learning that bootstraps from its own steps may run away
TEST(RorDeciderTest, ValuesStayWithinTheRewards) {
  const Config config;
  for (std::uint32_t seed = 0; seed < 10; ++seed) {
    RorDecider decider(config, {seed, purpose::kHyperAction, 5});
    QNetwork network(8, 11, kKey);
    std::vector<float> state(8);
    for (std::uint64_t i = 0; i < 400; ++i) {
      for (std::size_t k = 0; k < state.size(); ++k)
        state[k] = 0.5f + 0.5f * std::sin(0.02f * static_cast<float>(i * (k + 1)));
      decider.decide(0, state, i);
      if (i % 8 == 7) decider.on_evaluation(std::fmod(static_cast<double>(i * i), 37.0));
    }
    network.parameters() = decider.state().at("parameters").get<std::vector<double>>();
    // 1 at most once it has converged, a little more on the way
    for (const double value : network.values(state)) EXPECT_LT(std::fabs(value), 3.0) << seed;
  }
}

TEST(RorDeciderTest, DecidesOnAllHeadsWhateverTheStack) {
  Config config;
  config.controller.stack = "staged";
  RorDecider decider(config, kKey);
  EXPECT_EQ(decider.num_groups(), 1);
  EXPECT_EQ(decider.heads(0).size(), 4u);
  const HyperDecision d = decider.decide(0, std::vector<float>(8, 0.5f), 0);
  ASSERT_EQ(d.options.size(), 4u);
  for (std::size_t h = 0; h < 4; ++h) EXPECT_LT(d.options[h], num_options(decider.heads(0)[h]));
}

TEST(RorDeciderTest, AForeignStateIsRefusedByTheNameOfWhatIsWrong) {
  Config config;
  config.controller.features = {"samples", "values"};  // 4 inputs, 4 heads
  RorDecider decider(config, kKey);
  for (std::uint64_t i = 0; i < 3; ++i) decider.decide(0, std::vector<float>(4, 0.5f), i);
  const nlohmann::json state = decider.state();
  const auto with = [&](const char* pointer, const nlohmann::json& value) {
    nlohmann::json changed = state;
    const nlohmann::json::json_pointer place(pointer);
    EXPECT_TRUE(changed.contains(place)) << pointer;
    changed[place] = value;
    const std::string text = error_text<ValueError>([&] { decider.set_state(changed); });
    decider.set_state(state);
    return text;
  };
  EXPECT_EQ(with("/reward", -1.0), "");
  EXPECT_THAT(with("/parameters", {1.0, 2.0}), HasSubstr("parameters is a list of 2; expected"));
  EXPECT_THAT(with("/memory/0/0", {0.5, 0.5}), HasSubstr("a state in memory is a list of 2"));
  EXPECT_THAT(with("/memory/1/3/2", "x"), HasSubstr("a state in memory is \"x\""));
  for (const double option : {-1.0, 3.0, 0.5, 1e30})
    EXPECT_THAT(with("/memory/0/1/0", option), HasSubstr("a choice in memory has "));
  EXPECT_THAT(with("/memory/0/1", nlohmann::json::array()), HasSubstr("a list of 0"));
  EXPECT_THAT(with("/memory", std::vector<int>(33)), HasSubstr("memory holds 33 steps"));
  EXPECT_THAT(with("/last_state", {0.5}), HasSubstr("last_state is a list of 1"));
  EXPECT_THAT(with("/last_options/3", 7), HasSubstr("last_options has 7 for rollout_length"));
  EXPECT_THAT(with("/last_return", nullptr), HasSubstr("last_return is null"));
}

TEST(RorDeciderTest, AStateThatWasSavedGoesOnAsIfItHadNotBeen) {
  const auto feed = [](RorDecider& decider, std::uint64_t from, std::uint64_t to) {
    std::vector<std::vector<float>> options;
    for (std::uint64_t i = from; i < to; ++i) {
      options.push_back(decider.decide(0, {0.01f * static_cast<float>(i)}, i).options);
      if (i % 3 == 1) decider.on_evaluation(std::sin(static_cast<double>(i)));
    }
    return options;
  };
  RorDecider whole(one_head(), kKey), first(one_head(), kKey), second(one_head(), kKey);
  const auto wanted = feed(whole, 0, 90);
  feed(first, 0, 47);
  second.set_state(nlohmann::json::parse(first.state().dump()));
  const auto got = feed(second, 47, 90);
  EXPECT_EQ(got, std::vector<std::vector<float>>(wanted.begin() + 47, wanted.end()));
  EXPECT_EQ(second.state(), whole.state());
  EXPECT_EQ(whole.state().at("memory").size(), 32u);
}

}  // namespace
}  // namespace mbrl
