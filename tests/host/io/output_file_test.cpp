// Tests for host/io/output_file.{h,cpp}.
#include "host/io/output_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

TEST(OutputFileTest, AFullDiskTellsWhatIsNeededAndWhatIsFree) {
  OutputFile file("/dev/full", OutputFile::Mode::kAppend, 3 << 20);
  EXPECT_THAT(
      error_text<DataError>([&] { file.write("x"); }),
      testing::AllOf(
          HasSubstr(
              "/dev/full cannot be written: No space left on device; the file needs 3.00 MiB, "),
          HasSubstr("are free there"), HasSubstr("--runs DIR")));
}

}  // namespace
}  // namespace mbrl
