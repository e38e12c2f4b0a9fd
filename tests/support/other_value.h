// Another legal value of a config key.
#pragma once

#include <string>
#include <vector>

#include "host/config/fields.h"

namespace mbrl {

/// Visits a Slot of the field and changes what it points to.
struct OtherValue {
  const Field& field;
  void operator()(bool* value) const { *value = !*value; }
  void operator()(int* value) const { *value += 1; }
  void operator()(float* value) const {
    *value = *value > 1.0f ? *value + 1.0f : *value * 0.7f + 0.1f;
  }
  void operator()(double* value) const {
    *value = *value > 1.0 ? *value + 1.0 : *value * 0.7 + 0.1;
  }
  void operator()(std::string* value) const {
    *value = field.choices.empty()            ? "other"
             : field.choices.back() == *value ? field.choices.front()
                                              : field.choices.back();
  }
  void operator()(std::vector<int>* value) const { value->push_back(33); }
  void operator()(std::vector<float>* value) const {
    if (value->empty()) return value->push_back(0.3f);
    value->back() += 0.3f;
  }
  void operator()(SearchSpace* value) const {
    value->dimensions.push_back(
        {.key = "sac.learning_rate", .low = 1e-5, .high = 1e-2, .log = true});
  }
  // lists of names hold all of them by default, lists of free texts none
  void operator()(std::vector<std::string>* value) const {
    if (value->empty()) return value->push_back("qpos");
    value->pop_back();
  }
};

}  // namespace mbrl
