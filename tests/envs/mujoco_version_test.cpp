// Tests for envs/mujoco/mujoco_version.{h,cpp}, and of what differs between MuJoCos.
#include "envs/mujoco/mujoco_version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "envs/mujoco/mujoco_env.h"
#include "tests/envs/environments.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

TEST(MujocoVersionTest, NumbersOfBothKindsReadAsVersions) {
  EXPECT_EQ(mujoco_version_text(222), "2.2.2");
  EXPECT_EQ(mujoco_version_text(337), "3.3.7");
  EXPECT_EQ(mujoco_version_text(340), "3.4.0");
  EXPECT_EQ(mujoco_version_text(3'005'000), "3.5.0");
  EXPECT_EQ(mujoco_version_text(3'012'001), "3.12.1");
  EXPECT_EQ(mujoco_version_text(4'000'001), "4.0.1");
}

TEST(MujocoVersionTest, TheLibraryIsThatOfTheHeaders) {
  EXPECT_EQ(mujoco_fault(), "");
  EXPECT_NO_THROW(require_mujoco());
  EXPECT_EQ(mujoco_name(), "MuJoCo " + mujoco_version_text(mjVERSION_HEADER));
}

TEST(MujocoVersionTest, AnotherLibraryThanThatOfTheHeadersIsAFault) {
  EXPECT_EQ(mujoco_fault(222, 222), "");
  EXPECT_EQ(mujoco_fault(4'000'001, 4'000'001), "");
  for (const auto& [header, library] : {std::pair(4'000'001, 3'012'000), std::pair(222, 4'000'001),
                                        std::pair(3'005'000, 3'005'001)}) {
    const std::string text = mujoco_fault(header, library);
    EXPECT_THAT(text, HasSubstr("compiled for MuJoCo " + mujoco_version_text(header)));
    EXPECT_THAT(text, HasSubstr("the library of MuJoCo " + mujoco_version_text(library)));
  }
}

TEST(MujocoVersionTest, TheOneWhoseSolverIsWrongIsAFault) {
  EXPECT_THAT(mujoco_fault(4'000'000, 4'000'000), HasSubstr("MuJoCo 4.0.0 computes wrong"));
  EXPECT_THAT(mujoco_fault(4'000'000, 4'000'000), HasSubstr("Build with 4.0.1"));
}

TEST(MujocoVersionTest, MarginsAreSummedFrom350On) {
  for (const int version : {222, 337, 340}) EXPECT_FALSE(sums_margins(version)) << version;
  for (const int version : {3'005'000, 3'005'001, 4'000'001})
    EXPECT_TRUE(sums_margins(version)) << version;
}

// What two geoms make of their margins is the margin of the robot's file under each MuJoCo. Where
// those of a robot differed, no halves would do.
TEST(MujocoVersionTest, ContactsOfEachRobotHaveOneMargin) {
  const std::map<std::string, double> margins{{"ant", 0.01},
                                              {"hopper", 0.001},
                                              {"hopper12", 0.001},
                                              {"humanoid", 0.001},
                                              {"pusher", 0.002}};
  for (const std::string& name : environments_on(Simulator::kMujoco)) {
    EnvOptions options;
    options.name = name;
    const auto made = make_env(options);
    const mjModel& model = dynamic_cast<const MujocoEnv&>(*made).model();
    const auto margin = margins.find(name);
    const double expected = margin != margins.end() ? margin->second : 0.0;
    int num_geoms = 0;
    for (int geom = 0; geom < model.ngeom; ++geom) {
      if (model.geom_contype[geom] == 0 && model.geom_conaffinity[geom] == 0) continue;
      const double own = model.geom_margin[geom];
      EXPECT_DOUBLE_EQ(sums_margins(mj_version()) ? own + own : own, expected)
          << name << ", geom " << geom;
      ++num_geoms;
    }
    EXPECT_TRUE(expected == 0.0 || num_geoms > 1) << name;
    EXPECT_EQ(model.npair, 0) << name << ": a pair has its own margin, which no version sums";
  }
}

// A file says what it says: its margins are not ours to change.
TEST(MujocoVersionTest, AFileKeepsItsMargins) {
  const TemporaryDirectory folder;
  const std::string path = folder.write(
      "plane.xml",
      "<mujoco><worldbody><geom type='plane' size='1 1 1' margin='0.02'/></worldbody></mujoco>");
  EXPECT_EQ(load_model(path)->geom_margin[0], 0.02);
}

}  // namespace
}  // namespace mbrl
