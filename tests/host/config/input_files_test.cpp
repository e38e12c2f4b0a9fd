// Tests for host/config/input_files.{h,cpp}, and for what a config's hash sees of files.
#include "host/config/input_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "host/config/print.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class InputFilesTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  static Config robot(const std::string& model) {
    Config config;
    config.env.name = "mjcf";
    config.env.mjcf.model = model;
    return config;
  }
  static std::vector<std::string> names(const Config& config) {
    std::vector<std::string> result;
    for (const InputFile& file : input_files(config)) result.push_back(file.name);
    return result;
  }

  TemporaryDirectory folder_;
};

TEST_F(InputFilesTest, AModelBringsWhatItsFilesIncludeAndName) {
  write("robot/legs.xml", "<mujoco><include file='parts/foot.xml'/></mujoco>");
  write("robot/parts/foot.xml", "<mujoco><asset><mesh file=\"foot.stl\"/></asset></mujoco>");
  write("robot/meshes/foot.stl", "mesh");
  write("robot/textures/side.png", "texture");
  write("robot/textures/top.png", "texture");
  write("robot/ground.bin", "heights");
  write("robot/skin.skn", "skin");
  write("robot/unused.xml", "<mujoco/>");
  const Config config = robot(write("robot/scene.xml", R"(<?xml version="1.0"?>
<!-- <include file="unused.xml"/> -->
<mujoco model="x > y">
  <compiler meshdir="meshes" texturedir="textures/"/>
  <include file="legs.xml"/>
  <asset>
    <texture type="cube" fileright="side.png" fileup = "top.png"/>
    <hfield name="ground" file="ground.bin"/><skin file="skin.skn"/>
    <mesh file="absent.stl"/>
  </asset>
</mujoco>)"));
  EXPECT_THAT(names(config),
              ElementsAre("scene.xml", "ground.bin", "legs.xml", "meshes/foot.stl",
                          "parts/foot.xml", "skin.skn", "textures/side.png", "textures/top.png"));
}

TEST_F(InputFilesTest, EachOfThemIsPartOfTheHash) {
  write("legs.xml", "<mujoco><include file='foot.xml'/></mujoco>");
  write("foot.xml", "<mujoco><asset><mesh file='foot.stl'/></asset></mujoco>");
  write("foot.stl", "mesh");
  const Config config = robot(write("scene.xml", "<mujoco><include file='legs.xml'/></mujoco>"));
  std::string before = config_hash(config);
  for (const auto& [name, text] :
       {std::pair("foot.stl", "another mesh"),
        std::pair("foot.xml",
                  "<mujoco><asset><mesh file='foot.stl' scale='2 2 2'/></asset></mujoco>"),
        std::pair("scene.xml", "<mujoco><include file='legs.xml'/><worldbody/></mujoco>")}) {
    const std::vector<InputFile> files = input_files(config);
    write(name, text);
    const std::string after = config_hash(config);
    EXPECT_NE(after, before) << name;
    EXPECT_THAT(file_differences(files, input_files(config)),
                ElementsAre(testing::MatchesRegex(std::string(name) +
                                                  " of mjcf.model differs \\([0-9a-f]{8} -> "
                                                  "[0-9a-f]{8}\\)")));
    before = after;
  }
  write("unrelated.xml", "<mujoco/>");
  EXPECT_EQ(config_hash(config), before);
}

TEST_F(InputFilesTest, AMovedRobotIsTheSameOne) {
  for (const char* folder : {"here/", "there/"}) {
    write(folder + std::string("legs.xml"), "<mujoco/>");
    write(folder + std::string("scene.xml"), "<mujoco><include file='legs.xml'/></mujoco>");
  }
  const Config here = robot((folder_.path() / "here/scene.xml").string()),
               there = robot((folder_.path() / "there/scene.xml").string());
  EXPECT_EQ(config_hash(here), config_hash(there));
  EXPECT_THAT(file_differences(input_files(here), input_files(there)), IsEmpty());
  // the first file is the robot whatever it is called
  std::filesystem::rename(folder_.path() / "there/scene.xml", folder_.path() / "there/robot.xml");
  const Config renamed = robot((folder_.path() / "there/robot.xml").string());
  EXPECT_EQ(config_hash(here), config_hash(renamed));
  EXPECT_THAT(file_differences(input_files(here), input_files(renamed)), IsEmpty());
}

TEST_F(InputFilesTest, ARobotOfOneFileKeepsItsHash) {
  const std::string text = "<mujoco><worldbody/></mujoco>";
  const Config config = robot(write("robot.xml", text));
  EXPECT_EQ(config_hash(config),
            hash_text("env.name=\"mjcf\"\nenv.model=\"" + hash_text(text) + "\"\n"));
}

TEST_F(InputFilesTest, CirclesAndMalformedFilesComeToAnEnd) {
  write("a.xml", "<mujoco><include file='b.xml'/></mujoco>");
  const Config circle = robot(write("b.xml", "<mujoco><include file='a.xml'/></mujoco>"));
  EXPECT_THAT(names(circle), ElementsAre("b.xml", "a.xml"));
  for (const char* text : {"<", "<!--", "<mujoco a", "<mujoco a=", "<mujoco a=\"", "<a/",
                           "<![CDATA[", "<include file='a.xml' b>", "\xff<\0"})
    EXPECT_THAT(names(robot(write("broken.xml", text))), testing::Contains("broken.xml")) << text;
  EXPECT_THAT(names(robot((folder_.path() / "absent.xml").string())), IsEmpty());
  EXPECT_THAT(names(robot(folder_.path().string())), IsEmpty());
}

// to the system "a.xml<NUL>/..." is a.xml, which would include itself under ever longer names
TEST_F(InputFilesTest, ANameWithANulIsNone) {
  using namespace std::string_literals;
  const Config config = robot(write("a.xml", "<mujoco><include file='a.xml\0/x'/></mujoco>"s));
  EXPECT_THAT(names(config), ElementsAre("a.xml"));
}

TEST_F(InputFilesTest, NamesWithEntitiesAndStrippedPathsAreFound) {
  write("m&m.stl", "mesh");
  write("meshes/leg.stl", "mesh");
  EXPECT_THAT(names(robot(write("robot.xml",
                                "<mujoco><compiler meshdir='meshes' strippath='true'/><asset>"
                                "<mesh file='m&amp;m.stl'/><mesh file='C/old/leg.stl'/></asset>"
                                "</mujoco>"))),
              ElementsAre("robot.xml", "m&m.stl", "meshes/leg.stl"));
}

TEST_F(InputFilesTest, ControllersAndBaselinesCountByWhatTheyHold) {
  Config config;
  config.controller.file = write("c.safetensors", "weights");
  config.autombpo.baseline = (folder_.path() / "baseline").string();
  write("baseline/seed-0/metrics.csv", "env_steps\n");
  write("baseline/seed-0/log.txt", "words");
  const std::string before = config_hash(config);
  EXPECT_THAT(names(config), ElementsAre("c.safetensors", "seed-0/metrics.csv"));
  write("baseline/seed-0/log.txt", "other words");
  EXPECT_EQ(config_hash(config), before);
  write("baseline/seed-1/metrics.csv", "env_steps\n");
  EXPECT_NE(config_hash(config), before);
}

TEST_F(InputFilesTest, DifferencesNameWhatCameAndWent) {
  const std::vector<InputFile> from{{"mjcf.model", "a.xml", "1"}, {"mjcf.model", "b.xml", "2"}},
      to{{"mjcf.model", "c.xml", "3"}, {"mjcf.model", "d.xml", "4"}};
  EXPECT_THAT(file_differences(from, to),
              ElementsAre("a.xml of mjcf.model differs (1 -> 3)", "b.xml of mjcf.model is gone",
                          "d.xml of mjcf.model is new"));
  EXPECT_THAT(file_differences(from, from), IsEmpty());
}

TEST_F(InputFilesTest, FilesGoThroughJson) {
  const std::vector<InputFile> files{{"mjcf.model", "a.xml", "1"},
                                     {"mjcf.model", "b.xml", "2"},
                                     {"controller.file", "c.safetensors", "3"}};
  EXPECT_EQ(
      to_json(files).dump(),
      R"({"mjcf.model":[["a.xml","1"],["b.xml","2"]],"controller.file":[["c.safetensors","3"]]})");
  EXPECT_EQ(input_files_from_json(to_json(files)), files);
}

}  // namespace
}  // namespace mbrl
