// The subcommands. Each function adds one to the program, with its options and what it does; it
// runs while the command line is parsed, and ends by returning or by throwing an mbrl::Error.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "base/error.h"

namespace mbrl {

void add_run(CLI::App& program);
void add_sweep(CLI::App& program);
void add_tune(CLI::App& program);
void add_eval(CLI::App& program);
void add_export(CLI::App& program);
void add_bench(CLI::App& program);
/// The table of `bench envs`; seconds for each environment.
void bench_envs(int num_threads, double seconds, bool json);
void bench_process(const std::string& command, double seconds, bool json);
void add_config(CLI::App& program);
void add_envs(CLI::App& program);
/// `envs trace`, the way in for programs that step environments from outside.
void add_envs_trace(CLI::App& envs);
void add_list(CLI::App& program);
void add_doctor(CLI::App& program);
void add_plot(CLI::App& program);
void add_compare(CLI::App& program);
void add_report(CLI::App& program);
void add_bound(CLI::App& program);
void add_completion(CLI::App& program);
void add_man(CLI::App& program);

/// How a command that trains many runs uses the machine.
struct ManyRunsOptions {
  std::string device = "auto", concurrent = "auto";
  int num_threads = 0;
};
/// Host threads: those that were asked for, else the cores that this process may use, or its share of
/// them under mpirun.
int threads_of(const ManyRunsOptions& options);
/// Adds --concurrent, --device and --threads.
void add_many_runs_options(CLI::App& command, ManyRunsOptions& options);

/// What is meant by the argument for a run; where that is a link, such as runs/latest, what it leads
/// to.
std::string named_run(const std::string& given);

/// Trains as one of the processes that mpirun started: rank 0 does `lead`, the others what it sends
/// them. Where this process is alone it leads.
///
/// Errors   those of Ranks::join and of `lead`.
ExitCode with_ranks(const std::function<ExitCode()>& lead);

/// All of them.
void add_subcommands(CLI::App& program);

}  // namespace mbrl
