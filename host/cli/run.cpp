// mbrl_gpu run: train.
#include "host/run/run.h"

#include <fmt/format.h>

#include <memory>

#include "host/algo/registry.h"
#include "host/algo/resolve_config.h"
#include "host/cli/cli.h"
#include "host/io/console.h"
#include "host/tune/ranks.h"
#include "host/tune/scheduled_run.h"

namespace mbrl {
namespace {

ExitCode train(RunOptions options) {
  if (const Ranks* ranks = Ranks::current()) {
    if (find_algorithm(options.config.algorithm).run == nullptr)
      throw ConfigError(fmt::format(
          "mpirun started {} ranks, and a run of {} trains one learner. Start it without mpirun, or "
          "give mpirun many runs: `mbrl_gpu sweep CONFIG seed=0..{}`.",
          ranks->size(), options.config.algorithm, ranks->size() - 1));
    if (options.num_threads == 0) options.num_threads = ranks->num_threads();
    print_to(stdout, fmt::format("{} ranks\n", ranks->size()));
  }
  return run_training(options);
}

}  // namespace

void add_run(CLI::App& program) {
  struct Options {
    std::string name;
    std::vector<std::string> overrides;
    RunOptions run;
    std::string runs = "runs";
  };
  const auto o = std::make_shared<Options>();
  CLI::App* run = program.add_subcommand(
      "run", "Train a policy: a config by name or file, and what to change in it");
  run->add_option("config", o->name, "a file, or a shipped config such as hopper.json")->required();
  run->add_option("overrides", o->overrides,
                  "key=value ...; `mbrl_gpu config keys` lists all keys");
  run->add_option(
         "--resume", o->run.resume,
         "auto: go on from this run's newest checkpoint; never: start over; or a checkpoint's path")
      ->capture_default_str();
  run->add_option("--device", o->run.device, "auto, cpu or cuda:N")->capture_default_str();
  run->add_option("--threads", o->run.num_threads,
                  "host threads; 0: all cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  run->add_option(
         "--check", o->run.check,
         "cpu: compute every stage of a GPU run on the CPU too and report the largest differences")
      ->check(CLI::IsMember({"cpu"}));
  run->add_option("--runs", o->runs, "folder that receives runs/<name>/<config hash>/seed-<n>")
      ->capture_default_str();
  run->callback([o, &program] {
    o->run.config = resolve_config(o->name, o->overrides);
    o->run.runs = o->runs;
    o->run.command = {"mbrl_gpu", "run", o->name};
    o->run.command.insert(o->run.command.end(), o->overrides.begin(), o->overrides.end());
    for (const CLI::Option* option : program.get_subcommand("run")->get_options())
      if (option->count() > 0 && !option->get_lnames().empty() && option->get_lnames()[0] != "help")
        for (const std::string& value : option->results())
          o->run.command.push_back("--" + option->get_lnames()[0] + "=" + value);
    follow_files(o->run);
    const ExitCode code = with_ranks([&] { return train(o->run); });
    if (code != ExitCode::kDone) throw CLI::RuntimeError(static_cast<int>(code));
  });
}

}  // namespace mbrl
