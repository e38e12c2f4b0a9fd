// Tests for the environments of PETS and of the study of its hyperparameters: trajectories, masses,
// observations, rewards, starts, the stand-in's gait, and simulations that explode.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "base/rng.h"
#include "envs/mujoco/mujoco_env.h"
#include "envs/pool.h"
#include "envs/tasks/planner.h"
#include "tests/envs/environments.h"

namespace mbrl {
namespace {

std::unique_ptr<MujocoEnv> make(EnvOptions options) {
  return std::unique_ptr<MujocoEnv>(dynamic_cast<MujocoEnv*>(make_env(options).release()));
}
std::unique_ptr<MujocoEnv> make(const std::string& name, const std::string& masses = "old") {
  EnvOptions options;
  options.name = name;
  options.capsule_masses = masses;
  return make(options);
}

/// At rest at qpos0, or at the positions and velocities given.
void start(MujocoEnv& env, const std::vector<double>& positions = {},
           const std::vector<double>& velocities = {}) {
  std::vector<double> state(static_cast<std::size_t>(env.state_size()), 0.0);
  std::copy_n(env.model().qpos0, env.model().nq, state.begin());
  std::copy(positions.begin(), positions.end(), state.begin());
  std::copy(velocities.begin(), velocities.end(), state.begin() + env.model().nq);
  env.set_state(state);
}

std::vector<float> observation_of(const MujocoEnv& env) {
  return std::vector<float>(static_cast<std::size_t>(env.spec().observation_size));
}
std::vector<float> actions_of(const MujocoEnv& env, float value) {
  return std::vector<float>(static_cast<std::size_t>(env.spec().action_size), value);
}

void expect_near(std::span<const double> found, const std::vector<double>& expected,
                 double tolerance) {
  ASSERT_GE(found.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], tolerance) << "entry " << i;
}

/// Leading positions and velocities after some steps from rest, under the raw controls
/// amplitude sin(0.3 t + i).
struct Trajectory {
  const char* robot;
  double amplitude;
  int steps;
  std::vector<double> qpos, qvel;
};
void PrintTo(const Trajectory& t, std::ostream* out) { *out << t.robot << "_" << t.steps; }
class PetsGoldenTest : public testing::TestWithParam<Trajectory> {};

// computed from the reference's models with MuJoCo 2.2.2, by others than this repository; five digits
TEST_P(PetsGoldenTest, ExactMassesFollowTheTable) {
  const Trajectory& golden = GetParam();
  const auto env = make(golden.robot, "exact");
  start(*env);
  std::vector<float> o = observation_of(*env), action = actions_of(*env, 0.0f);
  const double scale = action_scale(env->spec().task);
  for (int t = 0; t < golden.steps; ++t) {
    for (std::size_t i = 0; i < action.size(); ++i)
      action[i] =
          static_cast<float>(golden.amplitude / scale * std::sin(0.3 * t + static_cast<double>(i)));
    ASSERT_FALSE(env->step(action, o).broken);
  }
  const mjData& d = env->data();
  expect_near({d.qpos, static_cast<std::size_t>(env->model().nq)}, golden.qpos, 1.1e-5);
  expect_near({d.qvel, static_cast<std::size_t>(env->model().nv)}, golden.qvel, 1.1e-5);
  if (env->spec().name == "pusher") {
    for (int i = 7; i < 11; ++i) EXPECT_EQ(d.qpos[i], 0.0) << "object and goal stay";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Robots, PetsGoldenTest,
    testing::Values(
        Trajectory{"cartpole_swingup", 1.0, 2, {.00198, .00465}, {.09803, .22477}},
        Trajectory{"cartpole_swingup", 1.0, 10, {.33927, .53988}, {1.80479, 1.73643}},
        Trajectory{
            "pusher", 1.0, 1, {.00000, .00152, .01996, -.00006, -.01792, -.02274, -.00650}, {}},
        Trajectory{
            "pusher", 1.0, 10, {.06580, .18157, .29006, -.62023, -1.08396, -.39980, .66448}, {}},
        Trajectory{
            "reacher3d", 5.0, 1, {.00000, .00073, .01739, .00038, -.01825, -.02090, -.00659}, {}},
        Trajectory{
            "reacher3d", 5.0, 10, {.02800, .07902, .46200, -.27707, -1.51190, -.57226, .89198}, {}},
        Trajectory{"hopper12", 0.5, 10, {.00136, 1.21731, .00243, .00151, -.00203, .06795}, {}},
        Trajectory{"halfcheetah18",
                   0.5,
                   10,
                   {-.00899, -.19556, .09062, .29120, .02119, -.16937, -.46632, -.17230, -.07061},
                   {}}));

std::vector<double> masses(const MujocoEnv& env) {
  return {env.model().body_mass + 1, env.model().body_mass + env.model().nbody};
}

TEST(PetsMassTest, ExactMassesAreTheTables) {
  const auto pole = make("cartpole_swingup", "exact"), pusher = make("pusher", "exact"),
             reacher = make("reacher3d", "exact");
  expect_near(masses(*pole), {10.47198, 5.01859}, 1e-5);
  EXPECT_NEAR(pole->model().body_ipos[3 * 2], .0005, 1e-9);
  EXPECT_NEAR(pole->model().body_ipos[3 * 2 + 2], -.3, 1e-9);
  EXPECT_NEAR(pole->model().body_inertia[3 * 2], .18875, 1e-5);
  EXPECT_NEAR(pole->model().body_inertia[3 * 2 + 2], .0059065, 1e-7);
  expect_near(masses(*pusher),
              {7.29352, 3.14159, .08545, 1.62860, .40715, .08545, .84273, .00503, .18096, .00251,
               1.3e-8, 4e-10},
              1e-5);
  EXPECT_NEAR(pusher->model().body_ipos[3 + 1], .00299, 1e-5);
  EXPECT_NEAR(pusher->model().body_ipos[3 + 2], -.08429, 1e-5);
  expect_near(masses(*reacher),
              {24.3117, 10.4720, .28484, 5.42867, 1.35717, .28484, 3.04473, .01676, .01676, .83776,
               .03294, .03289, .03294, .03289, .17959},
              6e-5);
}

TEST(PetsMassTest, OldCapsulesAreCylinders) {
  // pi r^2 (h + r) times the density, of the upper arms and of Pusher's fork
  const auto pole = make("cartpole_swingup"), pusher = make("pusher"), reacher = make("reacher3d");
  expect_near(masses(*pole), {M_PI * 10.0 * 0.3, M_PI * 2.401 * (std::hypot(0.6, 0.001) + 0.049)},
              1e-9);
  EXPECT_NEAR(masses(*pusher)[3], 300.0 * M_PI * 0.0036 * 0.46, 1e-9);
  EXPECT_NEAR(masses(*pusher)[8], 300.0 * M_PI * 0.0004 * (0.22 + 0.12 + 0.12), 1e-9);
  EXPECT_NEAR(masses(*reacher)[3], 1000.0 * M_PI * 0.0036 * 0.46, 1e-9);
}

// range, damping and armature of the joints
TEST(PetsModelTest, ArmsFollowTheReference) {
  struct Joint {
    double low, high, damping;
    bool limited = true;
  };
  const std::vector<Joint> pusher{{-2.2854, 2.0, 1}, {-.5236, 1.3963, 1}, {-1.5, 1.7, .1},
                                  {-2.3213, 0, .1},  {-1.5, 1.5, .1},     {-1.094, 0, .1},
                                  {-1.5, 1.5, .1}};
  const std::vector<Joint> reacher{{-2.2854, 1.714602, 10}, {-.5236, 1.3963, 10}, {-3.9, .8, .1},
                                   {-2.3213, 0, 1},         {0, 0, .1, false},    {-2.094, 0, .1},
                                   {0, 0, .1, false}};
  for (const auto& [name, joints, control, integrator, skip] :
       {std::tuple("pusher", pusher, 2.0, mjINT_EULER, 4),
        std::tuple("reacher3d", reacher, 20.0, mjINT_RK4, 2)}) {
    const auto env = make(name);
    const mjModel& m = env->model();
    EXPECT_EQ(m.opt.integrator, integrator);
    EXPECT_EQ(m.opt.gravity[2], 0.0);
    EXPECT_EQ(m.opt.iterations, 20);
    EXPECT_DOUBLE_EQ(m.opt.timestep * skip, env->spec().dt);
    for (int j = 0; j < 7; ++j) {
      const Joint& joint = joints[static_cast<std::size_t>(j)];
      EXPECT_EQ(m.jnt_limited[j], joint.limited) << name << j;
      if (joint.limited) {
        EXPECT_DOUBLE_EQ(m.jnt_range[2 * j], joint.low) << name << j;
        EXPECT_DOUBLE_EQ(m.jnt_range[2 * j + 1], joint.high) << name << j;
      }
      EXPECT_DOUBLE_EQ(m.dof_damping[j], joint.damping) << name << j;
      EXPECT_DOUBLE_EQ(m.dof_armature[j], .04) << name << j;
      EXPECT_EQ(m.actuator_trnid[2 * j], j);
      EXPECT_EQ(m.actuator_gear[6 * j], 1.0);
      EXPECT_EQ(m.actuator_ctrlrange[2 * j], -control);
      EXPECT_EQ(m.actuator_ctrlrange[2 * j + 1], control);
    }
  }
  const auto env = make("pusher");
  const mjModel& m = env->model();
  for (int i = 7; i < 11; ++i) {
    EXPECT_DOUBLE_EQ(m.dof_damping[i], 0.5);
    EXPECT_DOUBLE_EQ(m.dof_armature[i], 0.04);
    // what contacts take its inertia for: 0.04 kg in two directions of three, with every MuJoCo
    if (i < 9) {
      EXPECT_NEAR(m.body_invweight0[2 * m.jnt_bodyid[i]], 2.0 / 0.04 / 3.0, 1e-4);
    }
  }
  const auto pole = make("cartpole_swingup");
  EXPECT_EQ(pole->model().opt.integrator, mjINT_RK4);
  EXPECT_EQ(pole->model().jnt_range[1], 2.5);
  EXPECT_EQ(pole->model().jnt_limited[1], 0);
}

TEST(CartpoleSwingupTest, ObservesItsStateAndEarnsByTheTip) {
  const auto env = make("cartpole_swingup");
  std::vector<float> o = observation_of(*env);
  start(*env, {0.2, 9.0}, {0.5, 1.0});
  const StepResult r = env->step(std::vector<float>{-0.5f}, o);
  const mjData& d = env->data();
  const std::vector<double> state{d.qpos[0], d.qpos[1], d.qvel[0], d.qvel[1]};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(o[i], static_cast<float>(state[i]));
  const double x = state[0] - 0.6 * std::sin(state[1]), z = -0.6 * std::cos(state[1]);
  EXPECT_NEAR(r.reward, std::exp(-(x * x + (z - 0.6) * (z - 0.6)) / 0.36) - 0.01 * 1.5 * 1.5, 1e-6);
  EXPECT_GT(r.reward, 0.1) << "9 rad is near upright";
  EXPECT_LT(d.qvel[0], 0.5) << "pushed back";
}

TEST(PusherTest, PlacesAreTheFramesOriginsOrTheCentersOfMass) {
  EnvOptions options;
  options.name = "pusher";
  for (const auto& [position, x] : {std::pair("origin", .821), std::pair("center_of_mass", .921)}) {
    options.body_position = position;
    const auto env = make(options);
    std::vector<float> o = observation_of(*env);
    start(*env, std::vector<double>{0, 0, 0, 0, 0, 0, 0, -.25, .15, 0, 0});
    env->step(actions_of(*env, 0.0f), o);
    const std::vector<double> expected{x, -.6, 0, .60, -.30, -.275};
    for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(o[14 + i], expected[i], 1e-6) << position << i;
  }
}

TEST(PusherTest, ObservesThePlacesOfTheStateAndEarnsByThoseBeforeTheStep) {
  const auto env = make("pusher");
  std::vector<float> o = observation_of(*env), before;
  env->reset(3, 1, o);
  std::vector<float> action{0.5f, -1.0f, 0.25f, -0.5f, 1.0f, -0.75f, 3.0f};
  // of the clipped controls, in N m
  const double squares = 1.0 + 4.0 + 0.25 + 1.0 + 4.0 + 2.25 + 4.0;
  for (int t = 0; t < 30; ++t) {
    before = o;
    const StepResult r = env->step(action, o);
    const auto distance = [&](double x, double y, double z) {
      return std::abs(x - before[17]) + std::abs(y - before[18]) + std::abs(z - before[19]);
    };
    EXPECT_NEAR(r.reward,
                -0.5 * distance(before[14], before[15], before[16]) -
                    1.25 * distance(.45, -.05, -.323) - 0.1 * squares,
                1e-5)
        << t;
    mjData* copy = mj_makeData(&env->model());
    std::copy_n(env->data().qpos, env->model().nq, copy->qpos);
    mj_kinematics(&env->model(), copy);
    const int hand = mj_name2id(&env->model(), mjOBJ_BODY, "hand");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(o[14 + i], static_cast<float>(copy->xpos[3 * hand + i]));
    mj_deleteData(copy);
  }
  EXPECT_NE(before, o);
  EXPECT_EQ(o[3], static_cast<float>(env->data().qpos[3]));
  EXPECT_EQ(o[10], static_cast<float>(env->data().qvel[3]));
}

TEST(PusherTest, TheForkMovesTheObject) {
  const auto env = make("pusher");
  std::vector<float> o = observation_of(*env);
  // the object between the tines of the lowered fork, which turns back
  const double x = 0.84 * std::cos(0.3) - 0.45, y = 0.84 * std::sin(0.3) - 0.55;
  start(*env, std::vector<double>{0.3, 0.33, 0, 0, 0, 0, 0, y, x, 0, 0});
  std::vector<float> action = actions_of(*env, 0.0f);
  action[0] = -1.0f;
  for (int t = 0; t < 20; ++t) ASSERT_FALSE(env->step(action, o).broken);
  EXPECT_LT(env->data().qpos[7], y - 0.02);
  EXPECT_EQ(o[18], static_cast<float>(env->data().qpos[7] - 0.05)) << "y of the object";
  EXPECT_EQ(o[17], static_cast<float>(env->data().qpos[8] + 0.45)) << "x of the object";
}

TEST(Reacher3dTest, TheHandOfTheFormulaIsThePalmsInTheModel) {
  const auto env = make("reacher3d");
  const mjModel& m = env->model();
  const int palm = mj_name2id(&m, mjOBJ_BODY, "palm");
  mjData* d = mj_makeData(&m);
  double largest = 0.0;
  for (std::uint64_t k = 0; k < 200; ++k) {
    float joints[7];
    // within the limits of the elbow and the wrist the formula is exact
    for (std::uint32_t i = 0; i < 7; ++i) {
      const float u = uniform01(RandomKey{5}.bits(k, i).x);
      joints[i] = i == 3 || i == 5 ? -2.0f * u : 4.0f * u - 2.0f;
      d->qpos[i] = joints[i];
    }
    mj_kinematics(&m, d);
    const Reacher3dVector hand = reacher3d_hand(joints);
    const double* place = d->xpos + 3 * palm;
    const double* axes = d->xmat + 9 * palm;
    const double found[3] = {hand.x, hand.y, hand.z};
    for (int i = 0; i < 3; ++i)
      largest = std::max(largest, std::abs(found[i] - (place[i] + 0.16828 * axes[3 * i])));
  }
  mj_deleteData(d);
  EXPECT_LT(largest, 2e-6);
}

TEST(Reacher3dTest, ObservesAnglesTargetAndRatesAndEarnsAfterTheStep) {
  const auto env = make("reacher3d");
  std::vector<float> o = observation_of(*env), first = o;
  env->reset(7, 2, first);
  std::vector<float> action{0.5f, -1.0f, 0.25f, -0.5f, 1.0f, -0.75f, 2.0f};
  const double squares = 400.0 * (0.25 + 1.0 + 0.0625 + 0.25 + 1.0 + 0.5625 + 1.0);
  StepResult r;
  for (int t = 0; t < 20; ++t) r = env->step(action, o);
  const mjData& d = env->data();
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(o[i], static_cast<float>(d.qpos[i]));
    EXPECT_EQ(o[10 + i], static_cast<float>(d.qvel[i]));
  }
  for (int i = 7; i < 10; ++i) EXPECT_EQ(o[i], first[i]) << "the target never moves";
  const Reacher3dVector hand = reacher3d_hand(o.data());
  const double off[3] = {hand.x - d.qpos[7], hand.y - d.qpos[8], hand.z - d.qpos[9]};
  EXPECT_NEAR(r.reward, -(off[0] * off[0] + off[1] * off[1] + off[2] * off[2]) - 0.01 * squares,
              1e-4);
  // the target's place in the observation is its place in the world
  const double* target = d.xpos + 3 * mj_name2id(&env->model(), mjOBJ_BODY, "target");
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(target[i], o[7 + i], 1e-6);
}

/// The robots that observe their speed.
struct Runner {
  const char* name;
  double limit;  // of observed velocities
};
void PrintTo(const Runner& runner, std::ostream* out) { *out << runner.name; }
class SpeedTest : public testing::TestWithParam<Runner> {};
INSTANTIATE_TEST_SUITE_P(Robots, SpeedTest,
                         testing::Values(Runner{"halfcheetah18", 1e9}, Runner{"hopper12", 10.0}));

TEST_P(SpeedTest, TheFirstEntryIsTheMeanSpeedOfTheStepAndTheOthersAreTheState) {
  const auto env = make(GetParam().name);
  const int nq = env->model().nq, nv = env->model().nv;
  std::vector<float> o = observation_of(*env);
  env->reset(1, 0, o);
  EXPECT_EQ(o[0], 0.0f);
  // far along the track and fast
  start(*env, std::vector<double>{50.0}, std::vector<double>{30.0});
  ASSERT_FALSE(env->step(actions_of(*env, 0.5f), o).broken);
  const mjData& d = env->data();
  EXPECT_EQ(o[0], static_cast<float>((d.qpos[0] - 50.0) / env->spec().dt));
  EXPECT_GT(o[0], 10.0f);
  for (int i = 1; i < nq; ++i) EXPECT_EQ(o[i], static_cast<float>(d.qpos[i]));
  for (int i = 0; i < nv; ++i)
    EXPECT_EQ(o[nq + i],
              static_cast<float>(std::clamp(d.qvel[i], -GetParam().limit, GetParam().limit)));
  EXPECT_GT(d.qvel[0], 10.0);
  // a new episode does not look back
  env->reset(1, 1, o);
  EXPECT_EQ(o[0], 0.0f);
}

TEST(HalfCheetah18Test, RewardIsTheObservedSpeedLessControlCost) {
  const auto env = make("halfcheetah18");
  std::vector<float> o = observation_of(*env);
  start(*env, {}, {-3.0});
  const StepResult r = env->step(std::vector<float>{1, -1, 0.5f, 0, 0, 7}, o);
  EXPECT_LT(o[0], -1.0f);
  EXPECT_NEAR(r.reward, o[0] - 0.1 * 3.25, 1e-6);
}

TEST(Hopper12Test, StandingPaysOneAndAFallEndsNothing) {
  const auto env = make("hopper12");
  std::vector<float> o = observation_of(*env);
  const std::vector<float> action{1, -0.5f, 0};
  struct Case {
    double height, angle, foot_rate;
    bool stands;
  };
  for (const Case& c :
       {Case{1.25, 0, 0, true}, Case{0.65, 0, 0, false}, Case{1.3, 0.25, 0, false},
        Case{1.3, -0.25, 0, false}, Case{1.3, 0.15, 0, true}, Case{1.5, 0, 300.0, false}}) {
    start(*env, {0, c.height, c.angle}, {0, 0, 0, 0, 0, c.foot_rate});
    const StepResult r = env->step(action, o);
    EXPECT_NEAR(r.reward, o[0] - 0.001 * 1.25 + (c.stands ? 1.0 : 0.0), 1e-6) << c.height;
    EXPECT_FALSE(r.terminated);
    EXPECT_FALSE(r.broken);
  }
}

TEST(RewardTest, IsLessThePlannersCostWhereTheTwoMeanTheSame) {
  for (const char* name : {"cartpole_swingup", "reacher3d", "halfcheetah18", "daisy"}) {
    const auto env = make(name);
    std::vector<float> now = observation_of(*env), next = now, action = actions_of(*env, 0.3f);
    env->reset(2, 0, now);
    for (int t = 0; t < 5; ++t) {
      action[0] = 0.1f * static_cast<float>(t);
      const StepResult r = env->step(action, next);
      EXPECT_NEAR(r.reward, -planner_cost(env->spec().task, now.data(), next.data(), action.data()),
                  1e-6 * (1.0 + std::abs(r.reward)))
          << name;
      now = next;
    }
  }
}

// --- simulations that explode ---

// A HalfCheetah of ever stronger motors under actions at their limits: sooner or later the engine gives
// up and goes on from the start, which would pay for a jump from wherever the robot was.
TEST(UnstableTest, StepsBeforeTheExplosionAreKeptAndTheJumpIsNotPaid) {
  int num_broken = 0;
  for (const double strength : {1.0, 1e2, 1e3, 1e4, 1e6}) {
    const auto usual = make("halfcheetah18");
    const std::shared_ptr<mjModel> model(mj_copyModel(nullptr, &usual->model()), mj_deleteModel);
    for (int i = 0; i < model->nu; ++i) model->actuator_gear[6 * i] *= strength;
    EnvSpec spec = usual->spec();
    MujocoEnv env({.spec = spec,
                   .model = model,
                   .frame_skip = 5,
                   .outcome = [](const MujocoStep& s) -> StepResult {
                     return {.reward = halfcheetah18_reward(s.observation[0],
                                                            static_cast<float>(s.squared_control))};
                   },
                   .observes_speed = true,
                   .skip_positions = 1});
    std::vector<float> o = observation_of(env), action = actions_of(env, 0.0f);
    // far along the track, where a jump back costs 20 000
    start(env, {1000.0});
    StepResult r;
    int length = 0;
    for (std::uint64_t t = 0; t < 300 && !r.broken; ++t) {
      for (std::size_t i = 0; i < action.size(); ++i)
        action[i] = RandomKey{3}.bits(t, static_cast<std::uint32_t>(i)).x % 2 == 0 ? 1.0f : -1.0f;
      r = env.step(action, o);
      if (r.broken) break;
      ++length;
      for (const float x : o) ASSERT_TRUE(std::isfinite(x)) << strength;
      ASSERT_LT(std::abs(o[0]), 1000.0f) << strength << " step " << t;
      ASSERT_LT(std::abs(r.reward), 1001.0f) << strength << " step " << t;
    }
    EXPECT_EQ(r.broken != kNoFault, strength > 1.0) << strength;
    if (r.broken) {
      ++num_broken;
      EXPECT_EQ(r.reward, 0.0f) << strength;
      EXPECT_FALSE(r.terminated);
    }
    // the next episode is healthy
    env.reset(1, 0, o);
    EXPECT_FALSE(env.step(actions_of(env, 0.0f), o).broken) << strength;
    RecordProperty("steps_at_" + std::to_string(strength), length);
  }
  EXPECT_EQ(num_broken, 4);
}

TEST(UnstableTest, HugeSpeedsOfAnyJointEndTheEpisode) {
  for (const char* name :
       {"cartpole_swingup", "pusher", "reacher3d", "halfcheetah18", "hopper12", "daisy"}) {
    const auto env = make(name);
    std::vector<float> o = observation_of(*env);
    for (const double speed : {5e3, -1e9, 1e12, std::numeric_limits<double>::quiet_NaN()}) {
      std::vector<double> velocities(static_cast<std::size_t>(env->model().nv), 0.0);
      velocities[0] = speed;
      start(*env, {}, velocities);
      const StepResult r = env->step(actions_of(*env, 0.0f), o);
      EXPECT_TRUE(r.broken) << name << " " << speed;
      EXPECT_EQ(r.reward, 0.0f);
    }
    env->reset(1, 0, o);
    EXPECT_FALSE(env->step(actions_of(*env, 0.0f), o).broken) << name;
  }
}

// --- Daisy, a stand-in: what was measured when it was proposed ---

constexpr int kLegJoints = 3;

TEST(DaisyTest, WeighsAndStandsAsProposed) {
  const auto env = make("daisy");
  const mjModel& m = env->model();
  EXPECT_NEAR(mj_getTotalmass(&m), 20.234, 1e-9);
  EXPECT_EQ(m.nq, 25);
  EXPECT_EQ(m.nv, 24);
  EXPECT_EQ(m.nu, 18);
  EXPECT_DOUBLE_EQ(m.opt.timestep * 40, env->spec().dt);
  std::vector<float> o = observation_of(*env);
  env->reset(1, 0, o);
  for (std::size_t i = 0; i < 18; ++i)
    EXPECT_NEAR(o[i], i % kLegJoints == 2 ? 1.57 : 0.0, 0.0101) << i;
  for (std::size_t i = 18; i < 24; ++i) EXPECT_EQ(o[i], 0.0f) << i;
  // it drops onto its feet, and its motors give way slowly
  ASSERT_FALSE(env->step(actions_of(*env, 0.0f), o).broken);
  EXPECT_NEAR(env->data().qpos[2], 0.243, 0.003);
  for (int t = 1; t < 10; ++t) ASSERT_FALSE(env->step(actions_of(*env, 0.0f), o).broken);
  EXPECT_NEAR(env->data().qpos[2], 0.243, 0.015);
  for (std::size_t i = 18; i < 24; ++i) EXPECT_NEAR(o[i], 0.0, 0.02) << i;
}

TEST(DaisyTest, ActionsAreSpeedsOfJointsInTheOrderOfTheObservation) {
  const auto env = make("daisy");
  std::vector<float> o = observation_of(*env), first = o;
  // in the air, where nothing holds the legs
  std::vector<double> pose(env->model().key_qpos, env->model().key_qpos + env->model().nq);
  pose[2] = 5.0;
  for (int j = 0; j < 18; ++j) {
    std::vector<double> at = pose;
    at[static_cast<std::size_t>(7 + j)] += j % kLegJoints == 1 ? 0.4 : 0.0;
    start(*env, at);
    std::vector<float> action = actions_of(*env, 0.0f);
    action[static_cast<std::size_t>(j)] = j % kLegJoints == 2 ? -0.5f : 0.5f;
    ASSERT_FALSE(env->step(action, o).broken);
    const double speed = (j % kLegJoints == 1 ? 1.571 : 3.142) * 0.5 * 0.132;
    for (int i = 0; i < 18; ++i) {
      const double moved = o[i] - at[static_cast<std::size_t>(7 + i)];
      if (i == j)
        EXPECT_NEAR(moved, j % kLegJoints == 2 ? -speed : speed, 0.25 * speed) << j;
      else
        EXPECT_NEAR(moved, 0.0, 0.05) << j << " moves " << i;
    }
  }
}

TEST(DaisyTest, JointsTurnTheFootForwardUpAndDown) {
  const auto env = make("daisy");
  const mjModel& m = env->model();
  mjData* d = mj_makeData(&m);
  // the last geom of a leg is its foot
  const auto foot = [&](int leg, int joint, double angle) {
    std::copy_n(m.key_qpos, m.nq, d->qpos);
    d->qpos[7 + kLegJoints * leg + joint] += angle;
    mj_kinematics(&m, d);
    const double* place = d->geom_xpos + 3 * (m.ngeom - 1 - 6 * (5 - leg));
    return std::array{place[0], place[1], place[2]};
  };
  // front left first: left is -x, forward +y
  const double x[] = {-1, 1, -1, 1, -1, 1}, y[] = {1, 1, 0, 0, -1, -1};
  for (int leg = 0; leg < 6; ++leg) {
    const auto rest = foot(leg, 0, 0.0);
    EXPECT_GT(rest[0] * x[leg], 0.1) << leg;
    EXPECT_NEAR(rest[1], y[leg] * (0.2375 + 0.325) * std::sin(M_PI / 3), 0.005) << leg;
    EXPECT_NEAR(rest[2], 0.26 + 0.10 - 0.325, 0.005) << leg;
    EXPECT_GT(foot(leg, 0, 0.2)[1], rest[1]) << leg << ": a base turns the foot forward";
    EXPECT_GT(foot(leg, 1, 0.2)[2], rest[2]) << leg << ": a shoulder lifts";
    EXPECT_LT(foot(leg, 2, -0.2)[2], rest[2] + 0.05) << leg;
    EXPECT_GT(foot(leg, 2, -0.6)[2], rest[2]) << leg << ": an elbow bends down";
  }
  mj_deleteData(d);
}

TEST(DaisyTest, ObservesItsAnglesAndItsVelocityInTheWorld) {
  const auto env = make("daisy");
  std::vector<double> pose(env->model().key_qpos, env->model().key_qpos + env->model().nq);
  pose[2] = 5.0;
  // roll, then pitch, then yaw about the world's axes
  const double roll = 0.3, pitch = -0.2, yaw = 0.9;
  const double cr = std::cos(roll / 2), sr = std::sin(roll / 2), cp = std::cos(pitch / 2),
               sp = std::sin(pitch / 2), cy = std::cos(yaw / 2), sy = std::sin(yaw / 2);
  pose[3] = cr * cp * cy + sr * sp * sy;
  pose[4] = sr * cp * cy - cr * sp * sy;
  pose[5] = cr * sp * cy + sr * cp * sy;
  pose[6] = cr * cp * sy - sr * sp * cy;
  start(*env, pose, {0.7, -1.4, 2.0});
  std::vector<float> o = observation_of(*env);
  const StepResult r = env->step(actions_of(*env, 0.0f), o);
  EXPECT_NEAR(o[18], roll, 0.05);
  EXPECT_NEAR(o[19], pitch, 0.05);
  EXPECT_NEAR(o[20], yaw, 0.05);
  EXPECT_NEAR(o[21], 0.7, 0.1);
  EXPECT_NEAR(o[22], -1.4, 0.1);
  EXPECT_NEAR(o[23], 2.0 - 9.81 * 0.132, 0.1);
  EXPECT_EQ(r.reward, o[22]);
}

// Sum of the rewards of a tripod gait: a base swings by 0.35 rad at 1.4 Hz, a leg is lifted while it
// swings to where it goes.
double tripod(double direction, int steps) {
  const auto env = make("daisy");
  std::vector<float> o = observation_of(*env), action = actions_of(*env, 0.0f);
  env->reset(1, 0, o);
  double sum = 0.0;
  const double dt = env->spec().dt;
  for (int t = 0; t < steps; ++t) {
    for (int leg = 0; leg < 6; ++leg) {
      // left front, right middle and left back move together
      const bool first = leg == 0 || leg == 3 || leg == 4;
      const double phase = 2.0 * M_PI * 1.4 * (t + 1) * dt + (first ? 0.0 : M_PI);
      const double base = direction * 0.35 * std::sin(phase),
                   lift = 0.5 * std::max(0.0, std::cos(phase));
      const auto j = static_cast<std::size_t>(kLegJoints * leg);
      action[j] = static_cast<float>((base - o[j]) / dt / 3.142);
      action[j + 1] = static_cast<float>((lift - o[j + 1]) / dt / 1.571);
      action[j + 2] = static_cast<float>((1.57 - o[j + 2]) / dt / 3.142);
    }
    for (float& a : action) a = std::clamp(a, -1.0f, 1.0f);
    const StepResult r = env->step(action, o);
    EXPECT_FALSE(r.broken);
    sum += r.reward;
  }
  return sum;
}

TEST(DaisyTest, ATripodGaitWalksForwardAndInAMirrorBackward) {
  EXPECT_GT(tripod(1.0, 60) / 60, 0.15);
  EXPECT_LT(tripod(-1.0, 60) / 60, -0.15);
}

TEST(DaisyTest, RandomActionsStandOnTheSpot) {
  const auto env = make("daisy");
  std::vector<float> o = observation_of(*env), action = actions_of(*env, 0.0f);
  env->reset(1, 0, o);
  double sum = 0.0;
  for (std::uint64_t t = 0; t < 100; ++t) {
    for (std::size_t i = 0; i < action.size(); ++i)
      action[i] = 2.0f * uniform01(RandomKey{9}.bits(t, static_cast<std::uint32_t>(i)).x) - 1.0f;
    const StepResult r = env->step(action, o);
    ASSERT_FALSE(r.broken);
    sum += r.reward;
    EXPECT_LT(std::abs(o[18]), M_PI / 3) << "tipped over";
    EXPECT_LT(std::abs(o[19]), M_PI / 3) << "tipped over";
  }
  EXPECT_LT(std::abs(sum) / 100, 0.05);
}

}  // namespace
}  // namespace mbrl
