// Tests for base/free_name.h and base/data_folders.h: what a program adds to what is known.
#include "base/free_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/data_folders.h"
#include "base/error.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

TEST(FreeNameTest, AWordOfSmallLettersIsOne) {
  for (const char* name : {"a", "z9", "my_robot", "a_", "az09_"})
    EXPECT_NO_THROW(require_free_name("add", "a robot", name, {"ant"})) << name;
}

TEST(FreeNameTest, OtherCharactersAreRefused) {
  for (const char* name :
       {"", "_a", "9a", "Ant", "my robot", "a-b", "a/b", "a\n", "a{", "a`", "\xc3\xa4"})
    EXPECT_THAT([&] { require_free_name("add", "a robot", name, {}); },
                testing::ThrowsMessage<ConfigError>(testing::AllOf(
                    testing::StartsWith("add: \""), testing::HasSubstr("no name for a robot"),
                    testing::HasSubstr("such as my_robot"))))
        << name;
}

TEST(FreeNameTest, ANameThatIsTakenIsRefused) {
  EXPECT_THAT(
      [] {
        require_free_name("add", "a robot", "ant", {"bee", "ant"});
      },
      testing::ThrowsMessage<ConfigError>(
          "add: there is a robot ant already. Choose another name."));
}

TEST(DataFoldersTest, TheProgramsOwnComesBeforeWhatIsAdded) {
  const std::size_t before = data_folders().size();
  ASSERT_EQ(before, 1u);
  EXPECT_EQ(data_folders()[0],
            std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() /
                "share/mbrl_gpu");
  add_data_folder("/first");
  add_data_folder("/second");
  EXPECT_THAT(data_folders(), testing::SizeIs(3));
  EXPECT_EQ(data_folders()[1], "/first");
  EXPECT_EQ(data_folders()[2], "/second");
}

}  // namespace
}  // namespace mbrl
