#include "host/cli/compare_arms.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>

#include "base/error.h"
#include "base/printable.h"
#include "host/io/console.h"

namespace mbrl {
namespace {

// an arm as its arguments give it
struct GivenArm {
  std::string name;
  std::vector<std::pair<std::string, RunGroup>> tasks;  // by environment
};

void refuse_configs(const std::string& what, const std::vector<RunGroup>& groups) {
  std::string list;
  for (const RunGroup& group : groups)
    list += fmt::format("{}{} ({} run{}, such as {})", list.empty() ? "" : "; ", group.label,
                        group.tables.size(), group.tables.size() == 1 ? "" : "s",
                        printable(group.tables.front().parent_path().string()));
  throw DataError(
      fmt::format("compare: {} holds runs of {} configs, which are no one arm; they differ in {}: "
                  "{}. Name a folder with the runs of one.",
                  what, groups.size(), difference_text(groups), list));
}

void add_task(GivenArm& arm, const std::string& task, RunGroup group) {
  for (auto& [name, known] : arm.tasks) {
    if (name != task) continue;
    if (known.values != group.values)
      throw DataError(fmt::format(
          "compare: the folders of arm {} hold runs of two configs{}, which are no one arm; they "
          "differ in {}. Give them two names.",
          arm.name, task.empty() ? "" : " of " + task, difference_text({known, group})));
    known.tables.insert(known.tables.end(), group.tables.begin(), group.tables.end());
    return;
  }
  arm.tasks.emplace_back(task, std::move(group));
}

void add_path(GivenArm& arm, const std::filesystem::path& path) {
  std::vector<RunGroup> groups;
  for (RunGroup& group : find_groups(path, "metrics.csv")) {
    if (!group.values.empty()) {
      groups.push_back(std::move(group));
      continue;
    }
    // tables alone: their paths say what environment they are of
    std::map<std::string, RunGroup> by_task;
    for (const auto& table : group.tables) {
      RunGroup alone{.label = group.label, .tables = {table}, .values = {}, .hash = group.hash};
      const std::string task = environment_of(alone);
      const auto known = by_task.find(task);
      if (known == by_task.end())
        by_task.emplace(task, std::move(alone));
      else
        known->second.tables.push_back(table);
    }
    for (auto& [task, alone] : by_task) groups.push_back(std::move(alone));
  }
  // a folder of several environments is an arm where it has one config of each
  std::vector<std::string> tasks;
  for (const RunGroup& group : groups) tasks.push_back(environment_of(group));
  for (const std::string& task : tasks)
    if (std::count(tasks.begin(), tasks.end(), task) > 1) {
      std::vector<RunGroup> same;
      for (std::size_t i = 0; i < groups.size(); ++i)
        if (tasks[i] == task) same.push_back(groups[i]);
      refuse_configs(printable(path.string()), same);
    }
  for (std::size_t i = 0; i < groups.size(); ++i) add_task(arm, tasks[i], std::move(groups[i]));
}

std::vector<GivenArm> given_arms(const std::vector<std::string>& texts, std::size_t fewest) {
  std::vector<GivenArm> arms;
  std::vector<bool> named;
  for (const std::string& text : texts) {
    auto [name, path] = name_and_path(text);
    std::error_code unknown;
    const bool has_name =
        text.find('=') != std::string::npos && !std::filesystem::exists(text, unknown);
    const auto known = std::find_if(arms.begin(), arms.end(),
                                    [&](const GivenArm& arm) { return arm.name == name; });
    // two folders whose last parts are equal are two arms
    if (known != arms.end() && !(has_name && named[known - arms.begin()])) {
      name = printable(path.string());
      for (int copy = 2; std::any_of(arms.begin(), arms.end(),
                                     [&](const GivenArm& arm) { return arm.name == name; });
           ++copy)
        name = fmt::format("{} ({})", printable(path.string()), copy);
    } else if (known != arms.end()) {
      add_path(*known, path);
      continue;
    }
    GivenArm arm{name, {}};
    add_path(arm, path);
    arms.push_back(std::move(arm));
    named.push_back(has_name);
  }
  if (arms.size() < fewest)
    throw ConfigError(
        fmt::format("compare: there is one arm{}; expected two or more, as in `mbrl_gpu compare "
                    "sac=runs/sac_hopper mbpo=runs/hopper`.",
                    arms.empty() ? "" : ", " + arms.front().name));
  return arms;
}

// the tasks of the first arm that all have
std::vector<std::string> common_tasks(const std::vector<GivenArm>& arms) {
  const auto has = [](const GivenArm& arm, const std::string& task) {
    return std::any_of(arm.tasks.begin(), arm.tasks.end(),
                       [&](const auto& own) { return own.first == task; });
  };
  std::vector<std::string> common, left_out;
  for (const GivenArm& arm : arms)
    for (const auto& [task, group] : arm.tasks) {
      const bool everywhere = std::all_of(arms.begin(), arms.end(),
                                          [&](const GivenArm& other) { return has(other, task); });
      std::vector<std::string>& list = everywhere ? common : left_out;
      if (std::find(list.begin(), list.end(), task) == list.end()) list.push_back(task);
    }
  const auto text = [](const std::vector<std::string>& tasks) {
    std::vector<std::string> shown;
    for (const std::string& task : tasks) shown.push_back(task.empty() ? "not known" : task);
    return fmt::format("{}", fmt::join(shown, ", "));
  };
  if (common.empty())
    throw DataError(
        fmt::format("compare: the arms have no environment in common; theirs are {}. "
                    "Give each arm runs of the same ones.",
                    text(left_out)));
  if (!left_out.empty())
    print_to(stderr, fmt::format("warning: left out, as not all arms have runs of it: {}\n",
                                 text(left_out)));
  return common;
}

// one task of all arms: its range, then a number for each run
void add_values(ComparedArms& compared, const std::string& name, std::vector<RunGroup> groups,
                const RunValue& value, bool name_it) {
  ComparedTask task{
      .name = name,
      .range = {-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()}};
  StepRange& range = task.range;
  std::vector<std::vector<Curve>> curves;
  for (const RunGroup& group : groups) {
    std::vector<std::filesystem::path> tables;
    curves.push_back(read_group(group, value.column, &tables));
    for (std::size_t i = 0; i < tables.size(); ++i) {
      const Curve& curve = curves.back()[i];
      range.low = std::max(range.low, curve.x.front());
      task.longest = std::max(task.longest, curve.x.back());
      if (curve.x.back() < range.high) {
        range.high = curve.x.back();
        task.shortest = printable(tables[i].string());
      }
    }
  }
  if (value.to) range.high = std::min(range.high, *value.to);
  if (range.low > range.high)
    throw DataError(fmt::format(
        "compare: the runs{} have no step in common{}: the latest begins at step {:.0f}, and "
        "{:.0f} is where the range ends. Leave out runs that have only begun{}.",
        name_it ? " of " + name : "", value.to ? fmt::format(" up to --to {:.0f}", *value.to) : "",
        range.low, range.high, value.to ? ", or raise --to" : ""));
  const StepRange last{range.high - value.final_share * (range.high - range.low), range.high};
  for (std::size_t i = 0; i < groups.size(); ++i) {
    std::vector<double> values;
    for (const Curve& curve : curves[i])
      values.push_back(value.by == "last"    ? last_value(curve, range.high)
                       : value.by == "final" ? mean_over(curve, last)
                                             : mean_over(curve, range));
    compared.arms[i].groups.push_back(std::move(groups[i]));
    compared.arms[i].values.push_back(std::move(values));
  }
  compared.tasks.push_back(std::move(task));
}

}  // namespace

ComparedArms read_arms(const std::vector<std::string>& texts, const RunValue& value,
                       std::size_t fewest) {
  std::vector<GivenArm> given = given_arms(texts, fewest);
  ComparedArms compared;
  for (const GivenArm& arm : given) compared.arms.push_back({arm.name, {}, {}});
  const bool one_each = std::all_of(given.begin(), given.end(),
                                    [](const GivenArm& arm) { return arm.tasks.size() == 1; });
  if (one_each) {
    std::string name = given.front().tasks.front().first;
    std::vector<RunGroup> groups;
    for (GivenArm& arm : given) {
      if (arm.tasks.front().first != name) name = "";
      groups.push_back(std::move(arm.tasks.front().second));
    }
    add_values(compared, name, std::move(groups), value, false);
    return compared;
  }
  for (const std::string& task : common_tasks(given)) {
    std::vector<RunGroup> groups;
    for (const GivenArm& arm : given)
      for (const auto& [name, group] : arm.tasks)
        if (name == task) groups.push_back(group);
    add_values(compared, task, std::move(groups), value, true);
  }
  return compared;
}

TaskScores normalized(const ComparedArm& arm,
                      const std::vector<std::optional<ReferenceScores>>& references) {
  TaskScores scores = arm.values;
  for (std::size_t task = 0; task < scores.size(); ++task)
    if (references[task])
      for (double& score : scores[task]) score = references[task]->normalized(score);
  return scores;
}

std::vector<std::optional<ReferenceScores>> references_of(const ComparedArms& compared,
                                                          const std::string& how,
                                                          const std::string& column) {
  std::vector<std::optional<ReferenceScores>> references(compared.tasks.size());
  const bool by_choice = how != "auto";
  if (how == "none" || (!by_choice && references.size() == 1)) return references;
  if (how == "range") {
    for (std::size_t task = 0; task < references.size(); ++task) {
      double low = std::numeric_limits<double>::infinity(), high = -low;
      for (const ComparedArm& arm : compared.arms)
        for (const double value : arm.values[task]) {
          low = std::min(low, value);
          high = std::max(high, value);
        }
      if (!(low < high))
        throw DataError(fmt::format(
            "compare --normalize range: all runs of {} give {}, which has no range. Leave them "
            "out, or choose --normalize published.",
            compared.tasks[task].name.empty() ? "the task" : compared.tasks[task].name, low));
      references[task] = {compared.tasks[task].name, low, high, "the lowest run",
                          "the highest run"};
    }
    return references;
  }
  const bool published = how == "published" || how == "auto";
  if (published && column.find("return") == std::string::npos)
    throw ConfigError(fmt::format(
        "compare: published scores are returns, and --column {} is none. Choose --normalize range, "
        "or a file with lines task,zero,one.",
        printable(column)));
  const std::vector<ReferenceScores> all = published ? published_scores() : read_scores(how);
  for (std::size_t task = 0; task < references.size(); ++task) {
    const std::string& name = compared.tasks[task].name;
    references[task] = find_scores(all, name);
    if (references[task]) continue;
    std::vector<std::string> known;
    for (const ReferenceScores& scores : all) known.push_back(scores.task);
    throw ConfigError(fmt::format(
        "compare --normalize: there are no {} for {}; there are for {}. Choose --normalize "
        "range, none, or a file with lines task,zero,one.",
        published ? "published scores" : "scores in " + printable(how),
        name.empty() ? "runs of an environment that neither config.json nor their path names"
                     : name,
        fmt::join(known, ", ")));
  }
  return references;
}

}  // namespace mbrl
