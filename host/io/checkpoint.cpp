#include "host/io/checkpoint.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/console.h"
#include "host/io/crc32c.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTensorFiles[] = {"weights.safetensors", "replay.safetensors"};
constexpr const char* kFiles[] = {"weights.safetensors", "replay.safetensors", "state.json"};

// what is the matter with a checkpoint
struct Finding {
  enum Kind { kWhole, kDamaged, kUnreadable } kind = kWhole;
  std::string text = {};  // "" for kWhole
};

// how much of a checkpoint is looked at
enum class Depth { kSizes, kState, kAll };

DataError changed(const std::string& what) {
  return DataError(fmt::format("{} has changed since it was written", what));
}

// checksums of tensor files: whole, or of the header as earlier versions wrote them
void check_tensors(const SafetensorsFile& tensors, const char* file, const nlohmann::json& done) {
  if (done.contains("crc32c")) {
    if (done.at("crc32c").at(file) != tensors.checksum()) throw changed(file);
  } else if (done.contains("header_crc32c")) {
    if (done.at("header_crc32c").at(file) != crc32c(tensors.header()))
      throw changed(fmt::format("the header of {}", file));
  }
}

void check_state(const std::string& text, const nlohmann::json& done) {
  const nlohmann::json& expected =
      done.contains("crc32c") ? done.at("crc32c").at("state.json") : done.at("state_crc32c");
  if (expected != crc32c(text)) throw changed("state.json");
}

// DONE, once the files are there in the sizes that it says
nlohmann::json read_done(const fs::path& folder) {
  const auto size_of = [](const fs::path& path) {
    std::error_code error;
    const std::uint64_t size = fs::file_size(path, error);
    if (error) throw ReadError(path, error.value());
    return size;
  };
  size_of(folder / "DONE");
  nlohmann::json done = read_json(folder / "DONE");
  for (const char* file : kFiles) {
    const auto expected = using_file(folder / "DONE", [&] {
      return json_number<std::uint64_t>(done.at("bytes").at(file), file);
    });
    const std::uint64_t found = size_of(folder / file);
    if (found != expected)
      throw DataError(fmt::format("{} has {} bytes, {} were written", file, found, expected));
  }
  return done;
}

Finding examine(const fs::path& folder, Depth depth) {
  // sentences within a sentence
  const auto clause = [](std::string text) {
    if (text.ends_with('.')) text.pop_back();
    return text;
  };
  try {
    const nlohmann::json done = read_done(folder);
    using_file(folder / "DONE", [&] {
      if (depth != Depth::kSizes) check_state(read_file(folder / "state.json"), done);
      if (depth == Depth::kAll)
        for (const char* file : kTensorFiles)
          check_tensors(SafetensorsFile(folder / file), file, done);
    });
  } catch (const ReadError& error) {
    if (error.number != ENOENT && error.number != ENOTDIR)
      return {Finding::kUnreadable, clause(error.what())};
    std::error_code unknown;
    if (!fs::exists(folder, unknown)) return {Finding::kDamaged, "it does not exist"};
    if (!fs::exists(folder / "DONE", unknown))
      return {Finding::kDamaged, "DONE is missing: it was never completed"};
    return {Finding::kDamaged, clause(error.what())};
  } catch (const DataError& error) {
    return {Finding::kDamaged, clause(error.what())};
  }
  return {};
}

void tell(const Warn& warn, const std::string& text) {
  if (warn) {
    warn(text);
  } else {
    print_to(stderr, fmt::format("warning: {}\n", printable(text)));
  }
}

// the N of a folder named `prefix`N; -1 for any other name
std::int64_t step_of(const fs::path& folder, const std::string& prefix) {
  const std::string name = folder.filename().string();
  std::int64_t step = -1;
  if (!name.starts_with(prefix)) return -1;
  const auto [end, error] =
      std::from_chars(name.data() + prefix.size(), name.data() + name.size(), step);
  return error == std::errc() && end == name.data() + name.size() ? step : -1;
}

struct StepFolder {
  std::int64_t step;
  fs::path path;
};

// folders named `prefix`N, newest first; of a folder that cannot be read those that were seen until
// then, and why
std::vector<StepFolder> step_folders(const fs::path& checkpoints_dir, const std::string& prefix,
                                     std::error_code& error) {
  std::vector<StepFolder> folders;
  error.clear();
  for (fs::directory_iterator entry(checkpoints_dir, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::int64_t step = step_of(entry->path(), prefix);
    if (step >= 0) folders.push_back({step, entry->path()});
  }
  std::sort(folders.begin(), folders.end(),
            [](const StepFolder& a, const StepFolder& b) { return a.step > b.step; });
  return folders;
}

// for those who delete: what they do not see stays
std::vector<StepFolder> step_folders(const fs::path& checkpoints_dir, const std::string& prefix) {
  std::error_code unknown;
  return step_folders(checkpoints_dir, prefix, unknown);
}

// false, with a warning, if something of it stays
bool remove_folder(const fs::path& folder, const Warn& warn, const Discard& discard = {}) {
  std::error_code error;
  if (discard)
    error = discard(folder);
  else
    fs::remove_all(folder, error);
  if (error)
    tell(warn, fmt::format("{} is no longer needed and cannot be removed: {}.", folder.string(),
                           error.message()));
  return !error;
}

// puts back what a process that ended between two renames had moved aside, and deletes its remains
void tidy(const fs::path& checkpoints_dir) {
  std::error_code ignored;
  for (const auto& [step, path] : step_folders(checkpoints_dir, ".replaced-")) {
    const fs::path target = checkpoints_dir / fmt::format("step-{:09}", step);
    if (!fs::exists(target, ignored)) fs::rename(path, target, ignored);
    fs::remove_all(path, ignored);
  }
  for (const auto& [step, path] : step_folders(checkpoints_dir, ".writing-"))
    fs::remove_all(path, ignored);
}

void rename_or_throw(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error)
    throw DataError(
        fmt::format("checkpoint {} cannot be put in place: {}.", to.string(), error.message()));
}

// moves `temporary` to `target`; what was there is then at `temporary` or gone
void put_in_place(const fs::path& temporary, const fs::path& target, const fs::path& replaced) {
  std::error_code unknown;
  if (!fs::exists(target, unknown)) return rename_or_throw(temporary, target);

  // both names change at once, so there is no moment without a checkpoint of this step
  if (renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0)
    return;

  // some network file systems cannot exchange; there the old one steps aside first
  rename_or_throw(target, replaced);
  try {
    rename_or_throw(temporary, target);
  } catch (...) {
    std::error_code ignored;
    fs::rename(replaced, target, ignored);
    throw;
  }
}

// those before the step `newest` that have `keep` newer ones
void delete_old(const fs::path& checkpoints_dir, std::int64_t newest, int keep, const Warn& warn,
                const Discard& discard = {}) {
  int kept = 1;
  for (const auto& [step, path] : step_folders(checkpoints_dir, "step-")) {
    if (step >= newest) continue;
    if (kept >= keep) {
      remove_folder(path, warn, discard);
      continue;
    }
    // not one read that fails deletes anything
    const Finding finding = examine(path, Depth::kSizes);
    if (finding.kind == Finding::kDamaged) {
      tell(warn,
           fmt::format("checkpoint {} is damaged: {}. It stays until {} newer ones are whole.",
                       path.string(), finding.text, keep));
    } else {
      ++kept;
    }
  }
}

// a checkpoint whose files `fill(folder)` writes: put in place whole, then those of later steps go,
// and those with `keep` newer ones
template <typename Fill>
fs::path place_checkpoint(const fs::path& checkpoints_dir, std::int64_t env_steps, int keep,
                          const Warn& warn, const Fill& fill, OnDisk on_disk = OnDisk::kAtOnce,
                          const Discard& discard = {}) {
  const bool at_once = on_disk == OnDisk::kAtOnce;
  const fs::path target = checkpoints_dir / fmt::format("step-{:09}", env_steps);
  const fs::path temporary = checkpoints_dir / fmt::format(".writing-{:09}", env_steps);
  const fs::path replaced = checkpoints_dir / fmt::format(".replaced-{:09}", env_steps);
  tidy(checkpoints_dir);
  std::error_code ignored, error;
  if (at_once)
    error = make_folders(checkpoints_dir);
  else
    fs::create_directories(checkpoints_dir, error);
  if (!error) fs::create_directory(temporary, error);
  if (error)
    throw DataError(fmt::format(
        "checkpoint folder {} cannot be made: {}. Existing checkpoints are kept; choose "
        "another place with {}.",
        temporary.string(), error.message(), folder_option()));
  try {
    fill(temporary);
    if (at_once) sync_folder(temporary);
    put_in_place(temporary, target, replaced);
    if (at_once) sync_folder(checkpoints_dir);
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
  // what an exchange has left there
  if (fs::exists(temporary, ignored)) remove_folder(temporary, warn, discard);
  if (fs::exists(replaced, ignored)) remove_folder(replaced, warn, discard);

  for (const auto& [step, path] : step_folders(checkpoints_dir, "step-"))
    if (step > env_steps && !remove_folder(path, warn, discard))
      throw DataError(
          fmt::format("checkpoint {} is of a later step than this run, which was started over from "
                      "before it, and would be taken for its newest. Delete it.",
                      path.string()));
  delete_old(checkpoints_dir, env_steps, keep, warn, discard);
  return target;
}

// files of checkpoints never change, so two folders may share one
void link_or_copy(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (!error) return;
  // another file system, or one without links
  const int fd = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw ReadError(from, errno);
  const std::unique_ptr<const int, void (*)(const int*)> closing(&fd,
                                                                 [](const int* f) { ::close(*f); });
  OutputFile copy(to, OutputFile::Mode::kTruncate);
  std::vector<char> block(std::size_t{1} << 20);
  for (;;) {
    const ssize_t count = ::read(fd, block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw ReadError(from, errno);
    if (count == 0) break;
    copy.write(block.data(), static_cast<std::size_t>(count));
  }
  copy.sync();
  copy.close();
}

// into a folder that is not in place yet, whose names are brought to disk all at once
void write_new_file(const fs::path& path, const std::string& text) {
  OutputFile file(path, OutputFile::Mode::kTruncate, text.size());
  file.write(text);
  file.sync();
  file.close();
}

}  // namespace

fs::path write_checkpoint(const fs::path& checkpoints_dir, std::int64_t env_steps,
                          const CheckpointContents& contents, int keep, const Warn& warn) {
  return place_checkpoint(checkpoints_dir, env_steps, keep, warn, [&](const fs::path& folder) {
    nlohmann::json done;
    const auto promise = [&](const char* file, std::uint32_t checksum) {
      std::error_code error;
      done["bytes"][file] = fs::file_size(folder / file, error);
      if (error) throw ReadError(folder / file, error.value());
      done["crc32c"][file] = checksum;
    };
    promise("weights.safetensors",
            write_safetensors(folder / "weights.safetensors", contents.weights, contents.metadata));
    promise("replay.safetensors",
            write_safetensors(folder / "replay.safetensors", contents.replay));
    const std::string state =
        contents.state.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
    write_new_file(folder / "state.json", state);
    promise("state.json", crc32c(state));
    write_new_file(folder / "DONE", done.dump(1));
  });
}

void tidy_checkpoints(const fs::path& checkpoints_dir, std::int64_t newest, int keep,
                      const Warn& warn) {
  tidy(checkpoints_dir);
  delete_old(checkpoints_dir, newest, keep, warn);
}

void tidy_checkpoints(const fs::path& checkpoints_dir, int keep, const Warn& warn) {
  tidy(checkpoints_dir);
  const std::vector<StepFolder> folders = step_folders(checkpoints_dir, "step-");
  if (!folders.empty()) delete_old(checkpoints_dir, folders.front().step, keep, warn);
}

fs::path copy_checkpoint(const fs::path& checkpoint, const fs::path& checkpoints_dir) {
  if (const Finding finding = examine(checkpoint, Depth::kAll); finding.kind != Finding::kWhole)
    throw DataError(
        fmt::format("checkpoint {} cannot be copied: {}.", checkpoint.string(), finding.text));
  return link_checkpoint(checkpoint, checkpoints_dir);
}

fs::path link_checkpoint(const fs::path& checkpoint, const fs::path& checkpoints_dir,
                         OnDisk on_disk, const Discard& discard) {
  if (const Finding finding = examine(checkpoint, Depth::kSizes); finding.kind != Finding::kWhole)
    throw DataError(
        fmt::format("checkpoint {} cannot be copied: {}.", checkpoint.string(), finding.text));
  return place_checkpoint(
      checkpoints_dir, step_of(checkpoint, "step-"), /*keep=*/1, {},
      [&](const fs::path& folder) {
        for (const char* file : kFiles) link_or_copy(checkpoint / file, folder / file);
        link_or_copy(checkpoint / "DONE", folder / "DONE");
      },
      on_disk, discard);
}

fs::path graft_checkpoint(const fs::path& own, const fs::path& learned,
                          const std::vector<std::string>& values, const fs::path& checkpoints_dir,
                          const Discard& discard) {
  const CheckpointReader mine(own), others(learned);
  const nlohmann::json mine_done = read_json(own / "DONE"),
                       others_done = read_json(learned / "DONE");
  nlohmann::json state = mine.state(), done = mine_done;
  return using_file(learned / "state.json", [&] {
    for (const std::string& name : values)
      if (const auto& from = others.state().at("learner"); from.contains(name))
        state.at("learner")[name] = from.at(name);
    const std::string text = state.dump(1);
    for (const char* promise : {"bytes", "crc32c"})
      done.at(promise)[kTensorFiles[0]] = others_done.at(promise).at(kTensorFiles[0]);
    done.at("bytes")["state.json"] = text.size();
    done.at("crc32c")["state.json"] = crc32c(text);
    return place_checkpoint(
        checkpoints_dir, step_of(own, "step-"), /*keep=*/1, {},
        [&](const fs::path& folder) {
          link_or_copy(learned / kTensorFiles[0], folder / kTensorFiles[0]);
          link_or_copy(own / kTensorFiles[1], folder / kTensorFiles[1]);
          write_new_file(folder / "state.json", text);
          write_new_file(folder / "DONE", done.dump(1));
        },
        OnDisk::kAtOnce, discard);
  });
}

std::optional<fs::path> latest_checkpoint(const fs::path& checkpoints_dir, const Warn& warn) {
  std::error_code error, unknown;
  std::vector<StepFolder> folders = step_folders(checkpoints_dir, "step-", error);
  // left by a process that ended between two renames: complete, but under the other name
  std::vector<StepFolder> replaced;
  if (!error) replaced = step_folders(checkpoints_dir, ".replaced-", error);
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
    throw ReadError(checkpoints_dir, error.value());
  for (StepFolder& aside : replaced)
    if (!fs::exists(checkpoints_dir / fmt::format("step-{:09}", aside.step), unknown))
      folders.push_back(std::move(aside));
  std::stable_sort(folders.begin(), folders.end(),
                   [](const StepFolder& a, const StepFolder& b) { return a.step > b.step; });
  for (const auto& [step, path] : folders) {
    const Finding finding = examine(path, Depth::kAll);
    if (finding.kind == Finding::kWhole) return path;
    if (finding.kind == Finding::kUnreadable)
      throw DataError(
          fmt::format("checkpoint {} cannot be used now: {}. Try again, or move it away to go on "
                      "from an older one.",
                      path.string(), finding.text));
    tell(warn, fmt::format("checkpoint {} is passed over: {}", path.string(), finding.text));
  }
  return std::nullopt;
}

CheckpointReader::CheckpointReader(const fs::path& folder) : folder_(folder) {
  if (const Finding finding = examine(folder, Depth::kState); finding.kind == Finding::kDamaged)
    throw DataError(
        fmt::format("checkpoint {} is damaged: {}. An older one of the same run can be named "
                    "instead (run: --resume PATH).",
                    folder.string(), finding.text));
  done_ = read_json(folder / "DONE");
  state_ = read_json(folder / "state.json");
}

const SafetensorsFile& CheckpointReader::open(std::unique_ptr<SafetensorsFile>& file,
                                              const char* name) const {
  if (file == nullptr) {
    auto opened = std::make_unique<SafetensorsFile>(folder_ / name);
    try {
      using_file(folder_ / "DONE", [&] { check_tensors(*opened, name, done_); });
    } catch (const ReadError&) {
      throw;
    } catch (const DataError& error) {
      throw DataError(
          fmt::format("checkpoint {} is damaged: {}. An older one of the same run can be named "
                      "instead (run: --resume PATH).",
                      folder_.string(), error.what()));
    }
    file = std::move(opened);
  }
  return *file;
}

const std::map<std::string, std::string>& CheckpointReader::metadata() const {
  return open(weights_, "weights.safetensors").metadata();
}

void CheckpointReader::read_weights(const std::vector<TensorRef>& tensors) const {
  const SafetensorsFile& file = open(weights_, "weights.safetensors");
  for (const TensorRef& tensor : tensors) file.read_into(tensor, SafetensorsFile::Values::kFinite);
}

void CheckpointReader::read_replay(const std::vector<TensorRef>& tensors) const {
  const SafetensorsFile& file = open(replay_, "replay.safetensors");
  for (const TensorRef& tensor : tensors) file.read_into(tensor);
}

}  // namespace mbrl
