// Tests of random draws to the bit, purpose by purpose: what the first hundred or so lead to in the
// unit that uses them, so that a purpose swapped for another, a stream used twice or a counter that
// is one off fails the test of that name.
//
// Networks are zero (so an action is tanh of its noise, an imagined change that of the model's),
// steps are too small to change them, and transitions carry their numbers: a checksum depends on
// one purpose alone, or on those that its test names. No simulator and no mathematical function of
// the C library has a part in them, and any number of threads gives the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <regex>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "cuda/stream.h"
#include "envs/env.h"
#include "host/algo/learner.h"
#include "host/algo/registry.h"
#include "host/analysis/model_error.h"
#include "host/analysis/value_error.h"
#include "host/io/archive.h"
#include "host/io/crc32c.h"
#include "host/stats/summary.h"
#include "host/tune/autombpo/decider.h"
#include "host/tune/autombpo/ror.h"
#include "host/tune/study/exchange.h"
#include "host/tune/study/sampling.h"
#include "kernels/networks/initialize.h"
#include "tests/support/configs.h"

namespace mbrl {
namespace {

constexpr float kNoStep = 1e-30f;  // a learning rate that changes no weight of any size

template <typename T>
std::uint32_t checksum(const std::vector<T>& values) {
  return crc32c(
      std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)));
}

/// What has been drawn must be what it was when `golden` was recorded.
template <typename T>
void expect_draws(const std::string& what, const std::vector<T>& found, std::uint32_t golden) {
  EXPECT_GT(std::set<T>(found.begin(), found.end()).size(), 2u) << what << ": nothing is drawn";
  EXPECT_EQ(checksum(found), golden)
      << what << ": not what was drawn when the checksum was recorded. It is now "
      << checksum(found) << "u.";
}

/// A learner that is not the first of its seed, and what it holds.
class Trial {
 public:
  explicit Trial(const Config& config)
      : pool_(2), stream_(pool_), learner_(make_learner(config, stream_, {}, /*index=*/2)) {}

  Stream& stream() { return stream_; }
  Learner& learner() { return *learner_; }

  /// The learner's own memory of a tensor of its state.
  template <typename T = float>
  std::span<T> tensor(const std::string& name) {
    StateWriter saved;
    learner_->visit(saved);
    for (const std::vector<TensorRef>* tensors : {&saved.weight_tensors, &saved.replay_tensors})
      for (const TensorRef& t : *tensors)
        if (t.name == name) return {static_cast<T*>(t.data), num_bytes(t) / sizeof(T)};
    ADD_FAILURE() << "there is no tensor " << name;
    return {};
  }
  void zero(const std::vector<std::string>& names) {
    for (const std::string& name : names) std::ranges::fill(tensor(name), 0.0f);
  }
  Trial& zero_policy() {
    zero({"actor", "critic0", "critic1", "critic0.target", "critic1.target"});
    return *this;
  }

  void steps(int count) {
    for (int i = 0; i < count; ++i) learner_->step();
  }
  void explore() {
    while (learner_->exploring()) learner_->step();
  }
  /// A value measured since the last call, for each of `count` steps.
  std::vector<double> metrics(const std::string& name, int count) {
    const std::vector<std::string>& names = learner_->metric_names();
    const auto at = std::ranges::find(names, name) - names.begin();
    std::vector<double> values;
    learner_->take_metrics();
    for (int i = 0; i < count; ++i) {
      learner_->step();
      values.push_back(learner_->take_metrics()[static_cast<std::size_t>(at)]);
    }
    return values;
  }

  TransitionLayout layout() const {
    return {learner_->env_spec().observation_size, learner_->env_spec().action_size};
  }
  /// `count` entries of each record of a replay from `entry` on; records `first`, first + stride ...
  std::vector<float> of_records(const std::string& replay, int entry, int count = 1,
                                std::size_t first = 0, std::size_t stride = 1) {
    const std::span<float> records = tensor(replay);
    const auto pitch = static_cast<std::size_t>(layout().pitch());
    std::vector<float> values;
    for (std::size_t at = first * pitch; at < records.size(); at += stride * pitch)
      for (int i = 0; i < count; ++i)
        values.push_back(records[at + static_cast<std::size_t>(entry + i)]);
    return values;
  }
  /// Makes every record of the real replay one that stays where it is and has no action; `set`
  /// changes it, given its number.
  void set_records(const std::function<void(float* record, float number)>& set) {
    const TransitionLayout l = layout();
    const std::span<float> records = tensor("real");
    float number = 0.0f;
    for (std::size_t at = 0; at < records.size(); at += static_cast<std::size_t>(l.pitch())) {
      float* record = records.data() + at;
      std::fill_n(record, l.pitch(), 0.0f);
      set(record, number++);
      std::copy_n(record, l.observation_size, record + l.next_observation());
    }
  }

 private:
  ThreadPool pool_;
  Stream stream_;
  std::unique_ptr<Learner> learner_;
};

/// Explores for one episode of 60 steps, whose transitions stay alone in the replay for 59 more.
Config still(const std::string& algorithm) {
  Config c = small_mbpo("pendulum");  // its episodes end by the clock alone
  c.algorithm = algorithm;
  c.env.max_episode_steps = 60;
  c.loop.num_exploration_steps = 60;
  c.loop.epoch_length = 1000;
  c.loop.model_train_interval = 5;
  c.loop.replay_capacity = 1000;
  c.sac.learning_rate = kNoStep;
  c.sac.updates_per_step = 2;
  c.model.learning_rate = kNoStep;
  c.model.weight_decay = {0, 0, 0};
  c.model.num_elites = c.model.ensemble_size;
  c.model.loss = "mse";
  c.model.max_epochs = 1;
  c.rollout.batch_size = 20;
  c.rollout.schedule = {0, 1, 2, 2};
  return c;
}

// the bias of output i of member e
float& model_bias(Trial& trial, int e, int i) {
  const EnsembleState& model = *trial.learner().model();
  return trial.tensor("model")[static_cast<std::size_t>(e) * model.layout.size +
                               model.layout.layers.back().bias + static_cast<std::size_t>(i)];
}

// -------------------------------------------------------------------------------------------------

TEST(DrawsTest, Init) {
  Trial mbpo(small_mbpo("pendulum")), ppo(small_ppo("pendulum"));
  const auto all = [](Trial& trial, const std::string& name) {
    const std::span<float> values = trial.tensor(name);
    return std::vector<float>(values.begin(), values.end());
  };
  expect_draws("kInit: weights of the actor", all(mbpo, "actor"), 2796817193u);
  expect_draws("kInit: weights of critic 0", all(mbpo, "critic0"), 356508909u);
  expect_draws("kInit: weights of critic 1", all(mbpo, "critic1"), 930549117u);
  expect_draws("kInit: weights of the ensemble", all(mbpo, "model"), 636734168u);
  expect_draws("kInit: weights of PPO's policy", all(ppo, "policy"), 848434151u);
  expect_draws("kInit: weights of PPO's value network", all(ppo, "value"), 3254076951u);
  const RandomKey key{3, purpose::kInit, 2};
  expect_draws("kInit: weights of RoR's network", QNetwork(6, 4, key).parameters(), 633703067u);
}

TEST(DrawsTest, ReplayIndex) {
  Trial trial(still("sac"));
  trial.zero_policy().explore();
  // the loss of a critic that is 0 where nothing follows: half the square of the reward
  trial.set_records([&](float* record, float number) {
    record[trial.layout().reward()] = number;
    record[trial.layout().terminated()] = 1.0f;
  });
  expect_draws("kReplayIndex: rows of the first batches", trial.metrics("critic_loss", 50),
               3058105898u);
}

TEST(DrawsTest, ReplayIndexOfImaginedRows) {
  Trial trial(still("mbpo"));
  trial.zero_policy().explore();
  trial.zero({"model"});
  trial.set_records([&](float* record, float number) {
    record[0] = number;
    record[trial.layout().terminated()] = 1.0f;
  });
  trial.steps(1);  // imagines
  const std::span<float> imagined = trial.tensor("imagined");
  const auto pitch = static_cast<std::size_t>(trial.layout().pitch());
  float number = 1000.0f;
  for (std::size_t at = 0; at < imagined.size(); at += pitch) {
    imagined[at + static_cast<std::size_t>(trial.layout().reward())] = number++;
    imagined[at + static_cast<std::size_t>(trial.layout().terminated())] = 1.0f;
  }
  // four steps to the next rollout, of two updates each
  expect_draws("kReplayIndex: imagined rows of the first batches", trial.metrics("critic_loss", 4),
               4021605476u);
}

TEST(DrawsTest, ActionNoise) {
  Config config = still("sac");
  config.env.max_episode_steps = 10;
  for (const int updates : {0, 1}) {  // asked for by itself, or with the updates
    config.sac.updates_per_step = updates;
    Trial trial(config);
    trial.zero_policy().steps(160);
    expect_draws("kActionNoise: actions of SAC with " + std::to_string(updates) + " updates a step",
                 trial.of_records("real", trial.layout().action(), 1, 60), 387642650u);
  }

  Config ppo_config = small_ppo("cartpole");
  ppo_config.ppo.normalize_observations = false;
  ppo_config.ppo.steps_per_update = 50;
  Trial ppo(ppo_config);
  ppo.zero({"policy", "value", "log_std"});
  ppo.steps(49);
  const std::span<float> actions = ppo.tensor("steps.action");
  expect_draws("kActionNoise: actions of PPO in three environments",
               std::vector<float>(actions.begin(), actions.begin() + 3 * 49), 3975467946u);
}

TEST(DrawsTest, ActionNoiseOfAnalyses) {
  Trial trial(still("sac"));
  trial.zero_policy();
  const std::vector<float> fresh = collect_fresh(trial.stream(), trial.learner(), 100);
  std::vector<float> actions;
  const auto pitch = static_cast<std::size_t>(trial.layout().pitch());
  for (std::size_t at = 0; at < fresh.size(); at += pitch)
    actions.push_back(fresh[at + static_cast<std::size_t>(trial.layout().action())]);
  expect_draws("kActionNoise: actions of fresh episodes", actions, 1573977396u);

  // rewards of 1, and critics that know nothing: what is earned besides is entropy
  Config config = still("sac");
  config.env.name = "cartpole";
  config.env.max_episode_steps = 5;
  Trial cartpole(config);
  cartpole.zero_policy();
  std::vector<float> earned;
  for (const EpisodeValues& episode : value_errors(cartpole.stream(), cartpole.learner(), 20)) {
    ASSERT_FALSE(episode.terminated);
    earned.insert(earned.end(), episode.earned.begin(), episode.earned.end());
  }
  expect_draws("kActionNoise: entropy in the values of fresh episodes", earned, 1762789432u);
}

TEST(DrawsTest, NextActionNoiseAndActorNoise) {
  Trial next(still("sac"));
  next.zero_policy().explore();
  next.set_records([](float*, float) {});  // targets are the entropy of what follows
  expect_draws("kNextActionNoise: entropy in the targets of the first updates",
               next.metrics("critic_loss", 50), 1307434851u);
  Trial actor(still("sac"));
  actor.zero_policy().explore();
  actor.set_records([](float*, float) {});
  expect_draws("kActorNoise: entropy of the first actor losses", actor.metrics("entropy", 50),
               1273306089u);
}

TEST(DrawsTest, RolloutStartRolloutActionAndMemberChoice) {
  Trial trial(still("mbpo"));
  trial.zero_policy().explore();
  trial.zero({"model"});
  for (int e = 0; e < 3; ++e) model_bias(trial, e, 0) = 1.0f + static_cast<float>(e);
  trial.set_records([](float* record, float number) { record[0] = number; });
  trial.steps(11);  // three calls of two steps
  ASSERT_EQ(trial.of_records("imagined", 0).size(), 120u);
  expect_draws("kRolloutStart: states that branches begin in", trial.of_records("imagined", 0),
               673989349u);
  expect_draws("kRolloutAction: imagined actions",
               trial.of_records("imagined", trial.layout().action()), 2122980551u);
  expect_draws("kMemberChoice: members that answered",
               trial.of_records("imagined", trial.layout().reward()), 886697608u);
}

TEST(DrawsTest, MemberChoiceOfAnalyses) {
  Trial trial(still("mbpo"));
  trial.zero_policy().explore();
  trial.zero({"model"});
  for (int e = 0; e < 3; ++e) model_bias(trial, e, 1) = 1000.0f * (1.0f + static_cast<float>(e));
  trial.set_records([](float*, float) {});
  trial.steps(1);  // fits, or there is no model
  std::vector<float> members;
  for (const double error : model_errors(trial.stream(), trial.learner(), 100))
    members.push_back(std::round(static_cast<float>(error / 1000.0)));
  EXPECT_EQ(std::set<float>(members.begin(), members.end()), (std::set<float>{1, 2, 3}));
  expect_draws("kMemberChoice: members whose errors are measured", members, 4037797346u);
}

TEST(DrawsTest, ModelNoise) {
  Config config = still("mbpo");
  config.model.loss = "gaussian_nll";
  Trial trial(config);
  trial.zero_policy().explore();
  trial.zero({"model"});
  trial.set_records([](float*, float) {});
  trial.steps(11);
  expect_draws("kModelNoise: imagined rewards",
               trial.of_records("imagined", trial.layout().reward()), 1195936756u);
  expect_draws("kModelNoise: imagined states",
               trial.of_records("imagined", trial.layout().next_observation(), 3), 2066659150u);
}

TEST(DrawsTest, Holdout) {
  Trial trial(still("mbpo"));
  trial.explore();
  // each row has a bit of its own in one of three inputs, so that their means over the training rows
  // tell which these are
  trial.set_records([](float* record, float number) {
    const int row = static_cast<int>(number);
    record[row / 20] = std::ldexp(1.0f, row % 20);
  });
  std::vector<float> means;
  for (int fit = 0; fit < 10; ++fit) {
    trial.steps(fit == 0 ? 1 : 5);
    const std::span<float> mean = trial.tensor("model.input_mean");
    means.insert(means.end(), mean.begin(), mean.begin() + 3);
  }
  expect_draws("kHoldout: rows that ten fits held out", means, 1185128807u);
}

// the rows that these draw from are the training rows: they change with kHoldout, too
TEST(DrawsTest, BootstrapAndShuffle) {
  for (const bool bootstrap : {true, false}) {
    Config config = still("mbpo");
    config.model.batch_size = bootstrap ? 64 : 16;  // all rows at once, in whichever order; a third
    config.model.max_epochs = bootstrap ? 1 : 3;
    Trial trial(config);
    trial.explore();
    trial.zero({"model"});
    trial.set_records(
        [&](float* record, float number) { record[trial.layout().reward()] = number; });
    const std::vector<double> losses = trial.metrics("model_loss", 46);
    std::vector<double> of_fits;
    for (std::size_t i = 0; i < losses.size(); i += 5) of_fits.push_back(losses[i]);
    if (bootstrap)
      expect_draws("kBootstrap: rows of the members in ten fits", of_fits, 3049082293u);
    else
      expect_draws("kShuffle: rows of the last batch in ten fits", of_fits, 290872054u);
  }
}

TEST(DrawsTest, BootstrapOfIntervals) {
  const std::vector<double> values{0, 1, 2, 4, 8, 16, 32, 64};
  std::vector<double> ends;
  for (unsigned seed = 0; seed < 20; ++seed) {
    const Interval interval = bootstrap_mean(values, {.num_resamples = 10, .seed = seed});
    ends.insert(ends.end(), {interval.low, interval.high});
  }
  expect_draws("kBootstrap: ends of intervals of a mean", ends, 1424229985u);
}

TEST(DrawsTest, ShuffleOfPpo) {
  Config config = small_ppo("cartpole");
  config.ppo.normalize_rewards = false;
  config.ppo.learning_rate = kNoStep;
  config.ppo.epochs = 3;
  Trial trial(config);
  std::vector<float> moments;
  for (int update = 0; update < 3; ++update) {
    trial.zero({"policy", "value", "log_std"});
    trial.steps(9);
    // targets are the rows' numbers: each is an end. Those of the tenth step are the rewards, 1
    const std::span<float> reward = trial.tensor("steps.reward");
    for (std::size_t i = 0; i < 27; ++i) reward[i] = static_cast<float>(i);
    std::ranges::fill(trial.tensor("steps.terminated").first(27), 1.0f);
    trial.steps(1);
    // of the last bias's gradient: the order of the batches counts
    const std::span<float> m = trial.tensor("value.adam_m");
    moments.push_back(*std::ranges::min_element(m));
    trial.zero({"value.adam_m", "value.adam_v"});
  }
  expect_draws("kShuffle: batches of PPO in three updates", moments, 994043392u);
}

// Does nothing, and keeps what it saw.
class Recording : public PolicyCopy {
 public:
  explicit Recording(std::vector<float>& seen) : seen_(seen) {}
  void renew() override {}
  void act(Matrix<const float> o, Matrix<float> action) override {
    seen_.insert(seen_.end(), o.data, o.data + o.count());
    std::fill_n(action.data, action.count(), 0.0f);
  }

 private:
  std::vector<float>& seen_;
};

TEST(DrawsTest, EnvReset) {
  // where training and evaluations of a learner begin
  ThreadPool pool(2);
  Stream stream(pool);
  Config config = small_mbpo("cartpole");
  config.env.max_episode_steps = 1;
  for (const std::uint32_t learner : {0u, 2u}) {
    Context context{.config = config, .stream = stream, .hooks = {}, .learner = learner};
    Environments environments(context, 3);
    std::vector<float> training, evaluation;
    const std::vector<float> actions(3, 0.0f);
    for (int step = 0; step < 30; ++step) {
      const Matrix<const float> o = environments.pool().observation();
      training.insert(training.end(), o.data, o.data + o.count());
      environments.step({actions.data(), 3, 1});
    }
    Evaluator evaluator(config.env, environments.evaluation_seed(), 10, stream, pool,
                        [&](Stream&, int) { return std::make_unique<Recording>(evaluation); });
    for (int i = 0; i < 3; ++i) evaluator.run(environments.count_evaluation());
    expect_draws("kEnvReset: start states of training, learner " + std::to_string(learner),
                 training, learner == 0 ? 964648626u : 425191283u);
    expect_draws("kEnvReset: start states of evaluations, learner " + std::to_string(learner),
                 evaluation, learner == 0 ? 4104169494u : 4038784121u);
  }
}

TEST(DrawsTest, EnvResetOfEachKindOfEnvironment) {
  const struct {
    const char* name;
    std::size_t size;  // of positions and velocities
    std::uint32_t golden;
  } kKinds[] = {{"pendulum", 2, 1512478969u}, {"cartpole", 4, 1844068249u},
                {"hopper", 12, 2867119548u},  {"halfcheetah", 18, 620775133u},
                {"reacher", 8, 2115173416u},  {"hopper_bullet", 6, 3785722592u}};
  for (const auto& kind : kKinds) {
    EnvOptions options;
    options.name = kind.name;
    const auto env = make_env(options);
    std::vector<float> observation(static_cast<std::size_t>(env->spec().observation_size));
    std::vector<double> state(static_cast<std::size_t>(env->state_size())), starts;
    for (std::uint64_t episode = 0; episode < 30; ++episode) {
      env->reset(4, episode, observation);
      env->get_state(state);
      starts.insert(starts.end(), state.begin(),
                    state.begin() + static_cast<std::ptrdiff_t>(kind.size));
    }
    expect_draws(std::string("kEnvReset: states of ") + kind.name, starts, kind.golden);
  }
}

TEST(DrawsTest, Exploration) {
  Config config = still("sac");
  config.env.max_episode_steps = 10;
  config.loop.num_exploration_steps = 100;
  Trial trial(config);
  trial.explore();
  expect_draws("kExploration: actions", trial.of_records("real", trial.layout().action()),
               4135144126u);
}

TEST(DrawsTest, HyperActionHyperExplorationAndHyperBatch) {
  ThreadPool pool(2);
  Stream stream(pool);
  Config config;
  config.controller.stack = "staged";
  config.controller.hidden_size = 16;
  config.controller.learning_rate = kNoStep;
  config.controller.batch_size = 8;
  config.controller.updates_per_episode = 1;
  const RandomKey key{3, purpose::kHyperAction, 5};
  const auto decisions = [&](int exploring_group, std::vector<HyperDecision>* all = nullptr) {
    // a group's own chances lie near those of a uniform choice: its weights, kHyperInit, matter little
    ControllerDecider decider(stream, std::make_shared<ControllerStack>(stream, config, 3), key,
                              exploring_group, 1.0f);
    std::vector<float> options;
    for (std::uint64_t draw = 0; draw < 30; ++draw)
      for (int group = 0; group < decider.num_groups(); ++group) {
        const auto size =
            static_cast<std::size_t>(hyper_state_size(decider.visible(group), config));
        const HyperDecision d = decider.decide(group, std::vector<float>(size, 0.5f), draw);
        if (exploring_group < 0 || group == exploring_group)
          options.insert(options.end(), d.options.begin(), d.options.end());
        if (all != nullptr && group == 0) all->push_back(d);
      }
    return options;
  };
  std::vector<HyperDecision> of_first;
  expect_draws("kHyperAction: options of three controllers", decisions(-1, &of_first), 2280452803u);
  expect_draws("kHyperExploration: uniform options of the second controller", decisions(1),
               3922282507u);

  // each is paid by its number: the loss is minus the mean of what a batch's were paid
  ControllerStack stack(stream, config, 3);
  HyperTrajectory episode{of_first, {}};
  for (std::size_t i = 0; i < of_first.size(); ++i)
    episode.rewards.push_back(i % 2 == 0 ? 1.0 : static_cast<double>(i) - 20.0);
  std::vector<float> losses;
  for (int stage = 0; stage < 30; ++stage)
    losses.push_back(stack.learn(stream, 0, {episode}, /*seed=*/3, stage).policy_loss);
  expect_draws("kHyperBatch: decisions that updates learn from", losses, 2056103605u);
}

TEST(DrawsTest, HyperInit) {
  ThreadPool pool(2);
  Stream stream(pool);
  Config config;
  config.controller.stack = "staged";
  config.controller.hidden_size = 16;
  EXPECT_EQ(ControllerStack(stream, config, 3).fingerprint(), 2059991919u)
      << "kHyperInit: the weights of three controllers are not those of the record";
  const RorDecider decider(config, {3, purpose::kHyperAction, 5});
  expect_draws("kHyperInit: weights of RoR",
               decider.state().at("parameters").get<std::vector<float>>(), 4176921256u);
}

TEST(DrawsTest, HyperExplorationAndHyperBatchOfRor) {
  Config config;
  std::vector<float> options;
  const RandomKey key{3, purpose::kHyperAction, 5};
  const auto state = [&](const RorDecider& decider, float value) {
    return std::vector<float>(
        static_cast<std::size_t>(hyper_state_size(decider.visible(0), config)), value);
  };
  for (std::uint64_t draw = 0; draw < 100; ++draw) {
    RorDecider decider(config, key);  // has nothing to learn from
    const HyperDecision d = decider.decide(0, state(decider, 0.5f), draw);
    options.insert(options.end(), d.options.begin(), d.options.end());
  }
  expect_draws("kHyperExploration: options of RoR", options, 1743339982u);

  RorDecider decider(config, key);
  for (std::uint64_t draw = 0; draw < 40; ++draw)
    decider.decide(0, state(decider, static_cast<float>(draw % 7) / 8.0f), draw);
  // in float, which hides the last bits of the C library's functions
  expect_draws("kHyperBatch: what RoR learns from",
               decider.state().at("parameters").get<std::vector<float>>(), 1804579747u);
}

TEST(DrawsTest, TrialsOfASearch) {
  const SearchSpace space{
      {{.key = "sac.learning_rate", .low = 1e-5, .high = 1e-2, .log = true},
       {.key = "sac.discount", .low = 0.9, .high = 1.0},
       {.key = "sac.batch_size", .low = 32, .high = 256, .integer = true},
       {.key = "sac.update_order", .choices = {"\"sequential\"", "\"simultaneous\""}}}};
  std::vector<float> numbers;
  for (std::uint64_t trial = 0; trial < 50; ++trial)
    for (const auto& value : draw_trial(space, 3, trial))
      numbers.push_back(value.is_number()       ? value.get<float>()
                        : value == "sequential" ? 0.0f
                                                : 1.0f);
  ASSERT_EQ(numbers.size(), 200u);
  expect_draws("kTrial: values of a search's trials", numbers, 2514161314u);
}

TEST(DrawsTest, ExchangesOfAPopulation) {
  const SearchSpace space{{{.key = "sac.learning_rate", .low = 1e-5, .high = 1e-2, .log = true},
                           {.key = "model.max_epochs", .low = 3, .high = 20, .integer = true}}};
  std::vector<float> numbers;
  for (std::uint64_t slice = 0; slice < 50; ++slice)
    for (const auto& value :
         changed_values(space, {1e-3, 12}, {}, {{3, purpose::kExchange, 5}, slice},
                        [](const TrialValues&) { return true; }))
      numbers.push_back(value.get<float>());
  // whom the last of twenty copies
  Config config;
  config.seed = 3;
  config.tune.space = space;
  config.tune.method = "pbt";
  PopulationRecord record(space, std::vector<TrialValues>(20, TrialValues{1e-3, 12}), 10000, true);
  for (std::int64_t round = 1; round < 30; ++round) {
    std::vector<SliceResult> results;
    for (int m = 0; m < 20; ++m)
      results.push_back({.member = m, .end = round, .returns = {{round, m}}});
    for (const Exchange& exchange : exchanges(
             {config, record, 10000, [](const TrialValues&) { return true; }}, record.end(results)))
      numbers.push_back(static_cast<float>(record.slice(exchange.from).member));
  }
  expect_draws("kExchange: sources and changed values in a population", numbers, 2565164140u);
}

// every purpose that the sources define is named by a check of what it draws: above, or where its
// unit is tested
TEST(DrawsTest, NoPurposeIsLeftOut) {
  namespace fs = std::filesystem;
  const auto texts_below = [](const std::string& folder) {
    std::ostringstream all;
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(MBRL_SOURCE_DIR) / folder))
      if (entry.path().extension() == ".h" || entry.path().extension() == ".cpp")
        all << std::ifstream(entry.path()).rdbuf();
    return all.str();
  };
  static const std::regex kPurpose("constexpr Purpose (k\\w+)\\{");
  const std::string tests = texts_below("tests");
  std::set<std::string> all, left_out;
  for (const char* folder : {"base", "cuda", "kernels", "envs", "host"}) {
    const std::string text = texts_below(folder);
    for (std::sregex_iterator it(text.begin(), text.end(), kPurpose), end; it != end; ++it)
      all.insert((*it)[1]);
  }
  for (const std::string& purpose : all)
    if (tests.find("\"" + purpose + ": ") == std::string::npos) left_out.insert(purpose);
  EXPECT_GE(all.size(), 18u);
  EXPECT_THAT(left_out, testing::IsEmpty()) << "add what the first of its draws lead to";
}

}  // namespace
}  // namespace mbrl
