// Tests for host/algo/{learner,mbpo,sac,metrics}: schedule, step order, insertion, exploration.
#include "host/algo/mbpo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "host/algo/registry.h"
#include "host/algo/sac.h"
#include "kernels/stages/sac/sac_update.h"
#include "tests/support/breakable.h"
#include "tests/support/configs.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

TEST(MetricsTest, AddAveragesAndCurrentValuesAreAskedFor) {
  Metrics m;
  double now = 7.0;
  const Metric mean = m.declare("mean");
  m.declare("latest", [&] { return now; });
  EXPECT_TRUE(std::isnan(m.take()[0]));
  EXPECT_EQ(m.take()[1], 7.0);
  m.add(mean, 1.0);
  m.add(mean, 4.0);
  now = 8.0;
  Metrics copy = m;
  StateWriter saved;
  m.visit(saved);
  copy.take();
  const nlohmann::json state = nlohmann::json::parse(saved.state.dump());
  StateReader reader(state, {});
  copy.visit(reader);
  EXPECT_EQ(copy.take(), (std::vector<double>{2.5, 8.0}));
  EXPECT_EQ(m.take(), (std::vector<double>{2.5, 8.0}));
  const std::vector<double> next = m.take();
  EXPECT_TRUE(std::isnan(next[0])) << "means start anew";
  EXPECT_EQ(next[1], 8.0);
}

Config small_config() {
  Config c = tiny_mbpo("inverted_pendulum");
  c.rollout.schedule = {0, 2, 1, 3};
  c.sac.updates_per_step = 3;
  c.loop.epoch_length = 20;
  c.loop.model_train_interval = 10;
  return c;
}

struct Trace {
  std::vector<std::string> stages;
  std::vector<EpisodeReport> episodes;
  Hooks hooks() {
    return {.on_stage = [this](std::string_view s) { stages.emplace_back(s); },
            .on_episode = [this](const EpisodeReport& e) { episodes.push_back(e); }};
  }
};

double get(Learner& learner, const char* name) {
  std::vector<Hyperparameter> all = learner.hyperparameters();
  return find_hyperparameter(all, name).get();
}
void set(Learner& learner, const char* name, double value) {
  std::vector<Hyperparameter> all = learner.hyperparameters();
  find_hyperparameter(all, name).set(value);
}

TEST(MbpoTest, ExplorationLastsToTheEndOfAnEpisode) {
  Trace trace;
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(small_config(), stream, trace.hooks(), 0);
  EXPECT_TRUE(std::isnan(mbpo.environments().last_return())) << "no episode has ended";
  while (mbpo.exploring()) mbpo.step();
  EXPECT_EQ(mbpo.environments().last_return(), trace.episodes.back().episode_return);
  EXPECT_GE(mbpo.env_steps(), 50);
  EXPECT_EQ(trace.episodes.back().env_steps, mbpo.env_steps());
  EXPECT_EQ(mbpo.real_replay().size(), static_cast<std::size_t>(mbpo.env_steps()));
  EXPECT_EQ(mbpo.num_updates(), 0);
  for (const std::string& stage : trace.stages) EXPECT_EQ(stage, "explore");
}

TEST(MbpoTest, FitsThenRollsOutThenStepsThenUpdates) {
  Trace trace;
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(small_config(), stream, trace.hooks(), 0);
  while (mbpo.exploring()) mbpo.step();
  trace.stages.clear();
  const std::int64_t start = mbpo.env_steps();
  while (mbpo.env_steps() < start + 11) mbpo.step();
  ASSERT_GE(trace.stages.size(), 6u);
  EXPECT_EQ(
      std::vector<std::string>(trace.stages.begin(), trace.stages.begin() + 6),
      (std::vector<std::string>{"model_fit", "rollout", "env_step", "sac", "env_step", "sac"}));
  // again after model_train_interval steps
  EXPECT_EQ(std::count(trace.stages.begin(), trace.stages.end(), "model_fit"), 2);
  EXPECT_EQ(mbpo.num_updates(), 11 * 3);
}

TEST(MbpoTest, TrainsWithAModelOfMeansAlone) {
  Config config = small_config();
  config.model.loss = "mse";
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(config, stream, {}, 0);
  while (mbpo.env_steps() < 120) ASSERT_TRUE(mbpo.step());
  EXPECT_GT(mbpo.num_fits(), 1);
  EXPECT_GT(mbpo.model_replay().size(), 0u);
  EXPECT_EQ(mbpo.model()->layout.output_size(), 1 + 4);
  for (const std::string& name : mbpo.metric_names()) EXPECT_EQ(name.find("logvar"), name.npos);
  StateWriter saved;
  mbpo.visit(saved);
  for (const TensorRef& tensor : saved.weight_tensors)
    EXPECT_EQ(tensor.name.find("logvar"), tensor.name.npos);
}

TEST(MbpoTest, TooManyElitesEndTheRunBeforeExploration) {
  Config config = small_config();
  config.model.ensemble_size = 257;
  config.model.num_elites = 257;
  ThreadPool pool(1);
  Stream stream(pool);
  EXPECT_THROW(Mbpo(config, stream, {}, 0), ConfigError);
}

TEST(MbpoTest, ModelReplayHoldsOneEpochOfRolloutsAndGrowsWithTheirLength) {
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(small_config(), stream, {}, 0);
  while (mbpo.exploring()) mbpo.step();
  mbpo.step();
  EXPECT_EQ(mbpo.rollout_length(), 1);
  EXPECT_EQ(mbpo.model_replay().capacity(), 1u * 50 * 2);
  while (mbpo.epoch() < 1) mbpo.step();
  mbpo.step();
  EXPECT_EQ(mbpo.rollout_length(), 2);
  EXPECT_EQ(mbpo.model_replay().capacity(), 2u * 50 * 2);
}

TEST(MbpoTest, EpisodeInsertionWaitsForTheEndAndStepInsertionDoesNot) {
  for (const char* insertion : {"episode", "step"}) {
    Config config = small_config();
    config.loop.pool_insertion = insertion;
    Trace trace;
    ThreadPool pool(1);
    Stream stream(pool);
    Mbpo mbpo(config, stream, trace.hooks(), 0);
    bool waited = false;
    for (int i = 0; i < 90; ++i) {
      mbpo.step();
      const std::int64_t ended = trace.episodes.empty() ? 0 : trace.episodes.back().env_steps;
      const auto stored = static_cast<std::int64_t>(mbpo.real_replay().size());
      EXPECT_EQ(stored, std::string(insertion) == "step" ? mbpo.env_steps() : ended);
      waited = waited || stored < mbpo.env_steps();
    }
    EXPECT_EQ(waited, std::string(insertion) == "episode");
  }
}

TEST(MbpoTest, EachEpisodeIsReportedByItself) {
  Trace trace;
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(small_config(), stream, trace.hooks(), 0);
  while (trace.episodes.size() < 6) mbpo.step();
  std::int64_t steps = 0;
  for (std::size_t i = 0; i < trace.episodes.size(); ++i) {
    const EpisodeReport& e = trace.episodes[i];
    EXPECT_EQ(e.episode, static_cast<std::int64_t>(i));
    EXPECT_EQ(e.episode_return, e.length) << "1 per step";
    steps += e.length;
    EXPECT_EQ(e.env_steps, steps);
    EXPECT_TRUE(e.terminated);
  }
}

TEST(MbpoTest, ATimeLimitIsNoEndAndAFallIsOne) {
  // the last flag of each episode, and whether any other is set
  const auto flags = [](const char* env, int limit) {
    Config config = small_config();
    config.env.name = env;
    config.env.max_episode_steps = limit;
    Trace trace;
    ThreadPool pool(1);
    Stream stream(pool);
    Mbpo mbpo(config, stream, trace.hooks(), 0);
    while (mbpo.exploring()) mbpo.step();
    const TransitionsView view = mbpo.real_replay().view();
    std::vector<float> of_records;
    for (std::size_t i = 0; i < view.size; ++i)
      of_records.push_back(view.record(i)[view.layout.terminated()]);
    std::vector<float> wanted(view.size, 0.0f);
    for (const EpisodeReport& e : trace.episodes)
      wanted[static_cast<std::size_t>(e.env_steps) - 1] = e.terminated ? 1.0f : 0.0f;
    EXPECT_EQ(of_records, wanted) << env;
    return std::accumulate(wanted.begin(), wanted.end(), 0.0f);
  };
  EXPECT_EQ(flags("pendulum", 10), 0.0f);
  EXPECT_GT(flags("inverted_pendulum", 0), 1.0f);
}

TEST(MbpoTest, EntriesOfAnExploringActionAreDrawnOneByOne) {
  Config config = small_config();
  config.env.name = "hopper";
  config.loop.pool_insertion = "step";
  config.loop.num_exploration_steps = 400;
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(config, stream, {}, 0);
  while (mbpo.env_steps() < 300) mbpo.step();
  const TransitionsView view = mbpo.real_replay().view();
  double sum[3] = {}, squares[3] = {}, products[3] = {};
  for (std::size_t row = 0; row < view.size; ++row) {
    const float* action = view.record(row) + view.layout.action();
    for (int i = 0; i < 3; ++i) {
      ASSERT_GE(action[i], -1.0f);
      ASSERT_LT(action[i], 1.0f);
      sum[i] += action[i];
      squares[i] += action[i] * action[i];
      products[i] += action[i] * action[(i + 1) % 3];
    }
  }
  // of 300 draws: means, variances and covariances within five deviations
  for (int i = 0; i < 3; ++i) {
    EXPECT_NEAR(sum[i] / 300, 0.0, 5 * std::sqrt(1.0 / 3 / 300));
    EXPECT_NEAR(squares[i] / 300, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / 300));
    EXPECT_NEAR(products[i] / 300, 0.0, 5.0 / 3 / std::sqrt(300.0));
  }
}

TEST(MbpoTest, WithoutUpdatesEachStepDrawsItsAction) {
  Config config = small_config();
  config.loop.pool_insertion = "step";
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(config, stream, {}, 0);
  while (mbpo.num_updates() < 30) mbpo.step();
  set(mbpo, "sac.updates_per_step", 0);
  const std::size_t before = mbpo.real_replay().size();
  for (int i = 0; i < 8; ++i) mbpo.step();
  const TransitionsView view = mbpo.real_replay().view();
  ASSERT_EQ(view.size, before + 8);
  for (std::size_t row = before; row + 1 < view.size; ++row)
    EXPECT_NE(view.record(row)[view.layout.action()], view.record(row + 1)[view.layout.action()])
        << "what the last update had chosen is used once";
}

// the weights after some updates
std::string trained_weights(const Config& config) {
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(config, stream, {}, 0);
  while (mbpo.num_updates() < 9) EXPECT_TRUE(mbpo.step());
  StateWriter saved;
  mbpo.visit(saved);
  std::string bytes;
  for (const TensorRef& t : saved.weight_tensors)
    bytes.append(static_cast<const char*>(t.data), num_bytes(t));
  return bytes;
}

TEST(MbpoTest, SevenTenthsOfTenRowsAreSeven) {
  Config config = small_config();
  config.sac.batch_size = 10;
  const auto with = [&](double ratio) {
    config.loop.real_ratio = ratio;
    return trained_weights(config);
  };
  const std::string seven = with(0.75);
  EXPECT_EQ(with(0.7), seven) << "rounded down, in double precision";
  EXPECT_EQ(with(0.79), seven);
  EXPECT_NE(with(0.65), seven);
  EXPECT_NE(with(0.8), seven);
}

TEST(MbpoTest, RatioBelowOneRowIsWarnedOfOnceAndTrains) {
  Config config = small_config();
  config.loop.real_ratio = 0.001;
  std::vector<std::string> warnings;
  Hooks hooks;
  hooks.warn = [&](const std::string& text) { warnings.push_back(text); };
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(config, stream, hooks, 0);
  while (mbpo.exploring()) mbpo.step();
  EXPECT_TRUE(warnings.empty()) << "no batch was drawn yet";
  for (int i = 0; i < 40; ++i) mbpo.step();
  EXPECT_EQ(warnings,
            std::vector<std::string>{"a real ratio of 0.001 is less than one of the 32 rows of a "
                                     "batch: policy batches hold imagined rows only."});
  EXPECT_GT(mbpo.num_updates(), 0);
}

TEST(MbpoTest, ARatioThatFallsBelowOneRowLaterIsWarnedOfThen) {
  std::vector<std::string> warnings;
  Hooks hooks;
  hooks.warn = [&](const std::string& text) { warnings.push_back(text); };
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(small_config(), stream, hooks, 0);
  while (mbpo.exploring()) mbpo.step();
  mbpo.step();
  EXPECT_TRUE(warnings.empty());
  for (const double ratio : {0.03, 0.5, 0.02}) {
    set(mbpo, "loop.real_ratio", ratio);
    mbpo.step();
  }
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("a real ratio of 0.03 is less than one of the 32 rows"),
            std::string::npos);
}

TEST(MbpoTest, WithoutImaginedRowsNothingIsFittedOrImagined) {
  Config config = small_config();
  config.loop.real_ratio = 1.0;
  config.rollout.interval = 5;
  Trace trace;
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(config, stream, trace.hooks(), 0);
  while (mbpo.exploring()) mbpo.step();
  trace.stages.clear();
  for (int i = 0; i < 20; ++i) mbpo.step();
  EXPECT_EQ(std::count(trace.stages.begin(), trace.stages.end(), "model_fit"), 0);
  EXPECT_EQ(std::count(trace.stages.begin(), trace.stages.end(), "rollout"), 0);
  EXPECT_EQ(mbpo.num_fits(), 0);
  EXPECT_GT(mbpo.num_updates(), 0);
  // a ratio that falls later finds a model and rows, between two intervals as well
  mbpo.step();
  set(mbpo, "loop.real_ratio", 0.5);
  trace.stages.clear();
  mbpo.step();
  EXPECT_EQ(trace.stages, (std::vector<std::string>{"model_fit", "rollout", "env_step", "sac"}));
}

TEST(MbpoTest, RolloutsFollowAnIntervalOfTheirOwn) {
  Config config = small_config();
  config.rollout.interval = 5;
  Trace trace;
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(config, stream, trace.hooks(), 0);
  while (mbpo.exploring()) mbpo.step();
  trace.stages.clear();
  for (int i = 0; i < 20; ++i) mbpo.step();
  EXPECT_EQ(std::count(trace.stages.begin(), trace.stages.end(), "model_fit"), 2);
  EXPECT_EQ(std::count(trace.stages.begin(), trace.stages.end(), "rollout"), 4);
  // an epoch of 20 steps holds four
  EXPECT_EQ(mbpo.model_replay().capacity(), 1u * 50 * 4);
}

TEST(MbpoTest, HyperparametersHoldFromTheNextStepOn) {
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(small_config(), stream, {}, 0);
  while (mbpo.exploring()) mbpo.step();
  EXPECT_EQ(get(mbpo, "sac.updates_per_step"), 3) << "the config's";
  EXPECT_EQ(get(mbpo, "model.fit"), 1);
  EXPECT_TRUE(std::isnan(mbpo.measurements()->take_critic_loss()));
  EXPECT_TRUE(std::isnan(mbpo.measurements()->validation_loss()));
  set(mbpo, "sac.updates_per_step", 1);
  set(mbpo, "rollout.length", 2);
  set(mbpo, "model.fit", 0);
  EXPECT_EQ(get(mbpo, "model.fit"), 1) << "the first fit is needed whatever was decided";
  mbpo.step();
  EXPECT_EQ(mbpo.num_fits(), 1);
  EXPECT_EQ(mbpo.rollout_length(), 2);
  for (int i = 0; i < 14; ++i) mbpo.step();
  EXPECT_EQ(mbpo.num_fits(), 1) << "not at the config's interval of 10 either";
  EXPECT_EQ(mbpo.num_updates(), 15);
  EXPECT_GT(mbpo.measurements()->validation_loss(), 0.0);
  EXPECT_GE(mbpo.measurements()->take_critic_loss(), 0.0);
  EXPECT_TRUE(std::isnan(mbpo.measurements()->take_critic_loss())) << "there was no update since";
  set(mbpo, "model.fit", 1);
  mbpo.step();
  EXPECT_EQ(mbpo.num_fits(), 2);
  mbpo.step();
  EXPECT_EQ(mbpo.num_fits(), 2) << "a decision holds for one step";
  EXPECT_EQ(mbpo.num_updates(), 15 + 2 * 1) << "what was set stays";
}

TEST(MbpoTest, EvaluationCountsWholeEpisodesOfTheDeterministicPolicy) {
  ThreadPool pool(2);
  Stream stream(pool);
  Mbpo mbpo(small_config(), stream, {}, 0);
  const Evaluation e = mbpo.evaluate(5);
  ASSERT_EQ(e.returns.size(), 5u);
  // 1 per step
  for (int i = 0; i < 5; ++i) EXPECT_EQ(e.returns[i], e.lengths[i]);
  EXPECT_NE(e.lengths, std::vector<int>(5, e.lengths[0])) << "start states differ";
}

TEST(LearnerTest, AnUnstableSimulatorDropsTheTransitionEndsTheEpisodeAndTheRunGoesOn) {
  Config config = small_config();
  config.env.name =
      "hopper";  // whose random episodes last longer than the steps before the explosion
  config.loop.pool_insertion = "step";
  Trace trace;
  int warnings = 0;
  Hooks hooks = trace.hooks();
  hooks.warn = [&](const std::string& text) {
    ++warnings;
    EXPECT_EQ(text,
              "hopper: the simulator became unstable at env step 4: the simulator gave up on its "
              "state. The transition was dropped and the episode ended (1 so far; the next notice "
              "comes at 10).");
  };
  ThreadPool pool(1);
  Stream stream(pool);
  Breakable<Sac> learner(config, stream, hooks, 0);
  for (int i = 0; i < 3; ++i) learner.step();
  ASSERT_TRUE(trace.episodes.empty());
  learner.explode();
  learner.step();
  EXPECT_EQ(warnings, 1);
  EXPECT_EQ(learner.environments().num_broken(), 1);
  EXPECT_EQ(learner.environments().num_broken(kEngineFault), 1);
  EXPECT_EQ(learner.real_replay().size(), 3u) << "the broken transition is not stored";
  ASSERT_EQ(trace.episodes.size(), 1u);
  EXPECT_TRUE(trace.episodes[0].broken);
  EXPECT_TRUE(trace.episodes[0].truncated);
  EXPECT_FALSE(trace.episodes[0].terminated);
  EXPECT_EQ(trace.episodes[0].length, 3);
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(learner.step());
  EXPECT_EQ(learner.real_replay().size(), 33u);
}

TEST(LearnerTest, ARewardThatIsNotFiniteBreaksEpisodesInTrainingAndEvaluation) {
  const TemporaryDirectory folder;
  Config config = small_config();
  config.env.name = "mjcf";
  config.env.mjcf.model = folder.write("cart.xml", R"(<mujoco>
    <worldbody>
      <body>
        <joint name="slide" type="slide" axis="1 0 0"/>
        <geom type="box" size="0.1 0.1 0.1" mass="1"/>
      </body>
    </worldbody>
    <actuator><motor joint="slide" ctrllimited="true" ctrlrange="-1000 1000"/></actuator>
  </mujoco>)");
  // together beyond the largest float, but for a control of 0, under which robots are tried first
  config.env.mjcf.reward_alive = 3e38f;
  config.env.mjcf.control_cost = -3e38f;
  config.env.mjcf.reset_noise = 0.5f;
  ThreadPool pool(1);
  Stream stream(pool);
  Sac learner(config, stream, {}, 0);
  const Evaluation evaluation = learner.evaluate(2);
  EXPECT_EQ(evaluation.num_broken, 2);
  EXPECT_EQ(evaluation.lengths, (std::vector<int>{0, 0}));
  EXPECT_EQ(evaluation.returns, (std::vector<double>{0.0, 0.0}));

  for (int i = 0; i < 2; ++i) learner.step();
  EXPECT_EQ(learner.environments().num_broken(kNotFinite), 2);
  EXPECT_EQ(learner.real_replay().size(), 0u);
  EXPECT_THROW(learner.step(), DataError) << "the third dead episode in a row";
}

TEST(LearnerTest, UnstableStepsAreToldAtPowersOfTenAndARobotThatNeverMovesEndsTheRun) {
  Config config = small_config();
  config.env.name = "hopper";
  config.loop.num_exploration_steps = 100000;
  std::vector<std::string> warnings;
  Hooks hooks;
  hooks.warn = [&](const std::string& text) { warnings.push_back(text); };
  ThreadPool pool(1);
  Stream stream(pool);
  Breakable<Sac> learner(config, stream, hooks, 0);
  // a step that works lies between two that do not
  for (int i = 0; i < 12; ++i) {
    learner.step();
    learner.explode();
    learner.step();
  }
  EXPECT_EQ(learner.environments().num_broken(), 12);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_THAT(warnings[1], testing::HasSubstr("(10 so far; the next notice comes at 100)"));

  // two in a row may happen
  for (int i = 0; i < 2; ++i) {
    learner.explode();
    learner.step();
  }
  // one that lived for a step ends, two more do not live, and the next is the third
  learner.step();
  for (int i = 0; i < 3; ++i) {
    learner.explode();
    learner.step();
  }
  learner.explode();
  try {
    learner.step();
    FAIL();
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(),
                 "hopper: the simulator was unstable in the first step of 3 episodes in a row: the "
                 "simulator gave up on its state. `mbrl_gpu envs trace` steps the robot by hand.");
  }
}

TEST(MbpoTest, AControllerIsToldTheMeanLossOfTheCritics) {
  ThreadPool pool(1);
  Stream stream(pool);
  Mbpo mbpo(small_config(), stream, {}, 0);
  while (mbpo.num_updates() < 9) mbpo.step();
  const std::vector<std::string>& names = mbpo.metric_names();
  const auto column = std::find(names.begin(), names.end(), "critic_loss") - names.begin();
  for (int steps = 4; steps < 7; ++steps) {
    mbpo.take_metrics();
    mbpo.measurements()->take_critic_loss();
    for (int i = 0; i < steps; ++i) mbpo.step();
    const double mean = mbpo.take_metrics()[static_cast<std::size_t>(column)];
    EXPECT_GT(mean, 0.0);
    EXPECT_NEAR(mbpo.measurements()->take_critic_loss(), mean, 1e-9 * mean);
  }
}

TEST(SacTest, UpdatesBeginWithTheLeastReplay) {
  Config config = small_config();
  config.algorithm = "sac";
  config.loop.pool_insertion = "step";
  config.loop.num_exploration_steps = 10;
  config.loop.min_replay_size = 25;
  ThreadPool pool(1);
  Stream stream(pool);
  Sac sac(config, stream, {}, 0);
  while (sac.env_steps() < 24) sac.step();
  EXPECT_EQ(sac.num_updates(), 0);
  sac.step();
  EXPECT_EQ(sac.num_updates(), 3);
}

TEST(SacTest, MetricsAreMeansOfWhatTheUpdatesMeasured) {
  Config config = small_config();
  config.algorithm = "sac";
  config.loop.pool_insertion = "step";
  ThreadPool pool(1);
  Stream stream(pool);
  Sac sac(config, stream, {}, 0);
  while (sac.exploring()) sac.step();
  sac.take_metrics();
  sac.step();
  ASSERT_EQ(sac.num_updates(), 3);
  const std::vector<double> values = sac.take_metrics();

  // the same three updates once more
  SacState state(4, 1, config.sac.hidden_sizes);
  init_sac(state, static_cast<std::uint32_t>(config.seed), 0, config.sac.init_alpha);
  SacWorkspace workspace(stream, state, config.sac.batch_size);
  std::vector<SacLosses> losses(3);
  sac_update(stream, losses, state, {sac.real_replay().view(), {}, config.sac.batch_size},
             {.batch_size = config.sac.batch_size,
              .discount = config.sac.discount,
              .tau = config.sac.tau,
              .target_entropy = -1.0f,
              .adam = {config.sac.learning_rate},
              .simultaneous = config.sac.update_order == "simultaneous",
              .seed = static_cast<std::uint32_t>(config.seed)},
             workspace);
  const auto expect = [&](const std::string& name,
                          const std::function<double(const SacLosses&)>& f) {
    const std::vector<std::string>& names = sac.metric_names();
    const auto at = std::find(names.begin(), names.end(), name) - names.begin();
    ASSERT_LT(static_cast<std::size_t>(at), names.size()) << name;
    const double mean = (f(losses[0]) + f(losses[1]) + f(losses[2])) / 3.0;
    EXPECT_NEAR(values[static_cast<std::size_t>(at)], mean, 1e-6 * std::abs(mean)) << name;
  };
  expect("critic_loss",
         [](const SacLosses& l) { return 0.5 * (l.critic_loss[0] + l.critic_loss[1]); });
  expect("actor_loss", [](const SacLosses& l) { return l.actor_loss; });
  expect("alpha", [](const SacLosses& l) { return l.alpha; });
  expect("entropy", [](const SacLosses& l) { return l.entropy; });
  expect("mean_q", [](const SacLosses& l) { return l.mean_q; });
  EXPECT_NE(losses[0].critic_loss[0], losses[0].critic_loss[1]);
}

TEST(SacTest, UpdatesOnRealRowsAfterEachStep) {
  Config config = small_config();
  config.algorithm = "sac";
  config.loop.real_ratio = 1.0;
  Trace trace;
  ThreadPool pool(1);
  Stream stream(pool);
  const auto sac = make_learner(config, stream, trace.hooks());
  while (sac->exploring()) sac->step();
  trace.stages.clear();
  sac->step();
  EXPECT_EQ(trace.stages, (std::vector<std::string>{"env_step", "sac"}));
  EXPECT_EQ(sac->num_updates(), 3);
}

}  // namespace
}  // namespace mbrl
