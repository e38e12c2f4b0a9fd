// Files written with every step checked: a full disk is an error with a way out, never a short
// file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace mbrl {

/// A file open for writing, unbuffered: what write() took is with the operating system.
///
/// Errors   DataError naming the file, the reason and, on a full disk, bytes needed and bytes free.
class OutputFile {
 public:
  enum class Mode { kTruncate, kAppend };

  /// `expected_bytes`: the size the file will have, if known; the text of a full disk tells it.
  OutputFile(std::filesystem::path path, Mode mode, std::uint64_t expected_bytes = 0);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, std::size_t num_bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }

  /// Waits until the disk has it.
  void sync();

  /// Closes and reports what the operating system found last; the destructor closes silently.
  void close();

 private:
  [[noreturn]] void fail(int error, std::size_t num_bytes) const;

  std::filesystem::path path_;
  std::uint64_t expected_bytes_;
  std::uint64_t written_ = 0;
  int fd_ = -1;
};

/// Replaces `path` in one step: readers see the old text or the new one.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// Makes renames inside `folder` last over a power failure.
void sync_folder(const std::filesystem::path& folder);

/// The whole file. Errors: DataError with the reason.
std::string read_file(const std::filesystem::path& path);

/// "1.25 GiB", "812 bytes".
std::string bytes_text(std::uint64_t num_bytes);

}  // namespace mbrl
