// Tests for envs/mujoco: golden trajectories, masses, observations, resets, stability, exact
// restore.
#include "envs/mujoco/mujoco_env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <thread>
#include <utility>

#include "base/error.h"
#include "tests/envs/environments.h"
#include "tests/support/matchers.h"

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

struct Trajectory {
  const char* robot;
  const char* masses;
  int steps;
  std::vector<double> qpos;
};
// GoogleTest prints parameters by these, and CTest names its tests by what it prints
void PrintTo(const Trajectory& t, std::ostream* out) { *out << t.robot << "_" << t.steps; }

class GoldenTest : public testing::TestWithParam<Trajectory> {};

TEST_P(GoldenTest, FollowsTheTable) {
  const Trajectory& golden = GetParam();
  // free bodies are turned by another rule (gymnasium_test.cpp), 3.3e-5 away after ten steps
  const bool is_chaotic = golden.robot == std::string("ant") && mj_version() >= 4'000'000;
  expect_near(simulate(*make(golden.robot, golden.masses), golden.steps).qpos, golden.qpos,
              is_chaotic && golden.steps == 10 ? 4 * kQpos : kQpos);
}

// exact masses: Gymnasium's models under MuJoCo 3.3.7 and 3.3.8
INSTANTIATE_TEST_SUITE_P(
    ExactMasses, GoldenTest,
    testing::Values(
        Trajectory{"walker2d",
                   "exact",
                   1,
                   {-.00017, 1.24971, -.00074, -.00148, .00114, .02162, .00106, -.00337, -.02206}},
        Trajectory{"walker2d",
                   "exact",
                   10,
                   {-.02862, 1.21958, -.13466, -.09960, -.01941, .55961, -.02413, -.25654, .21111}},
        Trajectory{"halfcheetah",
                   "exact",
                   1,
                   {.00114, -.02373, -.01097, -.03820, .14768, .16973, .06065, -.11999, -.12383}},
        Trajectory{"halfcheetah",
                   "exact",
                   10,
                   {-.00899, -.19556, .09062, .29120, .02119, -.16937, -.46632, -.17230, -.07061}},
        Trajectory{"ant",
                   "exact",
                   1,
                   {.00137, -.00544, .77325, 1.00000, .00110, -.00124, .00086, .08201, .42912,
                    -.06830, -.46016, -.02542, -.40277, .00004, .45571}},
        Trajectory{"ant",
                   "exact",
                   10,
                   {-.28305, -.19836, .44376, .99420, -.00564, -.10553, -.01978, -.57792, .52249,
                    -.45582, -.48753, .52477, -.54833, .52438, 1.10587}},
        Trajectory{"inverted_double_pendulum", "exact", 10, {1.00889, -2.04810, .60311}},
        Trajectory{"swimmer", "exact", 10, {.01109, .21551, -.28589, .22368, .45152}},
        Trajectory{"humanoid", "exact", 1, {.00053,  -.00007, 1.39877, .99999, -.00139, -.00029,
                                            -.00348, .00940,  .01149,  .01155, -.00851, -.02830,
                                            -.03581, -.05093, .00927,  .03960, -.02335, -.02421,
                                            .00245,  .00266,  .00190,  .01067, .00950,  .00547}},
        Trajectory{
            "humanoid", "exact", 10, {-.00708, .00262, 1.26871, .99917,  .03398,  -.01786,
                                      -.01358, .21654, .15270,  -.12990, .04189,  -.18248,
                                      -.15539, .02367, -.02095, .06748,  -.74003, -1.83485,
                                      -.22348, .09910, .30849,  .09996,  -.09072, -.43826}}));

// old masses: a record of this repository
INSTANTIATE_TEST_SUITE_P(
    OldMasses, GoldenTest,
    testing::Values(
        Trajectory{"walker2d",
                   "old",
                   10,
                   {-.03077, 1.21928, -.14205, -.09982, -.02615, .62337, -.02714, -.26641, .25211}},
        Trajectory{"halfcheetah",
                   "old",
                   10,
                   {-.00977, -.19613, .09089, .29143, .02214, -.16905, -.46639, -.17417, -.07119}},
        Trajectory{"ant",
                   "old",
                   10,
                   {-.28393, -.19804, .44435, .99420, -.00525, -.10559, -.01983, -.57843, .52249,
                    -.45577, -.48780, .52477, -.54835, .52438, 1.10568}},
        Trajectory{"inverted_double_pendulum", "old", 10, {1.00021, -2.11712, .49962}},
        Trajectory{"swimmer", "old", 10, {.01197, .22650, -.30053, .23580, .47496}},
        Trajectory{"humanoid", "old", 10, {-.00826, .00288, 1.26723, .99914,  .03508,  -.01873,
                                           -.01145, .21685, .15080,  -.13507, .04287,  -.18312,
                                           -.14953, .02844, -.02233, .06280,  -.74184, -1.85924,
                                           -.22973, .10189, .30995,  .10010,  -.09730, -.44553}}));

// mass, inertia across and along the capsule's axis, per body from the root down
struct Body {
  double mass, across, along;
};
void expect_bodies(const MujocoEnv& env, const std::vector<Body>& bodies) {
  ASSERT_EQ(env.model().nbody, static_cast<int>(bodies.size()) + 1);
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

TEST(CapsuleMassTest, Walker2d) {
  const Body torso{3.53429, .061850, .004418}, thigh{3.92699, .084267, .004909},
      leg{2.71434, .067044, .002171}, foot{2.94053, .019211, .005293};
  expect_bodies(*make("walker2d", "old"), {torso, thigh, leg, foot, thigh, leg, foot});
  const Body exact_torso{3.66519, .069246, .004451}, exact_thigh{4.05789, .093299, .004941},
      exact_leg{2.78136, .072303, .002182}, exact_foot{3.16673, .023998, .005374};
  expect_bodies(*make("walker2d", "exact"), {exact_torso, exact_thigh, exact_leg, exact_foot,
                                             exact_thigh, exact_leg, exact_foot});
}

TEST(CapsuleMassTest, Ant) {
  for (const auto& [masses, part, shin] :
       {std::tuple("old", Body{.03648, .000459, .000117}, Body{.06491, .002359, .000208}),
        std::tuple("exact", Body{.03916, .000568, .000118}, Body{.06759, .002675, .000209})}) {
    // 0.4 m r^2 of a sphere of 0.25 m
    std::vector<Body> bodies{{.327249, .0081812, .0081812}};
    for (int leg = 0; leg < 4; ++leg) bodies.insert(bodies.end(), {part, part, shin});
    expect_bodies(*make("ant", masses), bodies);
  }
}

TEST(CapsuleMassTest, SwimmerAndInvertedDoublePendulum) {
  const Body old_link{34.5575, 3.57094, .172788}, exact_link{35.6047, 3.91757, .173835};
  const auto near = [](const Body& link, const mjModel& m) {
    ASSERT_EQ(m.nbody, 4);
    for (int b = 1; b < 4; ++b) {
      EXPECT_NEAR(m.body_mass[b], link.mass, 5e-5);
      EXPECT_NEAR(m.body_inertia[3 * b], link.across, 5e-6);
    }
  };
  near(old_link, make("swimmer", "old")->model());
  near(exact_link, make("swimmer", "exact")->model());

  // pi r^2 (h + r) and pi r^2 (h + 4 r / 3) of 0.1 and 0.2 m, 0.045 and 0.6 m, times 1000 kg/m^3
  const auto old_masses = make("inverted_double_pendulum", "old");
  EXPECT_NEAR(old_masses->model().body_mass[1], M_PI * 10.0 * 0.3, 1e-9);
  for (const int pole : {2, 3})
    EXPECT_NEAR(old_masses->model().body_mass[pole], M_PI * 2.025 * 0.645, 1e-9);
  const auto exact = make("inverted_double_pendulum", "exact");
  EXPECT_NEAR(exact->model().body_mass[1], M_PI * 10.0 * (0.2 + 0.4 / 3.0), 1e-9);
  for (const int pole : {2, 3})
    EXPECT_NEAR(exact->model().body_mass[pole], M_PI * 2.025 * 0.66, 1e-9);
}

TEST(CapsuleMassTest, HalfCheetahWeighsFourteenKilogramsAndItsTrunkTurnsAboutItsCenter) {
  const auto old_masses = make("halfcheetah", "old"), exact = make("halfcheetah", "exact");
  const auto masses = [](const MujocoEnv& env) {
    return std::vector<double>(env.model().body_mass + 1,
                               env.model().body_mass + env.model().nbody);
  };
  expect_near(masses(*old_masses), {6.36031, 1.53525, 1.58094, 1.06919, 1.42559, 1.17885, .84987},
              1e-5);
  expect_near(masses(*exact), {6.25021, 1.54352, 1.58745, 1.09540, 1.43808, 1.20084, .88452}, 1e-5);
  for (const auto& [env, x, z, inertia] : {std::tuple(old_masses.get(), .14914, .02486, .89445),
                                           std::tuple(exact.get(), .15239, .02540, .89712)}) {
    const std::vector<double> all = masses(*env);
    EXPECT_NEAR(std::accumulate(all.begin(), all.end(), 0.0), 14.0, 1e-9);
    EXPECT_NEAR(env->model().body_ipos[3], x, 1e-5);
    EXPECT_NEAR(env->model().body_ipos[5], z, 1e-5);
    // about y, the largest of the trunk
    EXPECT_NEAR(env->model().body_inertia[3], inertia, 1e-5);
  }
}

TEST(CapsuleMassTest, Humanoid) {
  for (const auto& [masses, torso, waist, pelvis, thigh, shin, upper, lower] :
       {std::tuple("old", 8.32208, 2.03575, 5.85279, 4.52556, 2.63249, 1.59406, 1.19834),
        std::tuple("exact", 8.90746, 2.26195, 6.61619, 4.75175, 2.75570, 1.66108, 1.22954)}) {
    const auto env = make("humanoid", masses);
    const mjModel& m = env->model();
    expect_near({m.body_mass + 1, m.body_mass + m.nbody},
                {torso, waist, pelvis, thigh, shin, 1.76715, thigh, shin, 1.76715, upper, lower,
                 upper, lower},
                1e-5);
    // 1.50 and later versions agree on where a capsule's center is
    for (int b = 0; b < m.nbody; ++b)
      EXPECT_EQ(m.body_ipos[3 * b + 1] != 0.0, b == 4 || b == 7 || b >= 10) << b;
  }
}

TEST(CapsuleMassTest, InertiaOfTwoPartsFollowsTheParallelAxes) {
  // two balls of 1 m at x = -2 and 4: masses 4/3 pi, center 1, each 3 m away from it
  const std::string text =
      old_inertial({{{-2, 0, 0}, {-2, 0, 0}, 1.0}, {{4, 0, 0}, {4, 0, 0}, 1.0}}, 1.0);
  double pos[3], mass, inertia[6];
  ASSERT_EQ(std::sscanf(text.c_str(),
                        "<inertial pos=\"%lf %lf %lf\" mass=\"%lf\" "
                        "fullinertia=\"%lf %lf %lf %lf %lf %lf\"/>",
                        pos, pos + 1, pos + 2, &mass, inertia, inertia + 1, inertia + 2,
                        inertia + 3, inertia + 4, inertia + 5),
            10)
      << text;
  const double ball = 4.0 / 3.0 * M_PI;
  EXPECT_NEAR(pos[0], 1.0, 1e-15);
  EXPECT_NEAR(mass, 2.0 * ball, 1e-12);
  EXPECT_NEAR(inertia[0], 2.0 * 0.4 * ball, 1e-12);
  EXPECT_NEAR(inertia[1], 2.0 * ball * (0.4 + 9.0), 1e-12);
  EXPECT_NEAR(inertia[2], 2.0 * ball * (0.4 + 9.0), 1e-12);
  EXPECT_EQ(inertia[3], 0.0);
}

// the joint and the gear of each actuator, in the order of the actions
std::vector<std::pair<std::string, double>> motors(const mjModel& m) {
  std::vector<std::pair<std::string, double>> found;
  for (int i = 0; i < m.nu; ++i)
    found.emplace_back(mj_id2name(&m, mjOBJ_JOINT, m.actuator_trnid[2 * i]),
                       m.actuator_gear[6 * i]);
  return found;
}
std::vector<std::string> joints(const mjModel& m) {
  std::vector<std::string> found;
  for (int j = 0; j < m.njnt; ++j) found.emplace_back(mj_id2name(&m, mjOBJ_JOINT, j));
  return found;
}
using testing::ElementsAre;
using testing::Pair;

TEST(Walker2dTest, ModelFollowsTheReference) {
  const auto env = make("walker2d", "old");
  const mjModel& m = env->model();
  EXPECT_EQ(m.opt.integrator, mjINT_RK4);
  EXPECT_DOUBLE_EQ(m.opt.timestep * 4, env->spec().dt);
  EXPECT_THAT(joints(m), ElementsAre("rootx", "rootz", "rooty", "thigh", "leg", "foot",
                                     "thigh_left", "leg_left", "foot_left"));
  EXPECT_THAT(motors(m),
              ElementsAre(Pair("thigh", 100), Pair("leg", 100), Pair("foot", 100),
                          Pair("thigh_left", 100), Pair("leg_left", 100), Pair("foot_left", 100)));
  for (int j = 0; j < 9; ++j) {
    EXPECT_EQ(m.jnt_limited[j], j >= 3);
    EXPECT_DOUBLE_EQ(m.dof_armature[j], j >= 3 ? 0.01 : 0.0);
    EXPECT_DOUBLE_EQ(m.dof_damping[j], j >= 3 ? 0.1 : 0.0);
  }
  // floor, torso, thigh, leg, foot, thigh, leg, left foot; only the floor is touched
  const double sliding[] = {0.7, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 1.9};
  for (int g = 0; g < 8; ++g) {
    EXPECT_DOUBLE_EQ(m.geom_friction[3 * g], sliding[g]) << g;
    EXPECT_DOUBLE_EQ(m.geom_friction[3 * g + 1], 0.1);
    EXPECT_EQ(m.geom_conaffinity[g], g == 0);
  }
}

TEST(HalfCheetahTest, ModelFollowsTheReference) {
  const auto env = make("halfcheetah", "old");
  const mjModel& m = env->model();
  EXPECT_EQ(m.opt.integrator, mjINT_EULER);
  EXPECT_DOUBLE_EQ(m.opt.timestep * 5, env->spec().dt);
  EXPECT_THAT(motors(m), ElementsAre(Pair("bthigh", 120), Pair("bshin", 90), Pair("bfoot", 60),
                                     Pair("fthigh", 120), Pair("fshin", 60), Pair("ffoot", 30)));
  const double stiffness[] = {0, 0, 0, 240, 180, 120, 180, 120, 60};
  const double damping[] = {0, 0, 0, 6, 4.5, 3, 4.5, 3, 1.5};
  const double low[] = {0, 0, 0, -.52, -.785, -.4, -1, -1.2, -.5};
  const double high[] = {0, 0, 0, 1.05, .785, .785, .7, .87, .5};
  for (int j = 0; j < 9; ++j) {
    EXPECT_DOUBLE_EQ(m.jnt_stiffness[j], stiffness[j]);
    EXPECT_DOUBLE_EQ(m.dof_damping[j], damping[j]);
    EXPECT_DOUBLE_EQ(m.dof_armature[j], j >= 3 ? 0.1 : 0.0);
    EXPECT_DOUBLE_EQ(m.jnt_range[2 * j], low[j]);
    EXPECT_DOUBLE_EQ(m.jnt_range[2 * j + 1], high[j]);
  }
}

TEST(AntTest, ActuatorsStartAtTheFourthLeg) {
  const auto env = make("ant", "old");
  const mjModel& m = env->model();
  EXPECT_THAT(joints(m), ElementsAre("root", "hip_1", "ankle_1", "hip_2", "ankle_2", "hip_3",
                                     "ankle_3", "hip_4", "ankle_4"));
  EXPECT_THAT(motors(m), ElementsAre(Pair("hip_4", 150), Pair("ankle_4", 150), Pair("hip_1", 150),
                                     Pair("ankle_1", 150), Pair("hip_2", 150), Pair("ankle_2", 150),
                                     Pair("hip_3", 150), Pair("ankle_3", 150)));
  EXPECT_EQ(m.opt.integrator, mjINT_RK4);
  EXPECT_DOUBLE_EQ(m.opt.timestep * 5, env->spec().dt);
  // the feet of legs 1..4 in a ring, front left first
  start_at_rest(*env);
  mj_forward(&m, const_cast<mjData*>(&env->data()));
  const double* tip = env->data().xipos;
  for (const auto& [body, sx, sy] :
       {std::tuple(4, 1, 1), std::tuple(7, -1, 1), std::tuple(10, -1, -1), std::tuple(13, 1, -1)}) {
    EXPECT_NEAR(tip[3 * body], 0.6 * sx, 1e-12);
    EXPECT_NEAR(tip[3 * body + 1], 0.6 * sy, 1e-12);
  }
}

TEST(HumanoidTest, ModelFollowsTheReference) {
  const auto env = make("humanoid", "old"), exact = make("humanoid", "exact");
  const mjModel& m = env->model();
  EXPECT_EQ(m.opt.integrator, mjINT_RK4);
  EXPECT_EQ(m.opt.solver, mjSOL_PGS);
  EXPECT_EQ(m.opt.iterations, 50);
  EXPECT_DOUBLE_EQ(m.opt.timestep * 5, env->spec().dt);
  EXPECT_THAT(joints(m),
              ElementsAre("root", "abdomen_z", "abdomen_y", "abdomen_x", "right_hip_x",
                          "right_hip_z", "right_hip_y", "right_knee", "left_hip_x", "left_hip_z",
                          "left_hip_y", "left_knee", "right_shoulder1", "right_shoulder2",
                          "right_elbow", "left_shoulder1", "left_shoulder2", "left_elbow"));
  EXPECT_THAT(
      motors(m),
      ElementsAre(Pair("abdomen_y", 100), Pair("abdomen_z", 100), Pair("abdomen_x", 100),
                  Pair("right_hip_x", 100), Pair("right_hip_z", 100), Pair("right_hip_y", 300),
                  Pair("right_knee", 200), Pair("left_hip_x", 100), Pair("left_hip_z", 100),
                  Pair("left_hip_y", 300), Pair("left_knee", 200), Pair("right_shoulder1", 25),
                  Pair("right_shoulder2", 25), Pair("right_elbow", 25), Pair("left_shoulder1", 25),
                  Pair("left_shoulder2", 25), Pair("left_elbow", 25)));
  const double stiffness[] = {0, 20, 10, 10, 10, 10, 20, 0, 10, 10, 20, 1, 1, 1, 0, 1, 1, 0};
  const double armature[] = {.02, .02,  .02,   .01,   .01,   .008,  .006,  .01,  .01,
                             .01, .006, .0068, .0051, .0028, .0068, .0051, .0028};
  const double damping[] = {5, 5, 5, 5, 5, 5, 1, 5, 5, 5, 1, 1, 1, 1, 1, 1, 1};
  for (int j = 0; j < 18; ++j) EXPECT_DOUBLE_EQ(m.jnt_stiffness[j], stiffness[j]) << j;
  for (int i = 0; i < 6; ++i) EXPECT_EQ(m.dof_armature[i] + m.dof_damping[i], 0.0);
  for (int i = 0; i < 17; ++i) {
    EXPECT_DOUBLE_EQ(m.dof_armature[6 + i], armature[i]) << i;
    EXPECT_DOUBLE_EQ(m.dof_damping[6 + i], damping[i]) << i;
  }
  // OpenAI Gym's left hip reaches further back than Gymnasium's
  EXPECT_NEAR(m.jnt_range[2 * 10], -120 * M_PI / 180, 1e-12);
  EXPECT_NEAR(exact->model().jnt_range[2 * 10], -110 * M_PI / 180, 1e-12);
  EXPECT_NEAR(m.jnt_range[2 * 6], -110 * M_PI / 180, 1e-12);
}

// positions from `first_position` on, then velocities, clipped or not
struct Layout {
  const char* robot;
  int first_position;
  bool clipped;
};
void PrintTo(const Layout& layout, std::ostream* out) { *out << layout.robot; }
class ObservationTest : public testing::TestWithParam<Layout> {};

TEST_P(ObservationTest, IsPositionsThenVelocities) {
  const auto env = make(GetParam().robot, "old");
  const int nq = env->model().nq, nv = env->model().nv, first = GetParam().first_position;
  ASSERT_EQ(env->spec().observation_size, nq - first + nv);
  // a state in which every entry differs from every other, at a high speed
  start_at_rest(*env);
  std::vector<double> state(static_cast<std::size_t>(env->state_size()));
  env->get_state(state);
  for (int i = 0; i < nq + nv; ++i) state[i] += 0.01 + 0.001 * i;
  state[nq] = 90.0;
  env->set_state(state);
  std::vector<float> o(static_cast<std::size_t>(env->spec().observation_size)),
      action(static_cast<std::size_t>(env->spec().action_size), 0.1f);
  ASSERT_FALSE(env->step(action, o).broken);
  const mjData& d = env->data();
  std::vector<float> expected(d.qpos + first, d.qpos + nq);
  for (int i = 0; i < nv; ++i)
    expected.push_back(
        static_cast<float>(GetParam().clipped ? std::clamp(d.qvel[i], -10.0, 10.0) : d.qvel[i]));
  EXPECT_EQ(o, expected);
  EXPECT_GT(d.qvel[0], 10.0) << "this entry tells whether velocities are clipped";
}

INSTANTIATE_TEST_SUITE_P(Robots, ObservationTest,
                         testing::Values(Layout{"walker2d", 1, true},
                                         Layout{"halfcheetah", 1, false}, Layout{"ant", 2, false},
                                         Layout{"swimmer", 2, false},
                                         Layout{"humanoid", 2, false}));

TEST(InvertedDoublePendulumTest, ObservationHoldsSinesCosinesAndConstraintForces) {
  const auto env = make("inverted_double_pendulum", "old");
  std::vector<double> state(static_cast<std::size_t>(env->state_size()), 0.0);
  state = {0.99, 0.1, -0.3, 5.0, 0.2, 20.0};  // about to hit the rail's end
  state.resize(static_cast<std::size_t>(env->state_size()), 0.0);
  env->set_state(state);
  std::vector<float> o(11);
  ASSERT_FALSE(env->step(std::vector<float>{0.5f}, o).broken);
  const mjData& d = env->data();
  EXPECT_EQ(o[0], static_cast<float>(d.qpos[0]));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(o[1 + i], static_cast<float>(std::sin(d.qpos[1 + i])));
    EXPECT_EQ(o[3 + i], static_cast<float>(std::cos(d.qpos[1 + i])));
  }
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(o[5 + i], static_cast<float>(std::clamp(d.qvel[i], -10.0, 10.0)));
  EXPECT_LT(d.qfrc_constraint[0], -10.0) << "the rail's end pushes back";
  EXPECT_EQ(o[8], -10.0f);
  EXPECT_EQ(o[9], 0.0f);
  EXPECT_EQ(o[10], 0.0f);
}

TEST(InvertedDoublePendulumTest, RewardAndEndBelongToTheTip) {
  const auto env = make("inverted_double_pendulum", "old");
  for (const double lean : {0.1, 1.2}) {
    std::vector<double> state{0.3, lean, -0.05, 0.5, 1.0, -2.0};
    state.resize(static_cast<std::size_t>(env->state_size()), 0.0);
    env->set_state(state);
    std::vector<float> o(11);
    const StepResult r = env->step(std::vector<float>{0.2f}, o);
    const double* q = env->data().qpos;
    const double* v = env->data().qvel;
    const double x = q[0] + 0.6 * std::sin(q[1]) + 0.6 * std::sin(q[1] + q[2]);
    const double y = 0.6 * std::cos(q[1]) + 0.6 * std::cos(q[1] + q[2]);
    EXPECT_NEAR(
        r.reward,
        10.0 - 0.01 * x * x - (y - 2.0) * (y - 2.0) - 1e-3 * v[1] * v[1] - 5e-3 * v[2] * v[2],
        2e-6);
    EXPECT_EQ(r.terminated, lean > 1.0);
    EXPECT_EQ(y <= 1.0, lean > 1.0);
  }
}

// rewards of the planar runners: c_alive + dx / dt - c_control |u|^2
TEST(RunnerTest, RewardIsSpeedLessControlCost) {
  for (const auto& [name, alive, control] :
       {std::tuple("walker2d", 1.0, 1e-3), std::tuple("halfcheetah", 0.0, 0.1),
        std::tuple("swimmer", 0.0, 1e-4)}) {
    const auto env = make(name, "old");
    start_at_rest(*env);
    std::vector<float> o(static_cast<std::size_t>(env->spec().observation_size)),
        action(static_cast<std::size_t>(env->spec().action_size), 0.5f);
    action[1] = -1.0f;
    const double squares = 1.0 + 0.25 * static_cast<double>(action.size() - 1);
    const StepResult r = env->step(action, o);
    EXPECT_NEAR(r.reward, env->data().qpos[0] / env->spec().dt + alive - control * squares, 1e-6)
        << name;
    EXPECT_GT(std::abs(env->data().qpos[0]), 1e-6);
    EXPECT_FALSE(r.terminated);
  }
}

TEST(RunnerTest, AFallenWalkerEndsItsEpisode) {
  const auto env = make("walker2d", "old");
  std::vector<float> o(17), action(6, 0.0f);
  for (const auto& [height, angle, ends] :
       {std::tuple(1.25, 0.0, false), std::tuple(0.79, 0.0, true), std::tuple(2.2, 0.0, true),
        std::tuple(1.25, 1.05, true), std::tuple(1.25, -1.05, true)}) {
    start_at_rest(*env);
    std::vector<double> state(static_cast<std::size_t>(env->state_size()));
    env->get_state(state);
    state[1] = height;
    state[2] = angle;
    state[3] = state[6] = -1.5;  // legs drawn up, clear of the floor
    env->set_state(state);
    EXPECT_EQ(env->step(action, o).terminated, ends) << height << " " << angle;
  }
}

// a robot that has lain on the floor for a while, then one more step
struct Lying {
  StepResult result;
  double dx = 0.0, contact = 0.0, clipped_contact = 0.0, control = 0.0;
};
Lying lie_and_step(const std::string& name, bool contact_cost) {
  EnvOptions options;
  options.name = name;
  options.contact_cost = contact_cost;
  const auto made = make_env(options);
  auto& env = dynamic_cast<MujocoEnv&>(*made);
  start_at_rest(env);
  std::vector<float> o(static_cast<std::size_t>(env.spec().observation_size)),
      action(static_cast<std::size_t>(env.spec().action_size), 0.25f);
  for (int t = 0; t < 100; ++t) env.step(action, o);

  // places of the bodies at a state, in data of our own
  const mjModel& m = env.model();
  mjData* copy = mj_makeData(&m);
  const auto forward = [&] {
    std::copy_n(env.data().qpos, m.nq, copy->qpos);
    mj_kinematics(&m, copy);
    if (name == "ant") return copy->xpos[3];
    double moment = 0.0;
    for (int b = 0; b < m.nbody; ++b) moment += m.body_mass[b] * copy->xipos[3 * b];
    return moment / mj_getTotalmass(&m);
  };
  const double before = forward();
  Lying lying;
  lying.result = env.step(action, o);
  lying.dx = forward() - before;
  mj_deleteData(copy);
  for (int i = 0; i < 6 * m.nbody; ++i) {
    const double force = env.data().cfrc_ext[i];
    lying.contact += force * force;
    lying.clipped_contact += std::min(force * force, 1.0);
  }
  for (int i = 0; i < m.nu; ++i) lying.control += env.data().ctrl[i] * env.data().ctrl[i];
  return lying;
}

TEST(ContactCostTest, AntPaysForClippedForces) {
  const Lying with = lie_and_step("ant", true), without = lie_and_step("ant", false);
  EXPECT_NEAR(with.control, 8 * 0.25 * 0.25, 1e-12);
  EXPECT_EQ(with.dx, without.dx);
  EXPECT_NEAR(without.result.reward, without.dx / 0.05 + 1.0 - 0.5 * without.control, 1e-6);
  EXPECT_GT(with.clipped_contact, 2.0) << "several feet on the floor";
  EXPECT_LT(with.clipped_contact, with.contact);
  EXPECT_NEAR(with.result.reward, without.result.reward - 5e-4 * with.clipped_contact, 1e-6);
  EXPECT_EQ(without.contact, 0.0) << "nobody asked for the forces";
}

TEST(ContactCostTest, HumanoidPaysForImpact) {
  const Lying with = lie_and_step("humanoid", true), without = lie_and_step("humanoid", false);
  EXPECT_NEAR(with.control, 17 * 0.01, 1e-7) << "a quarter of 0.4";
  EXPECT_EQ(with.dx, without.dx);
  EXPECT_NEAR(without.result.reward, 1.25 * without.dx / 0.015 + 5.0 - 0.1 * without.control, 1e-5);
  EXPECT_GT(with.contact, 1e4) << "400 N of weight";
  EXPECT_NEAR(with.result.reward, without.result.reward - 5e-7 * with.contact, 1e-5);
  EXPECT_TRUE(with.result.terminated) << "it lies";
}

TEST(AntTest, EndsAboveAMeter) {
  const auto env = make("ant", "old");
  std::vector<float> o(27), action(8, 0.0f);
  for (const auto& [height, ends] : {std::pair(0.75, false), std::pair(1.1, true)}) {
    start_at_rest(*env);
    std::vector<double> state(static_cast<std::size_t>(env->state_size()));
    env->get_state(state);
    state[2] = height;
    env->set_state(state);
    EXPECT_EQ(env->step(action, o).terminated, ends) << height << " -> " << env->data().qpos[2];
  }
}

TEST(ReacherTest, ModelFollowsTheReference) {
  const auto env = make("reacher", "exact");
  const mjModel& m = env->model();
  EXPECT_EQ(m.opt.integrator, mjINT_RK4);
  EXPECT_DOUBLE_EQ(m.opt.timestep * 2, env->spec().dt);
  EXPECT_THAT(joints(m), ElementsAre("shoulder", "elbow", "target_x", "target_y"));
  EXPECT_THAT(motors(m), ElementsAre(Pair("shoulder", 200), Pair("elbow", 200)));
  for (int j = 0; j < 4; ++j) {
    EXPECT_EQ(m.jnt_limited[j], j > 0) << j;
    EXPECT_DOUBLE_EQ(m.dof_armature[j], j < 2 ? 1.0 : 0.0);
    EXPECT_DOUBLE_EQ(m.dof_damping[j], j < 2 ? 1.0 : 0.0);
  }
  EXPECT_DOUBLE_EQ(m.jnt_range[2 * 1 + 1], 3.0);
  EXPECT_DOUBLE_EQ(m.jnt_range[2 * 3], -0.27);
  // pi r^2 (h + 4 r / 3) of 0.1 and 0.01 m times 1000 kg/m^3, and h + r for MuJoCo 1.50
  const auto old_masses = make("reacher", "old");
  for (const int link : {1, 2}) {
    EXPECT_NEAR(m.body_mass[link], M_PI * 0.1 * (0.1 + 0.04 / 3.0), 1e-9);
    EXPECT_NEAR(old_masses->model().body_mass[link], M_PI * 0.1 * 0.11, 1e-9);
  }
}

TEST(ReacherTest, ObservationAndRewardAreAboutTheFingertip) {
  const auto env = make("reacher", "old");
  // stretched along x, at rest; the target 0.11 m beside the tip
  std::vector<double> state{0.0, 0.0, 0.12, 0.09};
  state.resize(static_cast<std::size_t>(env->state_size()), 0.0);
  env->set_state(state);
  std::vector<float> o(10);
  const StepResult r = env->step(std::vector<float>{0.0f, 0.0f}, o);
  const std::vector<double> expected{1, 1, 0, 0, 0.12, 0.09, 0, 0, 0.21 - 0.12, -0.09};
  for (std::size_t i = 0; i < 10; ++i) EXPECT_NEAR(o[i], expected[i], 1e-7) << i;
  EXPECT_NEAR(r.reward, -std::hypot(0.09, 0.09), 1e-7);
  const StepResult pushed = env->step(std::vector<float>{1.0f, -0.5f}, o);
  EXPECT_NEAR(pushed.reward, -std::hypot(o[8], o[9]) - 1.25, 1e-6);
  EXPECT_GT(o[6], 0.0f);
  EXPECT_LT(o[7], 0.0f);
  EXPECT_EQ(o[0], static_cast<float>(std::cos(env->data().qpos[0])));
  EXPECT_EQ(o[3], static_cast<float>(std::sin(env->data().qpos[1])));
  EXPECT_FALSE(pushed.terminated);
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

class ResetTest : public testing::TestWithParam<std::string> {};

TEST_P(ResetTest, StartIsAFunctionOfSeedAndEpisode) {
  const auto env = make(GetParam(), "old");
  const auto S = static_cast<std::size_t>(env->spec().observation_size);
  std::vector<float> first(S), again(S), other(S);
  env->reset(4, 7, first);
  const std::vector<float> action(static_cast<std::size_t>(env->spec().action_size), 0.3f);
  env->step(action, other);
  env->reset(4, 7, again);
  EXPECT_EQ(first, again);
  env->reset(5, 7, other);
  EXPECT_NE(first, other);
}

INSTANTIATE_TEST_SUITE_P(Robots, ResetTest, testing::ValuesIn(environments_on(Simulator::kMujoco)));

TEST(MujocoEnvTest, RestoredStateContinuesBitForBit) {
  for (const std::string& name : environments_on(Simulator::kMujoco)) {
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
    for (int t = 0; t < steps_to_walk(name, 200); ++t) {
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

/// A cart under a task that may be of other sizes.
MujocoRobot cart(int observation_size, int action_size) {
  return {.spec = {.name = "cart",
                   .task = TaskId::kInvertedPendulum,
                   .observation_size = observation_size,
                   .action_size = action_size,
                   .max_episode_steps = 10,
                   .dt = 0.002,
                   .description = "a cart"},
          .model = compile_model(
              R"(<mujoco><worldbody><body><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
                 <joint name="slide" type="slide"/></body></worldbody>
                 <actuator><motor joint="slide" ctrlrange="-1 1" ctrllimited="true"/></actuator>
                 </mujoco>)"),
          .frame_skip = 1,
          .outcome = [](const MujocoStep&) -> StepResult { return {}; }};
}

TEST(MujocoEnvTest, AFaultOfTheEngineHasItsReason) {
  struct Case {
    int entry;  // of the state: position, speed, warm start, time
    double value;
    Fault fault;
  };
  MujocoEnv env(cart(2, 1));
  std::vector<float> o(2), action{0.0f};
  std::vector<double> state(static_cast<std::size_t>(env.state_size()));
  for (const Case& c : {Case{1, 900.0, kNoFault}, Case{1, 1100.0, kTooFast},
                        Case{0, NAN, kEngineFault}, Case{1, 1e11, kEngineFault},
                        // as far as a double can tell, 1e15 s and a step of 2 ms are 1e15 s
                        Case{3, 1e15, kNoFault}, Case{3, INFINITY, kClockFault}}) {
    env.reset(1, 0, o);
    env.get_state(state);
    state[static_cast<std::size_t>(c.entry)] = c.value;
    env.set_state(state);
    EXPECT_EQ(env.step(action, o).broken, c.fault) << c.entry << " " << c.value;
  }
}

// A simulation may explode and come to rest within a step: its speeds at the end do not tell.
TEST(MujocoEnvTest, AStepThatGoesFurtherThanItsSpeedLimitIsTooFast) {
  for (const auto& [scale, fault] : {std::pair(0.9, kNoFault), std::pair(1.1, kTooFast),
                                     std::pair(-1.1, kTooFast), std::pair(1e300, kTooFast)}) {
    MujocoRobot robot = cart(2, 1);
    // at 1 m/s the place that is paid for moves by `scale` times what the limit allows
    robot.forward_position = [scale = scale](const mjModel&, mjData& d) {
      return scale * kMaxSpeed * d.qpos[0];
    };
    MujocoEnv env(std::move(robot));
    std::vector<float> o(2), action{0.0f};
    std::vector<double> state(static_cast<std::size_t>(env.state_size()));
    env.reset(1, 0, o);
    env.get_state(state);
    state[1] = 1.0;
    env.set_state(state);
    EXPECT_EQ(env.step(action, o).broken, fault) << scale;
  }
}

TEST(MujocoEnvTest, AModelWhoseSizesAreNotTheTasksIsRefused) {
  std::vector<float> o(3);
  MujocoEnv fits(cart(2, 1));
  fits.reset(1, 0, {o.data(), 2});
  EXPECT_EQ(error_text<DataError>([] { MujocoEnv{cart(2, 2)}; }),
            "cart: the model has 1 actuators, the task 2 actions.");
  EXPECT_EQ(error_text<DataError>([&] { MujocoEnv(cart(3, 1)).reset(1, 0, o); }),
            "cart: the model has 2 positions and velocities to observe, the task's observation 3 "
            "entries.");
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
