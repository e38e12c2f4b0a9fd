// Tests for host/algo/metrics.{h,cpp}.
#include "host/algo/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace mbrl {
namespace {

using testing::ElementsAre;

TEST(MetricsTest, RecentMeansAndTheOthersDoNotTouch) {
  Metrics metrics;
  const Metric loss = metrics.declare("loss");
  double now = 5.0;
  metrics.declare("now", [&] { return now; });
  metrics.add(loss, 1.0);
  metrics.add(loss, 3.0);
  EXPECT_THAT(metrics.take_recent(), ElementsAre(2.0, 5.0));
  EXPECT_TRUE(std::isnan(metrics.take_recent()[0])) << "nothing since";
  metrics.add(loss, 8.0);
  now = 6.0;
  EXPECT_THAT(metrics.take(), ElementsAre(4.0, 6.0));
  EXPECT_THAT(metrics.take_recent(), ElementsAre(8.0, 6.0));
  EXPECT_TRUE(std::isnan(metrics.take()[0]));
}

TEST(MetricsTest, ACheckpointOfAnEarlierVersionBeginsTheRecentMeansAnew) {
  const auto make = [] {
    Metrics metrics;
    metrics.declare("loss");
    return metrics;
  };
  Metrics before = make();
  before.add({0}, 4.0);
  StateWriter writer;
  before.visit(writer);
  const auto read = [&](const nlohmann::json& state) {
    Metrics after = make();
    StateReader reader(state, [](Archive::File, const TensorRef&) {});
    after.visit(reader);
    return after;
  };
  const nlohmann::json state = nlohmann::json::parse(writer.state.dump());
  EXPECT_THAT(read(state).take_recent(), ElementsAre(4.0));
  nlohmann::json earlier = state;
  earlier["metrics"].erase("recent_sum");
  earlier["metrics"].erase("recent_count");
  Metrics after = read(earlier);
  EXPECT_TRUE(std::isnan(after.take_recent()[0]));
  EXPECT_THAT(after.take(), ElementsAre(4.0));
}

}  // namespace
}  // namespace mbrl
