// Tests for cuda/emulator/emulator.{h,cpp}.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "cuda/kernel.cuh"

namespace mbrl::gpu {
namespace {

using emulator::Schedule;
using emulator::set_schedule;
using testing::Each;
using testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNan = std::bit_cast<float>(0x7fc12345u);

/// Every test runs under the three schedules.
class EmulatorTest : public testing::TestWithParam<Schedule> {
 protected:
  void SetUp() override { set_schedule(GetParam()); }
  void TearDown() override { set_schedule(Schedule::kShuffled); }

  ThreadPool pool_{1};
  Stream stream_{pool_};
};

std::string name_of(const testing::TestParamInfo<Schedule>& schedule) {
  const char* names[] = {"InOrder", "Reversed", "Shuffled"};
  return names[static_cast<int>(schedule.param)];
}
INSTANTIATE_TEST_SUITE_P(Schedules, EmulatorTest,
                         testing::Values(Schedule::kInOrder, Schedule::kReversed,
                                         Schedule::kShuffled),
                         name_of);

/// The text of the std::logic_error or DeviceError that `call` throws.
template <typename Expected, typename Call>
std::string text_of_error(Call&& call) {
  try {
    call();
  } catch (const Expected& error) {
    return error.what();
  }
  return "(nothing was thrown)";
}

// --- launches ------------------------------------------------------------------------------------

__global__ void __launch_bounds__(1024) count_visits(int* visits, int* wrong) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  ++visits[block * blockDim.x + threadIdx.x];
  if (threadIdx.y != 0 || threadIdx.z != 0 || blockDim.y != 1 || blockDim.z != 1) ++*wrong;
  if (blockIdx.x >= gridDim.x || blockIdx.y >= gridDim.y || blockIdx.z >= gridDim.z) ++*wrong;
  if (threadIdx.x >= blockDim.x) ++*wrong;
}

TEST_P(EmulatorTest, EveryThreadOfEveryBlockRunsOnce) {
  for (const int threads : {1, 31, 32, 33, 100, 256, 1024}) {
    const dim3 grid(5, 3, 2);
    std::vector<int> visits(30 * threads);
    int wrong = 0;
    launch(stream_, "count_visits", count_visits, {grid, threads}, visits.data(), &wrong);
    EXPECT_THAT(visits, Each(1)) << threads << " threads";
    EXPECT_EQ(wrong, 0);
  }
}

TEST_P(EmulatorTest, APlainNumberIsAGridOfOneAxis) {
  std::vector<int> visits(7 * 64);
  int wrong = 0;
  launch(stream_, "count_visits", count_visits, {7, 64}, visits.data(), &wrong);
  EXPECT_THAT(visits, Each(1));
}

__global__ void write_index_after_barriers(unsigned* index) {
  for (int i = 0; i < 3; ++i) {
    sync_block();
    ballot(true);
  }
  index[blockIdx.x * blockDim.x + threadIdx.x] = threadIdx.x;
}

TEST_P(EmulatorTest, IndexVariablesAreRightAfterBarriers) {
  std::vector<unsigned> index(4 * 96), expected(index.size());
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = i % 96;
  launch(stream_, "write_index", write_index_after_barriers, {4, 96}, index.data());
  EXPECT_EQ(index, expected);
}

struct Pair {
  double value;
  float weight;
};
__global__ void take_arguments(Pair pair, const float* from, long count, double* to) {
  pair.value += threadIdx.x;  // each thread has its own copy
  to[threadIdx.x] = pair.value * pair.weight + from[0] + static_cast<double>(count);
}

TEST_P(EmulatorTest, ArgumentsAreConvertedAndCopiedForEachThread) {
  std::vector<double> to(3);
  float from = 0.5f;
  launch(stream_, "take_arguments", take_arguments, {1, 3}, Pair{10.0, 2.0f}, &from, 100,
         to.data());
  EXPECT_EQ(to, (std::vector<double>{120.5, 122.5, 124.5}));
}

TEST(LaunchTest, RefusesShapesThatNoGpuTakes) {
  ThreadPool pool(1);
  Stream stream(pool);
  int visits = 0, wrong = 0;
  const auto text = [&](const LaunchShape& shape) {
    return text_of_error<DeviceError>(
        [&] { launch(stream, "wide", count_visits, shape, &visits, &wrong); });
  };
  EXPECT_EQ(text({1, 1025}),
            "launch of wide: 1025 threads per block were asked for; a block has 1 to 1024.");
  EXPECT_THAT(text({1, 0}), HasSubstr("0 threads per block"));
  EXPECT_THAT(text({1, -1}), HasSubstr("-1 threads per block"));
  EXPECT_THAT(text({dim3(1, 0), 32}), HasSubstr("a grid of 1 x 0 x 1 blocks was asked for"));
  EXPECT_THAT(text({dim3(1, 65536), 32}), HasSubstr("a grid of 1 x 65536 x 1 blocks"));
  EXPECT_THAT(text({1, 32, 232449}),
              HasSubstr("kernel wide needs 227.0 KiB of shared memory per block"));
  EXPECT_EQ(visits, 0);

  emulator::set_shared_limit(65536);
  EXPECT_THAT(text({1, 32, 65552}), HasSubstr("this GPU has 64.0 KiB"));
  emulator::set_shared_limit(227 * 1024);
}

// --- shared memory and barriers ------------------------------------------------------------------

__global__ void count_nan(int num_floats, int* num_nan) {
  const float* shared = shared_floats();
  for (int i = threadIdx.x; i < num_floats; i += blockDim.x) {
    num_nan[blockIdx.x * num_floats + i] = std::isnan(shared[i]);
    shared_floats()[i] = 1.0f;
  }
}

TEST_P(EmulatorTest, SharedMemoryOfEveryBlockStartsAsNan) {
  std::vector<int> num_nan(3 * 50);
  launch(stream_, "count_nan", count_nan, {3, 32, 50 * sizeof(float)}, 50, num_nan.data());
  EXPECT_THAT(num_nan, Each(1));
}

__global__ void address_of_shared(std::uintptr_t* address) {
  *address = reinterpret_cast<std::uintptr_t>(shared_floats());
}

TEST_P(EmulatorTest, SharedMemoryIsAligned) {
  std::uintptr_t address = 1;
  launch(stream_, "address_of_shared", address_of_shared, {1, 1, 20}, &address);
  EXPECT_EQ(address % 16, 0u);
}

__global__ void reverse_block(float* values, bool with_barrier) {
  float* shared = shared_floats();
  float* block = values + blockIdx.x * blockDim.x;
  shared[threadIdx.x] = block[threadIdx.x];
  if (with_barrier) sync_block();
  block[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}

std::vector<float> reversed_blocks(Stream& stream, int blocks, int threads, bool with_barrier) {
  std::vector<float> values(blocks * threads);
  std::iota(values.begin(), values.end(), 0.0f);
  launch(stream, "reverse_block", reverse_block, {dim3(blocks), threads, threads * sizeof(float)},
         values.data(), with_barrier);
  for (int i = 0; i < blocks; ++i)
    std::reverse(values.begin() + i * threads, values.begin() + (i + 1) * threads);
  return values;
}

TEST_P(EmulatorTest, ABlockReversesItselfThroughSharedMemory) {
  for (const int threads : {1, 2, 32, 40, 1024}) {
    std::vector<float> expected(3 * threads);
    std::iota(expected.begin(), expected.end(), 0.0f);
    EXPECT_EQ(reversed_blocks(stream_, 3, threads, true), expected);
  }
}

// these race on purpose, which ThreadSanitizer would report
#if !defined(__SANITIZE_THREAD__)
TEST_P(EmulatorTest, AMissingBarrierShowsAsNan) {
  const std::vector<float> values = reversed_blocks(stream_, 1, 64, false);
  EXPECT_TRUE(std::any_of(values.begin(), values.end(), [](float x) { return std::isnan(x); }));
}

// thread 0 writes what all read; without a barrier this is right only in order
__global__ void broadcast(float* values, bool with_barrier) {
  if (threadIdx.x == 0) shared_floats()[0] = 7.0f;
  if (with_barrier) sync_block();
  values[threadIdx.x] = shared_floats()[0];
}

TEST(ScheduleTest, AMissingBarrierThatInOrderHidesShowsInOtherOrders) {
  ThreadPool pool(1);
  Stream stream(pool);
  const auto num_right = [&](Schedule schedule, std::uint32_t seed) {
    set_schedule(schedule, seed);
    std::vector<float> values(128);
    launch(stream, "broadcast", broadcast, {1, 128, sizeof(float)}, values.data(), false);
    set_schedule(Schedule::kShuffled);
    return std::count(values.begin(), values.end(), 7.0f);
  };
  EXPECT_EQ(num_right(Schedule::kInOrder, 1), 128);
  EXPECT_EQ(num_right(Schedule::kReversed, 1), 1);
  for (std::uint32_t seed = 1; seed < 6; ++seed)
    EXPECT_LT(num_right(Schedule::kShuffled, seed), 128) << "seed " << seed;
}

__global__ void record_order(int* order, int* next) {
  for (int interval = 0; interval < 2; ++interval) {
    order[(*next)++] = threadIdx.x;
    sync_block();
  }
}

TEST(ScheduleTest, TheSeedDecidesTheOrderOfEveryInterval) {
  ThreadPool pool(1);
  Stream stream(pool);
  const auto order_of = [&](Schedule schedule, std::uint32_t seed) {
    set_schedule(schedule, seed);
    std::vector<int> order(2 * 64);
    int next = 0;
    launch(stream, "record_order", record_order, {1, 64}, order.data(), &next);
    set_schedule(Schedule::kShuffled);
    return order;
  };
  const std::vector<int> in_order = order_of(Schedule::kInOrder, 1);
  const std::vector<int> reversed = order_of(Schedule::kReversed, 1);
  for (int i = 0; i < 128; ++i) {
    EXPECT_EQ(in_order[i], i % 64);
    EXPECT_EQ(reversed[i], 63 - i % 64);
  }
  std::vector<int> first = order_of(Schedule::kShuffled, 1);
  EXPECT_EQ(first, order_of(Schedule::kShuffled, 1));
  EXPECT_NE(first, order_of(Schedule::kShuffled, 2));
  EXPECT_FALSE(std::equal(first.begin(), first.begin() + 64, first.begin() + 64));
  std::sort(first.begin(), first.begin() + 64);
  EXPECT_TRUE(std::equal(first.begin(), first.begin() + 64, in_order.begin()));
}
#endif

// tree sum in which threads leave early
__global__ void sum_with_early_return(const float* values, float* sum) {
  float* shared = shared_floats();
  shared[threadIdx.x] = values[threadIdx.x];
  for (unsigned width = blockDim.x / 2; width > 0; width /= 2) {
    sync_block();
    if (threadIdx.x >= width) return;
    shared[threadIdx.x] += shared[threadIdx.x + width];
  }
  *sum = shared[0];
}

TEST_P(EmulatorTest, ABarrierWaitsOnlyForThreadsThatHaveNotReturned) {
  std::vector<float> values(256);
  std::iota(values.begin(), values.end(), 1.0f);
  float sum = 0.0f;
  launch(stream_, "sum", sum_with_early_return, {1, 256, 256 * sizeof(float)}, values.data(), &sum);
  EXPECT_EQ(sum, 256.0f * 257.0f / 2.0f);
}

__global__ void two_barriers(int split) {
  if (static_cast<int>(threadIdx.x) < split)
    sync_block();
  else
    sync_block();
}

TEST_P(EmulatorTest, BarriersOnDifferentLinesAreReported) {
  const std::string text = text_of_error<std::logic_error>([&] {
    launch(stream_, "two_barriers", two_barriers, {dim3(1, 2), 64}, 10);
  });
  EXPECT_THAT(text, HasSubstr("two_barriers: block (0, "));
  EXPECT_THAT(text, HasSubstr("its threads wait at barriers on different lines. Of 64 threads"));
  EXPECT_THAT(text, HasSubstr("10 wait at sync_block ("));
  EXPECT_THAT(text, HasSubstr("emulator_test.cpp:"));
  EXPECT_THAT(text, HasSubstr("the first is thread 10)"));
  EXPECT_THAT(text, HasSubstr("54 wait at sync_block ("));
  EXPECT_THAT(text, HasSubstr("0 have returned."));

  // the fibers are as good as new
  EXPECT_NO_THROW(launch(stream_, "two_barriers", two_barriers, {dim3(1, 2), 64}, 64));
}

// --- warp operations -----------------------------------------------------------------------------

__global__ void sum_by_shuffles(const float* values, float* sums) {
  float sum = values[blockIdx.x * blockDim.x + threadIdx.x];
  for (int mask = 16; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
  float* shared = shared_floats();
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = sum;
  sync_block();
  if (threadIdx.x == 0) {
    float total = 0.0f;
    for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) total += shared[warp];
    sums[blockIdx.x] = total;
  }
}

TEST_P(EmulatorTest, ShufflesSumABlock) {
  for (const int threads : {32, 128, 1024}) {
    std::vector<float> values(2 * threads), sums(2);
    std::iota(values.begin(), values.end(), 0.0f);
    launch(stream_, "sum_by_shuffles", sum_by_shuffles, {2, threads, threads / 32 * sizeof(float)},
           values.data(), sums.data());
    for (int block = 0; block < 2; ++block) {
      const auto first = values.begin() + block * threads;
      EXPECT_EQ(sums[block], std::accumulate(first, first + threads, 0.0f));
    }
  }
}

template <typename T>
__global__ void exchange_lanes(const T* from, T* to, int mask) {
  to[threadIdx.x] = shuffle_xor(from[threadIdx.x], mask);
}

TEST_P(EmulatorTest, ShufflesExchangeLanesOfOneWarp) {
  std::vector<int> integers(64), exchanged(64);
  std::vector<double> doubles(64), exchanged_doubles(64);
  for (int i = 0; i < 64; ++i) doubles[i] = integers[i] = -i;
  for (const int mask : {0, 1, 5, 16, 31}) {
    launch(stream_, "exchange", exchange_lanes<int>, {1, 64}, integers.data(), exchanged.data(),
           mask);
    launch(stream_, "exchange", exchange_lanes<double>, {1, 64}, doubles.data(),
           exchanged_doubles.data(), mask);
    for (int i = 0; i < 64; ++i) {
      EXPECT_EQ(exchanged[i], -(i ^ mask));
      EXPECT_EQ(exchanged_doubles[i], exchanged[i]);
    }
  }
}

__global__ void vote_on_bits(unsigned bits, unsigned* votes) {
  votes[threadIdx.x] = ballot(bits >> threadIdx.x % 32 & 1u);
}

TEST_P(EmulatorTest, BallotHasOneBitPerLane) {
  for (const unsigned bits : {0u, 1u, 0x80000000u, 0xdeadbeefu, 0xffffffffu}) {
    std::vector<unsigned> votes(96);
    launch(stream_, "vote", vote_on_bits, {1, 96}, bits, votes.data());
    EXPECT_THAT(votes, Each(bits));
  }
}

enum class Absence { kReturned, kAtBarrier, kAtAnother, kNeverThere };

__global__ void shuffle_without_all(Absence absence) {
  if (threadIdx.x >= 40) {
    if (absence == Absence::kReturned) return;
    if (absence == Absence::kAtBarrier) sync_block();
    if (absence == Absence::kAtAnother) ballot(true);
  }
  shuffle_xor(1.0f, 1);
  sync_block();
}

TEST_P(EmulatorTest, WarpOperationsThatLackLanesAreReported) {
  const auto text = [&](Absence absence, int threads) {
    return text_of_error<std::logic_error>([&] {
      launch(stream_, "lacking", shuffle_without_all, {1, threads}, absence);
    });
  };
  for (int repeat = 0; repeat < 2; ++repeat) {
    const std::string returned = text(Absence::kReturned, 64);
    EXPECT_THAT(returned, HasSubstr("lacking: block (0, 0, 0) cannot go on: a warp operation lacks "
                                    "lanes. Of 64 threads"));
    EXPECT_THAT(returned, HasSubstr("32 wait at sync_block ("));
    EXPECT_THAT(returned, HasSubstr(" 8 wait at shuffle_xor ("));
    EXPECT_THAT(returned, HasSubstr("24 have returned."));
    EXPECT_THAT(text(Absence::kAtBarrier, 64), HasSubstr("24 wait at sync_block ("));
    EXPECT_THAT(text(Absence::kAtAnother, 64), HasSubstr("24 wait at ballot ("));
    EXPECT_THAT(text(Absence::kNeverThere, 40), HasSubstr("The last warp has only 8 lanes."));
  }
  EXPECT_NO_THROW(launch(stream_, "complete", shuffle_without_all, {1, 64}, Absence::kNeverThere));
}

// --- copies that arrive later --------------------------------------------------------------------

constexpr int kGroups = 3;

// copies of four floats for each thread and group; what is there of group `seen` after a wait for
// all but the last two groups, one, and none
__global__ void copy_groups(const float* from, float* seen, int group, bool there) {
  float* to = shared_floats() + threadIdx.x * 4 * kGroups;
  for (int g = 0; g < kGroups; ++g) {
    start_copy(to + 4 * g, from + 4 * g, there);
    end_group();
  }
  end_group();  // an empty one
  float* out = seen + threadIdx.x * 4;
  out[0] = to[4 * group + 3];
  wait_for_copies<3>();
  out[1] = to[4 * group + 3];
  wait_for_copies<2>();
  out[2] = to[4 * group + 3];
  wait_for_copies<0>();
  out[3] = to[4 * group + 3];
}

TEST_P(EmulatorTest, CopiesAreThereOnceTheirGroupHasBeenWaitedFor) {
  alignas(16) const float from[4 * kGroups] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  for (const bool there : {true, false})
    for (int group = 0; group < kGroups; ++group) {
      std::vector<float> seen(64 * 4, -1.0f);
      launch(stream_, "copy_groups", copy_groups, {1, 64, 64 * 4 * kGroups * sizeof(float)}, from,
             seen.data(), group, there);
      const float wanted = there ? 4.0f * static_cast<float>(group) + 3.0f : 0.0f;
      for (int i = 0; i < 64; ++i) {
        const float* of_thread = seen.data() + 4 * i;
        EXPECT_TRUE(std::isnan(of_thread[0]));
        for (int waits = 1; waits < 4; ++waits) {
          if (waits > group)
            EXPECT_EQ(of_thread[waits], wanted) << "group " << group << ", wait " << waits;
          else
            EXPECT_TRUE(std::isnan(of_thread[waits])) << "group " << group << ", wait " << waits;
        }
      }
    }
}

__global__ void copy_and_leave(const float* from, bool waits, int to, int first) {
  if (threadIdx.x != 5) return;
  start_copy(shared_floats() + to, from + first, true);
  end_group();
  if (waits) wait_for_copies<0>();
}

TEST_P(EmulatorTest, CopiesNobodyWaitsForAndCrookedAddressesAreReported) {
  alignas(16) const float from[8] = {};
  const auto text = [&](bool waits, int to, int first) {
    return text_of_error<std::logic_error>([&] {
      launch(stream_, "copy", copy_and_leave, {1, 32, 8 * sizeof(float)}, from, waits, to, first);
    });
  };
  for (int repeat = 0; repeat < 2; ++repeat) {
    EXPECT_EQ(text(false, 0, 0), "copy: thread 5 returns without waiting for 1 of its copies");
    EXPECT_THAT(text(true, 1, 0), HasSubstr("start_copy: 16 bytes at an address that is no "
                                            "multiple of 16 ("));
    EXPECT_THAT(text(true, 0, 2), HasSubstr("no multiple of 16 ("));
  }
  EXPECT_NO_THROW(
      launch(stream_, "copy", copy_and_leave, {1, 32, 8 * sizeof(float)}, from, true, 4, 4));
}

// four matrices of 8 x 8 side by side in shared memory, rows of 40 values
__global__ void transpose_matrices(std::uint32_t* words, int shift) {
  auto* shared = reinterpret_cast<std::uint16_t*>(shared_floats());
  for (int i = static_cast<int>(threadIdx.x); i < 8 * 40; i += 32)
    shared[i] = static_cast<std::uint16_t>(i);
  sync_block();
  const int lane = static_cast<int>(threadIdx.x);
  std::uint32_t of_lane[4];
  load_transposed(of_lane, shared + lane % 8 * 40 + lane / 8 * 8 + shift);
  // the next operation of the warp finds nothing of this one
  load_transposed(of_lane, shared + lane % 8 * 40 + lane / 8 * 8 + shift);
  for (int m = 0; m < 4; ++m) words[4 * lane + m] = of_lane[m];
}

TEST_P(EmulatorTest, LoadTransposedGivesPairsOfRows) {
  std::vector<std::uint32_t> words(128);
  launch(stream_, "transpose", transpose_matrices, {1, 32, 8 * 40 * 2}, words.data(), 0);
  for (std::uint32_t lane = 0; lane < 32; ++lane)
    for (std::uint32_t m = 0; m < 4; ++m) {
      const std::uint32_t g = lane / 4, t = lane % 4, low = 2 * t * 40 + 8 * m + g;
      EXPECT_EQ(words[4 * lane + m], low | (low + 40) << 16) << "lane " << lane << ", matrix " << m;
    }
  EXPECT_THAT(
      text_of_error<std::logic_error>([&] {
        launch(stream_, "transpose", transpose_matrices, {1, 32, 8 * 40 * 2}, words.data(), 4);
      }),
      HasSubstr("load_transposed: a row at an address that is no multiple of 16 ("));
}

// --- failures inside a body ----------------------------------------------------------------------

__global__ void throw_in_thread(unsigned culprit, std::shared_ptr<int> held) {
  const std::shared_ptr<int> copy = held;
  ballot(true);
  if (threadIdx.x == culprit) throw std::out_of_range("thread " + std::to_string(culprit));
  sync_block();
}

TEST_P(EmulatorTest, AnExceptionLeavesTheLaunchAndUnwindsEveryThread) {
  const auto held = std::make_shared<int>(1);
  for (const unsigned culprit : {0u, 17u, 63u}) {
    const std::string text = text_of_error<std::out_of_range>([&] {
      launch(stream_, "throw_in_thread", throw_in_thread, {3, 64}, culprit, held);
    });
    EXPECT_EQ(text, "thread " + std::to_string(culprit));
    EXPECT_EQ(held.use_count(), 1);
  }
  EXPECT_NO_THROW(launch(stream_, "throw_in_thread", throw_in_thread, {3, 64}, 64u, held));
}

__global__ void launch_again(Stream* stream) {
  int visits = 0, wrong = 0;
  launch(*stream, "inner", count_visits, {1, 1}, &visits, &wrong);
}

TEST_P(EmulatorTest, AKernelMayNotLaunch) {
  EXPECT_THAT(text_of_error<std::logic_error>([&] {
                launch(stream_, "launch_again", launch_again, {1, 1}, &stream_);
              }),
              HasSubstr("launch of inner: it was issued by a kernel"));
}

TEST(EmulatorThreadsTest, SeveralOsThreadsEmulateAtOnce) {
  std::vector<std::vector<float>> results(3);
  std::vector<std::thread> threads;
  for (auto& result : results)
    threads.emplace_back([&result] {
      ThreadPool pool(1);
      Stream stream(pool);
      for (int i = 0; i < 20; ++i) result = reversed_blocks(stream, 8, 128, true);
    });
  for (std::thread& thread : threads) thread.join();
  std::vector<float> expected(8 * 128);
  std::iota(expected.begin(), expected.end(), 0.0f);
  EXPECT_THAT(results, Each(expected));
}

__global__ void halve_until_denormal(float* value) {
  for (int i = 0; i < 130; ++i) *value *= 0.5f;
}

TEST_P(EmulatorTest, DenormalsAreKeptAlsoWhereTheHostFlushesThem) {
  float value = 1.0f;
  std::thread flushing([&] {
    flush_denormals();
    launch(stream_, "halve", halve_until_denormal, {1, 1}, &value);
  });
  flushing.join();
  EXPECT_EQ(std::bit_cast<std::uint32_t>(value), 1u << 19);  // 2^-130
}

// --- conversions ---------------------------------------------------------------------------------

TEST(ConversionTest, Tf32RoundsTiesAwayFromZero) {
  const auto rounded = [](float x) { return std::bit_cast<float>(to_tf32(x)); };
  const float unit = 0x1p-10f;  // of the last bit kept, for values in [1, 2)
  EXPECT_EQ(rounded(1.0f), 1.0f);
  EXPECT_EQ(rounded(1.0f + 0.5f * unit), 1.0f + unit);
  EXPECT_EQ(rounded(-1.0f - 0.5f * unit), -1.0f - unit);
  EXPECT_EQ(rounded(1.0f + 0.5f * unit - 0x1p-23f), 1.0f);
  EXPECT_EQ(rounded(1.0f + 1.5f * unit), 1.0f + 2.0f * unit);
  EXPECT_EQ(rounded(2.0f - 0x1p-23f), 2.0f);
  EXPECT_EQ(rounded(-0.0f), 0.0f);
  EXPECT_EQ(to_tf32(-0.0f), 0x80000000u);
  EXPECT_EQ(rounded(std::numeric_limits<float>::max()), kInfinity);
  EXPECT_EQ(rounded(-kInfinity), -kInfinity);
  EXPECT_EQ(rounded(0x1p-136f), 0x1p-136f);  // the smallest denormal that tf32 has
  EXPECT_EQ(rounded(0x1p-137f), 0x1p-136f);
  EXPECT_EQ(rounded(0x1p-138f), 0.0f);
  EXPECT_EQ(to_tf32(kNan), 0x7fffffffu);
  EXPECT_EQ(to_tf32(-kNan), 0x7fffffffu);
}

TEST(ConversionTest, F16RoundsTiesToEven) {
  const auto low = [](float x) { return pack_f16(x, 0.0f); };
  EXPECT_EQ(pack_f16(1.0f, -2.0f), 0xc0003c00u);
  EXPECT_EQ(low(1.0f + 0x1p-11f), 0x3c00u);
  EXPECT_EQ(low(1.0f + 0x1p-11f + 0x1p-23f), 0x3c01u);
  EXPECT_EQ(low(1.0f + 0x3p-11f), 0x3c02u);
  EXPECT_EQ(low(65504.0f), 0x7bffu);
  EXPECT_EQ(low(65519.996f), 0x7bffu);
  EXPECT_EQ(low(65520.0f), 0x7c00u);  // the tie between 65504 and 65536
  EXPECT_EQ(low(-1e10f), 0xfc00u);
  EXPECT_EQ(low(kInfinity), 0x7c00u);
  EXPECT_EQ(low(0x1p-14f), 0x0400u);
  EXPECT_EQ(low(0x1p-14f - 0x1p-24f), 0x03ffu);
  EXPECT_EQ(low(0x1p-24f), 0x0001u);
  EXPECT_EQ(low(0x3p-25f), 0x0002u);  // 1.5 units
  EXPECT_EQ(low(0x1p-25f), 0x0000u);  // half a unit
  EXPECT_EQ(low(0x1.000002p-25f), 0x0001u);
  EXPECT_EQ(low(-0.0f), 0x8000u);
  EXPECT_EQ(low(-0x1p-149f), 0x8000u);
  EXPECT_EQ(pack_f16(kNan, -kNan), 0x7fff7fffu);
}

TEST(ConversionTest, PairsComeBackLowHalfFirst) {
  const float2 f16 = unpack_f16(pack_f16(0x3p-24f, -2.5f));
  EXPECT_EQ(f16.x, 0x3p-24f);
  EXPECT_EQ(f16.y, -2.5f);
  EXPECT_EQ(unpack_f16(0x7c00u).x, kInfinity);
  const float2 bf16 = unpack_bf16(pack_bf16(-0x3p-133f, 2.5f));
  EXPECT_EQ(bf16.x, -0x3p-133f);
  EXPECT_EQ(bf16.y, 2.5f);
}

TEST(ConversionTest, Bf16RoundsTiesToEven) {
  const auto low = [](float x) { return pack_bf16(x, 0.0f); };
  EXPECT_EQ(pack_bf16(1.0f, -2.0f), 0xc0003f80u);
  EXPECT_EQ(low(1.0f + 0x1p-8f), 0x3f80u);
  EXPECT_EQ(low(1.0f + 0x1p-8f + 0x1p-23f), 0x3f81u);
  EXPECT_EQ(low(1.0f + 0x3p-8f), 0x3f82u);
  EXPECT_EQ(low(2.0f - 0x1p-23f), 0x4000u);
  EXPECT_EQ(low(std::numeric_limits<float>::max()), 0x7f80u);
  EXPECT_EQ(low(0x1.fep127f), 0x7f7fu);
  EXPECT_EQ(low(0x1.fefffep127f), 0x7f7fu);
  EXPECT_EQ(low(-kInfinity), 0xff80u);
  EXPECT_EQ(low(0x1p-133f), 0x0001u);  // the smallest denormal
  EXPECT_EQ(low(0x1p-134f), 0x0000u);
  EXPECT_EQ(low(0x3p-134f), 0x0002u);
  EXPECT_EQ(low(-0.0f), 0x8000u);
  EXPECT_EQ(pack_bf16(kNan, -kNan), 0x7fff7fffu);
}

// --- matrix instructions -------------------------------------------------------------------------

enum class Format { kTf32, kBf16, kF16 };

// `x` as an operand holds it, by arithmetic instead of bits
double rounded_operand(float x, Format format) {
  if (x == 0.0f) return x;
  const int bits = format == Format::kBf16 ? 8 : 11;
  const int least = format == Format::kF16 ? -24 : -133;
  int exponent;
  std::frexp(x, &exponent);
  const double unit = std::ldexp(1.0, std::max(exponent - bits, least));
  // nearbyint takes ties to even, round away from zero
  return (format == Format::kTf32 ? std::round(x / unit) : std::nearbyint(x / unit)) * unit;
}

// c[16 x 8] += a[16 x depth] b[depth x 8] by one warp, fragments as cuda/kernel.cuh lays them out
template <Format kFormat>
__global__ void multiply_tile(float* c, const float* a, const float* b) {
  constexpr int kDepth = kFormat == Format::kTf32 ? 8 : 16;
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  c += threadIdx.x / 32 * 128;
  float sums[4] = {c[g * 8 + 2 * t], c[g * 8 + 2 * t + 1], c[(g + 8) * 8 + 2 * t],
                   c[(g + 8) * 8 + 2 * t + 1]};
  if constexpr (kFormat == Format::kTf32) {
    const std::uint32_t left[4] = {to_tf32(a[g * kDepth + t]), to_tf32(a[(g + 8) * kDepth + t]),
                                   to_tf32(a[g * kDepth + t + 4]),
                                   to_tf32(a[(g + 8) * kDepth + t + 4])};
    const std::uint32_t right[2] = {to_tf32(b[t * 8 + g]), to_tf32(b[(t + 4) * 8 + g])};
    mma_tf32(sums, left, right);
  } else {
    const auto pack = [](float low, float high) {
      return kFormat == Format::kBf16 ? pack_bf16(low, high) : pack_f16(low, high);
    };
    const auto pair_of_row = [&](int row, int k) {
      return pack(a[row * kDepth + k], a[row * kDepth + k + 1]);
    };
    const auto pair_of_column = [&](int k, int column) {
      return pack(b[k * 8 + column], b[(k + 1) * 8 + column]);
    };
    const std::uint32_t left[4] = {pair_of_row(g, 2 * t), pair_of_row(g + 8, 2 * t),
                                   pair_of_row(g, 2 * t + 8), pair_of_row(g + 8, 2 * t + 8)};
    const std::uint32_t right[2] = {pair_of_column(2 * t, g), pair_of_column(2 * t + 8, g)};
    kFormat == Format::kBf16 ? mma_bf16(sums, left, right) : mma_f16(sums, left, right);
  }
  c[g * 8 + 2 * t] = sums[0];
  c[g * 8 + 2 * t + 1] = sums[1];
  c[(g + 8) * 8 + 2 * t] = sums[2];
  c[(g + 8) * 8 + 2 * t + 1] = sums[3];
}

template <Format kFormat>
void expect_products(Stream& stream) {
  constexpr int kDepth = kFormat == Format::kTf32 ? 8 : 16;
  std::uint64_t state = 1;
  const auto random = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<float>(static_cast<std::int32_t>(state >> 32)) * 0x1p-31f;
  };

  // random operands, with a few that no 16-bit type holds exactly
  std::vector<float> a(16 * kDepth), b(kDepth * 8), c(2 * 16 * 8);
  for (auto* values : {&a, &b, &c}) std::generate(values->begin(), values->end(), random);
  a[3] = 0x1.8p-15f + 0x1p-24f;
  b[5] = -0x1.7p-18f;
  const std::vector<float> before = c;
  launch(stream, "multiply_tile", multiply_tile<kFormat>, {1, 64}, c.data(), a.data(), b.data());
  for (int warp = 0; warp < 2; ++warp)
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 8; ++j) {
        double sum = before[warp * 128 + i * 8 + j];
        for (int k = 0; k < kDepth; ++k)
          sum +=
              rounded_operand(a[i * kDepth + k], kFormat) * rounded_operand(b[k * 8 + j], kFormat);
        EXPECT_NEAR(c[warp * 128 + i * 8 + j], sum, 2e-6) << "row " << i << ", column " << j;
      }

  // one product at a time: no position may stand for another
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j)
      for (int k = 0; k < kDepth; ++k) {
        std::fill(a.begin(), a.end(), 0.0f);
        std::fill(b.begin(), b.end(), 0.0f);
        std::vector<float> got(128), expected(128);
        a[i * kDepth + k] = 3.0f;
        b[k * 8 + j] = -0.5f;
        expected[i * 8 + j] = -1.5f;
        launch(stream, "multiply_tile", multiply_tile<kFormat>, {1, 32}, got.data(), a.data(),
               b.data());
        ASSERT_EQ(got, expected) << "row " << i << ", column " << j << ", depth " << k;
      }
}

TEST_P(EmulatorTest, MmaTf32IsTheProductOfRoundedOperands) {
  expect_products<Format::kTf32>(stream_);
}
TEST_P(EmulatorTest, MmaBf16IsTheProductOfRoundedOperands) {
  expect_products<Format::kBf16>(stream_);
}
TEST_P(EmulatorTest, MmaF16IsTheProductOfRoundedOperands) {
  expect_products<Format::kF16>(stream_);
}

__global__ void multiply_raw(float* c, std::uint32_t a_word, std::uint32_t b_word) {
  float sums[4] = {};
  const std::uint32_t a[4] = {a_word, a_word, a_word, a_word}, b[2] = {b_word, b_word};
  mma_tf32(sums, a, b);
  for (int i = 0; i < 4; ++i) c[threadIdx.x * 4 + i] = sums[i];
}

// a GPU ignores the lower bits, which rounds toward zero: a kernel that forgot to round would pass
TEST_P(EmulatorTest, MmaTf32TakesNoOperandThatWasNotRounded) {
  const auto three = std::bit_cast<std::uint32_t>(3.0f), half = std::bit_cast<std::uint32_t>(0.5f);
  std::vector<float> c(128);
  const auto multiply = [&](std::uint32_t a, std::uint32_t b) {
    launch(stream_, "multiply_raw", multiply_raw, {1, 32}, c.data(), a, b);
  };
  multiply(three, half);
  EXPECT_THAT(c, Each(8 * 3.0f * 0.5f));
  multiply(three + 1, half);
  EXPECT_THAT(c, Each(testing::IsNan()));
  multiply(three, half + 0x1000u);
  EXPECT_THAT(c, Each(testing::IsNan()));
}

__global__ void early_kernel(int* sum, int num_waiting) {
  if (static_cast<int>(threadIdx.x) >= num_waiting) return;
  wait_for_earlier();
  fetch_add(sum, 1);
}

TEST_P(EmulatorTest, AnEarlyKernelWaitsWithEveryThread) {
  int sum = 0;
  launch(stream_, "early", early_kernel, {{2, 3, 1}, 64, 0, /*early=*/true}, &sum, 64);
  EXPECT_EQ(sum, 2 * 3 * 64);
  // one that is not early need not
  launch(stream_, "early", early_kernel, {{2, 3, 1}, 64}, &sum, 63);
  EXPECT_EQ(text_of_error<std::logic_error>([&] {
              launch(stream_, "early", early_kernel, {{2, 3, 1}, 64, 0, /*early=*/true}, &sum, 63);
            }),
            "early may start early, and 378 of its 384 threads wait for the kernel before it");
}

}  // namespace
}  // namespace mbrl::gpu
