// mbrl_gpu eval: episodes of a saved policy.
#include <fmt/format.h>

#include <memory>

#include "host/cli/cli.h"
#include "host/run/checkpoints.h"
#include "host/run/open_device.h"

namespace mbrl {

void add_eval(CLI::App& program) {
  struct Options {
    std::string run;
    std::string device = "auto";
    int num_episodes = 10;
    int num_threads = 0;
  };
  const auto o = std::make_shared<Options>();
  CLI::App* eval = program.add_subcommand("eval", "Evaluate the policy of a run or checkpoint");
  eval->add_option("run", o->run, "a run directory or a checkpoint folder")->required();
  eval->add_option("--episodes", o->num_episodes, "number of episodes")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  eval->add_option("--device", o->device, "auto, cpu or cuda:N")->capture_default_str();
  eval->add_option("--threads", o->num_threads, "host threads; 0: all cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  eval->callback([o] {
    const std::filesystem::path path = find_checkpoint(o->run);
    const Config config = checkpoint_config(path);
    ThreadPool pool(o->num_threads > 0 ? o->num_threads : available_cores());
    // a policy trained in another format is evaluated in the one the device has
    DeviceConfig device_config = config.device;
    if (select_device(o->device).kind == Device::Kind::kCpu) device_config.precision = "fp32";
    OpenDevice device(o->device, device_config, pool);
    const auto learner = make_learner(config, device.stream, {});
    load_checkpoint(path, *learner, config);
    const Evaluation evaluation = learner->evaluate(o->num_episodes);
    fmt::print("checkpoint {}\nenvironment {}\n", path.string(), config.env.name);
    for (std::size_t i = 0; i < evaluation.returns.size(); ++i)
      fmt::print("episode {:3}: return {:10.2f}, length {:5}\n", i, evaluation.returns[i],
                 evaluation.lengths[i]);
    fmt::print("mean return {:.2f}, standard deviation {:.2f}, mean length {:.1f}, {} episodes\n",
               evaluation.mean_return(), evaluation.std_return(), evaluation.mean_length(),
               evaluation.returns.size());
  });
}

}  // namespace mbrl
