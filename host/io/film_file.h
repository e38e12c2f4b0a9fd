// Films: pictures that ffmpeg makes a video of, or a folder of PNG files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "host/io/spawned_program.h"

namespace mbrl {

/// Takes pictures one after the other.
class FilmWriter {
 public:
  virtual ~FilmWriter() = default;
  /// Pixels [height, width, 3], red, green and blue, row by row from the top.
  virtual void add(std::span<const std::uint8_t> pixels) = 0;
  /// Before this is called there is no film.
  virtual void close() = 0;
};

/// The program ffmpeg on the PATH; "" if there is none.
std::string find_ffmpeg();

/// A video that ffmpeg writes, in one step: .mp4, .mkv, .mov (H.264), .webm or .gif by the name's
/// end.
///
/// Errors   ConfigError if the name ends otherwise, or the sizes are odd where it is H.264; DataError
///          with what ffmpeg said if it fails.
class VideoFile : public FilmWriter {
 public:
  VideoFile(const std::string& ffmpeg, std::filesystem::path path, int width, int height,
            double frames_per_second);
  ~VideoFile() override;
  void add(std::span<const std::uint8_t> pixels) override;
  void close() override;

  /// The errors of a name and of sizes, before there is a picture.
  static void check(const std::filesystem::path& path, int width, int height);

 private:
  /// With what ffmpeg has said.
  [[noreturn]] void fail(int status, const std::string& reason) const;
  /// Ends what is written and returns ffmpeg's status.
  int finish();

  std::filesystem::path path_, unfinished_;
  MemoryFile messages_;
  Descriptor pictures_;
  std::optional<SpawnedProgram> ffmpeg_;
};

/// 000000.png and so on in a folder, which is made if need be and must not hold such files.
class FrameFolder : public FilmWriter {
 public:
  FrameFolder(std::filesystem::path folder, int width, int height);
  void add(std::span<const std::uint8_t> pixels) override;
  void close() override {}

 private:
  std::filesystem::path folder_;
  int width_, height_, number_ = 0;
};

}  // namespace mbrl
