#include "host/tune/ordinary_runs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <system_error>

#include "base/error.h"
#include "base/printable.h"
#include "cuda/device.h"
#include "envs/env.h"
#include "host/algo/can_train.h"
#include "host/algo/registry.h"
#include "host/config/fields.h"
#include "host/config/print.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"
#include "host/run/choose_gemm.h"
#include "host/run/open_device.h"
#include "host/run/run_dir.h"
#include "host/run/signals.h"
#include "host/run/training.h"
#include "host/tune/autombpo/steered_run.h"
#include "host/tune/rank_work.h"
#include "host/tune/scheduled_run.h"
#include "host/tune/training_member.h"

namespace mbrl {
namespace fs = std::filesystem;
namespace {

// what a stop with checkpoints still needs
constexpr std::uintmax_t kLeastFree = std::uintmax_t{1} << 20;

bool disk_is_full(const fs::path& folder) {
  std::error_code unknown;
  const fs::space_info space = fs::space(folder, unknown);
  return !unknown && space.available < kLeastFree;
}

// what an open device depends on
std::string device_text(const Config& config) {
  std::string text;
  for (const Field& field : fields())
    if (field.section == "device") text += field_text(config, field) + "\n";
  return text;
}

// whether there is nothing left to train
bool is_settled(const RunOutcome& outcome) {
  return outcome.status == RunStatus::kDone || outcome.status == RunStatus::kDiverged;
}

using Warn = std::function<void(const std::string&)>;

// of an error that ends a run
RunOutcome with_failure(RunOutcome outcome, const Error& error) {
  outcome.status = RunStatus::kFailed;
  outcome.error = error.what();
  return outcome;
}

// trains a run as far as it is to go
RunOutcome train_one(const OrdinaryRun& run, const fs::path& folder, OpenDevice& device,
                     ProgressSink& progress, const Warn& warn) {
  const Config& config = run.options.config;
  RunOutcome outcome{.folder = folder};
  try {
    ExitCode code = ExitCode::kDone;
    {
      const RunDir dir =
          RunDir::open_folder(folder, config, run.options.command, device.description());
      Training training(
          {.config = config, .to_console = false, .on_warning = warn}, dir, device, progress,
          run.options.make_schedule ? run.options.make_schedule(config, device) : nullptr);
      code = training.run(run.until);
    }
    const bool complete = run.until >= config.loop.num_env_steps;
    outcome.status = code != ExitCode::kDone ? RunStatus::kStopped
                     : complete              ? RunStatus::kDone
                                             : RunStatus::kPaused;
    if (outcome.status == RunStatus::kDone && !run.keep_checkpoints)
      drop_checkpoints(outcome.folder, warn);
  } catch (const DivergedError& error) {
    outcome.status = RunStatus::kDiverged;
    outcome.error = error.what();
  } catch (const DeviceError&) {
    throw;  // the next would meet it too
  } catch (const Error& error) {
    if (disk_is_full(folder)) throw;
    return with_failure(std::move(outcome), error);
  }
  return outcome;
}

class RunMember : public Member {
 public:
  RunMember(const OrdinaryRun& run, RunOutcome& outcome, std::mutex& one_at_a_time,
            const OrdinaryRunsOptions& options, std::size_t place)
      : run_(run),
        outcome_(outcome),
        one_at_a_time_(one_at_a_time),
        options_(options),
        place_(place) {}

  const std::string& label() const override { return run_.label; }

  void run(std::int64_t, OpenDevice& device, ProgressSink& progress) override {
    if (!begin()) return;
    {
      // measures at its own sizes what no run has measured before
      const std::lock_guard<std::mutex> lock(one_at_a_time_);
      const Config& config = run_.options.config;
      choose_gemm(config, make_env(config.env)->spec(), device, gemm_cache_path());
    }
    const fs::path folder = own_folder();
    outcome_ =
        train_one(run_, folder, device, progress, [this](const std::string& text) { warn(text); });
    ended();
  }

  bool can_travel() const override { return true; }
  void run_at(RankSlot& slot, std::int64_t, ProgressSink& progress) override {
    if (!begin()) return;
    const fs::path folder = own_folder();
    const Config& config = run_.options.config;
    try {
      const nlohmann::json reply = slot.call(
          {{"work", "run"},
           {"label", run_.label},
           {"steered", run_.options.make_schedule && !config.controller.file.empty()},
           {"until", run_.until},
           {"keep_checkpoints", run_.keep_checkpoints}},
          {.folder = folder, .config = config, .command = run_.options.command}, progress);
      for (const auto& text : reply.at("warnings")) warn(text.get<std::string>());
      outcome_ = {.status = static_cast<RunStatus>(reply.at("status").get<int>()),
                  .error = reply.at("error").get<std::string>(),
                  .folder = folder};
    } catch (const BusyError& error) {
      outcome_ = with_failure({.folder = folder}, error);
    }
    // a signal that reached that rank alone
    if (outcome_.status == RunStatus::kStopped) request_stop();
    ended();
  }

  void copy_from(const Member&) override {}
  void failed(const std::string&) override {}

 private:
  // whether it is this process that trains it
  bool begin() {
    const std::lock_guard<std::mutex> lock(one_at_a_time_);
    if (options_.on_begin && !options_.on_begin(place_)) return false;
    // another process may have trained it since, and ended before it could say so
    const RunOutcome before = outcome_of(run_);
    if (!is_settled(before)) return true;
    outcome_ = before;
    if (options_.on_end) options_.on_end(place_, outcome_);
    return false;
  }
  // where it is trained, to which the link of the newest leads
  fs::path own_folder() const {
    fs::path folder = RunDir::folder_of(run_.options.runs, run_.options.config);
    link_latest(run_.options.runs, folder);
    return folder;
  }
  void warn(const std::string& text) {
    const std::lock_guard<std::mutex> lock(one_at_a_time_);
    if (options_.warn) options_.warn(run_.label + ": " + text);
  }
  void ended() {
    const std::lock_guard<std::mutex> lock(one_at_a_time_);
    if (options_.on_end) options_.on_end(place_, outcome_);
  }

  const OrdinaryRun& run_;
  RunOutcome& outcome_;
  std::mutex& one_at_a_time_;
  const OrdinaryRunsOptions& options_;
  std::size_t place_;
};

// keys that two configs of one folder differ in: those that the hash leaves out
std::string difference_of(const Config& a, const Config& b) {
  std::string text;
  for (const Field& field : fields())
    if (field_text(a, field) != field_text(b, field))
      text += (text.empty() ? "" : " and ") + field.path();
  return text;
}

}  // namespace

void check_runs(const std::vector<OrdinaryRun>& runs,
                const std::function<void(const std::string&)>& warn) {
  std::set<std::string> warned;
  const auto warn_once = [&](const std::string& text) {
    if (warn && warned.insert(text).second) warn(text);
  };
  std::map<fs::path, const OrdinaryRun*> folders;
  std::set<std::string> checked;
  for (const OrdinaryRun& run : runs) {
    const Config& config = run.options.config;
    require_run_name(config);
    const Algorithm& algorithm = find_algorithm(config.algorithm);
    if (algorithm.make == nullptr)
      throw ConfigError(fmt::format(
          "algorithm {} trains many learners in each of its runs, and such runs do not share a "
          "machine. Choose what it trains, such as algorithm=mbpo, or start each run by `mbrl_gpu "
          "run`.",
          algorithm.name));
    const fs::path folder = RunDir::folder_of(run.options.runs, config);
    const auto [other, is_new] = folders.emplace(folder, &run);
    if (!is_new) {
      const std::string keys = difference_of(other->second->options.config, config);
      throw ConfigError(fmt::format(
          "{} and {} are one run, in {}: {}. Leave all values but one out.",
          printable(other->second->label), printable(run.label), printable(folder.string()),
          keys.empty() ? "all their keys are equal" : keys + " changes nothing that is learned"));
    }
    // seeds of one setting differ in nothing that is checked
    if (!checked.insert(folder.parent_path().string()).second) continue;
    try {
      const EnvSpec env = make_env(config.env)->spec();
      if (const std::string note = env_note(config.env); !note.empty()) warn_once(note);
      check_can_train(config, env, warn_once);
    } catch (const ConfigError& error) {
      throw ConfigError(fmt::format("{}: {}", printable(run.label), error.what()));
    }
  }
  for (const OrdinaryRun& run : runs) {
    const fs::path& root = run.options.runs;
    if (!checked.insert("root " + root.string()).second) continue;
    std::string reason = make_folders(root).message();
    std::error_code absent;
    const bool is_there = fs::is_directory(root, absent);
    if (is_there && access(root.c_str(), W_OK) == 0) continue;
    if (is_there) reason = std::strerror(errno);
    throw DataError(
        fmt::format("the folder of runs {} cannot be written: {}. Choose another place with {}.",
                    printable(root.string()), reason, folder_option()));
  }
}

int runs_at_a_time(const std::vector<OrdinaryRun>& runs, const OrdinaryRunsOptions& options) {
  const Device device = select_device(options.device);
  int fewest = std::numeric_limits<int>::max();
  std::set<std::string> sized;
  for (const OrdinaryRun& run : runs) {
    const fs::path folder = RunDir::folder_of(run.options.runs, run.options.config);
    if (!sized.insert(folder.parent_path().string()).second) continue;
    Config config = run.options.config;
    config.population.concurrent = options.concurrent;
    fewest = std::min(fewest, concurrent_learners(config, make_env(config.env)->spec(), device,
                                                  options.num_threads));
  }
  return std::max(1, std::min(fewest, static_cast<int>(runs.size())));
}

RunOutcome outcome_of(const OrdinaryRun& run) {
  RunOutcome outcome{.folder = RunDir::folder_of(run.options.runs, run.options.config)};
  outcome.status = run_status(outcome.folder);
  if (outcome.status == RunStatus::kDiverged || outcome.status == RunStatus::kFailed) {
    const fs::path file = outcome.folder / "summary.json";
    const nlohmann::json summary = read_json(file);
    using_file(file, [&] { outcome.error = summary.value("error", std::string()); });
  }
  return outcome;
}

std::vector<RunOutcome> train_runs(const std::vector<OrdinaryRun>& runs,
                                   const OrdinaryRunsOptions& options) {
  std::vector<RunOutcome> outcomes;
  // one device setting after the other: those of a population share it
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    outcomes.push_back(outcome_of(runs[i]));
    if (is_settled(outcomes.back())) {
      if (options.on_begin && !options.on_begin(i)) continue;
      if (options.on_end) options.on_end(i, outcomes.back());
    } else {
      groups[device_text(runs[i].options.config)].push_back(i);
    }
  }
  std::mutex one_at_a_time;
  for (const auto& [text, places] : groups) {
    std::vector<std::unique_ptr<Member>> members;
    std::vector<OrdinaryRun> group;
    for (const std::size_t i : places) {
      outcomes[i].status = RunStatus::kOpen;
      outcomes[i].error.clear();
      group.push_back(runs[i]);
      members.push_back(
          std::make_unique<RunMember>(runs[i], outcomes[i], one_at_a_time, options, i));
    }
    const Config& first = group.front().options.config;
    Population population(std::move(members),
                          {.device = options.device,
                           .precision = first.device,
                           .concurrent = runs_at_a_time(group, options),
                           .num_threads = options.num_threads,
                           .config = first},
                          options.title);
    if (!population.run()) break;
  }
  return outcomes;
}

nlohmann::json train_ordered_run(const nlohmann::json& order, const Config& config,
                                 const fs::path& folder, OpenDevice& device,
                                 ProgressSink& progress) {
  OrdinaryRun run{.options = {.config = config,
                              .check = {},
                              .command = order.at("command").get<std::vector<std::string>>()},
                  .label = order.at("label").get<std::string>(),
                  .until = order.at("until").get<std::int64_t>(),
                  .keep_checkpoints = order.at("keep_checkpoints").get<bool>()};
  // its config is a steered one already
  if (order.at("steered").get<bool>())
    run.options.make_schedule = controller_schedule;
  else
    follow_files(run.options);
  choose_gemm(config, make_env(config.env)->spec(), device, gemm_cache_path());
  nlohmann::json warnings = nlohmann::json::array();
  const RunOutcome outcome = train_one(run, folder, device, progress,
                                       [&](const std::string& text) { warnings.push_back(text); });
  return {{"status", static_cast<int>(outcome.status)},
          {"error", outcome.error},
          {"warnings", warnings}};
}

}  // namespace mbrl
