// Tests for envs/mujoco/mjcf_picks.{h,cpp} and what mjcf_env.cpp makes of them: sensors, terms of the
// reward and ranges of start states, of a robot given by file and config.
#include "envs/mujoco/mjcf_picks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <set>

#include "base/error.h"
#include "envs/picture.h"
#include "tests/support/matchers.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using Strings = std::vector<std::string>;

constexpr double kUpper = 0.3, kFore = 0.2;  // m

// an arm in the x-y plane, something that falls freely, a target that is put, a pad under a ball
const char* const kArm = R"(<mujoco>
  <compiler angle="radian"/>
  <option timestep="0.01"/>
  <worldbody>
    <body name="upper_arm">
      <joint name="shoulder" type="hinge" axis="0 0 1" damping="0.1"/>
      <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02" mass="1" contype="0" conaffinity="0"/>
      <body name="forearm" pos="0.3 0 0">
        <joint name="elbow" type="hinge" axis="0 0 1" limited="true" range="-2 2"/>
        <geom type="capsule" fromto="0 0 0 0.2 0 0" size="0.02" mass="0.5" contype="0" conaffinity="0"/>
        <site name="tip" pos="0.2 0 0"/>
        <site name="fixed" pos="0.2 0 0"/>
        <body name="fixed"/>
      </body>
    </body>
    <body name="stone" pos="0 0 5">
      <freejoint name="flies"/>
      <geom type="sphere" size="0.05" mass="0.1" contype="0" conaffinity="0"/>
    </body>
    <body name="ball" pos="1 0 0.1">
      <joint name="sinks" type="slide" axis="0 0 1"/>
      <geom type="sphere" size="0.1" mass="2"/>
      <site name="skin" type="sphere" size="0.11"/>
    </body>
    <body name="pad" pos="1 0 -0.1"><geom type="box" size="0.2 0.2 0.1"/></body>
    <body name="target" mocap="true" pos="0.1 0.2 0.05"/>
  </worldbody>
  <actuator>
    <motor joint="shoulder" ctrllimited="true" ctrlrange="-1 1"/>
    <motor joint="elbow" ctrllimited="true" ctrlrange="-2 2"/>
  </actuator>
  <sensor>
    <jointpos name="elbow_angle" joint="elbow"/>
    <framepos name="tip_place" objtype="site" objname="tip"/>
    <framelinvel name="tip_speed" objtype="site" objname="tip"/>
    <touch name="weight" site="skin"/>
    <framelinacc name="stone_falls" objtype="body" objname="stone"/>
    <jointvel joint="elbow"/>
    <framepos name="from_target" objtype="site" objname="tip" reftype="xbody" refname="target"/>
  </sensor>
  <keyframe>
    <key name="bent" qpos="0.5 1 0 0 5 1 0 0 0 0" qvel="0 0.25 0 0 0 0 0 0 0" mpos="0.3 -0.1 0.2" mquat="0 1 0 0"/>
  </keyframe>
</mujoco>)";
constexpr int kPositions = 10, kVelocities = 9;

struct Tip {
  double x, y, speed_x, speed_y;
};
Tip tip_of(const mjData& data) {
  const double a = data.qpos[0], b = a + data.qpos[1], u = data.qvel[0], v = u + data.qvel[1];
  return {kUpper * std::cos(a) + kFore * std::cos(b), kUpper * std::sin(a) + kFore * std::sin(b),
          -kUpper * std::sin(a) * u - kFore * std::sin(b) * v,
          kUpper * std::cos(a) * u + kFore * std::cos(b) * v};
}

const mjData& data_of(const Env& env) { return static_cast<const MujocoEnv&>(env).data(); }

struct Walk {
  explicit Walk(const EnvOptions& options)
      : env(make_env(options)),
        observation(static_cast<std::size_t>(env->spec().observation_size)) {
    env->reset(7, 3, observation);
  }
  // all values depend on t
  StepResult step(int t) {
    const std::array<float, 2> action = {static_cast<float>(std::sin(1.3 * t)),
                                         static_cast<float>(std::cos(2.1 * t))};
    return env->step(action, observation);
  }
  std::vector<double> state() const {
    std::vector<double> values(static_cast<std::size_t>(env->state_size()));
    env->get_state(values);
    return values;
  }
  std::unique_ptr<Env> env;
  std::vector<float> observation;
};

class MjcfPicksTest : public testing::Test {
 protected:
  EnvOptions options(const std::string& text = kArm) {
    EnvOptions o;
    o.name = "mjcf";
    o.mjcf.model = (directory_.path() / ("robot" + std::to_string(num_++) + ".xml")).string();
    std::ofstream(o.mjcf.model) << text;
    o.mjcf.frame_skip = 4;
    return o;
  }
  EnvOptions observing(const Strings& what) {
    EnvOptions o = options();
    o.mjcf.observe = what;
    return o;
  }
  EnvOptions paying(const Strings& terms) {
    EnvOptions o = options();
    o.mjcf.reward = terms;
    return o;
  }
  EnvOptions starting(const Strings& ranges) {
    EnvOptions o = options();
    o.mjcf.reset_ranges = ranges;
    return o;
  }
  /// What the config is refused with, "ROBOT" for the robot's file.
  static std::string refusal(const EnvOptions& o) {
    std::string text = error_text<ConfigError>([&] { make_env(o); });
    for (std::size_t at; (at = text.find(o.mjcf.model)) != std::string::npos;)
      text.replace(at, o.mjcf.model.size(), "ROBOT");
    return text;
  }

  TemporaryDirectory directory_;
  int num_ = 0;
};

// ---- observation

TEST_F(MjcfPicksTest, SensorsAreThoseOfTheStateThatIsObserved) {
  Walk walk(observing({"qpos:shoulder", "qpos:elbow", "sensor:elbow_angle", "sensor:tip_place",
                       "sensor:tip_speed", "mocap:target", "sensor:from_target[0:2]",
                       "sensor:stone_falls[2]", "sensor:weight", "sensor[11]", "qvel[1]"}));
  ASSERT_EQ(walk.observation.size(), 18u);
  const auto expect_consistent = [&](int t) {
    const mjData& data = data_of(*walk.env);
    const std::vector<float>& o = walk.observation;
    const Tip tip = tip_of(data);
    const double expected[] = {data.qpos[0], data.qpos[1], data.qpos[1], tip.x,      tip.y,
                               0.0,          tip.speed_x,  tip.speed_y,  0.0,        0.1,
                               0.2,          0.05,         tip.x - 0.1,  tip.y - 0.2};
    for (int i = 0; i < 14; ++i)
      EXPECT_NEAR(o[static_cast<std::size_t>(i)], expected[i], 1e-6) << t << " " << i;
    // a framelinacc is that of a frame that gravity does not pull
    EXPECT_NEAR(o[14], 0.0, 1e-4) << t;
    EXPECT_EQ(o[1], o[2]) << "not the angle before the last integration";
    EXPECT_EQ(o[16], o[17]) << "entry 11 of all sensors is the elbow's velocity, entry 1 of qvel";
  };
  expect_consistent(-1);
  for (int t = 0; t < 12; ++t) {
    ASSERT_EQ(walk.step(t).broken, kNoFault);
    expect_consistent(t);
  }
}

TEST_F(MjcfPicksTest, SensorsFollowAStateThatIsSet) {
  Walk walk(observing({"sensor:tip_place[0:2]", "sensor:tip_speed[0:2]"}));
  std::vector<double> state = walk.state();
  for (int t = 0; t < 8; ++t) {
    state[0] = 3.0 * std::sin(5.0 * t);  // angles, then their rates
    state[1] = 1.9 * std::cos(3.0 * t);
    state[kPositions] = 4.0 * std::cos(t);
    state[kPositions + 1] = -3.0 * std::sin(2.0 * t);
    walk.env->set_state(state);
    ASSERT_EQ(walk.step(t).broken, kNoFault);
    const Tip tip = tip_of(data_of(*walk.env));
    EXPECT_NEAR(walk.observation[0], tip.x, 1e-6);
    EXPECT_NEAR(walk.observation[1], tip.y, 1e-6);
    EXPECT_NEAR(walk.observation[2], tip.speed_x, 2e-6);
    EXPECT_NEAR(walk.observation[3], tip.speed_y, 2e-6);
  }
}

TEST_F(MjcfPicksTest, EachSensorBringsWhatItNeedsAndNoMore) {
  // a fall of the ball onto its pad: contact forces come last of all
  const auto value_at = [&](const std::string& sensor) {
    Walk walk(observing({sensor}));
    for (int t = 0; t < 60; ++t) walk.step(t);
    return walk.observation[0];
  };
  EXPECT_NEAR(value_at("sensor:weight"), 2 * 9.81, 0.05) << "at rest the pad bears 2 kg";

  const auto model = load_model(options().mjcf.model);
  const auto fresh = [&](const Strings& observed, const Strings& reward) {
    MjcfOptions o;
    o.observe = observed;
    o.reward = reward;
    return fresh_for(*model, observed_entries(*model, o), reward_terms(*model, o));
  };
  EXPECT_EQ(fresh({}, {}), Fresh::kNothing);
  EXPECT_EQ(fresh({"qpos", "qvel", "mocap"}, {"1 qvel:elbow"}), Fresh::kNothing);
  EXPECT_EQ(fresh({}, {"-1 distance tip target"}), Fresh::kPlaces);
  EXPECT_EQ(fresh({"sensor:tip_place"}, {}), Fresh::kPositionSensors);
  EXPECT_EQ(fresh({}, {"2 sensor:tip_place[1]"}), Fresh::kPositionSensors);
  EXPECT_EQ(fresh({"sensor:tip_speed", "sensor:tip_place"}, {"-1 distance tip target"}),
            Fresh::kVelocitySensors);
  EXPECT_EQ(fresh({"sensor:tip_place"}, {"1 sensor:weight"}), Fresh::kAllSensors);
}

TEST_F(MjcfPicksTest, PositionsAndVelocitiesByNameAreThoseInTheirOrder) {
  EnvOptions usual = options();
  usual.mjcf.velocity_limit = 0.5f;
  usual.mjcf.skip_positions = 2;
  EnvOptions named = usual;
  named.mjcf.skip_positions = 1;
  named.mjcf.observe = {"qpos[2:9]", "qpos:sinks", "qvel"};
  Walk a(usual), b(named);
  EXPECT_EQ(a.observation, b.observation);
  bool clipped = false;
  for (int t = 0; t < 10; ++t) {
    a.step(t);
    b.step(t);
    EXPECT_EQ(a.observation, b.observation);
    clipped = clipped || b.observation[8] == 0.5f || b.observation[8] == -0.5f;
  }
  EXPECT_TRUE(clipped);
  // an order of one's own, and parts of a joint
  Walk c(observing({"qvel:flies[2]", "qpos:flies[2:4]", "qpos:elbow"}));
  const mjData& data = data_of(*c.env);
  c.step(0);
  EXPECT_THAT(c.observation,
              ElementsAre(static_cast<float>(data.qvel[4]), static_cast<float>(data.qpos[4]),
                          static_cast<float>(data.qpos[5]), static_cast<float>(data.qpos[1])));
}

TEST_F(MjcfPicksTest, AllSensorsAndAllMocapBodiesGoByTheirKind) {
  Walk all(observing({"sensor", "mocap"}));
  const mjData& data = data_of(*all.env);
  ASSERT_EQ(all.observation.size(), 15u + 3u);
  all.step(0);
  for (std::size_t i = 0; i < 15; ++i)
    EXPECT_EQ(all.observation[i], static_cast<float>(data.sensordata[i]));
  EXPECT_EQ(all.observation[16], 0.2f);
}

TEST_F(MjcfPicksTest, NamesMayHaveBracketsAndColons) {
  std::string text = kArm;
  for (const char* name : {"name=\"elbow_angle\"", "name=\"tip_place\""})
    text.replace(text.find(name), std::string(name).size(),
                 name[6] == 'e' ? "name=\"a:b[0]\"" : "name=\"a:b\"");
  EnvOptions o = options(text);
  o.mjcf.observe = {"sensor:a:b[0]", "sensor:a:b[1]"};
  Walk walk(o);
  EXPECT_EQ(walk.observation[0], static_cast<float>(data_of(*walk.env).qpos[1]));
  EXPECT_NEAR(walk.observation[1], tip_of(data_of(*walk.env)).y, 1e-6);
}

// ---- reward

TEST_F(MjcfPicksTest, TheRewardIsTheSumOfItsTerms) {
  EnvOptions o = paying({"-2 distance tip target", "0.5 sensor:tip_place[1]", "+1e-1 qvel:shoulder",
                         "3 distance body:upper_arm body:stone"});
  o.mjcf.observe = {"qpos"};
  o.mjcf.reward_alive = 0.25f;
  o.mjcf.control_cost = 0.125f;
  Walk walk(o);
  for (int t = 0; t < 10; ++t) {
    const StepResult result = walk.step(t);
    ASSERT_EQ(result.broken, kNoFault);
    const mjData& data = data_of(*walk.env);
    const Tip tip = tip_of(data);
    const double distance =
        std::sqrt((tip.x - 0.1) * (tip.x - 0.1) + (tip.y - 0.2) * (tip.y - 0.2) + 0.05 * 0.05);
    const double height = std::sqrt(data.qpos[2] * data.qpos[2] + data.qpos[3] * data.qpos[3] +
                                    data.qpos[4] * data.qpos[4]);
    const double u = std::sin(1.3 * t), v = 2.0 * std::cos(2.1 * t);
    EXPECT_NEAR(result.reward,
                -2.0 * distance + 0.5 * tip.y + 0.1 * data.qvel[0] + 3.0 * height + 0.25 -
                    0.125 * (u * u + v * v),
                1e-5)
        << "the shoulder's speed is no forward speed here";
  }
}

TEST_F(MjcfPicksTest, WithoutTermsTheForwardSpeedIsPaid) {
  Walk walk(observing({"qpos:shoulder"}));
  const float before = walk.observation[0];
  const StepResult result = walk.step(1);
  const double u = std::sin(1.3), v = 2.0 * std::cos(2.1);
  EXPECT_NEAR(result.reward, (walk.observation[0] - before) / 0.04 - 0.001 * (u * u + v * v), 1e-4);
}

// ---- start states

TEST_F(MjcfPicksTest, EpisodesStartWithinTheRanges) {
  EnvOptions o = starting(
      {"qpos:elbow -0.5 1.5", "qvel[0] 2 3", "mocap:target[0:2] -0.2 0.1", "qpos:flies[2] 7 7"});
  o.mjcf.observe = {"qpos:shoulder", "qpos:elbow", "qvel:shoulder", "qpos:flies[2]", "mocap"};
  const auto env = make_env(o);
  std::vector<float> observation(7);
  std::array<double, 7> low, high, sum{};
  low.fill(1e9);
  high.fill(-1e9);
  constexpr int kEpisodes = 400;
  for (int episode = 0; episode < kEpisodes; ++episode) {
    env->reset(1, static_cast<std::uint64_t>(episode), observation);
    for (std::size_t i = 0; i < 7; ++i) {
      low[i] = std::min(low[i], static_cast<double>(observation[i]));
      high[i] = std::max(high[i], static_cast<double>(observation[i]));
      sum[i] += observation[i] / kEpisodes;
    }
  }
  // within, near both ends, and their middle on average: four standard errors of a uniform draw
  const auto expect_uniform = [&](std::size_t i, double from, double to) {
    const double width = to - from;
    EXPECT_GE(low[i], from - 1e-7) << i;
    EXPECT_LE(high[i], to + 1e-7) << i;
    EXPECT_LT(low[i], from + 0.03 * width + 1e-7) << i;
    EXPECT_GT(high[i], to - 0.03 * width - 1e-7) << i;
    EXPECT_NEAR(sum[i], 0.5 * (from + to), 4.0 * width / std::sqrt(12.0 * kEpisodes) + 1e-6) << i;
  };
  expect_uniform(0, -0.005, 0.005);  // the usual noise
  expect_uniform(1, -0.5, 1.5);
  expect_uniform(2, 2.0, 3.0);
  expect_uniform(3, 7.0, 7.0);
  expect_uniform(4, -0.2, 0.1);
  expect_uniform(5, -0.2, 0.1);
  expect_uniform(6, 0.05, 0.05);  // the target's own height
}

TEST_F(MjcfPicksTest, StartsAreAFunctionOfSeedAndEpisodeAndOfEachEntry) {
  EnvOptions o = starting({"qpos:elbow 0 1", "mocap:target 0 1"});
  o.mjcf.observe = {"qpos:elbow", "mocap"};
  const auto a = make_env(o), b = make_env(o);
  const auto start = [&](Env& env, std::uint32_t seed, std::uint64_t episode) {
    std::vector<float> observation(4);
    env.reset(seed, episode, observation);
    return observation;
  };
  const std::vector<float> first = start(*a, 1, 5);
  start(*b, 1, 4);
  EXPECT_EQ(start(*b, 1, 5), first);
  EXPECT_NE(start(*b, 2, 5), first);
  EXPECT_NE(start(*b, 1, 6), first);
  EXPECT_EQ(std::set<float>(first.begin(), first.end()).size(), 4u) << "four draws";
  // the target keeps its place over the episode
  const std::array<float, 2> action = {1.0f, -1.0f};
  std::vector<float> observation = start(*a, 1, 5);
  a->step(action, observation);
  EXPECT_EQ(observation[2], first[2]);
  // a range changes no draw of another entry
  EnvOptions fewer = o;
  fewer.mjcf.reset_ranges = {"mocap:target 0 1"};
  EXPECT_EQ(start(*make_env(fewer), 1, 5)[1], first[1]);
}

TEST_F(MjcfPicksTest, AKeyframeAndRangesGoTogether) {
  EnvOptions o = starting({"qpos:elbow 0.5 1.5", "mocap:target[1] -0.1 0.1"});
  o.mjcf.keyframe = "bent";
  o.mjcf.reset_noise = 0.0f;
  o.mjcf.observe = {"qpos[0:2]", "qvel:elbow", "mocap"};
  Walk walk(o);
  EXPECT_EQ(walk.observation[0], 0.5f);
  EXPECT_NE(walk.observation[1], 1.0f);
  EXPECT_NEAR(walk.observation[1], 1.0, 0.5);
  EXPECT_EQ(walk.observation[2], 0.25f);
  EXPECT_EQ(walk.observation[3], 0.3f);
  EXPECT_NEAR(walk.observation[4], 0.0, 0.1);
  EXPECT_EQ(walk.observation[5], 0.2f);

  o.mjcf.reset_ranges = {"qpos:elbow -0.5 0.5"};
  EXPECT_EQ(
      refusal(o),
      "mjcf.reset_ranges has \"qpos:elbow -0.5 0.5\", but mjcf.keyframe bent has the position "
      "of elbow at 1. Let the range hold that value, or leave one of the two out.");
  o.mjcf.reset_ranges = {"qvel:elbow 0.5 1"};
  EXPECT_THAT(refusal(o), HasSubstr("has the velocity of elbow at 0.25."));
  o.mjcf.reset_ranges = {"mocap:target[0] 0 0.2"};
  EXPECT_THAT(refusal(o), HasSubstr("has the mocap target[0] at 0.3."));
  o.mjcf.reset_ranges = {"qpos:elbow 1 1"};
  EXPECT_EQ(refusal(o), "");
}

// ---- state

TEST_F(MjcfPicksTest, ASavedStateGoesOnToTheBit) {
  EnvOptions plain = options(), moved = starting({"mocap:target -0.2 0.2"}), key = options();
  key.mjcf.keyframe = "bent";
  const int without = kPositions + 2 * kVelocities + 1;
  EXPECT_EQ(make_env(plain)->state_size(), without);
  for (EnvOptions o : {moved, key}) {
    // forces of contacts depend on the last bits of the state
    o.mjcf.observe = {"qpos", "qvel", "sensor", "mocap"};
    o.mjcf.reward = {"-1 distance tip target", "0.01 sensor:weight"};
    Walk a(o), b(o);
    EXPECT_EQ(a.env->state_size(), without + 7);
    for (int t = 0; t < 20; ++t) a.step(t);
    b.env->reset(9, 9, b.observation);
    b.env->set_state(a.state());
    EXPECT_EQ(a.state(), b.state());
    EXPECT_EQ(data_of(*b.env).mocap_quat[1], o.mjcf.keyframe.empty() ? 0.0 : 1.0);
    for (int t = 20; t < 40; ++t) {
      const StepResult one = a.step(t), other = b.step(t);
      EXPECT_EQ(one.reward, other.reward) << t;
      EXPECT_EQ(a.observation, b.observation) << t;
    }
    EXPECT_EQ(a.state(), b.state());
  }
}

TEST_F(MjcfPicksTest, APictureShowsWhereTheTargetIs) {
  EnvOptions o = starting({"mocap:target 0.3 0.4"});
  o.mjcf.keyframe = "";
  Walk walk(o);
  const Picture picture = picture_of(*walk.env);
  mjData* data = mj_makeData(picture.model.get());
  picture.pose(*walk.env, *data);
  const int target = mj_name2id(picture.model.get(), mjOBJ_BODY, "target");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(data->xpos[3 * target + i], data_of(*walk.env).mocap_pos[i]);
    EXPECT_GE(data->xpos[3 * target + i], 0.3);
  }
  mj_deleteData(data);
}

// ---- ends

TEST_F(MjcfPicksTest, AnEpisodeEndsWhereASensorLeavesItsBounds) {
  EnvOptions o = observing({"qpos:shoulder", "sensor:tip_place[0:2]"});
  o.mjcf.end_bounds = {2, -0.05f, 0.05f};
  Walk walk(o);
  StepResult result;
  int steps = 0;
  const std::array<float, 2> push = {1.0f, 0.0f};
  for (; !result.terminated && steps < 50; ++steps) {
    EXPECT_LE(std::abs(walk.observation[2]), 0.05f);
    result = walk.env->step(push, walk.observation);
  }
  EXPECT_GT(steps, 1);
  EXPECT_LT(steps, 50);
  EXPECT_GT(std::abs(walk.observation[2]), 0.05f);
  EXPECT_NEAR(walk.observation[2], tip_of(data_of(*walk.env)).y, 1e-6);
}

TEST_F(MjcfPicksTest, BoundsThatNoStartMeetsAreRefused) {
  EnvOptions o = observing({"qpos:elbow", "sensor:tip_place[0]", "mocap:target[1]"});
  o.mjcf.end_bounds = {1, 0.6f, 2.0f};
  EXPECT_EQ(refusal(o),
            "mjcf.end_bounds: entry 1 (sensor tip_place[0]) is 0.5 at the start, outside 0.6 to 2, "
            "so every episode would end at once.");
  o.mjcf.end_bounds = {2, 0.3f, 2.0f};
  EXPECT_THAT(refusal(o), HasSubstr("entry 2 (mocap target[1]) is 0.2 at the start, outside"));
  o.mjcf.reset_ranges = {"mocap:target[1] 0.25 0.5", "qpos:elbow -1 1"};
  EXPECT_EQ(refusal(o), "");
  o.mjcf.reset_ranges = {"mocap:target[1] -0.25 0.25"};
  EXPECT_EQ(refusal(o),
            "mjcf.end_bounds: entry 2 (mocap target[1]) starts at -0.25 to 0.25 "
            "(mjcf.reset_ranges), outside 0.3 to 2, so every episode would end at once.");
  // where ranges put a sensor the first steps tell
  o.mjcf.end_bounds = {1, 0.6f, 2.0f};
  EXPECT_THAT(refusal(o), StartsWith("mjcf.end_bounds ends every episode in its first step"));
  o.mjcf.end_bounds = {3, 0.0f, 1.0f};
  EXPECT_THAT(refusal(o), HasSubstr("entries 0 to 2 with this model: 0 position of elbow, 1 sensor "
                                    "tip_place[0], 2 mocap target[1]."));
}

// ---- what is refused

TEST_F(MjcfPicksTest, NamesThatAreNotThereAreToldWithThoseThatAre) {
  EXPECT_EQ(refusal(observing({"sensor:tip_plac"})),
            "mjcf.observe has \"sensor:tip_plac\", but ROBOT has no sensor tip_plac. It has "
            "tip_place, tip_speed, weight, stone_falls, elbow_angle, from_target.");
  EXPECT_EQ(refusal(observing({"qvel:elbo[0]"})),
            "mjcf.observe has \"qvel:elbo[0]\", but ROBOT has no joint elbo. It has elbow, flies, "
            "sinks, shoulder.");
  EXPECT_EQ(refusal(starting({"qpos:target_x -1 1"})),
            "mjcf.reset_ranges has \"qpos:target_x -1 1\", but ROBOT has no joint target_x. It has "
            "flies, shoulder, elbow, sinks.");
  EXPECT_EQ(refusal(starting({"mocap:taget -1 1"})),
            "mjcf.reset_ranges has \"mocap:taget -1 1\", but ROBOT has no mocap body taget. It has "
            "target.");
  EXPECT_EQ(
      refusal(starting({"mocap:stone -1 1"})),
      "mjcf.reset_ranges has \"mocap:stone -1 1\", but ROBOT has no mocap body stone. There is "
      "a body of that name: give it mocap=\"true\", or joints, which qpos picks.");
  EXPECT_EQ(
      refusal(paying({"-1 distance tip taget"})),
      "mjcf.reward has \"-1 distance tip taget\", but ROBOT has no site and no body taget. It "
      "has body:target, site:tip, site:fixed, body:fixed, body:stone, body:ball, body:pad, "
      "site:skin, body:world, body:forearm, body:upper_arm.");
  EXPECT_EQ(refusal(paying({"-1 distance site:tp target"})),
            "mjcf.reward has \"-1 distance site:tp target\", but ROBOT has no site tp. It has tip, "
            "skin, fixed.");
  EXPECT_THAT(refusal(paying({"-1 distance tip body:tip"})), HasSubstr("ROBOT has no body tip."));
  EXPECT_EQ(
      refusal(paying({"1 distance tip fixed"})),
      "mjcf.reward has \"1 distance tip fixed\", but ROBOT has a site and a body fixed; write "
      "site:fixed or body:fixed.");
  EXPECT_EQ(refusal(paying({"1 distance tip body:fixed"})), "");
  EXPECT_EQ(refusal(observing({"qpo"})),
            "mjcf.observe has \"qpo\", but expected qpos, qvel, sensor or mocap, alone or with a "
            "name, such as qpos:elbow. Did you mean qpos?");
  EnvOptions o = options();
  o.mjcf.keyframe = "bend";
  EXPECT_THAT(refusal(o), HasSubstr("ROBOT has these: bent."));
}

TEST_F(MjcfPicksTest, PartsThatAreNotThereAreRefused) {
  EXPECT_EQ(
      refusal(observing({"sensor:tip_place[3]"})),
      "mjcf.observe has \"sensor:tip_place[3]\", but [3] takes no part of its entries, 0 to 2. "
      "[i] takes one, [i:j] those from i on, without j.");
  EXPECT_THAT(refusal(observing({"qpos:elbow[1]"})), HasSubstr("no part of its one entry, 0. [i]"));
  for (const char* part : {"[]", "[", "[-1]", "[1:1]", "[2:1]", "[0:11]", "[0:]", "[:2]", "[0]x",
                           "[0 ]", "[99999999999]", "x", "[0:2", "[0)", "[0:2x", "[0:2}"})
    EXPECT_NE(refusal(observing({std::string("qpos") + part})), "") << part;
  for (const char* part : {"[0]", "[9]", "[0:10]", " "})
    EXPECT_EQ(refusal(observing({std::string("qpos") + part})), "") << part;
  EXPECT_THAT(refusal(observing({""})), HasSubstr("expected qpos, qvel, sensor or mocap"));
  EXPECT_EQ(refusal(observing({"qpos", "qpos:elbow"})),
            "mjcf.observe has \"qpos:elbow\", but position of elbow is observed already; name it "
            "once.");
  EnvOptions o = observing({"qpos"});
  o.mjcf.skip_positions = 2;
  EXPECT_EQ(refusal(o),
            "mjcf.skip_positions is 2, but mjcf.observe says what is observed; leave one of them "
            "out. \"qpos[2:10]\" there skips two positions.");
}

TEST_F(MjcfPicksTest, TermsThatCannotBePaidAreRefused) {
  EXPECT_EQ(refusal(paying({"sensor:weight"})),
            "mjcf.reward has \"sensor:weight\", but expected a weight and what it weighs, such as "
            "\"-1 distance tip target\" or \"0.5 sensor:speed\".");
  EXPECT_EQ(refusal(paying({"much sensor:weight"})),
            "mjcf.reward has \"much sensor:weight\", but the weight \"much\" is not a number.");
  for (const char* weight : {"inf", "-nan", "1e999"})
    EXPECT_THAT(refusal(paying({weight + std::string(" sensor:weight")})),
                HasSubstr(std::string("the weight ") + weight + " is not finite."));
  EXPECT_THAT(refusal(paying({"1x sensor:weight"})), HasSubstr("\"1x\" is not a number"));
  EXPECT_EQ(
      refusal(paying({"1 sensor:tip_place"})),
      "mjcf.reward has \"1 sensor:tip_place\", but that is 3 entries; a term has one. [0] after "
      "it takes the first.");
  EXPECT_THAT(refusal(paying({"1 distance tip"})),
              HasSubstr("a distance is of two sites or bodies"));
  EXPECT_THAT(refusal(paying({"1 distance tip target stone"})), HasSubstr("is of two sites"));
  EXPECT_THAT(refusal(paying({"1 distance tip site:tip"})), HasSubstr("is always 0; name two."));
  EnvOptions o = paying({"1 sensor:weight"});
  o.mjcf.reward_forward = 2.0f;
  EXPECT_EQ(
      refusal(o),
      "mjcf.reward_forward is 2, but mjcf.reward has terms, which stand in its place; leave it "
      "out. A term \"1 qvel:JOINT\" pays for a joint's speed.");
}

TEST_F(MjcfPicksTest, RangesThatCannotBeAreRefused) {
  EXPECT_EQ(
      refusal(starting({"qpos:elbow 1 -1"})),
      "mjcf.reset_ranges has \"qpos:elbow 1 -1\", but its low end 1 is above its high end -1; "
      "swap them.");
  EXPECT_THAT(refusal(starting({"qpos:elbow"})), HasSubstr("expected what starts there, and two"));
  EXPECT_THAT(refusal(starting({"qpos:elbow 1"})),
              HasSubstr("expected what starts there, and two"));
  EXPECT_THAT(refusal(starting({"qpos:elbow low 1"})),
              HasSubstr("the low end \"low\" is not a num"));
  EXPECT_THAT(refusal(starting({"qpos:elbow 0 inf"})), HasSubstr("the high end inf is not finite"));
  EXPECT_EQ(refusal(starting({"qpos:elbow -2.5 0"})),
            "mjcf.reset_ranges has \"qpos:elbow -2.5 0\", but the joint's own range is -2 to 2 in "
            "ROBOT; stay inside.");
  EXPECT_THAT(refusal(starting({"qpos:elbow 0 2.5"})), HasSubstr("is -2 to 2"));
  EXPECT_EQ(refusal(starting({"qpos:elbow -2 2", "qpos:shoulder -9 9", "qvel:elbow -9 9"})), "");
  EXPECT_EQ(
      refusal(starting({"qpos:elbow 0 1", "qpos[1] 0 1"})),
      "mjcf.reset_ranges has \"qpos[1] 0 1\", but position of elbow has a range already; leave "
      "one of them out.");
  EXPECT_EQ(
      refusal(starting({"sensor:weight 0 1"})),
      "mjcf.reset_ranges has \"sensor:weight 0 1\", but a sensor is measured, not set; expected "
      "qpos, qvel or mocap.");
  EXPECT_EQ(refusal(starting({"qpos:flies[3] 0 1"})),
            "mjcf.reset_ranges has \"qpos:flies[3] 0 1\", but position of flies is a part of a "
            "quaternion, whose length is 1: hinge joints in place of it, or mjcf.keyframe, turn a "
            "body.");
  EXPECT_EQ(refusal(starting({"qpos:flies[0:3] -1 1"})), "");
}

TEST_F(MjcfPicksTest, AModelWithoutWhatIsAskedForSaysSo) {
  const std::string bare = R"(<mujoco><worldbody><body>
    <joint type="hinge"/><geom size="0.1" mass="1"/></body></worldbody>
    <actuator><motor name="m" joint="j" ctrllimited="true" ctrlrange="-1 1"/></actuator></mujoco>)";
  std::string named = bare;
  named.replace(named.find("<joint type"), 11, "<joint name=\"j\" type");
  EnvOptions o = options(named);
  o.mjcf.observe = {"sensor"};
  EXPECT_EQ(refusal(o), "mjcf.observe has \"sensor\", but ROBOT has no sensor.");
  o.mjcf.observe = {"sensor:tip"};
  EXPECT_EQ(
      refusal(o),
      "mjcf.observe has \"sensor:tip\", but ROBOT has no sensor tip. It has none with a name.");
  o.mjcf.observe = {"mocap"};
  EXPECT_EQ(refusal(o), "mjcf.observe has \"mocap\", but ROBOT has no mocap body.");
  // nothing moves, so nothing is observed
  EnvOptions still = options(R"(<mujoco><worldbody><site name="s"/><body name="b" mocap="true"/>
    </worldbody><actuator><general site="s" ctrllimited="true" ctrlrange="-1 1"/></actuator></mujoco>)");
  still.mjcf.skip_positions = 0;
  EXPECT_EQ(refusal(still),
            "mjcf.model ROBOT has no joints: there is nothing to observe. mjcf.observe may name "
            "sensors.");
}

TEST_F(MjcfPicksTest, SensorsThatOnlyAProgramComputesAreRefused) {
  std::string text = kArm;
  text.replace(
      text.find("</sensor>"), 9,
      R"(<user name="own" objtype="body" objname="ball" dim="2" datatype="real" needstage="pos"/></sensor>)");
  EnvOptions o = options(text);
  o.mjcf.observe = {"sensor:own"};
  EXPECT_EQ(
      refusal(o),
      "mjcf.observe has \"sensor:own\", but sensor own of ROBOT is of the type user, which only "
      "a program computes. Name another one.");
  o.mjcf.observe = {"sensor:weight"};
  EXPECT_EQ(refusal(o), "");
#if mjVERSION_HEADER < 300
  const std::string timestep = "timestep=\"0.01\"/>";
  text.replace(text.find(timestep), timestep.size(),
               "timestep=\"0.01\"><flag sensornoise=\"enable\"/></option>");
  o = options(text);
  EXPECT_EQ(refusal(o), "");
  o.mjcf.reward = {"1 sensor:weight"};
  EXPECT_THAT(refusal(o), HasSubstr("has <flag sensornoise=\"enable\"/>, whose draws no seed"));
#endif
}

// delays came with 3.5; this is their state in the version that is built with
#if mjVERSION_HEADER >= 4000000
TEST_F(MjcfPicksTest, DelaysOfActuatorsAreAPartOfTheState) {
  std::string text = kArm;
  const std::string motor = "<motor joint=\"shoulder\"";
  text.replace(text.find(motor), motor.size(), motor + " delay=\"0.06\" nsample=\"8\"");
  const EnvOptions o = options(text);
  Walk a(o), b(o);
  EXPECT_GT(a.env->state_size(), kPositions + 2 * kVelocities + 1);
  for (int t = 0; t < 20; ++t) a.step(t);
  b.env->set_state(a.state());
  for (int t = 20; t < 30; ++t) {
    a.step(t);
    b.step(t);
    EXPECT_EQ(a.observation, b.observation) << t;
  }
  EXPECT_EQ(a.state(), b.state());
}

TEST_F(MjcfPicksTest, SensorsThatAreLateAreRefused) {
  std::string text = kArm;
  const std::string sensor = "<jointpos name=\"elbow_angle\"";
  text.replace(text.find(sensor), sensor.size(), sensor + " delay=\"0.02\" nsample=\"4\"");
  EnvOptions o = options(text);
  o.mjcf.observe = {"sensor:tip_place"};
  EXPECT_EQ(refusal(o), "");
  o.mjcf.observe = {"sensor:elbow_angle"};
  EXPECT_EQ(
      refusal(o),
      "mjcf.observe has \"sensor:elbow_angle\", but sensor elbow_angle of ROBOT has a delay or "
      "a history; take nsample, delay and interval out of it.");
}
#endif

}  // namespace
}  // namespace mbrl
