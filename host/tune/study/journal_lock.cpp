#include "host/tune/study/journal_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <tuple>

#include "base/error.h"
#include "base/printable.h"
#include "host/tune/study/process_name.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLongestNap{100};
constexpr std::chrono::seconds kPatience{10};  // before something is said

// naps that grow, and one word after ten seconds
class Waiting {
 public:
  explicit Waiting(std::function<void()> say) : say_(std::move(say)) {}
  void nap() {
    std::this_thread::sleep_for(nap_);
    nap_ = std::min(nap_ * 2, kLongestNap);
    if (said_ || Clock::now() - begin_ < kPatience) return;
    said_ = true;
    say_();
  }

 private:
  std::function<void()> say_;
  milliseconds nap_{1};
  Clock::time_point begin_ = Clock::now();
  bool said_ = false;
};

std::string link_target(const fs::path& link) {
  std::error_code none;
  return fs::read_symlink(link, none).string();
}

}  // namespace

JournalLock::JournalLock(fs::path journal, std::function<void(const std::string&)> tell,
                         milliseconds grace)
    : journal_(std::move(journal)),
      link_(journal_.string() + ".lock"),
      queue_(journal_.parent_path() / "lock"),
      tell_(std::move(tell)),
      grace_(grace),
      name_(own_process_name()) {}

JournalLock::~JournalLock() {
  if (queue_fd_ >= 0) ::close(queue_fd_);
}

void JournalLock::fail(int error) const {
  throw DataError(fmt::format(
      "the study's folder {} cannot be written: {}. Choose another place with --study DIR.",
      printable(journal_.parent_path().string()), std::strerror(error)));
}

// among programs of ours on machines that see one another's locks
void JournalLock::queue() {
  if (queue_fd_ < 0) queue_fd_ = ::open(queue_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (queue_fd_ < 0) fail(errno);
  Waiting waiting([&] {
    tell_(
        fmt::format("{} is held by another process for {} s; still waiting. Is one of those that "
                    "work on the study stopped (Ctrl-Z)?",
                    printable(queue_.string()), kPatience.count()));
  });
  while (flock(queue_fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    // any other error: a file system without such locks, where the link alone has to do
    if (errno != EWOULDBLOCK) return;
    waiting.nap();
  }
}

void JournalLock::note(const std::string& text) noexcept {
  if (::ftruncate(queue_fd_, 0) == 0 && !text.empty()) {
    [[maybe_unused]] const ssize_t written = ::pwrite(queue_fd_, text.data(), text.size(), 0);
  }
}

// false if there is one
bool JournalLock::make_link() {
  // leads to the journal, whose time of change Optuna looks at; the first dot tells that it is ours
  const std::string target = "./" + journal_.filename().string();
  if (::symlink(target.c_str(), link_.c_str()) != 0) {
    if (errno == EEXIST) return false;
    if (errno != EPERM && errno != ENOTSUP && errno != ENOSYS && errno != EINVAL) fail(errno);
    // a file system without links: Optuna's other lock
    const int fd = ::open(link_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST) return false;
    if (fd < 0) fail(errno);
    ::close(fd);
  }
  struct stat found {};
  link_inode_ = ::lstat(link_.c_str(), &found) == 0 ? found.st_ino : 0;
  return true;
}

// whether a process of this machine, which is in the queue no more, left the link
bool JournalLock::is_ours_and_dead() const {
  if (link_target(link_) != "./" + journal_.filename().string()) return false;
  char text[512];
  const ssize_t size = ::pread(queue_fd_, text, sizeof text, 0);
  if (size <= 0) return false;
  const std::string holder(text, static_cast<std::size_t>(size));
  return process_has_ended(holder).value_or(false);
}

void JournalLock::lock() {
  queue();
  const bool is_left = is_ours_and_dead();
  // before there is a link: whoever is killed with one is known
  note(name_);
  if (!is_left) {
    Waiting waiting([&] {
      tell_(
          fmt::format("{} is there for {} s; waiting until the process that made it has written "
                      "the journal. One that nobody touches for {} s is taken away.",
                      printable(link_.string()), kPatience.count(),
                      std::chrono::duration_cast<std::chrono::seconds>(grace_).count()));
    });
    using Seen = std::tuple<ino_t, time_t, long, time_t, long>;
    Seen last{};
    Clock::time_point since = Clock::now();
    while (!make_link()) {
      struct stat link {
      }, behind{};
      if (::lstat(link_.c_str(), &link) != 0) continue;  // gone by now
      ::stat(link_.c_str(), &behind);
      const Seen seen{link.st_ino, link.st_mtim.tv_sec, link.st_mtim.tv_nsec, behind.st_mtim.tv_sec,
                      behind.st_mtim.tv_nsec};
      if (seen != last) {
        last = seen;
        since = Clock::now();
      } else if (Clock::now() - since > grace_) {
        // renamed first, as Optuna does: of two that do this one succeeds
        const fs::path aside = link_.string() + name_ + ".rename";
        if (::rename(link_.c_str(), aside.c_str()) == 0) ::unlink(aside.c_str());
        tell_(fmt::format("{} was left by a process that ended, and is removed.",
                          printable(link_.string())));
        continue;
      }
      waiting.nap();
    }
  } else {
    // stays what it is and is ours from now on
    struct stat found {};
    link_inode_ = ::lstat(link_.c_str(), &found) == 0 ? found.st_ino : 0;
  }
}

void JournalLock::unlock() noexcept {
  struct stat found {};
  // one that was taken from us and belongs to another by now stays
  if (::lstat(link_.c_str(), &found) == 0 && found.st_ino == link_inode_) ::unlink(link_.c_str());
  note("");
  if (queue_fd_ >= 0) flock(queue_fd_, LOCK_UN);
}

}  // namespace mbrl
