// Tests for kernels/data/ended.{h,cpp,cu} on every device.
#include "kernels/data/ended.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/devices.h"

namespace mbrl {
namespace {

using EndedTest = DeviceTest<>;

TEST_P(EndedTest, TellsWhichOfTheGivenRecordsEndTheirEpisode) {
  const TransitionLayout layout{3, 2};
  std::vector<float> records(600 * static_cast<std::size_t>(layout.pitch()), 7.0f);
  for (std::size_t i = 0; i < 600; ++i)
    records[i * static_cast<std::size_t>(layout.pitch()) +
            static_cast<std::size_t>(layout.terminated())] = i % 5 == 2 ? 1.0f : 0.0f;
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < 301; ++i) rows.push_back((i * 599) % 600);
  DeviceStream stream(on());
  const Buffer<float> data = copy_to(stream.memory(), records);
  const Buffer<std::uint32_t> indices = copy_to(stream.memory(), rows);
  Buffer<float> ended(rows.size(), -1.0f, stream.memory());
  const TransitionsView view{data.data(), layout, 600};
  gather_ended(stream, view, {indices.data(), indices.size()}, {ended.data(), ended.size()});
  const std::vector<float> got = to_host(ended);
  for (std::size_t i = 0; i < rows.size(); ++i)
    EXPECT_EQ(got[i], rows[i] % 5 == 2 ? 1.0f : 0.0f) << i;
  EXPECT_THROW(gather_ended(stream, view, {indices.data(), 3}, {ended.data(), 4}), ShapeError);
}

INSTANTIATE_TEST_SUITE_P(Devices, EndedTest, testing::ValuesIn(available_devices()), ParamName());

}  // namespace
}  // namespace mbrl
