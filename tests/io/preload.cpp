// A library for LD_PRELOAD that counts a program's I/O calls and makes one of them, or all from one
// on, fail or kill the process.
//
//   MBRL_IO_ROOT=DIR    calls on paths below DIR, and on files opened there, count; others pass
//   MBRL_IO_TRACE=FILE  a line for each call that counts: its number, its name, its path (two for a
//                       rename, joined by " -> "). An open() that may make a file is "create", a
//                       renameat2() that exchanges two names "exchange"
//   MBRL_IO_AT=N        the call that is meant, from 1
//   MBRL_IO_MODE=MODE   what happens there:
//     kill               SIGKILL before the call
//     torn               half of the bytes of a write, then SIGKILL
//     term               SIGTERM, and the call goes on
//     short              half of the bytes of a write or read, once
//     enospc, eio, erofs the call fails with that number, once
//     full               what needs room fails with ENOSPC from here on
//     readonly           what changes a file or a folder fails with EROFS from here on
//
// The C library reaches its own functions by names that nothing can stand in for. What goes through
// FILE, remove() and opendir() is therefore made anew of calls that count.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

enum class Mode { kNone, kKill, kTorn, kTerm, kShort, kEnospc, kEio, kErofs, kFull, kReadonly };

// what a call does to a disk
enum Kind : unsigned {
  kReads = 0,
  kNeedsRoom = 1,  // bytes or names that were not there
  kChanges = 2     // anything at all
};

constexpr int kMaxFiles = 1024;
constexpr std::size_t kMaxPath = 1024;

struct State {
  char root[kMaxPath] = "";
  std::size_t root_size = 0;
  long at = 0;
  Mode mode = Mode::kNone;
  int trace = -1;
  std::atomic<long> count{0};
  char path[kMaxFiles][kMaxPath] = {};  // of the files that are open below root; "" for others
};

Mode mode_of(const char* text) {
  constexpr struct {
    const char* text;
    Mode mode;
  } kModes[] = {{"kill", Mode::kKill},   {"torn", Mode::kTorn},     {"term", Mode::kTerm},
                {"short", Mode::kShort}, {"enospc", Mode::kEnospc}, {"eio", Mode::kEio},
                {"erofs", Mode::kErofs}, {"full", Mode::kFull},     {"readonly", Mode::kReadonly}};
  for (const auto& entry : kModes)
    if (text != nullptr && std::strcmp(text, entry.text) == 0) return entry.mode;
  return Mode::kNone;
}

// made at the first call, which may come before any constructor of this library
State& state() {
  static State* const made = [] {
    auto* s = new State;
    if (const char* root = std::getenv("MBRL_IO_ROOT")) {
      std::snprintf(s->root, sizeof s->root, "%s", root);
      s->root_size = std::strlen(s->root);
    }
    if (const char* at = std::getenv("MBRL_IO_AT")) s->at = std::atol(at);
    s->mode = mode_of(std::getenv("MBRL_IO_MODE"));
    if (const char* trace = std::getenv("MBRL_IO_TRACE")) {
      const long fd =
          syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
      // out of the way of the numbers that the program gets
      if (fd >= 0) s->trace = fcntl(static_cast<int>(fd), F_DUPFD_CLOEXEC, kMaxFiles);
      if (fd >= 0) syscall(SYS_close, fd);
    }
    return s;
  }();
  return *made;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}
// the function that this one stands in for
#define MBRL_NEXT(name) static auto* const real = next<decltype(::name)>(#name)

bool is_below(const char* path) {
  const State& s = state();
  return s.root_size > 0 && path != nullptr && std::strncmp(path, s.root, s.root_size) == 0 &&
         (path[s.root_size] == '/' || path[s.root_size] == '\0');
}

const char* path_of(int fd) { return fd >= 0 && fd < kMaxFiles ? state().path[fd] : ""; }
bool counts(int fd) { return path_of(fd)[0] != '\0'; }
void remember(int fd, const char* path) {
  if (fd < 0 || fd >= kMaxFiles) return;
  const std::size_t size = std::min(std::strlen(path), kMaxPath - 1);
  std::memcpy(state().path[fd], path, size);
  state().path[fd][size] = '\0';
}

// the path that a folder's number and a name mean; "" if it does not count
struct Path {
  Path(int folder, const char* name) {
    text[0] = '\0';
    if (name == nullptr) return;
    if (name[0] == '/' || folder == AT_FDCWD) {
      if (is_below(name)) std::snprintf(text, sizeof text, "%s", name);
    } else if (counts(folder)) {
      std::snprintf(text, sizeof text, "%s/%s", path_of(folder), name);
    }
  }
  explicit operator bool() const { return text[0] != '\0'; }
  char text[2 * kMaxPath];
};

void write_trace(long number, const char* call, const char* path, const char* other) {
  char line[4 * kMaxPath];
  const int size =
      other == nullptr
          ? std::snprintf(line, sizeof line, "%ld %s %s\n", number, call, path)
          : std::snprintf(line, sizeof line, "%ld %s %s -> %s\n", number, call, path, other);
  [[maybe_unused]] const long written = syscall(SYS_write, state().trace, line, size);
}

// what becomes of a call
struct Verdict {
  int error = 0;      // errno it fails with, or 0
  bool half = false;  // of its bytes
  bool torn = false;  // and then SIGKILL
};

Verdict enter(const char* call, unsigned kind, const char* path, const char* other = nullptr,
              bool has_bytes = false) {
  State& s = state();
  const long number = ++s.count;
  if (s.trace >= 0) write_trace(number, call, path, other);
  if (s.at <= 0 || number < s.at) return {};
  const bool here = number == s.at;
  switch (s.mode) {
    case Mode::kKill:
      if (here) kill(getpid(), SIGKILL);
      break;
    case Mode::kTorn:
      if (here && has_bytes && kind != kReads) return {.half = true, .torn = true};
      break;
    case Mode::kTerm:
      if (here) raise(SIGTERM);
      break;
    case Mode::kShort:
      if (here && has_bytes) return {.half = true};
      break;
    case Mode::kEnospc:
      if (here) return {.error = ENOSPC};
      break;
    case Mode::kEio:
      if (here) return {.error = EIO};
      break;
    case Mode::kErofs:
      if (here) return {.error = EROFS};
      break;
    case Mode::kFull:
      if ((kind & kNeedsRoom) != 0) return {.error = ENOSPC};
      break;
    case Mode::kReadonly:
      if ((kind & kChanges) != 0) return {.error = EROFS};
      break;
    case Mode::kNone:
      break;
  }
  return {};
}

constexpr unsigned kMakes = kNeedsRoom | kChanges;

unsigned kind_of_open(const char* path, int flags) {
  unsigned kind = (flags & O_ACCMODE) == O_RDONLY && (flags & O_CREAT) == 0 ? kReads : kChanges;
  struct stat found {};
  if ((flags & O_CREAT) != 0 && ::stat(path, &found) != 0) kind |= kNeedsRoom;
  return kind;
}

int open_counted(int folder, const char* name, int flags, mode_t mode) {
  const Path path(folder, name);
  if (path) {
    const Verdict verdict = enter((flags & O_CREAT) != 0 ? "create" : "open",
                                  kind_of_open(path.text, flags), path.text);
    if (verdict.error != 0) {
      errno = verdict.error;
      return -1;
    }
  }
  const int fd = static_cast<int>(syscall(SYS_openat, folder, name, flags, mode));
  if (path) remember(fd, path.text);
  return fd;
}

int close_counted(int fd) {
  MBRL_NEXT(close);
  if (!counts(fd)) return real(fd);
  char path[kMaxPath];
  std::snprintf(path, sizeof path, "%s", path_of(fd));
  const Verdict verdict = enter("close", kReads, path);
  state().path[fd][0] = '\0';
  const int result = real(fd);  // Linux gives the number back whatever it answers
  if (verdict.error == 0) return result;
  errno = verdict.error;
  return -1;
}

// a call that moves bytes: `move(count)` does it with as many
template <typename Move>
ssize_t transfer(const char* call, unsigned kind, int fd, std::size_t count, const Move& move) {
  const Verdict verdict = enter(call, kind, path_of(fd), nullptr, /*has_bytes=*/true);
  if (verdict.error != 0) {
    errno = verdict.error;
    return -1;
  }
  const ssize_t moved = move(verdict.half && (verdict.torn || count > 1) ? count / 2 : count);
  if (verdict.torn) kill(getpid(), SIGKILL);
  return moved;
}

ssize_t write_counted(int fd, const void* data, std::size_t count) {
  MBRL_NEXT(write);
  if (!counts(fd)) return real(fd, data, count);
  return transfer("write", kMakes, fd, count, [&](std::size_t n) { return real(fd, data, n); });
}

ssize_t read_counted(int fd, void* data, std::size_t count) {
  MBRL_NEXT(read);
  if (!counts(fd)) return real(fd, data, count);
  return transfer("read", kReads, fd, count, [&](std::size_t n) { return real(fd, data, n); });
}

// FILE on calls that count
struct Cookie {
  int fd;
};

FILE* open_stream(const char* path, const char* mode) {
  const bool both = std::strchr(mode, '+') != nullptr;
  int flags = both ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
  if (mode[0] == 'w') flags |= O_CREAT | O_TRUNC;
  if (mode[0] == 'a') flags |= O_CREAT | O_APPEND;
  if (std::strchr(mode, 'e') != nullptr) flags |= O_CLOEXEC;
  const int fd = open_counted(AT_FDCWD, path, flags, 0666);
  if (fd < 0) return nullptr;
  auto* cookie = new Cookie{fd};
  const cookie_io_functions_t calls{
      .read = [](void* c, char* data,
                 std::size_t n) { return read_counted(static_cast<Cookie*>(c)->fd, data, n); },
      // 0 is how such a function says that it failed
      .write = [](void* c, const char* data, std::size_t n) -> ssize_t {
        const ssize_t written = write_counted(static_cast<Cookie*>(c)->fd, data, n);
        return written < 0 ? 0 : written;
      },
      .seek = [](void* c, off64_t* offset, int whence) -> int {
        const off64_t at = lseek64(static_cast<Cookie*>(c)->fd, *offset, whence);
        if (at < 0) return -1;
        *offset = at;
        return 0;
      },
      .close = [](void* c) -> int {
        const int result = close_counted(static_cast<Cookie*>(c)->fd);
        delete static_cast<Cookie*>(c);
        return result;
      }};
  return fopencookie(cookie, mode, calls);
}

template <typename Call>
int change(const char* name, unsigned kind, const Path& path, const Path* other, const Call& call) {
  if (!path && (other == nullptr || !*other)) return call();
  const Verdict verdict = enter(name, kind, path.text, other == nullptr ? nullptr : other->text);
  if (verdict.error == 0) return call();
  errno = verdict.error;
  return -1;
}

}  // namespace

extern "C" {

#define MBRL_MODE_ARGUMENT(flags)                       \
  mode_t mode = 0;                                      \
  if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {         \
    va_list list;                                       \
    va_start(list, flags);                              \
    mode = static_cast<mode_t>(va_arg(list, unsigned)); \
    va_end(list);                                       \
  }

int open(const char* path, int flags, ...) {
  MBRL_MODE_ARGUMENT(flags)
  return open_counted(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MBRL_MODE_ARGUMENT(flags)
  return open_counted(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  MBRL_MODE_ARGUMENT(flags)
  return open_counted(folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) {
  MBRL_MODE_ARGUMENT(flags)
  return open_counted(folder, path, flags, mode);
}
// what open() is where the headers check its arguments
int __open_2(const char* path, int flags) { return open_counted(AT_FDCWD, path, flags, 0); }
int __open64_2(const char* path, int flags) { return open_counted(AT_FDCWD, path, flags, 0); }
int __openat_2(int folder, const char* path, int flags) {
  return open_counted(folder, path, flags, 0);
}
int __openat64_2(int folder, const char* path, int flags) {
  return open_counted(folder, path, flags, 0);
}
int creat(const char* path, mode_t mode) {
  return open_counted(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
int creat64(const char* path, mode_t mode) { return creat(path, mode); }

FILE* fopen(const char* path, const char* mode) {
  MBRL_NEXT(fopen);
  return is_below(path) ? open_stream(path, mode) : real(path, mode);
}
FILE* fopen64(const char* path, const char* mode) { return fopen(path, mode); }

DIR* opendir(const char* path) {
  MBRL_NEXT(opendir);
  if (!is_below(path)) return real(path);
  const int fd = open_counted(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_DIRECTORY | O_CLOEXEC, 0);
  return fd < 0 ? nullptr : fdopendir(fd);
}
int closedir(DIR* folder) {
  MBRL_NEXT(closedir);
  if (const int fd = dirfd(folder); counts(fd)) {
    enter("close", kReads, path_of(fd));
    state().path[fd][0] = '\0';
  }
  return real(folder);
}

int close(int fd) { return close_counted(fd); }
ssize_t write(int fd, const void* data, std::size_t count) {
  return write_counted(fd, data, count);
}
ssize_t read(int fd, void* data, std::size_t count) { return read_counted(fd, data, count); }
ssize_t __read_chk(int fd, void* data, std::size_t count, std::size_t) {
  return read_counted(fd, data, count);
}

ssize_t pwrite64(int fd, const void* data, std::size_t count, off64_t offset) {
  MBRL_NEXT(pwrite64);
  if (!counts(fd)) return real(fd, data, count, offset);
  return transfer("pwrite", kMakes, fd, count,
                  [&](std::size_t n) { return real(fd, data, n, offset); });
}
ssize_t pwrite(int fd, const void* data, std::size_t count, off_t offset) {
  return pwrite64(fd, data, count, offset);
}
ssize_t pread64(int fd, void* data, std::size_t count, off64_t offset) {
  MBRL_NEXT(pread64);
  if (!counts(fd)) return real(fd, data, count, offset);
  return transfer("pread", kReads, fd, count,
                  [&](std::size_t n) { return real(fd, data, n, offset); });
}
ssize_t pread(int fd, void* data, std::size_t count, off_t offset) {
  return pread64(fd, data, count, offset);
}
ssize_t __pread_chk(int fd, void* data, std::size_t count, off_t offset, std::size_t) {
  return pread64(fd, data, count, offset);
}
ssize_t __pread64_chk(int fd, void* data, std::size_t count, off64_t offset, std::size_t) {
  return pread64(fd, data, count, offset);
}
// one that stops early: half of the pieces' bytes, from the first on
ssize_t writev(int fd, const iovec* pieces, int num_pieces) {
  MBRL_NEXT(writev);
  if (!counts(fd)) return real(fd, pieces, num_pieces);
  std::size_t count = 0;
  for (int i = 0; i < num_pieces; ++i) count += pieces[i].iov_len;
  return transfer("writev", kMakes, fd, count, [&](std::size_t n) -> ssize_t {
    if (n == count) return real(fd, pieces, num_pieces);
    static auto* const write_bytes = next<ssize_t(int, const void*, std::size_t)>("write");
    std::size_t written = 0;
    for (int i = 0; i < num_pieces && written < n; ++i) {
      const std::size_t part = std::min(pieces[i].iov_len, n - written);
      const ssize_t taken = write_bytes(fd, pieces[i].iov_base, part);
      if (taken < 0) return written > 0 ? static_cast<ssize_t>(written) : -1;
      written += static_cast<std::size_t>(taken);
    }
    return static_cast<ssize_t>(written);
  });
}

#define MBRL_ON_FILE(name, kind, arguments, ...)             \
  int name arguments {                                       \
    MBRL_NEXT(name);                                         \
    if (!counts(fd)) return real(__VA_ARGS__);               \
    const Verdict verdict = enter(#name, kind, path_of(fd)); \
    if (verdict.error == 0) return real(__VA_ARGS__);        \
    errno = verdict.error;                                   \
    return -1;                                               \
  }
MBRL_ON_FILE(fsync, kMakes, (int fd), fd)
MBRL_ON_FILE(fdatasync, kMakes, (int fd), fd)
MBRL_ON_FILE(ftruncate, kChanges, (int fd, off_t size), fd, size)
MBRL_ON_FILE(ftruncate64, kChanges, (int fd, off64_t size), fd, size)

int rename(const char* from, const char* to) {
  MBRL_NEXT(rename);
  const Path a(AT_FDCWD, from), b(AT_FDCWD, to);
  return change("rename", kMakes, a, &b, [&] { return real(from, to); });
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) {
  MBRL_NEXT(renameat);
  const Path a(from_folder, from), b(to_folder, to);
  return change("rename", kMakes, a, &b, [&] { return real(from_folder, from, to_folder, to); });
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  MBRL_NEXT(renameat2);
  const Path a(from_folder, from), b(to_folder, to);
  return change((flags & RENAME_EXCHANGE) != 0 ? "exchange" : "rename", kMakes, a, &b,
                [&] { return real(from_folder, from, to_folder, to, flags); });
}
int link(const char* from, const char* to) {
  MBRL_NEXT(link);
  const Path a(AT_FDCWD, from), b(AT_FDCWD, to);
  return change("link", kMakes, a, &b, [&] { return real(from, to); });
}
int unlink(const char* name) {
  MBRL_NEXT(unlink);
  return change("unlink", kChanges, Path(AT_FDCWD, name), nullptr, [&] { return real(name); });
}
int unlinkat(int folder, const char* name, int flags) {
  MBRL_NEXT(unlinkat);
  return change((flags & AT_REMOVEDIR) != 0 ? "rmdir" : "unlink", kChanges, Path(folder, name),
                nullptr, [&] { return real(folder, name, flags); });
}
int rmdir(const char* name) {
  MBRL_NEXT(rmdir);
  return change("rmdir", kChanges, Path(AT_FDCWD, name), nullptr, [&] { return real(name); });
}
int remove(const char* name) {
  MBRL_NEXT(remove);
  if (!is_below(name)) return real(name);
  struct stat found {};
  return ::lstat(name, &found) == 0 && S_ISDIR(found.st_mode) ? rmdir(name) : unlink(name);
}
int mkdir(const char* name, mode_t mode) {
  MBRL_NEXT(mkdir);
  return change("mkdir", kMakes, Path(AT_FDCWD, name), nullptr, [&] { return real(name, mode); });
}
int mkdirat(int folder, const char* name, mode_t mode) {
  MBRL_NEXT(mkdirat);
  return change("mkdir", kMakes, Path(folder, name), nullptr,
                [&] { return real(folder, name, mode); });
}

}  // extern "C"
