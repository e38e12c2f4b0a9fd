// Tests for host/tune/study/{methods,space_checks}.{h,cpp}, of schedules that a run follows, and of the shipped searches: what was published is there.
#include "host/tune/study/methods.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"
#include "host/algo/resolve_config.h"
#include "host/config/load.h"
#include "host/tune/schedule_file.h"
#include "host/tune/scheduled_run.h"
#include "host/tune/study/space_checks.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

Config searched(const std::string& methods, double budget = 0.0) {
  Config config;
  config.loop.num_env_steps = 900;
  config.tune.method = methods;
  config.tune.trials = 10;
  config.tune.budget = budget;
  config.tune.space.dimensions = {{.key = "sac.learning_rate", .low = 1e-4, .high = 1e-2}};
  return config;
}

TEST(MethodsTest, OneAloneKeepsWhatItsConfigSays) {
  const std::vector<Config> one = config_of_each_method(searched("hyperband"), "x");
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].tune.iterations, 15);
  EXPECT_EQ(one[0].tune.budget, 0.0);
}

TEST(MethodsTest, SeveralSpendTheSame) {
  const std::vector<Config> all = config_of_each_method(searched("random,hyperband,grid"), "x");
  ASSERT_EQ(all.size(), 3u);
  for (const Config& one : all) EXPECT_EQ(one.tune.budget, 9000.0);
  EXPECT_EQ(all[0].tune.method, "random");
  EXPECT_EQ(all[0].tune.trials, 10);
  // brackets of 900 + 900 + 900, 3 x 300 + 900 and 3 x 900 steps: a fourth would be beyond
  EXPECT_EQ(all[1].tune.method, "hyperband");
  EXPECT_EQ(all[1].tune.iterations, 3);
  EXPECT_EQ(all[2].tune.method, "grid");
  EXPECT_EQ(config_of_each_method(searched("random,grid", 4000), "x")[0].tune.trials, 4);
  EXPECT_THAT(error_text<ConfigError>(
                  [] { config_of_each_method(searched("random,hyperband", 2000), "x"); }),
              HasSubstr("x: tune.budget is 2000 env steps, and a bracket of hyperband takes more"));
  EXPECT_THAT(
      error_text<ConfigError>([] { config_of_each_method(searched("random,grid", 800), "x"); }),
      HasSubstr("a trial of random takes more"));
}

TEST(MethodsTest, TestRunsHaveSeedsThatNoTrialHas) {
  StudyOptions study;
  study.name = "smoke";
  study.overrides = {"seed=3", "tune.trials=5", "sac.tau=0.1"};
  study.config = resolve_config("tune_smoke", {"seed=3"}, UnreadKeys::kRefuseButTune);
  study.config.tune.test_seeds = 3;
  study.folder = "s";
  const std::vector<OrdinaryRun> runs = test_runs(study, 7, {1e-3, 2e-3, 0.02});
  ASSERT_EQ(runs.size(), 3u);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunOptions& options = runs[i].options;
    EXPECT_EQ(options.config.seed, 100 + static_cast<int>(i));
    EXPECT_EQ(options.config.sac.learning_rate, 1e-3f);
    EXPECT_EQ(options.runs, fs::path("s/test/trial-0007"));
    EXPECT_TRUE(options.config.tune.space.dimensions.empty());
  }
  EXPECT_THAT(runs[1].options.command,
              testing::ElementsAre("mbrl_gpu", "run", "smoke", "sac.tau=0.1",
                                   "sac.learning_rate=0.001", "model.learning_rate=0.002",
                                   "sac.tau=0.02", "seed=101", "--runs=s/test/trial-0007"));
}

TEST(MethodsTest, ARunHasNoWordOfTheSearch) {
  EXPECT_THAT(words_of_a_run({"seed=3", "pbt.interval=200", "sac.tau=0.1", "tune.trials=5",
                              "env.name=pendulum", "name=seed=1"}),
              testing::ElementsAre("sac.tau=0.1", "env.name=pendulum", "name=seed=1"));
}

TEST(MethodsTest, APopulationsBestIsTestedByItsSchedule) {
  StudyOptions study;
  study.name = "tune_smoke";
  study.overrides = {"tune.method=pbt", "pbt.interval=200"};
  study.config = resolve_config("tune_smoke", study.overrides, UnreadKeys::kRefuseButTune);
  study.config.tune.test_seeds = 1;
  study.folder = "s";
  TemporaryDirectory folder;
  const std::string file =
      folder.write("a.json", R"({"mbrl_gpu_schedule": 1, "algorithm": "mbpo", "unit": "steps",
                    "points": [{"at": 0, "values": {"sac.learning_rate": 0.002}}]})");
  const std::vector<OrdinaryRun> runs = test_runs(study, 2, {7e-3, 2e-3, 0.02}, file);
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].options.config.schedule, file);
  EXPECT_NE(runs[0].options.config.sac.learning_rate, 7e-3f) << "the schedule says what it is";
  EXPECT_THAT(runs[0].options.command,
              testing::ElementsAre("mbrl_gpu", "run", "tune_smoke", "schedule=" + file, "seed=100",
                                   "--runs=s/test/trial-0002"));
}

// ---- shipped searches

std::set<std::string> shipped_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(find_config("smoke").parent_path() / folder))
    names.insert(entry.path().stem().string());
  return names;
}

// tables 2 to 4 of Zhang et al. 2021, arXiv:2102.13651
std::map<std::string, SearchDimension> published(const std::string& env) {
  const bool pusher = env == "pusher", reacher = env == "reacher";
  const auto range = [](const std::string& key, double low, double high, bool log, bool integer) {
    return std::pair(
        key, SearchDimension{.key = key, .low = low, .high = high, .log = log, .integer = integer});
  };
  return {range("model.learning_rate", pusher ? 3e-5 : 1e-5, pusher ? 3e-3 : 4e-2, true, false),
          range("model.weight_decay", 1e-7, 1e-1, true, false),
          range("model.epochs", 3, 20, false, true),
          range("planner.iterations", reacher ? 4 : 3, reacher ? 6 : 8, false, true),
          range("planner.population", pusher ? 100 : 200, 700, true, true),
          range("planner.alpha", pusher ? 0.01 : 0.05,
                pusher    ? 0.5
                : reacher ? 0.4
                          : 0.2,
                false, false),
          range("planner.elites_ratio", 0.04, 0.5, true, false),
          range("planner.horizon", 5, pusher || reacher ? 40 : 60, false, true)};
}

TEST(ShippedSearchesTest, SpacesAreThePublishedOnes) {
  const std::set<std::string> names = shipped_in("spaces");
  for (const std::string& name : names) {
    const Config config =
        resolve_config("spaces/" + name, {}, UnreadKeys::kRefuseButTune,
                       [&](const std::string& text) { ADD_FAILURE() << name << ": " << text; });
    EXPECT_EQ(config.name, name);
    const std::string env = name.substr(5, name.rfind('_') - 5),
                      group = name.substr(name.rfind('_') + 1);
    const auto expected = published(env);
    std::size_t num_keys = 0;
    for (const auto& [key, range] : expected)
      num_keys += group == "all" || (group == "model") == key.starts_with("model.");
    EXPECT_EQ(config.tune.space.dimensions.size(), num_keys) << name;
    for (const SearchDimension& d : config.tune.space.dimensions)
      EXPECT_EQ(d, expected.at(d.key)) << name << " " << d.key;
    EXPECT_EQ(config.tune.trials, group == "all" ? 80 : 40);
    EXPECT_EQ(config.tune.iterations, group == "all" ? 30 : 15);
    // 80 or 300 trials after the random one
    EXPECT_EQ(config.loop.num_env_steps, env == "pusher" || env == "reacher" ? 81 * 150 : 301'000);
    EXPECT_EQ(config.model.weight_decay.size(), 1u);
  }
  for (const char* env : {"pusher", "reacher", "hopper", "halfcheetah", "daisy"})
    for (const char* group : {"model", "cem", "all"})
      EXPECT_TRUE(names.contains(fmt::format("pets_{}_{}", env, group))) << env << group;
}

TEST(ShippedSearchesTest, SettingsThatWereFoundLieInTheirSpaces) {
  const std::set<std::string> names = shipped_in("tuned");
  EXPECT_EQ(names.size(), 18u);
  for (const std::string& name : names) {
    const Config config = resolve_config("tuned/" + name, {});
    EXPECT_EQ(config.name, name);
    const auto ranges = published(name.substr(5, name.find('_', 5) - 5));
    const std::map<std::string, double> values{
        {"model.learning_rate", config.model.learning_rate},
        {"model.weight_decay", config.model.weight_decay.at(0)},
        {"model.epochs", config.model.epochs},
        {"planner.iterations", config.planner.iterations},
        {"planner.population", config.planner.population},
        {"planner.alpha", config.planner.alpha},
        {"planner.elites_ratio", config.planner.elites_ratio},
        {"planner.horizon", config.planner.horizon}};
    for (const auto& [key, value] : values) {
      EXPECT_GE(value, ranges.at(key).low * 0.9999) << name << " " << key;
      EXPECT_LE(value, ranges.at(key).high * 1.0001) << name << " " << key;
    }
  }
  const Config hopper = resolve_config("tuned/pets_hopper_random_cem", {});
  EXPECT_EQ(hopper.planner.population, 447);
  EXPECT_EQ(hopper.planner.elites_ratio, 0.471);
  EXPECT_EQ(hopper.model.learning_rate, 1e-3f);
}

// ---- what cannot be is told before the first trial

std::string error_of_schedule(const std::vector<std::string>& overrides, const std::string& points,
                              Config* followed = nullptr) {
  const TemporaryDirectory folder;
  const std::string text =
      R"({"mbrl_gpu_schedule": 1, "algorithm": "pets", "unit": "steps", "end": 100000, "points": [)" +
      points + "]}";
  const std::string file = folder.write("s.json", text);
  std::vector<std::string> words = overrides;
  words.push_back("schedule=" + file);
  return error_text<ConfigError>([&] {
    RunOptions options{.config = resolve_config(words.front(), {words.begin() + 1, words.end()}),
                       .runs = "r",
                       .command = {}};
    follow_files(options);
    if (followed != nullptr) *followed = options.config;
  });
}

constexpr char kAtFirst[] = R"({"at": 0, "values": {"planner.particles": 6}}, )";

TEST(ScheduledRunTest, ValuesThatDoNotGoTogetherAreRefusedWithTheirPoint) {
  Config followed;
  const std::string fine = R"({"at": 9, "values": {"planner.particles": 9, "planner.horizon": 25}},
      {"at": 19, "values": {"planner.population": 300}})";
  EXPECT_EQ(error_of_schedule({"pets_smoke"}, kAtFirst + fine, &followed), "");
  EXPECT_EQ(followed.planner.max_particles, 9);
  EXPECT_EQ(followed.planner.max_horizon, 25);
  EXPECT_EQ(followed.planner.max_population, 300);

  EXPECT_THAT(
      error_of_schedule({"pets_smoke"},
                        kAtFirst + std::string(R"({"at": 9, "values": {"planner.particles": 7}})")),
      HasSubstr("s.json: points[1]: planner.particles is 7 for 3 members"));
  // each value is one of those before it, too
  EXPECT_THAT(error_of_schedule({"pets_smoke", "planner.propagation=ds"},
                                std::string(
                                    R"({"at": 0, "values": {"planner.particles": 7}},
                     {"at": 9, "values": {"planner.propagation": "ts1"}})")),
              HasSubstr("s.json: points[1]: planner.particles is 7 for 3 members"));
  EXPECT_THAT(
      error_of_schedule(
          {"pets_smoke"},
          kAtFirst + std::string(R"({"at": 9, "values": {"planner.population": 2000000}})")),
      HasSubstr("s.json: points[0]: planner.max_population is 2000000; expected at most"));
  EXPECT_THAT(error_of_schedule(
                  {"pets_smoke"},
                  kAtFirst + std::string(R"({"at": 9, "values": {"planner.min_variance": 5}})")),
              HasSubstr("s.json: points[1]: planner.min_variance is 5, and a search for actions"));
  EXPECT_THAT(
      error_of_schedule({"smoke"}, R"({"at": 0, "values": {"loop.model_train_interval": 250}})"),
      HasSubstr("s.json: points[0]: the model replay would hold"));
  // what the config says of the most is kept
  EXPECT_THAT(error_of_schedule({"pets_smoke", "planner.max_horizon=24"}, kAtFirst + fine),
              HasSubstr("s.json: planner.horizon becomes 25, more than planner.max_horizon, which "
                        "is 24. Raise that, or leave it at 0"));
  EXPECT_EQ(error_of_schedule({"pets_smoke", "planner.max_horizon=25"}, kAtFirst + fine), "");
}

TEST(SpaceChecksTest, EndsThatNoTrialCanHaveAreRefused) {
  const auto error = [](const std::vector<std::string>& overrides, const SearchDimension& d) {
    const Config base = resolve_config("pets_smoke", overrides);
    return error_text<ConfigError>([&] { check_ends({{d}}, base, "x.json"); });
  };
  const auto range = [](const char* key, double low, double high) {
    return SearchDimension{.key = key, .low = low, .high = high, .integer = true};
  };
  EXPECT_EQ(error({}, range("planner.horizon", 3, 4095)), "");
  EXPECT_EQ(error({}, range("planner.horizon", 3, 5000)),
            "x.json: tune.space.planner.horizon at 5000: planner.horizon is 5000; expected at most "
            "4095.");
  EXPECT_THAT(error({"planner.max_horizon=20"}, range("planner.horizon", 3, 21)),
              HasSubstr("x.json: tune.space: planner.horizon becomes 21, more than"));
  EXPECT_EQ(error({"planner.max_horizon=21"}, range("planner.horizon", 3, 21)), "");
  EXPECT_THAT(error({}, {.key = "planner.horizon", .choices = {"3", "5000"}}),
              HasSubstr("tune.space.planner.horizon at 5000"));
  EXPECT_THAT(error({}, {.key = "planner.min_variance", .low = 1e-4, .high = 50.0}),
              HasSubstr("x.json: tune.space: planner.min_variance is 50, and a search for"));

  EXPECT_EQ(
      error({}, range("planner.particles", 3, 12)),
      "x.json: tune.space.planner.particles has numbers that 3 members (model.ensemble_size) "
      "cannot share evenly, as planner.propagation=ts_inf needs. Give {\"choices\": [3, 6, 9, "
      "12]}, or set planner.propagation to e, ds or mm.");
  EXPECT_THAT(error({}, range("planner.particles", 4, 100)),
              HasSubstr("Give {\"choices\": [6, 24, 42, 60, 78, 96]}"));
  EXPECT_THAT(error({}, range("planner.particles", 4, 5)), HasSubstr("{\"choices\": [6]}"));
  EXPECT_EQ(error({}, range("planner.particles", 6, 6)), "");
  EXPECT_EQ(error({"planner.propagation=ds"}, range("planner.particles", 3, 12)), "");
  EXPECT_EQ(error({}, {.key = "planner.particles", .choices = {"3", "12"}}), "");
  EXPECT_THAT(error({}, {.key = "planner.particles", .choices = {"3", "4"}}),
              HasSubstr("{\"choices\": [3]}"));
  EXPECT_EQ(error({"model.ensemble_size=1", "planner.particles=1"},
                  range("planner.particles", 1, 7)),
            "");
}

TEST(SpaceChecksTest, RoomIsMadeForRangesAndForChoices) {
  const Config base = resolve_config("pets_smoke", {});
  const SearchSpace space{{{.key = "planner.horizon", .choices = {"30", "10", "20"}},
                           {.key = "planner.population", .low = 10, .high = 900, .integer = true}}};
  const Config roomy = with_room(base, space, "x");
  EXPECT_EQ(roomy.planner.max_horizon, 30);
  EXPECT_EQ(roomy.planner.max_population, 900);
  EXPECT_EQ(roomy.planner.max_particles, 0);
}

TEST(ShippedSearchesTest, SchedulesThatWereFoundLieInTheirSpacesAndAreFollowed) {
  const std::set<std::string> names = shipped_in("schedules");
  EXPECT_EQ(names.size(), 7u);
  for (const std::string& name : names) {
    const std::string env = name.substr(5, name.find('_', 5) - 5);
    const std::string group = name.substr(name.rfind('_') + 1);
    const fs::path file = find_config("smoke").parent_path() / "schedules" / (name + ".json");
    const ScheduleFile schedule = read_schedule(file);
    EXPECT_EQ(schedule.unit, "trials");
    EXPECT_GE(schedule.points.size(), 4u);
    const auto ranges = published(env);
    for (const SchedulePoint& point : schedule.points)
      for (const auto& [key, value] : point.values.items()) {
        EXPECT_GE(value.get<double>(), ranges.at(key).low) << name << " " << key;
        EXPECT_LE(value.get<double>(), ranges.at(key).high) << name << " " << key;
      }
    RunOptions options{.config = resolve_config(fmt::format("spaces/pets_{}_{}", env, group),
                                                {"schedule=" + file.string()}),
                       .runs = "r",
                       .command = {}};
    EXPECT_NO_THROW(follow_files(options)) << name;
    EXPECT_TRUE(options.make_schedule) << name;
  }
}

}  // namespace
}  // namespace mbrl
