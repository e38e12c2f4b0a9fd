#include "host/bench/process_trial.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "envs/pool.h"
#include "envs/process/protocol.h"
#include "host/bench/random_actions.h"
#include "host/io/program_path.h"
#include "host/io/spawned_program.h"
#include "host/stats/summary.h"

namespace mbrl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kProcessRounds = 5;       // at least
constexpr double kProcessSlice = 0.05;  // seconds: many turns of a scheduler

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A process that sends back what it is sent, on the core of the thread that made it.
class Echo {
 public:
  explicit Echo(std::size_t bytes) : message_(bytes) {
    Pipe to, from;
    cat_.emplace(program_path("cat"), std::vector<std::string>{}, to.read.get(), from.write.get(),
                 -1);
    to_ = std::move(to.write);
    from_ = std::move(from.read);
  }

  // in parts that the pipes hold: `cat` does not wait for a reader while it is written to
  void trip() {
    stay_beside();
    for (std::size_t first = 0; first < message_.size(); first += kPart) {
      const std::size_t end = std::min(first + kPart, message_.size());
      for (std::size_t at = first; at < end;)
        at += moved(write(to_.get(), message_.data() + at, end - at));
      for (std::size_t at = first; at < end;)
        at += moved(read(from_.get(), message_.data() + at, end - at));
    }
  }

 private:
  static constexpr std::size_t kPart = 32u << 10;
  static std::size_t moved(ssize_t count) {
    if (count > 0) return static_cast<std::size_t>(count);
    if (count < 0 && errno == EINTR) return 0;
    throw DataError(std::string("bench process: `cat` ended: ") + std::strerror(errno) + ".");
  }
  // where this thread may be moved, so is its process
  void stay_beside() {
    const int core = sched_getcpu();
    if (core < 0 || core == core_) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(cat_->pid(), sizeof(set), &set);
    core_ = core;
  }

  std::vector<char> message_;
  int core_ = -1;
  std::optional<SpawnedProgram> cat_;  // ends once its pipes are closed
  Descriptor to_, from_;
};

// the larger of request and reply of a step
std::size_t message_bytes(const EnvSpec& spec, std::size_t count) {
  const std::size_t request = sizeof(protocol::Request) +
                              protocol::padded(static_cast<std::uint32_t>(count)) +
                              count * static_cast<std::size_t>(spec.action_size) * sizeof(float);
  const std::size_t reply =
      sizeof(protocol::Reply) +
      count * ((static_cast<std::size_t>(spec.observation_size) + 1) * sizeof(float) + 1);
  return std::max(request, reply);
}

}  // namespace

ProcessTimes time_process(const EnvOptions& options, int count, ThreadPool& one, double seconds) {
  EnvOptions in_one = options;
  in_one.process.count = 1;
  EnvPool pool(in_one, count, 1, one);
  pool.reset();
  const int width = pool.spec().action_size;
  Echo echo(message_bytes(pool.spec(), static_cast<std::size_t>(count)));

  const Actions actions(count * width);
  std::uint64_t step = 0;
  const auto slice = [&](auto&& once) {
    int calls = 0;
    const auto start = Clock::now();
    do once();
    while (++calls % 8 != 0 || seconds_since(start) < kProcessSlice);
    return seconds_since(start) / calls;
  };
  const auto step_all = [&] { pool.step({actions.row(step++).data(), count, width}); };
  const auto trip = [&] { echo.trip(); };

  slice(step_all);
  slice(trip);
  std::vector<double> steps, trips, shares;
  const int rounds = std::max(kProcessRounds, static_cast<int>(seconds / (2 * kProcessSlice)));
  for (int i = 0; i < rounds; ++i) {
    // every other round the other way round: what drifts favours nobody
    if (i % 2 == 0) trips.push_back(slice(trip));
    steps.push_back(slice(step_all));
    if (i % 2 != 0) trips.push_back(slice(trip));
    shares.push_back(trips.back() / steps.back());
  }
  return {quantile(steps, 0.5), quantile(trips, 0.5), quantile(shares, 0.5)};
}

}  // namespace mbrl
