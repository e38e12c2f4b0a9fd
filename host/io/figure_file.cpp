#include "host/io/figure_file.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/output_file.h"
#include "host/io/program_path.h"

extern char** environ;

namespace mbrl {
namespace {

namespace fs = std::filesystem;

// a program that reads an SVG from its standard input and writes a PNG to its standard output
struct Renderer {
  const char* name;
  std::vector<const char*> arguments;
};
const std::vector<Renderer>& renderers() {
  static const std::vector<Renderer> kAll = {{"rsvg-convert", {"--zoom", "3", "--format", "png"}},
                                             {"resvg", {"--zoom", "3", "-", "-c"}}};
  return kAll;
}

struct Found {
  std::string file;
  const Renderer* renderer;
};

std::optional<Found> find_renderer() {
  for (const Renderer& renderer : renderers())
    if (const std::string file = program_path(renderer.name); !file.empty())
      return Found{file, &renderer};
  return std::nullopt;
}

std::string ending_of(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return ending;
}

Found require_renderer(const fs::path& path) {
  if (const std::optional<Found> found = find_renderer()) return *found;
  fs::path instead = path;
  instead.replace_extension(".svg");
  throw ConfigError(fmt::format(
      "{}: a PNG is made by rsvg-convert or resvg, and neither is on the PATH. Install one "
      "(`apt-get install librsvg2-bin`, `dnf install librsvg2-tools`, `pacman -S librsvg`, `brew "
      "install librsvg`, `cargo install resvg`), or write {}, which browsers, Inkscape and "
      "LibreOffice open.",
      printable(path.string()), printable(instead.string())));
}

// a file in memory, open as long as this lives
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("figure", MFD_CLOEXEC)) {
    if (fd_ < 0)
      throw DataError(fmt::format("a figure cannot be rendered: {}.", std::strerror(errno)));
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int fd() const { return fd_; }

  void write(const std::string& text) {
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t count = ::write(fd_, text.data() + done, text.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0)
        throw DataError(fmt::format("a figure cannot be rendered: {}.", std::strerror(errno)));
      done += static_cast<std::size_t>(count);
    }
    lseek(fd_, 0, SEEK_SET);
  }
  std::string read() const {
    std::string text;
    char buffer[65536];
    for (off_t at = 0;;) {
      const ssize_t count = pread(fd_, buffer, sizeof(buffer), at);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return text;
      text.append(buffer, static_cast<std::size_t>(count));
      at += count;
    }
  }

 private:
  int fd_;
};

std::string render(const Found& found, const std::string& svg) {
  MemoryFile in, out, err;
  in.write(svg);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.fd(), 0);
  posix_spawn_file_actions_adddup2(&actions, out.fd(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.fd(), 2);
  std::vector<char*> words{const_cast<char*>(found.file.c_str())};
  for (const char* argument : found.renderer->arguments)
    words.push_back(const_cast<char*>(argument));
  words.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, found.file.c_str(), &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    throw DataError(
        fmt::format("{} cannot be started: {}.", printable(found.file), std::strerror(error)));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  std::string png = out.read();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && png.starts_with("\x89PNG")) return png;
  std::string said = err.read();
  while (!said.empty() && (said.back() == '\n' || said.back() == ' ')) said.pop_back();
  throw DataError(fmt::format("{} made no PNG of the figure{}{}. Write an .svg file instead.",
                              printable(found.file),
                              said.empty() ? "" : "; it said: ", printable(said.substr(0, 400))));
}

}  // namespace

void check_figure_name(const fs::path& path) {
  const std::string ending = ending_of(path);
  if (ending == ".png") {
    require_renderer(path);
    return;
  }
  constexpr const char* kOthers[] = {".pdf", ".eps",  ".ps",  ".jpg", ".jpeg",
                                     ".gif", ".webp", ".bmp", ".tif", ".tiff"};
  if (std::find(std::begin(kOthers), std::end(kOthers), ending) == std::end(kOthers)) return;
  fs::path instead = path;
  instead.replace_extension(".svg");
  throw ConfigError(fmt::format(
      "{}: figures are written as .svg or .png, not as {}. Write {} and convert it: `rsvg-convert "
      "-f pdf -o FILE.pdf FILE.svg` makes a PDF of it.",
      printable(path.string()), ending, printable(instead.string())));
}

void write_figure(const fs::path& path, const std::string& svg) {
  check_figure_name(path);
  if (ending_of(path) != ".png") return write_file_atomically(path, svg);
  write_file_atomically(path, render(require_renderer(path), svg));
}

}  // namespace mbrl
