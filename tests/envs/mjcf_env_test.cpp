// Tests for envs/mujoco/mjcf_env.cpp: a robot given by file and config.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "envs/mujoco/mujoco_env.h"
#include "envs/mujoco/mujoco_version.h"
#include "envs/tasks/task.h"
#include "tests/support/matchers.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

// a cart on a rail, a pole on the cart
const char* const kCart = R"(<mujoco>
  <option timestep="0.01"/>
  <worldbody>
    <body>
      <joint name="slide" type="slide" axis="1 0 0"/>
      <geom type="box" size="0.1 0.1 0.1" mass="2"/>
      <body pos="0 0 0.1">
        <joint name="hinge" type="hinge" axis="0 1 0"/>
        <geom type="capsule" fromto="0 0 0 0 0 0.5" size="0.02" mass="0.5"/>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="slide" ctrllimited="true" ctrlrange="-3 5"/></actuator>
</mujoco>)";

class MjcfEnvTest : public testing::Test {
 protected:
  EnvOptions options(const std::string& text = kCart) {
    EnvOptions o;
    o.name = "mjcf";
    o.mjcf.model = (directory_.path() / "robot.xml").string();
    std::ofstream(o.mjcf.model) << text;
    o.mjcf.frame_skip = 4;
    return o;
  }
  std::string replaced(const std::string& what, const std::string& with) {
    std::string text = kCart;
    return text.replace(text.find(what), what.size(), with);
  }

  TemporaryDirectory directory_;
};

TEST_F(MjcfEnvTest, SizesComeFromTheModel) {
  const auto env = make_env(options());
  EXPECT_EQ(env->spec().observation_size, 3);  // angle, two velocities
  EXPECT_EQ(env->spec().action_size, 1);
  EXPECT_NEAR(env->spec().dt, 0.04, 1e-12);
  EnvOptions all = options();
  all.mjcf.skip_positions = 0;
  EXPECT_EQ(make_env(all)->spec().observation_size, 4);
}

TEST_F(MjcfEnvTest, ObservesActsAndPaysAsTheConfigSays) {
  EnvOptions o = options();
  o.mjcf.skip_positions = 0;
  o.mjcf.reward_forward = 2.0f;
  o.mjcf.reward_alive = 0.5f;
  o.mjcf.control_cost = 0.01f;
  o.mjcf.reset_noise = 0.0f;
  o.mjcf.velocity_limit = 0.02f;
  const auto env = make_env(o);
  std::vector<float> observation(4);
  env->reset(1, 0, observation);
  EXPECT_THAT(observation, testing::Each(0.0f));
  // 0 is the middle of the control range: 1 N on about 2.5 kg for 0.04 s
  const float action = 0.0f;
  const StepResult result = env->step({&action, 1}, observation);
  const auto& data = static_cast<const MujocoEnv&>(*env).data();
  EXPECT_EQ(data.ctrl[0], 1.0);
  EXPECT_GT(data.qvel[0], 0.01);
  EXPECT_EQ(observation[0], static_cast<float>(data.qpos[0]));
  EXPECT_NEAR(observation[2], std::min(data.qvel[0], 0.02), 1e-7);
  EXPECT_NEAR(observation[3], std::max(data.qvel[1], -0.02), 1e-7);
  EXPECT_NEAR(result.reward, 2.0 * data.qpos[0] / 0.04 + 0.5 - 0.01 * 1.0, 1e-6);
  EXPECT_FALSE(result.terminated);
}

TEST_F(MjcfEnvTest, EndsOutsideItsBoundsHereAndInImagination) {
  EnvOptions o = options();
  o.mjcf.end_bounds = {0.0f, -0.3f, 0.2f};
  const auto env = make_env(o);
  EXPECT_EQ(env->spec().task, TaskId::kMjcf);
  const EndBounds& bounds = env->spec().end_bounds;
  const float inside[] = {0.2f, 9.0f, 9.0f}, above[] = {0.21f, 0.0f, 0.0f},
              nan[] = {std::nanf(""), 0.0f, 0.0f};
  EXPECT_FALSE(task_terminated(TaskId::kMjcf, bounds, inside));
  EXPECT_TRUE(task_terminated(TaskId::kMjcf, bounds, above));
  EXPECT_TRUE(task_terminated(TaskId::kMjcf, bounds, nan));

  // the pole falls
  std::vector<float> observation(3);
  env->reset(1, 0, observation);
  const float action = -1.0f;
  StepResult result;
  int steps = 0;
  for (; !result.terminated && steps < 200; ++steps) {
    EXPECT_FALSE(task_terminated(TaskId::kMjcf, bounds, observation.data())) << steps;
    result = env->step({&action, 1}, observation);
  }
  EXPECT_LT(steps, 200);
  EXPECT_TRUE(task_terminated(TaskId::kMjcf, bounds, observation.data()));
}

TEST_F(MjcfEnvTest, ResetNoiseIsAFunctionOfSeedAndEpisode) {
  EnvOptions o = options();
  o.mjcf.reset_noise = 0.1f;
  const auto a = make_env(o), b = make_env(o);
  std::vector<float> first(3), second(3);
  a->reset(1, 5, first);
  b->reset(1, 5, second);
  EXPECT_EQ(first, second);
  for (const float x : first) EXPECT_LE(std::abs(x), 0.1f);
  b->reset(1, 6, second);
  EXPECT_NE(first, second);
}

TEST_F(MjcfEnvTest, ErrorsTellTheWayOut) {
  const auto text_of = [](const EnvOptions& o) { return error_text<Error>([&] { make_env(o); }); };
  EnvOptions none;
  none.name = "mjcf";
  EXPECT_EQ(text_of(none),
            "env.name is mjcf, but mjcf.model is empty; give the path of an MJCF file, such as "
            "mjcf.model=robot.xml.");
  none.mjcf.model = "/no/such/robot.xml";
  EXPECT_EQ(text_of(none),
            "mjcf.model /no/such/robot.xml does not exist; give the path of an MJCF file.");

  none.mjcf.model = "/" + std::string(300, 'a');
  EXPECT_EQ(text_of(none),
            "mjcf.model " + none.mjcf.model + " cannot be read: File name too long.");

  none.mjcf.model = "no_such_robot.xml";
  EXPECT_EQ(text_of(none),
            "mjcf.model no_such_robot.xml does not exist; give the path of an MJCF file, from the "
            "current folder or from that of the config file.");
  none.mjcf.model = directory_.path().string();
  EXPECT_THAT(text_of(none), testing::HasSubstr(" is a folder; give the path of an MJCF file."));
  none.name = "hopper";
  EXPECT_THAT(text_of(none), testing::HasSubstr("but env.name is hopper, which has its own model; "
                                                "env.name=mjcf takes yours."));

  const EnvOptions broken = options("<mujoco><worldbody><body></mujoco>");
  EXPECT_THAT(text_of(broken),
              testing::StartsWith("MuJoCo cannot compile mjcf.model " + broken.mjcf.model + ": "));
  EXPECT_THAT(text_of(broken), testing::Not(testing::HasSubstr("\n")));

  const TemporaryDirectory elsewhere;
  const auto with = [&](const char* name, const std::string& text) {
    EnvOptions o = options();
    o.mjcf.model = (elsewhere.path() / name).string();
    std::ofstream(o.mjcf.model) << text;
    return o;
  };
  const EnvOptions idle = with(
      "idle.xml", replaced(R"(<motor joint="slide" ctrllimited="true" ctrlrange="-3 5"/>)", ""));
  EXPECT_EQ(text_of(idle),
            "mjcf.model " + idle.mjcf.model +
                " has no actuators; a policy needs at least one <motor> or the like.");
  const EnvOptions free = with("free.xml", replaced(R"(ctrllimited="true" ctrlrange="-3 5")", ""));
  EXPECT_THAT(text_of(free), testing::HasSubstr("actuator 0 has no control range; give it"));

  const EnvOptions timeless =
      with("timeless.xml", replaced(R"(timestep="0.01")", R"(timestep="0")"));
  EXPECT_THAT(text_of(timeless), testing::HasSubstr(" has the timestep 0; expected a positive "));
  const EnvOptions sunk =
      with("sunk.xml", replaced(R"(<joint name="hinge")", R"(<joint name="hinge" ref="nan")"));
  EXPECT_THAT(text_of(sunk), testing::HasSubstr(": its rest state is not finite; look at "));
  const EnvOptions torn =
      with("torn.xml", replaced(R"(timestep="0.01")", R"(timestep="0.01" gravity="0 0 -1e14")"));
  EXPECT_THAT(
      text_of(torn),
      testing::HasSubstr(": its first step, at the middle of all control ranges, is unstable: "));

  EnvOptions o = options();
  o.mjcf.skip_positions = 3;
  EXPECT_THAT(text_of(o), testing::HasSubstr("mjcf.skip_positions is 3, but"));
  o = options();
  o.mjcf.end_bounds = {0.0f, 1.0f};
  EXPECT_THAT(text_of(o), testing::HasSubstr("mjcf.end_bounds has 2 numbers; expected three for"));
  o.mjcf.end_bounds = {3.0f, 0.0f, 1.0f};
  EXPECT_THAT(text_of(o),
              testing::HasSubstr(
                  "names entry 3 of the observation, which has entries 0 to 2 with "
                  "this model: 0 position of hinge, 1 velocity of slide, 2 velocity of hinge."));
  o.mjcf.end_bounds = {0.0f, 1.0f, 1.0f};
  EXPECT_THAT(text_of(o), testing::HasSubstr("low must be below high"));
  // the rest state of every robot is inside
  o.mjcf.end_bounds = {0.0f, 0.7f, 2.0f};
  EXPECT_THAT(text_of(o),
              testing::StartsWith("mjcf.end_bounds: entry 0 (position of hinge) is 0 at "
                                  "the start, outside 0.7 to 2, so every episode"));
  EnvOptions clipped = o;
  clipped.mjcf.velocity_limit = 1.0f;
  clipped.mjcf.end_bounds = {2.0f, -2.0f, 2.0f};
  EXPECT_THAT(text_of(clipped),
              testing::HasSubstr("entry 2 (velocity of hinge) never leaves -2 to 2, as "
                                 "mjcf.velocity_limit clips it to +-1."));
  clipped.mjcf.end_bounds = {2.0f, -2.0f, 0.5f};
  EXPECT_NO_THROW(make_env(clipped)) << "one side may stay open";
  o.mjcf.end_bounds = {2.0f, 0.5f, 1.0f};
  EXPECT_THAT(text_of(o), testing::HasSubstr("entry 2 (velocity of hinge) is 0 at the start"));
}

// from 2.3 on the engine makes room by itself
#if mjVERSION_HEADER < 230
TEST_F(MjcfEnvTest, TooLittleRoomIsAnErrorAndNotAnotherWorld) {
  // a box that drops onto a floor, where its four corners touch
  const std::string box = R"(<mujoco>
    <size SIZE/>
    <worldbody>
      <geom type="plane" size="5 5 1"/>
      <body pos="0 0 0.2">
        <joint name="lift" type="slide" axis="0 0 1"/>
        <geom type="box" size="0.1 0.1 0.1" mass="1"/>
      </body>
    </worldbody>
    <actuator><motor joint="lift" ctrllimited="true" ctrlrange="-1 1"/></actuator>
  </mujoco>)";
  const auto text_of_drop = [&](const std::string& size) {
    std::string text = box;
    const EnvOptions o = options(text.replace(text.find("SIZE"), 4, size));
    return error_text<DataError>([&] {
      const auto env = make_env(o);
      std::vector<float> observation(1);
      env->reset(0, 0, observation);
      const float action = 0.0f;
      for (int t = 0; t < 100; ++t) env->step({&action, 1}, observation);
      throw DataError("nothing");
    });
  };
  EXPECT_EQ(text_of_drop(R"(njmax="100")"), "nothing");
  EXPECT_THAT(
      text_of_drop(R"(nconmax="1")"),
      testing::MatchesRegex("mjcf, the robot of .*: MuJoCo has no room for all contacts and "
                            "limits\\. <size> in the robot's file gives it more: njmax.*"));
  EXPECT_THAT(text_of_drop(R"(nstack="60")"),
              testing::MatchesRegex("mjcf, the robot of .*: MuJoCo: .*overflow.*<size> in .*"));
}
#endif

TEST_F(MjcfEnvTest, AnUnstableRobotEndsItsEpisodeWithAReason) {
  const auto env = make_env(options());
  std::vector<float> observation(3);
  std::vector<double> state(static_cast<std::size_t>(env->state_size()));
  const float action = 0.0f;
  const auto fault_at = [&](double speed) {
    env->reset(0, 0, observation);
    env->get_state(state);
    state[2] = speed;  // of the slide, after two positions
    env->set_state(state);
    return env->step({&action, 1}, observation).broken;
  };
  EXPECT_EQ(fault_at(900.0), kNoFault);
  EXPECT_EQ(fault_at(1100.0), kTooFast);
  EXPECT_EQ(fault_at(std::nan("")), kEngineFault);
  env->reset(0, 0, observation);
  const float nothing = std::nanf("");
  EXPECT_EQ(env->step({&nothing, 1}, observation).broken, kBadAction);
  env->reset(0, 0, observation);
  EXPECT_EQ(env->step({&action, 1}, observation).broken, kNoFault);
}

TEST_F(MjcfEnvTest, ASpeedLimitOfItsOwnDecidesWhatIsTooFast) {
  EnvOptions o = options();
  o.mjcf.max_speed = 5.0f;
  const auto env = make_env(o);
  std::vector<float> observation(3);
  std::vector<double> state(static_cast<std::size_t>(env->state_size()));
  const float action = 0.0f;
  for (const double speed : {4.0, 6.0}) {
    env->reset(0, 0, observation);
    env->get_state(state);
    state[2] = speed;
    env->set_state(state);
    EXPECT_EQ(env->step({&action, 1}, observation).broken, speed > 5.0 ? kTooFast : kNoFault);
  }
  // a robot that is faster than that from its first step on says which key it is
  o.mjcf.max_speed = 1e-4f;
  EXPECT_THAT(error_text<DataError>([&] { make_env(o); }),
              testing::HasSubstr(": a joint is faster than mjcf.max_speed, which is 0.0001, after "
                                 "its first step"));
}

const char* const kKeys =
    R"(</actuator><keyframe><key name="home" qpos="1.5 0.25" qvel="0 -0.5"/><key qpos="2 0"/></keyframe>)";

TEST_F(MjcfEnvTest, EpisodesStartFromTheKeyframe) {
  EnvOptions o = options(replaced("</actuator>", kKeys));
  o.mjcf.skip_positions = 0;
  o.mjcf.reset_noise = 0.0f;
  EXPECT_EQ(env_note(o), o.mjcf.model +
                             " has the <key> home, 1, which is not used: episodes start from the "
                             "rest state. mjcf.keyframe=NAME starts from one.");
  std::vector<float> observation(4);
  o.mjcf.keyframe = "home";
  EXPECT_EQ(env_note(o), "");
  const auto env = make_env(o);
  for (const std::uint64_t episode : {0, 1}) {
    env->reset(3, episode, observation);
    EXPECT_THAT(observation, testing::ElementsAre(1.5f, 0.25f, 0.0f, -0.5f));
  }
  o.mjcf.keyframe = "1";
  make_env(o)->reset(3, 0, observation);
  EXPECT_THAT(observation, testing::ElementsAre(2.0f, 0.0f, 0.0f, 0.0f));
  // noise is around it
  o.mjcf.reset_noise = 0.01f;
  make_env(o)->reset(3, 0, observation);
  EXPECT_NE(observation[0], 2.0f);
  EXPECT_NEAR(observation[0], 2.0f, 0.01f);
  // and so are bounds
  o.mjcf.reset_noise = 0.0f;
  o.mjcf.end_bounds = {0, 1.0f, 3.0f};
  EXPECT_NO_THROW(make_env(o));
  o.mjcf.keyframe = "";
  EXPECT_THAT(error_text<ConfigError>([&] { make_env(o); }),
              testing::HasSubstr("is 0 at the start, outside 1 to 3"));
}

TEST_F(MjcfEnvTest, AKeyframeThatIsNotThereIsNamedWithThoseThatAre) {
  EnvOptions o = options();
  o.mjcf.keyframe = "home";
  EXPECT_EQ(error_text<ConfigError>([&] { make_env(o); }),
            "mjcf.keyframe is home, but " + o.mjcf.model +
                " has no <key>. Leave mjcf.keyframe empty to start from the rest state.");
  o.mjcf.model = (directory_.path() / "keys.xml").string();
  std::ofstream(o.mjcf.model) << replaced("</actuator>", kKeys);
  for (const char* name : {"squat", "2", "-1", "1x"}) {
    o.mjcf.keyframe = name;
    EXPECT_EQ(error_text<ConfigError>([&] { make_env(o); }),
              "mjcf.keyframe is " + std::string(name) + ", but " + o.mjcf.model +
                  " has these: home, 1. Leave mjcf.keyframe empty to start from the rest state.");
  }
}

TEST_F(MjcfEnvTest, WhatThisMuJoCoDoesNotKnowIsToldWithItsVersion) {
  for (const auto& [name, file] :
       {std::pair("not_an_attribute", replaced("<joint name=\"slide\"",
                                               "<joint not_an_attribute=\"1\" name=\"slide\"")),
        std::pair(
            "not_an_integrator",
            replaced("timestep=\"0.01\"", "timestep=\"0.01\" integrator=\"not_an_integrator\"")),
        std::pair("not_an_element", replaced("<worldbody>", "<not_an_element/><worldbody>"))}) {
    const EnvOptions o = options(file);
    const std::string text = error_text<DataError>([&] { make_env(o); });
    EXPECT_THAT(text, testing::HasSubstr(name));
    EXPECT_THAT(text, testing::HasSubstr("This is " + mujoco_name() + ", which does not know it"));
    EXPECT_THAT(text, testing::HasSubstr("-DMuJoCo_ROOT="));
  }
  const EnvOptions more = options(replaced("mass=\"2\"", "mass=\"2 3\""));
  EXPECT_THAT(error_text<DataError>([&] { make_env(more); }), testing::HasSubstr("-DMuJoCo_ROOT="));
  // before 3.0 a range limits only what is said to be limited
  const EnvOptions unlimited = options(replaced(" ctrllimited=\"true\"", ""));
  if (mj_version() < 300)
    EXPECT_THAT(
        error_text<DataError>([&] { make_env(unlimited); }),
        testing::AllOf(testing::HasSubstr("specify `ctrllimited` explicitly"),
                       testing::EndsWith(". This is " + mujoco_name() +
                                         "; newer ones take a range for a limit by themselves.")));
  else
    EXPECT_NO_THROW(make_env(unlimited));
  // a model of what it knows that does not compile has nothing to do with versions
  EXPECT_THAT(
      error_text<DataError>([&] { make_env(options(replaced("mass=\"2\"", "mass=\"x\""))); }),
      testing::Not(testing::HasSubstr("MuJoCo_ROOT")));
}

TEST_F(MjcfEnvTest, BoundsThatEndEveryFirstStepAreRefused) {
  // the pole falls to one side or the other, the cart stays within a hair's breadth of where it was
  EnvOptions o = options(replaced("axis=\"1 0 0\"", "axis=\"0 0 1\""));
  o.mjcf.skip_positions = 0;
  o.mjcf.reset_noise = 0.0f;
  // the slide is vertical now, and its motor too weak for its weight
  o.mjcf.end_bounds = {0, -0.001f, 1.0f};
  EXPECT_THAT(
      error_text<ConfigError>([&] { make_env(o); }),
      testing::MatchesRegex("mjcf.end_bounds ends every episode in its first step, whatever "
                            "the action: entry 0 \\(position of slide\\) is -0.0.* then, "
                            "outside -0.001 to 1\\. Widen the bounds, or start .*"));
  o.mjcf.end_bounds = {0, -0.1f, 1.0f};
  EXPECT_NO_THROW(make_env(o));
  // a step that some actions survive is the policy's business
  EnvOptions cart = options();
  cart.mjcf.skip_positions = 0;
  cart.mjcf.reset_noise = 0.0f;
  cart.mjcf.end_bounds = {0, -1.0f, 1e-5f};  // the middle of its range pushes it forward
  EXPECT_NO_THROW(make_env(cart));
}

TEST(EnvKeysTest, WhatAnEnvironmentDoesNotReadIsRefused) {
  const auto text_of = [](const EnvOptions& o) {
    return error_text<ConfigError>([&] { make_env(o); });
  };
  EnvOptions o;
  o.name = "hopper";
  o.mjcf.reward_alive = 5;
  EXPECT_EQ(text_of(o),
            "section mjcf is set, but env.name is hopper; only env.name=mjcf reads it.");
  o = {};
  o.name = "hopper_bullet";
  o.mjcf.frame_skip = 1;
  EXPECT_THAT(text_of(o), testing::StartsWith("section mjcf is set"));
  o = {};
  o.name = "swimmer";
  o.contact_cost = false;
  EXPECT_EQ(text_of(o),
            "env.contact_cost is set, but env.name is swimmer; only env.name=ant or humanoid reads "
            "it.");
  o.name = "ant";
  EXPECT_NO_THROW(make_env(o));
}

}  // namespace
}  // namespace mbrl
