// The program: parse, dispatch to a subcommand, print an error as one paragraph, map the exit code.
#pragma once

namespace mbrl {

#ifdef MBRL_DATA_FOLDER  // the installed package tells those that link with it
inline constexpr const char* kInstalledData = MBRL_DATA_FOLDER;
#else
inline constexpr const char* kInstalledData = "";
#endif

/// All of mbrl_gpu, for a main() that registers more before (register_environment in envs/env.h,
/// register_algorithm in host/algo/registry.h).
/// `data_folder`: where configs and the Python module lie if not beside the program; "": nowhere.
///
/// Returns  the exit code. What it prints goes to standard output and error.
int run_program(int argc, char** argv, const char* data_folder = kInstalledData);

}  // namespace mbrl
