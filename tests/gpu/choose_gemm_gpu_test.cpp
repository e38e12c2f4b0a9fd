// Tests for host/run/choose_gemm.{h,cpp} with a GPU.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "envs/env.h"
#include "host/run/choose_gemm.h"
#include "tests/support/configs.h"
#include "tests/support/gpu.h"
#include "tests/support/matchers.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

class ChooseGemmGpuTest : public GpuTest {
 protected:
  ChooseGemmGpuTest() {
    config_.sac.batch_size = 8;
    config_.sac.updates_per_step = 1;
    config_.model.batch_size = 4;
  }

  std::string choose(OpenDevice& device) {
    return choose_gemm(config_, make_env(config_.env)->spec(), device, cache_);
  }
  nlohmann::json cache() const { return nlohmann::json::parse(std::ifstream(cache_)); }

  ThreadPool pool_{1};
  TemporaryDirectory directory_;
  std::filesystem::path cache_ = directory_.path() / "deep" / "gemm.json";
  Config config_ = tiny_mbpo("pendulum");
};

TEST_F(ChooseGemmGpuTest, ANameIsTaken) {
  OpenDevice device("cuda:0", config_.device, pool_);
  EXPECT_EQ(choose(device), "sac hand, ensemble hand");
  config_.device.gemm = "plain";
  EXPECT_EQ(choose(device), "sac plain, ensemble plain");
  EXPECT_EQ(device.gemm.sac.provider(), GemmProvider::kPlain);
  EXPECT_EQ(device.gemm.ensemble.provider(), GemmProvider::kPlain);
  EXPECT_FALSE(std::filesystem::exists(cache_));
}

TEST_F(ChooseGemmGpuTest, AutoTakesTheFastestAndRemembersIt) {
  config_.device.gemm = "auto";
  OpenDevice device("cuda:0", config_.device, pool_);
  const std::string chosen = choose(device);
  nlohmann::json measured = cache();
  ASSERT_EQ(measured.size(), 2u);
  for (auto& [key, answer] : measured.items()) {
    const std::string stage = key.substr(0, key.find(' '));
    const std::string provider = answer.at("provider");
    EXPECT_THAT(chosen, testing::HasSubstr(stage + " " + provider));
    for (const auto& [other, seconds] : answer.at("seconds").items())
      EXPECT_LE(answer["seconds"][provider].get<double>(), seconds.get<double>()) << other;
    // what is remembered wins over what would be measured
    answer["provider"] = "plain";
  }
  std::ofstream(cache_) << measured;
  EXPECT_EQ(choose(device), "sac plain, ensemble plain");
  EXPECT_EQ(cache(), measured);
}

TEST_F(ChooseGemmGpuTest, OtherSizesAreMeasuredAgainAndABrokenCacheIsReplaced) {
  config_.device.gemm = "auto";
  OpenDevice device("cuda:0", config_.device, pool_);
  std::filesystem::create_directories(cache_.parent_path());
  std::ofstream(cache_) << "{ not json";
  choose(device);
  EXPECT_EQ(cache().size(), 2u);
  config_.sac.batch_size = 16;
  choose(device);
  EXPECT_EQ(cache().size(), 4u);
}

TEST_F(ChooseGemmGpuTest, TheCpuHasNoChoice) {
  OpenDevice device("cpu", config_.device, pool_);
  EXPECT_EQ(choose(device), "");
  config_.device.gemm = "auto";
  EXPECT_EQ(choose(device), "");
  config_.device.gemm = "cublaslt";
  EXPECT_EQ(error_text<DeviceError>([&] { choose(device); }),
            "device.gemm is cublaslt, but this run is on the CPU, which has its own products. Set "
            "device.gemm=hand, or use --device cuda:0 on a machine with a GPU.");
}

}  // namespace
}  // namespace mbrl
