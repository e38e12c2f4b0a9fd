#include "host/io/figure_file.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/output_file.h"
#include "host/io/program_path.h"
#include "host/io/spawned_program.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

// a program that reads an SVG from its standard input and writes a PNG to its standard output
struct Renderer {
  const char* name;
  std::vector<std::string> arguments;
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

std::string render(const Found& found, const std::string& svg) {
  MemoryFile in, out, err;
  in.write(svg);
  SpawnedProgram program(found.file, found.renderer->arguments, in.fd(), out.fd(), err.fd());
  const int status = program.wait();
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
