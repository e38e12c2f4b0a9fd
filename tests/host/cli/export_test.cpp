// Tests for host/cli/export.cpp: files of the real program, the C header compiled and run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "host/io/safetensors.h"
#include "tests/support/program.h"

namespace mbrl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string checkpoint_of(const std::string& algorithm) {
  return MBRL_SOURCE_DIR "/tests/golden/checkpoints/" + algorithm + "/step-000000012";
}

class ExportTest : public ProgramTest {
 protected:
  std::string error_of(const std::vector<std::string>& arguments, int exit_code) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, exit_code);
    return outcome.error;
  }
};

TEST_F(ExportTest, TheHeaderOfEachPolicyIsCAndCppAndActsAsTheProgram) {
  if (shell("cc --version >/dev/null 2>&1 && c++ --version >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "no C and C++ compiler here";
  for (const std::string algorithm : {"sac", "mbpo", "ppo"}) {
    const Outcome outcome = run({"export", checkpoint_of(algorithm), "--c-header", "my policy.h"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
    EXPECT_THAT(output(), AllOf(HasSubstr("policy of pendulum: 3 observations, 1 actions"),
                                HasSubstr("\nmy policy.h\n")));
    write_text(folder_.path() / "main.c",
               "#include \"my policy.h\"\n#include <stdio.h>\n"
               "int main(void) {\n"
               "  const float far[3] = {1e6f, -1e6f, 1e6f};\n"
               "  float action[1];\n"
               "  my_policy_act(far, action);\n"
               "  printf(\"%.9g %.9g\\n\", my_policy_deviation(), action[0]);\n"
               "  return my_policy_deviation() < 4e-6f ? 0 : 1;\n"
               "}\n");
    const std::string flags = " -Wall -Wextra -Wconversion -Werror -pedantic main.c -o main -lm";
    EXPECT_EQ(shell("cc -std=c99 -Wno-unused-const-variable" + flags + " && ./main > c"), 0);
    EXPECT_EQ(shell("c++ -x c++ -std=c++11" + flags + " && ./main > cpp"), 0);
    const std::string words = file_text(folder_.path() / "c");
    EXPECT_EQ(words, file_text(folder_.path() / "cpp"));
    const double action = std::stod(words.substr(words.find(' ')));
    EXPECT_LE(std::abs(action), 2.0) << "torque of the pendulum";
    const std::string header = file_text(folder_.path() / "my policy.h");
    EXPECT_THAT(header, AllOf(HasSubstr("algorithm " + algorithm), HasSubstr("env_steps 12")));
    // one weight of the last layer that is wrong shows
    const std::size_t bias = header.find("_bias1[1] = {\n    ");
    ASSERT_NE(bias, header.npos);
    std::string wrong = header;
    wrong.insert(bias + 17, "0.25f + ");
    write_text(folder_.path() / "my policy.h", wrong);
    EXPECT_EQ(shell("cc -std=c99 main.c -o main -lm && ./main > c"), 1);
  }
}

TEST_F(ExportTest, ArraysAreThoseOfTheCheckpoint) {
  const Outcome outcome = run({"export", checkpoint_of("sac"), "--safetensors", "p.safetensors",
                               "--npz", "p.npz", "--onnx", "p.onnx"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  const SafetensorsFile file(folder_.path() / "p.safetensors");
  EXPECT_EQ(file.metadata().at("env"), "pendulum");
  EXPECT_EQ(file.metadata().at("sizes"), "[3, 3, 1]");
  const SafetensorsFile old(checkpoint_of("sac") + "/weights.safetensors");
  std::vector<float> whole(static_cast<std::size_t>(old.shape("actor")[0]));
  old.read_into(tensor_ref("actor", whole.data(), old.shape("actor")));
  std::vector<float> weight(9), last(3), bias(1), high(1);
  file.read_into(tensor_ref("policy.0.weight", weight.data(), {3, 3}));
  file.read_into(tensor_ref("policy.1.weight", last.data(), {1, 3}));
  file.read_into(tensor_ref("policy.1.bias", bias.data(), {1}));
  file.read_into(tensor_ref("action.high", high.data(), {1}));
  EXPECT_EQ(high[0], 2.0f);
  // rows of 16 floats, and a bias of as many
  for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(weight[i], whole[i / 3 * 16 + i % 3]);
  const std::size_t second = 3 * 16 + 16;
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(last[i], whole[second + i]);
  EXPECT_EQ(bias[0], whole[second + 2 * 16]);
  EXPECT_GT(std::filesystem::file_size(folder_.path() / "p.npz"), 1000u);
  EXPECT_GT(std::filesystem::file_size(folder_.path() / "p.onnx"), 200u);
}

TEST_F(ExportTest, WhatCannotBeExportedIsToldWithTheWayOut) {
  EXPECT_THAT(error_of({"export", checkpoint_of("sac")}, 2),
              HasSubstr("there is nothing to write; add --onnx FILE"));
  EXPECT_THAT(error_of({"export", checkpoint_of("pets"), "--npz", "p.npz"}, 2),
              AllOf(HasSubstr("was trained by pets, which has no policy to take out"),
                    HasSubstr("expected a run of mbpo, mbpo_newest, sac, ppo or autombpo")));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "p.npz"));
  EXPECT_THAT(error_of({"export", checkpoint_of("sac"), "--onnx", "y", "--npz", "./y"}, 2),
              HasSubstr("export: --onnx and --npz both name the file ./y; give each its own."));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "y"));
  EXPECT_THAT(error_of({"export", "nowhere", "--npz", "p.npz"}, 4),
              HasSubstr("holds no complete checkpoint"));
  for (const std::string option : {"--onnx", "--c-header", "--safetensors", "--npz"})
    EXPECT_THAT(error_of({"export", checkpoint_of("sac"), option, "absent/file"}, 4),
                HasSubstr("absent/file"))
        << option;
  std::filesystem::create_directory(folder_.path() / "taken");
  EXPECT_THAT(error_of({"export", checkpoint_of("sac"), "--safetensors", "taken"}, 4),
              HasSubstr("taken cannot be written: Is a directory"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "taken.tmp"));
  // as all other files: the one that a link means, and a pipe as it is
  std::filesystem::create_symlink("meant", folder_.path() / "link");
  for (const std::string option : {"--onnx", "--c-header", "--safetensors", "--npz"}) {
    EXPECT_EQ(run({"export", checkpoint_of("sac"), option, "link"}).exit_code, 0) << option;
    EXPECT_TRUE(std::filesystem::is_symlink(folder_.path() / "link")) << option;
    EXPECT_TRUE(std::filesystem::remove(folder_.path() / "meant")) << option;
    EXPECT_EQ(run({"export", checkpoint_of("sac"), option, "/dev/null"}).exit_code, 0) << option;
    EXPECT_FALSE(std::filesystem::is_regular_file("/dev/null")) << option;
  }
}

}  // namespace
}  // namespace mbrl
