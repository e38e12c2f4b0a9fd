#include "host/run/run.h"

#include <fmt/format.h>

#include "envs/env.h"
#include "host/algo/registry.h"
#include "host/bench/choose_gemm.h"
#include "host/config/print.h"
#include "host/run/open_device.h"
#include "host/run/run_dir.h"
#include "host/run/signals.h"
#include "host/run/training.h"

namespace mbrl {
ExitCode run_training(const RunOptions& options) {
  install_signal_handlers();
  const Config& config = options.config;
  const Algorithm& algorithm = find_algorithm(config.algorithm);
  if (algorithm.run != nullptr) return algorithm.run(options);
  const int num_threads = options.num_threads > 0 ? options.num_threads : available_cores();
  ThreadPool pool(num_threads);
  OpenDevice device(options.device, config.device, pool);
  const std::string products =
      choose_gemm(config, make_env(config.env)->spec(), device, gemm_cache_path());
  const std::string machine = fmt::format("{}, {} threads{}", device.description(), num_threads,
                                          products.empty() ? "" : ", products: " + products);
  const RunDir dir = RunDir::open(options.runs, config, options.command, machine);
  fmt::print("{}\nrun      {}\ndevice   {}\n\n", config_table(config), dir.path().string(),
             machine);
  std::fflush(stdout);
  Progress progress;
  return Training({.config = config, .resume = options.resume}, dir, device, progress,
                  options.make_schedule ? options.make_schedule(config, device) : nullptr)
      .run();
}

}  // namespace mbrl
