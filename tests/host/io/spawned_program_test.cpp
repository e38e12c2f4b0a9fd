// Tests for host/io/spawned_program.{h,cpp}.
#include "host/io/spawned_program.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "base/error.h"

namespace mbrl {
namespace {

std::size_t open_descriptors() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    count += entry.path().empty() ? 0 : 1;
  return count;
}

TEST(SpawnedProgramTest, ReadsAndWritesFilesInMemory) {
  MemoryFile in, out, error;
  in.write("first\n");
  SpawnedProgram program("/bin/sh", {"-c", "read line; echo got $line; echo wrong >&2; exit 5"},
                         in.fd(), out.fd(), error.fd());
  EXPECT_GT(program.pid(), 0);
  const int status = program.wait();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 5);
  EXPECT_EQ(program.wait(), status) << "it has been waited for";
  EXPECT_EQ(out.read(), "got first\n");
  EXPECT_EQ(out.read(3), "got");
  EXPECT_EQ(error.read(), "wrong\n");
}

TEST(SpawnedProgramTest, APipeEndsWhereItsWriterIsClosed) {
  MemoryFile out;
  Pipe pipe;
  SpawnedProgram program("/bin/cat", {}, pipe.read.get(), out.fd(), -1);
  ASSERT_EQ(write(pipe.write.get(), "text", 4), 4);
  pipe.write.close();
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(out.read(), "text");
}

TEST(SpawnedProgramTest, OneThatCannotStartLeavesNoDescriptorOpen) {
  const std::size_t before = open_descriptors();
  const auto start = [] {
    MemoryFile out;
    Pipe pipe;
    SpawnedProgram program("/no/such/program", {}, pipe.read.get(), out.fd(), -1);
  };
  EXPECT_THROW(start(), DataError);
  EXPECT_EQ(open_descriptors(), before);
}

TEST(SpawnedProgramTest, ADescriptorHasOneOwner) {
  const std::size_t before = open_descriptors();
  {
    Pipe pipe;
    Descriptor moved = std::move(pipe.read);
    EXPECT_EQ(pipe.read.get(), -1);
    EXPECT_GE(moved.get(), 0);
    pipe.write = std::move(moved);  // its old one goes with `moved`
    EXPECT_EQ(open_descriptors(), before + 2);
  }
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace mbrl
