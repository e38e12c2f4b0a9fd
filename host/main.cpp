// The program: parse, dispatch to a subcommand, print an error as one paragraph, map the exit code.
#include <cstdio>
#include <new>
#include <string>

#include "base/error.h"
#include "host/cli/cli.h"
#include "host/cli/usage.h"
#include "host/config/version.h"

namespace {

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
    mbrl::check_subcommand(program, argc, argv);
    program.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    // --help and --version arrive here too, with code 0; a subcommand may end with a code of its
    // own
    if (error.get_exit_code() == 0) return program.exit(error);
    if (error.get_name() == "RuntimeError") return error.get_exit_code();
    return fail(mbrl::usage_text(program, error, argc, argv), mbrl::ExitCode::kConfig);
  } catch (const mbrl::Error& error) {
    return fail(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return fail(
        "The machine has no memory left for this run. Lower rollout.batch_size, "
        "rollout.retain_epochs or loop.replay_capacity; `mbrl_gpu doctor` shows how much is "
        "available.",
        mbrl::ExitCode{1});
  } catch (const std::exception& error) {
    return fail(std::string("The program failed in a way it does not expect: ") + error.what(),
                mbrl::ExitCode{1});
  }
}
