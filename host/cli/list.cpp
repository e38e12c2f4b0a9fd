// mbrl_gpu list: the runs that there are, what sets them apart and how far they have come.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "host/cli/cli.h"
#include "host/cli/run_list.h"
#include "host/io/folders.h"
#include "host/io/terminal_width.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;

struct ListOptions {
  std::vector<std::string> folders;
  std::string sort = "name";
  bool json = false, csv = false;
};

// rounded down: 124,999 steps are not yet 125k
std::string short_count(std::int64_t count) {
  const auto scaled = [&](std::int64_t unit, const char* name) {
    const std::int64_t tenths = count / (unit / 10);
    return tenths % 10 == 0 ? fmt::format("{}{}", tenths / 10, name)
                            : fmt::format("{}.{}{}", tenths / 10, tenths % 10, name);
  };
  if (count < 10'000) return std::to_string(count);
  return count < 1'000'000 ? scaled(1'000, "k") : scaled(1'000'000, "M");
}

std::string age_text(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min", s / 60);
  if (s < 48 * 3600) return fmt::format("{} h", s / 3600);
  return fmt::format("{} d", s / 86400);
}

std::string steps_text(const ListedRun& run) {
  if (run.num_learners >= 0)
    return fmt::format("{} run{}", run.num_learners, run.num_learners == 1 ? "" : "s");
  return short_count(run.env_steps) +
         (run.wanted_steps ? "/" + short_count(*run.wanted_steps) : "");
}

using Cells = std::array<std::string, 5>;

Cells row_of(const ListedRun& run) {
  return {run.seed ? std::to_string(*run.seed) : "-", steps_text(run),
          std::isnan(run.last_return) ? "-" : fmt::format("{:.1f}", run.last_return), run.status,
          age_text(run.age_s)};
}

// words in lines of at most `width` characters; a longer word has a line of its own
std::string heading_lines(const std::string& begin, const std::vector<std::string>& words,
                    std::size_t width) {
  std::string text, line = begin;
  for (const std::string& word : words) {
    if (line.size() + 1 + word.size() > width && line.find_first_not_of(' ') != line.npos) {
      text += line + "\n";
      line = "   ";
    }
    line += (line.find_first_not_of(' ') == line.npos ? "" : " ") + word;
  }
  return text + line + "\n";
}

// The differences as a heading has room for them: those that not every run has first, as they tell
// runs apart.
std::vector<std::string> shown_differences(const ListedRun& run,
                                           const std::vector<ListedRun>& all) {
  constexpr std::size_t kMost = 6;
  const auto is_common = [&](const std::string& text) {
    return std::all_of(all.begin(), all.end(), [&](const ListedRun& other) {
      return std::find(other.differences.begin(), other.differences.end(), text) !=
             other.differences.end();
    });
  };
  std::vector<std::string> words = run.differences;
  std::stable_partition(words.begin(), words.end(),
                        [&](const std::string& text) { return !is_common(text); });
  const std::size_t more = words.size() - std::min(words.size(), kMost);
  words.resize(words.size() - more);
  for (std::size_t i = 0; i + 1 < words.size(); ++i) words[i] += ",";
  if (more > 0) words.push_back(fmt::format("and {} more", more));
  return words;
}

std::string heading(const fs::path& group, const ListedRun& run, const std::vector<ListedRun>& all,
                    std::size_t width) {
  const std::string path = printable(group.string());
  if (!run.problem.empty()) return heading_lines(path, {}, width) + "  " + run.problem + "\n";
  const std::vector<std::string> words = shown_differences(run, all);
  const std::string from = run.base.empty() ? "the defaults" : run.base;
  return heading_lines(path, {}, width) +
         (words.empty() ? "  " + from + "\n" : heading_lines("  " + from + " with", words, width));
}

// the runs over seeds of one config below one heading
std::string table(const std::vector<ListedRun>& runs, std::size_t width) {
  const auto group_of = [](const ListedRun& run) {
    const bool is_seed = run.seed && run.path.filename() == fmt::format("seed-{}", *run.seed);
    return is_seed ? run.path.parent_path() : run.path;
  };
  std::vector<fs::path> groups;  // in the order of their first runs
  for (const ListedRun& run : runs)
    if (std::find(groups.begin(), groups.end(), group_of(run)) == groups.end())
      groups.push_back(group_of(run));

  const Cells head{"seed", "steps", "return", "status", "written"};
  std::array<std::size_t, 5> widths{};
  const auto widen = [&](const Cells& row) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  };
  widen(head);
  for (const ListedRun& run : runs) widen(row_of(run));
  std::size_t needed = 0;
  for (const std::size_t w : widths) needed += w + 2;
  const std::string gap(needed <= width ? 2 : 1, ' ');
  const auto line = [&](const Cells& row) {
    std::string text =
        fmt::format("{}{:>{}}{}{:>{}}{}{:>{}}{}{:<{}}{}{}", gap, row[0], widths[0], gap, row[1],
                    widths[1], gap, row[2], widths[2], gap, row[3], widths[3], gap, row[4]);
    return text + "\n";
  };
  std::string text;
  for (const fs::path& group : groups) {
    bool is_first = true;
    for (const ListedRun& run : runs) {
      if (group_of(run) != group) continue;
      if (is_first) text += heading(group, run, runs, width) + line(head);
      is_first = false;
      text += line(row_of(run));
    }
    text += "\n";
  }
  return text;
}

// "5 runs: 3 done, 1 killed, 1 running", and what to know of those that could go on
std::string closing(const std::vector<ListedRun>& runs) {
  std::map<std::string, int> counts;
  for (const ListedRun& run : runs) ++counts[run.status];
  std::vector<std::string> parts;
  for (const auto& [status, count] : counts) parts.push_back(fmt::format("{} {}", count, status));
  std::string text = fmt::format("{} run{}: {}\n", runs.size(), runs.size() == 1 ? "" : "s",
                                 fmt::join(parts, ", "));
  if (counts.contains("killed") || counts.contains("stopped") || counts.contains("failed"))
    text += "what is killed, stopped or failed goes on\nby the command in its command.txt\n";
  return text;
}

nlohmann::ordered_json json_of(const ListedRun& run) {
  const auto number = [](double value) {
    return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json();
  };
  const auto known = [](const std::optional<std::int64_t>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
  };
  nlohmann::ordered_json json{{"run", run.path.string()},
                              {"name", run.name},
                              {"config", run.base},
                              {"differences", run.differences},
                              {"seed", known(run.seed)},
                              {"status", run.status},
                              {"env_steps", run.env_steps},
                              {"wanted_steps", known(run.wanted_steps)},
                              {"last_return", number(run.last_return)},
                              {"age_s", std::floor(run.age_s)}};
  if (run.num_learners >= 0) json["learners"] = run.num_learners;
  return json;
}

// RFC 4180
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string{c};
  return quoted + "\"";
}

void print_csv(const std::vector<ListedRun>& runs) {
  fmt::print("run,name,config,differences,seed,status,env_steps,wanted_steps,last_return,age_s\n");
  const auto known = [](const std::optional<std::int64_t>& value) {
    return value ? std::to_string(*value) : "";
  };
  for (const ListedRun& run : runs)
    fmt::print("{},{},{},{},{},{},{},{},{},{:.0f}\n", csv_field(run.path.string()),
               csv_field(run.name), csv_field(run.base),
               csv_field(fmt::format("{}", fmt::join(run.differences, " "))), known(run.seed),
               run.status, run.env_steps, known(run.wanted_steps),
               std::isfinite(run.last_return) ? fmt::format("{}", run.last_return) : "",
               std::floor(run.age_s));
}

void sort_runs(std::vector<ListedRun>& runs, const std::string& by) {
  const auto before = [&](const ListedRun& a, const ListedRun& b) {
    if (by == "newest") return a.age_s < b.age_s;
    if (by == "steps") return a.env_steps > b.env_steps;
    // what has no return yet comes last
    const bool none = std::isnan(a.last_return), other = std::isnan(b.last_return);
    return none || other ? other && !none : a.last_return > b.last_return;
  };
  if (by != "name") std::stable_sort(runs.begin(), runs.end(), before);
}

void list(const ListOptions& o) {
  std::vector<ListedRun> runs;
  std::vector<std::string> folders = o.folders;
  std::error_code unknown;
  if (folders.empty() && fs::exists(kRunsFolder, unknown)) folders = {kRunsFolder.string()};
  for (const std::string& folder : folders)
    for (ListedRun& run : list_runs(run_path(folder))) {
      const auto same = [&](const ListedRun& other) {
        return fs::equivalent(other.path, run.path, unknown);
      };
      if (std::none_of(runs.begin(), runs.end(), same)) runs.push_back(std::move(run));
    }
  sort_runs(runs, o.sort);
  if (o.csv) return print_csv(runs);
  if (o.json) {
    for (const ListedRun& run : runs)
      fmt::print("{}\n", json_of(run).dump(-1, ' ', false,
                                           nlohmann::ordered_json::error_handler_t::replace));
    return;
  }
  if (!runs.empty()) {
    fmt::print("{}{}", table(runs, output_width()), closing(runs));
    return;
  }
  const std::string where =
      o.folders.empty() ? kRunsFolder.string() : fmt::format("{}", fmt::join(o.folders, ", "));
  fmt::print("no runs in {}; `mbrl_gpu run smoke` makes one\n", printable(where));
}

}  // namespace

void add_list(CLI::App& program) {
  const auto o = std::make_shared<ListOptions>();
  CLI::App* command = program.add_subcommand(
      "list", "List runs: config, seed, steps, last return, status, when they were last written");
  command->add_option("folders", o->folders, "folders that hold runs; runs/ if none is given");
  command
      ->add_option("--sort", o->sort,
                   "name; or first the newest, those with the highest return or the most steps")
      ->check(CLI::IsMember({"name", "newest", "return", "steps"}))
      ->capture_default_str();
  CLI::Option* json = command->add_flag("--json", o->json, "one JSON object per line");
  command->add_flag("--csv", o->csv, "comma-separated values with a header")->excludes(json);
  command->callback([o] { list(*o); });
}

}  // namespace mbrl
