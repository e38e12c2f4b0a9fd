#include "host/config/input_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/printable.h"
#include "envs/process/process_env.h"
#include "host/io/folders.h"
#include "host/io/output_file.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

bool is_regular(const fs::path& path) {
  std::error_code absent;
  return fs::is_regular_file(path, absent);
}

// ---------------------------------------------------------------------------------------------------
// MJCF: as much XML as it takes to find the names of files

// far more than any robot's, whose meshes are files of their own
constexpr std::uint64_t kMaxMjcfBytes = std::uint64_t{64} << 20;

struct Element {
  std::string name;
  std::vector<std::pair<std::string, std::string>> attributes;
};

/// &amp; and its kin as the characters they stand for.
std::string unescaped(std::string_view text) {
  constexpr std::pair<std::string_view, char> kEntities[] = {
      {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const auto* entity =
        std::find_if(std::begin(kEntities), std::end(kEntities),
                     [&](const auto& e) { return text.substr(i).starts_with(e.first); });
    const bool found = entity != std::end(kEntities);
    result += found ? entity->second : text[i];
    i += found ? entity->first.size() : 1;
  }
  return result;
}

/// The elements of an XML text in their order. Comments and the like are passed over; what is
/// malformed ends the list, as MuJoCo refuses the file anyway.
std::vector<Element> elements_of(std::string_view text) {
  std::vector<Element> elements;
  std::size_t at = 0;
  const auto skip_past = [&](std::string_view end) {
    const std::size_t found = text.find(end, at);
    at = found == std::string_view::npos ? text.size() : found + end.size();
  };
  const auto word = [&] {
    const std::size_t end = std::min(text.find_first_of(" \t\r\n=/>", at), text.size());
    const std::string_view found = text.substr(at, end - at);
    at = end;
    return std::string(found);
  };
  const auto skip_blanks = [&] {
    at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
  };

  while ((at = text.find('<', at)) != std::string_view::npos) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("<!--")) {
      skip_past("-->");
    } else if (rest.starts_with("<![CDATA[")) {
      skip_past("]]>");
    } else if (rest.starts_with("<!") || rest.starts_with("<?") || rest.starts_with("</")) {
      skip_past(">");
    } else {
      ++at;
      Element element{word(), {}};
      for (skip_blanks(); at < text.size() && text[at] != '>' && text[at] != '/'; skip_blanks()) {
        const std::string name = word();
        skip_blanks();
        if (at >= text.size() || text[at] != '=') return elements;
        ++at;
        skip_blanks();
        if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) return elements;
        const char quote = text[at++];
        const std::size_t end = text.find(quote, at);
        if (end == std::string_view::npos) return elements;
        element.attributes.emplace_back(name, unescaped(text.substr(at, end - at)));
        at = end + 1;
      }
      elements.push_back(std::move(element));
    }
  }
  return elements;
}

/// What a model's files name, gathered over all of them.
struct References {
  std::set<fs::path> files;                        // the MJCF files themselves
  std::set<std::pair<fs::path, fs::path>> assets;  // folder of the naming file, name
  std::set<fs::path> asset_folders;                // <compiler meshdir="..."> and its kin
};

/// What one text names; included files go to `waiting`. MuJoCo looks for an included file beside the
/// first one, newer versions beside the one that includes it: what exists counts.
void add_references(References& all, std::vector<fs::path>& waiting, std::string_view text,
                    const fs::path& folder, const fs::path& main_folder) {
  for (const Element& element : elements_of(text)) {
    for (const auto& [attribute, value] : element.attributes) {
      // to the system a name ends there: each file that includes itself would be another one
      if (value.find('\0') != std::string::npos) continue;
      if (element.name == "compiler" &&
          (attribute == "meshdir" || attribute == "texturedir" || attribute == "assetdir")) {
        all.asset_folders.emplace(value);
      } else if (element.name == "include" && attribute == "file") {
        for (const fs::path& beside : {main_folder, folder})
          waiting.push_back((beside / value).lexically_normal());
      } else if (attribute.starts_with("file") && !value.empty()) {
        // file, and the six sides of a cube: fileright, fileleft, ...
        all.assets.emplace(folder, value);
      }
    }
  }
}

/// The MJCF file with what it includes. A list in place of recursion: how deep files include one
/// another is theirs to say.
References references_of(const fs::path& model) {
  constexpr std::size_t kMaxFiles = 10000;
  References all;
  std::vector<fs::path> waiting{model.lexically_normal()};
  while (!waiting.empty() && all.files.size() < kMaxFiles) {
    const fs::path file = std::move(waiting.back());
    waiting.pop_back();
    if (!is_regular(file) || !all.files.insert(file).second) continue;
    std::string text;
    try {
      text = read_file(file, kMaxMjcfBytes);
    } catch (const DataError&) {
      continue;  // who opens it later says why that fails
    }
    add_references(all, waiting, text, file.parent_path(), model.parent_path());
  }
  return all;
}

/// All files that the model of an MJCF file is made of, itself first.
std::vector<fs::path> files_of_model(const fs::path& model) {
  const fs::path folder = model.parent_path();
  const References all = references_of(model);
  std::set<fs::path> others = all.files;
  for (const auto& [naming_folder, name] : all.assets)
    for (const fs::path& base : {folder, naming_folder})
      // strippath leaves the last part of a name
      for (const fs::path& part : {name, name.filename()}) {
        std::vector<fs::path> places{base / part};
        for (const fs::path& asset_folder : all.asset_folders)
          places.push_back(base / asset_folder / part);
        for (const fs::path& place : places)
          if (is_regular(place)) others.insert(place.lexically_normal());
      }
  others.erase(model.lexically_normal());
  std::vector<fs::path> files{model};
  files.insert(files.end(), others.begin(), others.end());
  return files;
}

// ---------------------------------------------------------------------------------------------------
// keys

std::vector<fs::path> tables_below(const fs::path& folder) {
  std::vector<fs::path> tables;
  for (const fs::path& below : folders_below(folder, [](const std::string&) {}))
    if (is_regular(below / "metrics.csv")) tables.push_back(below / "metrics.csv");
  // as hashes of earlier runs have them
  std::sort(tables.begin(), tables.end());
  return tables;
}

void add_files(std::vector<InputFile>& all, const std::string& key, const fs::path& folder,
               const std::vector<fs::path>& files) {
  for (const fs::path& file : files) {
    const fs::path relative = folder.empty() ? file : file.lexically_relative(folder);
    std::string hash = "unreadable";
    try {
      hash = hash_text(read_file(file));
    } catch (const DataError&) {
      // who opens it later says why that fails
    }
    all.push_back({key, printable((relative.empty() ? file : relative).string()), hash});
  }
}

}  // namespace

std::string hash_text(std::string_view text) {
  std::uint32_t hash = 2166136261u;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 16777619u;
  return fmt::format("{:08x}", hash);
}

std::vector<InputFile> input_files(const Config& config) {
  std::vector<InputFile> all;
  if (const fs::path model = config.env.mjcf.model; is_regular(model))
    add_files(all, "mjcf.model", model.parent_path(), files_of_model(model));
  if (const fs::path controller = config.controller.file; is_regular(controller))
    add_files(all, "controller.file", controller.parent_path(), {controller});
  if (const fs::path schedule = config.schedule; is_regular(schedule))
    add_files(all, "schedule", schedule.parent_path(), {schedule});
  if (const fs::path baseline = config.autombpo.baseline; !baseline.empty())
    add_files(all, "autombpo.baseline", baseline, tables_below(baseline));
  // no file, but what a command stands for is not in its words alone either
  if (config.env.name == "process" && !config.env.command.empty())
    all.push_back({"env.command", "the greeting",
                   hash_text(config.env.command + '\n' + process_greeting(config.env).text())});
  return all;
}

std::string content_hash(const std::vector<InputFile>& files, const std::string& key) {
  std::vector<const InputFile*> own;
  for (const InputFile& file : files)
    if (file.key == key) own.push_back(&file);
  if (own.empty()) return "";
  // one file alone as before there were others; its name does not count, the places of the others
  // do, as they are what finds them
  if (own.size() == 1) return own.front()->hash;
  std::string text = own.front()->hash;
  for (std::size_t i = 1; i < own.size(); ++i)
    text += fmt::format("\n{}={}", own[i]->name, own[i]->hash);
  return hash_text(text);
}

nlohmann::ordered_json to_json(const std::vector<InputFile>& files) {
  auto json = nlohmann::ordered_json::object();
  for (const InputFile& file : files) {
    if (!json.contains(file.key)) json[file.key] = nlohmann::ordered_json::array();
    json[file.key].push_back(nlohmann::ordered_json::array({file.name, file.hash}));
  }
  return json;
}

std::vector<InputFile> input_files_from_json(const nlohmann::ordered_json& json) {
  std::vector<InputFile> files;
  for (const auto& [key, list] : json.items())
    for (const auto& file : list)
      files.push_back({key, file.at(0).get<std::string>(), file.at(1).get<std::string>()});
  return files;
}

std::vector<std::string> file_differences(const std::vector<InputFile>& from,
                                          const std::vector<InputFile>& to) {
  // the first file of a key is the same file under any name
  using Place = std::pair<std::string, std::string>;
  const auto by_place = [](const std::vector<InputFile>& files) {
    std::map<Place, const InputFile*> result;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const bool first = i == 0 || files[i - 1].key != files[i].key;
      result[{files[i].key, first ? "" : files[i].name}] = &files[i];
    }
    return result;
  };
  const auto before = by_place(from), after = by_place(to);
  std::vector<std::string> texts;
  for (const auto& [place, file] : before) {
    const auto now = after.find(place);
    if (now == after.end())
      texts.push_back(fmt::format("{} of {} is gone", file->name, file->key));
    else if (now->second->hash != file->hash)
      texts.push_back(fmt::format("{} of {} differs ({} -> {})", file->name, file->key, file->hash,
                                  now->second->hash));
  }
  for (const auto& [place, file] : after)
    if (!before.contains(place))
      texts.push_back(fmt::format("{} of {} is new", file->name, file->key));
  return texts;
}

}  // namespace mbrl
