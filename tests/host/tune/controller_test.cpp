// Tests for host/tune/autombpo/controller.{h,cpp} and decider.h: choosing, learning, files.
#include "host/tune/autombpo/controller.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "host/tune/autombpo/decider.h"
#include "tests/support/matchers.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

const RandomKey kKey{3, purpose::kHyperAction, 5};

Config small_config(const std::string& stack = "joint") {
  Config c;
  c.controller.stack = stack;
  c.controller.hidden_size = 16;
  c.controller.learning_rate = 0.01f;
  c.controller.batch_size = 32;
  c.controller.updates_per_episode = 2;
  return c;
}

std::vector<float> some_state(const ControllerStack& stack, int group, const Config& config) {
  std::vector<float> state(
      static_cast<std::size_t>(hyper_state_size(stack.visible(group), config)));
  for (std::size_t i = 0; i < state.size(); ++i) state[i] = 0.1f + 0.1f * static_cast<float>(i);
  return state;
}

// hyper-episodes of one decision each, paid by `reward`
template <typename Reward>
std::vector<HyperTrajectory> bandit(Stream& stream, ControllerStack& stack, int group,
                                    const Config& config, Reward reward, int count = 64) {
  std::vector<HyperTrajectory> episodes;
  for (int i = 0; i < count; ++i) {
    const HyperDecision d = stack.decide(stream, group, some_state(stack, group, config), kKey,
                                         static_cast<std::uint64_t>(i));
    episodes.push_back({{d}, {reward(d)}});
  }
  return episodes;
}

TEST(ControllerStackTest, JointSeesEverythingAndStagedWhatDecidesBeforeIt) {
  TestStream stream;
  const Config joint = small_config(), staged = small_config("staged");
  const ControllerStack one(stream, joint, 1), three(stream, staged, 1);
  ASSERT_EQ(one.size(), 1);
  EXPECT_EQ(one.heads(0).size(), 4u);
  EXPECT_EQ(one.visible(0), one.heads(0));
  ASSERT_EQ(three.size(), 3);
  EXPECT_EQ(three.heads(1), std::vector<std::string>{"updates"});
  EXPECT_EQ(three.visible(1), (std::vector<std::string>{"real_ratio", "model", "updates"}));
  // 5 measurements, then the values in view: the released code's 6 and 7, and one more
  for (int g = 0; g < 3; ++g) EXPECT_EQ(hyper_state_size(three.visible(g), staged), 6 + g);
  EXPECT_EQ(hyper_state_size(one.visible(0), joint), 8);
}

TEST(ControllerStackTest, BeginsNearEqualChances) {
  TestStream stream;
  const Config config = small_config();
  ControllerStack stack(stream, config, 1);
  for (const auto& head : stack.probabilities(stream, 0, some_state(stack, 0, config))) {
    double sum = 0.0;
    for (const double p : head) {
      EXPECT_NEAR(p, 1.0 / static_cast<double>(head.size()), 0.1);
      sum += p;
    }
    EXPECT_NEAR(sum, 1.0, 1e-12);
  }
}

TEST(ControllerStackTest, OptionsComeAsOftenAsTheSoftmaxSaysAndLogProbsAreItsOwn) {
  TestStream stream;
  for (const char* kind : {"joint", "staged"}) {
    const Config config = small_config(kind);
    ControllerStack stack(stream, config, 1);
    // away from equal chances
    for (int g = 0; g < stack.size(); ++g)
      for (int i = 0; i < 4; ++i)
        stack.learn(stream, g,
                    bandit(stream, stack, g, config,
                           [](const HyperDecision& d) { return d.options[0] == 1 ? 1.0 : -1.0; }),
                    7, i);
    for (int g = 0; g < stack.size(); ++g) {
      const std::vector<float> state = some_state(stack, g, config);
      const auto chances = stack.probabilities(stream, g, state);
      constexpr int kDraws = 3000;
      std::vector<std::vector<int>> counts;
      for (const auto& head : chances) counts.emplace_back(head.size(), 0);
      for (int i = 0; i < kDraws; ++i) {
        const HyperDecision d = stack.decide(stream, g, state, kKey, static_cast<std::uint64_t>(i));
        EXPECT_EQ(d.state, state);
        ASSERT_EQ(d.options.size(), chances.size());
        for (std::size_t h = 0; h < chances.size(); ++h) {
          const auto option = static_cast<std::size_t>(d.options[h]);
          ++counts[h].at(option);
          EXPECT_NEAR(d.log_probs[h], std::log(chances[h][option]), 2e-5);
        }
      }
      for (std::size_t h = 0; h < chances.size(); ++h)
        for (std::size_t o = 0; o < chances[h].size(); ++o) {
          const double p = chances[h][o];
          EXPECT_NEAR(counts[h][o], kDraws * p, 4.5 * std::sqrt(kDraws * p * (1 - p)))
              << kind << g << h << o;
        }
      EXPECT_GT(chances[0][1], 0.45) << "the softmax was no uniform one";
    }
  }
}

TEST(ControllerStackTest, GroupsAndRunsDrawIndependently) {
  TestStream stream;
  const Config config = small_config("staged");
  ControllerStack stack(stream, config, 1);
  const auto options = [&](int group, const RandomKey& key) {
    std::vector<float> all;
    for (std::uint64_t i = 0; i < 300; ++i)
      all.push_back(
          stack.decide(stream, group, some_state(stack, group, config), key, i).options.back());
    return all;
  };
  const auto same = [](const std::vector<float>& a, const std::vector<float>& b) {
    int count = 0;
    for (std::size_t i = 0; i < a.size(); ++i) count += a[i] == b[i];
    return count;
  };
  const std::vector<float> updates = options(1, kKey);
  EXPECT_EQ(options(1, kKey), updates);
  // of 300 pairs of fair draws from three, 100 agree by chance, with a deviation of 8
  EXPECT_NEAR(same(options(2, kKey), updates), 100, 40);
  EXPECT_NEAR(same(options(1, {3, purpose::kHyperAction, 6}), updates), 100, 40);
}

TEST(ControllerStackTest, EpsilonChoosesUniformlyAndLogProbsStayTheControllersOwn) {
  TestStream stream;
  Config config = small_config();
  ControllerStack stack(stream, config, 1);
  for (int i = 0; i < 20; ++i)
    stack.learn(stream, 0,
                bandit(stream, stack, 0, config,
                       [](const HyperDecision& d) { return d.options[0] == 1 ? 1.0 : -1.0; }),
                7, i);
  const std::vector<float> state = some_state(stack, 0, config);
  const auto chances = stack.probabilities(stream, 0, state);
  ASSERT_GT(chances[0][1], 0.9);
  for (const float epsilon : {1.0f, 0.5f}) {
    constexpr int kDraws = 2000;
    int favourites = 0;
    for (int i = 0; i < kDraws; ++i) {
      const HyperDecision d =
          stack.decide(stream, 0, state, kKey, static_cast<std::uint64_t>(i), epsilon);
      favourites += d.options[0] == 1;
      for (std::size_t h = 0; h < chances.size(); ++h)
        EXPECT_NEAR(d.log_probs[h], std::log(chances[h].at(static_cast<std::size_t>(d.options[h]))),
                    1e-4);
    }
    const double p = epsilon / 3 + (1 - epsilon) * chances[0][1];
    EXPECT_NEAR(favourites, kDraws * p, 4.5 * std::sqrt(kDraws * p * (1 - p))) << epsilon;
  }
}

TEST(ControllerDeciderTest, OnlyTheExploringGroupTakesUniformChoices) {
  TestStream stream;
  const Config config = small_config("staged");
  ControllerStack plain(stream, config, 1);
  ControllerDecider decider(stream, std::make_shared<ControllerStack>(stream, config, 1), kKey,
                            /*exploring_group=*/1, /*epsilon=*/1.0f);
  int changed[3] = {};
  for (std::uint64_t i = 0; i < 60; ++i)
    for (int g = 0; g < 3; ++g) {
      const std::vector<float> state = some_state(plain, g, config);
      changed[g] +=
          decider.decide(g, state, i).options != plain.decide(stream, g, state, kKey, i).options;
    }
  EXPECT_EQ(changed[0], 0);
  EXPECT_GT(changed[1], 20);
  EXPECT_EQ(changed[2], 0);
}

TEST(ControllerDeciderTest, ARunGoesOnWithTheControllerThatItBeganWith) {
  TestStream stream;
  const Config config = small_config("joint");
  const auto decider = [&](std::uint32_t seed) {
    return ControllerDecider(stream, std::make_shared<ControllerStack>(stream, config, seed), kKey);
  };
  const nlohmann::json state = decider(1).state();
  EXPECT_NO_THROW(decider(1).set_state(state));
  EXPECT_THROW(decider(2).set_state(state), DataError);
}

TEST(ControllerLearnTest, RewardRaisesAChanceAndPunishmentLowersItForEachHeadOfEachGroup) {
  TestStream stream;
  for (const char* kind : {"joint", "staged"}) {
    const Config config = small_config(kind);
    ControllerStack fresh(stream, config, 1);
    for (int g = 0; g < fresh.size(); ++g)
      for (std::size_t h = 0; h < fresh.heads(g).size(); ++h)
        for (const double reward : {1.0, -1.0}) {
          ControllerStack stack(stream, config, 1);
          const auto chance = [&](int group, std::size_t head) {
            return stack.probabilities(stream, group, some_state(stack, group, config))[head][0];
          };
          std::vector<double> others;
          for (int k = 0; k < stack.size(); ++k) others.push_back(chance(k, 0));
          const double before = chance(g, h);
          stack.learn(
              stream, g,
              bandit(stream, stack, g, config,
                     [&](const HyperDecision& d) { return d.options[h] == 0 ? reward : 0.0; }),
              7, 0);
          EXPECT_GT((chance(g, h) - before) * reward, 0.02) << kind << g << h << reward;
          for (int k = 0; k < stack.size(); ++k) {
            if (k == g) continue;
            EXPECT_EQ(chance(k, 0), others[static_cast<std::size_t>(k)]);
          }
        }
  }
}

TEST(ControllerLearnTest, ADecisionIsCreditedWithAllThatFollowsIt) {
  // the reward comes two decisions later; whoever credits only the last sees nothing in the first
  TestStream stream;
  Config config = small_config();
  config.controller.heads = {"model"};
  ControllerStack stack(stream, config, 1);
  const int size = hyper_state_size(stack.visible(0), config);
  const std::vector<float> first(static_cast<std::size_t>(size), 0.0f);
  const std::vector<float> later(static_cast<std::size_t>(size), 1.0f);
  for (int stage = 0; stage < 12; ++stage) {
    std::vector<HyperTrajectory> episodes;
    for (std::uint64_t i = 0; i < 48; ++i) {
      const std::uint64_t draw = 1000u * static_cast<std::uint64_t>(stage) + 3 * i;
      HyperTrajectory t;
      for (std::uint64_t k = 0; k < 3; ++k)
        t.decisions.push_back(stack.decide(stream, 0, k == 0 ? first : later, kKey, draw + k));
      t.rewards = {0.0, 0.0, t.decisions[0].options[0] == 1 ? 1.0 : -1.0};
      episodes.push_back(t);
    }
    stack.learn(stream, 0, episodes, 7, stage);
  }
  EXPECT_GT(stack.probabilities(stream, 0, first)[0][1], 0.8);
}

TEST(ControllerLearnTest, NothingToLearnFromChangesNothing) {
  TestStream stream;
  Config config = small_config();
  config.controller.updates_per_episode = 0;
  ControllerStack stack(stream, config, 1);
  const std::vector<float> state = some_state(stack, 0, config);
  const auto before = stack.probabilities(stream, 0, state);
  stack.learn(stream, 0, {}, 7, 0);
  stack.learn(stream, 0,
              bandit(
                  stream, stack, 0, config, [](auto&) { return 1.0; }, 3),
              7, 0);
  EXPECT_EQ(stack.probabilities(stream, 0, state), before);
}

TEST(ControllerLearnTest, TheValueBaselineIsSubtractedAndLearned) {
  TestStream stream;
  Config config = small_config();
  const auto learn = [&](bool value_baseline, double expected, int stages) {
    config.controller.value_baseline = value_baseline;
    ControllerStack stack(stream, config, 1);
    const std::vector<float> state = some_state(stack, 0, config);
    const auto before = stack.probabilities(stream, 0, state);
    for (int i = 0; i < stages; ++i) {
      auto episodes = bandit(stream, stack, 0, config, [](auto&) { return 3.0; });
      if (!std::isnan(expected))
        for (HyperTrajectory& e : episodes) e.decisions[0].value = static_cast<float>(expected);
      stack.learn(stream, 0, episodes, 7, i);
    }
    const auto after = stack.probabilities(stream, 0, state);
    return std::tuple(after == before, stack.decide(stream, 0, state, kKey, 0).value);
  };
  // an estimate that comes true leaves nothing to learn for the policy
  EXPECT_TRUE(std::get<0>(learn(true, 3.0, 1)));
  EXPECT_FALSE(std::get<0>(learn(true, 0.0, 1)));
  // without one the estimate is not looked at
  EXPECT_FALSE(std::get<0>(learn(false, 3.0, 1)));
  EXPECT_EQ(std::get<1>(learn(false, std::nan(""), 1)), 0.0f);
  // and it comes true
  EXPECT_NEAR(std::get<1>(learn(true, std::nan(""), 10)), 3.0, 0.3);
}

// Where every hyper-episode is paid alike, whatever it chose, nothing is left of centered advantages.
TEST(ControllerLearnTest, CenteredAdvantagesForgetWhatAStageHasInCommon) {
  ThreadPool pool(1);
  Stream stream(pool);
  for (const char* centering : {"none", "stage", "decision"}) {
    Config config = small_config();
    config.controller.centering = centering;
    ControllerStack stack(stream, config, 1);
    const std::vector<float> state = some_state(stack, 0, config);
    const auto before = stack.probabilities(stream, 0, state);
    std::vector<HyperTrajectory> episodes =
        bandit(stream, stack, 0, config, [](const HyperDecision&) { return 0.0; });
    for (HyperTrajectory& episode : episodes) episode.rewards.back() = 5.0;
    stack.learn(stream, 0, episodes, 7, 0);
    const auto after = stack.probabilities(stream, 0, state);
    if (std::string(centering) == "none") {
      EXPECT_NE(before, after);
    } else {
      for (std::size_t h = 0; h < before.size(); ++h)
        for (std::size_t i = 0; i < before[h].size(); ++i)
          EXPECT_NEAR(before[h][i], after[h][i], 1e-6) << centering;
    }
  }
}

TEST(ControllerLearnTest, TheEntropyBonusEvensTheChances) {
  TestStream stream;
  const TemporaryDirectory folder;
  Config config = small_config();
  ControllerStack skewed(stream, config, 1);
  for (int i = 0; i < 6; ++i)
    skewed.learn(stream, 0,
                 bandit(stream, skewed, 0, config,
                        [](const HyperDecision& d) { return d.options[0] == 1 ? 1.0 : -1.0; }),
                 7, i);
  skewed.save(folder.path() / "skewed");
  const std::vector<float> state = some_state(skewed, 0, config);
  const double before = skewed.probabilities(stream, 0, state)[0][1];
  ASSERT_GT(before, 0.6);
  for (const float bonus : {0.0f, 0.5f}) {
    config.controller.entropy_bonus = bonus;
    ControllerStack stack(stream, config, 2);
    stack.load(folder.path() / "skewed");
    for (int i = 0; i < 10; ++i)
      stack.learn(stream, 0, bandit(stream, stack, 0, config, [](auto&) { return 0.0; }), 7, i);
    const double after = stack.probabilities(stream, 0, state)[0][1];
    if (bonus > 0.0f)
      EXPECT_LT(after, 0.5);
    else
      EXPECT_NEAR(after, before, 0.01) << "nothing pulls it back";
  }
}

TEST(ControllerFileTest, WhatIsLoadedIsWhatWasSavedAndLearnsOnAlike) {
  TestStream stream;
  const TemporaryDirectory folder;
  for (const char* kind : {"joint", "staged"})
    for (const bool value : {false, true}) {
      Config config = small_config(kind);
      config.controller.value_baseline = value;
      ControllerStack saved(stream, config, 1), loaded(stream, config, 2);
      const auto learn = [&](ControllerStack& stack, int stage) {
        for (int g = 0; g < stack.size(); ++g)
          stack.learn(stream, g,
                      bandit(stream, stack, g, config,
                             [](const HyperDecision& d) { return d.options[0] == 1 ? 1.0 : 0.0; }),
                      7, stage);
      };
      learn(saved, 0);
      saved.save(folder.path() / "a");
      loaded.load(folder.path() / "a");
      for (int g = 0; g < saved.size(); ++g) {
        const std::vector<float> state = some_state(saved, g, config);
        EXPECT_EQ(loaded.probabilities(stream, g, state), saved.probabilities(stream, g, state));
      }
      learn(saved, 1);
      learn(loaded, 1);
      saved.save(folder.path() / "a");
      loaded.save(folder.path() / "b");
      EXPECT_EQ(file_text(folder.path() / "a"), file_text(folder.path() / "b"));
      EXPECT_FALSE(std::filesystem::exists(folder.path() / "a.tmp"));
    }
}

TEST(ControllerFileTest, AnotherConfigsControllerIsRefused) {
  TestStream stream;
  const TemporaryDirectory folder;
  const std::filesystem::path file = folder.path() / "c";
  Config config = small_config();
  config.controller.heads = {"real_ratio", "model"};
  config.controller.features = {"samples", "values"};
  ControllerStack(stream, config, 1).save(file);
  const auto error = [&](auto change) {
    Config other = config;
    change(other.controller);
    ControllerStack stack(stream, other, 1);
    return error_text<DataError>([&] { stack.load(file); });
  };
  EXPECT_EQ(error([](ControllerConfig&) {}), "");
  EXPECT_EQ(error([](ControllerConfig& c) { c.heads = {"updates"}; }),
            "controller " + file.string() +
                " decides on real_ratio and model from 2 inputs; features samples values; hidden "
                "layer of 16; this config asks for updates from 2 inputs; features samples values; "
                "hidden layer of 16. Set controller.heads, controller.features, controller.stack "
                "and controller.hidden_size as it was trained with (config.json in its run "
                "directory).");
  for (const std::string& text :
       {error([](ControllerConfig& c) {
          c.features = {"return", "values"};
        }),
        error([](ControllerConfig& c) { c.features = {"samples"}; }),
        error([](ControllerConfig& c) { c.hidden_size = 8; }),
        error([](ControllerConfig& c) { c.value_baseline = true; }), error([](ControllerConfig& c) {
          c.heads = {"real_ratio", "model", "updates"};
          c.stack = "staged";
        })})
    EXPECT_NE(text.find("this config asks for"), std::string::npos) << text;
}

TEST(ControllerFileTest, AWeightThatIsNotFiniteIsRefused) {
  TestStream stream;
  const TemporaryDirectory folder;
  const std::filesystem::path file = folder.path() / "c";
  ControllerStack(stream, small_config(), 1).save(file);
  ControllerStack stack(stream, small_config(), 1);
  stack.load(file);
  // the last weights of the file
  std::string text = file_text(file);
  text.replace(text.size() - 4, 4, "\xff\xff\xff\x7f", 4);
  write_text(file, text);
  EXPECT_NE(error_text<DataError>([&] { stack.load(file); }).find(" holds nan"), std::string::npos);
}

TEST(ControllerFileTest, ANetworkOfAnotherKindIsNoController) {
  TestStream stream;
  const TemporaryDirectory folder;
  const std::filesystem::path file = folder.path() / "weights";
  Buffer<float> values(3, 1.0f);
  write_safetensors(file, {tensor_ref("actor", values)}, {});
  ControllerStack stack(stream, small_config(), 1);
  EXPECT_EQ(error_text<DataError>([&] { stack.load(file); }),
            file.string() +
                " is not a controller; expected a file written by an autombpo run, such as "
                "controller/best.safetensors in its run directory.");
}

}  // namespace
}  // namespace mbrl
