// Tests for host/config/search_methods.h.
#include "host/config/search_methods.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/config/fields.h"

namespace mbrl {
namespace {

using testing::ElementsAre;

std::vector<std::string> names_with(bool SearchMethod::*property) {
  std::vector<std::string> names;
  for (const SearchMethod& method : kSearchMethods)
    if (method.*property) names.emplace_back(method.name);
  return names;
}

TEST(SearchMethodsTest, TheTableSaysWhatEachMethodIs) {
  EXPECT_THAT(names_with(&SearchMethod::is_population), ElementsAre("pbt", "pbt_bt", "mf_pbt"));
  EXPECT_THAT(names_with(&SearchMethod::is_fixed_ahead), ElementsAre("random", "grid"));
  EXPECT_THAT(names_with(&SearchMethod::looks_back), ElementsAre("pbt_bt"));
  EXPECT_THAT(names_with(&SearchMethod::has_parts), ElementsAre("mf_pbt"));
}

TEST(SearchMethodsTest, TheKeyTakesTheMethodsOfTheTable) {
  EXPECT_THAT(search_method_names(),
              ElementsAre("random", "grid", "hyperband", "pbt", "pbt_bt", "mf_pbt"));
  EXPECT_EQ(find_field("tune.method")->choices, search_method_names());
}

// a name that merely has another in it is not that other
TEST(SearchMethodsTest, ANameThatIsNotThereIsNothingInParticular) {
  for (const char* name : {"", "pb2", "xpbt", "pbt2", "random,pbt"}) {
    const SearchMethod method = search_method(name);
    EXPECT_EQ(method.name, name);
    EXPECT_FALSE(method.is_population || method.is_fixed_ahead || method.looks_back ||
                 method.has_parts)
        << name;
  }
}

}  // namespace
}  // namespace mbrl
