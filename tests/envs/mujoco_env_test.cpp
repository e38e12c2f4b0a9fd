// Tests for envs/mujoco: golden trajectories, masses, observations, resets, stability, exact
// restore.
#include "envs/mujoco/mujoco_env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <thread>

#include "cuda/check.h"

namespace mbrl {
namespace {

std::unique_ptr<MujocoEnv> make(const std::string& name, const std::string& masses) {
  EnvOptions options;
  options.name = name;
  options.capsule_masses = masses;
  return std::unique_ptr<MujocoEnv>(dynamic_cast<MujocoEnv*>(make_env(options).release()));
}

// at rest at qpos0
void start_at_rest(MujocoEnv& env) {
  std::vector<double> state(static_cast<std::size_t>(env.state_size()), 0.0);
  std::copy_n(env.model().qpos0, env.model().nq, state.begin());
  env.set_state(state);
}

struct Golden {
  std::vector<double> qpos, qvel;
};

// a_i(t) = 0.5 sin(0.3 t + i), as the tables of golden/README.md were made
Golden simulate(MujocoEnv& env, int steps) {
  start_at_rest(env);
  const int A = env.spec().action_size;
  std::vector<float> action(static_cast<std::size_t>(A)),
      observation(static_cast<std::size_t>(env.spec().observation_size));
  for (int t = 0; t < steps; ++t) {
    for (int i = 0; i < A; ++i) action[i] = static_cast<float>(0.5 * std::sin(0.3 * t + i));
    EXPECT_FALSE(env.step(action, observation).broken);
  }
  return {{env.data().qpos, env.data().qpos + env.model().nq},
          {env.data().qvel, env.data().qvel + env.model().nv}};
}

void expect_near(const std::vector<double>& found, const std::vector<double>& expected,
                 double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], tolerance) << "entry " << i;
}

// the tables print 5 (qpos) and 4 (qvel) digits; MuJoCo 2.2.2 and 3.3.8 agree within them
constexpr double kQpos = 1.1e-5, kQvel = 1.1e-4;

TEST(HopperGoldenTest, ExactMassesFollowMujoco338) {
  const auto env = make("hopper", "exact");
  const Golden one = simulate(*env, 1);
  expect_near(one.qpos, {.00010, 1.24963, .00024, -.00009, .00049, .00258}, kQpos);
  expect_near(one.qvel, {.0188, -.0928, .0365, -.0162, .0625, .6471}, kQvel);
  expect_near(simulate(*env, 10).qpos, {.00136, 1.21731, .00243, .00151, -.00203, .06795}, kQpos);
}

TEST(HopperGoldenTest, OldMassesAreAsRecorded) {
  const auto env = make("hopper", "old");
  const Golden ten = simulate(*env, 10);
  expect_near(ten.qpos, {.00125, 1.21730, .00223, .00150, -.00211, .06871}, kQpos);
  expect_near(ten.qvel, {-.0582, -.6910, -.2987, -.0085, -.5130, -1.1495}, kQvel);
}

TEST(InvertedPendulumGoldenTest, ExactMassesFollowMujoco338) {
  const auto env = make("inverted_pendulum", "exact");
  const Golden ten = simulate(*env, 10);
  expect_near(ten.qpos, {.52526, -1.22201}, kQpos);
  expect_near(ten.qvel, {2.7166, -6.8265}, kQvel);
}

TEST(InvertedPendulumGoldenTest, OldMassesAreAsRecorded) {
  const auto env = make("inverted_pendulum", "old");
  const Golden ten = simulate(*env, 10);
  expect_near(ten.qpos, {.56862, -1.33044}, kQpos);
  expect_near(ten.qvel, {2.8671, -7.2406}, kQvel);
}

// mass, inertia across and along the capsule's axis, per body from the root down
struct Body {
  double mass, across, along;
};
void expect_bodies(const MujocoEnv& env, const std::vector<Body>& bodies) {
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    const double* inertia = env.model().body_inertia + 3 * (i + 1);
    EXPECT_NEAR(env.model().body_mass[i + 1], bodies[i].mass, 1e-5);
    // principal axes come sorted, largest first
    EXPECT_NEAR(inertia[0], bodies[i].across, 1e-6);
    EXPECT_NEAR(inertia[1], bodies[i].across, 1e-6);
    EXPECT_NEAR(inertia[2], bodies[i].along, 1e-6);
  }
}

TEST(CapsuleMassTest, HopperOldAreCylindersOfLengthHPlusR) {
  expect_bodies(*make("hopper", "old"), {{3.53429, .061850, .004418},
                                         {3.92699, .084267, .004909},
                                         {2.71434, .067044, .002171},
                                         {5.08938, .090464, .009161}});
}

TEST(CapsuleMassTest, HopperExactAreCapsules) {
  expect_bodies(*make("hopper", "exact"), {{3.66519, .069246, .004451},
                                           {4.05789, .093299, .004941},
                                           {2.78136, .072303, .002182},
                                           {5.31557, .103523, .009242}});
}

TEST(CapsuleMassTest, InvertedPendulum) {
  const auto old_masses = make("inverted_pendulum", "old"),
             exact = make("inverted_pendulum", "exact");
  EXPECT_NEAR(old_masses->model().body_mass[1], 9.42478, 1e-5);
  EXPECT_NEAR(old_masses->model().body_mass[2], 4.89539, 1e-5);
  EXPECT_NEAR(old_masses->model().body_inertia[3 * 2], .174767, 1e-6);
  EXPECT_NEAR(exact->model().body_mass[1], 10.47198, 1e-5);
  EXPECT_NEAR(exact->model().body_mass[2], 5.01859, 1e-5);
  EXPECT_NEAR(exact->model().body_inertia[3 * 2], .188750, 1e-6);
}

TEST(HopperTest, ModelFollowsTheReference) {
  const auto env = make("hopper", "old");
  const mjModel& m = env->model();
  EXPECT_EQ(m.opt.integrator, mjINT_RK4);
  EXPECT_DOUBLE_EQ(m.opt.timestep * 4, env->spec().dt);
  EXPECT_DOUBLE_EQ(m.opt.gravity[2], -9.81);
  ASSERT_EQ(m.njnt, 6);
  for (int j = 0; j < 6; ++j) {
    EXPECT_EQ(m.jnt_limited[j], j >= 3) << j;
    EXPECT_DOUBLE_EQ(m.dof_armature[j], j >= 3 ? 1.0 : 0.0);
    EXPECT_DOUBLE_EQ(m.dof_damping[j], j >= 3 ? 1.0 : 0.0);
  }
  EXPECT_NEAR(m.jnt_range[2 * 3], -150 * M_PI / 180, 1e-12);
  EXPECT_NEAR(m.jnt_range[2 * 5], -45 * M_PI / 180, 1e-12);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(m.actuator_gear[6 * i], 200);
    EXPECT_EQ(m.actuator_trnid[2 * i], 3 + i) << "thigh, leg, foot";
  }
  // plane, then capsules; the foot grips better
  EXPECT_DOUBLE_EQ(m.geom_friction[3 * 1], 0.9);
  EXPECT_DOUBLE_EQ(m.geom_friction[3 * 4], 2.0);
  EXPECT_EQ(m.geom_condim[0], 3);
  EXPECT_EQ(m.geom_condim[1], 1);
}

TEST(HopperTest, ObservationIsPositionWithoutXThenClippedVelocity) {
  const auto env = make("hopper", "old");
  start_at_rest(*env);
  std::vector<double> state(static_cast<std::size_t>(env->state_size()));
  env->get_state(state);
  state[0] = 3.0;       // x
  state[6 + 5] = 40.0;  // foot rate: clipped at 10
  env->set_state(state);
  std::vector<float> o(11), zero(3, 0.0f);
  env->step(zero, o);
  const mjData& d = env->data();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(o[i], static_cast<float>(d.qpos[1 + i]));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(o[5 + i], static_cast<float>(d.qvel[i]));
  EXPECT_GT(d.qvel[5], 10.0);
  EXPECT_EQ(o[10], 10.0f);
}

TEST(HopperTest, RewardIsSpeedPlusOneMinusControlCost) {
  const auto env = make("hopper", "old");
  start_at_rest(*env);
  std::vector<float> o(11), action{1.0f, -0.5f, 0.25f};
  const double x = env->data().qpos[0];
  const StepResult r = env->step(action, o);
  const double dx = env->data().qpos[0] - x;
  EXPECT_NEAR(r.reward, dx / 0.008 + 1.0 - 1e-3 * (1.0 + 0.25 + 0.0625), 1e-6);
}

TEST(HopperTest, TheEndRuleSeesSpeedsThatTheObservationClips) {
  const auto env = make("hopper", "old");
  start_at_rest(*env);
  std::vector<double> state(static_cast<std::size_t>(env->state_size()));
  env->get_state(state);
  state[6 + 5] = 300.0;  // foot rate
  env->set_state(state);
  std::vector<float> o(11), zero(3, 0.0f);
  const StepResult r = env->step(zero, o);
  EXPECT_GT(env->data().qvel[5], 100.0);
  EXPECT_EQ(o[10], 10.0f);
  EXPECT_TRUE(r.terminated);
  EXPECT_FALSE(r.broken);
}

TEST(HopperTest, ActionsBeyondTheRangeAreClipped) {
  const auto a = make("hopper", "old"), b = make("hopper", "old");
  start_at_rest(*a);
  start_at_rest(*b);
  std::vector<float> oa(11), ob(11);
  a->step(std::vector<float>{5.0f, -7.0f, 1.0f}, oa);
  b->step(std::vector<float>{1.0f, -1.0f, 1.0f}, ob);
  EXPECT_EQ(oa, ob);
  EXPECT_EQ(a->data().ctrl[1], -1.0);
}

TEST(InvertedPendulumTest, ActionsAreMappedToTheActuatorRange) {
  const auto env = make("inverted_pendulum", "old");
  std::vector<float> o(4);
  env->reset(1, 0, o);
  env->step(std::vector<float>{0.5f}, o);
  EXPECT_DOUBLE_EQ(env->data().ctrl[0], 1.5);
  EXPECT_EQ(o[2], static_cast<float>(env->data().qvel[0]));
}

TEST(MujocoEnvTest, ResetNoiseIsBoundedAndAFunctionOfSeedAndEpisode) {
  for (const auto& [name, noise] :
       {std::pair("hopper", 0.005), std::pair("inverted_pendulum", 0.01)}) {
    const auto env = make(name, "old");
    const auto S = static_cast<std::size_t>(env->spec().observation_size);
    std::vector<float> first(S), again(S), other(S);
    double largest = 0.0;
    for (std::uint64_t episode = 0; episode < 200; ++episode) {
      env->reset(4, episode, other);
      for (int i = 0; i < env->model().nq; ++i)
        largest = std::max(largest, std::abs(env->data().qpos[i] - env->model().qpos0[i]));
      for (int i = 0; i < env->model().nv; ++i)
        largest = std::max(largest, std::abs(env->data().qvel[i]));
    }
    EXPECT_LE(largest, noise);
    EXPECT_GT(largest, 0.98 * noise);
    env->reset(4, 7, first);
    std::vector<float> action(static_cast<std::size_t>(env->spec().action_size), 0.3f);
    env->step(action, other);
    env->reset(4, 7, again);
    EXPECT_EQ(first, again);
    env->reset(5, 7, other);
    EXPECT_NE(first, other);
  }
}

TEST(MujocoEnvTest, RestoredStateContinuesBitForBit) {
  for (const char* name : {"hopper", "inverted_pendulum"}) {
    const auto a = make(name, "old"), b = make(name, "old");
    const auto S = static_cast<std::size_t>(a->spec().observation_size);
    const auto A = static_cast<std::size_t>(a->spec().action_size);
    std::vector<float> oa(S), ob(S), action(A);
    std::vector<double> state(static_cast<std::size_t>(a->state_size()));
    a->reset(1, 0, oa);
    unsigned random = 1;
    const auto draw = [&] {
      for (float& x : action)
        x = static_cast<float>((random = random * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f;
    };
    for (int t = 0; t < 15; ++t, draw()) a->step(action, oa);
    a->get_state(state);
    b->set_state(state);
    for (int t = 0; t < 200; ++t) {
      draw();
      const StepResult ra = a->step(action, oa), rb = b->step(action, ob);
      ASSERT_EQ(oa, ob) << name << " step " << t;
      ASSERT_EQ(ra.reward, rb.reward);
    }
  }
}

TEST(MujocoEnvTest, UnstableSimulationIsBrokenAndSilent) {
  const auto env = make("hopper", "old");
  std::vector<float> o(11), action(3, 0.0f);
  std::vector<double> state(static_cast<std::size_t>(env->state_size()));
  for (const double bad : {1e11, std::numeric_limits<double>::quiet_NaN(), 5e3}) {
    start_at_rest(*env);
    env->get_state(state);
    state[6 + 3] = bad;  // thigh rate
    env->set_state(state);
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    const StepResult r = env->step(action, o);
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    EXPECT_TRUE(r.broken) << bad;
    EXPECT_FALSE(r.terminated);
    EXPECT_EQ(r.reward, 0.0f) << "no jump back to the start is paid";
  }
  EXPECT_FALSE(std::filesystem::exists("MUJOCO_LOG.TXT"));
  // a healthy step afterwards
  env->reset(1, 0, o);
  EXPECT_FALSE(env->step(action, o).broken);
}

TEST(MujocoEnvTest, AnActionOfNanIsBroken) {
  const auto env = make("hopper", "old");
  std::vector<float> o(11);
  env->reset(1, 0, o);
  EXPECT_TRUE(env->step(std::vector<float>{0.0f, std::nanf(""), 0.0f}, o).broken);
}

TEST(MujocoEnvTest, EngineErrorsAreExceptions) {
  make("hopper", "old");  // installs the handlers
  try {
    mju_error("planted");
    FAIL() << "mju_error returned";
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(), "MuJoCo: planted");
  }
}

TEST(MujocoEnvTest, InstancesOfOneModelMayBeMadeAndSteppedByManyThreads) {
  constexpr int kThreads = 4;
  std::vector<std::vector<float>> last(kThreads, std::vector<float>(11));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      const std::vector<float> action{0.1f, -0.2f, 0.3f};
      const auto env = make("hopper", "exact");
      env->reset(1, 0, last[i]);
      for (int t = 0; t < 100; ++t) env->step(action, last[i]);
    });
  for (std::thread& thread : threads) thread.join();
  for (int i = 1; i < kThreads; ++i) EXPECT_EQ(last[i], last[0]);
}

TEST(MujocoEnvTest, ModelsAreSharedBetweenInstances) {
  const auto a = make("hopper", "old"), b = make("hopper", "old"), c = make("hopper", "exact");
  EXPECT_EQ(&a->model(), &b->model());
  EXPECT_NE(&a->model(), &c->model());
}

}  // namespace
}  // namespace mbrl
