#include "host/cli/usage.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/nearest_name.h"

namespace mbrl {
namespace {

// the words that are subcommands of `app`, and its long options
std::vector<std::string> subcommands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(sub->get_name());
  }
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
    for (const CLI::App* sub : place.app->get_subcommands([](const CLI::App*) { return true; })) {
      if (sub->get_name() == argv[place.num_words]) next = sub;
    }
    if (next == nullptr) break;
    place.app = next;
    place.words += " " + next->get_name();
  }
  return place;
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
  const std::string near = nearest_name(word, known);
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
