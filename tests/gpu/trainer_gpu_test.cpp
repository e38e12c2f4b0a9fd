// Tests for host/model/trainer.{h,cpp} on a GPU: a fit that learns ends, against the CPU's.
#include <gtest/gtest.h>

#include "host/model/trainer.h"
#include "tests/support/configs.h"
#include "tests/support/devices.h"
#include "tests/support/gpu.h"

namespace mbrl {
namespace {

using TrainerGpuTest = GpuTest;

TEST_F(TrainerGpuTest, AFitThatLearnsEndsIsThatOfTheCpu) {
  ModelConfig config = small_mbpo("pendulum").model;
  config.max_epochs = 2;
  const TransitionLayout layout{3, 1};
  constexpr std::size_t kRows = 240;
  const auto pitch = static_cast<std::size_t>(layout.pitch());
  Buffer<float> records(kRows * pitch, 0.0f);
  const RandomKey key{5, purpose::kInit, 0};
  for (std::size_t row = 0; row < kRows; ++row) {
    float* r = records.data() + row * pitch;
    for (int i = 0; i < 4; ++i) r[i] = normal(key, row, 0, i);
    r[layout.reward()] = r[0];
    for (int i = 0; i < 3; ++i) r[layout.next_observation() + i] = 0.9f * r[i];
    r[layout.terminated()] = r[1] > 1.0f ? 1.0f : 0.0f;
  }
  const Buffer<float> on_gpu = on_device(records);

  TwinStreams streams;
  const auto fit = [&](Stream& stream, const Buffer<float>& data, EnsembleState& state) {
    init_ensemble(state, 1, 0, config.init_max_logvar, config.init_min_logvar);
    ModelTrainer trainer(stream, config, state, 1, 0);
    return trainer.fit(stream, config, state, {data.data(), layout, kRows}, 0,
                       [] { return false; });
  };
  const EnsembleForm form{EnsembleLoss::kGaussianNll, {.end = EndTarget::kLogit}};
  EnsembleState cpu(config.ensemble_size, layout, config.hidden_size, config.num_hidden_layers,
                    Memory::kHost, form);
  EnsembleState gpu(config.ensemble_size, layout, config.hidden_size, config.num_hidden_layers,
                    Memory::kDevice, form);
  const FitReport wanted = fit(streams.cpu, records, cpu), got = fit(streams.gpu, on_gpu, gpu);
  ASSERT_TRUE(wanted.ends && got.ends);
  EXPECT_EQ(got.ends->num_ended, wanted.ends->num_ended);
  EXPECT_GT(wanted.ends->num_ended, 2);
  EXPECT_NEAR(gpu.end_threshold, cpu.end_threshold, 1e-2 * std::abs(cpu.end_threshold) + 1e-3);
  EXPECT_NE(cpu.end_threshold, 0.5f);
  EXPECT_NEAR(got.train_loss, wanted.train_loss, 1e-3 * std::abs(wanted.train_loss) + 1e-3);
  EXPECT_EQ(got.elites, wanted.elites);
}

}  // namespace
}  // namespace mbrl
