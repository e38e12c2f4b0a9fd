// Tests for host/run/training.{h,cpp} on a GPU, where evaluations run and checkpoints are written
// beside the training.
#include <gtest/gtest.h>

#include <filesystem>

#include "host/run/training.h"
#include "host/tune/training_member.h"
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

// members of a population on one GPU: their planners meet unless they are told not to
TEST_F(TrainingGpuTest, MembersThatPlanTogetherTrainAsTheyDoAlone) {
  Config config = small_member();
  config.algorithm = "pets";
  config.loop.num_env_steps = 50;
  std::map<std::string, std::vector<nlohmann::json>> outcomes;
  for (const std::string how : {"auto", "alone"}) {
    config.device.plans = how;
    std::vector<std::unique_ptr<Member>> members;
    const auto folder = [&](std::uint32_t i) { return folder_.path() / how / std::to_string(i); };
    for (std::uint32_t i = 0; i < 2; ++i)
      members.push_back(std::make_unique<TrainingMember>(TrainingMemberOptions{
          .label = std::to_string(i), .folder = folder(i), .config = config, .learner_index = i}));
    EXPECT_TRUE(Population(std::move(members),
                           {.device = "cuda",
                            .precision = config.device,
                            .concurrent = 2,
                            .num_threads = 2,
                            .config = config},
                           "test")
                    .run());
    for (std::uint32_t i = 0; i < 2; ++i) {
      outcomes[how].push_back(run_outcome(folder(i)));
      for (auto& [name, value] : outcomes[how].back().items())
        if (name.starts_with("step-")) value.at("state").erase("config");
    }
  }
  EXPECT_EQ(outcomes["auto"], outcomes["alone"]);
  EXPECT_NE(outcomes["auto"][0], outcomes["auto"][1]);
}

}  // namespace
}  // namespace mbrl
