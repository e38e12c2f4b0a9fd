// Tests for host/main.cpp and host/cli: exit codes and the paragraph on standard error, from the
// real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/host/config/config_errors.h"

namespace mbrl {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class CliTest : public testing::Test {
 protected:
  struct Outcome {
    int exit_code = -1;
    std::string output, error;
  };

  // runs the program with arguments as a shell would read them
  Outcome run(const std::string& arguments) {
    const std::string out = (folder_.path() / "out").string(),
                      err = (folder_.path() / "err").string();
    const std::string command = "cd '" + folder_.path().string() + "' && '" MBRL_PROGRAM "' " +
                                arguments + " >'" + out + "' 2>'" + err + "'";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(out), read(err)};
  }

  static std::string read(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  TemporaryDirectory folder_;
};

TEST_F(CliTest, ShowsAShippedConfigFromAnyFolder) {
  const Outcome outcome = run("config show hopper seed=3");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.output, testing::ContainsRegex("\\* seed +3 +0"));
  EXPECT_THAT(outcome.output, testing::ContainsRegex("\nhash [0-9a-f]{8}\n"));
  EXPECT_THAT(outcome.error, IsEmpty());
}

TEST_F(CliTest, ShowsAConfigAsAFileThatShowsTheSame) {
  folder_.write("x.json", run("config show hopper --json seed=3").output);
  EXPECT_EQ(run("config show x.json").output, run("config show hopper seed=3").output);
}

TEST_F(CliTest, ConfigKeysAndSchemaAndEnvsAndDoctorAndHelpSucceed) {
  EXPECT_THAT(run("config keys model").output, HasSubstr("model.learning_rate = 0.001"));
  EXPECT_THAT(run("config schema").output, HasSubstr("\"$schema\""));
  EXPECT_THAT(run("envs").output, HasSubstr("hopper"));
  EXPECT_THAT(run("doctor").output, HasSubstr("oneDNN"));
  for (const char* arguments :
       {"config keys", "envs", "doctor", "--help", "--version", "run --help"}) {
    EXPECT_EQ(run(arguments).exit_code, 0) << arguments;
  }
}

TEST_F(CliTest, EnvsTraceFollowsItsScript) {
  // upright and at rest, the cart-pole falls to the side that the cart leaves
  folder_.write("script",
                "# twice the same start\n"
                "start 0 0 0 0\n1\n"
                "start\n-1\n"
                "reset 7\nreset\n");
  const Outcome outcome = run("envs trace cartpole --actions script --state");
  EXPECT_EQ(outcome.error, "");
  ASSERT_EQ(outcome.exit_code, 0);
  std::istringstream lines(outcome.output);
  std::string line;
  std::getline(lines, line);
  EXPECT_THAT(line, StartsWith("episode,step,reward,terminated,broken,o0,o1,o2,o3,s0,s1,s2,s3"));
  std::vector<std::string> rows;
  while (std::getline(lines, line)) rows.push_back(line);
  ASSERT_EQ(rows.size(), 4u) << outcome.output;
  EXPECT_THAT(rows[0], StartsWith("0,1,1,0,0,0,0.195"));
  EXPECT_THAT(rows[1], StartsWith("1,1,1,0,0,0,-0.195"));
  EXPECT_THAT(rows[2], StartsWith("7,0,0,0,0,"));
  EXPECT_THAT(rows[3], StartsWith("8,0,0,0,0,"));

  // the same from standard input, and another seed
  EXPECT_EQ(run("envs trace cartpole --state <script").output, outcome.output);
  const Outcome other = run("envs trace cartpole seed=1 --state <script");
  EXPECT_EQ(other.exit_code, 0);
  EXPECT_NE(other.output, outcome.output);
}

TEST_F(CliTest, EnvsTraceNamesTheLineThatItDoesNotUnderstand) {
  folder_.write("script", "reset\n0.5\n");
  EXPECT_EQ(run("envs trace hopper --actions script").error,
            "script:2: an action of hopper has 3 numbers, the line 1.\n");
  folder_.write("script", "reset\nsit\n");
  const Outcome outcome = run("envs trace cartpole --actions script");
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.error, StartsWith("script:2: \"sit\" is no number."));
  folder_.write("script", "reset -1\n");
  EXPECT_EQ(run("envs trace cartpole --actions script").error,
            "script:1: `reset -1` names no episode; its number is an integer from 0 on.\n");
  folder_.write("script", "start 1 2 3 4 5 6 7 8 9\n");
  EXPECT_THAT(run("envs trace cartpole --actions script").error,
              StartsWith("script:1: a state of cartpole has "));
  EXPECT_THAT(run("envs trace cartpole --actions none").error, StartsWith("none cannot be read;"));
  EXPECT_THAT(run("envs trace cartpol <script").error, HasSubstr("Did you mean cartpole?"));
}

TEST_F(CliTest, UnknownKey) {
  folder_.write("x.json", "{\"model\": {\"learning_rat\": 1e-3}}");
  const Outcome outcome = run("config show x.json");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(
      outcome.error,
      "x.json: model.learning_rat is unknown. Did you mean model.learning_rate? `mbrl_gpu config "
      "keys model` lists all.\n");
  EXPECT_THAT(outcome.output, IsEmpty());
}

TEST_F(CliTest, WrongType) {
  const Outcome outcome = run("config show hopper sac.learning_rate=fast");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(
      outcome.error,
      "command line: sac.learning_rate is \"fast\", a string; expected a number > 0 (Adam's step "
      "size for actor, critics and temperature).\n");
}

TEST_F(CliTest, ValueOutOfRange) {
  const Outcome outcome = run("config show hopper loop.real_ratio=1.5");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(
      outcome.error,
      "command line: loop.real_ratio is 1.5; expected a number in [0, 1] (share of real rows in a "
      "policy batch, rounded down to rows).\n");
}

TEST_F(CliTest, ScheduleOfThreeNumbers) {
  const Outcome outcome = run("config show hopper 'rollout.schedule=[1,2,3]'");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error,
              StartsWith("command line: rollout.schedule is [1,2,3], a list of 3; expected "
                         "a list of 4 numbers >= 0"));
}

TEST_F(CliTest, TruncatedFile) {
  folder_.write("x.json", "{\n  \"seed\": 1");
  const Outcome outcome = run("config show x.json");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.error, "x.json, line 2, column 12: found the end of the file; expected '}'.\n");
}

TEST_F(CliTest, UnreadableFile) {
  const Outcome outcome = run("config show .");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.error, ". is a folder; expected a config file.\n");
}

TEST_F(CliTest, MissingFile) {
  const Outcome outcome = run("config show no/such/hopper.json");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error,
              StartsWith("config no/such/hopper.json was not found: there is no such "
                         "file. Did you mean hopper? Shipped configs: "));
}

TEST_F(CliTest, NoConfigGiven) {
  const Outcome outcome = run("config show");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.error,
            "mbrl_gpu config show: config is required. `mbrl_gpu config show --help` shows "
            "what it takes.\n");
}

TEST_F(CliTest, UnknownEnvironment) {
  const Outcome outcome = run("config show hopper env.name=hoper");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, StartsWith("command line: env.name is \"hoper\"; expected one of "));
  EXPECT_THAT(outcome.error, testing::EndsWith(" Did you mean hopper?\n"));
}

TEST_F(CliTest, UnknownSubcommand) {
  const Outcome outcome = run("rnu hopper");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(
      outcome.error,
      StartsWith("mbrl_gpu: there is no subcommand rnu. Did you mean run? Subcommands: run, "));
  EXPECT_THAT(run("config shw hopper").error,
              StartsWith("mbrl_gpu config: there is no subcommand shw. Did you mean show?"));
}

TEST_F(CliTest, UnknownOption) {
  const Outcome outcome = run("config show hopper --jsn");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.error,
            "mbrl_gpu config show: The following argument was not expected: --jsn. Did you "
            "mean --json? `mbrl_gpu config show --help` shows what it takes.\n");
}

TEST_F(CliTest, NoSubcommand) {
  const Outcome outcome = run("");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.error,
            "mbrl_gpu: A subcommand is required. `mbrl_gpu --help` shows what it takes.\n");
}

TEST_F(CliTest, AGpuThatThisProgramCannotUseEndsWithCode3) {
  const Outcome outcome = run("run smoke --device cuda:99");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.error, StartsWith("--device cuda:99 was asked for, but "));
  EXPECT_THAT(outcome.error, HasSubstr("Use --device cpu"));
}

TEST_F(CliTest, ADeviceThatDoesNotExistIsAUsageError) {
  const Outcome outcome = run("run smoke --device tpu");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error,
              HasSubstr("--device tpu is unknown; expected auto, cpu, cuda or cuda:N"));
}

}  // namespace
}  // namespace mbrl
