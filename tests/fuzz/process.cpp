// Fuzz target for environments of other processes (envs/process): the first byte says how many environments
// are asked for, the rest is all that the process ever writes, whatever it is asked. Episodes end with
// faults, or the command is refused.
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "envs/process/process_env.h"
#include "tests/fuzz/harness.h"

using namespace mbrl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  static int number = 0;
  if (size == 0) return 0;
  const auto file = folder.write("replies", fuzz::text_of(data + 1, size - 1));
  // what a command has said is remembered: each input is another command
  EnvOptions options;
  options.name = "process";
  // what it is asked goes to a reader that stays; what it wrote is there to be read after its end
  options.command = fmt::format("sh -c 'cat <&3 >/dev/null 4>&- & cat \"$0\" >&4' {} {}",
                                file.string(), number++);
  options.process.timeout = 2.0;
  const int num_envs = 1 + data[0] % 3;
  fuzz::read_or_refuse([&] {
    ProcessBatch batch(options, num_envs, num_envs);
    const auto N = static_cast<std::size_t>(num_envs);
    const auto S = static_cast<std::size_t>(batch.spec().observation_size),
               A = static_cast<std::size_t>(batch.spec().action_size);
    std::vector<std::uint8_t> which(N, 1), flags(N), faults(N);
    std::vector<std::uint64_t> seeds(N, 7);
    std::vector<float> observation(N * S), next(N * S), reward(N), action(N * A, 0.5f);
    batch.reset(which, seeds, observation.data());
    for (const float x : observation)
      fuzz::require(std::isfinite(x), "an episode begins with finite values");
    for (int step = 0; step < 3; ++step) {
      batch.step(which, action.data(), next.data(), reward.data(), flags.data(), faults.data());
      for (std::size_t i = 0; i < N; ++i) {
        fuzz::require(faults[i] != kNoFault || std::isfinite(reward[i]),
                      "a step that is not finite is a fault");
        fuzz::require(flags[i] <= 3, "flags are those of the protocol");
        if (faults[i] != kNoFault) return;
      }
    }
  });
  return 0;
}
