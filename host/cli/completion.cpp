// mbrl_gpu completion: scripts for shells, and what they ask the program.
#include "host/cli/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "base/printable.h"
#include "envs/env.h"
#include "host/algo/registry.h"
#include "host/cli/cli.h"
#include "host/cli/usage.h"
#include "host/config/fields.h"
#include "host/config/load.h"
#include "host/io/folders.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

// bash has parted the line at = and : too, which are no ends of words here
constexpr char kBash[] = R"sh(# Completion of mbrl_gpu in bash.
_mbrl_gpu() {
  local line=${COMP_LINE:0:COMP_POINT} program=${COMP_WORDS[0]} kept="" candidate current word
  local -a words
  line=${line#*"$program"}
  IFS=$' \t\n' read -r -a words <<<"$line"
  if [[ -z $line || $line == *[[:space:]] ]]; then words+=(""); fi
  current=${words[${#words[@]} - 1]}
  # readline replaces what follows the last character at which it parts words
  if [[ $COMP_WORDBREAKS == *=* && $current == *=* ]]; then kept=${current%"${current##*=}"}; fi
  if [[ $COMP_WORDBREAKS == *:* && ${current#"$kept"} == *:* ]]; then kept=${current%"${current##*:}"}; fi
  COMPREPLY=()
  while IFS= read -r candidate; do
    candidate=${candidate%%$'\t'*}
    printf -v word %q "${candidate#"$kept"}"
    COMPREPLY+=("$word")
  done < <("${program/#\~/$HOME}" __complete "${words[@]}" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o default -F _mbrl_gpu mbrl_gpu
)sh";

constexpr char kZsh[] = R"sh(#compdef mbrl_gpu
# Completion of mbrl_gpu in zsh.
_mbrl_gpu() {
  local program=${(Q)words[1]} line word
  local -a lines open whole open_texts whole_texts
  lines=("${(@f)$("${program/#\~/$HOME}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    word=${line%%$'\t'*}
    if [[ $word == *[=/] ]]; then
      open+=("$word") open_texts+=("${line/$'\t'/  -- }")
    else
      whole+=("$word") whole_texts+=("${line/$'\t'/  -- }")
    fi
  done
  if (( ${#open} )); then compadd -S '' -l -d open_texts -a open; fi
  if (( ${#whole} )); then compadd -l -d whole_texts -a whole; fi
  if (( ${#open} + ${#whole} == 0 )); then _files; fi
}
if [[ ${funcstack[1]-} == _mbrl_gpu ]]; then
  _mbrl_gpu "$@"
elif (( ${+functions[compdef]} )); then
  compdef _mbrl_gpu mbrl_gpu
fi
)sh";

void add(std::vector<Candidate>& all, const std::string& begin, const std::string& word,
         const std::string& text = "") {
  if (word.starts_with(begin)) all.push_back({word, text});
}

// "key=" of each key, or after it the values that the key may have
std::vector<Candidate> assignments(const std::string& begin) {
  std::vector<Candidate> all;
  const std::size_t at = begin.find('=');
  if (at == std::string::npos) {
    for (const Field& field : fields()) add(all, begin, field.path() + "=", field.doc);
    return all;
  }
  const Field* field = find_field(begin.substr(0, at));
  if (field == nullptr) return all;
  const std::string key = begin.substr(0, at + 1);
  Config config;
  if (std::holds_alternative<bool*>(field->slot(config)))
    for (const char* value : {"false", "true"}) add(all, begin, key + value);
  if (field->path() == "algorithm")
    for (const Algorithm& algorithm : list_algorithms())
      add(all, begin, key + algorithm.name, algorithm.text);
  if (field->path() == "env.name")
    for (const EnvSpec& env : list_envs()) add(all, begin, key + env.name, env.description);
  if (all.empty())
    for (const std::string& choice : field->choices) add(all, begin, key + choice);
  return all;
}

std::vector<Candidate> configs(const std::string& begin) {
  std::vector<Candidate> all;
  for (const std::string& name : shipped_configs())
    add(all, begin, name, config_title(find_shipped_config(name)));
  return all;
}

// the next part of the paths of runs below runs/, which may be left out
std::vector<Candidate> runs(const std::string& begin) {
  const auto is_run = [](const fs::path& folder) {
    std::error_code unknown;
    return fs::exists(folder / "config.json", unknown);
  };
  const std::string root = kRunsFolder.string() + "/";
  std::set<std::string> words;
  std::error_code unknown;
  if (!fs::is_directory(kRunsFolder, unknown)) return {};
  const auto offer = [&](const std::string& path) {
    if (!path.starts_with(begin)) return;
    const std::size_t end = path.find('/', begin.size());
    words.insert(end == std::string::npos ? path : path.substr(0, end + 1));
  };
  if (fs::exists(kRunsFolder / "latest", unknown)) {
    offer("latest");
    offer(root + "latest");
  }
  for (const fs::path& folder : folders_below(
           kRunsFolder, [](const std::string&) {}, is_run))
    if (is_run(folder)) {
      const std::string path = folder.string();
      offer(path);
      if (!begin.empty()) offer(path.substr(root.size()));
    }
  std::vector<Candidate> all;
  for (const std::string& word : words) all.push_back({word, ""});
  return all;
}

// after NAME= the path alone is looked for
std::vector<Candidate> named_runs(const std::string& begin) {
  const std::size_t at = begin.find('=');
  if (at == std::string::npos) return runs(begin);
  std::vector<Candidate> all = runs(begin.substr(at + 1));
  for (Candidate& candidate : all) candidate.word = begin.substr(0, at + 1) + candidate.word;
  return all;
}

// studies below studies/, and the folders that hold several
std::vector<Candidate> studies(const std::string& begin) {
  std::set<std::string> words;
  const auto is_study = [](const fs::path& folder) {
    std::error_code unknown;
    return fs::exists(folder / "journal.log", unknown);
  };
  for (const fs::path& folder : folders_below("studies", [](const std::string&) {}, is_study))
    if (is_study(folder)) {
      words.insert(folder.parent_path().string());
      words.insert(folder.string());
    }
  std::vector<Candidate> all;
  for (const std::string& word : words) add(all, begin, word);
  return all;
}

// what an option or an argument of a subcommand may be
std::vector<Candidate> values(const std::string& command, const OptionUsage& option,
                              const std::string& begin) {
  std::vector<Candidate> all;
  const auto is = [&](const char* name) { return option.names == name; };
  for (const std::string& choice : option.choices) add(all, begin, choice);
  if (!all.empty()) return all;
  if (is("config")) return configs(begin);
  if (is("overrides")) return assignments(begin);
  if (is("run") || is("folders")) return runs(begin);
  if (is("studies") || is("--study")) return studies(begin);
  if (is("runs") || is("a") || is("b") || is("arms")) return named_runs(begin);
  if (is("section"))
    for (const std::string& name : sections()) add(all, begin, name);
  if (is("name") && command == "mbrl_gpu envs trace")
    for (const EnvSpec& env : list_envs()) add(all, begin, env.name, env.description);
  if (is("--device"))
    for (const char* device : {"auto", "cpu", "cuda:0"}) add(all, begin, device);
  if (is("--resume")) {
    for (const char* how : {"auto", "never"}) add(all, begin, how);
    for (Candidate& run : runs(begin)) all.push_back(std::move(run));
  }
  if (is("--table"))
    for (const char* table : {"metrics.csv", "episodes.csv", "decisions.csv"})
      add(all, begin, table);
  return all;
}

// the option that a word names, nullptr if none
const OptionUsage* find_option(const CommandUsage& usage, const std::string& word) {
  for (const OptionUsage& option : usage.options)
    if ((", " + option.names + ",").find(", " + word + ",") != std::string::npos) return &option;
  return nullptr;
}

}  // namespace

std::vector<Candidate> candidates(const CLI::App& program, std::vector<std::string> words) {
  if (words.empty()) words.emplace_back();
  const std::string current = words.back();
  words.pop_back();

  const CommandUsage all = usage_of(program);
  const CommandUsage* usage = &all;
  const OptionUsage* open = nullptr;  // the option whose value comes next
  std::size_t num_arguments = 0;
  for (const std::string& word : words) {
    if (open != nullptr) {
      open = nullptr;
      continue;
    }
    if (word.starts_with("-") && word != "-") {
      const OptionUsage* option = find_option(*usage, word);
      // "[N]" may be left out
      if (option != nullptr && !option->value.empty() && option->value[0] != '[') open = option;
      continue;
    }
    const auto sub = std::find_if(
        usage->subcommands.begin(), usage->subcommands.end(), [&](const CommandUsage& s) {
          return num_arguments == 0 && s.words == usage->words + " " + word;
        });
    if (sub != usage->subcommands.end())
      usage = &*sub;
    else
      ++num_arguments;
  }

  if (open != nullptr) return values(usage->words, *open, current);
  std::vector<Candidate> found;
  if (current.starts_with("-")) {
    const std::size_t at = current.find('=');
    if (at == std::string::npos) {
      for (const OptionUsage& option : usage->options)
        add(found, current, option.names.substr(option.names.rfind("--")), option.text);
      return found;
    }
    const OptionUsage* option = find_option(*usage, current.substr(0, at));
    if (option == nullptr) return found;
    found = values(usage->words, *option, current.substr(at + 1));
    for (Candidate& candidate : found) candidate.word = current.substr(0, at + 1) + candidate.word;
    return found;
  }
  if (num_arguments == 0)
    for (const CommandUsage& sub : usage->subcommands)
      add(found, current, sub.words.substr(sub.words.rfind(' ') + 1), sub.text);
  if (usage->arguments.empty()) return found;
  // the last argument takes all that follow, if it is a list
  const std::size_t index = std::min(num_arguments, usage->arguments.size() - 1);
  if (index < num_arguments && !usage->arguments[index].is_list) return found;
  for (Candidate& candidate : values(usage->words, usage->arguments[index], current))
    found.push_back(std::move(candidate));
  return found;
}

void print_candidates(const CLI::App& program, const std::vector<std::string>& words) {
  try {
    for (const Candidate& candidate : candidates(program, words)) {
      const bool is_plain = printable(candidate.word) == candidate.word;
      if (is_plain) fmt::print("{}\t{}\n", candidate.word, printable(candidate.text));
    }
  } catch (const std::exception&) {
    // the shell has nothing to offer; the command itself will say what is wrong
  }
}

std::string completion_script(const std::string& shell) { return shell == "zsh" ? kZsh : kBash; }

void add_completion(CLI::App& program) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* command =
      program.add_subcommand("completion", "Print the completion of this command line for a shell");
  command->add_option("shell", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  command->callback([shell] { fmt::print("{}", completion_script(*shell)); });
}

}  // namespace mbrl
