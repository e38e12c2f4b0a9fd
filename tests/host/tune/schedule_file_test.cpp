// Tests for host/tune/schedule_file.{h,cpp}: what is written reads back; each way to be wrong has a text.
#include "host/tune/schedule_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

class ScheduleFileTest : public testing::Test {
 protected:
  ScheduleFile read(const std::string& text) {
    folder_.write("s.json", text);
    return read_schedule(folder_.path() / "s.json");
  }
  template <typename E>
  std::string error(const std::string& text) {
    return error_text<E>([&] { read(text); });
  }
  // a schedule of two points, the second as given
  static std::string with(const std::string& second, const std::string& rest = "") {
    return R"({"mbrl_gpu_schedule": 1, "algorithm": "sac", "unit": "steps",)" + rest +
           R"( "points": [{"at": 0, "values": {"sac.learning_rate": 0.001}}, )" + second + "]}";
  }
  TemporaryDirectory folder_;
};

TEST_F(ScheduleFileTest, WhatIsWrittenReadsBack) {
  const ScheduleFile schedule{
      .algorithm = "pets",
      .unit = "trials",
      .end = 82,
      .points = {
          {0, {{"model.learning_rate", 0.1}, {"model.epochs", 5}, {"model.weight_decay", 1e-5}}},
          {7, {{"planner.method", "icem"}}}}};
  EXPECT_EQ(read(schedule_text(schedule)), schedule);
  // a key's former name is today's, and there is a length only where one was written
  EXPECT_EQ(read(with(R"({"at": 5, "values": {}})")).end, 0);
}

TEST_F(ScheduleFileTest, EachWayToBeWrongHasItsText) {
  EXPECT_THAT(error<DataError>("[]"), HasSubstr("s.json is no schedule"));
  EXPECT_THAT(error<DataError>("{\"mbrl_gpu_sch"), HasSubstr("is not JSON"));
  EXPECT_THAT(error<DataError>(R"({"mbrl_gpu_schedule": 2})"), HasSubstr("version 2"));
  EXPECT_THAT(error<ConfigError>(with(R"({"at": 5, "values": {"sac.tau": 0.1, "sac.tau": 0.2}})")),
              HasSubstr("s.json: sac.tau appears twice; keep one of them."));
  EXPECT_THAT(error<ConfigError>(with(R"({"at": 5, "values": {}}], "points": [)")),
              HasSubstr("s.json: points appears twice"));
  EXPECT_THAT(error<ConfigError>(with(R"({"at": 5, "value": {}})")), HasSubstr("points[1] is no"));
  EXPECT_THAT(error<ConfigError>(with(R"({"at": 5, "values": {}, "to": 3})")),
              HasSubstr("points[1] has to, which is unknown"));
  EXPECT_THAT(error<ConfigError>(with(R"({"at": 0, "values": {}})")),
              HasSubstr("points[1] is at 0, and the one before it at 0; put them in order"));
  EXPECT_THAT(error<ConfigError>(with(R"({"at": 9, "values": {}})", "\"end\": 9,")),
              HasSubstr("end is 9, and the last point is at 9"));
  EXPECT_THAT(error<ConfigError>(with(R"({"at": 9, "values": {}})", "\"ende\": 9,")),
              HasSubstr("has ende, which is unknown. Did you mean end?"));
  EXPECT_THAT(error<DataError>(with(R"({"at": 1.5, "values": {}})")),
              HasSubstr("points[1].at is 1.5"));
  EXPECT_THAT(error<ConfigError>(with(R"({"at": 9, "values": {"sac.learning_rat": 1}})")),
              HasSubstr("points[1]: sac.learning_rat is unknown. Did you mean sac.learning_rate?"));
  EXPECT_THAT(error<ConfigError>(with(R"({"at": 9, "values": {"sac.batch_size": 1}})")),
              HasSubstr("points[1]: sac.batch_size cannot change between two steps of a run"));
  EXPECT_THAT(error<ConfigError>(with(R"({"at": 9, "values": {"sac.learning_rate": -1}})")),
              HasSubstr("points[1]: sac.learning_rate is -1; expected a number > 0"));
  EXPECT_THAT(error<ConfigError>(with(R"({"at": 9, "values": {"model.weight_decay": [1, 2]}})")),
              HasSubstr("model.weight_decay has a list; expected one number"));
  EXPECT_THAT(
      error<ConfigError>(
          R"({"mbrl_gpu_schedule": 1, "unit": "hours", "points": [{"at": 0, "values": {}}]})"),
      HasSubstr("unit is hours; expected one of steps, trials"));
  EXPECT_THAT(error<ConfigError>(R"({"mbrl_gpu_schedule": 1, "points": []})"),
              HasSubstr("points is empty"));
  EXPECT_THAT(
      error<ConfigError>(R"({"mbrl_gpu_schedule": 1, "points": [{"at": 3, "values": {}}]})"),
      HasSubstr("points[0] is at 3; expected 0"));
}

TEST(ChangeableTest, AKeyHasToBeReadAndLive) {
  Config sac;
  sac.algorithm = "sac";
  require_changeable(sac, "sac.learning_rate", "x");
  EXPECT_THAT(error_text<ConfigError>([&] { require_changeable(sac, "model.epochs", "x"); }),
              HasSubstr("x: model.epochs is not read by this run: algorithm sac"));
  EXPECT_THAT(error_text<ConfigError>([&] { require_changeable(sac, "sac.hidden_sizes", "x"); }),
              HasSubstr("x: sac.hidden_sizes cannot change"));
}

TEST(AsNumberTest, AChoiceIsItsPlace) {
  EXPECT_EQ(as_number(*find_field("planner.method"), "mppi"), 2.0);
  EXPECT_EQ(as_number(*find_field("model.epochs"), 7), 7.0);
}

}  // namespace
}  // namespace mbrl
