// Files written with every step checked: a full disk is an error with a way out, never a short
// file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "base/error.h"

namespace mbrl {

/// A file that cannot be read: absent, forbidden, or a disk that fails. What it holds may be right.
struct ReadError : DataError {
  ReadError(const std::filesystem::path& path, int number);
  int number;  // errno
};

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

/// Replaces `path` in one step: readers see the old text or the new one. Where a symbolic link
/// stands, the file it means; devices and pipes are written to as they are.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// Whether a file can be written where it is to be, told before the work whose result it holds.
///
/// Errors   DataError if its folder is not there, or neither it nor its folder may be written.
void check_writable(const std::filesystem::path& file);

/// From now on the errors of this file advise what commands that train have: checkpoint.keep and
/// the option that chooses their folder. Other commands write files too, and have neither.
void advise_options_of_a_run(std::string folder_option = "--runs DIR");

/// The option that chooses the folder of what trains at hand: "--runs DIR" if not said otherwise.
const std::string& folder_option();

/// Makes the names inside `folder` last over a power failure.
void sync_folder(const std::filesystem::path& folder);

/// Makes a folder and those above it that are not there, and their names last as well.
///
/// Returns  why it cannot be made; nothing if it is there.
/// Errors   those of sync_folder.
std::error_code make_folders(const std::filesystem::path& folder);

/// The whole file. Errors: ReadError; DataError if it holds more than `max_bytes`.
std::string read_file(const std::filesystem::path& path,
                      std::uint64_t max_bytes = std::uint64_t{4} << 30);

/// "1.25 GiB", "812 bytes".
std::string bytes_text(std::uint64_t num_bytes);

}  // namespace mbrl
