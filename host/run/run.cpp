#include "host/run/run.h"

#include <fmt/format.h>

#include "envs/env.h"
#include "host/config/print.h"
#include "host/tune/autombpo/autombpo.h"
#include "host/bench/choose_gemm.h"
#include "host/run/open_device.h"
#include "host/run/run_dir.h"
#include "host/run/signals.h"
#include "host/run/training.h"
#include "host/tune/autombpo/steering.h"
#include "host/tune/autombpo/controller.h"

namespace mbrl {
namespace {

bool is_steered(const Config& config) {
  return config.algorithm == "mbpo" && !config.controller.file.empty();
}

// the controller that an mbpo run is to follow, or none
std::unique_ptr<Schedule> make_schedule(const Config& config, OpenDevice& device) {
  if (!is_steered(config)) return nullptr;
  const auto seed = static_cast<std::uint32_t>(config.seed);
  ControllerStack controller(device.stream, config, seed);
  controller.load(config.controller.file);
  return std::make_unique<Steering>(
      config, std::make_unique<ControllerDecider>(device.stream, std::move(controller),
                                                  RandomKey{seed, purpose::kHyperAction, 0}));
}

}  // namespace

ExitCode run_training(const RunOptions& options) {
  install_signal_handlers();
  if (options.config.algorithm == "autombpo") return run_autombpo(options);
  const Config config =
      is_steered(options.config) ? steered_config(options.config) : options.config;
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
                  make_schedule(config, device))
      .run();
}

}  // namespace mbrl
