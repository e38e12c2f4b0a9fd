// Tests for host/config/fields.{h,cpp}.
#include "host/config/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <nlohmann/json.hpp>
#include <set>
#include <variant>

#include "host/config/name_list.h"
#include "tests/host/config/config_errors.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

// Counts the members of a struct: the most values it can be initialised from.
struct Anything {
  template <typename T>
  operator T() const;
};
template <typename T, typename... Values>
constexpr int count_members() {
  if constexpr (requires { T{Values{}..., Anything{}}; }) {
    return count_members<T, Values..., Anything>();
  } else {
    return sizeof...(Values);
  }
}

int count_fields(const std::string& section) {
  int count = 0;
  for (const Field& field : fields()) count += field.section == section;
  return count;
}

TEST(FieldsTest, EveryMemberOfConfigIsInTheTable) {
  // mjcf and process are members of env, all other sections are members of Config
  EXPECT_EQ(count_fields(""), count_members<Config>() - static_cast<int>(sections().size()) + 2);
  EXPECT_EQ(count_fields("env"), count_members<EnvOptions>() - 2);
  EXPECT_EQ(count_fields("mjcf"), count_members<MjcfOptions>());
  EXPECT_EQ(count_fields("process"), count_members<ProcessOptions>());
  EXPECT_EQ(count_fields("model"), count_members<ModelConfig>());
  EXPECT_EQ(count_fields("rollout"), count_members<RolloutConfig>());
  EXPECT_EQ(count_fields("sac"), count_members<SacConfig>());
  EXPECT_EQ(count_fields("ppo"), count_members<PpoConfig>());
  EXPECT_EQ(count_fields("loop"), count_members<LoopConfig>());
  EXPECT_EQ(count_fields("eval"), count_members<EvalConfig>());
  EXPECT_EQ(count_fields("log"), count_members<LogConfig>());
  EXPECT_EQ(count_fields("checkpoint"), count_members<CheckpointConfig>());
  EXPECT_EQ(count_fields("device"), count_members<DeviceConfig>());
  EXPECT_EQ(count_fields("controller"), count_members<ControllerConfig>());
  EXPECT_EQ(count_fields("autombpo"), count_members<AutoMbpoConfig>());
  EXPECT_EQ(count_fields("population"), count_members<PopulationConfig>());
  EXPECT_EQ(count_fields("tune"), count_members<TuneConfig>());
  EXPECT_EQ(count_fields("pbt"), count_members<PbtConfig>());
}

TEST(FieldsTest, NoTwoFieldsShareAMemberOrAPath) {
  Config config;
  std::set<const void*> places;
  std::set<std::string> paths;
  for (const Field& field : fields()) {
    places.insert(std::visit([](auto* value) -> const void* { return value; }, field.slot(config)));
    paths.insert(field.path());
  }
  EXPECT_EQ(places.size(), fields().size());
  EXPECT_EQ(paths.size(), fields().size());
}

TEST(FieldsTest, EveryDefaultIsAcceptedByItsOwnField) {
  for (const Field& field : fields()) {
    Config config;
    EXPECT_NO_THROW(set_field(config, field, field_value(Config{}, field), "test")) << field.path();
    EXPECT_FALSE(field.doc.empty()) << field.path();
  }
}

TEST(FieldsTest, AKeyHasWhatItsLineInTheHeaderSays) {
  const Field& tau = *find_field("sac.tau");
  EXPECT_EQ(tau.section, "sac");
  EXPECT_EQ(tau.key, "tau");
  EXPECT_EQ(tau.doc, "step of the target critics towards the critics");
  EXPECT_EQ(tau.unit, "per update");
  EXPECT_EQ(range_text(tau.range), "(0, 1]");
  EXPECT_TRUE(tau.live);
  Config config;
  EXPECT_EQ(std::get<float*>(tau.slot(config)), &config.sac.tau);
  EXPECT_EQ(find_field("rollout.schedule")->num_items, 4);
  EXPECT_EQ(find_field("loop.pool_insertion")->choices,
            (std::vector<std::string>{"episode", "step"}));
}

TEST(FieldsTest, LiveKeysAreScalars) {
  // a list or a text sizes or chooses something that is built before the first step, unless one number
  // may stand for the list; what a planner chooses among names it has memory for in any case
  int num_live = 0;
  for (const Field& field : fields()) {
    if (!field.live) continue;
    ++num_live;
    Config config;
    const Slot slot = field.slot(config);
    EXPECT_TRUE(std::holds_alternative<int*>(slot) || std::holds_alternative<float*>(slot) ||
                std::holds_alternative<double*>(slot) ||
                (field.section == "planner" && !field.choices.empty()) || takes_one_number(field))
        << field.path();
  }
  EXPECT_GT(num_live, 20);
  EXPECT_FALSE(find_field("sac.batch_size")->live) << "a batch is allocated";
}

TEST(FieldsTest, FormerPathsFindTheKeyOfToday) {
  EXPECT_EQ(find_field("env.frame_skip"), find_field("mjcf.frame_skip"));
  EXPECT_EQ(find_field("env.frame_skip")->path(), "mjcf.frame_skip");
  EXPECT_EQ(find_field(""), nullptr);
  for (const Field& field : fields())
    EXPECT_TRUE(field.former_path.empty() || find_field(field.former_path) == &field)
        << field.path();
}

TEST(FieldsTest, FloatsPrintAsTheShortestDecimal) {
  const Config config;
  EXPECT_EQ(field_value(config, *find_field("model.learning_rate")).dump(), "0.001");
  EXPECT_EQ(field_text(config, *find_field("sac.target_entropy")), "0");
  EXPECT_EQ(field_text(config, *find_field("rollout.schedule")), "[20, 150, 1, 15]");
}

TEST(FieldsTest, IntegersMayBeWrittenWithAnExponent) {
  Config config;
  set_field(config, *find_field("loop.num_env_steps"), Json::parse("1e5"), "test");
  EXPECT_EQ(config.loop.num_env_steps, 100000);
}

TEST(FieldsTest, AKeyThatMayNameSeveralTakesOneAListOrNamesBetweenCommas) {
  const Field& method = *find_field("tune.method");
  Config config;
  const auto set = [&](const char* json) {
    set_field(config, method, Json::parse(json), "x.json");
    return config.tune.method;
  };
  EXPECT_EQ(set("\"grid\""), "grid");
  EXPECT_EQ(set("[\"random\", \"hyperband\"]"), "random,hyperband");
  EXPECT_EQ(set("\"grid,random\""), "grid,random");
  EXPECT_EQ(set("[\"grid\"]"), "grid");
  EXPECT_EQ(names_of("grid,random"), (std::vector<std::string>{"grid", "random"}));
  EXPECT_EQ(names_of("grid"), std::vector<std::string>{"grid"});

  const auto error = [&](const char* json) { return config_error([&] { set(json); }); };
  EXPECT_THAT(error("[\"random\", \"hyperbnd\"]"),
              HasSubstr("There is no hyperbnd. Did you mean hyperband?"));
  EXPECT_THAT(error("\"random,hyperbnd\""), HasSubstr("Did you mean hyperband?"));
  EXPECT_THAT(error("[\"grid\", \"grid\"]"), HasSubstr("Each may stand there once."));
  EXPECT_THAT(error("\"grid,grid\""), HasSubstr("Each may stand there once."));
  EXPECT_THAT(error("[]"), HasSubstr("expected one or several of random, grid, hyperband"));
  EXPECT_THAT(error("3"), HasSubstr("expected one or several of"));
  EXPECT_EQ(config.tune.method, "grid") << "a refused value changes nothing";
}

TEST(FieldsTest, WrongTypesNameKeyExpectedTypeAndFoundValue) {
  const auto error = [](const char* path, const char* json) {
    return config_error([&] {
      Config config;
      set_field(config, *find_field(path), Json::parse(json), "x.json");
    });
  };
  EXPECT_EQ(error("seed", "1.5"),
            "x.json: seed is 1.5; expected an integer >= 0 (key of all random draws of the run).");
  EXPECT_EQ(
      error("sac.batch_size", "\"big\""),
      "x.json: sac.batch_size is \"big\", a string; expected an integer >= 1 (rows of a policy "
      "update).");
  EXPECT_EQ(
      error("sac.batch_size", "3000000000"),
      "x.json: sac.batch_size is 3000000000, which is too large; expected an integer >= 1 (rows of "
      "a policy update).");
  EXPECT_EQ(error("env.name", "7"), "x.json: env.name is 7; expected " +
                                        expectation(*find_field("env.name")) + " (environment).");
  EXPECT_THAT(error("sac.auto_target_entropy", "1"), HasSubstr("is 1; expected true or false"));
  EXPECT_THAT(error("sac.hidden_sizes", "[]"),
              HasSubstr("a list of 0; expected a list of integers"));
  EXPECT_THAT(error("sac.hidden_sizes", "[64, \"a\"]"),
              HasSubstr("expected a list of integers >= 1"));
  EXPECT_THAT(error("model.weight_decay", "{\"a\": 1}"),
              HasSubstr("an object; expected a list of numbers"));
  EXPECT_THAT(error("model.learning_rate", "null"), HasSubstr("is null; expected a number > 0"));
  EXPECT_THAT(error("model.learning_rate", "1e39"), HasSubstr("is 1e+39, which is too large"));
}

TEST(FieldsTest, RangesAreEnforcedAtBothEnds) {
  const auto accepts = [](const char* path, const char* json) {
    return config_error([&] {
             Config config;
             set_field(config, *find_field(path), Json::parse(json), "x.json");
           }) == "no error";
  };
  EXPECT_TRUE(accepts("loop.real_ratio", "0"));
  EXPECT_TRUE(accepts("loop.real_ratio", "1"));
  EXPECT_FALSE(accepts("loop.real_ratio", "1.5"));
  EXPECT_FALSE(accepts("loop.real_ratio", "-0.1"));
  EXPECT_TRUE(accepts("sac.discount", "1.0"));
  EXPECT_FALSE(accepts("sac.discount", "1.01"));
  EXPECT_FALSE(accepts("sac.tau", "0"));
  EXPECT_FALSE(accepts("sac.learning_rate", "0"));
  EXPECT_FALSE(accepts("model.holdout_ratio", "1"));
  EXPECT_FALSE(accepts("model.ensemble_size", "0"));
  EXPECT_TRUE(accepts("model.num_elites", "256"));
  EXPECT_FALSE(accepts("model.num_elites", "257"));
  EXPECT_FALSE(accepts("seed", "-1"));
  EXPECT_FALSE(accepts("rollout.schedule", "[1, 2, 3]"));
  EXPECT_FALSE(accepts("rollout.schedule", "[-1, 2, 1, 1]"));
}

TEST(FieldsTest, RangesHoldForTheNumberThatIsKept) {
  const auto accepts = [](const char* path, const char* json) {
    return config_error([&] {
             Config config;
             set_field(config, *find_field(path), Json::parse(json), "x.json");
           }) == "no error";
  };
  EXPECT_FALSE(accepts("sac.tau", "1e-60")) << "0 as a float";
  EXPECT_FALSE(accepts("sac.learning_rate", "1e-60"));
  EXPECT_FALSE(accepts("ppo.clip", "1e-60"));
  // a pool's threads flush it to 0: told even where a thread does not
  const unsigned int mode = _mm_getcsr();
  for (const unsigned int flush : {0u, 0x8040u}) {
    _mm_setcsr((mode & ~0x8040u) | flush);
    EXPECT_FALSE(accepts("ppo.clip", "1e-40")) << flush;
    EXPECT_FALSE(accepts("planner.elites_ratio", "1e-310")) << flush;
    EXPECT_TRUE(accepts("ppo.clip", "1e-37")) << flush;
  }
  _mm_setcsr(mode);
  EXPECT_FALSE(accepts("controller.clip", "0.99999999999")) << "1 as a float";
  EXPECT_FALSE(accepts("model.min_improvement", "0.99999999999"));
  EXPECT_TRUE(accepts("sac.discount", "1.00000000001")) << "1 as a float";
  EXPECT_FALSE(accepts("controller.epsilon", "[0, 1.1]"));
  EXPECT_EQ(
      config_error([&] {
        Config config;
        set_field(config, *find_field("sac.tau"), Json::parse("1e-60"), "x.json");
      }),
      "x.json: sac.tau is 1e-60, which is kept as 0; expected a number in (0, 1] (step of the "
      "target critics towards the critics).");
  // kept as written
  EXPECT_TRUE(accepts("model.holdout_ratio", "0.99999999999"));
  EXPECT_FALSE(accepts("controller.ratio_factor", "1"));
  EXPECT_TRUE(accepts("controller.ratio_factor", "1.00000000001"));
}

TEST(FieldsTest, RatiosAreKeptAsTheyAreWritten) {
  Config config;
  for (const char* path :
       {"loop.real_ratio", "model.holdout_ratio", "controller.init_real_ratio"}) {
    set_field(config, *find_field(path), Json::parse("0.7"), "x.json");
    EXPECT_EQ(field_text(config, *find_field(path)), "0.7") << path;
  }
  EXPECT_EQ(static_cast<int>(10 * config.loop.real_ratio), 7);
  EXPECT_EQ(static_cast<int>(400 * config.model.holdout_ratio), 280);
  EXPECT_EQ(static_cast<int>(10 * config.controller.init_real_ratio), 7);
  set_field(config, *find_field("loop.real_ratio"), Json::parse("0.142857142857142857"), "x.json");
  EXPECT_EQ(static_cast<int>(7 * config.loop.real_ratio), 1);
}

TEST(FieldsTest, ChoicesSuggestTheNearest) {
  Config config;
  EXPECT_EQ(config_error([&] {
              set_field(config, *find_field("sac.update_order"), Json("sequental"), "x.json");
            }),
            "x.json: sac.update_order is \"sequental\"; expected one of sequential, simultaneous "
            "(sequential: the actor sees the updated critics; simultaneous: all gradients from the "
            "parameters before the update). Did you mean sequential?");
}

TEST(FieldsTest, ARefusedValueLeavesTheConfigAsItWas) {
  Config config;
  EXPECT_ANY_THROW(set_field(config, *find_field("sac.hidden_sizes"), Json::parse("[64, 0]"), "x"));
  EXPECT_EQ(config.sac.hidden_sizes, (std::vector<int>{256, 256}));
}

TEST(FieldsTest, UnknownKeysNameTheNearest) {
  const auto error = [](const char* path) {
    return config_error([&] { throw_unknown_key(path, "configs/hopper.json"); });
  };
  EXPECT_EQ(error("model.learning_rat"),
            "configs/hopper.json: model.learning_rat is unknown. Did you mean model.learning_rate? "
            "`mbrl_gpu config keys model` lists all.");
  EXPECT_EQ(error("real_ratio"),
            "configs/hopper.json: real_ratio is unknown. Did you mean loop.real_ratio? `mbrl_gpu "
            "config keys` lists all.");
  EXPECT_EQ(
      error("sac.real_ratio"),
      "configs/hopper.json: sac.real_ratio is unknown. Did you mean loop.real_ratio? `mbrl_gpu "
      "config keys sac` lists all.");
  EXPECT_EQ(error("learning_rate"),
            "configs/hopper.json: learning_rate is unknown. Did you mean model.learning_rate or "
            "sac.learning_rate or ppo.learning_rate or controller.learning_rate? `mbrl_gpu config "
            "keys` lists all.");
  EXPECT_EQ(
      error("real_rato"),
      "configs/hopper.json: real_rato is unknown. Did you mean loop.real_ratio? `mbrl_gpu config "
      "keys` lists all.");
  EXPECT_EQ(
      error("modle"),
      "configs/hopper.json: modle is unknown. Did you mean model? `mbrl_gpu config keys` lists "
      "all.");
  EXPECT_EQ(
      error("model"),
      "configs/hopper.json: model is a section of keys; `mbrl_gpu config keys model` lists them.");
  EXPECT_EQ(error("xyzzy"),
            "configs/hopper.json: xyzzy is unknown. `mbrl_gpu config keys` lists all.");
}

}  // namespace
}  // namespace mbrl
