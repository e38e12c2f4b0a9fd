#include "host/cli/usage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "base/nearest_name.h"
#include "base/printable.h"
#include "base/shell_word.h"
#include "host/cli/cli.h"
#include "host/config/load.h"
#include "host/io/folders.h"
#include "host/io/output_file.h"
#include "host/io/terminal_width.h"

namespace mbrl {
namespace {

// by the words of the subcommand; all lines fit 80 columns
const std::map<std::string, std::vector<Example>>& examples() {
  static const std::map<std::string, std::vector<Example>> all{
      {"mbrl_gpu",
       {{"mbrl_gpu run smoke", "see it learn within a minute, no simulator needed"},
        {"mbrl_gpu run hopper seed=1", "MBPO on Hopper"},
        {"mbrl_gpu list", "what has been trained"},
        {"mbrl_gpu eval latest", "episodes of the newest run's policy"}}},
      {"mbrl_gpu run",
       {{"mbrl_gpu run smoke", "MBPO end to end within a minute"},
        {"mbrl_gpu run hopper seed=1 --threads 8", "a seed of the published experiment"},
        {"mbrl_gpu run hopper sac.learning_rate=1e-4 name=slow_hopper",
         "another value, kept under another name"},
        {"mbrl_gpu run hopper loop.num_env_steps=20000 checkpoint.minutes=10",
         "shorter, with a checkpoint every ten minutes"},
        {"mbrl_gpu run hopper --device cuda:1 --runs /scratch/runs",
         "the second GPU, another disk"},
        {"mbrl_gpu run hopper --resume never", "from the start; what was there is set aside"}}},
      {"mbrl_gpu sweep",
       {{"mbrl_gpu sweep smoke seed=0..2 sac.learning_rate=1e-4,3e-4",
         "two learning rates, three seeds each"},
        {"mbrl_gpu sweep hopper seed=0..9 --concurrent 2", "ten seeds, two at a time"},
        {"mbrl_gpu sweep hopper sac.hidden_sizes=[64,64],[256,256] seed=0..8..2",
         "networks over every other seed"}}},
      {"mbrl_gpu tune",
       {{"mbrl_gpu tune tune_smoke", "a search within two minutes, no simulator needed"},
        {"mbrl_gpu tune tune_smoke tune.method=hyperband seed=1",
         "another method, other draws: a study of its own"},
        {"mbrl_gpu tune tune_smoke tune.method=pbt", "a population: values that change over time"},
        {"mbrl_gpu tune tune_smoke tune.trials=20", "go on with the study, to twenty trials"},
        {"mbrl_gpu tune tune_smoke tune.method=random,hyperband", "two methods at equal budget"},
        {"mbrl_gpu tune tune_smoke --test", "train the best setting on seeds of its own"},
        {"mbrl_gpu tune tune_smoke --study s --ask", "the next values, for a program of yours"},
        {"mbrl_gpu tune tune_smoke --study s --tell 0 -312.5", "what they have earned"}}},
      {"mbrl_gpu tune report",
       {{"mbrl_gpu tune report", "all searches in studies/"},
        {"mbrl_gpu tune report studies/tune_smoke -o smoke.html", "the methods of one config"}}},
      {"mbrl_gpu eval",
       {{"mbrl_gpu eval latest", "ten episodes of the newest run"},
        {"mbrl_gpu eval runs/hopper --episodes 20", "each seed, and all of them together"},
        {"mbrl_gpu eval latest --stochastic", "as the policy explores, too"},
        {"mbrl_gpu eval latest --model-error --svg errors.svg", "how wrong the learned model is"},
        {"mbrl_gpu eval latest --video film.mp4", "see what it does"},
        {"mbrl_gpu eval latest --open-loop 30 --svg open_loop.svg",
         "predicted beside real trajectories"},
        {"mbrl_gpu eval latest --save-trajectories bank.safetensors", "episodes as data"},
        {"mbrl_gpu eval latest --model-nll --trajectories bank.safetensors",
         "the loss of its saved models there"},
        {"mbrl_gpu eval latest --value-error", "the critics beside what is earned"}}},
      {"mbrl_gpu export",
       {{"mbrl_gpu export latest --onnx policy.onnx", "for onnxruntime and other runtimes"},
        {"mbrl_gpu export latest --c-header policy.h", "for a program in C or C++"},
        {"mbrl_gpu export hopper/1a2b3c4d/seed-1 --npz policy.npz", "arrays for NumPy"}}},
      {"mbrl_gpu list",
       {{"mbrl_gpu list", "the runs in runs/"},
        {"mbrl_gpu list --sort newest /scratch/runs", "another folder, the newest first"},
        {"mbrl_gpu list --csv", "for a spreadsheet"},
        {"mbrl_gpu list --json", "for a script"}}},
      {"mbrl_gpu bench",
       {{"mbrl_gpu bench", "the hot loops at Hopper's sizes"},
        {"mbrl_gpu bench humanoid --device cpu --seconds 5", "another config's"},
        {"mbrl_gpu bench --peers python3", "beside PyTorch and JAX"}}},
      {"mbrl_gpu bench process",
       {{"mbrl_gpu bench process", "a trivial environment in Python, beside a ping-pong"},
        {"mbrl_gpu bench process \"python3 -m mbrl_gpu.serve Hopper-v5\"", "one of Gymnasium's"}}},
      {"mbrl_gpu bench envs",
       {{"mbrl_gpu bench envs --threads 2", "every environment beside its simulator"}}},
      {"mbrl_gpu config",
       {{"mbrl_gpu config keys sac", "what can be set of SAC"},
        {"mbrl_gpu config show hopper", "what a config comes to"}}},
      {"mbrl_gpu config keys",
       {{"mbrl_gpu config keys", "all keys"},
        {"mbrl_gpu config keys model", "those of the model"}}},
      {"mbrl_gpu config show",
       {{"mbrl_gpu config show hopper sac.batch_size=512", "what differs from the defaults"},
        {"mbrl_gpu config show hopper --json", "as a file to edit"}}},
      {"mbrl_gpu config schema",
       {{"mbrl_gpu config schema", "for editors that complete and check JSON"}}},
      {"mbrl_gpu config metrics",
       {{"mbrl_gpu config metrics", "what each column and tag is, and its unit"}}},
      {"mbrl_gpu envs",
       {{"mbrl_gpu envs", "the environments and their sizes"},
        {"mbrl_gpu envs trace cartpole --actions script.txt", "step one by hand"}}},
      {"mbrl_gpu envs trace",
       {{"mbrl_gpu envs trace cartpole --actions script.txt", "a script of actions"},
        {"mbrl_gpu envs trace hopper seed=3 --state --actions -", "from standard input"}}},
      {"mbrl_gpu doctor",
       {{"mbrl_gpu doctor", "what this machine has, and what is in the way"},
        {"mbrl_gpu doctor --runs /scratch/runs", "is there room for runs elsewhere?"}}},
      {"mbrl_gpu plot",
       {{"mbrl_gpu plot curve.svg runs/hopper", "mean and range over seeds"},
        {"mbrl_gpu plot both.svg mbpo=runs/hopper sac=runs/sac_hopper --title Hopper",
         "two curves with names"},
        {"mbrl_gpu plot schedule.svg latest --columns alpha,rollout_length", "a panel for each"}}},
      {"mbrl_gpu compare",
       {{"mbrl_gpu compare mbpo=runs/hopper sac=runs/sac_hopper", "do their means differ?"},
        {"mbrl_gpu compare runs/hopper runs/sac_hopper --to 50000 --window last", "at 50k steps"}}},
      {"mbrl_gpu report",
       {{"mbrl_gpu report latest", "one page on the newest run"},
        {"mbrl_gpu report mbpo=runs/hopper sac=runs/sac_hopper -o both.html", "on two arms"}}},
      {"mbrl_gpu bound",
       {{"mbrl_gpu bound", "the best share of real samples by their number"},
        {"mbrl_gpu bound --sigma 0.01 --svg ratio.svg", "for a model that errs less"}}},
      {"mbrl_gpu completion",
       {{"mbrl_gpu completion bash >> ~/.bash_completion", "in every new bash of yours"},
        {"mbrl_gpu completion zsh > ~/.zfunc/_mbrl_gpu", "in a folder of zsh's fpath"}}},
      {"mbrl_gpu man", {{"mbrl_gpu man | man -l -", "read it here"}}}};
  return all;
}

// what other programs call a subcommand
const std::map<std::string, std::string>& synonyms() {
  static const std::map<std::string, std::string> all{
      {"train", "run"},       {"learn", "run"},      {"fit", "run"},
      {"resume", "run"},      {"continue", "run"},   {"hpo", "tune"},
      {"enjoy", "eval"},      {"play", "eval"},      {"test", "eval"},
      {"evaluate", "eval"},   {"render", "eval"},    {"video", "eval"},
      {"rollout", "eval"},    {"ls", "list"},        {"runs", "list"},
      {"benchmark", "bench"}, {"configs", "config"}, {"environments", "envs"},
      {"env", "envs"},        {"info", "doctor"},    {"grid", "sweep"},
      {"multirun", "sweep"},  {"optimize", "tune"},  {"search", "tune"},
      {"graph", "plot"},      {"draw", "plot"},      {"figure", "plot"},
      {"diff", "compare"},    {"manual", "man"},     {"completions", "completion"}};
  return all;
}

bool is_shown(const CLI::App* app) { return !app->get_group().empty(); }

std::vector<const CLI::App*> shown_subcommands(const CLI::App& app) {
  return app.get_subcommands(is_shown);
}

// "TEXT:{minmax,sd}", "INT:INT in [0 - 1024]": what the parser says of a value
void read_type(const CLI::Option& option, OptionUsage& usage) {
  const std::string type = option.get_type_name();
  const std::string kind = type.substr(0, type.find(':'));
  usage.value = kind == "INT" || kind == "UINT" ? "N" : kind == "FLOAT" ? "X" : kind;
  if (const auto open = type.find('{'); open != std::string::npos) {
    std::istringstream list(type.substr(open + 1, type.find('}', open) - open - 1));
    for (std::string choice; std::getline(list, choice, ',');)
      usage.choices.push_back(choice.substr(0, choice.find("->")));  // "mean->auc"
  }
  if (const auto in = type.find(" in ["); in != std::string::npos) {
    std::string range = type.substr(in + 5, type.find(']', in) - in - 5);
    if (const auto dash = range.find(" - "); dash != std::string::npos)
      range = range.substr(0, dash) + " to " + range.substr(dash + 3);
    usage.range = range;
  }
}

OptionUsage option_usage(const CLI::Option& option) {
  OptionUsage usage;
  usage.is_argument = option.get_positional();
  usage.is_required = option.get_required();
  usage.is_list = option.get_items_expected_max() > 1;
  usage.text = option.get_description();
  usage.usual = option.get_default_str();
  if (usage.is_argument) {
    usage.names = option.get_single_name();
  } else {
    std::vector<std::string> names;
    for (const std::string& name : option.get_snames()) names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
    usage.names = fmt::format("{}", fmt::join(names, ", "));
  }
  if (option.get_items_expected_max() > 0) read_type(option, usage);
  return usage;
}

std::string words_of(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return (parent == nullptr ? "" : words_of(*parent) + " ") + app.get_name();
}

// "minmax|sd", "N", "[N]"
std::string value_text(const OptionUsage& option) {
  constexpr std::size_t kLongest = 32;  // longer ones are left to the text
  const std::string choices = fmt::format("{}", fmt::join(option.choices, "|"));
  return choices.empty() || choices.size() > kLongest ? option.value : choices;
}

std::string meaning(const OptionUsage& option) {
  std::string text = option.text;
  if (!option.range.empty()) text += fmt::format("; {}", option.range);
  if (!option.usual.empty()) text += fmt::format(" (default {})", option.usual);
  return text;
}

// name and meaning side by side; below one another where the name is long or the lines are short
std::string entry(const std::string& name, const std::string& text, std::size_t width) {
  constexpr std::size_t kColumn = 26;
  const bool beside = width >= 70 && name.size() + 4 <= kColumn;
  const std::size_t indent = width >= 70 ? kColumn : 6;
  const std::string lines = wrapped(text, width, indent);
  if (!beside) return wrapped(name, width, 2) + lines;
  return fmt::format("  {:<{}}", name, kColumn - 2) + lines.substr(std::min(kColumn, lines.size()));
}

std::string section(const std::string& name, const std::vector<OptionUsage>& options,
                    std::size_t width) {
  if (options.empty()) return "";
  std::string text = "\n" + name + ":\n";
  for (const OptionUsage& option : options) {
    const std::string value = option.is_argument ? "" : value_text(option);
    text += entry(option.names + (value.empty() ? "" : " " + value), meaning(option), width);
  }
  return text;
}

}  // namespace

std::string wrapped(const std::string& text, std::size_t width, std::size_t indent) {
  std::string lines, line(indent, ' ');
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (line.size() > indent && line.size() + 1 + word.size() > width) {
      lines += line + "\n";
      line.assign(indent, ' ');
    }
    line += (line.size() > indent ? " " : "") + word;
  }
  return lines + line + "\n";
}

CommandUsage usage_of(const CLI::App& app) {
  CommandUsage usage{.words = words_of(app), .text = app.get_description()};
  for (const CLI::Option* option : app.get_options()) {
    OptionUsage one = option_usage(*option);
    (one.is_argument ? usage.arguments : usage.options).push_back(std::move(one));
  }
  for (const CLI::App* sub : shown_subcommands(app)) usage.subcommands.push_back(usage_of(*sub));
  if (const auto found = examples().find(usage.words); found != examples().end())
    usage.examples = found->second;
  return usage;
}

std::string synopsis(const CommandUsage& usage) {
  std::string text;
  const auto add = [&](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
  if (!usage.subcommands.empty() && usage.arguments.empty())
    add(usage.words == "mbrl_gpu envs" ? "[COMMAND]" : "COMMAND");
  if (!usage.options.empty()) add("[options]");
  for (const OptionUsage& argument : usage.arguments) {
    const std::string name = argument.names + (argument.is_list ? "..." : "");
    add(argument.is_required ? name : "[" + name + "]");
  }
  return text;
}

std::string help_text(const CommandUsage& usage, std::size_t width) {
  std::string text = wrapped(usage.text, width, 0);
  text += "\nUsage:\n" + wrapped(usage.words + " " + synopsis(usage), width, 2);
  if (!usage.subcommands.empty()) {
    text += "\nCommands:\n";
    for (const CommandUsage& sub : usage.subcommands)
      text += entry(sub.words.substr(sub.words.rfind(' ') + 1), sub.text, width);
  }
  text += section("Arguments", usage.arguments, width);
  text += section("Options", usage.options, width);
  if (usage.words == "mbrl_gpu run") text += "\nConfigs:\n" + configs_text(width);
  if (!usage.examples.empty()) {
    text += "\nExamples:\n";
    for (const Example& example : usage.examples)
      text += "  " + example.command + "\n" + wrapped(example.text, width, 6);
  }
  if (usage.words == "mbrl_gpu")
    text += "\n" + wrapped("`mbrl_gpu COMMAND --help` shows what a command takes.", width, 0);
  return text;
}

void add_subcommands(CLI::App& program) {
  add_run(program);
  add_sweep(program);
  add_tune(program);
  add_eval(program);
  add_export(program);
  add_list(program);
  add_plot(program);
  add_compare(program);
  add_report(program);
  add_config(program);
  add_envs(program);
  add_doctor(program);
  add_bench(program);
  add_bound(program);
  add_completion(program);
  add_man(program);
}

void use_help_text(CLI::App& program) {
  program.formatter_fn([](const CLI::App* app, const std::string&, CLI::AppFormatMode) {
    return help_text(usage_of(*app), output_width());
  });
}

std::string config_title(const std::filesystem::path& file) {
  std::string comment;
  try {
    std::istringstream lines(read_file(file));
    for (std::string line; std::getline(lines, line) && line.starts_with("//");)
      comment += line.substr(2);
  } catch (const DataError&) {
    return "";
  }
  std::string title;
  int depth = 0;
  for (std::size_t i = 1; i < comment.size(); ++i) {
    const bool ends = i + 1 == comment.size() || comment[i + 1] == ' ';
    if (depth == 0 && ends && (comment[i] == '.' || comment[i] == ':')) break;
    depth += comment[i] == '(';
    if (depth == 0 && !(comment[i] == ' ' && i + 1 < comment.size() && comment[i + 1] == '('))
      title += comment[i];
    depth -= comment[i] == ')';
  }
  return printable(title);
}

std::string configs_text(std::size_t width) {
  std::string text;
  for (const std::string& name : shipped_configs()) {
    std::string title = config_title(find_shipped_config(name));
    const std::size_t room = width - 30;
    if (width >= 70) {
      if (title.size() > room) {
        const std::size_t cut = title.rfind(' ', room - 4);
        title = title.substr(0, cut) + " ...";
      }
      text += fmt::format("  {:<27} {}\n", name, title);
    } else {
      text += "  " + name + "\n" + wrapped(title, width, 6);
    }
  }
  return text;
}

namespace {

// the words that are subcommands of `app`, and its long options
std::vector<std::string> subcommands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : shown_subcommands(app)) names.push_back(sub->get_name());
  return names;
}
std::vector<std::string> long_options(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// the first words of the command line that name a subcommand: "mbrl_gpu config show"
struct Place {
  const CLI::App* app;
  std::string words = "mbrl_gpu";
  int num_words = 1;
};
Place named_subcommand(const CLI::App& program, int argc, char** argv) {
  Place place{&program};
  for (; place.num_words < argc; ++place.num_words) {
    const CLI::App* next = nullptr;
    for (const CLI::App* sub : shown_subcommands(*place.app))
      if (sub->get_name() == argv[place.num_words]) next = sub;
    if (next == nullptr) break;
    place.app = next;
    place.words += " " + next->get_name();
  }
  return place;
}

// the words of a command line from one on, to be typed again
std::string typed(int argc, char** argv, int from) {
  std::string text;
  for (int i = from; i < argc; ++i) text += " " + shell_word(argv[i]);
  return text;
}

// what a run was begun with; "" where the word is no run
std::string command_of(const char* word) {
  try {
    std::string command = read_file(run_path(word) / "command.txt");
    while (command.ends_with('\n')) command.pop_back();
    return command;
  } catch (const DataError&) {
    return "";
  }
}

// What somebody who is used to another program meant, as the line to type; "" if nothing is known.
std::string meant(const CLI::App& program, int argc, char** argv) {
  const std::string word = argv[1];
  const auto rest = [&](int from) { return typed(argc, argv, from); };
  const auto line = [&](const std::string& says, const std::string& command) {
    return fmt::format("mbrl_gpu: there is no subcommand {}; {}. Type: {}", word, says, command);
  };
  if (word == "help") return line("--help is an option", "mbrl_gpu" + rest(2) + " --help");
  if (word == "version") return line("--version is an option", "mbrl_gpu --version");
  if (!find_shipped_config(word).empty())
    return line("a config is trained by run", "mbrl_gpu run" + rest(1));
  const auto found = synonyms().find(word);
  if (found == synonyms().end()) return "";
  const std::vector<std::string> known = subcommands(program);
  if (std::find(known.begin(), known.end(), found->second) == known.end()) return "";
  if (word == "resume" || word == "continue") {
    const std::string says = "a run goes on by the command that began it";
    const std::string command = argc > 2 ? command_of(argv[2]) : "";
    return line(says, command.empty() ? "mbrl_gpu run CONFIG" : command);
  }
  return line("it is called " + found->second + " here", "mbrl_gpu " + found->second + rest(2));
}

}  // namespace

void check_subcommand(const CLI::App& program, int argc, char** argv) {
  const Place place = named_subcommand(program, argc, argv);
  const std::vector<std::string> known = subcommands(*place.app);
  if (known.empty() || place.num_words >= argc || argv[place.num_words][0] == '-') return;

  // a word that is not a subcommand may be an argument, as the config of `bench` is
  const auto positional = [](const CLI::Option* option) { return option->get_positional(); };
  if (!place.app->get_options(positional).empty()) return;

  const std::string word = argv[place.num_words];
  if (place.num_words == 1)
    if (const std::string text = meant(program, argc, argv); !text.empty()) throw ConfigError(text);
  std::string near = nearest_name(word, known);
  if (near.empty() && place.num_words == 1) {
    std::vector<std::string> words;
    for (const auto& [synonym, command] : synonyms()) words.push_back(synonym);
    if (const std::string synonym = nearest_name(word, words); !synonym.empty())
      near = synonyms().at(synonym);
  }
  throw ConfigError(place.words + ": there is no subcommand " + word + "." +
                    (near.empty() ? "" : " Did you mean " + near + "?") +
                    " Subcommands: " + join(known) + ".");
}

std::string usage_text(const CLI::App& program, const CLI::ParseError& error, int argc,
                       char** argv) {
  const Place place = named_subcommand(program, argc, argv);
  std::string text = error.what();
  while (!text.empty() && (text.back() == '\n' || text.back() == '.')) text.pop_back();
  text = place.words + ": " + text + ".";
  const std::vector<std::string> known = long_options(*place.app);
  for (int i = place.num_words; i < argc; ++i) {
    const std::string word = argv[i], option = word.substr(0, word.find('='));
    if (!option.starts_with("--") || std::find(known.begin(), known.end(), option) != known.end())
      continue;
    const std::string near = nearest_name(option, known);
    if (near.empty()) continue;
    if (text.find(option) == std::string::npos) text += " " + option + " is unknown.";
    text += " Did you mean " + near + "?";
  }
  return text + " `" + place.words + " --help` shows what it takes.";
}

}  // namespace mbrl
