// Tests for host/run/training.{h,cpp} on a GPU, where evaluations run and checkpoints are written
// beside the training.
#include <gtest/gtest.h>

#include <filesystem>

#include "host/run/training.h"
#include "tests/support/configs.h"
#include "tests/support/gpu.h"
#include "tests/support/run_outcome.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

class TrainingGpuTest : public GpuTest {
 protected:
  std::filesystem::path run() const { return folder_.path() / "run"; }

  void train(const Config& config, std::optional<bool> in_background, std::int64_t until = 60) {
    ThreadPool pool(1);
    OpenDevice device("cuda", {}, pool);
    const RunDir dir = RunDir::open_folder(run(), config, {}, "cuda");
    ProgressSink progress;
    Training({.config = config, .to_console = false, .in_background = in_background}, dir, device,
             progress)
        .run(until);
  }

  TemporaryDirectory folder_;
};

TEST_F(TrainingGpuTest, EvaluationsAndCheckpointsBesideItChangeNothing) {
  Config config = small_member();
  config.loop.num_env_steps = 60;
  config.eval.interval = 10;
  config.checkpoint.interval = 15;
  config.checkpoint.keep = 9;
  for (const char* algorithm : {"mbpo", "ppo"}) {
    Config c = config;
    c.algorithm = algorithm;
    c.ppo.num_envs = 1;
    c.ppo.steps_per_update = c.ppo.batch_size = 10;
    std::filesystem::remove_all(run());
    train(c, false);
    const nlohmann::json in_turn = run_outcome(run());
    ASSERT_EQ(in_turn.size(), 4u + 4u) << "tables, log and checkpoints";
    std::filesystem::remove_all(run());
    train(c, std::nullopt);
    EXPECT_EQ(nlohmann::json::diff(in_turn, run_outcome(run())), nlohmann::json::array())
        << algorithm;
  }
}

}  // namespace
}  // namespace mbrl
