// Tests for host/cli/{usage,completion,manual}.cpp: help, examples, words of other programs, and what
// may stand at the end of a line.
#include "host/cli/usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "base/error.h"
#include "host/algo/resolve_config.h"
#include "host/cli/cli.h"
#include "host/cli/completion.h"
#include "host/config/load.h"
#include "tests/support/program.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct Parsed {};

// the program as main() makes it; it parses, and does nothing
struct Parser {
  Parser() {
    app.name("mbrl_gpu");
    use_help_text(app);
    app.set_version_flag("--version", "0");
    app.require_subcommand(1);
    add_subcommands(app);
    // before the subcommand would begin
    app.parse_complete_callback([] { throw Parsed(); });
  }
  CLI::App app{"Model-based reinforcement learning at the speed of the hardware."};
};

// the words of one command of a shell line, up to what is the shell's own
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool inside = false;
  char quote = 0;
  for (const char c : line + " ") {
    if (quote == 0 && std::strchr("|;>&#<", c) != nullptr && c != 0) break;
    if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
      inside = true;
    } else if (c == quote) {
      quote = 0;
    } else if (quote == 0 && c == ' ') {
      if (inside) words.push_back(word);
      word.clear();
      inside = false;
    } else {
      word += c;
      inside = true;
    }
  }
  return words;
}

// "" if the program takes the line, else why it does not
std::string refusal(const std::string& line) {
  Parser parser;
  std::vector<std::string> words = words_of(line);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  const int argc = static_cast<int>(argv.size());
  try {
    check_subcommand(parser.app, argc, argv.data());
    try {
      parser.app.parse(argc, argv.data());
    } catch (const Parsed&) {
    }
    const CLI::App* sub = parser.app.get_subcommands().at(0);
    if (sub->get_name() != "run") return "";
    const auto name = sub->get_option("config")->as<std::string>();
    auto changes = sub->get_option("overrides")->count() > 0
                       ? sub->get_option("overrides")->as<std::vector<std::string>>()
                       : std::vector<std::string>{};
    // what a shell would put there
    std::erase_if(changes, [](const std::string& c) { return c.find('$') != std::string::npos; });
    if (find_shipped_config(name).empty()) return "";
    resolve_config(name, changes);
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? "" : error.what();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::vector<CommandUsage> all_commands() {
  const Parser parser;
  std::vector<CommandUsage> waiting{usage_of(parser.app)}, all;
  while (!waiting.empty()) {
    all.push_back(waiting.back());
    waiting.pop_back();
    for (const CommandUsage& sub : all.back().subcommands) waiting.push_back(sub);
  }
  return all;
}

TEST(UsageTest, EveryCommandHasExamplesThatItTakes) {
  std::set<std::string> commands;
  for (const CommandUsage& usage : all_commands()) {
    commands.insert(usage.words);
    EXPECT_FALSE(usage.examples.empty()) << usage.words;
    for (const Example& example : usage.examples) {
      EXPECT_EQ(refusal(example.command), "") << example.command;
      EXPECT_TRUE((example.command + " ").starts_with(usage.words + " ")) << example.command;
    }
  }
  EXPECT_TRUE(commands.contains("mbrl_gpu config show"));
  EXPECT_NE(refusal("mbrl_gpu run hopper sac.learning_rat=1"), "") << "the check sees nothing";
  EXPECT_NE(refusal("mbrl_gpu eval --nothing x"), "");
  EXPECT_NE(refusal("mbrl_gpu no"), "");
}

TEST(UsageTest, HelpFitsItsColumns) {
  for (const CommandUsage& usage : all_commands()) {
    std::istringstream wide(help_text(usage, 80)), narrow(help_text(usage, 40));
    for (std::string line; std::getline(wide, line);)
      EXPECT_LE(line.size(), 80u) << usage.words << ": " << line;
    // a command is not cut: it is to be copied
    for (std::string line; std::getline(narrow, line);)
      if (!line.starts_with("  mbrl_gpu ")) {
        EXPECT_LE(line.size(), 40u) << line;
      }
    EXPECT_THAT(help_text(usage, 80), HasSubstr("\nUsage:\n  " + usage.words));
  }
}

TEST(UsageTest, HelpOfRunNamesEachShippedConfigWithWhatItsFileSays) {
  const std::string text = configs_text(80);
  for (const std::string& name : shipped_configs()) EXPECT_THAT(text, HasSubstr("  " + name + " "));
  EXPECT_THAT(text, testing::ContainsRegex("  hopper +MBPO on Hopper as published\n"));
  const TemporaryDirectory folder;
  EXPECT_EQ(config_title(folder.write("a", "// One (a. b, 2.5), with 1.5 of it. Two.\n{}")),
            "One, with 1.5 of it");
  EXPECT_EQ(config_title(folder.write("a", "// One\n// two: three.\n{}")), "One two");
  EXPECT_EQ(config_title(folder.write("a", "{}")), "");
  EXPECT_EQ(config_title(folder.write("a", "//")), "");
  EXPECT_EQ(config_title(folder.path() / "absent"), "");
}

std::string told(std::vector<std::string> words) {
  const Parser parser;
  words.insert(words.begin(), "./mbrl_gpu");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  try {
    check_subcommand(parser.app, static_cast<int>(argv.size()), argv.data());
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(UsageTest, WordsOfOtherProgramsAreAnsweredByTheWholeLine) {
  EXPECT_EQ(
      told({"train", "hopper", "seed=1"}),
      "mbrl_gpu: there is no subcommand train; it is called run here. Type: mbrl_gpu run hopper "
      "seed=1");
  EXPECT_THAT(told({"enjoy", "my runs/x"}), HasSubstr("Type: mbrl_gpu eval 'my runs/x'"));
  EXPECT_THAT(told({"play", "--episodes", "3", "x"}), HasSubstr("mbrl_gpu eval --episodes 3 x"));
  EXPECT_THAT(told({"test", "x"}), HasSubstr("Type: mbrl_gpu eval x"));
  EXPECT_THAT(told({"evaluate"}), testing::EndsWith("Type: mbrl_gpu eval"));
  EXPECT_THAT(told({"ls"}), testing::EndsWith("Type: mbrl_gpu list"));
  EXPECT_THAT(told({"hpo", "tune_smoke"}), testing::EndsWith("Type: mbrl_gpu tune tune_smoke"));
  EXPECT_THAT(told({"grid", "smoke", "seed=0..2"}),
              testing::EndsWith("Type: mbrl_gpu sweep smoke seed=0..2"));
  EXPECT_THAT(told({"hopper", "seed=1"}), testing::EndsWith("Type: mbrl_gpu run hopper seed=1"));
  EXPECT_THAT(told({"help", "run"}), testing::EndsWith("Type: mbrl_gpu run --help"));
  EXPECT_THAT(told({"trian", "hopper"}), HasSubstr("Did you mean run?"));
  EXPECT_EQ(told({"run", "train"}), "");
  EXPECT_EQ(told({"bench", "train"}), "");

  // a run goes on by its own command
  const TemporaryDirectory folder;
  folder.write("command.txt", "mbrl_gpu run hopper seed=7\n");
  EXPECT_THAT(told({"resume", folder.path().string()}),
              testing::EndsWith("Type: mbrl_gpu run hopper seed=7"));
  EXPECT_THAT(told({"resume", "nowhere"}), testing::EndsWith("Type: mbrl_gpu run CONFIG"));
}

std::vector<std::string> completed(const std::vector<std::string>& words) {
  const Parser parser;
  std::vector<std::string> found;
  for (const Candidate& candidate : candidates(parser.app, words)) found.push_back(candidate.word);
  return found;
}

TEST(CompletionTest, WhatMayStandAtTheEndOfALine) {
  EXPECT_THAT(completed({""}), testing::IsSupersetOf({"run", "eval", "list", "completion", "man"}));
  EXPECT_THAT(completed({}), testing::Contains("run"));
  EXPECT_THAT(completed({"ev"}), ElementsAre("eval"));
  EXPECT_THAT(completed({"run", "hopper"}), ElementsAre("hopper", "hopper_bullet"));
  EXPECT_THAT(completed({"run", "hopper", "sac.learning"}), ElementsAre("sac.learning_rate="));
  EXPECT_THAT(completed({"run", "hopper", "seed=1", "see"}), ElementsAre("seed="));
  EXPECT_THAT(completed({"run", "hopper", "env.name=ho"}),
              ElementsAre("env.name=hopper", "env.name=hopper12", "env.name=hopper_bullet"));
  EXPECT_THAT(completed({"run", "hopper", "algorithm=autom"}), ElementsAre("algorithm=autombpo"));
  EXPECT_THAT(completed({"run", "hopper", "device.precision=b"}),
              ElementsAre("device.precision=bf16"));
  EXPECT_THAT(completed({"run", "hopper", "no.such=x"}), ElementsAre());
  EXPECT_THAT(completed({"run", "hopper", "--dev"}), ElementsAre("--device"));
  EXPECT_THAT(completed({"run", "hopper", "--device", "cp"}), ElementsAre("cpu"));
  EXPECT_THAT(completed({"run", "hopper", "--device=cp"}), ElementsAre("--device=cpu"));
  // an option's value is no argument, and "[N]" takes none that is not given
  EXPECT_THAT(completed({"run", "--threads", "2", "smo"}), ElementsAre("smoke"));
  EXPECT_THAT(completed({"plot", "--band", ""}), ElementsAre("ci", "minmax", "range", "sd"));
  EXPECT_THAT(completed({"config", "s"}), ElementsAre("show", "schema"));
  EXPECT_THAT(completed({"config", "keys", "rol"}), ElementsAre("rollout"));
  EXPECT_THAT(completed({"config", "show", "smo"}), ElementsAre("smoke"));
  EXPECT_THAT(completed({"completion", ""}), ElementsAre("bash", "zsh"));
  EXPECT_THAT(completed({"no", "such", ""}), ElementsAre());
  EXPECT_THAT(completed({"doctor", "x", ""}), ElementsAre());
}

TEST(CompletionTest, RunsAreOfferedPartByPart) {
  const TemporaryDirectory folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  EXPECT_THAT(completed({"eval", ""}), ElementsAre());
  for (const char* run : {"runs/hopper/11111111/seed-2", "runs/hopper/11111111/seed-10"}) {
    fs::create_directories(run);
    write_text(fs::path(run) / "config.json", "{}");
  }
  fs::create_directory_symlink("hopper/11111111/seed-2", "runs/latest");
  EXPECT_THAT(completed({"eval", ""}), ElementsAre("latest", "runs/"));
  EXPECT_THAT(completed({"eval", "runs/"}), ElementsAre("runs/hopper/", "runs/latest"));
  EXPECT_THAT(completed({"eval", "ho"}), ElementsAre("hopper/"));
  EXPECT_THAT(
      completed({"eval", "runs/hopper/11111111/"}),
      testing::UnorderedElementsAre("runs/hopper/11111111/seed-10", "runs/hopper/11111111/seed-2"));
  EXPECT_THAT(completed({"plot", "x.svg", "mine=runs/h"}), ElementsAre("mine=runs/hopper/"));
  EXPECT_THAT(completed({"list", "runs/hop"}), ElementsAre("runs/hopper/"));
  fs::current_path(before);
}

// the lines that are commands of this program in a document's blocks
std::vector<std::string> commands_in(const fs::path& document) {
  std::istringstream lines(file_text(document));
  std::vector<std::string> commands;
  bool inside = false;
  std::string joined;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```")) {
      inside = !inside;
      continue;
    }
    if (!inside) continue;
    joined += line;
    if (joined.ends_with("\\")) {
      joined.back() = ' ';
      continue;
    }
    // "srun mbrl_gpu run", "apptainer exec x.sif mbrl_gpu run"
    const std::size_t at = joined.find("mbrl_gpu ");
    // a target of a build is no command
    const bool is_word = at == 0 || (at != joined.npos && joined[at - 1] == ' ' &&
                                     !joined.substr(0, at).ends_with("--target "));
    if (is_word && joined[0] != '#') commands.push_back(joined.substr(at));
    joined.clear();
  }
  return commands;
}

TEST(UsageTest, CommandsOfTheDocumentsAreCommands) {
  int count = 0;
  for (const char* name : {"install.md", "clusters.md"})
    for (const std::string& command : commands_in(fs::path(MBRL_SOURCE_DIR) / "docs" / name)) {
      EXPECT_EQ(refusal(command), "") << name << ": " << command;
      ++count;
    }
  EXPECT_GT(count, 10);
}

class ExamplesTest : public ProgramTest {};

TEST_F(ExamplesTest, TheManualPageHasTheDateOfTheVersion) {
  std::istringstream changes(file_text(fs::path(MBRL_SOURCE_DIR) / "CHANGELOG.md"));
  std::string line, date;
  while (date.empty() && std::getline(changes, line))
    if (line.starts_with("## ")) date = line.substr(line.find('(') + 1, 10);
  ASSERT_EQ(run({"man"}).exit_code, 0);
  EXPECT_THAT(output(), HasSubstr(".TH MBRL_GPU 1 \"" + date + "\""));
}

TEST_F(ExamplesTest, ThoseThatTakeNoTimeDoWhatTheyShow) {
  folder_.write("script.txt", "reset\n0.5\n");
  const std::string prepare =
      "mbrl_gpu() { \"$M\" \"$@\"; }; HOME=$PWD; mkdir -p .zfunc; exec >out 2>err </dev/null; ";
  const bool has_man = shell("command -v man >/dev/null") == 0;
  int count = 0;
  for (const CommandUsage& usage : all_commands()) {
    const std::string command = usage.words.substr(usage.words.find(' ') + 1);
    static const std::set<std::string> kQuick{
        "list", "config",     "config keys", "config show", "config schema", "config metrics",
        "envs", "envs trace", "bound",       "doctor",      "completion",    "man"};
    if (!kQuick.contains(command)) continue;
    for (const Example& example : usage.examples) {
      if (example.command.find("/scratch") != std::string::npos) continue;
      if (command == "man" && !has_man) continue;
      EXPECT_EQ(shell(prepare + example.command), 0) << example.command << "\n"
                                                     << file_text(folder_.path() / "err");
      ++count;
    }
  }
  EXPECT_GT(count, 12);
  EXPECT_THAT(file_text(folder_.path() / ".zfunc/_mbrl_gpu"), testing::StartsWith("#compdef"));
}

}  // namespace
}  // namespace mbrl
