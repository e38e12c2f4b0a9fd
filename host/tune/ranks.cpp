#include "host/tune/ranks.h"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "base/thread_pool.h"
#include "cuda/gpu.h"
#include "host/config/version.h"
#include "host/run/signals.h"
#include "host/tune/study/process_name.h"

#ifdef MBRL_WITH_MPI
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>
#endif

namespace mbrl {
namespace {

std::atomic<Ranks*> joined{nullptr};

constexpr std::chrono::milliseconds kBetweenLooks{500};  // at a process that may have ended

[[noreturn]] void throw_ended(int rank) {
  throw DeviceError(fmt::format(
      "rank {} has ended in the middle of a message: killed, or out of memory? Start the same command "
      "again, with any number of ranks.",
      rank));
}

// mpirun passes SIGUSR2 on at once, to all ranks: to it SIGTERM is an end within seconds
[[maybe_unused]] void stop_on_usr2() {
  struct sigaction action {};
  action.sa_handler = [](int) { request_stop(); };
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR2, &action, nullptr);
}

// whether mpirun calls this process the first
[[maybe_unused]] bool is_first() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "MPI_LOCALRANKID"})
    if (const char* text = std::getenv(name)) return std::strcmp(text, "0") == 0;
  return true;
}

// processes that mpirun says it started: Open MPI's, then what MPICH and others set
int num_started() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"})
    if (const char* text = std::getenv(name); text != nullptr) {
      int number = 1;
      std::from_chars(text, text + std::strlen(text), number);
      return number;
    }
  return 1;
}

}  // namespace

Ranks* Ranks::current() { return joined; }

bool Ranks::has_ended(int rank) const {
  const auto i = static_cast<std::size_t>(rank);
  return i < processes_.size() && process_has_ended(processes_[i]).value_or(false);
}

bool Ranks::is_here(int rank) const {
  return process_has_ended(processes_.at(static_cast<std::size_t>(rank))).has_value();
}

std::string Ranks::wait_for(int from, int tag) {
  std::chrono::steady_clock::time_point looked = std::chrono::steady_clock::now();
  for (;;) {
    if (std::optional<std::string> bytes = receive(from, tag)) return *std::move(bytes);
    if (const auto now = std::chrono::steady_clock::now(); now - looked > kBetweenLooks) {
      looked = now;
      if (has_ended(from)) throw_ended(from);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::string Ranks::device(const std::string& text) const {
  if (text != "auto" && text != "cuda") return text;
  std::string why;
  const int count = gpu::linked() ? gpu::device_count(why) : 0;
  return count > 0 ? fmt::format("cuda:{}", local_rank_ % count) : text;
}

#ifdef MBRL_WITH_MPI

namespace {

// MPI from one thread at a time; nothing waits inside it
std::mutex one_at_a_time;

// until MPI is through with a message to or from a rank
void finish(MPI_Request& request, const Ranks& ranks, int rank) {
  auto looked = std::chrono::steady_clock::now();
  for (;;) {
    int done = 0;
    {
      const std::lock_guard<std::mutex> lock(one_at_a_time);
      MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    }
    if (done != 0) return;
    if (const auto now = std::chrono::steady_clock::now(); now - looked > kBetweenLooks) {
      looked = now;
      if (ranks.has_ended(rank)) throw_ended(rank);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

constexpr int kTextBytes = 256;

struct Text {
  char bytes[kTextBytes] = "";
  explicit Text(const std::string& text = "") {
    std::memcpy(bytes, text.data(), std::min<std::size_t>(text.size(), kTextBytes - 1));
  }
};

std::vector<Text> from_all(const std::string& own, int size, MPI_Comm comm) {
  const Text mine(own);
  std::vector<Text> all(static_cast<std::size_t>(size));
  MPI_Allgather(&mine, kTextBytes, MPI_CHAR, all.data(), kTextBytes, MPI_CHAR, comm);
  return all;
}

}  // namespace

std::string Ranks::library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int size = 0;
  MPI_Get_library_version(text, &size);
  const std::string all(text, static_cast<std::size_t>(size));
  return all.substr(0, all.find_first_of(",\n"));
}

std::unique_ptr<Ranks> Ranks::join() {
  // PMIX_RANK: srun --mpi=pmix, which tells the number of ranks to MPI alone
  if (num_started() < 2 && std::getenv("PMIX_RANK") == nullptr) return nullptr;
  int level = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level);
  std::unique_ptr<Ranks> ranks(new Ranks);
  MPI_Comm_rank(MPI_COMM_WORLD, &ranks->rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks->size_);
  joined = ranks.get();
  if (level < MPI_THREAD_SERIALIZED)
    throw ConfigError(fmt::format(
        "{} was built without threads, which ranks need (MPI_THREAD_SERIALIZED). Use a build of it "
        "that has them, or start one process without mpirun.",
        library()));
  if (ranks->size_ == 1) return nullptr;
  ranks->require_one_version();
  ranks->share_machine();
  stop_on_usr2();
  for (const Text& name : from_all(own_process_name(), ranks->size_, MPI_COMM_WORLD))
    ranks->processes_.emplace_back(name.bytes);
  return ranks;
}

Ranks::~Ranks() {
  joined = nullptr;
  if (rank_ == 0)
    for (int r = 1; r < size_; ++r)
      if (!has_ended(r)) send(r, kOrders, given_up_ ? kEndAtOnce : kEnd);
  // which waits for all
  if (!given_up_) MPI_Finalize();
}

void Ranks::require_one_version() {
  char host[128] = "";
  ::gethostname(host, sizeof host - 1);
  const auto hosts = from_all(host, size_, MPI_COMM_WORLD);
  const auto versions =
      from_all(fmt::format("{} (commit {}, {})", program_version(), git_commit(), compiler()),
               size_, MPI_COMM_WORLD);
  for (int r = 1; r < size_; ++r)
    if (std::strcmp(versions[static_cast<std::size_t>(r)].bytes, versions[0].bytes) != 0) {
      size_ = 1;  // nobody is served
      if (rank_ != 0) {
        // one text is enough
        MPI_Finalize();
        std::_Exit(0);
      }
      throw ConfigError(fmt::format(
          "rank {} on {} is mbrl_gpu {}, rank 0 on {} is {}. All ranks run one version: put the same "
          "program on all machines, or name it by a path that all of them see.",
          r, printable(hosts[static_cast<std::size_t>(r)].bytes),
          printable(versions[static_cast<std::size_t>(r)].bytes), printable(hosts[0].bytes),
          printable(versions[0].bytes)));
    }
}

void Ranks::share_machine() {
  MPI_Comm machine = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &machine);
  int size = 1;
  MPI_Comm_rank(machine, &local_rank_);
  MPI_Comm_size(machine, &size);
  cpu_set_t own;
  CPU_ZERO(&own);
  sched_getaffinity(0, sizeof own, &own);
  std::vector<cpu_set_t> all(static_cast<std::size_t>(size));
  MPI_Allgather(&own, sizeof own, MPI_BYTE, all.data(), sizeof own, MPI_BYTE, machine);
  MPI_Comm_free(&machine);
  const auto sharing = std::count_if(all.begin(), all.end(),
                                     [&](const cpu_set_t& set) { return CPU_EQUAL(&set, &own); });
  num_threads_ = std::max(1, available_cores() / static_cast<int>(sharing));
}

void Ranks::send(int to, int tag, std::string_view bytes) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    throw DataError(fmt::format("a message of {} bytes to rank {} is more than MPI sends at once.",
                                bytes.size(), to));
  MPI_Request request = MPI_REQUEST_NULL;
  {
    const std::lock_guard<std::mutex> lock(one_at_a_time);
    MPI_Isend(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, to, tag, MPI_COMM_WORLD,
              &request);
  }
  finish(request, *this, to);
}

std::optional<std::string> Ranks::receive(int from, int tag) {
  auto bytes = std::make_unique<std::string>();
  MPI_Request request = MPI_REQUEST_NULL;
  {
    const std::lock_guard<std::mutex> lock(one_at_a_time);
    int there = 0, size = 0;
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Status status;
    MPI_Improbe(from, tag, MPI_COMM_WORLD, &there, &message, &status);
    if (there == 0) return std::nullopt;
    MPI_Get_count(&status, MPI_BYTE, &size);
    bytes->resize(static_cast<std::size_t>(size));
    MPI_Imrecv(bytes->data(), size, MPI_BYTE, &message, &request);
  }
  try {
    finish(request, *this, from);
  } catch (...) {
    // MPI may still write there
    [[maybe_unused]] const std::string* const given_away = bytes.release();
    throw;
  }
  return *std::move(bytes);
}

#else

std::string Ranks::library() { return ""; }

std::unique_ptr<Ranks> Ranks::join() {
  const int number = num_started();
  if (number > 1 && !is_first()) std::_Exit(0);  // one text is enough
  if (number > 1)
    throw ConfigError(fmt::format(
        "mpirun started {} processes of a program that was built without MPI: each of them would do "
        "the same. Install libopenmpi-dev and build again with -DMBRL_MPI=on, or start one process "
        "without mpirun. Several processes of `mbrl_gpu tune` on one study share it without MPI.",
        number));
  return nullptr;
}

Ranks::~Ranks() = default;
void Ranks::require_one_version() {}
void Ranks::share_machine() {}
void Ranks::send(int, int, std::string_view) {}
std::optional<std::string> Ranks::receive(int, int) { return std::nullopt; }

#endif

}  // namespace mbrl
