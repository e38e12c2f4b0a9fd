#include "host/tune/rank_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"
#include "host/tune/study/process_name.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFolderMark = "seen-by-ranks";
constexpr const char* kCheckpoints = "checkpoints";
constexpr const char* kScratch = "mbrl_gpu-rank-";

// none of a folder's own: of processes that work in it, and of writes that have not ended
bool stays(const fs::path& relative) {
  for (const fs::path& part : relative)
    if (part.native().starts_with('.')) return true;
  const std::string name = relative.filename().string();
  return name == "lock" || name == kFolderMark || name.ends_with(".tmp");
}

// name and DONE of the newest checkpoint, which no two runs share
nlohmann::json newest_checkpoint(const fs::path& folder) {
  std::string newest;
  std::error_code absent;
  for (fs::directory_iterator entry(folder / kCheckpoints, absent), end; !absent && entry != end;
       entry.increment(absent))
    if (const std::string name = entry->path().filename().string(); name.starts_with("step-"))
      newest = std::max(newest, name);
  if (newest.empty()) return nullptr;
  const fs::path done = folder / kCheckpoints / newest / "DONE";
  return {{"name", newest}, {"done", fs::exists(done, absent) ? read_file(done) : ""}};
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path relative = entry->path().lexically_relative(folder);
    if (entry->is_regular_file(error) && !stays(relative)) files.push_back(relative);
  }
  if (error) throw ReadError(folder, error.value());
  std::sort(files.begin(), files.end());
  return files;
}

void rename_or_throw(const fs::path& from, const fs::path& to) {
  std::error_code error = make_folders(to.parent_path());
  if (!error) fs::rename(from, to, error);
  if (error)
    throw DataError(
        fmt::format("{} cannot be put in place: {}.", printable(to.string()), error.message()));
}

}  // namespace

// ---- whether a folder is seen

FolderMark::FolderMark(fs::path folder) : folder_(std::move(folder)) {
  static std::atomic<int> number{0};
  text_ = fmt::format("{} {}\n", own_process_name(), number++);
  if (const std::error_code error = make_folders(folder_); error)
    throw DataError(
        fmt::format("run directory {} cannot be made: {}. Choose another place with {}.",
                    printable(folder_.string()), error.message(), folder_option()));
  OutputFile file(folder_ / kFolderMark, OutputFile::Mode::kTruncate, text_.size());
  file.write(text_);
  file.close();
}

FolderMark::~FolderMark() {
  std::error_code ignored;
  fs::remove(folder_ / kFolderMark, ignored);
}

nlohmann::json FolderMark::message() const {
  return {
      {"folder", folder_.string()}, {"mark", text_}, {"checkpoint", newest_checkpoint(folder_)}};
}

bool sees_mark(const nlohmann::json& message) {
  const fs::path folder = message.at("folder").get<std::string>();
  try {
    return read_file(folder / kFolderMark) == message.at("mark").get<std::string>() &&
           newest_checkpoint(folder) == message.at("checkpoint");
  } catch (const ReadError&) {
    return false;
  }
}

// ---- files as messages

void send_folder(Ranks& ranks, int to, int tag, const fs::path& folder, std::size_t part) {
  nlohmann::json list = nlohmann::json::array();
  const std::vector<fs::path> files = files_below(folder);
  for (const fs::path& file : files) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(folder / file, error);
    if (error) throw ReadError(folder / file, error.value());
    list.push_back({{"name", file.string()}, {"bytes", size}});
  }
  std::string bytes;
  nlohmann::json::to_cbor(list, bytes);
  ranks.send(to, tag, bytes);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const fs::path path = folder / files[i];
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) throw ReadError(path, errno);
    const std::unique_ptr<const int, void (*)(const int*)> closing(
        &fd, [](const int* f) { ::close(*f); });
    for (auto left = list[i].at("bytes").get<std::uint64_t>(); left > 0;) {
      bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, part)));
      for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t count = ::read(fd, bytes.data() + done, bytes.size() - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw ReadError(path, errno);
        if (count == 0)
          throw DataError(fmt::format("{} became shorter while it was sent to rank {}.",
                                      printable(path.string()), to));
        done += static_cast<std::size_t>(count);
      }
      left -= bytes.size();
      ranks.send(to, tag, bytes);
    }
  }
}

void break_off(Ranks& ranks, int to, int tag) { ranks.send(to, tag, ""); }

namespace {

// the files of a list, whose parts `next_part` takes
template <typename NextPart>
void write_files(const nlohmann::json& list, int from, const fs::path& folder, bool on_disk,
                 const NextPart& next_part) {
  std::set<fs::path> folders{folder};
  for (const nlohmann::json& entry : list) {
    const fs::path name = entry.at("name").get<std::string>();
    if (name.is_absolute() || name.empty() || stays(name))
      throw DataError(fmt::format("rank {} sends {}, which is no file of a run's folder.", from,
                                  printable(name.string())));
    const fs::path path = folder / name;
    for (fs::path above = path.parent_path(); folders.insert(above).second;)
      above = above.parent_path();
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (error)
      throw DataError(fmt::format("{} cannot be made: {}.", printable(path.parent_path().string()),
                                  error.message()));
    auto left = entry.at("bytes").get<std::uint64_t>();
    OutputFile file(path, OutputFile::Mode::kTruncate, left);
    while (left > 0) {
      const std::string bytes = next_part();
      if (bytes.size() > left)
        throw DataError(fmt::format("rank {} sends {} bytes of {}, of which {} are left.", from,
                                    bytes.size(), printable(name.string()), left));
      file.write(bytes);
      left -= bytes.size();
    }
    if (on_disk) file.sync();
    file.close();
  }
  if (on_disk)
    for (const fs::path& one : folders) sync_folder(one);
}

}  // namespace

void receive_folder(Ranks& ranks, int from, int tag, const fs::path& folder, bool on_disk) {
  bool is_broken_off = false;
  const auto next = [&] {
    std::string bytes = ranks.wait_for(from, tag);
    is_broken_off = bytes.empty();
    if (is_broken_off)
      throw DataError(fmt::format("rank {} cannot send the files of a run.", from));
    return bytes;
  };
  const nlohmann::json list = nlohmann::json::from_cbor(next());
  std::uint64_t to_come = 0;
  for (const nlohmann::json& entry : list) to_come += entry.at("bytes").get<std::uint64_t>();
  try {
    write_files(list, from, folder, on_disk, [&] {
      std::string bytes = next();
      to_come -= std::min<std::uint64_t>(to_come, bytes.size());
      return bytes;
    });
  } catch (const DataError&) {
    while (to_come > 0 && !is_broken_off) {
      const std::string bytes = ranks.wait_for(from, tag);
      is_broken_off = bytes.empty();
      to_come -= std::min<std::uint64_t>(to_come, bytes.size());
    }
    throw;
  }
}

void adopt_folder(const fs::path& arrived, const fs::path& folder) {
  std::set<fs::path> checkpoints;  // their names
  for (const fs::path& file : files_below(arrived)) {
    if (*file.begin() == kCheckpoints)
      checkpoints.insert(*std::next(file.begin()));
    else
      rename_or_throw(arrived / file, folder / file);
  }
  sync_folder(folder);
  std::error_code error;
  for (const fs::path& name : checkpoints)
    // one of that step is the same state: the run went on from there
    if (!fs::exists(folder / kCheckpoints / name, error))
      rename_or_throw(arrived / kCheckpoints / name, folder / kCheckpoints / name);
  if (!checkpoints.empty()) sync_folder(folder / kCheckpoints);
  std::vector<fs::path> gone;
  for (fs::directory_iterator entry(folder / kCheckpoints, error), end; !error && entry != end;
       entry.increment(error))
    if (!checkpoints.contains(entry->path().filename())) gone.push_back(entry->path());
  for (const fs::path& one : gone) fs::remove_all(one, error);
  fs::remove_all(arrived, error);
}

// ---- where a rank trains what it does not see

ScratchFolder::ScratchFolder() {
  static std::atomic<int> number{0};
  std::error_code error;
  const fs::path root = fs::temp_directory_path(error);
  if (error)
    throw DataError(fmt::format(
        "there is no folder for temporary files, and this rank does not see the run's: {}. Set "
        "TMPDIR.",
        error.message()));
  path_ = root / fmt::format("{}{}", kScratch, own_process_name()) / std::to_string(number++);
  if (error = make_folders(path_); error)
    throw DataError(fmt::format(
        "{} cannot be made, and this rank does not see the run's folder: {}. Set TMPDIR to "
        "another place.",
        printable(path_.string()), error.message()));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  // where it was the last
  fs::remove(path_.parent_path(), ignored);
}

void ScratchFolder::sweep_up() {
  std::error_code error;
  const fs::path root = fs::temp_directory_path(error);
  std::vector<fs::path> left;
  for (fs::directory_iterator entry(root, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(kScratch) &&
        process_has_ended(name.substr(std::string(kScratch).size())).value_or(false))
      left.push_back(entry->path());
  }
  for (const fs::path& one : left) fs::remove_all(one, error);
}

}  // namespace mbrl
