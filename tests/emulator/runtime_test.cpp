// Tests for what a GPU may do to a run, with faults that only the emulated runtime can provoke:
// out of memory, errors in the middle, access from the host, work per step.
#include "cuda/emulator/runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "cuda/device.h"
#include "cuda/kernel.cuh"
#include "host/algo/learner.h"
#include "host/algo/registry.h"
#include "kernels/networks/initialize.h"
#include "kernels/stages/ensemble/ensemble_step.h"
#include "kernels/stages/policy/policy.h"
#include "kernels/stages/rollout/rollout.h"
#include "kernels/stages/sac/sac_update.h"
#include "tests/support/configs.h"
#include "tests/support/gpu.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

class EmulatedRuntimeTest : public GpuTest {
 protected:
  void TearDown() override {
    emulator::set_device_memory(std::size_t{4} << 30);
    emulator::set_shared_limit(227 * 1024);
    emulator::fail_after(-1);
  }
};

/// A policy, a replay of five rows and batches of 16 on the GPU.
struct SmallSac {
  SacState state{3, 1, {16}, Memory::kDevice};
  Buffer<float> records{80, 0.1f, Memory::kDevice};
  SacWorkspace workspace;

  explicit SmallSac(Stream& stream) : workspace(stream, state, 16) { init_sac(state, 1, 0, 1.0f); }
  void update(Stream& stream, std::span<SacLosses> losses, const ActRequest* act = nullptr) {
    const TransitionsView view{records.data(), {3, 1}, 5};
    sac_update(stream, losses, state, {view, view, 8}, {.batch_size = 16}, workspace, act);
  }
};

TEST_F(EmulatedRuntimeTest, AutoTakesTheGpu) {
  EXPECT_EQ(device_name(select_device("auto")), "cuda:0");
  EXPECT_EQ(device_name(select_device("cuda")), "cuda:0");
  EXPECT_EQ(device_name(select_device("cpu")), "cpu");
  EXPECT_EQ(select_precision("bf16", select_device("cuda:0")), Precision::kBf16);
}

TEST_F(EmulatedRuntimeTest, AGpuThatIsNotThereIsNamed) {
  EXPECT_EQ(error_text<DeviceError>([] { select_device("cuda:3"); }),
            "--device cuda:3 was asked for, but this machine has 1 GPU: cuda:0. `mbrl_gpu doctor` "
            "describes them.");
}

TEST_F(EmulatedRuntimeTest, OutOfMemoryNamesTheBufferItsSizeAndTheWayOut) {
  emulator::set_device_memory(std::size_t{32} << 20);
  TwinStreams streams;
  const std::string text =
      error_text<DeviceError>([&] { make_learner(tiny_mbpo("cartpole"), streams.gpu, {}); });
  // 1,000,000 transitions of 16 floats
  EXPECT_THAT(text, testing::StartsWith("61.0 MiB of device memory for the real replay could not "
                                        "be had on cuda:0: "));
  EXPECT_THAT(text, testing::HasSubstr("of 32.0 MiB are free. Lower rollout.batch_size"));
}

TEST_F(EmulatedRuntimeTest, AFaultInTheMiddleOfARunIsADeviceError) {
  TwinStreams streams;
  const auto learner = make_learner(tiny_mbpo("cartpole"), streams.gpu, {});
  while (learner->exploring()) learner->step();
  emulator::fail_after(40);
  const std::string text = error_text<DeviceError>([&] {
    for (int i = 0; i < 100; ++i) learner->step();
  });
  EXPECT_THAT(text, testing::HasSubstr("failed: cudaErrorLaunchFailure"));
  EXPECT_THAT(text, testing::HasSubstr("Complete checkpoints stay so"));
}

TEST_F(EmulatedRuntimeTest, AFaultDuringCaptureLeavesTheStreamUsable) {
  TwinStreams streams;
  SmallSac sac(streams.gpu);
  std::vector<SacLosses> losses(2);
  emulator::fail_after(12);  // behind the allocations, amid the launches
  EXPECT_THROW(sac.update(streams.gpu, losses), DeviceError);
  emulator::fail_after(-1);
  sac.update(streams.gpu, losses);
  EXPECT_EQ(sac.state.num_updates, 2);
}

TEST_F(EmulatedRuntimeTest, AnEnvironmentStepIsOneGraphOfFourLaunchesPerUpdateAndThreeMore) {
  for (const Precision precision : kAllPrecisions) {
    TwinStreams streams;
    streams.gpu.set_precision(precision);
    SmallSac sac(streams.gpu);
    std::vector<SacLosses> losses(20);
    std::vector<float> observation(3, 0.1f), action(1);
    const ActRequest act{{observation.data(), 1, 3}, {action.data(), 1, 1}, true, {}, 0};
    sac.update(streams.gpu, losses, &act);
    const long before = emulator::num_issued();
    sac.update(streams.gpu, losses, &act);
    EXPECT_EQ(emulator::num_issued() - before, 4 * 20 + 3) << precision_name(precision);
  }
}

TEST_F(EmulatedRuntimeTest, HopperSizesFitTheSharedMemoryOfEveryArchitecture) {
  const TransitionLayout layout{11, 3};
  SacState policy(11, 3, {256, 256}, Memory::kDevice);
  EnsembleState model(2, layout, 200, 4, Memory::kDevice);
  init_sac(policy, 1, 0, 1.0f);
  init_ensemble(model, 1, 0, 0.5f, -10.0f);
  const Buffer<float> records(64 * layout.pitch(), 0.1f, Memory::kDevice);
  const TransitionsView view{records.data(), layout, 64};
  Buffer<float> ring(64 * layout.pitch(), Memory::kDevice);
  const Buffer<std::uint32_t> rows(32, 1u, Memory::kDevice);
  // V100, RTX 2080 Ti, RTX 4090, A100, H100
  for (const std::size_t kib : {96, 64, 99, 163, 227}) {
    emulator::set_shared_limit(kib * 1024);
    for (const Precision precision : kAllPrecisions) {
      TwinStreams streams;
      streams.gpu.set_precision(precision);
      SacWorkspace sac(streams.gpu, policy, 16);
      EnsembleWorkspace ensemble(streams.gpu, model, 16);
      RolloutWorkspace workspace(streams.gpu, policy.actor, model, 40, 2);
      sac_update(streams.gpu, policy, {view, view, 8}, {.batch_size = 16}, sac);
      ensemble_epoch(streams.gpu, model, view, {rows.data(), 2, 16}, 16,
                     {{1e-3f}, {0, 0, 0, 0, 0}, 0.01f}, ensemble);
      const RolloutResult result =
          rollout(streams.gpu, policy.actor, model, view, {ring.data(), 64, 0},
                  {.num_rows = 40, .length = 1, .task = TaskId::kHopper}, workspace);
      EXPECT_EQ(result.num_written, 40u) << kib << " KiB";
    }
  }
}

TEST_F(EmulatedRuntimeTest, ANetworkTooWideForTheGpuSaysSo) {
  emulator::set_shared_limit(64 * 1024);
  GaussianActor policy(3, 1, {1024}, Memory::kDevice);
  init_actor(policy, 1, 0);
  TwinStreams streams;
  PolicyWorkspace workspace(streams.gpu, policy, 1);
  const std::vector<float> observation(3);
  std::vector<float> action(1);
  EXPECT_EQ(
      error_text<DeviceError>([&] {
        policy_act(
            streams.gpu, policy,
            {.observation = {observation.data(), 1, 3}, .action = {action.data(), 1, 1}, .key = {}},
            workspace);
      }),
      "kernel policy needs 130.0 KiB of shared memory per block, this GPU has 64.0 KiB. Lower "
      "sac.hidden_sizes or model.hidden_size, or use --device cpu.");
}

TEST_F(EmulatedRuntimeTest, TheHostCannotReachDeviceMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        const Buffer<float> buffer(100, 1.0f, Memory::kDevice);
        const volatile float value = buffer[3];
        static_cast<void>(value);
      },
      "");
}

TEST_F(EmulatedRuntimeTest, DeviceMemoryStartsAsNan) {
  const Buffer<float> buffer(3, Memory::kDevice);
  for (const float x : to_host(buffer)) EXPECT_TRUE(std::isnan(x));
}

}  // namespace
}  // namespace mbrl
