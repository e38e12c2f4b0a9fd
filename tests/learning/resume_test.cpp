// Tests of promises across the whole learner: any number of threads gives the same run, and a run
// that was stopped and resumed equals one that was not, parameter for parameter.
#include "host/run/resume.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "cuda/stream.h"
#include "host/algo/learner.h"
#include "host/algo/registry.h"
#include "host/config/config.h"
#include "host/config/print.h"
#include "host/io/checkpoint.h"
#include "tests/support/configs.h"
#include "tests/support/copy_state.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

Config small_config(const std::string& algorithm) {
  Config c = small_mbpo(env_for(algorithm, "inverted_pendulum"));
  c.algorithm = algorithm;
  if (algorithm == "pets") c.env.max_episode_steps = 20;
  c.model.max_epochs = 8;
  c.model.epochs = 8;
  c.rollout.batch_size = 200;
  c.rollout.schedule = {0, 4, 1, 3};
  c.sac.batch_size = 40;
  c.sac.updates_per_step = 2;
  c.loop.num_env_steps = 200;
  c.loop.epoch_length = 40;
  c.loop.num_exploration_steps = 60;
  c.loop.min_replay_size = 30;
  c.loop.model_train_interval = 20;
  c.loop.replay_capacity = 120;  // wraps
  c.loop.real_ratio = algorithm == "sac" ? 1.0f : 0.3f;
  c.ppo = small_ppo("").ppo;
  c.ppo.steps_per_update = 8;  // checkpoints fall between two updates
  c.ppo.epochs = 4;
  c.seed = 0;
  return c;
}

nlohmann::json state_of(Learner& learner) {
  StateWriter writer;
  learner.visit(writer);
  return writer.state;
}

// bytes of everything that training changes
std::vector<std::string> contents(Learner& learner) {
  StateWriter writer;
  learner.visit(writer);
  std::vector<std::string> all{writer.state.dump()};
  for (const auto* tensors : {&writer.weight_tensors, &writer.replay_tensors})
    for (const TensorRef& t : *tensors)
      all.push_back(t.name + ":" + std::string(static_cast<const char*>(t.data), num_bytes(t)));
  return all;
}

void expect_equal(Learner& a, Learner& b) {
  const auto left = contents(a), right = contents(b);
  ASSERT_EQ(left.size(), right.size());
  EXPECT_EQ(left[0], right[0]);
  for (std::size_t i = 1; i < left.size(); ++i)
    EXPECT_TRUE(left[i] == right[i]) << left[i].substr(0, left[i].find(':')) << " differs";
}

struct Session {
  ThreadPool pool;
  Stream stream{pool};
  std::unique_ptr<Learner> learner;

  explicit Session(const Config& config, int threads = 2, Hooks hooks = {})
      : pool(threads), learner(make_learner(config, stream, std::move(hooks))) {}
  void run_to(std::int64_t steps) {
    while (learner->env_steps() < steps) ASSERT_TRUE(learner->step());
  }
};

// names of all that a checkpoint of the learner holds: values by their sections, then arrays
std::vector<std::string> names_in(Learner& learner) {
  StateWriter writer;
  learner.visit(writer);
  std::vector<std::string> names;
  const std::function<void(const nlohmann::json&, const std::string&)> add =
      [&](const nlohmann::json& json, const std::string& path) {
        if (!json.is_object()) return names.push_back(path);
        for (const auto& [key, inner] : json.items())
          add(inner, path.empty() ? key : path + "/" + key);
      };
  add(writer.state, "");
  for (const auto* tensors : {&writer.weight_tensors, &writer.replay_tensors})
    for (const TensorRef& t : *tensors) names.push_back(t.name);
  return names;
}

class ResumeTest : public testing::TestWithParam<std::string> {};

TEST_P(ResumeTest, TwoHundredStepsEqualHundredStopResumeAndHundred) {
  for (const char* insertion : {"episode", "step"}) {
    Config config = small_config(GetParam());
    config.loop.pool_insertion = insertion;
    Session whole(config);
    whole.run_to(200);

    const TemporaryDirectory folder;
    Session first(config);
    first.run_to(101);
    save_checkpoint(folder.path(), *first.learner, config, {});
    Session second(config);
    load_checkpoint(find_checkpoint(folder.path()), *second.learner, config);
    expect_equal(*first.learner, *second.learner);
    second.run_to(200);
    expect_equal(*whole.learner, *second.learner);
    EXPECT_GT(second.learner->num_updates(), 100);
  }
}

TEST_P(ResumeTest, AnyNumberOfThreadsGivesTheSameRun) {
  const Config config = small_config(GetParam());
  Session one(config, 1), three(config, 3);
  one.run_to(150);
  three.run_to(150);
  expect_equal(*one.learner, *three.learner);
}

TEST_P(ResumeTest, EvaluationDoesNotDisturbTraining) {
  const Config config = small_config(GetParam());
  Session with(config), without(config);
  with.run_to(110);
  without.run_to(110);
  const Evaluation first = with.learner->evaluate(4);
  with.run_to(150);
  without.run_to(150);
  EXPECT_EQ(first.returns.size(), 4u);
  // only the count of evaluations differs
  auto a = state_of(*with.learner), b = state_of(*without.learner);
  EXPECT_EQ(a.at("num_evaluations"), 1);
  a.erase("num_evaluations");
  b.erase("num_evaluations");
  EXPECT_EQ(a, b);
  EXPECT_EQ(contents(*with.learner)[1], contents(*without.learner)[1]);
}

TEST_P(ResumeTest, DifferentSeedsDiffer) {
  Config config = small_config(GetParam());
  Session one(config);
  config.seed = 1;
  Session two(config);
  EXPECT_NE(contents(*one.learner)[1], contents(*two.learner)[1]);
}

TEST_P(ResumeTest, ACopyGoesOnAsTheOriginalDoes) {
  const Config config = small_config(GetParam());
  Session original(config), copy(config);
  original.run_to(110);
  copy.run_to(70);  // whatever it was before
  copy_state(*original.learner, *copy.learner);
  expect_equal(*original.learner, *copy.learner);
  original.run_to(160);
  copy.run_to(160);
  expect_equal(*original.learner, *copy.learner);
}

// the action of the next step may have been computed ahead of time
TEST(CopyTest, IntoALearnerAtTheSameStepActsAsTheOriginal) {
  const Config config = small_config("sac");
  Session original(config), copy(config);
  original.run_to(90);
  copy.run_to(90);
  std::vector<Hyperparameter> all = copy.learner->hyperparameters();
  find_hyperparameter(all, "sac.updates_per_step").set(9);
  original.run_to(110);
  copy.run_to(110);
  copy_state(*original.learner, *copy.learner);
  original.run_to(130);
  copy.run_to(130);
  expect_equal(*original.learner, *copy.learner);
}

// every learner that can be made
std::vector<std::string> learners() {
  std::vector<std::string> names;
  for (const Algorithm& algorithm : list_algorithms())
    if (algorithm.make != nullptr) names.push_back(algorithm.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Algorithms, ResumeTest, testing::ValuesIn(learners()),
                         [](const auto& test) { return test.param; });

// A member that visit() forgets is in no checkpoint, and most runs go on without it unnoticed.
TEST(CheckpointNamesTest, AreThoseOfEveryMemberThatGoesOn) {
  using Names = std::vector<std::string>;
  const auto with_moments = [](const Names& networks) {
    Names all;
    for (const std::string& name : networks)
      for (const char* part : {"", ".adam_m", ".adam_v"}) all.push_back(name + part);
    return all;
  };
  const auto in = [](const std::string& section, const Names& names) {
    Names all;
    for (const std::string& name : names) all.push_back(section + "/" + name);
    return all;
  };
  const auto joined = [](const std::vector<Names>& lists) {
    Names all;
    for (const Names& list : lists) all.insert(all.end(), list.begin(), list.end());
    return all;
  };
  const Names ring{"capacity", "size", "head", "num_written"};
  const Names any =
      joined({{"env_steps", "exploring", "exploration_end", "num_episodes", "num_evaluations",
               "num_broken", "num_dead", "last_return", "env_state_size", "env_state"},
              in("metrics", {"sum", "count", "is_latest", "recent_sum", "recent_count"})});
  const Names collected =
      joined({any,
              {"episode_return", "episode_length", "pending_size", "pending", "real"},
              in("real_replay", ring)});
  const Names sac = joined({collected,
                            {"num_updates"},
                            with_moments({"actor", "critic0", "critic1", "log_alpha"}),
                            {"critic0.target", "critic1.target"}});
  const Names mbpo = joined(
      {sac,
       in("model", {"num_steps", "elites", "num_fits", "num_rollouts", "warned", "rollout_length"}),
       with_moments({"model", "model.logvar_bounds"}),
       {"model.input_mean", "model.input_inv_std", "schedule/validation_loss", "imagined"},
       in("model_replay", ring)});
  const Names steered =
      joined({mbpo,
              {"hyperparameters/sac.updates_per_step", "schedule/critic_loss_sum",
               "schedule/critic_loss_count", "behaviour.observation", "behaviour.action",
               "behaviour.log_prob"},
              in("schedule/behaviour", {"size", "head"}),
              in("schedule/values", {"fit_model", "real_ratio", "rollout_length"})});
  const Names ppo =
      joined({any,
              {"num_updates", "num_collected", "observation_moments", "return_moments",
               "discounted_return", "steps.broken", "episode_return", "episode_length",
               "steps.observation", "steps.action", "steps.log_prob", "steps.reward", "steps.value",
               "steps.next_value", "steps.terminated", "steps.truncated"},
              with_moments({"policy", "log_std", "value"})});
  const Names pets = joined({collected,
                             {"num_rejected", "model.input_mean", "model.input_inv_std",
                              "plan.mean", "plan.elites", "plan/num_kept"},
                             in("model", {"num_steps", "num_fits"}),
                             with_moments({"model", "model.logvar_bounds"}),
                             in("trials", {"begins", "count", "broken", "broken_in_a_row"})});
  const std::map<std::string, Names> wanted{
      {"mbpo", mbpo}, {"mbpo_newest", mbpo}, {"pets", pets}, {"ppo", ppo}, {"sac", sac}};
  for (const std::string& name : learners()) {
    Session session(small_config(name));
    EXPECT_THAT(names_in(*session.learner), testing::UnorderedElementsAreArray(wanted.at(name)))
        << name;
  }

  Config config = small_config("mbpo");
  config.controller.file = "a controller";
  Session session(config);
  std::vector<Hyperparameter> all = session.learner->hyperparameters();
  for (const char* name :
       {"loop.real_ratio", "rollout.length", "model.fit", "sac.updates_per_step"})
    find_hyperparameter(all, name).set(1);
  EXPECT_THAT(names_in(*session.learner), testing::UnorderedElementsAreArray(steered));
}

double value_of(Learner& learner, const char* name) {
  std::vector<Hyperparameter> all = learner.hyperparameters();
  return find_hyperparameter(all, name).get();
}

TEST(HyperparameterTest, ThoseThatChangedAreSavedCopiedAndGoOn) {
  const Config config = small_config("mbpo");
  Session first(config), copy(config);
  first.run_to(90);
  std::vector<Hyperparameter> all = first.learner->hyperparameters();
  find_hyperparameter(all, "loop.real_ratio").set(0.123456789);
  find_hyperparameter(all, "sac.updates_per_step").set(1);
  find_hyperparameter(all, "rollout.length").set(3);
  find_hyperparameter(all, "model.fit").set(1);
  first.run_to(95);
  EXPECT_EQ(first.learner->config().sac.updates_per_step, 2) << "the config is that of the run";

  const TemporaryDirectory folder;
  save_checkpoint(folder.path(), *first.learner, config, {});
  Session second(config);
  load_checkpoint(find_checkpoint(folder.path()), *second.learner, config);
  copy_state(*first.learner, *copy.learner);
  for (Session* session : {&second, &copy}) {
    EXPECT_EQ(value_of(*session->learner, "loop.real_ratio"), 0.123456789);
    EXPECT_EQ(value_of(*session->learner, "sac.updates_per_step"), 1);
    EXPECT_EQ(value_of(*session->learner, "rollout.length"), 3);
    EXPECT_EQ(value_of(*session->learner, "model.fit"), 0) << "was used";
  }
  for (Session* session : {&first, &second, &copy}) session->run_to(150);
  expect_equal(*first.learner, *second.learner);
  expect_equal(*first.learner, *copy.learner);

  // and a learner without them is put back to its config
  Session plain(config);
  copy_state(*plain.learner, *second.learner);
  EXPECT_EQ(value_of(*second.learner, "sac.updates_per_step"), 2);
  EXPECT_EQ(value_of(*second.learner, "loop.real_ratio"), static_cast<double>(0.3f));
  EXPECT_EQ(value_of(*second.learner, "rollout.length"), 1);
}

TEST(HyperparameterTest, AValueOutsideOfItsRangeIsRefused) {
  Session session(small_config("mbpo"));
  std::vector<Hyperparameter> all = session.learner->hyperparameters();
  try {
    find_hyperparameter(all, "loop.real_ratio").set(1.5);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "loop.real_ratio is set to 1.5; expected a number in [0, 1].");
  }
  try {
    find_hyperparameter(all, "rollout.lenght");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("Did you mean rollout.length?"), std::string::npos);
  }
}

TEST(HyperparameterTest, CheckpointsOfASteeredRunBeforeThereWereHyperparametersAreRead) {
  Config config = small_config("mbpo");
  Session session(config);
  session.run_to(70);
  StateWriter saved;
  session.learner->visit(saved);
  saved.state["schedule"]["values"] = {
      {"real_ratio", 0.2}, {"updates_per_step", 7}, {"rollout_length", 2}, {"fit_model", true}};
  StateReader reader(saved.state, [](Archive::File, const TensorRef&) {});
  session.learner->visit(reader);
  EXPECT_EQ(value_of(*session.learner, "loop.real_ratio"), 0.2);
  EXPECT_EQ(value_of(*session.learner, "sac.updates_per_step"), 7);
  EXPECT_EQ(value_of(*session.learner, "rollout.length"), 2);
  EXPECT_EQ(value_of(*session.learner, "model.fit"), 1);
}

TEST(StopTest, AStopInTheMiddleOfAFitUndoesItAndTheResumedRunRepeatsIt) {
  const Config config = small_config("mbpo");
  Session whole(config);
  whole.run_to(150);

  bool in_fit = false;
  int fits = 0, asked = 0;
  Session stopped(config, 2,
                  {.stop_requested = [&] { return in_fit && fits == 3 && ++asked > 5; },
                   .on_stage =
                       [&](std::string_view stage) {
                         in_fit = stage == "model_fit";
                         fits += in_fit;
                       }});
  while (stopped.learner->step()) ASSERT_LT(stopped.learner->env_steps(), 150);
  EXPECT_EQ(asked, 6) << "several gradient steps of the fit were taken";

  const TemporaryDirectory folder;
  save_checkpoint(folder.path(), *stopped.learner, config, {});
  Session resumed(config);
  load_checkpoint(find_checkpoint(folder.path()), *resumed.learner, config);
  resumed.run_to(150);
  expect_equal(*whole.learner, *resumed.learner);
}

TEST(StopTest, AStopInTheMiddleOfARolloutWaitsForTheStepToEnd) {
  const Config config = small_config("mbpo");
  Session whole(config);
  whole.run_to(150);

  bool stop = false;
  int rollouts = 0;
  Session stopped(config, 2,
                  {.stop_requested = [&] { return stop; },
                   .on_stage =
                       [&](std::string_view stage) {
                         if (stage == "rollout" && ++rollouts == 3) stop = true;
                       }});
  while (!stop) ASSERT_TRUE(stopped.learner->step());

  const TemporaryDirectory folder;
  save_checkpoint(folder.path(), *stopped.learner, config, {});
  Session resumed(config);
  load_checkpoint(find_checkpoint(folder.path()), *resumed.learner, config);
  resumed.run_to(150);
  expect_equal(*whole.learner, *resumed.learner);
}

TEST(ForeignCheckpointTest, NamesTheKeysThatDiffer) {
  Config config = small_config("mbpo");
  const TemporaryDirectory folder;
  Session first(config);
  first.run_to(20);
  save_checkpoint(folder.path(), *first.learner, config, {});
  config.sac.tau = 0.01f;
  Session second(config);
  try {
    load_checkpoint(find_checkpoint(folder.path()), *second.learner, config);
    FAIL() << "a checkpoint of another config must be refused";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("sac.tau differs (0.005 -> 0.01)"), std::string::npos)
        << error.what();
  }
}

TEST(ForeignCheckpointTest, AStateOfAnotherVersionIsNamedAsSuch) {
  const Config config = small_config("mbpo");
  const TemporaryDirectory folder;
  Session session(config);
  auto state = state_of(*session.learner);
  state.erase("env_steps");
  write_checkpoint(folder.path(), 20,
                   {{},
                    {},
                    {{"config", nlohmann::json(config_to_json(config))},
                     {"config_hash", config_hash(config)},
                     {"run", {}},
                     {"learner", state}}},
                   1);
  try {
    load_checkpoint(find_checkpoint(folder.path()), *session.learner, config);
    FAIL() << "a state without its counters must be refused";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("was written by another version of this program"),
              std::string::npos)
        << error.what();
  }
}

TEST(ForeignCheckpointTest, EarlierVersionsSavedKeysThatAreNotRead) {
  const Config config = small_config("sac");
  const TemporaryDirectory folder;
  Session session(config);
  session.run_to(20);
  Config saved = config;
  saved.loop.real_ratio = 1.0f;  // which they asked for
  saved.ppo.clip = 0.3f;
  StateWriter learned;
  session.learner->visit(learned);
  write_checkpoint(folder.path(), 20,
                   {learned.weight_tensors,
                    learned.replay_tensors,
                    {{"config", nlohmann::json(config_to_json(saved))},
                     {"config_hash", config_hash(saved)},
                     {"run", {}},
                     {"learner", learned.state}}},
                   1);
  Session second(config);
  EXPECT_NO_THROW(load_checkpoint(find_checkpoint(folder.path()), *second.learner, config));
  EXPECT_EQ(second.learner->env_steps(), 20);
  EXPECT_EQ(checkpoint_config(find_checkpoint(folder.path())).ppo.clip, 0.2f);
}

// A run's checkpoint, in which `simulator` stands in for ours; null: none, as earlier versions wrote it.
class OtherSimulatorTest : public testing::Test {
 protected:
  void save(const nlohmann::json& simulator, std::map<std::string, std::string> metadata = {}) {
    Session first(config_);
    first.run_to(20);
    StateWriter learned;
    first.learner->visit(learned);
    nlohmann::json state{{"config", nlohmann::json(config_to_json(config_))},
                         {"config_hash", config_hash(config_)},
                         {"run", {}},
                         {"learner", learned.state}};
    if (!simulator.is_null()) state["simulator"] = simulator;
    write_checkpoint(folder_.path() / "checkpoints", 20,
                     {learned.weight_tensors, learned.replay_tensors, state, std::move(metadata)},
                     1);
  }
  // what is said; empty where it goes on without a word
  std::string go_on(CheckpointUse use = CheckpointUse::kGoOn) {
    Session second(config_);
    std::string said;
    try {
      load_checkpoint(find_checkpoint(folder_.path()), *second.learner, config_, use,
                      [&](const std::string& text) { said = "warning: " + text; });
      EXPECT_EQ(second.learner->env_steps(), 20);
    } catch (const DataError& error) {
      said = error.what();
    }
    return said;
  }
  void write_machine(const std::string& text) { folder_.write("machine.json", text); }

  const TemporaryDirectory folder_;
  Config config_ = small_config("sac");
  const std::string present_ = make_env(config_.env)->spec().simulator;
};

TEST_F(OtherSimulatorTest, ACheckpointNamesItsOwn) {
  Session first(config_);
  first.run_to(20);
  save_checkpoint(folder_.path(), *first.learner, config_, {});
  EXPECT_EQ(CheckpointReader(find_checkpoint(folder_.path())).state().at("simulator"), present_);
  EXPECT_THAT(present_, testing::StartsWith("MuJoCo "));
  EXPECT_EQ(go_on(), "");
}

TEST_F(OtherSimulatorTest, AnotherVersionIsRefusedUnlessTheRunIsTold) {
  save("MuJoCo 1.50");
  EXPECT_THAT(
      go_on(),
      testing::AllOf(testing::HasSubstr("was trained on MuJoCo 1.50, this program has " + present_),
                     testing::HasSubstr("checkpoint.other_simulator=true"),
                     testing::HasSubstr("--resume never")));
  // what it has learned can be looked at anywhere
  EXPECT_EQ(go_on(CheckpointUse::kEvaluate), "");
  config_.checkpoint.other_simulator = true;
  EXPECT_THAT(
      go_on(),
      testing::AllOf(testing::StartsWith("warning: "),
                     testing::HasSubstr("trained on MuJoCo 1.50 and goes on with " + present_)));
}

// as one of a process may become, or of a program of a user's own
TEST_F(OtherSimulatorTest, AnEnvironmentOfOtherSizesOrBoundsIsRefused) {
  const std::string to_go_on = " as it was to go on, or start anew with --resume never.",
                    to_use = " as it was to use this run.";
  for (const auto& [metadata, found] : {std::pair<std::map<std::string, std::string>, std::string>{
                                            {{"observation_size", "5"}}, "5 and 1"},
                                        {{{"action_size", "2"}}, "4 and 2"}}) {
    save(present_, metadata);
    for (const CheckpointUse use :
         {CheckpointUse::kGoOn, CheckpointUse::kEvaluate, CheckpointUse::kExport})
      EXPECT_THAT(go_on(use),
                  testing::EndsWith(
                      ": env.name inverted_pendulum now has observations of 4 entries and actions "
                      "of 1; when the run was trained they had " +
                      found + ". Put it back" + (use == CheckpointUse::kGoOn ? to_go_on : to_use)));
  }
  for (const std::string low : {"-3.0", "-7.5"}) {
    save(present_, {{"action_low", "[" + low + "]"}, {"action_high", "[4.5]"}});
    const std::string text =
        ": env.name inverted_pendulum now bounds its actions by [-3] and [3]; when the run was "
        "trained, by [" +
        low.substr(0, low == "-3.0" ? 2 : 4) +
        "] and [4.5]: the policy would act on another scale. Put it back";
    EXPECT_THAT(go_on(), testing::EndsWith(text + to_go_on));
    EXPECT_THAT(
        go_on(CheckpointUse::kEvaluate),
        testing::EndsWith(text + to_use + " `mbrl_gpu export` keeps the bounds of the training."));
    EXPECT_EQ(go_on(CheckpointUse::kExport), "");
    const ActionBounds bounds = checkpoint_bounds(find_checkpoint(folder_.path()), 1);
    EXPECT_THAT(bounds.low, testing::ElementsAre(std::stof(low)));
    EXPECT_THAT(bounds.high, testing::ElementsAre(4.5f));
  }
  save(present_, {{"action_low", "[-3.0]"}, {"action_high", "[3.0]"}});
  EXPECT_EQ(go_on(), "");
  save(present_);
  EXPECT_TRUE(checkpoint_bounds(find_checkpoint(folder_.path()), 1).low.empty());
  EXPECT_EQ(go_on(), "") << "one of an earlier version";
  save(present_, {{"action_low", "[-3.0, 0.0]"}, {"action_high", "[3.0]"}});
  EXPECT_THAT(go_on(), testing::HasSubstr("action_low is a list of 2; expected a list of 1."));
}

TEST_F(OtherSimulatorTest, WhereACheckpointNamesNoneTheRunsMachineTells) {
  save(nullptr);
  EXPECT_EQ(go_on(), "") << "nothing tells";
  write_machine("{\"mujoco\": \"" + present_ + "\"}");
  EXPECT_EQ(go_on(), "");
  write_machine("{\"mujoco\": \"MuJoCo 1.50\"}");
  EXPECT_THAT(go_on(), testing::HasSubstr("was trained on MuJoCo 1.50"));
  // a start that was refused left its own name, beside that of the one that began
  write_machine("{\"mujoco\": \"" + present_ +
                "\", \"mujoco_before\": [\"MuJoCo 1.31\", \"MuJoCo 1.50\"]}");
  EXPECT_THAT(go_on(), testing::HasSubstr("was trained on MuJoCo 1.31"));
  config_.env.name = "pendulum";
  save(nullptr);
  EXPECT_EQ(go_on(), "") << "no MuJoCo steps it";
}

TEST(ForeignCheckpointTest, ALongerRunMayGoOnFromIt) {
  Config config = small_config("mbpo");
  const TemporaryDirectory folder;
  Session first(config);
  first.run_to(20);
  save_checkpoint(folder.path(), *first.learner, config, {});
  config.loop.num_env_steps = 400;
  Session second(config);
  EXPECT_NO_THROW(load_checkpoint(find_checkpoint(folder.path()), *second.learner, config));
  EXPECT_EQ(second.learner->env_steps(), 20);
}

TEST(ForeignCheckpointTest, AFolderWithoutCheckpointSaysWhatIsExpected) {
  const TemporaryDirectory folder;
  try {
    find_checkpoint(folder.path());
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("holds no complete checkpoint"), std::string::npos);
  }
}

}  // namespace
}  // namespace mbrl
