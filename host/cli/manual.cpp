// mbrl_gpu man: the manual page, made of what --help is made of.
#include <fmt/format.h>

#include <cctype>
#include <sstream>

#include "host/cli/cli.h"
#include "host/cli/usage.h"
#include "host/config/version.h"

namespace mbrl {
namespace {

// of the version, as CHANGELOG.md has it
constexpr char kDate[] = "2026-11-28";

// as roff shows it: no escape, no request, no hyphen in place of a minus
std::string roff(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (escaped.empty() || escaped.back() == '\n')) escaped += "\\&";
    if (c == '\\')
      escaped += "\\e";
    else if (c == '-')
      escaped += "\\-";
    else if (c == '~')
      escaped += "\\(ti";
    else if (c == '^')
      escaped += "\\(ha";
    else if (c == '`')
      escaped += "\\(ga";
    else if (c == '\'')
      escaped += "\\(aq";
    else
      escaped += c;
  }
  return escaped;
}

std::string item(const std::string& tag, const std::string& text) {
  return ".TP\n" + tag + "\n" + roff(text) + "\n";
}

std::string option_items(const std::vector<OptionUsage>& options) {
  std::string text;
  for (const OptionUsage& option : options) {
    std::string value = option.value, meaning = option.text;
    if (!option.choices.empty()) {
      value.clear();
      for (const std::string& choice : option.choices) value += (value.empty() ? "" : "|") + choice;
    }
    if (option.is_argument) value.clear();
    if (!option.range.empty()) meaning += "; " + option.range;
    if (!option.usual.empty()) meaning += " (default " + option.usual + ")";
    text += item("\\fB" + roff(option.names) + "\\fR" +
                     (value.empty() ? "" : " \\fI" + roff(value) + "\\fR"),
                 meaning);
  }
  return text;
}

std::string example_lines(const std::vector<Example>& examples) {
  std::string text;
  for (const Example& example : examples)
    text += (text.empty() ? "" : ".PP\n") + roff(example.text) + ":\n.PP\n.EX\n" +
            roff(example.command) + "\n.EE\n";
  return text;
}

void add_command(std::string& text, const CommandUsage& usage) {
  const std::string rest = synopsis(usage);
  text += ".SS \"" + roff(usage.words.substr(usage.words.find(' ') + 1)) + "\"\n";
  text += ".B " + roff(usage.words) + "\n" + (rest.empty() ? "" : roff(rest) + "\n") + ".PP\n" +
          roff(usage.text) + ".\n";
  text += option_items(usage.arguments);
  for (const OptionUsage& option : usage.options)
    if (option.names.find("--help") == std::string::npos) text += option_items({option});
  if (!usage.examples.empty()) text += ".PP\n" + example_lines(usage.examples);
  for (const CommandUsage& sub : usage.subcommands) add_command(text, sub);
}

std::string manual(const CommandUsage& usage) {
  std::string text = fmt::format(
      ".TH MBRL_GPU 1 \"{}\" \"mbrl_gpu {}\" \"User Commands\"\n"
      ".SH NAME\nmbrl_gpu \\- model\\-based reinforcement learning at the speed of the hardware\n"
      ".SH SYNOPSIS\n.B mbrl_gpu\n.I COMMAND\n[options]\n"
      ".SH DESCRIPTION\n",
      kDate, roff(program_version()));
  text += roff(
              "mbrl_gpu trains MBPO, AutoMBPO, SAC and PPO on MuJoCo, Bullet and closed-form "
              "environments, on the CPU or on an NVIDIA GPU, and evaluates, draws and compares "
              "what it has trained. What can be chosen are config keys, given as key=value.") +
          "\n.SH COMMANDS\n";
  for (const CommandUsage& sub : usage.subcommands) add_command(text, sub);
  text += ".SH EXAMPLES\n" + example_lines(usage.examples);
  text += ".SH FILES\n";
  text += item("\\fIruns/NAME/HASH/seed\\-N/\\fR",
               "a run: config.json, command.txt, machine.json, log.txt, metrics.csv, episodes.csv, "
               "summary.json once it has ended, checkpoints/");
  text += item("\\fIruns/latest\\fR", "leads to the newest run");
  text += ".SH ENVIRONMENT\n";
  text += item("\\fBMBRL_ISA\\fR", "avx2 or avx512: the instructions of the CPU's kernels");
  text += item("\\fBXDG_CACHE_HOME\\fR",
               "where it is remembered which products a GPU does fastest (else ~/.cache)");
  text += ".SH \"EXIT STATUS\"\n";
  for (const auto& [code, meaning] :
       {std::pair("0", "done"), std::pair("1", "out of memory, or an error of the program itself"),
        std::pair("2", "config or usage"), std::pair("3", "device"),
        std::pair("4", "data: files, disks, values that are not finite"),
        std::pair("130", "stopped by a signal, after a checkpoint; the same command goes on")})
    text += item(fmt::format("\\fB{}\\fR", code), meaning);
  return text;
}

}  // namespace

void add_man(CLI::App& program) {
  CLI::App* command = program.add_subcommand("man", "Print the manual page");
  command->callback([&program] { fmt::print("{}", manual(usage_of(program))); });
}

}  // namespace mbrl
