// The engine below emulator.h: fibers, their schedule, warp operations and what goes wrong.
//
// One Engine per OS thread keeps up to 1024 fibers, one per thread of a block, from launch to
// launch. A fiber that has to wait jumps straight to the next one that can run; when none can, the
// engine looks at where all of them wait: at one barrier, which opens, or in vain.
#include "cuda/emulator/emulator.h"

#include <immintrin.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <boost/context/detail/fcontext.hpp>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cuda/gpu_errors.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

// ThreadSanitizer takes every fiber for a thread of its own: it watches kernels, and must not watch
// the engine, which all of them share without locks
#define UNWATCHED __attribute__((no_sanitize("thread")))

constinit thread_local uint3 threadIdx{}, blockIdx{};
constinit thread_local dim3 blockDim{}, gridDim{};

namespace mbrl::emulator {
namespace engine {

constinit thread_local float* shared_memory = nullptr;
constinit thread_local std::uint64_t num_waited = 0;

namespace {

namespace context = boost::context::detail;

constexpr int kWarp = 32;
constexpr int kMaxThreads = 1024;
constexpr std::size_t kPage = 4096;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStackBytes = 256 * 1024;  // sanitizers make frames several times as large
#else
constexpr std::size_t kStackBytes = 64 * 1024;
#endif

std::atomic<Schedule> chosen_schedule{Schedule::kShuffled};
std::atomic<std::uint32_t> chosen_seed{1};
std::atomic<std::size_t> shared_limit{227 * 1024};

/// Where a fiber is. The values from kBarrier on are waits.
enum class State {
  kIdle,  // not begun or returned
  kRuns,
  kBarrier,
  kShuffle,
  kBallot,
  kLoadTransposed,
  kMmaTf32,
  kMmaBf16,
  kMmaF16
};
constexpr const char* kStateNames[] = {"idle",        "runs",     "sync_block",
                                       "shuffle_xor", "ballot",   "load_transposed",
                                       "mma_tf32",    "mma_bf16", "mma_f16"};

// thrown into the fibers of a block that failed, so that their stacks unwind
struct Abandoned {};

UNWATCHED bool same_place(Where a, Where b) {
  return a.line() == b.line() && a.column() == b.column() &&
         (a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0);
}

// --- what the sanitizers are told ----------------------------------------------------------------

/// An address at which ThreadSanitizer hands "happens before" from release() to acquire().
struct Order {
  char address = 0;
  UNWATCHED void release() {
#if defined(__SANITIZE_THREAD__)
    __tsan_release(&address);
#endif
  }
  UNWATCHED void acquire() {
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(&address);
#endif
  }
};

/// A stack with its registers: a fiber, or the OS thread that launched.
struct Context {
  context::fcontext_t registers = nullptr;
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  const void* bottom = nullptr;
  std::size_t size = 0;
#endif
#if defined(__SANITIZE_THREAD__)
  void* fiber = nullptr;
#endif
};

// the first thing on a stack that has just been jumped to
UNWATCHED void arrive([[maybe_unused]] Context& here, const context::transfer_t& from) {
  Context& left = *static_cast<Context*>(from.data);
  left.registers = from.fctx;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(here.fake_stack, &left.bottom, &left.size);
#endif
}

// leaves `here`; returns when something jumps back to it
UNWATCHED void jump(Context& here, Context& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&here.fake_stack, to.bottom, to.size);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(to.fiber, __tsan_switch_to_fiber_no_sync);
#endif
  const context::transfer_t back = context::jump_fcontext(to.registers, &here);
  arrive(here, back);
}

// --- what a launch consists of -------------------------------------------------------------------

/// 16 bytes on their way to shared memory; zeros where `from` is null.
struct Copy {
  void* to;
  const void* from;
  int group;
};

struct Thread : Context {
  unsigned index = 0;
  State state = State::kIdle;
  Where where;  // of the wait
  char* mapping = nullptr;
  std::vector<Copy> copies;  // not waited for yet, in order
  int num_groups = 0;        // of copies, ended
};

// eight floats that the compiler adds and multiplies at once, also without optimization
using Row = float __attribute__((vector_size(32)));

/// Lanes that can run, and the operation at which they meet. Slots belong to lanes: each writes its
/// operands when it arrives and reads its result when all have.
struct Warp {
  int num_live = 0;  // threads that had not returned at the last barrier
  int next = 0;      // how many of `order` have run since then, or since the last meeting
  std::uint16_t order[kWarp];

  int num_arrived = 0;
  bool mixed = false;  // lanes have arrived at different operations
  State operation = State::kIdle;
  Where where;

  std::uint64_t value[kWarp], result[kWarp];
  const void* row[kWarp];  // of load_transposed()
  std::uint8_t source[kWarp];
  Row a[16][2], b[16], c[16];  // [row][depth / 8], [depth], [row]
};

/// Draws for schedules: splitmix64.
struct Dice {
  std::uint64_t state;
  unsigned below(unsigned n) {
    std::uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return static_cast<unsigned>((z >> 32) * n >> 32);
  }
};

// from ascending order to the one in which the schedule runs
void arrange(std::uint16_t* order, int n, Schedule schedule, Dice& dice) {
  if (schedule == Schedule::kReversed) std::reverse(order, order + n);
  if (schedule == Schedule::kShuffled)
    for (int i = n - 1; i > 0; --i) std::swap(order[i], order[dice.below(i + 1)]);
}

// c += a b, one depth after the other
UNWATCHED void multiply(Warp& warp, int depth) {
  for (int row = 0; row < 16; ++row) {
    Row sum = warp.c[row];
    for (int k = 0; k < depth; ++k) sum += warp.a[row][k / 8][k % 8] * warp.b[k];
    warp.c[row] = sum;
  }
}

// --- the engine ----------------------------------------------------------------------------------

class Engine;
constinit thread_local Engine* running = nullptr;  // of this OS thread, while it launches

class Engine {
 public:
  ~Engine();

  void run_grid(const char* name, const dim3& grid, int threads, std::size_t shared_bytes,
                void (*body)(const void*), const void* arguments);

  // called on fibers
  UNWATCHED Thread& thread() { return *current_; }
  UNWATCHED Warp& warp() { return *warp_; }
  void wait_for_block(Where where);
  void meet(State operation, Where where);

 private:
  static void fiber_main(context::transfer_t from);
  void make_thread(int index);
  void run_block(void* shared, std::size_t shared_bytes);
  void start_interval();
  bool barrier_opens();
  void abandon();
  std::string report() const;
  void run_others();
  void resume(Context& fiber);
  Context& next_ready();

  const char* name_ = nullptr;
  void (*body_)(const void*) = nullptr;
  const void* arguments_ = nullptr;
  int num_threads_ = 0, num_warps_ = 0;
  Schedule schedule_ = Schedule::kInOrder;
  Dice dice_{0};

  int num_made_ = 0;
  std::unique_ptr<Thread[]> threads_{new Thread[kMaxThreads]};
  std::unique_ptr<Warp[]> warps_{new Warp[kMaxThreads / kWarp]};
  std::uint16_t warp_order_[kMaxThreads / kWarp];
  int next_warp_ = 0;

  Context launcher_;
  Context* destination_ = nullptr;  // of the last jump
  Thread* current_ = nullptr;
  Warp* warp_ = nullptr;
  bool failed_ = false;  // the block is given up: whoever waits in it unwinds
  std::exception_ptr error_;
  Order begin_, end_, barrier_[2];
  unsigned num_barriers_ = 0;
};

Engine::~Engine() {
  for (int i = 0; i < num_made_; ++i) {
#if defined(__SANITIZE_THREAD__)
    __tsan_destroy_fiber(threads_[i].fiber);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(threads_[i].mapping, kStackBytes + kPage);
#endif
    munmap(threads_[i].mapping, kStackBytes + kPage);
  }
}

// a stack above a page that faults, and a fiber on it that waits for its first block
void Engine::make_thread(int index) {
  Thread& thread = threads_[index];
  void* mapping = mmap(nullptr, kStackBytes + kPage, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  mprotect(mapping, kPage, PROT_NONE);
  thread.mapping = static_cast<char*>(mapping);
  thread.index = static_cast<unsigned>(index);

  // different tops: the lanes of a warp would otherwise compete for the same sets of the cache
  const std::size_t usable = kStackBytes - index % kWarp * 128;
  char* bottom = thread.mapping + kPage;
  thread.registers = context::make_fcontext(bottom + usable, usable, &Engine::fiber_main);
#if defined(__SANITIZE_ADDRESS__)
  thread.bottom = bottom;
  thread.size = usable;
#endif
#if defined(__SANITIZE_THREAD__)
  thread.fiber = __tsan_create_fiber(0);
  __tsan_set_fiber_name(thread.fiber, ("CUDA thread " + std::to_string(index)).c_str());
#endif
  num_made_ = index + 1;
}

// one iteration per block; exceptions stay on the fiber that threw them
UNWATCHED void Engine::fiber_main(context::transfer_t from) {
  Engine& engine = *running;
  Thread& thread = static_cast<Thread&>(*engine.destination_);
  arrive(thread, from);
  engine.current_ = &thread;
  _mm_setcsr(0x1f80);  // denormals are kept, as on a GPU, whatever the launching thread does
  while (true) {
    thread.state = State::kRuns;
    threadIdx.x = thread.index;
    engine.begin_.acquire();
    thread.copies.clear();
    thread.num_groups = 0;
    try {
      engine.body_(engine.arguments_);
      if (!thread.copies.empty())
        throw std::logic_error(std::string(engine.name_) + ": thread " +
                               std::to_string(thread.index) + " returns without waiting for " +
                               std::to_string(thread.copies.size()) + " of its copies");
    } catch (const Abandoned&) {
    } catch (...) {
      engine.error_ = std::current_exception();
      engine.failed_ = true;
    }
    engine.end_.release();
    thread.state = State::kIdle;
    engine.run_others();
  }
}

// from the current fiber to the next one that can run; back when that is this one again
UNWATCHED inline void Engine::run_others() {
  Thread& here = *current_;
  Context& to = next_ready();
  if (&to == &here) return;
  destination_ = &to;
  jump(here, to);
  current_ = &here;
  threadIdx.x = here.index;
}

// the launcher when no fiber can run, and at once when one has failed
UNWATCHED inline Context& Engine::next_ready() {
  if (failed_) return launcher_;
  if (warp_->next < warp_->num_live) return threads_[warp_->order[warp_->next++]];
  while (next_warp_ < num_warps_) {
    warp_ = &warps_[warp_order_[next_warp_++]];
    if (warp_->num_live > 0) return threads_[warp_->order[warp_->next++]];
  }
  return launcher_;
}

UNWATCHED void Engine::wait_for_block(Where where) {
  Thread& here = *current_;
  here.state = State::kBarrier;
  here.where = where;
  // two addresses in turn: a thread that is already at the next barrier must not count as ordered
  // before one that is still leaving this one
  Order& order = barrier_[num_barriers_ % 2];
  order.release();
  run_others();
  if (failed_) throw Abandoned();
  order.acquire();
  here.state = State::kRuns;
}

// waits until all 32 lanes have come here; the last one computes. Operands are in the slots.
UNWATCHED void Engine::meet(State operation, Where where) {
  Thread& here = *current_;
  Warp& warp = *warp_;
  here.state = operation;
  here.where = where;
  if (warp.num_arrived == 0) {
    warp.operation = operation;
    warp.where = where;
  } else if (operation != warp.operation || !same_place(where, warp.where)) {
    warp.mixed = true;
  }
  // orders no memory: these operations do not (CUDA C++ Programming Guide, warp functions)
  if (++warp.num_arrived == kWarp && !warp.mixed) {
    switch (operation) {
      case State::kShuffle:
        for (int i = 0; i < kWarp; ++i) warp.result[i] = warp.value[warp.source[i]];
        break;
      case State::kBallot: {
        std::uint64_t bits = 0;
        for (int i = 0; i < kWarp; ++i) bits |= warp.value[i] << i;
        for (int i = 0; i < kWarp; ++i) warp.result[i] = bits;
        break;
      }
      case State::kLoadTransposed:
        for (int i = 0; i < kWarp; ++i)
          warp.row[i] = reinterpret_cast<const void*>(static_cast<std::uintptr_t>(warp.value[i]));
        break;
      case State::kMmaTf32:
        multiply(warp, 8);
        break;
      case State::kMmaBf16:
      case State::kMmaF16:
        multiply(warp, 16);
        break;
      default:
        break;
    }
    warp.num_arrived = 0;
    warp.next = 0;
  }
  run_others();
  if (failed_) throw Abandoned();
  here.state = State::kRuns;
}

// everything that has not returned can run, in an order drawn anew
void Engine::start_interval() {
  for (int w = 0; w < num_warps_; ++w) {
    Warp& warp = warps_[w];
    warp.num_live = 0;
    for (int i = w * kWarp; i < std::min(num_threads_, (w + 1) * kWarp); ++i)
      if (num_barriers_ == 0 || threads_[i].state != State::kIdle)
        warp.order[warp.num_live++] = static_cast<std::uint16_t>(i);
    arrange(warp.order, warp.num_live, schedule_, dice_);
    warp.next = 0;
    warp_order_[w] = static_cast<std::uint16_t>(w);
  }
  arrange(warp_order_, num_warps_, schedule_, dice_);
  warp_ = &warps_[warp_order_[0]];
  next_warp_ = 1;
}

// whether threads are left that all wait at the same barrier; throws if they wait otherwise
bool Engine::barrier_opens() {
  const Thread* first = nullptr;
  for (int i = 0; i < num_threads_; ++i) {
    const Thread& thread = threads_[i];
    if (thread.state == State::kIdle) continue;
    if (first == nullptr) first = &thread;
    if (thread.state != State::kBarrier || !same_place(thread.where, first->where))
      throw std::logic_error(report());
  }
  return first != nullptr;
}

// what the threads of a block that cannot go on wait for, with counts
std::string Engine::report() const {
  struct Group {
    const Thread* first;
    int count;
  };
  std::vector<Group> groups;
  int num_returned = 0;
  bool only_barriers = true;
  for (int i = 0; i < num_threads_; ++i) {
    const Thread& thread = threads_[i];
    if (thread.state == State::kIdle) {
      ++num_returned;
      continue;
    }
    only_barriers = only_barriers && thread.state == State::kBarrier;
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      return g.first->state == thread.state && same_place(g.first->where, thread.where);
    });
    if (group == groups.end())
      groups.push_back({&thread, 1});
    else
      ++group->count;
  }

  std::string text = std::string(name_) + ": block (" + std::to_string(blockIdx.x) + ", " +
                     std::to_string(blockIdx.y) + ", " + std::to_string(blockIdx.z) +
                     ") cannot go on: ";
  text += only_barriers ? "its threads wait at barriers on different lines."
                        : "a warp operation lacks lanes.";
  text += " Of " + std::to_string(num_threads_) + " threads";
  for (const Group& group : groups) {
    text += " " + std::to_string(group.count) + " wait at " +
            kStateNames[static_cast<int>(group.first->state)] + " (" +
            group.first->where.file_name() + ":" + std::to_string(group.first->where.line()) +
            ", the first is thread " + std::to_string(group.first->index) + "),";
  }
  text += " " + std::to_string(num_returned) + " have returned.";
  if (num_threads_ % kWarp != 0 && !only_barriers)
    text += " The last warp has only " + std::to_string(num_threads_ % kWarp) + " lanes.";
  return text;
}

// unwinds every fiber that waits within the body
void Engine::abandon() {
  failed_ = true;
  for (int i = 0; i < num_threads_; ++i) {
    if (threads_[i].state == State::kIdle) continue;
    resume(threads_[i]);
  }
  for (int w = 0; w < num_warps_; ++w) {
    warps_[w].num_arrived = 0;
    warps_[w].mixed = false;
  }
  failed_ = false;
}

void Engine::resume(Context& fiber) {
  destination_ = &fiber;
  jump(launcher_, fiber);
}

void Engine::run_block(void* shared, std::size_t shared_bytes) {
  std::memset(shared, 0xff, shared_bytes);
  num_barriers_ = 0;
  begin_.release();
  try {
    do {
      start_interval();
      resume(next_ready());
      end_.acquire();
      if (failed_) std::rethrow_exception(std::exchange(error_, nullptr));
      ++num_barriers_;
    } while (barrier_opens());
  } catch (...) {
    abandon();
    end_.acquire();
    throw;
  }
}

/// Undoes, on the way out of a launch, what it set for its OS thread.
struct Launching {
  explicit Launching(Engine* engine) { running = engine; }
  ~Launching() {
    running = nullptr;
    shared_memory = nullptr;
  }
};

void Engine::run_grid(const char* name, const dim3& grid, int threads, std::size_t shared_bytes,
                      void (*body)(const void*), const void* arguments) {
  for (int i = num_made_; i < threads; ++i) make_thread(i);
#if defined(__SANITIZE_THREAD__)
  launcher_.fiber = __tsan_get_current_fiber();
#endif
  name_ = name;
  body_ = body;
  arguments_ = arguments;
  num_threads_ = threads;
  num_warps_ = (threads + kWarp - 1) / kWarp;
  schedule_ = chosen_schedule;
  dice_.state = chosen_seed;
  gridDim = grid;
  blockDim = dim3(static_cast<unsigned>(threads));
  threadIdx = {};

  // Exactly as large as asked, so that AddressSanitizer sees the first byte past the end. Else with room
  // for a vector more: loads that the host compiler makes of strided ones go past the last element,
  // which is the end of the pages where a thread's heap ends there.
#if defined(__SANITIZE_ADDRESS__)
  constexpr std::size_t kPast = 0;
#else
  constexpr std::size_t kPast = 64;
#endif
  const std::unique_ptr<void, void (*)(void*)> shared(std::malloc(shared_bytes + kPast),
                                                      &std::free);
  if (shared == nullptr && shared_bytes > 0) throw std::bad_alloc();
  const Launching launching(this);
  shared_memory = static_cast<float*>(shared.get());

  // blocks in a walk of fixed stride around the grid, which visits each of them once
  const std::uint64_t num_blocks = std::uint64_t{grid.x} * grid.y * grid.z;
  std::uint64_t block = 0, stride = 1;
  if (schedule_ == Schedule::kReversed) block = stride = num_blocks - 1;
  if (schedule_ == Schedule::kShuffled) {
    const auto range = static_cast<unsigned>(std::min<std::uint64_t>(num_blocks, ~0u));
    block = dice_.below(range);
    do stride = 1 + dice_.below(range);
    while (std::gcd(stride, num_blocks) != 1);
  }
  for (std::uint64_t i = 0; i < num_blocks; ++i, block = (block + stride) % num_blocks) {
    blockIdx = {static_cast<unsigned>(block % grid.x),
                static_cast<unsigned>(block / grid.x % grid.y),
                static_cast<unsigned>(block / grid.x / grid.y)};
    run_block(shared.get(), shared_bytes);
  }
}

/// The lane of the current thread.
UNWATCHED inline int current_lane(Engine& engine) { return engine.thread().index % kWarp; }

UNWATCHED std::uint64_t meet_with_value(State operation, std::uint64_t value, int source,
                                        Where where) {
  Engine& engine = *running;
  Warp& warp = engine.warp();
  const int lane = current_lane(engine);
  warp.value[lane] = value;
  warp.source[lane] = static_cast<std::uint8_t>(source);
  engine.meet(operation, where);
  return warp.result[lane];
}

// the lane's own elements of the accumulator, into the tile or out of it
UNWATCHED inline void store_tile(Warp& warp, int lane, Tile c) {
  const int g = lane / 4, t = lane % 4;
  for (int i = 0; i < 4; ++i) warp.c[g + i / 2 * 8][2 * t + i % 2] = c[i];
}
UNWATCHED inline void load_tile(const Warp& warp, int lane, Tile c) {
  const int g = lane / 4, t = lane % 4;
  for (int i = 0; i < 4; ++i) c[i] = warp.c[g + i / 2 * 8][2 * t + i % 2];
}

template <State kOperation>
UNWATCHED inline float half_to_float(std::uint32_t half) {
  if constexpr (kOperation == State::kMmaBf16) return std::bit_cast<float>(half << 16);
  return std::bit_cast<_Float16>(static_cast<std::uint16_t>(half));
}

template <State kOperation>
UNWATCHED inline void multiply_halves(Tile c, OperandA a, OperandB b, Where where) {
  Engine& engine = *running;
  Warp& warp = engine.warp();
  const int lane = current_lane(engine), g = lane / 4, t = lane % 4;
  store_tile(warp, lane, c);
  for (int i = 0; i < 4; ++i) {
    warp.a[g + i % 2 * 8][i / 2][2 * t] = half_to_float<kOperation>(a[i] & 0xffffu);
    warp.a[g + i % 2 * 8][i / 2][2 * t + 1] = half_to_float<kOperation>(a[i] >> 16);
  }
  for (int i = 0; i < 2; ++i) {
    warp.b[2 * t + 8 * i][g] = half_to_float<kOperation>(b[i] & 0xffffu);
    warp.b[2 * t + 8 * i + 1][g] = half_to_float<kOperation>(b[i] >> 16);
  }
  engine.meet(kOperation, where);
  load_tile(warp, lane, c);
}

}  // namespace

void require_waits(const char* name, std::uint64_t wanted) {
  if (num_waited == wanted) return;
  throw std::logic_error(std::string(name) + " may start early, and " + std::to_string(num_waited) +
                         " of its " + std::to_string(wanted) +
                         " threads wait for the kernel before it");
}

void run_grid(const char* name, const dim3& grid, int threads, std::size_t shared_bytes,
              void (*body)(const void*), const void* arguments) {
  // what a GPU refuses
  const std::string kernel = std::string("launch of ") + name + ": ";
  if (threads < 1 || threads > kMaxThreads)
    throw DeviceError(kernel + std::to_string(threads) +
                      " threads per block were asked for; a block has 1 to " +
                      std::to_string(kMaxThreads) + ".");
  if (grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.x > 0x7fffffffu || grid.y > 65535u ||
      grid.z > 65535u)
    throw DeviceError(kernel + "a grid of " + std::to_string(grid.x) + " x " +
                      std::to_string(grid.y) + " x " + std::to_string(grid.z) +
                      " blocks was asked for; it has at least 1 and at most 2147483647 x 65535 x "
                      "65535.");
  if (shared_bytes > shared_limit)
    throw gpu::too_little_shared_memory(name, shared_bytes, shared_limit);
  if (running != nullptr)
    throw std::logic_error(kernel + "it was issued by a kernel; only the host launches.");

  static thread_local Engine engine;
  engine.run_grid(name, grid, threads, shared_bytes, body, arguments);
}

UNWATCHED void wait_for_block(Where where) { running->wait_for_block(where); }

UNWATCHED std::uint64_t exchange_xor(std::uint64_t value, int mask, Where where) {
  const int lane = current_lane(*running);
  return meet_with_value(State::kShuffle, value, (lane ^ mask) & (kWarp - 1), where);
}
UNWATCHED unsigned vote(bool predicate, Where where) {
  return static_cast<unsigned>(meet_with_value(State::kBallot, predicate, 0, where));
}

void start_copy(void* to, const void* from, bool there, Where where) {
  const auto misplaced = [](const void* p) {
    return reinterpret_cast<std::uintptr_t>(p) % 16 != 0;
  };
  if (misplaced(to) || (there && misplaced(from)))
    throw std::logic_error(std::string("start_copy: 16 bytes at an address that is no multiple of "
                                       "16 (") +
                           where.file_name() + ":" + std::to_string(where.line()) + ")");
  std::memset(to, 0xff, 16);
  Thread& thread = running->thread();
  thread.copies.push_back({to, there ? from : nullptr, thread.num_groups});
}
void end_group() { ++running->thread().num_groups; }
void wait_for_copies(int newer) {
  Thread& thread = running->thread();
  const auto late = std::find_if(thread.copies.begin(), thread.copies.end(), [&](const Copy& copy) {
    return copy.group >= thread.num_groups - newer;
  });
  for (auto copy = thread.copies.begin(); copy != late; ++copy) {
    if (copy->from == nullptr)
      std::memset(copy->to, 0, 16);
    else
      std::memcpy(copy->to, copy->from, 16);
  }
  thread.copies.erase(thread.copies.begin(), late);
}

// each lane reads its own elements, for ThreadSanitizer to see
void load_transposed(std::uint32_t (&words)[4], const void* row, Where where) {
  Engine& engine = *running;
  const int g = current_lane(engine) / 4, t = current_lane(engine) % 4;
  if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0)
    throw std::logic_error(
        std::string("load_transposed: a row at an address that is no multiple of "
                    "16 (") +
        where.file_name() + ":" + std::to_string(where.line()) + ")");
  meet_with_value(State::kLoadTransposed, reinterpret_cast<std::uintptr_t>(row), 0, where);
  const Warp& warp = engine.warp();
  for (int m = 0; m < 4; ++m) {
    const auto element = [&](int i) {
      return std::uint32_t{static_cast<const std::uint16_t*>(warp.row[8 * m + i])[g]};
    };
    words[m] = element(2 * t) | element(2 * t + 1) << 16;
  }
}

// of a tf32 word only the upper 19 bits count: one that has others was not rounded, and counts as NaN
UNWATCHED float tf32_operand(std::uint32_t word) {
  constexpr std::uint32_t kUnused = 0x1fffu;
  return (word & kUnused) != 0 ? std::numeric_limits<float>::quiet_NaN()
                               : std::bit_cast<float>(word);
}

UNWATCHED void multiply_tf32(Tile c, OperandA a, OperandB b, Where where) {
  Engine& engine = *running;
  Warp& warp = engine.warp();
  const int lane = current_lane(engine), g = lane / 4, t = lane % 4;
  store_tile(warp, lane, c);
  for (int i = 0; i < 4; ++i) warp.a[g + i % 2 * 8][0][t + i / 2 * 4] = tf32_operand(a[i]);
  for (int i = 0; i < 2; ++i) warp.b[t + 4 * i][g] = tf32_operand(b[i]);
  engine.meet(State::kMmaTf32, where);
  load_tile(warp, lane, c);
}
UNWATCHED void multiply_bf16(Tile c, OperandA a, OperandB b, Where where) {
  multiply_halves<State::kMmaBf16>(c, a, b, where);
}
UNWATCHED void multiply_f16(Tile c, OperandA a, OperandB b, Where where) {
  multiply_halves<State::kMmaF16>(c, a, b, where);
}

}  // namespace engine

void set_schedule(Schedule schedule, std::uint32_t seed) {
  engine::chosen_schedule = schedule;
  engine::chosen_seed = seed;
}
void set_shared_limit(std::size_t bytes) { engine::shared_limit = bytes; }
std::size_t shared_limit() { return engine::shared_limit; }

}  // namespace mbrl::emulator
