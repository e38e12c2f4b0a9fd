// Tests for base/cpu_quota.{h,cpp}: the files of control groups as kernels write them.
#include "base/cpu_quota.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

class CpuQuotaTest : public testing::Test {
 protected:
  void put(const std::string& file, const std::string& text) const {
    fs::create_directories((folder_.path() / file).parent_path());
    write_text(folder_.path() / file, text);
  }
  std::optional<double> quota() const { return cpu_quota(folder_.path()); }

 private:
  TemporaryDirectory folder_;
};

TEST_F(CpuQuotaTest, AMachineWithoutGroupsHasNone) { EXPECT_EQ(quota(), std::nullopt); }

TEST_F(CpuQuotaTest, Version2IsTheContainersOwnGroupSeenAsTheMount) {
  put("proc/self/cgroup", "0::/\n");
  put("sys/fs/cgroup/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota(), 1.5);
  put("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(CpuQuotaTest, Version2TakesTheLeastOfAllGroupsAbove) {
  put("proc/self/cgroup", "0::/slurm/job_7/step_0\n");
  put("sys/fs/cgroup/slurm/job_7/step_0/cpu.max", "max 100000\n");
  put("sys/fs/cgroup/slurm/job_7/cpu.max", "200000 100000\n");
  put("sys/fs/cgroup/slurm/cpu.max", "3200000 100000\n");
  EXPECT_EQ(quota(), 2.0);
}

TEST_F(CpuQuotaTest, Version1HasAQuotaAndAPeriod) {
  put("proc/self/cgroup",
      "12:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n3:cpuset:/docker/ab\n0::/docker/ab\n");
  // the container sees its own group as the mount, and the path from outside
  put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
  put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), 0.5);
  put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(quota(), std::nullopt);
  put("sys/fs/cgroup/cpu/docker/ab/cpu.cfs_quota_us", "400000\n");
  put("sys/fs/cgroup/cpu/docker/ab/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), 4.0);
}

TEST_F(CpuQuotaTest, LinesThatAreNoneAreLeftOut) {
  put("proc/self/cgroup", "\nnonsense\n0::\n1:cpuacct:/a\n");
  put("sys/fs/cgroup/cpu.max", "nonsense\n");
  EXPECT_EQ(quota(), std::nullopt);
}

}  // namespace
}  // namespace mbrl
