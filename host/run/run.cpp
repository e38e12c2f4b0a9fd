#include "host/run/run.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "envs/env.h"
#include "host/algo/can_train.h"
#include "host/algo/keys_read.h"
#include "host/algo/memory.h"
#include "host/algo/registry.h"
#include "host/config/print.h"
#include "host/io/console.h"
#include "host/io/output_file.h"
#include "host/run/choose_gemm.h"
#include "host/run/closing_text.h"
#include "host/run/open_device.h"
#include "host/run/run_dir.h"
#include "host/run/signals.h"
#include "host/run/training.h"
#include "kernels/stages/check/twin_check.h"

namespace mbrl {
namespace {

void require_checkable(const RunOptions& options, const Algorithm& algorithm) {
  if (options.check.empty()) return;
  if (algorithm.run != nullptr)
    throw ConfigError(fmt::format(
        "--check cpu: algorithm {} trains many learners; check one of them, such as algorithm=mbpo.",
        algorithm.name));
  if (select_device(options.device).kind != Device::Kind::kCuda)
    throw ConfigError(
        "--check cpu compares the stages of a GPU with the CPU's, and this run is on the CPU. Give "
        "--device cuda, or leave --check out.");
}

// the largest differences, on the terminal and in check.txt of the run's folder
void report_check(const TwinCheck& check, const RunDir& dir) {
  const std::string table = check.table();
  write_file_atomically(dir.path() / "check.txt", table);
  print_to(stdout, "\n" + table);
  if (check.all_within()) return;
  print_to(
      stderr,
      fmt::format("warning: the GPU and the CPU differ by more than rounding explains; the rows "
                  "end in DIFFERS. {} keeps the table.\n",
                  (dir.path() / "check.txt").string()));
}

}  // namespace

void require_run_name(const Config& config) {
  if (config.name == kLatest)
    throw ConfigError(fmt::format(
        "name is \"{}\", as the link to the newest run of a folder is called; choose another.",
        kLatest));
}

RunDir open_run_dir(const RunOptions& options, const std::string& machine) {
  require_run_name(options.config);
  RunDir dir = RunDir::open(
      options.runs, options.config, options.command, machine,
      options.resume == "never" ? RunDir::Earlier::kIsSetAside : RunDir::Earlier::kGoesOn);
  link_latest(options.runs, dir.path());
  std::string text = config_changes(options.config, keys_read(options.config)) +
                     fmt::format("run      {}\n", printable(dir.path().string()));
  if (!dir.set_aside().empty())
    text += fmt::format("earlier  {}\n", printable(dir.set_aside().string()));
  print_to(stdout, text + fmt::format("device   {}\n\n", machine));
  return dir;
}

ExitCode run_training(const RunOptions& options) {
  advise_options_of_a_run();
  install_signal_handlers();
  const Config& config = options.config;
  const Algorithm& algorithm = find_algorithm(config.algorithm);
  require_checkable(options, algorithm);
  const EnvSpec env = make_env(config.env)->spec();
  const auto warn = [](const std::string& text) {
    print_to(stderr, fmt::format("warning: {}\n", text));
  };
  if (const std::string note = env_note(config.env); !note.empty()) warn(note);
  check_can_train(config, env, warn);
  if (algorithm.run != nullptr) return algorithm.run(options);
  const int num_threads = options.num_threads > 0 ? options.num_threads : available_cores();
  ThreadPool pool(num_threads);
  OpenDevice device(options.device, config.device, pool);
  require_memory(config, env, device.device);
  const std::string products = choose_gemm(config, env, device, gemm_cache_path());
  const std::string machine = fmt::format("{}, {} threads{}", device.description(), num_threads,
                                          products.empty() ? "" : ", products: " + products);
  const RunDir dir = open_run_dir(options, machine);
  TwinCheck check(pool);
  if (!options.check.empty()) device.stream.set_check(&check);
  Progress progress;
  TrainingOptions training{.config = config, .resume = options.resume};
  // a run that fails is the one whose table matters
  if (!options.check.empty()) training.before_marker = [&] { report_check(check, dir); };
  const ExitCode code =
      Training(training, dir, device, progress,
               options.make_schedule ? options.make_schedule(config, device) : nullptr)
          .run();
  print_to(stdout, "\n" + closing_text(dir.path()));
  return code;
}

}  // namespace mbrl
