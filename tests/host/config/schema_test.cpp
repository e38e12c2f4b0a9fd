// Tests for host/config/schema.{h,cpp}.
#include "host/config/schema.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "host/config/fields.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;

TEST(SchemaTest, HoldsEveryKeyWithItsDefaultAndDescription) {
  const Json schema = config_schema();
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  for (const Field& field : fields()) {
    const Json& section = field.section.empty() ? schema : schema["properties"][field.section];
    ASSERT_TRUE(section["properties"].contains(field.key)) << field.path();
    const Json& entry = section["properties"][field.key];
    EXPECT_EQ(entry["default"], field_value(Config{}, field)) << field.path();
    EXPECT_FALSE(entry["description"].get<std::string>().empty()) << field.path();
  }
}

TEST(SchemaTest, RefusesUnknownKeysEverywhere) {
  const Json schema = config_schema();
  EXPECT_EQ(schema["additionalProperties"], false);
  for (const std::string& section : sections()) {
    EXPECT_EQ(schema["properties"][section]["additionalProperties"], false) << section;
  }
}

TEST(SchemaTest, KnowsWhatAFileExtends) {
  const Json extends = config_schema()["properties"]["extends"];
  EXPECT_EQ(extends["type"], "string");
  EXPECT_FALSE(extends["description"].get<std::string>().empty());
}

TEST(SchemaTest, CarriesRangesChoicesAndLengths) {
  const Json sections = config_schema()["properties"];
  const Json ratio = sections["loop"]["properties"]["real_ratio"];
  EXPECT_EQ(ratio["type"], "number");
  EXPECT_EQ(ratio["minimum"], 0);
  EXPECT_EQ(ratio["maximum"], 1);
  EXPECT_EQ(sections["sac"]["properties"]["tau"]["exclusiveMinimum"], 0);
  EXPECT_EQ(sections["sac"]["properties"]["update_order"]["enum"],
            Json({"sequential", "simultaneous"}));

  // one name, a list of them, or names between commas
  const Json method = sections["tune"]["properties"]["method"]["anyOf"];
  EXPECT_EQ(method[0]["enum"][0], "random");
  EXPECT_EQ(method[1]["items"]["enum"][0], "random");
  EXPECT_EQ(method[2]["type"], "string");

  const Json schedule = sections["rollout"]["properties"]["schedule"];
  EXPECT_EQ(schedule["type"], "array");
  EXPECT_EQ(schedule["items"]["type"], "number");
  EXPECT_EQ(schedule["minItems"], 4);
  EXPECT_EQ(schedule["maxItems"], 4);
}

}  // namespace
}  // namespace mbrl
