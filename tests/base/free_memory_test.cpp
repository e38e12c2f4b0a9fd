// Tests for base/free_memory.{h,cpp}: the files of the kernel and of control groups as they are.
#include "base/free_memory.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

constexpr std::size_t kMib = 1024 * 1024;

class FreeMemoryTest : public testing::Test {
 protected:
  void put(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((folder_.path() / file).parent_path());
    std::ofstream(folder_.path() / file) << text;
  }
  // 1000 MiB available and 24 MiB of swap
  void put_machine() const {
    put("proc/meminfo",
        "MemTotal:        2048000 kB\nMemFree:          100000 kB\nMemAvailable:    1024000 kB\n"
        "HugePages_Total:       0\nSwapTotal:         40960 kB\nSwapFree:          24576 kB\n");
  }
  std::size_t free() const { return free_memory(folder_.path()); }
  TemporaryDirectory folder_;
};

TEST_F(FreeMemoryTest, IsWhatIsAvailableAndSwap) {
  put_machine();
  EXPECT_EQ(free(), 1024 * kMib);
  EXPECT_EQ(memory_line("MemTotal", folder_.path()), 2000 * kMib);
  EXPECT_EQ(memory_line("Nothing", folder_.path()), 0u);
}

TEST_F(FreeMemoryTest, IsNoLimitWhereNothingIsKnown) {
  EXPECT_EQ(free(), std::numeric_limits<std::size_t>::max());
}

TEST_F(FreeMemoryTest, AContainersLimitCountsLessWhatItUsesButForFilesItWouldDrop) {
  put_machine();
  put("proc/self/cgroup", "0::/\n");
  put("sys/fs/cgroup/memory.max", "524288000\n");      // 500 MiB
  put("sys/fs/cgroup/memory.current", "314572800\n");  // 300 MiB
  EXPECT_EQ(free(), 200 * kMib);
  put("sys/fs/cgroup/memory.stat", "anon 209715200\ninactive_file 104857600\n");
  EXPECT_EQ(free(), 300 * kMib);
  put("sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(free(), 1024 * kMib);
}

TEST_F(FreeMemoryTest, TheLeastOfAllGroupsAboveCounts) {
  put_machine();
  put("proc/self/cgroup", "0::/slurm/job_7\n");
  put("sys/fs/cgroup/slurm/job_7/memory.max", "838860800\n");  // 800 MiB
  put("sys/fs/cgroup/slurm/job_7/memory.current", "0\n");
  put("sys/fs/cgroup/slurm/memory.max", "943718400\n");  // 900 MiB
  put("sys/fs/cgroup/slurm/memory.current", "314572800\n");
  EXPECT_EQ(free(), 600 * kMib);
}

TEST_F(FreeMemoryTest, Version1HasALimitAndAUsageAndALargeNumberForNone) {
  put_machine();
  put("proc/self/cgroup", "5:memory:/docker/ab\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n");
  put("sys/fs/cgroup/memory/memory.usage_in_bytes", "125829120\n");  // over it
  EXPECT_EQ(free(), 0u);
  put("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 41943040\n");
  EXPECT_EQ(free(), 20 * kMib);
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(free(), 1024 * kMib);
}

}  // namespace
}  // namespace mbrl
