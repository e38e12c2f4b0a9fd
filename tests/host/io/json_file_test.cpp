// Tests for host/io/json_file.h: JSON that no program of ours wrote.
#include "host/io/json_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

TEST(JsonFileTest, ReadsWhatIsThere) {
  const TemporaryDirectory folder;
  EXPECT_EQ(read_json(folder.write("a.json", R"({"a": [1, 2]})")).at("a").at(1), 2);
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth), "text").is_array());
}

TEST(JsonFileTest, NestedTooDeepIsRefusedByName) {
  for (const int depth : {kMaxJsonDepth + 2, 100000})
    EXPECT_THAT(error_text<DataError>([&] { parse_json(nested(depth), "state.json"); }),
                HasSubstr("state.json is nested more than 64 levels deep"));
  EXPECT_THAT(error_text<DataError>([&] { parse_json(std::string(100000, '['), "cut.json"); }),
              HasSubstr("cut.json is nested"));
}

TEST(JsonFileTest, EachErrorNamesTheFile) {
  const TemporaryDirectory folder;
  const auto read = [&](const std::string& text) {
    const std::string file = folder.write("x.json", text);
    return error_text<DataError>([&] { read_json(file); });
  };
  EXPECT_THAT(read(""), AllOf(HasSubstr("x.json is not JSON"), HasSubstr("end of input")));
  EXPECT_THAT(read("{\"a\": 1e999}"), AllOf(HasSubstr("x.json"), HasSubstr("1e999")));
  EXPECT_THAT(read(R"({"a\u0000b": 1})"), HasSubstr("x.json holds a name with a NUL character"));
  EXPECT_THAT(read("[\x1b]"), testing::Not(HasSubstr("\x1b")));
  EXPECT_THAT(error_text<DataError>([&] { read_json(folder.path()); }),
              HasSubstr("cannot be read: Is a directory"));
}

TEST(JsonFileTest, ANumberFitsItsTypeAndItsRange) {
  using Json = nlohmann::json;
  const auto error = [](const auto& read) { return error_text<ValueError>(read); };
  EXPECT_EQ(json_number<int>(Json(7), "a"), 7);
  EXPECT_EQ(json_number<double>(Json(7), "a"), 7.0);
  EXPECT_EQ(json_number<std::uint64_t>(Json(std::numeric_limits<std::uint64_t>::max()), "a"),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(error([] { json_number<int>(Json(1.5), "a"); }), "a is 1.5; expected an integer.");
  for (const Json& json : {Json(1e300), Json(std::int64_t{1} << 40), Json(-1), Json("1"),
                           Json(true), Json(nullptr), Json({1}), Json::object()})
    EXPECT_NE(error([&] { json_number<std::uint8_t>(json, "a"); }), "") << json;
  EXPECT_EQ(error([] { json_number<int>(Json(3), "a", 0, 2); }),
            "a is 3; expected an integer from 0 to 2.");
  EXPECT_EQ(error([] { json_number<float>(Json(1e300), "a"); }),
            "a is 1e+300; expected a finite number.");
  EXPECT_EQ(error([] {
              json_numbers<int>(Json({1, 2}), "a", 3);
            }),
            "a is a list of 2; expected a list of 3.");
  EXPECT_EQ(json_numbers<int>(Json({1, 2}), "a", 2), (std::vector<int>{1, 2}));
  EXPECT_EQ(error_text<DataError>(
                [] { using_file("x/y.json", [] { json_number<int>(Json(1.5), "a"); }); }),
            "x/y.json: a is 1.5; expected an integer. Is it damaged, or another's?");
}

TEST(JsonFileTest, ErrorsOfLibrariesBecomeOursWithTheFile) {
  const auto json = nlohmann::json::parse("{}");
  EXPECT_THAT(
      error_text<DataError>([&] { using_file("stages.json", [&] { return json.at("mean"); }); }),
      AllOf(HasSubstr("stages.json is not what this version"), HasSubstr("key 'mean' not found")));
  EXPECT_THAT(error_text<DataError>(
                  [&] { using_file("run", [] { return std::filesystem::file_size("/absent"); }); }),
              HasSubstr("run cannot be used: No such file or directory."));
}

}  // namespace
}  // namespace mbrl
