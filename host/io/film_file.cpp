#include "host/io/film_file.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/folders.h"
#include "host/io/output_file.h"
#include "host/io/png.h"
#include "host/io/program_path.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

struct Format {
  const char* ending;
  bool is_h264;  // which halves both sizes for its colors
};
constexpr Format kFormats[] = {
    {".mp4", true}, {".mkv", true}, {".mov", true}, {".webm", false}, {".gif", false}};

const Format* format_of(const fs::path& path) {
  for (const Format& format : kFormats)
    if (path.extension() == format.ending) return &format;
  return nullptr;
}

}  // namespace

std::string find_ffmpeg() { return program_path("ffmpeg"); }

void VideoFile::check(const fs::path& path, int width, int height) {
  const Format* format = format_of(path);
  if (format == nullptr)
    throw ConfigError(fmt::format(
        "{}: expected the name of a video, which ends with .mp4, .mkv, .mov, .webm or .gif.",
        printable(path.string())));
  if (format->is_h264 && (width % 2 != 0 || height % 2 != 0))
    throw ConfigError(fmt::format(
        "{}: a video of {} x {} pixels; the format halves both. Give even numbers, or a name with "
        ".webm or .gif.",
        printable(path.string()), width, height));
}

VideoFile::VideoFile(const std::string& ffmpeg, fs::path path, int width, int height,
                     double frames_per_second)
    : path_(std::move(path)) {
  check(path_, width, height);
  make_folders(path_.parent_path());
  unfinished_ = path_;
  unfinished_.replace_extension(".unfinished" + path_.extension().string());
  const std::string size = fmt::format("{}x{}", width, height),
                    rate = fmt::format("{:.6g}", frames_per_second);
  std::vector<std::string> words{"-loglevel",  "error",    "-nostdin", "-y",    "-f",
                                 "rawvideo",   "-pix_fmt", "rgb24",    "-s",    size,
                                 "-framerate", rate,       "-i",       "pipe:0"};
  if (format_of(path_)->is_h264)
    words.insert(words.end(), {"-c:v", "libx264", "-pix_fmt", "yuv420p"});
  words.push_back("file:" + unfinished_.string());  // whatever else a : in it would name
  Pipe pipe;
  ffmpeg_.emplace(ffmpeg, words, pipe.read.get(), messages_.fd(), messages_.fd());
  pictures_ = std::move(pipe.write);
}

VideoFile::~VideoFile() {
  finish();
  std::error_code absent;
  fs::remove(unfinished_, absent);
}

int VideoFile::finish() {
  pictures_.close();
  return ffmpeg_->wait();
}

void VideoFile::fail(int status, const std::string& reason) const {
  const std::string said = messages_.read(1000);
  throw DataError(fmt::format(
      "{} was not written: {}{}{}", printable(path_.string()),
      !reason.empty()       ? reason
      : WIFSIGNALED(status) ? fmt::format("ffmpeg ended by signal {}", WTERMSIG(status))
                            : fmt::format("ffmpeg ended with exit code {}", WEXITSTATUS(status)),
      said.empty() ? "." : ": ", printable(said, /*keep_lines=*/true)));
}

void VideoFile::add(std::span<const std::uint8_t> pixels) {
  for (std::size_t done = 0; done < pixels.size();) {
    // the program ignores SIGPIPE
    const ssize_t count = ::write(pictures_.get(), pixels.data() + done, pixels.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail(finish(), "");
    done += static_cast<std::size_t>(count);
  }
}

void VideoFile::close() {
  if (const int status = finish(); status != 0) fail(status, "");
  std::error_code error;
  fs::rename(unfinished_, path_, error);
  if (error) fail(0, error.message());
}

FrameFolder::FrameFolder(fs::path folder, int width, int height)
    : folder_(std::move(folder)), width_(width), height_(height) {
  make_folders(folder_);
  std::error_code absent;
  if (fs::exists(folder_ / "000000.png", absent))
    throw ConfigError(fmt::format("{} holds pictures already. Name another folder, or delete them.",
                                  printable(folder_.string())));
}

void FrameFolder::add(std::span<const std::uint8_t> pixels) {
  write_file_atomically(folder_ / fmt::format("{:06}.png", number_++),
                        png_of(pixels, width_, height_));
}

}  // namespace mbrl
