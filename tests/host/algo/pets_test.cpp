// Tests for host/algo/pets.{h,cpp} and its parts: trials, fits, plans, faults, values that change.
#include "host/algo/pets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "host/config/load.h"
#include "kernels/stages/plan/plan_meeting.h"
#include "tests/support/breakable.h"
#include "tests/support/configs.h"
#include "tests/support/error_text.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

// trials of ten steps, of which the first is random
Config small_pets(const std::string& env = "pendulum") {
  Config c = tiny_mbpo(env);
  c.algorithm = "pets";
  c.env.max_episode_steps = 10;
  c.loop.num_exploration_steps = 10;
  c.loop.epoch_length = 10;
  return c;
}

/// A learner and what it told.
template <typename Learner = Pets>
struct Session {
  explicit Session(const Config& config, PlanMeeting* plans = nullptr)
      : learner(config, stream,
                {.on_stage = [this](std::string_view stage) { stages.emplace_back(stage); },
                 .on_episode = [this](const EpisodeReport& e) { episodes.push_back(e); },
                 .on_fit = [this](const FitReport& fit) { fits.push_back(fit); },
                 .plans = plans},
                0) {}

  std::vector<std::string> stages;
  std::vector<EpisodeReport> episodes;
  std::vector<FitReport> fits;
  ThreadPool pool{2};
  Stream stream{pool};
  Learner learner;

  void steps(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(learner.step());
  }
  double metric(const std::string& name) {
    const std::vector<std::string>& names = learner.metric_names();
    const auto at = std::find(names.begin(), names.end(), name) - names.begin();
    return learner.take_metrics().at(static_cast<std::size_t>(at));
  }
};

// random shooting keeps no plan, so that only draws tell one search from the next
TEST(PetsTest, EachSearchOfACopyHasDrawsOfItsOwn) {
  Config config = small_pets();
  config.planner.method = "random";
  Session<> s(config);
  s.steps(11);
  constexpr int kRows = 2;
  const auto copy = s.learner.make_policy_copy(s.stream, kRows);
  const std::vector<float> observation{1.0f, 0.0f, 0.1f, 1.0f, 0.0f, 0.1f};
  const auto act = [&] {
    std::vector<float> action(kRows);
    copy->act({observation.data(), kRows, 3}, {action.data(), kRows, 1});
    return action;
  };
  copy->renew();
  const std::vector<float> first = act(), second = act();
  for (const float a : first)
    for (const float b : second) EXPECT_NE(a, b);
  EXPECT_NE(first[0], first[1]);
  copy->renew();
  EXPECT_EQ(act(), first) << "an evaluation repeats itself";
  EXPECT_EQ(act(), second);
}

TEST(PetsTest, ARandomTrialThenAFitBeforeEachTrialAndNoneAfterTheLast) {
  Session<> s(small_pets());
  s.steps(10);
  EXPECT_FALSE(s.learner.exploring());
  EXPECT_TRUE(s.fits.empty()) << "the fit is the beginning of a trial";
  s.steps(1);
  ASSERT_EQ(s.fits.size(), 1u);
  EXPECT_EQ(s.fits[0].num_train, 10);
  s.steps(9);
  EXPECT_EQ(s.fits.size(), 1u);
  s.steps(20);
  ASSERT_EQ(s.fits.size(), 3u);
  EXPECT_EQ(s.fits[2].num_train, 30);
  EXPECT_EQ(s.learner.real_replay().size(), 40u);
  EXPECT_EQ(s.learner.num_updates(), s.fits[0].steps + s.fits[1].steps + s.fits[2].steps);
}

TEST(PetsTest, TheReturnOfATrialIsItsEvaluationAndRandomTrialsAreNone) {
  Session<> s(small_pets());
  s.steps(10);
  EXPECT_TRUE(s.learner.trials()->empty());
  s.steps(9);
  EXPECT_TRUE(s.learner.trials()->empty());
  s.steps(1);
  const Evaluation trial = s.learner.trials()->take();
  ASSERT_EQ(s.episodes.size(), 2u);
  EXPECT_EQ(trial.returns, (std::vector<double>{s.episodes[1].episode_return}));
  EXPECT_EQ(trial.lengths, (std::vector<int>{10}));
  EXPECT_EQ(trial.num_broken, 0);
  EXPECT_TRUE(s.learner.trials()->empty()) << "it has been taken";
  EXPECT_EQ(s.metric("num_trials"), 1.0);
}

TEST(PetsTest, StagesAreTold) {
  Session<> s(small_pets());
  s.steps(12);
  const std::vector<std::string> first(s.stages.begin(), s.stages.begin() + 10);
  EXPECT_EQ(first, std::vector<std::string>(10, "explore"));
  EXPECT_EQ(std::vector<std::string>(s.stages.begin() + 10, s.stages.end()),
            (std::vector<std::string>{"model_fit", "env_step", "plan", "env_step", "env_step",
                                      "plan", "env_step"}));
}

TEST(PetsTest, LearnersThatMeetActAsTheyDoAloneAndWaitForNobodyWhoseTrialIsOverOrWhoIsSaved) {
  Config of[] = {small_pets(), small_pets()};
  of[1].seed = 5;
  of[1].planner.method = "icem";
  of[1].planner.horizon = 4;
  // the first stops where a trial ends, or in the middle of one, and is saved
  for (const int first_steps : {30, 25}) {
    const auto outcome = [](Session<>& s) {
      std::vector<double> all;
      for (const EpisodeReport& e : s.episodes) all.push_back(e.episode_return);
      for (const double value : s.learner.take_metrics())
        all.push_back(std::isnan(value) ? -1e30 : value);
      StateWriter saved;
      s.learner.visit(saved);
      for (const TensorRef& t : saved.weight_tensors)
        for (std::size_t i = 0; i < num_bytes(t) / sizeof(float); ++i)
          all.push_back(static_cast<const float*>(t.data)[i]);
      return all;
    };
    std::vector<double> wanted[2];
    for (const int i : {0, 1}) {
      Session<> s(of[i]);
      s.steps(i == 0 ? first_steps : 40);
      wanted[i] = outcome(s);
    }
    PlanMeeting meeting;
    Session<> first(of[0], &meeting), second(of[1], &meeting);
    {
      std::jthread other([&] { second.steps(40); });
      first.steps(first_steps);
      if (first_steps % 10 == 0) other.join();
      EXPECT_EQ(outcome(first), wanted[0]);
    }
    EXPECT_EQ(outcome(second), wanted[1]);
    EXPECT_GE(meeting.num_calls(), 30) << "each of the second's actions";
    EXPECT_LE(meeting.num_calls(), 30 + first_steps - 10);
  }
}

TEST(PetsTest, AnEvaluationPlansInEnvironmentsOfItsOwnAndRepeatsItself) {
  Session<> s(small_pets()), other(small_pets());
  s.steps(25);
  other.steps(25);
  const Evaluation a = s.learner.evaluate(3), b = other.learner.evaluate(3);
  ASSERT_EQ(a.returns.size(), 3u);
  EXPECT_EQ(a.returns, b.returns);
  EXPECT_NE(a.returns[0], a.returns[1]);
  EXPECT_NE(s.learner.evaluate(3).returns, a.returns) << "other start states";
}

TEST(PetsTest, ValuesChangeFromTrialToTrialUpToTheMostThatTheConfigNames) {
  Config config = small_pets();
  config.planner.max_population = 20;
  Session<> s(config);
  s.steps(20);
  std::vector<Hyperparameter> all = s.learner.hyperparameters();
  find_hyperparameter(all, "planner.population").set(20);
  find_hyperparameter(all, "planner.horizon").set(2);
  find_hyperparameter(all, "planner.iterations").set(3);
  find_hyperparameter(all, "planner.elites_ratio").set(0.5);
  find_hyperparameter(all, "model.learning_rate").set(1e-4);
  find_hyperparameter(all, "model.weight_decay").set(0.25);
  find_hyperparameter(all, "model.epochs").set(4);
  s.steps(1);
  EXPECT_EQ(s.fits.back().epochs, 4);
  EXPECT_EQ(find_hyperparameter(all, "model.weight_decay").get(), 0.25);
  EXPECT_EQ(
      error_text<ConfigError>([&] { find_hyperparameter(all, "planner.population").set(21); }),
      "planner.population is set to 21; expected a number in [1, 20].");
  EXPECT_NE(error_text<ConfigError>([&] { find_hyperparameter(all, "planner.horizon").set(4); }),
            "");
}

TEST(PetsTest, AChoiceIsSetByItsPlace) {
  Session<> s(small_pets());
  s.steps(20);
  std::vector<Hyperparameter> all = s.learner.hyperparameters();
  Hyperparameter& propagation = find_hyperparameter(all, "planner.propagation");
  EXPECT_EQ(propagation.get(), 0.0);
  propagation.set(2);
  EXPECT_EQ(propagation.get(), 2.0);
  s.steps(1);
  EXPECT_EQ(error_text<ConfigError>([&] { propagation.set(5); }),
            "planner.propagation is set to 5; expected a number in [0, 4].");
}

TEST(PetsTest, NamesOfTheConfigAreThoseOfTheStageInItsOrder) {
  PlannerConfig c;
  for (const auto& [name, method] :
       {std::pair("cem", PlanMethod::kCem), std::pair("random", PlanMethod::kRandom),
        std::pair("mppi", PlanMethod::kMppi), std::pair("icem", PlanMethod::kIcem)}) {
    c.method = name;
    EXPECT_EQ(plan_constants(c).method, method) << name;
  }
  for (const auto& [name, propagation] :
       {std::pair("ts_inf", Propagation::kTsInf), std::pair("ts1", Propagation::kTs1),
        std::pair("e", Propagation::kE), std::pair("ds", Propagation::kDs),
        std::pair("mm", Propagation::kMm)}) {
    c.propagation = name;
    EXPECT_EQ(plan_constants(c).propagation, propagation) << name;
  }
}

TEST(PetsTest, ElitesAreAShareRoundedDownAndOneAtLeast) {
  PlannerConfig c;
  EXPECT_EQ(plan_constants(c).num_elites, 50);
  c.population = 447;
  c.elites_ratio = 0.471;
  EXPECT_EQ(plan_constants(c).num_elites, 210);
  c.population = 3;
  EXPECT_EQ(plan_constants(c).num_elites, 1);
  c.elites_ratio = 0.1;
  EXPECT_EQ(plan_constants(c).num_elites, 1);
}

TEST(PetsTest, ABrokenTrialEndsEarlyKeepsItsPrefixAndIsCounted) {
  Session<Breakable<Pets>> s(small_pets("hopper12"));
  s.steps(13);
  s.learner.explode();
  s.steps(1);
  const Evaluation trial = s.learner.trials()->take();
  EXPECT_EQ(trial.lengths, (std::vector<int>{3}));
  EXPECT_EQ(trial.num_broken, 1);
  EXPECT_EQ(s.learner.real_replay().size(), 13u);
  EXPECT_EQ(s.metric("broken_trials"), 1.0);
  s.steps(1);
  EXPECT_EQ(s.fits.size(), 2u) << "the next trial begins";
}

TEST(PetsTest, ThreeBrokenTrialsInARowEndTheRun) {
  Session<Breakable<Pets>> s(small_pets("hopper12"));
  s.steps(10);
  const auto broken_trial = [&] {
    s.steps(2);
    s.learner.explode();
    s.learner.step();
  };
  broken_trial();
  broken_trial();
  s.steps(10);  // a whole one: the count starts anew
  broken_trial();
  broken_trial();
  EXPECT_THAT(error_text<DivergedError>(broken_trial),
              HasSubstr("the simulator of hopper12 became unstable in 3 trials in a row, the last "
                        "after 2 steps"));
}

TEST(PetsTest, TransitionsWithExtremeTargetsAreLeftOutOfFitsAndCounted) {
  Config config = small_pets();
  config.model.max_target = 0.02f;  // the pendulum turns faster
  Session<> s(config);
  s.steps(10);
  const auto kept = static_cast<double>(s.learner.real_replay().size());
  EXPECT_LT(kept, 10.0);
  EXPECT_EQ(s.metric("rejected_rows"), 10.0 - kept);
  EXPECT_EQ(s.episodes[0].length, 10) << "they belong to their episode";
}

// a small run that plans better than chance from its second trial on
TEST(PetsTest, SwingsThePendulumUp) {
  Config config = load_config(find_config("pets_smoke"));
  config.planner.propagation = "e";
  config.planner.population = 80;
  Session<> s(config);
  while (s.learner.env_steps() < 800) ASSERT_TRUE(s.learner.step());
  const Evaluation trials = s.learner.trials()->take();
  ASSERT_EQ(trials.returns.size(), 3u);
  EXPECT_LT(s.episodes[0].episode_return, -700.0) << "at random";
  EXPECT_GT(trials.returns[1], -400.0);
  EXPECT_GT(trials.returns[2], -400.0);
}

}  // namespace
}  // namespace mbrl
