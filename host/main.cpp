// The program: parse, dispatch to a subcommand, print an error as one paragraph, map the exit code.
#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/nearest_name.h"
#include "host/cli/cli.h"
#include "host/config/version.h"

namespace {

using mbrl::nearest_name;

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

// a word where a subcommand belongs, which is none
void check_subcommand(const CLI::App& program, int argc, char** argv) {
  const Place place = named_subcommand(program, argc, argv);
  const std::vector<std::string> known = subcommands(*place.app);
  if (known.empty() || place.num_words >= argc || argv[place.num_words][0] == '-') return;

  const std::string word = argv[place.num_words];
  const std::string near = nearest_name(word, known);
  throw mbrl::ConfigError(place.words + ": there is no subcommand " + word + "." +
                          (near.empty() ? "" : " Did you mean " + near + "?") +
                          " Subcommands: " + join(known) + ".");
}

// CLI11's own finding with the nearest option and the way to the help
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

int fail(const std::string& text, mbrl::ExitCode code) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s\n", text.c_str());
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App program{"Model-based reinforcement learning at the speed of the hardware."};
  program.name("mbrl_gpu");
  program.set_version_flag("--version",
                           mbrl::program_version() + " (commit " + mbrl::git_commit() + ")");
  program.require_subcommand(1);
  mbrl::add_run(program);
  mbrl::add_eval(program);
  mbrl::add_bench(program);
  mbrl::add_config(program);
  mbrl::add_envs(program);
  mbrl::add_doctor(program);
  mbrl::add_plot(program);
  mbrl::add_compare(program);
  mbrl::add_bound(program);

  try {
    check_subcommand(program, argc, argv);
    program.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    // --help and --version arrive here too, with code 0; a subcommand may end with a code of its
    // own
    if (error.get_exit_code() == 0) return program.exit(error);
    if (error.get_name() == "RuntimeError") return error.get_exit_code();
    return fail(usage_text(program, error, argc, argv), mbrl::ExitCode::kConfig);
  } catch (const mbrl::Error& error) {
    return fail(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return fail(
        "The machine has no memory left for this run. Lower rollout.batch_size, "
        "rollout.retain_epochs or "
        "loop.replay_capacity; `mbrl_gpu doctor` shows how much is available.",
        mbrl::ExitCode{1});
  } catch (const std::exception& error) {
    return fail(std::string("The program failed in a way it does not expect: ") + error.what(),
                mbrl::ExitCode{1});
  }
}
