#include "host/config/schema.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <variant>

#include "host/config/fields.h"
#include "host/config/name_list.h"

namespace mbrl {
namespace {

using Json = nlohmann::ordered_json;

// whole limits without a decimal point
Json limit(double value) {
  if (value == std::floor(value)) return static_cast<long>(value);
  return value;
}

// type, range and choices of one value
void describe(Json& schema, const char* type, const Field& field) {
  schema["type"] = type;
  const Range& range = field.range;
  if (std::isfinite(range.low))
    schema[range.low_open ? "exclusiveMinimum" : "minimum"] = limit(range.low);
  if (std::isfinite(range.high))
    schema[range.high_open ? "exclusiveMaximum" : "maximum"] = limit(range.high);
  if (!field.choices.empty()) schema["enum"] = field.choices;
}

void describe_list(Json& schema, const char* type, const Field& field) {
  schema["type"] = "array";
  describe(schema["items"], type, field);
  schema["minItems"] = field.num_items > 0 ? field.num_items : may_be_empty(field) ? 0 : 1;
  if (field.num_items > 0) schema["maxItems"] = field.num_items;
}

Json field_schema(const Field& field) {
  struct Describe {
    Json& schema;
    const Field& field;
    void operator()(bool*) { describe(schema, "boolean", field); }
    void operator()(int*) { describe(schema, "integer", field); }
    void operator()(float*) { describe(schema, "number", field); }
    void operator()(double*) { describe(schema, "number", field); }
    void operator()(std::string*) {
      if (!takes_several(field)) return describe(schema, "string", field);
      // names between commas are for command lines, and what a run saves
      Json one, list;
      describe(one, "string", field);
      describe_list(list, "string", field);
      schema["anyOf"] = {one, list, {{"type", "string"}, {"pattern", ","}}};
    }
    void operator()(std::vector<int>*) { describe_list(schema, "integer", field); }
    void operator()(std::vector<float>*) { describe_list(schema, "number", field); }
    void operator()(std::vector<std::string>*) { describe_list(schema, "string", field); }
    void operator()(SearchSpace*) {
      schema["type"] = "object";
      Json& entry = schema["additionalProperties"];
      entry["type"] = "object";
      for (const char* end : {"low", "high"}) entry["properties"][end]["type"] = "number";
      for (const char* flag : {"log", "int"}) entry["properties"][flag]["type"] = "boolean";
      entry["properties"]["choices"] = {{"type", "array"}, {"minItems", 2}};
      entry["additionalProperties"] = false;
    }
  };
  Config config;
  Json schema;
  schema["description"] = field.unit.empty() ? field.doc : field.doc + " [" + field.unit + "]";
  std::visit(Describe{schema, field}, field.slot(config));
  schema["default"] = field_value(config, field);
  return schema;
}

}  // namespace

Json config_schema() {
  Json schema;
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = "mbrl_gpu config";
  schema["type"] = "object";
  schema["properties"]["$schema"]["type"] = "string";
  schema["properties"]["extends"] = {
      {"description",
       "config whose values stand where this file has none: the name of a shipped one, or the path "
       "of a file from this file's folder"},
      {"type", "string"},
      {"minLength", 1}};
  for (const Field& field : fields()) {
    Json* place = &schema["properties"];
    if (!field.section.empty()) {
      Json& section = (*place)[field.section];
      section["type"] = "object";
      section["additionalProperties"] = false;
      place = &section["properties"];
    }
    (*place)[field.key] = field_schema(field);
  }
  schema["additionalProperties"] = false;
  return schema;
}

}  // namespace mbrl
