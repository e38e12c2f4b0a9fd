#include "host/io/checkpoint.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "host/io/crc32c.h"
#include "host/io/output_file.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTensorFiles[] = {"weights.safetensors", "replay.safetensors"};
constexpr const char* kFiles[] = {"weights.safetensors", "replay.safetensors", "state.json"};

// sizes and checksums: what DONE promises
nlohmann::json promise(const fs::path& folder) {
  nlohmann::json done;
  for (const char* file : kFiles) done["bytes"][file] = fs::file_size(folder / file);
  done["state_crc32c"] = crc32c(read_file(folder / "state.json"));
  for (const char* file : kTensorFiles)
    done["header_crc32c"][file] = crc32c(SafetensorsFile(folder / file).header());
  return done;
}

// what is wrong with a checkpoint; "" if it is complete
std::string damage(const fs::path& folder) {
  nlohmann::json done;
  try {
    if (!fs::exists(folder)) return "it does not exist";
    if (!fs::exists(folder / "DONE")) return "DONE is missing: it was never completed";
    done = nlohmann::json::parse(read_file(folder / "DONE"));
    for (const char* file : kFiles)
      static_cast<void>(done.at("bytes").at(file).get<std::uint64_t>());
  } catch (const std::exception& error) {
    return fmt::format("DONE cannot be read: {}", error.what());
  }
  try {
    for (const char* file : kFiles) {
      const auto expected = done["bytes"][file].get<std::uint64_t>();
      if (!fs::exists(folder / file)) return fmt::format("{} is missing", file);
      const std::uint64_t found = fs::file_size(folder / file);
      if (found != expected)
        return fmt::format("{} has {} bytes, {} were written", file, found, expected);
    }
    if (done.at("state_crc32c") != crc32c(read_file(folder / "state.json")))
      return "state.json has changed since it was written";
    const nlohmann::json headers = done.value("header_crc32c", nlohmann::json::object());
    for (const auto& [file, crc] : headers.items())
      if (crc != crc32c(SafetensorsFile(folder / file).header()))
        return fmt::format("the header of {} has changed since it was written", file);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
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

// folders named `prefix`N, newest first
std::vector<StepFolder> step_folders(const fs::path& checkpoints_dir, const std::string& prefix) {
  std::vector<StepFolder> folders;
  std::error_code error;
  for (fs::directory_iterator entry(checkpoints_dir, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::int64_t step = step_of(entry->path(), prefix);
    if (step >= 0) folders.push_back({step, entry->path()});
  }
  std::sort(folders.begin(), folders.end(),
            [](const StepFolder& a, const StepFolder& b) { return a.step > b.step; });
  return folders;
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
  if (!fs::exists(target)) return rename_or_throw(temporary, target);

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

// a checkpoint whose files `fill(folder)` writes: put in place whole, then those of later steps go,
// and all but the `keep` newest complete ones
template <typename Fill>
fs::path place_checkpoint(const fs::path& checkpoints_dir, std::int64_t env_steps, int keep,
                          const Fill& fill) {
  const fs::path target = checkpoints_dir / fmt::format("step-{:09}", env_steps);
  const fs::path temporary = checkpoints_dir / fmt::format(".writing-{:09}", env_steps);
  const fs::path replaced = checkpoints_dir / fmt::format(".replaced-{:09}", env_steps);
  tidy(checkpoints_dir);
  std::error_code error, ignored;
  fs::create_directories(temporary, error);
  if (error)
    throw DataError(fmt::format(
        "checkpoint folder {} cannot be made: {}. Existing checkpoints are kept; choose "
        "another place with --runs DIR.",
        temporary.string(), error.message()));
  try {
    fill(temporary);
    sync_folder(temporary);
    put_in_place(temporary, target, replaced);
    sync_folder(checkpoints_dir);
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
  fs::remove_all(temporary, ignored);
  fs::remove_all(replaced, ignored);

  // a damaged one does not count as kept
  int kept = 1;
  for (const auto& [step, path] : step_folders(checkpoints_dir, "step-")) {
    if (step == env_steps) continue;
    if (step < env_steps && kept < keep && damage(path).empty()) {
      ++kept;
    } else {
      fs::remove_all(path, ignored);
    }
  }
  return target;
}

// files of checkpoints never change, so two folders may share one
void link_or_copy(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (!error) return;
  // another file system, or one without links
  OutputFile copy(to, OutputFile::Mode::kTruncate, fs::file_size(from));
  std::ifstream file(from, std::ios::binary);
  std::vector<char> block(std::size_t{1} << 20);
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())), file.gcount() > 0)
    copy.write(block.data(), static_cast<std::size_t>(file.gcount()));
  copy.sync();
  copy.close();
}

}  // namespace

fs::path write_checkpoint(const fs::path& checkpoints_dir, std::int64_t env_steps,
                          const CheckpointContents& contents, int keep) {
  return place_checkpoint(checkpoints_dir, env_steps, keep, [&](const fs::path& folder) {
    write_safetensors(folder / "weights.safetensors", contents.weights);
    write_safetensors(folder / "replay.safetensors", contents.replay);
    write_file_atomically(folder / "state.json", contents.state.dump(1));
    write_file_atomically(folder / "DONE", promise(folder).dump(1));
  });
}

fs::path copy_checkpoint(const fs::path& checkpoint, const fs::path& checkpoints_dir) {
  if (const std::string what = damage(checkpoint); !what.empty())
    throw DataError(fmt::format("checkpoint {} cannot be copied: {}.", checkpoint.string(), what));
  return place_checkpoint(checkpoints_dir, step_of(checkpoint, "step-"), /*keep=*/1,
                          [&](const fs::path& folder) {
                            for (const char* file : kFiles)
                              link_or_copy(checkpoint / file, folder / file);
                            link_or_copy(checkpoint / "DONE", folder / "DONE");
                          });
}

std::optional<fs::path> latest_checkpoint(const fs::path& checkpoints_dir,
                                          const std::function<void(const std::string&)>& warn) {
  std::vector<StepFolder> folders = step_folders(checkpoints_dir, "step-");
  // left by a process that ended between two renames: complete, but under the other name
  for (StepFolder& aside : step_folders(checkpoints_dir, ".replaced-"))
    if (!fs::exists(checkpoints_dir / fmt::format("step-{:09}", aside.step)))
      folders.push_back(std::move(aside));
  std::stable_sort(folders.begin(), folders.end(),
                   [](const StepFolder& a, const StepFolder& b) { return a.step > b.step; });
  for (const auto& [step, path] : folders) {
    const std::string what = damage(path);
    if (what.empty()) return path;
    const std::string text = fmt::format("checkpoint {} is passed over: {}", path.string(), what);
    if (warn) {
      warn(text);
    } else {
      fmt::print(stderr, "warning: {}\n", text);
    }
  }
  return std::nullopt;
}

CheckpointReader::CheckpointReader(const fs::path& folder) : folder_(folder) {
  if (const std::string what = damage(folder); !what.empty())
    throw DataError(
        fmt::format("checkpoint {} is damaged: {}. An older one of the same run can be used with "
                    "--resume PATH.",
                    folder.string(), what));
  state_ = nlohmann::json::parse(read_file(folder / "state.json"));
}

void CheckpointReader::read_weights(const std::vector<TensorRef>& tensors) const {
  const SafetensorsFile file(folder_ / "weights.safetensors");
  for (const TensorRef& tensor : tensors) file.read_into(tensor);
}

void CheckpointReader::read_replay(const std::vector<TensorRef>& tensors) const {
  const SafetensorsFile file(folder_ / "replay.safetensors");
  for (const TensorRef& tensor : tensors) file.read_into(tensor);
}

}  // namespace mbrl
