#include "envs/process/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/data_folders.h"
#include "base/error.h"
#include "base/printable.h"
#include "base/shell_word.h"

extern char** environ;

namespace mbrl {
namespace {

using Clock = ChildProcess::Clock;

constexpr std::size_t kMostPrinted = 2000;          // bytes of output that are kept
constexpr std::uint32_t kMostBytes = 1u << 30;      // of a message
constexpr std::uint32_t kMostGreeting = 80u << 20;  // of a reply whose size is its own
constexpr int kLowestDescriptor = 20;               // of ours: 3 and 4 are made anew in the child
constexpr double kPatience = 2.0;                   // s that a process has to end by itself
constexpr auto kSpin = std::chrono::microseconds(50);

Descriptor without_waiting(Descriptor& descriptor) {
  fcntl(descriptor.get(), F_SETFL, fcntl(descriptor.get(), F_GETFL) | O_NONBLOCK);
  return std::move(descriptor);
}

/// Where this program's Python module lies: where it is installed, or in the source tree.
std::string python_folder() {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<fs::path> places;
  for (const fs::path& folder : data_folders()) places.push_back(folder / "python");
#ifdef MBRL_PYTHON_DIR
  places.emplace_back(MBRL_PYTHON_DIR);
#endif
  for (const fs::path& place : places)
    if (fs::is_directory(place / "mbrl_gpu", error)) return place.string();
  return "";
}

/// The environment of a child: ours; one thread for libraries of linear algebra, as the cores are
/// busy; and Python finds this program's module, after what the user has set.
std::vector<std::string> child_environment() {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) all.emplace_back(*entry);
  const auto set_if_absent = [&](const std::string& name, const std::string& value) {
    if (std::getenv(name.c_str()) == nullptr) all.push_back(name + "=" + value);
  };
  set_if_absent("OMP_NUM_THREADS", "1");
  set_if_absent("OPENBLAS_NUM_THREADS", "1");
  set_if_absent("MKL_NUM_THREADS", "1");
  set_if_absent("PYTHONUNBUFFERED", "1");  // last words arrive
  if (const std::string folder = python_folder(); !folder.empty()) {
    const char* path = std::getenv("PYTHONPATH");
    if (path == nullptr) {
      all.push_back("PYTHONPATH=" + folder);
    } else {
      for (std::string& entry : all)
        if (entry.starts_with("PYTHONPATH=")) entry += (*path == '\0' ? "" : ":") + folder;
    }
  }
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

/// Signals as a program expects them at its start, in a group that no terminal's Ctrl-C reaches.
struct SpawnAttributes {
  posix_spawnattr_t value;

  SpawnAttributes() {
    posix_spawnattr_init(&value);
    sigset_t none, usual;
    sigemptyset(&none);
    sigfillset(&usual);
    posix_spawnattr_setsigmask(&value, &none);
    posix_spawnattr_setsigdefault(&value, &usual);
    posix_spawnattr_setpgroup(&value, 0);
    posix_spawnattr_setflags(
        &value, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&value); }
};

struct SpawnActions {
  posix_spawn_file_actions_t value;

  SpawnActions() { posix_spawn_file_actions_init(&value); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&value); }
};

std::string start_error(const std::string& program, int error) {
  std::string text =
      "env.command: " + shell_word(program) + " cannot be started: " + std::strerror(error) + ".";
  if (error != ENOENT) return text;
  text = "env.command: there is no program " + shell_word(program) +
         (program.find('/') == std::string::npos ? " in PATH." : ".");
  if (program.starts_with("~")) return text + " No shell puts your folder in place of ~.";
  if (program.find('=') != std::string::npos)
    return text + " No shell reads NAME=VALUE; write `env NAME=VALUE program ...`.";
  return text + " Give one that is installed, such as python3, or its path.";
}

std::string status_text(int status) {
  if (WIFEXITED(status)) return "it ended with exit code " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status))
    return "it was ended by signal " + std::to_string(WTERMSIG(status)) + " (" +
           strsignal(WTERMSIG(status)) + ")";
  return "it ended";
}

std::string seconds_text(double seconds) {
  std::string text = std::to_string(seconds);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

std::string failure_text(const ProcessFailure& failure) {
  return failure.text +
         (failure.last_words.empty() ? "" : ". Its last words: " + failure.last_words);
}

ChildProcess::ChildProcess(const std::vector<std::string>& words) {
  // a reader that went away is an error of writing
  static const bool ignored = [] {
    struct sigaction now {};
    if (sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL)
      std::ignore = signal(SIGPIPE, SIG_IGN);
    return true;
  }();
  std::ignore = ignored;

  Pipe requests(kLowestDescriptor), replies(kLowestDescriptor), output(kLowestDescriptor);
  SpawnActions actions;
  posix_spawn_file_actions_addopen(&actions.value, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions.value, output.write.get(), 1);
  posix_spawn_file_actions_adddup2(&actions.value, output.write.get(), 2);
  posix_spawn_file_actions_adddup2(&actions.value, requests.read.get(), 3);
  posix_spawn_file_actions_adddup2(&actions.value, replies.write.get(), 4);
  const SpawnAttributes attributes;
  std::vector<std::string> arguments = words, environment = child_environment();
  const int error =
      posix_spawnp(&pid_, arguments.front().c_str(), &actions.value, &attributes.value,
                   pointers(arguments).data(), pointers(environment).data());
  if (error == EAGAIN || error == ENOMEM)
    throw DeviceError(std::string("env.command: no process can be started: ") +
                      std::strerror(error) + ". `ulimit -u` says how many there may be.");
  if (error != 0) throw ConfigError(start_error(words.front(), error));

#ifdef SYS_pidfd_open
  pid_descriptor_ = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
#endif
  requests_ = without_waiting(requests.write);
  replies_ = without_waiting(replies.read);
  output_ = without_waiting(output.read);
}

ChildProcess::~ChildProcess() {
  close_requests();
  // one that still writes an answer is not to wait for a reader
  replies_.close();
  if (!reap(failed_ ? 0.0 : kPatience)) {
    kill(-pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    status_ = status;
  }
  // what it has started may live on
  kill(-pid_, SIGKILL);
}

void ChildProcess::close_requests() { requests_.close(); }

/// Whether the process has ended; waits for that up to a time, and reads what it prints meanwhile.
bool ChildProcess::reap(double patience_s) {
  const auto deadline = Clock::now() + std::chrono::duration<double>(patience_s);
  while (!status_) {
    int status = 0;
    const pid_t result = waitpid(pid_, &status, WNOHANG);
    if (result == pid_) status_ = status;
    if (result < 0 && errno != EINTR) status_ = 0;
    if (status_ || Clock::now() >= deadline) break;
    pollfd ends[2] = {{pid_descriptor_.get(), POLLIN, 0}, {output_.get(), POLLIN, 0}};
    poll(ends, 2, pid_descriptor_.is_open() ? 100 : 5);
    if (ends[1].revents != 0) read_output();
  }
  return status_.has_value();
}

void ChildProcess::read_output() {
  char some[4096];
  // one that prints without end is not to be read without end
  constexpr std::size_t kMostAtOnce = 1u << 20;
  for (std::size_t got = 0; output_.is_open() && got < kMostAtOnce;) {
    const ssize_t count = ::read(output_.get(), some, sizeof(some));
    if (count > 0) {
      got += static_cast<std::size_t>(count);
      printed_.append(some, static_cast<std::size_t>(count));
      if (printed_.size() > 2 * kMostPrinted) printed_.erase(0, printed_.size() - kMostPrinted);
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else {
      if (count == 0 || errno != EAGAIN) output_.close();
      return;
    }
  }
}

ProcessFailure ChildProcess::failure(Fault fault, std::string text) {
  failed_ = true;
  let_parent_go();
  read_output();
  std::string words = printed_;
  if (words.size() > kMostPrinted) words.erase(0, words.size() - kMostPrinted);
  // the last lines as one
  std::string line;
  for (const char c : words) {
    if (c != '\n' && c != '\r') {
      line += c;
    } else if (!line.empty() && !line.ends_with(" | ")) {
      line += " | ";
    }
  }
  if (line.ends_with(" | ")) line.erase(line.size() - 3);
  return {fault, std::move(text), printable(line)};
}

ProcessFailure ChildProcess::ended() {
  const bool gone = reap(1.0);
  return failure(kDied, gone ? status_text(*status_)
                             : "it closed the descriptor that it is spoken to by, and runs on");
}

ProcessFailure ChildProcess::late(double timeout_s) {
  return failure(kHung, "it did not answer within " + seconds_text(timeout_s) +
                            " s, which is process.timeout");
}

ChildProcess::Wait ChildProcess::wait(int descriptor, short events, Clock::time_point deadline) {
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left < 0) return Wait::kLate;
    pollfd ends[3] = {
        {descriptor, events, 0}, {output_.get(), POLLIN, 0}, {pid_descriptor_.get(), POLLIN, 0}};
    // without a descriptor for its end, look now and then whether it has ended
    const long slice = pid_descriptor_.is_open() ? left + 1 : std::min(left + 1, 100L);
    const int count = poll(ends, 3, static_cast<int>(std::min(slice, 1'000'000L)));
    if (count < 0 && errno == EINTR) continue;
    if (ends[1].revents != 0) read_output();
    if (ends[0].revents != 0) return Wait::kReady;
    if (ends[2].revents != 0 || (!pid_descriptor_.is_open() && reap(0.0))) return Wait::kEnded;
  }
}

// One thread, and no child where the kernel tells of children.
bool ChildProcess::is_alone() const {
  namespace fs = std::filesystem;
  const fs::path threads = "/proc/" + std::to_string(pid_) + "/task";
  std::error_code error;
  int num_threads = 0;
  for (fs::directory_iterator at(threads, error); !error && at != fs::directory_iterator();
       at.increment(error))
    ++num_threads;
  std::ifstream children(threads / std::to_string(pid_) / "children");
  int child = 0;
  return !error && num_threads == 1 && children && !(children >> child);
}

void ChildProcess::stay_beside_parent_if_alone() {
  if (alone_) return;
  alone_ = beside_parent_ = is_alone();
}

// Both stay where this thread is until it has its reply: a scheduler that sees another core idle would
// wake each of the two there in turn, and the process would have to follow every time.
void ChildProcess::move_beside_parent() {
  const int core = sched_getcpu();
  if (core < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (core_ < 0 && sched_getaffinity(0, sizeof(cores_), &cores_) != 0) return;  // asked once
  held_ = CPU_COUNT(&cores_) > 1 && sched_setaffinity(0, sizeof(set), &set) == 0;
  if (core == core_) return;
  // one that has ended or may not be moved stays where it is
  sched_setaffinity(pid_, sizeof(set), &set);
  core_ = core;
}

void ChildProcess::let_parent_go() {
  if (std::exchange(held_, false)) sched_setaffinity(0, sizeof(cores_), &cores_);
}

std::optional<ProcessFailure> ChildProcess::send(
    protocol::Op op, std::initializer_list<std::span<const std::byte>> parts, double timeout_s) {
  std::size_t bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  if (bytes > kMostBytes)
    throw ConfigError("env.name=process: a message of " + std::to_string(bytes) +
                      " bytes is too long; raise process.count, or lower the number of rows.");
  const protocol::Request header{op, static_cast<std::uint32_t>(bytes), ++sequence_};
  request_.resize(sizeof(header) + bytes);
  std::memcpy(request_.data(), &header, sizeof(header));
  std::size_t at = sizeof(header);
  for (const auto& part : parts) {
    std::copy(part.begin(), part.end(), request_.begin() + static_cast<std::ptrdiff_t>(at));
    at += part.size();
  }
  if (beside_parent_) move_beside_parent();

  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(timeout_s));
  for (std::size_t sent = 0; sent < request_.size();) {
    const ssize_t count = ::write(requests_.get(), request_.data() + sent, request_.size() - sent);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      const Wait result = wait(requests_.get(), POLLOUT, deadline);
      if (result == Wait::kEnded) return ended();
      if (result == Wait::kLate) return late(timeout_s);
    } else if (errno != EINTR) {
      return ended();
    }
  }
  return std::nullopt;
}

std::optional<ProcessFailure> ChildProcess::read_fully(std::span<std::byte> into,
                                                       Clock::time_point deadline, double timeout_s,
                                                       bool first) {
  // waking a sleeping core takes longer than many an answer
  auto spin_until = Clock::time_point::min();
  if (first && !beside_parent_) spin_until = Clock::now() + kSpin;
  bool has_ended = false;
  for (std::size_t got = 0; got < into.size();) {
    const ssize_t count = ::read(replies_.get(), into.data() + got, into.size() - got);
    if (count > 0) {
      got += static_cast<std::size_t>(count);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      return ended();
    } else if (errno == EAGAIN) {
      if (has_ended) return ended();
      if (Clock::now() < spin_until) {
        sched_yield();
        continue;
      }
      const Wait result = wait(replies_.get(), POLLIN, deadline);
      if (result == Wait::kLate) return late(timeout_s);
      has_ended = result == Wait::kEnded;  // what it wrote before is there to be read
    }
  }
  return std::nullopt;
}

std::optional<ProcessFailure> ChildProcess::receive(std::size_t bytes, double timeout_s) {
  auto wrong = receive_whole(bytes, timeout_s);
  let_parent_go();
  return wrong;
}

std::optional<ProcessFailure> ChildProcess::receive_whole(std::size_t bytes, double timeout_s) {
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(timeout_s));
  protocol::Reply header{};
  const std::span<protocol::Reply> whole(&header, 1);
  if (auto wrong = read_fully(std::as_writable_bytes(whole), deadline, timeout_s, true))
    return wrong;
  if (header.sequence != sequence_)
    return failure(kNonsense, "its reply has the number " + std::to_string(header.sequence) +
                                  " where " + std::to_string(sequence_) +
                                  " was asked: that is no reply of the protocol");
  const bool refused = header.status != 0;
  constexpr std::uint32_t kLongestText = 1u << 16;
  if (refused             ? header.bytes > kLongestText
      : bytes == kAnySize ? header.bytes > kMostGreeting
                          : header.bytes != bytes)
    return failure(kNonsense, "its reply has " + std::to_string(header.bytes) +
                                  " bytes; expected " +
                                  (refused ? "a text of up to " + std::to_string(kLongestText)
                                   : bytes == kAnySize ? "up to " + std::to_string(kMostGreeting)
                                                       : std::to_string(bytes)));
  reply_.resize(header.bytes);
  if (auto wrong = read_fully(reply_, deadline, timeout_s, false)) return wrong;
  if (!refused) return std::nullopt;
  if (reply_.empty()) return failure(kRefused, "it answered with an error without a text");
  return failure(kRefused,
                 printable({reinterpret_cast<const char*>(reply_.data()), reply_.size()}));
}

}  // namespace mbrl
