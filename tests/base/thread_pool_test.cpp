// Tests for base/thread_pool.{h,cpp}.
#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/error.h"

namespace mbrl {
namespace {

class ThreadPoolTest : public testing::TestWithParam<int> {
 protected:
  ThreadPool pool_{GetParam()};
};

TEST_P(ThreadPoolTest, RunsEveryTaskOnce) {
  for (const int num_tasks : {1, 2, 3, 7, 64, 1000}) {
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(num_tasks));
    pool_.parallel_for(num_tasks, [&](int i) { ++runs[static_cast<std::size_t>(i)]; });
    for (int i = 0; i < num_tasks; ++i) EXPECT_EQ(runs[static_cast<std::size_t>(i)], 1) << i;
  }
}

TEST_P(ThreadPoolTest, RunsNothingForNoTasks) {
  pool_.parallel_for(0, [](int) { FAIL(); });
  pool_.parallel_for(-1, [](int) { FAIL(); });
}

TEST_P(ThreadPoolTest, ReturnsAfterTheLastTaskHasFinished) {
  // many short batches: a worker that leaves late would write into the next one
  std::vector<int> data(16);
  for (int batch = 0; batch < 2000; ++batch) {
    pool_.parallel_for(16, [&](int i) { data[static_cast<std::size_t>(i)] += i; });
    ASSERT_EQ(std::accumulate(data.begin(), data.end(), 0), 120 * (batch + 1));
  }
}

TEST_P(ThreadPoolTest, WakesAfterALongPause) {
  std::atomic<int> runs{0};
  pool_.parallel_for(8, [&](int) { ++runs; });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  pool_.parallel_for(8, [&](int) { ++runs; });
  EXPECT_EQ(runs, 16);
}

TEST_P(ThreadPoolTest, WaitsForASlowTask) {
  std::atomic<int> runs{0};
  pool_.parallel_for(4, [&](int i) {
    if (i == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ++runs;
  });
  EXPECT_EQ(runs, 4);
}

TEST_P(ThreadPoolTest, RethrowsAndGoesOnWorking) {
  std::atomic<int> runs{0};
  std::string text;
  try {
    pool_.parallel_for(50, [&](int i) {
      ++runs;
      if (i == 20) throw std::runtime_error("task 20");
    });
  } catch (const std::runtime_error& error) {
    text = error.what();
  }
  EXPECT_EQ(text, "task 20");
  EXPECT_EQ(runs, 50);  // the other tasks are not left half done

  runs = 0;
  pool_.parallel_for(50, [&](int) { ++runs; });
  EXPECT_EQ(runs, 50);
}

TEST_P(ThreadPoolTest, KeepsOneOfSeveralExceptions) {
  EXPECT_THROW(pool_.parallel_for(30, [](int i) { throw i; }), int);
  pool_.parallel_for(30, [](int) {});  // nothing left over
}

TEST_P(ThreadPoolTest, ThreadIndicesStayBelowTheNumberOfThreads) {
  EXPECT_EQ(pool_.num_threads(), GetParam());
  EXPECT_EQ(ThreadPool::thread_index(), 0);
  std::vector<int> index(200, -1);
  pool_.parallel_for(
      200, [&](int i) { index[static_cast<std::size_t>(i)] = ThreadPool::thread_index(); });
  for (const int i : index) {
    EXPECT_GE(i, 0);
    EXPECT_LT(i, GetParam());
  }
}

TEST_P(ThreadPoolTest, FlushesDenormalsInEveryThread) {
  std::vector<float> results(64, 1.0f);
  pool_.parallel_for(64, [&](int i) {
    volatile float tiny = std::numeric_limits<float>::min();
    results[static_cast<std::size_t>(i)] = tiny * 0.5f;
  });
  EXPECT_EQ(results, std::vector<float>(64, 0.0f));
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Values(1, 2, 4),
                         testing::PrintToStringParamName());

TEST(ThreadPool, ResultsAreEqualForAnyNumberOfThreads) {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    std::vector<float> partial(100);
    pool.parallel_for(100, [&](int task) {
      float sum = 0.0f;
      for (int i = 0; i < 1000; ++i) sum += std::sin(static_cast<float>(task * 1000 + i));
      partial[static_cast<std::size_t>(task)] = sum;
    });
    results.push_back(partial);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(ThreadPool, TwoPoolsWorkSideBySide) {
  // learners of a population own a pool each
  std::atomic<int> runs{0};
  const auto learner = [&] {
    ThreadPool pool(2);
    for (int batch = 0; batch < 100; ++batch) pool.parallel_for(10, [&](int) { ++runs; });
  };
  std::thread other(learner);
  learner();
  other.join();
  EXPECT_EQ(runs, 2000);
}

TEST(ThreadPool, ARefusedThreadIsAnErrorWithTheWayOut) {
  // in a child: what is mapped cannot grow, so no thread gets a stack
  const pid_t child = fork();
  if (child == 0) {
    const rlimit no_more{rlim_t{256} << 20, rlim_t{256} << 20};
    setrlimit(RLIMIT_AS, &no_more);
    try {
      const ThreadPool pool(1000);
      _exit(1);
    } catch (const DeviceError& error) {
      const std::string text = error.what();
      _exit(text.find("of 1000 cannot be started: ") != std::string::npos &&
                    text.find("--threads") != std::string::npos
                ? 0
                : 2);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(ThreadPool, SomeCoreIsAvailable) { EXPECT_GE(available_cores(), 1); }

}  // namespace
}  // namespace mbrl
