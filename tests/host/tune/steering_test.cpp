// Tests for host/tune/autombpo/{steering,steered_run}.{h,cpp}: when decisions fall, what they set
// and earn, with a decider that does as it is told.
#include "host/tune/autombpo/steering.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "host/algo/mbpo.h"
#include "host/algo/registry.h"
#include "host/io/curves.h"
#include "host/io/json_file.h"
#include "host/run/loop.h"
#include "host/tune/autombpo/steered_run.h"
#include "tests/support/configs.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

// exploration ends at step 40 for sure: episodes last 10 steps
Config small_config() {
  Config c = tiny_mbpo("pendulum");
  c.env.max_episode_steps = 10;
  c.rollout.schedule = {0, 1, 2, 4};
  c.rollout.batch_size = 20;
  c.rollout.interval = 5;
  c.sac.batch_size = 16;
  c.sac.updates_per_step = 3;
  c.loop.num_env_steps = 100;
  c.loop.epoch_length = 20;
  c.loop.num_exploration_steps = 40;
  c.loop.model_train_interval = 4;  // no multiple of the interval of decisions
  c.loop.real_ratio = 0.25f;
  c.eval.interval = 20;
  c.eval.num_episodes = 2;
  c.controller.file = "scripted";
  c.controller.interval = 5;
  c.controller.init_updates_per_step = 1;
  c.controller.max_updates_per_step = 4;
  c.controller.reward_scale = 10;
  return c;
}

struct Call {
  int group;
  std::vector<float> state;
  std::uint64_t draw;
};

struct Script {
  // options of a group's heads at the draw-th decision
  std::function<std::vector<float>(int, std::uint64_t)> options;
  std::vector<Call> calls;
  std::vector<double> evaluations;
};

class ScriptedDecider : public Decider {
 public:
  ScriptedDecider(const Config& config, Script& script)
      : groups_(controller_groups(config.controller)), script_(script) {
    for (const auto& heads : groups_) {
      visible_.push_back(visible_.empty() ? std::vector<std::string>{} : visible_.back());
      visible_.back().insert(visible_.back().end(), heads.begin(), heads.end());
    }
  }
  int num_groups() const override { return static_cast<int>(groups_.size()); }
  const std::vector<std::string>& heads(int group) const override { return groups_[group]; }
  const std::vector<std::string>& visible(int group) const override { return visible_[group]; }
  HyperDecision decide(int group, const std::vector<float>& state, std::uint64_t draw) override {
    script_.calls.push_back({group, state, draw});
    const std::vector<float> options = script_.options(group, draw);
    return {state, options, std::vector<float>(options.size(), -0.5f), 0.25f};
  }
  void on_evaluation(double mean_return) override { script_.evaluations.push_back(mean_return); }
  nlohmann::json state() const override { return script_.calls.size(); }

 private:
  std::vector<std::vector<std::string>> groups_, visible_;
  Script& script_;
};

// all heads: fit at even decisions; raise the ratio, the updates and the length
std::vector<float> rising(int, std::uint64_t draw) {
  return {2, draw % 2 == 0 ? 0.0f : 1.0f, 2, 2};
}

// hyperparameters in force
struct Values {
  double real_ratio;
  int updates_per_step, rollout_length;
  bool fit_model;
};
Values values_of(Learner& learner) {
  std::vector<Hyperparameter> all = learner.hyperparameters();
  const auto value = [&](const char* name) { return find_hyperparameter(all, name).get(); };
  return {value("loop.real_ratio"), static_cast<int>(value("sac.updates_per_step")),
          static_cast<int>(value("rollout.length")), value("model.fit") == 1.0};
}

struct Session {
  Config config;
  ThreadPool pool{1};
  Stream stream{pool};
  TemporaryDirectory folder;
  Script script;
  std::vector<std::string> stages;
  bool stop = false;
  Mbpo learner;
  Steering steering;
  std::vector<double> returns;     // what evaluations are to have measured
  std::vector<Values> values;      // in force at each step
  std::vector<std::int64_t> fits;  // at each step, once it was done

  explicit Session(Config c = small_config(), std::vector<double> baseline = {}, int group = 0,
                   decltype(Script::options) options = rising)
      : config(c),
        script{.options = std::move(options), .calls = {}, .evaluations = {}},
        learner(config, stream,
                {.stop_requested = [this] { return stop; },
                 .on_stage = [this](std::string_view s) { stages.emplace_back(s); }},
                0),
        steering(config, std::make_unique<ScriptedDecider>(config, script), std::move(baseline),
                 group) {
    steering.open(folder.path(), -1);
  }
  void explore() {
    while (learner.exploring()) {
      ASSERT_TRUE(steering.before_step(learner));
      ASSERT_TRUE(learner.step());
    }
  }
  bool step() {
    if (!steering.before_step(learner)) return false;
    values.push_back(values_of(learner));
    if (!learner.step()) return false;
    fits.push_back(learner.num_fits());
    return true;
  }
  void run() {
    std::size_t evaluation = 0;
    Config whole = config;
    whole.checkpoint.interval = 0;
    EXPECT_TRUE(
        run_loop(learner, whole,
                 {.stop_requested = [] { return false; },
                  .before_step =
                      [&] {
                        const bool go_on = steering.before_step(learner);
                        if (!learner.exploring()) values.push_back(values_of(learner));
                        return go_on;
                      },
                  .evaluate = [&] { steering.on_evaluation(learner, returns.at(evaluation++)); },
                  .checkpoint = [] {},
                  .tick =
                      [&] {
                        if (learner.train_steps() > 0) fits.push_back(learner.num_fits());
                      }}));
    steering.on_finished();
  }
  std::vector<double> column(const std::string& name) const {
    return read_curve(folder.path() / "decisions.csv", name).y;
  }
};

TEST(SteeringTest, DecidesAtEveryIntervalAfterExploration) {
  Session s;
  s.returns = {0, 0, 0};
  s.run();
  std::vector<double> wanted;
  for (int i = 0; i < 12; ++i) wanted.push_back(40 + 5 * i);
  EXPECT_EQ(read_curve(s.folder.path() / "decisions.csv", "option_model").x, wanted);
  ASSERT_EQ(s.script.calls.size(), 12u);
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(s.script.calls[i].draw, i);
    // share of the 60 steps after exploration
    EXPECT_FLOAT_EQ(s.script.calls[i].state[0], static_cast<float>(i) / 12.0f);
  }
  EXPECT_EQ(s.steering.trajectory().decisions.size(), 12u);
}

TEST(SteeringTest, TheFirstFitAndEvaluationComeBeforeTheFirstDecision) {
  Session s;
  s.explore();
  s.stages.clear();
  EXPECT_TRUE(s.script.calls.empty());
  EXPECT_EQ(s.learner.num_fits(), 0);
  ASSERT_TRUE(s.steering.before_step(s.learner));
  EXPECT_EQ(s.stages, (std::vector<std::string>{"model_fit", "eval"}));
  EXPECT_EQ(s.learner.num_fits(), 1);
  ASSERT_EQ(s.script.calls.size(), 1u);
  ASSERT_EQ(s.script.evaluations.size(), 1u);
  EXPECT_LT(s.script.evaluations[0], 0.0) << "a pendulum's return";
  EXPECT_EQ(s.column("last_return"), s.script.evaluations);
  EXPECT_GT(s.script.calls[0].state[1], 0.0f) << "the validation loss is known";
  EXPECT_EQ(s.script.calls[0].state[2], 0.0f) << "no critic has a loss yet";
  EXPECT_TRUE(s.steering.trajectory().rewards.size() == 1);
  // asking again at the same step decides nothing
  ASSERT_TRUE(s.steering.before_step(s.learner));
  EXPECT_EQ(s.script.calls.size(), 1u);
}

TEST(SteeringTest, DecisionsHoldUntilTheNextAndFitOnlyWhenTheySaySo) {
  Session s;
  s.returns = {0, 0, 0};
  s.run();
  ASSERT_EQ(s.values.size(), 60u);
  double ratio = s.config.controller.init_real_ratio;
  std::int64_t fits = 1;  // before the first decision
  for (std::size_t step = 0; step < 60; ++step) {
    const std::size_t decision = step / 5;
    const bool decides = step % 5 == 0, fit = decides && decision % 2 == 0;
    if (decides) ratio = std::min(ratio * s.config.controller.ratio_factor, 1.0);
    fits += fit;
    EXPECT_DOUBLE_EQ(s.values[step].real_ratio, ratio) << step;
    EXPECT_EQ(s.values[step].updates_per_step, std::min(2 + static_cast<int>(decision), 4));
    EXPECT_EQ(s.values[step].rollout_length, std::min(3 + static_cast<int>(decision), 4));
    EXPECT_EQ(s.values[step].fit_model, fit) << step;
    EXPECT_EQ(s.fits[step], fits) << step;
  }
  // as many updates as were decided on
  std::int64_t updates = 0;
  for (const Values& v : s.values) updates += v.updates_per_step;
  EXPECT_EQ(s.learner.num_updates(), updates);
  EXPECT_EQ(s.learner.rollout_length(), 4);
  EXPECT_EQ(s.column("updates_per_step"),
            (std::vector<double>{2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4}));
  // each state holds the values before its decision: ratio, updates / 4, length / 4
  EXPECT_FLOAT_EQ(s.script.calls[0].state[5], 0.05f);
  EXPECT_FLOAT_EQ(s.script.calls[0].state[6], 0.25f);
  EXPECT_FLOAT_EQ(s.script.calls[0].state[7], 0.5f);
  EXPECT_FLOAT_EQ(s.script.calls[1].state[5], 0.06f);
  EXPECT_FLOAT_EQ(s.script.calls[1].state[6], 0.5f);
  EXPECT_FLOAT_EQ(s.script.calls[1].state[7], 0.75f);
}

TEST(SteeringTest, TheLengthMayWaitForTheFirstDecisionOfAnEpoch) {
  Config config = small_config();
  config.autombpo.length_decisions = "epoch";
  config.controller.interval = 6;  // no divisor of the epoch: decisions at 0, 6, 12, 18, 24, ...
  Session s(config);
  s.returns = {0, 0, 0};
  s.run();
  // of those the first of an epoch are at 0, 24 and 42
  for (std::size_t step = 0; step < 60; ++step)
    EXPECT_EQ(s.values[step].rollout_length, step < 24 ? 3 : 4) << step;
  EXPECT_EQ(s.values[6].updates_per_step, 3) << "other heads do not wait";
  EXPECT_EQ(s.column("option_rollout_length"), std::vector<double>(10, 2.0));
}

TEST(SteeringTest, AnEvaluationPaysTheLastDecisionBeforeIt) {
  Session s(small_config(), {10, 20});
  s.returns = {40, 80, 5};
  s.run();
  const std::vector<double>& rewards = s.steering.trajectory().rewards;
  ASSERT_EQ(rewards.size(), 12u);
  for (std::size_t i = 0; i < 12; ++i) {
    double wanted = i % 2 == 0 ? -0.05 : 0.05;  // a fit, or none
    if (i == 3) wanted += (40.0 - 10.0) / 10.0;
    if (i == 7) wanted += (80.0 - 20.0) / 10.0;
    if (i == 11) wanted += (5.0 - 20.0) / 10.0;  // the baseline's last stands for all later
    EXPECT_NEAR(rewards[i], wanted, 1e-7) << i;
  }
  // the decision after an evaluation sees its return
  const std::vector<double> seen = s.column("last_return");
  EXPECT_EQ(seen[4], 40.0);
  EXPECT_EQ(seen[7], 40.0);
  EXPECT_EQ(seen[8], 80.0);
  // the decider heard of all of them, and of the first before
  EXPECT_EQ(std::vector<double>(s.script.evaluations.begin() + 1, s.script.evaluations.end()),
            s.returns);
}

TEST(SteeringTest, WithoutABaselineTheReturnsThemselvesPay) {
  Session s;
  s.returns = {40, 80, 5};
  s.run();
  EXPECT_NEAR(s.steering.trajectory().rewards[3], 0.05 + 4.0, 1e-7);
}

TEST(SteeringTest, HeadsThatAreNotAppliedLeaveTheirValuesToTheConfig) {
  Config config = small_config();
  config.controller.apply = {"updates"};
  Session s(config);
  s.returns = {0, 0, 0};
  s.run();
  for (std::size_t step = 0; step < 60; ++step) {
    EXPECT_EQ(s.values[step].real_ratio, static_cast<double>(0.25f));
    EXPECT_EQ(s.values[step].fit_model, step % 20 % 4 == 0) << step;
    EXPECT_EQ(s.values[step].rollout_length, step < 20 ? 2 : 4) << step;  // by epochs
    EXPECT_EQ(s.values[step].updates_per_step, std::min(2 + static_cast<int>(step / 5), 4));
  }
  // fits that nobody decided on are not paid
  EXPECT_EQ(s.steering.trajectory().rewards, std::vector<double>(12, 0.0));
  // the state holds what is in force, the table what was chosen all the same
  EXPECT_FLOAT_EQ(s.script.calls[1].state[5], 0.25f);
  EXPECT_FLOAT_EQ(s.script.calls[1].state[7], 0.5f);
  EXPECT_EQ(s.column("option_real_ratio"), std::vector<double>(12, 2.0));
}

TEST(SteeringTest, AStopInTheFirstFitRepeatsTheCall) {
  Session whole, stopped;
  whole.explore();
  stopped.explore();
  stopped.stop = true;
  EXPECT_FALSE(stopped.steering.before_step(stopped.learner));
  EXPECT_EQ(stopped.learner.num_fits(), 0);
  EXPECT_TRUE(stopped.script.calls.empty());
  stopped.stop = false;
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(whole.step());
    ASSERT_TRUE(stopped.step());
  }
  EXPECT_EQ(stopped.steering.state(), whole.steering.state());
  EXPECT_EQ(file_text(stopped.folder.path() / "decisions.csv"),
            file_text(whole.folder.path() / "decisions.csv"));
}

TEST(SteeringTest, AStopInADecidedFitKeepsTheDecision) {
  Session s;
  s.explore();
  ASSERT_TRUE(s.step());
  while (s.learner.train_steps() < 10) ASSERT_TRUE(s.step());
  s.stop = true;
  const std::int64_t fits = s.learner.num_fits();
  EXPECT_FALSE(s.step()) << "the third decision fits";
  EXPECT_EQ(s.learner.num_fits(), fits);
  EXPECT_EQ(s.script.calls.size(), 3u);
  s.stop = false;
  EXPECT_TRUE(s.step());
  EXPECT_EQ(s.learner.num_fits(), fits + 1);
  EXPECT_EQ(s.script.calls.size(), 3u) << "it is not taken twice";
}

// A checkpoint at a decision's step may lie before it, or after it when the fit was stopped.
TEST(SteeringTest, ARunThatGoesOnHasEachDecisionOnce) {
  for (const bool decided : {false, true}) {
    Session s;
    s.explore();
    while (s.learner.train_steps() < 10) ASSERT_TRUE(s.step());
    if (decided) {
      s.stop = true;
      ASSERT_FALSE(s.step());
      s.stop = false;
    }
    const nlohmann::json saved = nlohmann::json::parse(s.steering.state().dump());
    const std::string table = file_text(s.folder.path() / "decisions.csv");
    // a process that was killed after it had gone on
    if (!decided) {
      ASSERT_TRUE(s.steering.before_step(s.learner));
    }
    const std::string wanted = file_text(s.folder.path() / "decisions.csv");

    Script script{.options = rising, .calls = {}, .evaluations = {}};
    Steering resumed(s.config, std::make_unique<ScriptedDecider>(s.config, script));
    resumed.set_state(saved);
    resumed.open(s.folder.path(), s.learner.env_steps());
    EXPECT_EQ(file_text(s.folder.path() / "decisions.csv"), table) << decided;
    EXPECT_EQ(resumed.state().at("trajectory"), saved.at("trajectory"));
    ASSERT_TRUE(resumed.before_step(s.learner));
    EXPECT_EQ(script.calls.size(), decided ? 0u : 1u);
    if (!decided) {
      EXPECT_EQ(script.calls[0].draw, 2u);
    }
    std::stringstream rows(file_text(s.folder.path() / "decisions.csv"));
    int count = 0;
    for (std::string line; std::getline(rows, line);) ++count;
    EXPECT_EQ(count, 4) << "the header and three decisions";
    EXPECT_EQ(read_curve(s.folder.path() / "decisions.csv", "env_steps").x,
              (std::vector<double>{40, 45, 50}));
    if (decided) {
      EXPECT_EQ(file_text(s.folder.path() / "decisions.csv"), wanted);
    }
  }
}

TEST(SteeringTest, AStagedStackKeepsTheDecisionsOfTheGroupThatLearns) {
  Config config = small_config();
  config.controller.stack = "staged";
  const auto options = [](int group, std::uint64_t) {
    return group == 0   ? std::vector<float>{2, 1}
           : group == 1 ? std::vector<float>{0}
                        : std::vector<float>{1};
  };
  Session s(config, {0}, /*group=*/1, options);
  s.returns = {40, 80, 5};
  s.run();
  const HyperTrajectory& t = s.steering.trajectory();
  ASSERT_EQ(t.decisions.size(), 12u);
  ASSERT_EQ(s.script.calls.size(), 36u);
  for (const HyperDecision& d : t.decisions) {
    EXPECT_EQ(d.options, std::vector<float>{0});
    EXPECT_EQ(d.state.size(), 7u);
  }
  // fits are the first group's business
  EXPECT_EQ(t.rewards[0], 0.0);
  EXPECT_EQ(t.rewards[3], 4.0);
  // all groups of a decision see the values as they were before it
  EXPECT_EQ(s.script.calls[4].group, 1);
  EXPECT_EQ(s.script.calls[3].state[5], s.script.calls[4].state[5]);
  EXPECT_EQ(s.column("updates_per_step"), std::vector<double>(12, 1.0));
}

// a learner of the same parts in a class of its own
TEST(SteeringTest, SteersEveryLearnerThatHasAModel) {
  Config config = small_config();
  config.algorithm = "mbpo_newest";
  ThreadPool pool(1);
  Stream stream(pool);
  std::vector<std::string> stages;
  const auto learner = make_learner(
      config, stream, {.on_stage = [&](std::string_view s) { stages.emplace_back(s); }});
  Script script{.options = rising, .calls = {}, .evaluations = {}};
  Steering steering(config, std::make_unique<ScriptedDecider>(config, script));
  const TemporaryDirectory folder;
  steering.open(folder.path(), -1);
  std::int64_t updates = 0;
  while (learner->env_steps() < 70) {
    ASSERT_TRUE(steering.before_step(*learner));
    if (!learner->exploring()) updates += values_of(*learner).updates_per_step;
    ASSERT_TRUE(learner->step());
  }
  ASSERT_EQ(script.calls.size(), 6u);
  EXPECT_EQ(values_of(*learner).updates_per_step, 4);
  EXPECT_EQ(values_of(*learner).rollout_length, 4);
  EXPECT_EQ(learner->num_updates(), updates);
  // one before the first decision, then at every other
  EXPECT_EQ(std::count(stages.begin(), stages.end(), "model_fit"), 4);
  // the second sees what the model, the critics and the policy have done since the first
  for (const int feature : {1, 2, 3}) EXPECT_GT(script.calls[1].state[feature], 0.0f) << feature;
}

TEST(SteeringTest, ALearnerWithoutAModelIsRefused) {
  Config config = small_config();
  config.algorithm = "sac";
  ThreadPool pool(1);
  Stream stream(pool);
  const auto learner = make_learner(config, stream, {});
  Script script{.options = rising, .calls = {}, .evaluations = {}};
  Steering steering(config, std::make_unique<ScriptedDecider>(config, script));
  EXPECT_EQ(error_text<ConfigError>([&] { steering.before_step(*learner); }),
            "algorithm sac has no model, so no controller can steer it.");
}

TEST(SteeredRunTest, EveryAlgorithmThatReadsTheControllersKeysCanBeSteered) {
  ThreadPool pool(1);
  Stream stream(pool);
  int steered = 0;
  for (const Algorithm& algorithm : list_algorithms()) {
    if (algorithm.make == nullptr) continue;
    RunOptions options;
    options.config = small_config();
    options.config.algorithm = algorithm.name;
    follow_controller(options);
    EXPECT_EQ(options.config.algorithm, algorithm.name);
    const bool follows = options.make_schedule != nullptr;
    EXPECT_EQ(make_learner(options.config, stream, {})->measurements() != nullptr, follows)
        << algorithm.name;
    steered += follows;
  }
  EXPECT_EQ(steered, 2) << "mbpo and mbpo_newest";
}

TEST(TrajectoryTest, IsWrittenAtTheEndAndReadsBackExactly) {
  Session s(small_config(), {1.0 / 3.0});
  s.returns = {40.1, 80.7, 5};
  EXPECT_FALSE(std::filesystem::exists(s.folder.path() / "trajectory.json"));
  s.run();
  const HyperTrajectory t =
      trajectory_from_json(nlohmann::json::parse(file_text(s.folder.path() / "trajectory.json")),
                           head_names(), hyper_state_size(head_names(), s.config));
  EXPECT_EQ(t.rewards, s.steering.trajectory().rewards);
  ASSERT_EQ(t.decisions.size(), 12u);
  for (std::size_t i = 0; i < 12; ++i) {
    const HyperDecision& wanted = s.steering.trajectory().decisions[i];
    EXPECT_EQ(t.decisions[i].state, wanted.state);
    EXPECT_EQ(t.decisions[i].options, wanted.options);
    EXPECT_EQ(t.decisions[i].log_probs, wanted.log_probs);
    EXPECT_EQ(t.decisions[i].value, 0.25f);
  }
}

TEST(TrajectoryTest, AForeignOneIsRefusedByTheNameOfWhatIsWrong) {
  const std::vector<std::string> heads{"model", "updates"};
  HyperTrajectory one;
  one.decisions.push_back({{0.5f, 0.25f, 1.0f}, {1.0f, 2.0f}, {-0.5f, -1.0f}, 0.0f});
  one.rewards = {1.0};
  const nlohmann::json json = trajectory_to_json(one);
  const auto with = [&](const char* pointer, const nlohmann::json& value) {
    nlohmann::json changed = json;
    changed[nlohmann::json::json_pointer(pointer)] = value;
    return error_text<ValueError>([&] { trajectory_from_json(changed, heads, 3); });
  };
  EXPECT_EQ(with("/rewards/0", 2.0), "");
  EXPECT_EQ(with("/rewards", {1.0, 2.0}), "rewards is a list of 2; expected a list of 1.");
  EXPECT_EQ(with("/rewards/0", nullptr), "rewards is null; expected a finite number.");
  EXPECT_EQ(with("/decisions/0/state", {1.0}), "state is a list of 1; expected a list of 3.");
  EXPECT_EQ(with("/decisions/0/options", 1), "options is number; expected a list of 2.");
  EXPECT_EQ(with("/decisions/0/options/0", 2),
            "options has 2 for model; expected an integer from 0 to 1.");
  EXPECT_EQ(with("/decisions/0/log_probs/1", "x"), "log_probs is \"x\"; expected a finite number.");
  EXPECT_EQ(with("/decisions/0/value", 1e300), "value is 1e+300; expected a finite number.");
}

TEST(SteeringTest, AForeignStateIsRefusedByTheNameOfWhatIsWrong) {
  Session s;
  s.explore();
  while (s.learner.train_steps() < 10) ASSERT_TRUE(s.step());
  const nlohmann::json state = s.steering.state();
  const auto with = [&](const char* name, const nlohmann::json& value) {
    nlohmann::json changed = state;
    changed[name] = value;
    return error_text<ValueError>([&] { s.steering.set_state(changed); });
  };
  EXPECT_EQ(with("decided_at", 45), "");
  EXPECT_EQ(with("decided_at", 1e300),
            "decided_at is 1e+300; expected an integer from -1 to "
            "1000000000000.");
  EXPECT_NE(with("num_decisions", -1), "");
  EXPECT_NE(with("num_evaluations", 0.5), "");
  EXPECT_NE(with("last_return", nullptr), "");
  EXPECT_EQ(with("updates_per_step", 1e300),
            "updates_per_step is 1e+300; expected a finite number from 0 to 1000000000000.");
  EXPECT_EQ(with("real_ratio", -0.5),
            "real_ratio is -0.5; expected a finite number from 0 to 1000000000000.");
}

}  // namespace
}  // namespace mbrl
