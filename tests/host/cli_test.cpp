// Tests for host/cli: exit codes and the paragraph on standard error, from the
// real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
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
    // braces: a redirection among the arguments is the inner one
    const std::string command = "cd '" + folder_.path().string() + "' && { '" MBRL_PROGRAM "' " +
                                arguments + "; } >'" + out + "' 2>'" + err + "'";
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

  // a step that means nothing
  folder_.write("broken", "reset 7\nnan\n0\n");
  const Outcome broken = run("envs trace cartpole --actions broken");
  EXPECT_EQ(broken.error,
            "broken:2: step 1 of episode 7 means nothing: an action is not finite.\n");
  EXPECT_THAT(broken.output, testing::ContainsRegex("\n7,1,0,0,1,nan,nan,nan,nan\n8,0,0,0,0,.*\n"
                                                    "8,1,1,0,0,.*\n$"));

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
  EXPECT_THAT(outcome.error, StartsWith("script:2: \"sit\" is not a number."));
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
      "policy batch, rounded down to rows; at 1 no model is fitted).\n");
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

TEST_F(CliTest, AKeyThatTheAlgorithmDoesNotRead) {
  const Outcome refused = run("config show smoke ppo.clip=0.3");
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(refused.error,
            "command line: ppo.clip is not read by algorithm mbpo; only ppo reads it. Leave it "
            "out, or set algorithm=ppo.\n");
  const Outcome dropped = run("config show autombpo_ant algorithm=mbpo");
  EXPECT_EQ(dropped.exit_code, 0);
  EXPECT_THAT(dropped.error, HasSubstr("autombpo_ant.json: dropped "));
  EXPECT_EQ(std::count(dropped.error.begin(), dropped.error.end(), '\n'), 1);
  EXPECT_THAT(dropped.output, HasSubstr("\nhash 8ef692d7\n")) << "that of ant";
  EXPECT_THAT(dropped.output, testing::Not(HasSubstr("ppo.clip")));
}

TEST_F(CliTest, AConfigThatExtendsOneShowsTheMergedValues) {
  folder_.write("x.json", "{\"extends\": \"smoke\", \"sac\": {\"updates_per_step\": 3}}");
  const Outcome outcome = run("config show x.json --json");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  const auto json = nlohmann::json::parse(outcome.output);
  EXPECT_FALSE(json.contains("extends"));
  EXPECT_EQ(json.at("sac").at("updates_per_step"), 3);
  EXPECT_EQ(json.at("env").at("name"), "pendulum");
  folder_.write("x.json", "{\"extends\": \"x.json\"}");
  EXPECT_EQ(run("config show x.json").exit_code, 2);
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

TEST_F(CliTest, OutputThatDoesNotArriveIsAnErrorOfEveryCommand) {
  folder_.write("a.csv", "env_steps,eval_return_mean\n0,1\n10,2\n");
  for (const char* command : {"config show smoke", "config keys", "config schema", "envs", "doctor",
                              "bound --points 3", "plot x.svg a.csv", "--help", "--version"}) {
    const Outcome outcome = run(std::string(command) + " >/dev/full");
    EXPECT_EQ(outcome.exit_code, 4) << command;
    EXPECT_EQ(outcome.error,
              "What this command prints could not be written to standard output: No space left on "
              "device.\n")
        << command;
  }
  // what cannot be done at all is told as ever
  EXPECT_EQ(run("config show nowhere >/dev/full").exit_code, 2);
}

TEST_F(CliTest, AReaderThatWentAwayIsTold) {
  // the program writes after the reader has closed its end
  const Outcome outcome =
      run("--version >version; mkfifo text closed; (read line <closed; '" MBRL_PROGRAM
          "' config keys 2>error; echo $? >code) >text & : <text; echo >closed; wait; "
          "cat error code");
  EXPECT_THAT(outcome.output, testing::EndsWith("standard output: Broken pipe.\n4\n"));
}

TEST_F(CliTest, ForeignTextIsShownInAnError) {
  folder_.write("t.csv", std::string("env_steps,a\x1b[31m,b\0c\n1,2,3\n", 27));
  const Outcome header = run("plot x.svg t.csv");
  EXPECT_EQ(header.exit_code, 4);
  EXPECT_THAT(header.error, HasSubstr("its columns are env_steps,a\\x1b[31m,b\\x00c."));
  const Outcome name = run("run \"$(printf 'n\\033[31m\\351')\"");
  EXPECT_EQ(name.exit_code, 2);
  EXPECT_THAT(name.error, StartsWith("config n\\x1b[31m\\xe9 was not found"));
}

// two arms of runs that rise to 10 and to 20, one step of evaluation apart
class CompareTest : public CliTest {
 protected:
  void SetUp() override {
    for (const char* arm : {"a", "b"}) std::filesystem::create_directory(folder_.path() / arm);
    folder_.write("a/seed-0.csv", "env_steps,r\n0,0\n100,10\n200,10\n");
    folder_.write("a/seed-1.csv", "env_steps,r\n0,2\n100,12\n200,12\n300,50\n");
    folder_.write("b/seed-0.csv", "env_steps,r\n0,4\n100,14\n200,14\n");
    folder_.write("b/seed-1.csv", "env_steps,r\n0,6\n200,16\n");
  }
};

TEST_F(CompareTest, MeansOverTheCurveUpToTheCommonEnd) {
  const Outcome outcome = run("compare ours=a theirs=b --column r --json");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  const auto result = nlohmann::json::parse(outcome.output);
  EXPECT_EQ(result.at("steps"), (std::vector<double>{0, 200}));
  EXPECT_EQ(result.at("a").at("name"), "ours");
  EXPECT_EQ(result.at("a").at("values"), (std::vector<double>{7.5, 9.5}));
  EXPECT_EQ(result.at("b").at("values"), (std::vector<double>{11.5, 11}));
  EXPECT_EQ(result.at("a").at("mean"), 8.5);
  EXPECT_EQ(result.at("welch").at("difference"), -2.75);
  // squared errors 1 and 1/16: t = -2.75 / sqrt(17/16)
  EXPECT_NEAR(result.at("welch").at("t").get<double>(), -2.75 / std::sqrt(1.0625), 1e-12);
}

TEST_F(CompareTest, TheLastEvaluationUpToAStep) {
  const Outcome outcome = run("compare a b --column r --json --window last --to 150");
  const auto result = nlohmann::json::parse(outcome.output);
  EXPECT_EQ(result.at("a").at("values"), (std::vector<double>{10, 12}));
  EXPECT_EQ(result.at("b").at("values"), (std::vector<double>{14, 6}));
}

TEST_F(CompareTest, PrintsATableOfBothArms) {
  const Outcome outcome = run("compare a b --column r");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.output, HasSubstr("r of each run: its mean over steps 0 to 200"));
  EXPECT_THAT(outcome.output,
              testing::ContainsRegex("\na +2 +8.50 +8.50 +1.41 +8.50 +7.50 to 9.50\n"));
  EXPECT_THAT(outcome.output, HasSubstr("a - b: -2.75, 95 % interval "));
  EXPECT_THAT(outcome.output, HasSubstr("Welch's two-sided t-test: p = "));
}

TEST_F(CompareTest, ArmsThatCannotBeComparedAreErrors) {
  const Outcome one = run("compare a b/seed-0.csv --column r");
  EXPECT_EQ(one.exit_code, 4);
  EXPECT_THAT(one.error,
              StartsWith("Welch's test: seed-0.csv has 1 run; a variance needs at least"));
  folder_.write("late.csv", "env_steps,r\n500,1\n600,2\n");
  const Outcome apart = run("compare a late.csv --column r");
  EXPECT_EQ(apart.exit_code, 4);
  EXPECT_EQ(apart.error,
            "compare: the runs have no step in common: the latest begins at step 500, and 200 is "
            "where the range ends. Leave out runs that have only begun.\n");
  EXPECT_EQ(run("compare a b --window middle").exit_code, 2);
}

TEST_F(CompareTest, NamesMayBeAnyBytes) {
  const Outcome outcome = run("compare \"$(printf 'n\\351=a')\" b --column r --json");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_EQ(nlohmann::json::parse(outcome.output).at("a").at("name"), "n\\xe9");
  const Outcome plot = run("plot x.svg --column r \"$(printf 'n\\351\\033=a')\"");
  EXPECT_EQ(plot.exit_code, 0) << plot.error;
  EXPECT_THAT(read((folder_.path() / "x.svg").string()), HasSubstr("n\\xe9\\x1b (2 runs)"));
  const std::string folder = (folder_.path() / "l\xe9=1").string();
  std::filesystem::copy(folder_.path() / "a", folder);
  EXPECT_EQ(run("plot x.svg --column r \"$(printf 'l\\351=1')\"").exit_code, 0);
}

TEST_F(CompareTest, PlotDrawsAPanelForEachColumn) {
  folder_.write("t.csv", "env_steps,r,ratio\n0,0,0.05\n100,10,0.5\n");
  const Outcome outcome =
      run("plot --columns r,ratio --band sd --x share --title Both two.svg ours=t.csv");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  const std::string svg = read((folder_.path() / "two.svg").string());
  EXPECT_THAT(svg, HasSubstr(">Both</text>"));
  EXPECT_THAT(svg, HasSubstr(">ratio</text>"));
  EXPECT_THAT(svg, HasSubstr("width=\"720\""));
  EXPECT_THAT(svg, HasSubstr(">0.8</text>")) << "x is a share";
  EXPECT_EQ(run("plot --column r one.svg a b").exit_code, 0);
  EXPECT_EQ(run("plot one.svg t.csv --band quartiles").exit_code, 2);
}

// Where seeds of one config end before the longest, the mean goes on over fewer and says so.
TEST_F(CompareTest, PlotShowsHowManyRunsAMeanIsOf) {
  std::filesystem::create_directory(folder_.path() / "seeds");
  folder_.write("seeds/seed-0.csv", "env_steps,eval_return_mean\n0,0\n100,10\n200,20\n300,30\n");
  folder_.write("seeds/seed-1.csv", "env_steps,eval_return_mean\n0,4\n100,6\n");
  ASSERT_EQ(run("plot n.svg both=seeds").exit_code, 0);
  const std::string svg = read((folder_.path() / "n.svg").string());
  EXPECT_THAT(svg, HasSubstr("both (2 runs)"));
  EXPECT_THAT(svg, HasSubstr(">1 run</text>"));
  folder_.write("seeds/seed-1.csv", "env_steps,eval_return_mean\n0,4\n100,6\n200,8\n300,9\n");
  ASSERT_EQ(run("plot n.svg both=seeds").exit_code, 0);
  EXPECT_THAT(read((folder_.path() / "n.svg").string()), testing::Not(HasSubstr(">1 run</text>")));
}

TEST_F(CliTest, BoundPrintsARatioForEachNumberOfRealSamples) {
  const Outcome outcome =
      run("bound --actions 10 --from 1000 --to 1e6 --points 4 --json --svg bound.svg");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  const auto rows = nlohmann::json::parse(outcome.output).at("rows");
  ASSERT_EQ(rows.size(), 4u);
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(rows[i].at("num_real").get<double>(), 1000 * std::pow(10.0, i));
  EXPECT_LT(rows[0].at("best_ratio").get<double>(), rows[1].at("best_ratio").get<double>());
  EXPECT_EQ(rows[3].at("best_ratio"), 1.0);
  EXPECT_THAT(read((folder_.path() / "bound.svg").string()), HasSubstr(">best real ratio</text>"));
  EXPECT_THAT(run("bound").output, HasSubstr("N_real  best ratio"));
}

TEST_F(CliTest, BoundRefusesImpossibleConstants) {
  const Outcome outcome = run("bound --gamma 1");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.error, "bound: gamma is 1; expected a number in (0, 1).\n");
  EXPECT_EQ(run("bound --from 2000 --to 1000").error,
            "bound: --from is 2000, --to 1000; expected from <= to.\n");
}

// a run of seconds: a tiny model after two fits
constexpr const char* kTinyRun =
    "run smoke --device cpu --threads 1 name=tiny loop.num_env_steps=420 model.max_epochs=2 "
    "model.hidden_size=16 rollout.batch_size=100 sac.updates_per_step=1 'sac.hidden_sizes=[16,16]'";

TEST_F(CliTest, EvalPrintsAndDrawsTheErrorsOfTheModel) {
  ASSERT_EQ(run(kTinyRun).exit_code, 0);
  const Outcome outcome = run("eval runs/tiny --device cpu --model-error 500 --svg error.svg");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.output, HasSubstr("\n500 fresh transitions, "));
  EXPECT_THAT(outcome.output, testing::ContainsRegex("half-normal fit: sigma [0-9.]+, "
                                                     "Kolmogorov-Smirnov distance 0\\.[0-9]+"));
  EXPECT_THAT(read((folder_.path() / "error.svg").string()), HasSubstr("half-normal, sigma "));
  EXPECT_THAT(run("eval runs/tiny --device cpu --model-error").output,
              HasSubstr("\n10000 fresh transitions, "));
  EXPECT_EQ(run("eval runs/tiny --svg error.svg").error,
            "eval --svg: there is nothing to draw; add --model-error, --open-loop or "
            "--value-error.\n");
}

TEST_F(CliTest, EvalFilmsAnEpisode) {
  ASSERT_EQ(run(kTinyRun).exit_code, 0);
  for (const auto& [words, text] : std::vector<std::pair<std::string, std::string>>{
           {"--size 64x48", "nothing is filmed; add --video FILE or --frames DIR"},
           {"--frames film --size 64", "expected width and height in pixels"},
           {"--frames film --size 64x48x2", "expected width and height in pixels"},
           {"--frames film --size 8x48", "16 to 4096"},
           {"--frames film --size 64x5000", "16 to 4096"},
           {"--video film.avi", ".mp4, .mkv, .mov, .webm or .gif"},
           {"--video film.mp4 --size 65x48", "even numbers"},
           {"--video film.mp4 --frames film", "--video"},
           {"--frames film --value-error", "--value-error"},
           {"--frames film --controller-null", "--controller-null"},
           {"--frames film --save-trajectories bank.safetensors", "--save-trajectories"},
           {"--video film.mp4 --model-error", "--model-error"},
           {"--video film.mp4 --stochastic", "--stochastic"}}) {
    const Outcome refused = run("eval runs/tiny --device cpu " + words);
    EXPECT_EQ(refused.exit_code, 2) << words;
    EXPECT_THAT(refused.error, HasSubstr(text)) << words;
  }
  const Outcome filmed = run("eval runs/tiny --device cpu --frames film --size 64x48");
  if (filmed.exit_code == 3) GTEST_SKIP() << filmed.error;
  ASSERT_EQ(filmed.exit_code, 0) << filmed.error;
  int num_pictures = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path() / "film"))
    num_pictures += read(entry.path().string()).starts_with("\x89PNG");
  EXPECT_GT(num_pictures, 1);
  EXPECT_THAT(filmed.output,
              AllOf(HasSubstr("episode   0: return"), testing::Not(HasSubstr("episode   1")),
                    HasSubstr("\n" + std::to_string(num_pictures) + " pictures in film, ")));
  const Outcome again = run("eval runs/tiny --device cpu --frames film --size 64x48");
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.error, HasSubstr("film holds pictures already"));
}

TEST_F(CliTest, EvalPrintsAndDrawsTheValuesOfTheCritics) {
  ASSERT_EQ(run(kTinyRun).exit_code, 0);
  const Outcome outcome = run("eval runs/tiny --device cpu --value-error 3 --svg value.svg");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.output,
              HasSubstr("\n3 fresh episodes of the stochastic policy, 0 of them terminated, the "
                        "longest of 200 steps\n"));
  EXPECT_THAT(outcome.output, testing::ContainsRegex("\n +first +3 "));
  EXPECT_THAT(outcome.output, testing::ContainsRegex("\n +180 to 199 +60 "));
  EXPECT_THAT(outcome.output, testing::ContainsRegex("normalized bias -?[0-9.]+ %, deviation "));
  EXPECT_THAT(read((folder_.path() / "value.svg").string()),
              HasSubstr(">earned from there on</text>"));
  EXPECT_EQ(run("eval runs/tiny --value-error --model-error").exit_code, 2);
}

TEST_F(CliTest, EvalPrintsTheReturnOfThePolicyAsItExplores) {
  ASSERT_EQ(run(kTinyRun).exit_code, 0);
  const Outcome alone = run("eval runs/tiny --device cpu --episodes 4");
  EXPECT_THAT(alone.output, testing::Not(HasSubstr("stochastic")));
  const Outcome both = run("eval runs/tiny --device cpu --episodes 4 --stochastic");
  EXPECT_EQ(both.exit_code, 0) << both.error;
  EXPECT_THAT(both.output, HasSubstr(alone.output)) << "the mean action's episodes are the same";
  const std::string line = both.output.substr(both.output.find("stochastic policy: "));
  EXPECT_THAT(line, testing::MatchesRegex("stochastic policy: mean return -[0-9.]+, standard "
                                          "deviation [0-9.]+, mean length 200.0, 4 episodes\n"));
  // another policy than that of the mean action, on the same task
  EXPECT_NE(std::stod(line.substr(line.find("return ") + 7)),
            std::stod(alone.output.substr(alone.output.find("mean return ") + 12)));
}

TEST_F(CliTest, EvalOfARunWithoutCriticsHasNoValueErrors) {
  ASSERT_EQ(run("run ppo_hopper name=tiny env.name=pendulum --device cpu --threads 1 "
                "loop.num_env_steps=2048")
                .exit_code,
            0);
  const Outcome outcome = run("eval runs/tiny --device cpu --value-error");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.error,
            "eval --value-error: runs/tiny was trained by ppo, which learns no value of actions; "
            "expected a run of mbpo, mbpo_newest or sac.\n");
}

TEST_F(CliTest, EvalOfAControllersDriftNeedsARunThatTrainedOne) {
  EXPECT_EQ(run("eval nowhere --controller-null").error,
            "eval --controller-null: nowhere is not a run directory; expected that of an autombpo "
            "run, runs/<name>/<hash>/seed-<n>.\n");
  ASSERT_EQ(run(kTinyRun).exit_code, 0);
  std::filesystem::path folder = folder_.path() / "runs/tiny";
  folder = std::filesystem::directory_iterator(folder)->path() / "seed-0";
  const Outcome outcome = run("eval " + folder.string() + " --controller-null");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, testing::EndsWith(" was made by mbpo, which trains no controller; "
                                               "expected a run of autombpo.\n"));
  EXPECT_EQ(run("eval runs --controller-null --model-error").exit_code, 2);
}

TEST_F(CliTest, EvalOfARunWithoutAModelHasNoModelErrors) {
  ASSERT_EQ(run("run smoke algorithm=sac name=tiny --device cpu --threads 1 loop.num_env_steps=420 "
                "sac.updates_per_step=1 'sac.hidden_sizes=[16,16]'")
                .exit_code,
            0);
  const Outcome outcome = run("eval runs/tiny --device cpu --model-error");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.error,
            "eval --model-error: runs/tiny was trained by sac, which learns no model; expected a "
            "run of mbpo, mbpo_newest or pets.\n");
}

}  // namespace
}  // namespace mbrl
