#include "host/tune/study/copy_trial.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "host/io/checkpoint.h"
#include "host/tune/study/population_search.h"

namespace mbrl {
namespace fs = std::filesystem;

std::string CopySizes::text() const {
  return fmt::format("history {:.1f} MB, weights {:.1f} MB", static_cast<double>(history) / 1e6,
                     static_cast<double>(weights) / 1e6);
}

CopyTrial::CopyTrial(const CopySizes& sizes) {
  std::string name = (fs::temp_directory_path() / "mbrl_bench_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr)
    throw DataError(
        fmt::format("{} cannot be made. Set TMPDIR to a folder that can be written.", name));
  folder_ = name;
  std::vector<float> history(sizes.history / sizeof(float), 1.0f),
      weights(sizes.weights / sizeof(float), 1.0f);
  const auto size_of = [](const std::vector<float>& all) {
    return static_cast<std::int64_t>(all.size());
  };
  write_checkpoint(FolderExchange(folder_, false, {}).member(1) / "checkpoints", 1,
                   {.weights = {tensor_ref("weights", weights.data(), {size_of(weights)})},
                    .replay = {tensor_ref("history", history.data(), {size_of(history)})},
                    .state = {{"learner", nlohmann::json::object()}}},
                   1);
}

CopyTrial::~CopyTrial() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

Timing CopyTrial::copy(double seconds) {
  FolderExchange states(folder_, /*weights_only=*/false, {});
  states.keep(1, 0);
  int number = 0;
  return measure(
      [&] { states.take(0, {.member = 1, .number = 0}, fmt::format("copy {}\n", number++)); },
      seconds);
}

}  // namespace mbrl
