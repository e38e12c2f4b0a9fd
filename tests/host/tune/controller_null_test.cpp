// Tests for host/tune/autombpo/controller_null.{h,cpp}: what controllers do that had nothing to learn.
#include "host/tune/autombpo/controller_null.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/thread_pool.h"
#include "host/io/run_state.h"
#include "host/run/run_dir.h"
#include "host/stats/summary.h"
#include "host/tune/autombpo/configs.h"
#include "tests/support/configs.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

// a complete run of AutoMBPO on disk: tables alone, no learner
class RunOnDisk {
 public:
  RunOnDisk() : config(tiny_mbpo("pendulum")) {
    config.algorithm = "autombpo";
    config.loop.num_exploration_steps = 100;
    config.loop.epoch_length = config.eval.interval = 100;
    config.controller.interval = 25;
    config.controller.hidden_size = 16;
    config.controller.learning_rate = 0.01f;
    config.controller.batch_size = 32;
    config.controller.reward_scale = 100.0f;
    config.autombpo.num_episodes = 16;
    config.autombpo.episodes_per_stage = 4;
    config.autombpo.train_epochs = 3;
    config.autombpo.eval_epochs = 5;
    config.autombpo.num_seeds = 3;
  }

  void write() const {
    Config base = baseline_config(config, 5);
    for (base.seed = 0; base.seed < 3; ++base.seed) {
      std::string rows = "env_steps,eval_return_mean\n";
      for (int e = 0; e < 5; ++e)
        rows += fmt::format("{},{}\n", 200 + 100 * e, 10 * e + 100 * base.seed);
      put(RunDir::folder_of(folder_.path(), base), {{"metrics.csv", rows}});
    }
    for (int i = 0; i < 16; ++i)
      put(path() / "episodes" / fmt::format("{:04}", i), {{"decisions.csv", decisions(12, 0.05)}});
    // 20 decisions that bring the ratio from 0.05 five factors of 1.2 up
    for (int seed = 1000; seed < 1003; ++seed)
      put(path() / "evaluation" / fmt::format("seed-{}", seed),
          {{"decisions.csv", decisions(20, 0.05 * std::pow(1.2, 5))}});
  }

  ControllerNull null(int repetitions) const {
    ThreadPool pool(1);
    Stream stream(pool);
    return controller_null(stream, config, AutoMbpoFolder(path()), folder_.path(), repetitions);
  }
  fs::path path() const { return folder_.path() / "tiny" / "abc" / "seed-0"; }
  const fs::path& root() const { return folder_.path(); }

  Config config;

 private:
  static void put(const fs::path& folder, const std::map<std::string, std::string>& files) {
    fs::create_directories(folder);
    for (const auto& [name, text] : files) std::ofstream(folder / name) << text;
    write_run_state(folder, RunStatus::kDone, {});
  }
  // a quarter of the decisions fit; one update more and two lengths less at the end than at the start
  std::string decisions(int n, double last_ratio) const {
    std::string text =
        "env_steps,samples,model_loss,critic_loss,policy_change,last_return,real_ratio,fit_model,"
        "updates_per_step,rollout_length\n";
    for (int i = 0; i < n; ++i)
      text += fmt::format("{},{},0.1,{},0.2,5,{},{},{},{}\n", 100 + 25 * i, i / 20.0, 0.01 * i,
                          i == n - 1 ? last_ratio : 0.07, i % 4 == 0 ? 1 : 0,
                          i == n - 1 ? config.controller.init_updates_per_step + 1 : 3,
                          i == n - 1 ? static_cast<int>(config.rollout.schedule[2]) - 2 : 1);
    return text;
  }

  TemporaryDirectory folder_;
};

std::vector<double> values_of(double Drift::*field, const ControllerNull& found) {
  std::vector<double> values;
  for (const Drift& drift : found.null) values.push_back(drift.*field);
  return values;
}

TEST(ControllerNullTest, ARunsDriftIsInStepsPerDecision) {
  RunOnDisk run;
  run.config.controller.init_updates_per_step = 4;
  run.config.rollout.schedule = {0, 10, 4, 4};
  run.write();
  const ControllerNull found = run.null(2);
  EXPECT_EQ(found.num_runs, 3);
  EXPECT_EQ(found.null.size(), 2u);
  EXPECT_NEAR(found.run.real_ratio, 5.0 / 20.0, 1e-9);
  EXPECT_DOUBLE_EQ(found.run.updates_per_step, 1.0 / 20.0);
  EXPECT_DOUBLE_EQ(found.run.rollout_length, -2.0 / 20.0);
  EXPECT_DOUBLE_EQ(found.run.share_of_fits, 5.0 / 20.0);
}

TEST(ControllerNullTest, WhereNothingDependsOnChoicesControllersDriftBothWays) {
  RunOnDisk run;
  run.config.controller.training_penalty = 0.0f;
  run.write();
  const ControllerNull found = run.null(30);
  const std::vector<double> ratio = values_of(&Drift::real_ratio, found),
                            fits = values_of(&Drift::share_of_fits, found);
  // within four standard errors of no preference
  EXPECT_NEAR(mean_of(ratio), 0.0, 4.0 * sample_std(ratio) / std::sqrt(30.0));
  EXPECT_NEAR(mean_of(fits), 0.5, 4.0 * sample_std(fits) / std::sqrt(30.0));
  EXPECT_GT(sample_std(fits), 0.01) << "no controller learned anything from its luck";
  EXPECT_GT(*std::max_element(ratio.begin(), ratio.end()), 0.0);
  EXPECT_LT(*std::min_element(ratio.begin(), ratio.end()), 0.0);
}

TEST(ControllerNullTest, WhatAFitCostsIsLearnedThereToo) {
  RunOnDisk run;
  run.config.controller.training_penalty = 5.0f;
  run.write();
  EXPECT_LT(mean_of(values_of(&Drift::share_of_fits, run.null(6))), 0.3);
}

TEST(ControllerNullTest, TheSameRunHasTheSameNull) {
  RunOnDisk run;
  run.write();
  const ControllerNull a = run.null(3), b = run.null(3);
  EXPECT_EQ(values_of(&Drift::real_ratio, a), values_of(&Drift::real_ratio, b));
  EXPECT_EQ(values_of(&Drift::share_of_fits, a), values_of(&Drift::share_of_fits, b));
  EXPECT_NE(a.null[0].share_of_fits, a.null[1].share_of_fits) << "repetitions are not independent";
  // to the bit: over three runs of 20 decisions each
  std::vector<long> counts;
  for (const Drift& drift : a.null)
    for (const double mean : {drift.share_of_fits, drift.updates_per_step})
      counts.push_back(std::lround(60.0 * mean));
  EXPECT_THAT(counts, testing::ElementsAre(27, -11, 22, -5, 26, 6))
      << "kNullEpisode: other curves are drawn than when this was recorded";
}

TEST(ControllerNullTest, StagedControllersDriftInTheirHeadsAlone) {
  RunOnDisk run;
  run.config.controller.stack = "staged";
  run.config.controller.heads = {"model", "updates"};
  run.config.controller.apply = {"model", "updates"};
  run.write();
  const ControllerNull found = run.null(4);
  EXPECT_TRUE(std::isnan(found.run.real_ratio));
  EXPECT_TRUE(std::isnan(found.run.rollout_length));
  for (const Drift& drift : found.null) {
    EXPECT_TRUE(std::isnan(drift.real_ratio));
    EXPECT_TRUE(std::isnan(drift.rollout_length));
    EXPECT_GT(drift.share_of_fits, 0.0);
    EXPECT_LT(std::abs(drift.updates_per_step), 1.0);
  }
}

TEST(ControllerNullTest, WhatIsNotThereIsNamed) {
  RunOnDisk run;
  EXPECT_THAT(error_text<Error>([&] { run.null(2); }),
              testing::HasSubstr("no complete run of the evaluation"));
  run.config.autombpo.scheme = "ror";
  EXPECT_THAT(error_text<Error>([&] { run.null(2); }), testing::HasSubstr("trains no controller"));
}

TEST(ControllerNullTest, ABaselineThatIsGoneIsNamed) {
  RunOnDisk run;
  run.write();
  const fs::path base = RunDir::folder_of(run.root(), baseline_config(run.config, 5));
  fs::remove_all(base);
  EXPECT_THAT(error_text<Error>([&] { run.null(2); }), testing::HasSubstr(base.string()));
}

TEST(DriftLineTest, NoStandardDeviationIsADash) {
  ControllerNull found;
  found.run.real_ratio = 0.25;
  const auto line = [&](std::vector<double> null) {
    found.null.clear();
    for (const double value : null) found.null.push_back({.real_ratio = value});
    return drift_line("ratio", &Drift::real_ratio, found).substr(44);
  };
  EXPECT_EQ(line({-0.5, 0.5}), "    0.250    0.000    0.707   -0.500 to  0.500     0.35\n");
  EXPECT_EQ(line({0.125, 0.125}), "    0.250    0.125    0.000    0.125 to  0.125        -\n");
  EXPECT_EQ(line({0.125}), "    0.250    0.125    0.000    0.125 to  0.125        -\n");
  found.run.real_ratio = std::nan("");
  EXPECT_EQ(drift_line("ratio", &Drift::real_ratio, found), "");
}

}  // namespace
}  // namespace mbrl
