// Tests for host/io/film_file.h and host/io/program_path.h, with a program of the test's own in ffmpeg's place.
#include "host/io/film_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/io/png.h"
#include "host/io/program_path.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// writes its words to words.txt beside it, then does what `script` says; its last word is file:$out
std::string program(const TemporaryDirectory& folder, const std::string& script) {
  const fs::path path = folder.path() / "ffmpeg";
  std::ofstream(path) << "#!/bin/sh\necho \"$*\" > '" << (folder.path() / "words.txt").string()
                      << "'\nfor out; do :; done\nout=${out#file:}\n"
                      << script << "\n";
  fs::permissions(path, fs::perms::owner_all);
  return path.string();
}

const std::vector<std::uint8_t> kOne(4 * 2 * 3, 65), kOther(4 * 2 * 3, 66);

TEST(FilmFileTest, PicturesReachTheProgramInTheirOrder) {
  const TemporaryDirectory folder;
  const fs::path video = folder.path() / "new" / "film.mp4";
  VideoFile film(program(folder, "cat > \"$out\""), video, 4, 2, 1.0 / 0.024);
  film.add(kOne);
  film.add(kOther);
  EXPECT_FALSE(fs::exists(video)) << "a film that is not whole";
  film.close();
  EXPECT_EQ(file_text(video), std::string(24, 'A') + std::string(24, 'B'));
  EXPECT_THAT(
      file_text(folder.path() / "words.txt"),
      AllOf(HasSubstr("-f rawvideo -pix_fmt rgb24 -s 4x2 -framerate 41.6667 -i pipe:0 "),
            HasSubstr("-c:v libx264 -pix_fmt yuv420p file:" + video.parent_path().string() + "/"),
            HasSubstr(".mp4")));
  EXPECT_EQ(std::distance(fs::directory_iterator(video.parent_path()), {}), 1)
      << "and nothing else";
}

TEST(FilmFileTest, OtherFormatsAreLeftToTheProgram) {
  const TemporaryDirectory folder;
  VideoFile film(program(folder, "cat > \"$out\""), folder.path() / "film.gif", 4, 2, 20);
  film.close();
  EXPECT_THAT(file_text(folder.path() / "words.txt"), testing::Not(HasSubstr("libx264")));
  EXPECT_TRUE(fs::exists(folder.path() / "film.gif"));
}

TEST(FilmFileTest, TheRealProgramWritesToNamesWithColonsAndOddSizes) {
  const std::string ffmpeg = find_ffmpeg();
  if (ffmpeg.empty()) GTEST_SKIP() << "no ffmpeg here";
  const TemporaryDirectory folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  for (const char* name : {"a:b.gif", "-i.gif"}) {
    VideoFile film(ffmpeg, name, 31, 17, 20);
    film.add(std::vector<std::uint8_t>(31 * 17 * 3, 65));
    EXPECT_NO_THROW(film.close()) << name;
    EXPECT_EQ(file_text(folder.path() / name).substr(0, 6), "GIF89a");
  }
  fs::current_path(before);
}

TEST(FilmFileTest, AProgramThatFailsIsQuoted) {
  const TemporaryDirectory folder;
  const fs::path video = folder.path() / "film.mp4";
  {
    VideoFile film(program(folder, "cat > \"$out\"; echo no such encoder >&2; exit 3"), video, 4, 2,
                   20);
    film.add(kOne);
    EXPECT_THAT(
        [&] { film.close(); },
        ThrowsMessage<DataError>(AllOf(HasSubstr("film.mp4 was not written"),
                                       HasSubstr("exit code 3"), HasSubstr("no such encoder"))));
  }
  EXPECT_FALSE(fs::exists(video));
  EXPECT_FALSE(fs::exists(folder.path() / "film.unfinished.mp4"));
  // one that goes away amid the pictures; mbrl_gpu ignores the signal, too
  std::signal(SIGPIPE, SIG_IGN);
  VideoFile film(program(folder, "exec 0<&-; echo gone >&2; kill -9 $$"), video, 4, 2, 20);
  EXPECT_THAT(
      [&] {
        for (int i = 0; i < 100000; ++i) film.add(kOne);
      },
      ThrowsMessage<DataError>(AllOf(HasSubstr("signal 9"), HasSubstr("gone"))));
}

TEST(FilmFileTest, AFilmThatIsGivenUpLeavesNothing) {
  const TemporaryDirectory folder;
  const fs::path video = folder.path() / "film.mp4";
  std::ofstream(video) << "the old one";
  {
    VideoFile film(program(folder, "cat > \"$out\""), video, 4, 2, 20);
    film.add(kOne);
  }
  EXPECT_EQ(file_text(video), "the old one");
  EXPECT_FALSE(fs::exists(folder.path() / "film.unfinished.mp4"));
}

TEST(FilmFileTest, NamesAndSizesAreCheckedBefore) {
  for (const char* name : {"a.mp4", "a.mkv", "a.mov", "a.webm", "a.gif", "b/a.mp4"})
    EXPECT_NO_THROW(VideoFile::check(name, 480, 360)) << name;
  for (const char* name : {"a.avi", "a", ".mp4", "a.png", "mp4"})
    EXPECT_THAT([&] { VideoFile::check(name, 480, 360); },
                ThrowsMessage<ConfigError>(HasSubstr(".mp4, .mkv, .mov, .webm or .gif")))
        << name;
  for (const auto& [width, height] : {std::pair(481, 360), {480, 361}})
    EXPECT_THAT([&] { VideoFile::check("a.mp4", width, height); },
                ThrowsMessage<ConfigError>(HasSubstr("even numbers")));
  for (const char* name : {"a.webm", "a.gif"}) EXPECT_NO_THROW(VideoFile::check(name, 481, 361));
  EXPECT_THAT([] { VideoFile("/no/such/ffmpeg", "a.mp4", 4, 2, 20); },
              ThrowsMessage<DataError>(HasSubstr("/no/such/ffmpeg cannot be started")));
}

TEST(FilmFileTest, AFolderHoldsNumberedPictures) {
  const TemporaryDirectory folder;
  const fs::path pictures = folder.path() / "a" / "b";
  FrameFolder film(pictures, 4, 2);
  film.add(kOne);
  film.add(kOther);
  film.close();
  EXPECT_EQ(file_text(pictures / "000000.png"), png_of(kOne, 4, 2));
  EXPECT_EQ(file_text(pictures / "000001.png"), png_of(kOther, 4, 2));
  EXPECT_THAT([&] { FrameFolder(pictures, 4, 2); },
              ThrowsMessage<ConfigError>(HasSubstr("holds pictures already")));
}

TEST(FilmFileTest, ProgramsAreFoundAsAShellFindsThem) {
  const TemporaryDirectory first, second;
  program(second, "exit 0");
  fs::create_directory(first.path() / "ffmpeg");  // a folder is none
  const std::string before = std::getenv("PATH");
  setenv("PATH", (first.path().string() + ":" + second.path().string()).c_str(), 1);
  EXPECT_EQ(find_ffmpeg(), (second.path() / "ffmpeg").string());
  EXPECT_EQ(program_path("nobody"), "");
  fs::permissions(second.path() / "ffmpeg", fs::perms::owner_read);
  const std::string forbidden = find_ffmpeg();
  setenv("PATH", before.c_str(), 1);
  EXPECT_EQ(forbidden, "") << "a file that nobody may run";
}

}  // namespace
}  // namespace mbrl
