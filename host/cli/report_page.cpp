#include "host/cli/report_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "host/cli/run_groups.h"
#include "host/config/print.h"
#include "host/config/version.h"
#include "host/io/csv.h"
#include "host/io/curves.h"
#include "host/io/folders.h"
#include "host/io/html.h"
#include "host/io/json_file.h"
#include "host/io/metric_list.h"
#include "host/io/progress.h"
#include "host/io/svg_plot.h"
#include "host/stats/summary.h"

namespace mbrl {
// of its own, as the files of this folder are compiled together
namespace report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kWidth = 420, kHeight = 290;  // pixels: letters of a phone's width are still read

struct Run {
  fs::path table, folder;  // the folder is empty for a table that is no run's
  std::string name;
  std::optional<Json> summary, machine;
  std::vector<std::string> notes = {};  // what is damaged
};

/// Runs of one config under one name.
struct Arm {
  std::string name;
  std::string label;  // for legends and heads of columns
  RunGroup group;
  std::vector<Run> runs;
};

/// An AutoMBPO run: its stages; the runs of its evaluation are arms.
struct Search {
  std::string name;
  fs::path folder;
  std::optional<Json> summary;
};

struct Contents {
  std::vector<std::string> names;  // of the arguments
  std::vector<Arm> arms;
  std::vector<Search> searches;
};

// ---------------------------------------------------------------------------------------------------
// what there is

bool is_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(path, unknown);
}

// the file's JSON; nothing if it is not there, and a note if it is damaged
std::optional<Json> json_of(const fs::path& file, std::vector<std::string>& notes) {
  if (!is_there(file)) return std::nullopt;
  try {
    Json json = read_json<Json>(file);
    if (json.is_object()) return json;
    notes.push_back(file.string() + " is no object.");
  } catch (const DataError& error) {
    notes.push_back(error.what());
  }
  return std::nullopt;
}

Run run_of(const fs::path& table) {
  Run run{.table = table,
          .folder = {},
          .name = table.filename().string(),
          .summary = {},
          .machine = {}};
  if (run.name != "metrics.csv") return run;
  run.folder = table.parent_path();
  run.name = run.folder.filename().string();
  if (run.name.empty() || run.name == ".")
    run.name = fs::absolute(run.folder).lexically_normal().filename().string();
  run.summary = json_of(run.folder / "summary.json", run.notes);
  run.machine = json_of(run.folder / "machine.json", run.notes);
  return run;
}

bool is_search(const fs::path& folder) {
  std::vector<std::string> ignored;
  const auto config = json_of(folder / "config.json", ignored);
  return config && config->value("algorithm", Json()) == "autombpo";
}

bool lies_below(const fs::path& path, const fs::path& folder) {
  const std::string text = path.string(), root = folder.string();
  return text.size() > root.size() && text.starts_with(root) &&
         (root.ends_with('/') || text[root.size()] == '/');
}

// seed-2 before seed-10
bool before(const Run& a, const Run& b) {
  const auto key = [](const Run& run) {
    std::string padded, digits;
    for (const char c : run.table.string() + "/") {
      if (c >= '0' && c <= '9') {
        digits += c;
        continue;
      }
      if (!digits.empty())
        padded += std::string(20 - std::min<std::size_t>(20, digits.size()), '0') + digits;
      digits.clear();
      padded += c;
    }
    return padded;
  };
  return key(a) < key(b);
}

void add_arms(Contents& contents, const std::string& name, const fs::path& path,
              const std::vector<fs::path>& searches) {
  for (RunGroup& group : find_groups(path, "metrics.csv")) {
    Arm arm{.name = group.label.empty() ? name : name + ": " + group.label,
            .label = {},
            .group = {},
            .runs = {}};
    for (const fs::path& table : group.tables)
      if (std::none_of(searches.begin(), searches.end(),
                       [&](const fs::path& folder) { return lies_below(table, folder); }))
        arm.runs.push_back(run_of(table));
    if (arm.runs.empty()) continue;
    std::sort(arm.runs.begin(), arm.runs.end(), before);
    arm.group = std::move(group);
    contents.arms.push_back(std::move(arm));
  }
}

Contents contents_of(const std::vector<std::string>& arguments) {
  Contents contents;
  for (const std::string& argument : arguments) {
    const auto [name, path] = name_and_path(argument);
    contents.names.push_back(name);
    std::vector<fs::path> searches;
    for (const fs::path& folder : folders_below(path))
      if (is_search(folder)) searches.push_back(folder);
    for (const fs::path& folder : searches) {
      Search search{.name = searches.size() == 1 ? name : name + " " + folder.filename().string(),
                    .folder = folder,
                    .summary = {}};
      std::vector<std::string> notes;
      search.summary = json_of(folder / "summary.json", notes);
      contents.searches.push_back(search);
      // the learners that trained the controller are many and short: its stages tell of them
      std::error_code unknown;
      bool any = false;
      for (const fs::path& below : folders_below(folder / "evaluation"))
        any = any || fs::exists(below / "metrics.csv", unknown);
      if (any) add_arms(contents, search.name + ", evaluation", folder / "evaluation", {});
    }
    std::size_t before_count = contents.arms.size();
    if (searches.empty()) {
      add_arms(contents, name, path, {});
    } else {
      try {
        add_arms(contents, name, path, searches);
      } catch (const DataError&) {
        // a search that has no run yet
        contents.arms.resize(before_count);
      }
    }
  }
  // long names are given once, beside a letter
  constexpr std::size_t kLong = 24;
  const bool any_long = contents.arms.size() > 1 &&
                        std::any_of(contents.arms.begin(), contents.arms.end(),
                                    [](const Arm& arm) { return arm.name.size() > kLong; });
  for (std::size_t i = 0; i < contents.arms.size(); ++i) {
    Arm& arm = contents.arms[i];
    arm.label = !any_long ? arm.name
                : i < 26  ? std::string(1, static_cast<char>('A' + i))
                          : std::to_string(i + 1);
    if (any_long) arm.name = arm.label + " = " + arm.name;
  }
  return contents;
}

// ---------------------------------------------------------------------------------------------------
// curves

// the columns of a table but its first
std::vector<std::string> columns_of(const fs::path& table) {
  try {
    for (const std::string& line : whole_lines(read_file(table))) {
      if (line.starts_with('#')) continue;
      std::vector<std::string> names;
      std::size_t begin = 0;
      for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
        end = line.find(',', begin);
        names.push_back(line.substr(begin, end == std::string::npos ? end : end - begin));
      }
      return names;
    }
  } catch (const DataError&) {
    // said where its runs are listed
  }
  return {};
}

// of those runs that have any; `table` of their folders, or each run's own
std::vector<Curve> curves_of(const Arm& arm, const std::string& column,
                             const std::string& table = "metrics.csv") {
  std::vector<Curve> curves;
  for (const Run& run : arm.runs) {
    const fs::path file = table == "metrics.csv" ? run.table : run.folder / table;
    if (run.folder.empty() && table != "metrics.csv") continue;
    try {
      curves.push_back(read_curve(file, column));
    } catch (const DataError&) {
      // no rows yet, no such column, or damaged
    }
  }
  return curves;
}

std::string runs_text(std::size_t count) {
  return fmt::format("{} run{}", count, count == 1 ? "" : "s");
}

// their mean at the steps of the longest, from the lowest to the highest of them
PlotSeries series_of(const std::string& name, const std::vector<Curve>& curves) {
  const Curve& longest =
      *std::max_element(curves.begin(), curves.end(),
                        [](const Curve& a, const Curve& b) { return a.x.back() < b.x.back(); });
  std::vector<std::vector<double>> values;
  for (const Curve& curve : curves) {
    values.emplace_back();
    for (const double x : longest.x) values.back().push_back(curve.at(x));
  }
  return series_over_runs(name, longest.x, values, Band::kMinMax);
}

// "alpha, reward units per nat", and what it is
std::string label_of(const std::string& table, const std::string& column) {
  const MetricEntry* entry = find_column(table, column);
  const std::string unit = entry == nullptr ? "" : entry->unit;
  return unit.empty() ? column : column + ", " + unit;
}
std::string caption_of(const std::string& table, const std::string& column) {
  const MetricEntry* entry = find_column(table, column);
  return fmt::format("<code>{}</code>{}", html_text(column),
                     entry == nullptr ? "" : ": " + html_text(entry->text));
}

// one figure, "" where no arm has a value
std::string figure_of(const std::vector<Arm>& arms, const std::string& column,
                      const std::string& table = "metrics.csv", int num_bins = 0) {
  Plot plot{.title = "",
            .x_label = "environment steps",
            .y_label = label_of(table, column),
            .series = {},
            .width = kWidth,
            .height = kHeight};
  std::size_t most = 0;
  for (const Arm& arm : arms) {
    std::vector<Curve> curves = curves_of(arm, column, table);
    if (curves.empty()) continue;
    if (num_bins > 0)
      for (Curve& curve : curves) curve = binned(curve, num_bins);
    most = std::max(most, curves.size());
    plot.series.push_back(series_of(arms.size() == 1 ? "" : arm.label, curves));
  }
  try {
    if (plot.series.empty()) return "";
    const std::string band =
        most > 1 ? " Mean over the runs, band from the lowest to the highest of them." : "";
    return html_figure(svg_plot(plot), caption_of(table, column) + "." + band);
  } catch (const DataError&) {
    return "";  // no value that can be drawn
  }
}

std::string figures(const std::vector<std::string>& all) {
  std::string html;
  for (const std::string& figure : all) html += figure;
  return html.empty() ? "" : "<div class=\"figures\">\n" + html + "</div>\n";
}

std::string section(const std::string& title, const std::string& body) {
  return body.empty() ? "" : fmt::format("<h2>{}</h2>\n{}", html_text(title), body);
}

// ---------------------------------------------------------------------------------------------------
// sections

std::string number_text(double value) {
  return std::isfinite(value) ? fmt::format("{:.1f}", value) : "";
}

double number_of(const std::optional<Json>& json, const char* key) {
  if (!json || !json->contains(key) || !(*json)[key].is_number()) return std::nan("");
  return (*json)[key].get<double>();
}

std::string text_of(const std::optional<Json>& json, const char* key) {
  if (!json || !json->contains(key)) return "";
  const Json& value = (*json)[key];
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string status_html(const std::optional<Json>& summary) {
  if (!summary) return "going on, or killed";
  const std::string status = text_of(summary, "status");
  const bool bad = status == "diverged" || status == "failed";
  const char* kind = bad ? "bad" : status == "done" ? "good" : "faint";
  return fmt::format("<span class=\"{}\">{}</span>", kind,
                     html_text(status.empty() ? "unknown" : status));
}

// no break inside of "seed-0"
std::string word(const std::string& text) {
  return "<span class=\"word\">" + html_text(text) + "</span>";
}

std::string duration_html(double seconds) {
  return std::isfinite(seconds) ? html_text(duration_text(seconds)) : "";
}

// what each run has come to
std::string overview(const Contents& contents) {
  constexpr std::size_t kLast = 5;
  std::vector<std::vector<std::string>> rows;
  std::string notes;
  const auto note = [&](const std::string& who, const std::string& text) {
    notes += fmt::format("<p class=\"bad\">{}: {}</p>\n", html_text(who), html_text(text));
  };
  for (const Search& search : contents.searches) {
    rows.push_back({html_text(search.name), "AutoMBPO", status_html(search.summary), "", "", "", "",
                    duration_html(number_of(search.summary, "wall_time_s")), ""});
    if (const std::string error = text_of(search.summary, "error"); !error.empty())
      note(search.name, error);
  }
  for (const Arm& arm : contents.arms)
    for (const Run& run : arm.runs) {
      double last = std::nan(""), best = last, mean = last,
             steps = number_of(run.summary, "env_steps");
      try {
        const Curve curve = read_curve(run.table, "eval_return_mean");
        last = curve.y.back();
        best = *std::max_element(curve.y.begin(), curve.y.end());
        mean = mean_of(std::span(curve.y).last(std::min(kLast, curve.y.size())));
        if (!std::isfinite(steps)) steps = curve.x.back();
      } catch (const NoRows&) {
        // no evaluation yet
      } catch (const DataError& error) {
        note(arm.name + " " + run.name, error.what());
      }
      rows.push_back({html_text(arm.name), word(run.name),
                      run.folder.empty() ? "table" : status_html(run.summary),
                      std::isfinite(steps) ? fmt::format("{:.0f}", steps) : "", number_text(last),
                      number_text(best), number_text(mean),
                      duration_html(number_of(run.summary, "wall_time_s")),
                      number_text(number_of(run.summary, "updates_per_s"))});
      if (const std::string error = text_of(run.summary, "error"); !error.empty())
        note(arm.name + " " + run.name, error);
      for (const std::string& damage : run.notes) note(arm.name + " " + run.name, damage);
    }
  return html_table({"arm", "run", "status", "env steps", "last return", "best",
                     "mean of the last 5", "wall time", "updates/s"},
                    rows) +
         notes;
}

// keys whose value some arm changed
std::string differences(const std::vector<Arm>& arms) {
  std::set<std::string> keys;
  const auto usual = [](const std::string& key) -> std::optional<std::string> {
    const Field* field = find_field(key);
    if (field == nullptr) return std::nullopt;
    return field_text(Config{}, *field);
  };
  std::string html;
  for (const Arm& arm : arms) {
    if (arm.group.values.empty())
      html +=
          fmt::format("<p class=\"faint\">{}: no config.json tells.</p>\n", html_text(arm.name));
    for (const auto& [key, value] : arm.group.values)
      if (usual(key) != value) keys.insert(key);
  }
  if (keys.empty()) return html;
  std::vector<std::string> header{"key", "default"};
  for (const Arm& arm : arms) header.push_back(arms.size() == 1 ? "here" : html_text(arm.label));
  std::vector<std::vector<std::string>> rows;
  for (const std::string& key : keys) {
    rows.push_back({"<code>" + html_text(key) + "</code>",
                    "<span>" + html_text(usual(key).value_or("-")) + "</span>"});
    for (const Arm& arm : arms) {
      const auto value = arm.group.values.find(key);
      const std::string text = html_text(value == arm.group.values.end() ? "-" : value->second);
      rows.back().push_back(value != arm.group.values.end() && usual(key) != value->second
                                ? "<strong>" + text + "</strong>"
                                : "<span>" + text + "</span>");
    }
  }
  return html + html_table(header, rows);
}

// the columns of metrics.csv by what they tell of; those of no list are of the policy
struct ColumnLists {
  std::vector<std::string> schedules{"rollout_length", "num_updates", "real_replay_size",
                                     "model_replay_size"};
  std::vector<std::string> model{"model_validation_loss", "model_loss",        "model_epochs",
                                 "model_steps",           "max_logvar",        "min_logvar",
                                 "model_end_recall",      "rollout_terminated"};
  std::vector<std::string> returns{"eval_return_mean", "eval_return_std", "train_return"};
  std::vector<std::string> none{"env_steps", "epoch", "wall_time_s", "eval_broken"};
  std::vector<std::string> policy = {};
};

ColumnLists columns_of(const std::vector<Arm>& arms) {
  ColumnLists lists;
  const auto holds = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  for (const Arm& arm : arms)
    for (const Run& run : arm.runs)
      for (const std::string& name : columns_of(run.table))
        if (!holds(lists.schedules, name) && !holds(lists.model, name) &&
            !holds(lists.returns, name) && !holds(lists.none, name) && !holds(lists.policy, name))
          lists.policy.push_back(name);
  return lists;
}

std::string panels(const std::vector<Arm>& arms, const std::vector<std::string>& columns) {
  std::vector<std::string> all;
  for (const std::string& column : columns) all.push_back(figure_of(arms, column));
  return figures(all);
}

// what a controller chose; shares of decisions where it is yes or no
std::string decisions(const std::vector<Arm>& arms) {
  constexpr int kBins = 20;
  std::vector<std::string> all;
  for (const char* column : {"real_ratio", "updates_per_step", "rollout_length", "fit_model"})
    all.push_back(figure_of(arms, column, "decisions.csv",
                            std::string_view(column) == "fit_model" ? kBins : 0));
  return figures(all);
}

std::string stage_times(const std::vector<Arm>& arms) {
  std::string html;
  for (const Arm& arm : arms) {
    std::map<std::string, double> seconds;
    double total = 0.0;
    std::size_t count = 0;
    for (const Run& run : arm.runs) {
      const double wall = number_of(run.summary, "wall_time_s");
      if (!std::isfinite(wall) || !run.summary->contains("stage_seconds")) continue;
      ++count;
      total += wall;
      for (const auto& [stage, value] : (*run.summary)["stage_seconds"].items())
        if (value.is_number()) seconds[stage] += value.get<double>();
    }
    if (count == 0 || !(total > 0.0)) continue;
    std::vector<std::pair<double, std::string>> stages;
    double other = total;
    for (const auto& [stage, value] : seconds) {
      stages.emplace_back(value, stage);
      other -= value;
    }
    std::sort(stages.rbegin(), stages.rend());
    stages.emplace_back(std::max(0.0, other), "other");
    html += fmt::format("<h3>{}: {} in all, {}</h3>\n<div class=\"bars\">\n", html_text(arm.name),
                        duration_html(total), runs_text(count));
    for (const auto& [value, stage] : stages) {
      const double share = 100.0 * std::min(1.0, value / total);
      html += fmt::format(
          "<span>{}</span><div class=\"bar\" style=\"width:{:.1f}%\"></div><span>{:.1f} %, {}</span>\n",
          html_text(stage), share, share, duration_html(value));
    }
    html += "</div>\n";
  }
  return html;
}

// each thing once, with all values that the runs have
std::string machines(const std::vector<Arm>& arms) {
  std::vector<std::string> keys;
  std::map<std::string, std::vector<std::string>> values;
  for (const Arm& arm : arms)
    for (const Run& run : arm.runs) {
      if (!run.machine) continue;
      for (const auto& [key, value] : run.machine->items()) {
        if (values.find(key) == values.end()) keys.push_back(key);
        std::vector<std::string>& known = values[key];
        const std::string text = text_of(run.machine, key.c_str());
        if (std::find(known.begin(), known.end(), text) == known.end()) known.push_back(text);
      }
    }
  if (keys.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const std::string& key : keys)
    rows.push_back({html_text(key), html_text(fmt::format("{}", fmt::join(values[key], "; ")))});
  return html_table({"", ""}, rows);
}

std::string commands(const std::vector<Arm>& arms) {
  std::string html;
  for (const Arm& arm : arms) {
    for (const Run& run : arm.runs) {
      if (run.folder.empty() || !is_there(run.folder / "command.txt")) continue;
      try {
        html += "<pre>" +
                html_text(whole_lines(read_file(run.folder / "command.txt") + "\n").at(0)) +
                "</pre>\n";
        break;  // those of the other seeds are alike
      } catch (const DataError&) {
        // what cannot be read is no command
      }
    }
  }
  return html;
}

// env step -> returns of its episodes
std::map<double, std::vector<double>> episodes_of(const Run& run) {
  std::map<double, std::vector<double>> episodes;
  const std::vector<std::string> lines = whole_lines(read_file(run.folder / "evaluations.csv"));
  for (std::size_t i = 1; i < lines.size(); ++i) {
    double values[3];
    const char* at = lines[i].data();
    const char* const end = at + lines[i].size();
    bool whole = true;
    for (double& value : values) {
      const auto [after, error] = std::from_chars(at, end, value);
      whole = whole && error == std::errc() && std::isfinite(value);
      at = after == end ? end : after + 1;
    }
    if (whole) episodes[values[0]].push_back(values[2]);
  }
  return episodes;
}

// each run's evaluations episode by episode
std::string evaluation_episodes(const std::vector<Arm>& arms) {
  std::string html;
  bool first = true;
  for (const Arm& arm : arms)
    for (const Run& run : arm.runs) {
      if (run.folder.empty() || !is_there(run.folder / "evaluations.csv")) continue;
      std::map<double, std::vector<double>> episodes;
      try {
        episodes = episodes_of(run);
      } catch (const DataError&) {
        continue;
      }
      if (episodes.empty()) continue;
      PlotSeries series;
      for (const auto& [step, returns] : episodes) {
        series.x.push_back(step);
        series.y.push_back(quantile(returns, 0.5));
        series.low.push_back(*std::min_element(returns.begin(), returns.end()));
        series.high.push_back(*std::max_element(returns.begin(), returns.end()));
      }
      const auto& [step, last] = *episodes.rbegin();
      std::vector<double> sorted = last;
      std::sort(sorted.begin(), sorted.end());
      std::vector<std::string> texts;
      for (const double value : sorted) texts.push_back(number_text(value));
      try {
        html += fmt::format(
            "<details{}><summary>{} {}</summary>\n<div class=\"figures\">{}</div>\n"
            "<p>The last evaluation, at step {:.0f}, worst to best: {}</p>\n</details>\n",
            std::exchange(first, false) ? " open=\"open\"" : "", html_text(arm.name),
            html_text(run.name),
            html_figure(svg_plot({.title = "",
                                  .x_label = "environment steps",
                                  .y_label = "return of evaluation episodes",
                                  .series = {series},
                                  .width = kWidth,
                                  .height = kHeight}),
                        "Median of each evaluation's episodes, band from the worst to the best."),
            step, fmt::join(texts, ", "));
      } catch (const DataError&) {
        // nothing that can be drawn
      }
    }
  return html;
}

// a column of stages.csv over the stages
std::optional<PlotSeries> stage_series(const fs::path& table, const std::string& column,
                                       const std::string& name) {
  const std::vector<std::string> names = columns_of(table);
  const auto at = std::find(names.begin(), names.end(), column) - names.begin();
  if (at == static_cast<std::ptrdiff_t>(names.size())) return std::nullopt;
  const std::vector<std::string> lines = whole_lines(read_file(table));
  PlotSeries series{.name = name, .x = {}, .y = {}};
  for (std::size_t i = 1; i < lines.size(); ++i) {
    std::size_t begin = 0;
    for (std::ptrdiff_t k = 0; k < at && begin != std::string::npos; ++k) {
      begin = lines[i].find(',', begin);
      if (begin != std::string::npos) ++begin;
    }
    double value = std::nan("");
    if (begin != std::string::npos)
      std::from_chars(lines[i].data() + begin, lines[i].data() + lines[i].size(), value);
    series.x.push_back(static_cast<double>(i - 1));
    series.y.push_back(value);
  }
  return series;
}

std::string stages(const Search& search) {
  const fs::path table = search.folder / "stages.csv";
  if (!is_there(table)) return "<p class=\"faint\">No stage is complete yet.</p>\n";
  std::vector<std::string> all;
  try {
    const auto figure = [&](const std::string& column, const std::string& beside = "") {
      Plot plot{.title = "",
                .x_label = "stage",
                .y_label = label_of("stages.csv", column),
                .series = {},
                .width = kWidth,
                .height = kHeight};
      for (const std::string& name : {column, beside})
        if (!name.empty())
          if (auto series = stage_series(table, name, beside.empty() ? "" : name))
            plot.series.push_back(std::move(*series));
      try {
        if (!plot.series.empty())
          all.push_back(html_figure(svg_plot(plot), caption_of("stages.csv", column) + "."));
      } catch (const DataError&) {
        // no value that can be drawn
      }
    };
    figure("mean_return", "baseline_return");
    for (const char* column : {"final_return", "real_ratio", "updates_per_step", "rollout_length",
                               "share_of_fits", "entropy", "approx_kl"})
      figure(column);
  } catch (const DataError& error) {
    return fmt::format("<p class=\"bad\">{}</p>\n", html_text(error.what()));
  }
  return figures(all);
}

std::string page_of(const std::vector<std::string>& arguments) {
  const Contents contents = contents_of(arguments);
  const std::vector<Arm>& arms = contents.arms;
  const std::string title = fmt::format("{}", fmt::join(contents.names, ", "));
  const ColumnLists columns = columns_of(arms);

  std::string body = fmt::format("<h1>{}</h1>\n{}", html_text(title), overview(contents));
  const std::string returns = panels(arms, columns.returns);
  body += section("Returns", returns.empty() && !arms.empty()
                                 ? "<p class=\"faint\">No evaluation yet.</p>\n"
                                 : returns);
  for (const Search& search : contents.searches)
    body += section("Stages of " + search.name, stages(search));
  body += section("What differs from the defaults", differences(arms) + commands(arms));
  body += section("Policy", panels(arms, columns.policy));
  body += section("Model", panels(arms, columns.model));
  body += section("Schedules", decisions(arms) + panels(arms, columns.schedules));
  body += section("Episodes of evaluations", evaluation_episodes(arms));
  body += section("Time by stage", stage_times(arms));
  body += section("Machine", machines(arms));
  body +=
      fmt::format("<p class=\"faint\">Written by mbrl_gpu {}.</p>\n", html_text(program_version()));
  return html_page("mbrl_gpu: " + title, body);
}

}  // namespace
}  // namespace report

std::string report_page(const std::vector<std::string>& arguments) {
  return report::page_of(arguments);
}

}  // namespace mbrl
