#include "host/cli/program.h"

#include <fcntl.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>
#include <string>
#include <string_view>
#include <system_error>

#include "base/data_folders.h"
#include "base/error.h"
#include "base/printable.h"
#include "host/cli/cli.h"
#include "host/cli/completion.h"
#include "host/cli/usage.h"
#include "host/config/version.h"

namespace mbrl {
namespace {

// A file opened first would otherwise become standard output or error, and receive what is printed.
void open_closed_streams() {
  for (const int fd : {0, 1, 2})
    if (fcntl(fd, F_GETFD) == -1) [[maybe_unused]]
      const int opened = open("/dev/null", O_RDWR);
}

int fail(const std::string& text, ExitCode code) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s\n", printable(text, /*keep_lines=*/true).c_str());
  return static_cast<int>(code);
}

bool trains(const CLI::App& program) {
  return program.got_subcommand("run") || program.got_subcommand("sweep") ||
         program.got_subcommand("tune");
}

// What was printed has to have arrived. A training's results are in its folder: it goes on, and
// ends well, without a terminal.
// reason_so_far: errno of a write that has failed before.
int finish(const CLI::App& program, int code, int reason_so_far = 0) {
  errno = 0;
  const bool arrived = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (arrived || code != 0 || trains(program)) return code;
  const int error = reason_so_far != 0 ? reason_so_far : errno;
  const std::string reason = error != 0 ? std::string(": ") + std::strerror(error) : "";
  return fail("What this command prints could not be written to standard output" + reason + ".",
              ExitCode::kData);
}

}  // namespace

int run_program(int argc, char** argv, const char* data_folder) {
  if (*data_folder != '\0') add_data_folder(data_folder);
  open_closed_streams();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error of writing as any other
  CLI::App program{"Model-based reinforcement learning at the speed of the hardware."};
  program.name("mbrl_gpu");
  use_help_text(program);
  program.set_version_flag("--version", program_version() + " (commit " + git_commit() + ")");
  program.require_subcommand(1);
  add_subcommands(program);
  // what the shells' completions ask; its words are those of a line that is not whole
  if (argc > 1 && std::string_view(argv[1]) == "__complete") {
    print_candidates(program, {argv + 2, argv + argc});
    return finish(program, 0);
  }

  try {
    check_subcommand(program, argc, argv);
    program.parse(argc, argv);
    return finish(program, 0);
  } catch (const CLI::ParseError& error) {
    // --help and --version arrive here too, with code 0; a subcommand may end with a code of its
    // own
    if (error.get_exit_code() == 0) {
      errno = 0;
      const int code = program.exit(error);
      return finish(program, code, errno);
    }
    if (error.get_name() == "RuntimeError") return error.get_exit_code();
    return fail(usage_text(program, error, argc, argv), ExitCode::kConfig);
  } catch (const Error& error) {
    return fail(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return fail(
        "The machine has no memory left for this run. Lower rollout.batch_size, "
        "rollout.retain_epochs or loop.replay_capacity; `mbrl_gpu doctor` shows how much is "
        "available.",
        ExitCode{1});
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(error.path1().string() + " cannot be used: " + error.code().message() + ".",
                ExitCode::kData);
  } catch (const std::exception& error) {
    // the library that prints throws where a stream fails
    const auto* failed = dynamic_cast<const std::system_error*>(&error);
    if (std::ferror(stdout) != 0 && !trains(program))
      return finish(program, 0, failed == nullptr ? 0 : failed->code().value());
    return fail(std::string("The program failed in a way it does not expect: ") + error.what(),
                ExitCode{1});
  }
}

}  // namespace mbrl
