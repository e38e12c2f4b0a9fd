// Tests of promises across the whole learner: any number of threads gives the same run, and a run
// that was stopped and resumed equals one that was not, parameter for parameter.
#include "host/run/resume.h"

#include <gtest/gtest.h>

#include <cstring>
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
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

Config small_config(const std::string& algorithm) {
  Config c = small_mbpo("inverted_pendulum");
  c.algorithm = algorithm;
  c.model.max_epochs = 8;
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

// bytes of everything that training changes
std::vector<std::string> contents(Learner& learner) {
  std::vector<std::string> all{learner.state().dump()};
  const auto add = [&](const std::vector<TensorRef>& tensors) {
    for (const TensorRef& t : tensors)
      all.push_back(t.name + ":" + std::string(static_cast<const char*>(t.data), num_bytes(t)));
  };
  add(learner.weight_tensors());
  add(learner.replay_tensors());
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
  auto a = with.learner->state(), b = without.learner->state();
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

INSTANTIATE_TEST_SUITE_P(Algorithms, ResumeTest, testing::Values("mbpo", "sac", "ppo"));

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
  auto state = session.learner->state();
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
