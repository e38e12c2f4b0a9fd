#include "host/tune/autombpo/autombpo.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "envs/env.h"
#include "host/algo/checks.h"
#include "host/algo/registry.h"
#include "host/config/load.h"
#include "host/config/print.h"
#include "host/io/curves.h"
#include "host/io/output_file.h"
#include "host/run/run_dir.h"
#include "host/run/run_log.h"
#include "host/run/signals.h"
#include "host/run/training.h"
#include "host/stats/summary.h"
#include "host/stats/welch.h"
#include "host/tune/autombpo/controller.h"
#include "host/tune/autombpo/ror.h"
#include "host/tune/autombpo/steering.h"
#include "host/tune/population.h"

namespace mbrl {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Config baseline_config(const Config& config, int epochs) {
  const Config defaults;
  Config c = config;
  c.algorithm = "mbpo";
  c.name = config.name + "-baseline";
  c.controller = defaults.controller;
  c.autombpo = defaults.autombpo;
  c.population = defaults.population;
  c.loop.num_env_steps = config.loop.num_exploration_steps + epochs * config.loop.epoch_length;
  return c;
}

Config episode_config(const Config& config, const std::string& controller, int epochs) {
  Config c = steered_config(config);
  c.controller.file = controller;
  c.loop.num_env_steps = config.loop.num_exploration_steps + epochs * config.loop.epoch_length;
  return c;
}

namespace {

// fresh seeds of the evaluation: far from those of the baseline
constexpr int kFirstEvaluationSeed = 1000;

Json read_json(const fs::path& file) { return Json::parse(read_file(file)); }

// a run that has reached its end
bool is_done(const fs::path& folder) {
  return fs::exists(folder / "summary.json") &&
         read_json(folder / "summary.json").value("status", "") == "done";
}

/// One line of stages.csv.
struct StageRecord {
  int group = 0, stage = 0;
  int num_episodes = 0, num_failed = 0;
  double mean_return = 0.0;      // over evaluations and hyper-episodes
  double final_return = 0.0;     // of the last evaluations
  double baseline_return = 0.0;  // of default MBPO over the same evaluations
  double real_ratio = 0.0, updates_per_step = 0.0, rollout_length = 0.0;  // at the ends
  double share_of_fits = 0.0;                                             // of all decisions
  PpoLosses losses{};                                                     // of the last update
  double learner_seconds = 0.0;  // wall time of the learners, one after the other
};

class AutoMbpo {
 public:
  AutoMbpo(const RunOptions& options, const RunDir& dir, OpenDevice& device, int num_threads);

  ExitCode run();

 private:
  bool make_baseline();
  bool train_group(int group);
  bool run_stage(int group, int stage);
  void learn(int group, int stage);
  bool evaluate();
  void compare();
  void write_stages();

  bool run_members(const std::vector<Member>& members, const Config& member_config,
                   const std::string& title);
  Member member(const std::string& label, const fs::path& folder, const Config& config,
                std::uint32_t learner_index,
                std::function<std::unique_ptr<Schedule>(OpenDevice&)> schedule);

  int num_stages() const {
    const AutoMbpoConfig& a = config_.autombpo;
    return (a.num_episodes + a.episodes_per_stage - 1) / a.episodes_per_stage;
  }
  int episodes_in(int stage) const {
    const AutoMbpoConfig& a = config_.autombpo;
    return std::min(a.episodes_per_stage, a.num_episodes - stage * a.episodes_per_stage);
  }
  fs::path episode_folder(int number) const {
    return dir_.path() / "episodes" / fmt::format("{:04}", number);
  }
  fs::path controller_file(int group, int stage) const {
    return dir_.path() / "controller" / fmt::format("{}-{:03}.safetensors", group, stage);
  }
  fs::path best_file() const { return dir_.path() / "controller" / "best.safetensors"; }
  int num_groups() const { return static_cast<int>(controller_groups(config_.controller).size()); }
  // number of the first hyper-episode of a stage, over all groups
  int first_episode(int group, int stage) const {
    return group * config_.autombpo.num_episodes + stage * config_.autombpo.episodes_per_stage;
  }

  const RunOptions& options_;
  const Config& config_;
  const RunDir& dir_;
  OpenDevice& device_;
  int num_threads_;
  RunLog log_;
  std::vector<fs::path> baseline_folders_;
  std::vector<double> baseline_;  // mean return at each evaluation
  std::vector<StageRecord> stages_;
};

/// Each entry of a record once, in the order of the table's columns.
template <typename Record, typename Visit>
void for_each_entry(Record& r, Visit&& visit) {
  visit("group", r.group);
  visit("stage", r.stage);
  visit("num_episodes", r.num_episodes);
  visit("num_failed", r.num_failed);
  visit("mean_return", r.mean_return);
  visit("final_return", r.final_return);
  visit("baseline_return", r.baseline_return);
  visit("real_ratio", r.real_ratio);
  visit("updates_per_step", r.updates_per_step);
  visit("rollout_length", r.rollout_length);
  visit("share_of_fits", r.share_of_fits);
  visit("policy_loss", r.losses.policy_loss);
  visit("value_loss", r.losses.value_loss);
  visit("entropy", r.losses.entropy);
  visit("approx_kl", r.losses.approx_kl);
  visit("clip_fraction", r.losses.clip_fraction);
  visit("learner_seconds", r.learner_seconds);
}

Json to_json(const StageRecord& record) {
  Json json;
  for_each_entry(record, [&](const char* name, const auto& value) { json[name] = value; });
  return json;
}

StageRecord stage_from_json(const Json& json) {
  StageRecord record;
  for_each_entry(record, [&](const char* name, auto& value) { json.at(name).get_to(value); });
  return record;
}

AutoMbpo::AutoMbpo(const RunOptions& options, const RunDir& dir, OpenDevice& device,
                   int num_threads)
    : options_(options),
      config_(options.config),
      dir_(dir),
      device_(device),
      num_threads_(num_threads),
      log_(dir.path() / "log.txt", /*append=*/options.resume != "never", /*to_console=*/true) {
  fs::create_directories(dir.path() / "controller");
  if (options.resume == "never") {
    for (const char* name : {"episodes", "evaluation", "controller"})
      fs::remove_all(dir.path() / name);
    for (const char* name : {"stages.json", "stages.csv", "summary.json"})
      fs::remove(dir.path() / name);
    fs::create_directories(dir.path() / "controller");
  }
  if (fs::exists(dir.path() / "stages.json"))
    for (const Json& record : read_json(dir.path() / "stages.json"))
      stages_.push_back(stage_from_json(record));
}

Member AutoMbpo::member(const std::string& label, const fs::path& folder, const Config& config,
                        std::uint32_t learner_index,
                        std::function<std::unique_ptr<Schedule>(OpenDevice&)> schedule) {
  return {
      .label = label,
      .run =
          [this, label, folder, config, learner_index, schedule = std::move(schedule)](
              OpenDevice& device, ProgressSink& progress) {
            {
              const RunDir dir =
                  RunDir::open_folder(folder, config, options_.command, device.description());
              Training training(
                  {.config = config,
                   .resume = "auto",
                   .learner_index = learner_index,
                   .to_console = false,
                   .on_warning =
                       [this, label](const std::string& text) { log_.warn(label + ": " + text); }},
                  dir, device, progress, schedule(device));
              if (training.run() != ExitCode::kDone) return;
            }
            // all that counts of a hyper-episode is in its tables, at a small part of the size
            if (learner_index > 0) fs::remove_all(folder / "checkpoints");
          },
      .failed =
          [this, label, folder](const std::string& error) {
            log_.warn(fmt::format("{} failed and is left out: {}", label, error));
            write_file_atomically(folder / "failed.json", Json{{"error", error}}.dump(2) + "\n");
          }};
}

// False after a stop signal.
bool AutoMbpo::run_members(const std::vector<Member>& members, const Config& member_config,
                           const std::string& title) {
  if (members.empty()) return true;
  Config sized = member_config;
  sized.population = config_.population;
  const int concurrent =
      concurrent_learners(sized, make_env(config_.env)->spec(), device_.device, num_threads_);
  run_population(members,
                 {.device = options_.device,
                  .precision = config_.device,
                  .concurrent = concurrent,
                  .num_threads = num_threads_,
                  .config = member_config},
                 title);
  return !stop_requested();
}

// The curve R' of equation 9: default MBPO's return at each evaluation, over seeds.
bool AutoMbpo::make_baseline() {
  const AutoMbpoConfig& a = config_.autombpo;
  const int epochs = std::max(a.train_epochs, a.eval_epochs);
  const Config base = baseline_config(config_, epochs);
  if (a.baseline.empty()) {
    std::vector<Member> missing;
    std::string failure;  // of one of them
    for (int seed = 0; seed < a.num_seeds; ++seed) {
      Config c = base;
      c.seed = seed;
      const fs::path folder = RunDir::folder_of(options_.runs, c);
      baseline_folders_.push_back(folder);
      if (is_done(folder)) continue;
      missing.push_back(
          member(fmt::format("seed {}", seed), folder, c, 0, [](OpenDevice&) { return nullptr; }));
      // a curve that depends on which seeds happened to fail would be no baseline
      missing.back().failed = [&failure, seed](const std::string& error) {
        failure = fmt::format(
            "default MBPO failed on seed {}: {} The other seeds are kept; or give complete runs "
            "with "
            "autombpo.baseline.",
            seed, error);
      };
    }
    log_.info(fmt::format("baseline: default MBPO, {} seeds of {} epochs, {} of them to do",
                          a.num_seeds, epochs, missing.size()));
    if (!run_members(missing, base, "baseline")) return false;
    if (!failure.empty()) throw DataError(failure);
  } else {
    if (!fs::is_directory(a.baseline))
      throw DataError(fmt::format(
          "autombpo.baseline: {} is no folder; expected one that holds runs of default MBPO, or "
          "nothing, to have them made.",
          a.baseline));
    for (const auto& entry : fs::recursive_directory_iterator(a.baseline)) {
      if (entry.path().filename() != "metrics.csv") continue;
      const fs::path folder = entry.path().parent_path();
      Config found = load_config(folder / "config.json");
      found.loop.num_env_steps = base.loop.num_env_steps;
      found.name = base.name;
      found.seed = base.seed;
      found.checkpoint = base.checkpoint;
      found.device.graphs = base.device.graphs;
      if (config_hash(found) != config_hash(base))
        throw DataError(fmt::format(
            "autombpo.baseline: {} was made by another config: {}. Run default MBPO with this "
            "config's values, or leave autombpo.baseline empty to have it made.",
            folder.string(), fmt::join(config_difference(found, base), "; ")));
      baseline_folders_.push_back(folder);
    }
    std::sort(baseline_folders_.begin(), baseline_folders_.end());
  }
  if (baseline_folders_.empty())
    throw DataError(fmt::format("autombpo.baseline: {} holds no run of default MBPO.", a.baseline));

  std::vector<Curve> curves;
  std::size_t length = 0;
  for (const fs::path& folder : baseline_folders_) {
    curves.push_back(read_curve(folder / "metrics.csv", "eval_return_mean"));
    length = curves.size() == 1 ? curves[0].y.size() : std::min(length, curves.back().y.size());
  }
  if (length < static_cast<std::size_t>(a.train_epochs))
    throw DataError(
        fmt::format("autombpo.baseline: its shortest run has {} evaluations; hyper-episodes of {} "
                    "epochs need as "
                    "many. Run default MBPO for longer, or lower autombpo.train_epochs.",
                    length, a.train_epochs));
  std::string table = "evaluation,return_mean,num_seeds\n";
  for (std::size_t i = 0; i < length; ++i) {
    double sum = 0.0;
    for (const Curve& curve : curves) sum += curve.y[i];
    baseline_.push_back(sum / static_cast<double>(curves.size()));
    table += fmt::format("{},{},{}\n", i, baseline_.back(), curves.size());
  }
  write_file_atomically(dir_.path() / "baseline.csv", table);
  return true;
}

bool AutoMbpo::run_stage(int group, int stage) {
  const float epsilon = [&] {
    const auto& list = config_.controller.epsilon;
    return list[std::min(static_cast<std::size_t>(stage), list.size() - 1)];
  }();
  const fs::path controller = controller_file(group, stage);
  Config config =
      episode_config(config_, controller.stem().string(), config_.autombpo.train_epochs);
  // groups whose turn has not come leave their hyperparameters to the config
  const auto groups = controller_groups(config_.controller);
  std::vector<std::string> apply;
  for (int g = 0; g <= group; ++g)
    for (const Head head : groups[static_cast<std::size_t>(g)]) {
      const std::string& name = head_name(head);
      const auto& chosen = config.controller.apply;
      if (std::find(chosen.begin(), chosen.end(), name) != chosen.end()) apply.push_back(name);
    }
  if (!apply.empty()) config.controller.apply = apply;
  std::vector<Member> members;
  for (int i = 0; i < episodes_in(stage); ++i) {
    const int number = first_episode(group, stage) + i;
    const fs::path folder = episode_folder(number);
    if (fs::exists(folder / "trajectory.json") || fs::exists(folder / "failed.json")) continue;
    // learner 0 is the baseline's
    const auto learner = static_cast<std::uint32_t>(number + 1);
    members.push_back(member(
        fmt::format("episode {}", number), folder, config, learner,
        [this, config, controller, group, epsilon, learner](OpenDevice& device) {
          const auto seed = static_cast<std::uint32_t>(config_.seed);
          ControllerStack stack(device.stream, config, seed);
          stack.load(controller);
          return std::make_unique<Steering>(
              config,
              std::make_unique<ControllerDecider>(device.stream, std::move(stack),
                                                  RandomKey{seed, purpose::kHyperAction, learner},
                                                  group, epsilon),
              baseline_, group);
        }));
  }
  return run_members(members, config, fmt::format("stage {}", stage));
}

// Updates the controller on a stage's hyper-episodes and writes what it became.
void AutoMbpo::learn(int group, int stage) {
  StageRecord record{.group = group, .stage = stage};
  std::vector<HyperTrajectory> episodes;
  double num_evaluations = 0.0, num_decisions = 0.0;
  for (int i = 0; i < episodes_in(stage); ++i) {
    const fs::path folder = episode_folder(first_episode(group, stage) + i);
    if (fs::exists(folder / "failed.json")) {
      ++record.num_failed;
      continue;
    }
    episodes.push_back(trajectory_from_json(read_json(folder / "trajectory.json")));
    record.learner_seconds += read_json(folder / "summary.json").at("wall_time_s").get<double>();
    const Curve returns = read_curve(folder / "metrics.csv", "eval_return_mean");
    for (std::size_t e = 0; e < returns.y.size(); ++e) {
      record.mean_return += returns.y[e];
      record.baseline_return += baseline_[std::min(e, baseline_.size() - 1)];
      ++num_evaluations;
    }
    record.final_return += returns.y.back();
    record.real_ratio += read_curve(folder / "decisions.csv", "real_ratio").y.back();
    record.updates_per_step += read_curve(folder / "decisions.csv", "updates_per_step").y.back();
    record.rollout_length += read_curve(folder / "decisions.csv", "rollout_length").y.back();
    for (const double fit : read_curve(folder / "decisions.csv", "fit_model").y) {
      record.share_of_fits += fit;
      ++num_decisions;
    }
  }
  record.num_episodes = static_cast<int>(episodes.size());
  if (episodes.empty())
    throw DataError(
        fmt::format("all {} hyper-episodes of stage {} failed; the log says why. Delete the "
                    "failed.json files in "
                    "{} to try them again.",
                    record.num_failed, stage, (dir_.path() / "episodes").string()));
  record.mean_return /= num_evaluations;
  record.baseline_return /= num_evaluations;
  for (double* value :
       {&record.final_return, &record.real_ratio, &record.updates_per_step, &record.rollout_length})
    *value /= static_cast<double>(episodes.size());
  record.share_of_fits /= num_decisions;

  const auto seed = static_cast<std::uint32_t>(config_.seed);
  ControllerStack stack(device_.stream, config_, seed);
  stack.load(controller_file(group, stage));
  // the controller that produced these returns is the one they speak for
  const bool best = std::none_of(stages_.begin(), stages_.end(), [&](const StageRecord& r) {
    return r.group == group && r.mean_return >= record.mean_return;
  });
  if (best) stack.save(best_file());
  record.losses = stack.learn(device_.stream, group, episodes, seed, stage);
  stack.save(controller_file(group, stage + 1));
  stages_.push_back(record);
  write_stages();
  log_.info(fmt::format(
      "stage {}: {} hyper-episodes{}, return {:.1f} over the curve (default MBPO "
      "{:.1f}), {:.1f} at "
      "its end{}; at the end real ratio {:.3f}, {:.1f} updates, rollouts of {:.1f}; "
      "entropy {:.3f}, "
      "{} of learners",
      stage, record.num_episodes,
      record.num_failed > 0 ? fmt::format(" and {} failed", record.num_failed) : "",
      record.mean_return, record.baseline_return, record.final_return, best ? ", the best" : "",
      record.real_ratio, record.updates_per_step, record.rollout_length, record.losses.entropy,
      duration_text(record.learner_seconds)));
}

void AutoMbpo::write_stages() {
  Json all = Json::array();
  std::string table;
  for (const StageRecord& record : stages_) {
    const Json json = to_json(record);
    if (table.empty()) {
      for (const auto& [key, value] : json.items()) table += (table.empty() ? "" : ",") + key;
      table += "\n";
    }
    std::string row;
    for (const auto& [key, value] : json.items()) row += (row.empty() ? "" : ",") + value.dump();
    table += row + "\n";
    all.push_back(json);
  }
  write_file_atomically(dir_.path() / "stages.csv", table);
  write_file_atomically(dir_.path() / "stages.json", all.dump(1) + "\n");
}

bool AutoMbpo::train_group(int group) {
  if (!fs::exists(controller_file(group, 0))) {
    ControllerStack stack(device_.stream, config_, static_cast<std::uint32_t>(config_.seed));
    // the groups before this one are done: they stay as they were best
    if (group > 0) stack.load(best_file());
    // a controller to go on from, perhaps another task's
    if (group == 0 && !config_.controller.file.empty()) stack.load(config_.controller.file);
    stack.save(controller_file(group, 0));
  }
  for (int stage = 0; stage < num_stages(); ++stage) {
    const bool done = std::any_of(stages_.begin(), stages_.end(), [&](const StageRecord& r) {
      return r.group == group && r.stage == stage;
    });
    if (done) continue;
    if (!run_stage(group, stage)) return false;
    learn(group, stage);
  }
  return true;
}

// The best controller on seeds it has not seen, for longer than it was trained on.
bool AutoMbpo::evaluate() {
  const Config config = episode_config(config_, "best", config_.autombpo.eval_epochs);
  std::vector<Member> members;
  for (int i = 0; i < config_.autombpo.num_seeds; ++i) {
    Config c = config;
    c.seed = kFirstEvaluationSeed + i;
    const fs::path folder = dir_.path() / "evaluation" / fmt::format("seed-{}", c.seed);
    if (is_done(folder) || fs::exists(folder / "failed.json")) continue;
    members.push_back(
        member(fmt::format("seed {}", c.seed), folder, c, 0, [this, c](OpenDevice& device) {
          const auto seed = static_cast<std::uint32_t>(c.seed);
          std::unique_ptr<Decider> decider;
          const RandomKey key{seed, purpose::kHyperAction, 0};
          if (c.autombpo.scheme == "ror") {
            decider = std::make_unique<RorDecider>(c, key);
          } else {
            ControllerStack stack(device.stream, c, seed);
            stack.load(best_file());
            decider = std::make_unique<ControllerDecider>(device.stream, std::move(stack), key);
          }
          return std::make_unique<Steering>(c, std::move(decider));
        }));
  }
  return run_members(members, config, "evaluation");
}

void AutoMbpo::compare() {
  std::vector<fs::path> folders;
  double seconds = 0.0;
  std::map<std::string, double> stage_seconds;
  const auto add_time = [&](const fs::path& folder) {
    if (!fs::exists(folder / "summary.json")) return;
    const Json summary = read_json(folder / "summary.json");
    seconds += summary.at("wall_time_s").get<double>();
    for (const auto& [stage, time] : summary.at("stage_seconds").items())
      stage_seconds[stage] += time.get<double>();
  };
  for (const auto& entry : fs::directory_iterator(dir_.path() / "evaluation")) {
    if (!is_done(entry.path())) continue;
    folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  if (fs::exists(dir_.path() / "episodes"))
    for (const auto& entry : fs::directory_iterator(dir_.path() / "episodes"))
      add_time(entry.path());
  // as `mbrl_gpu compare` does it: the area under each curve over the steps that all have
  std::vector<Curve> all;
  for (const auto& arm : {folders, baseline_folders_})
    for (const fs::path& folder : arm)
      all.push_back(read_curve(folder / "metrics.csv", "eval_return_mean"));
  const StepRange range = common_range(all);
  std::vector<double> ours, theirs;
  for (std::size_t i = 0; i < all.size(); ++i)
    (i < folders.size() ? ours : theirs).push_back(mean_over(all[i], range));

  Json result{{"status", "done"},
              {"returns", "mean over the curve of a run"},
              {"from_env_steps", range.low},
              {"to_env_steps", range.high},
              {"autombpo", ours},
              {"mbpo", theirs}};
  if (ours.empty())
    throw DataError(fmt::format("all runs of the evaluation failed; {} says why.",
                                (dir_.path() / "log.txt").string()));
  std::string text = fmt::format("AutoMBPO {:.1f} over {} seeds, default MBPO {:.1f} over {}",
                                 mean_of(ours), ours.size(), mean_of(theirs), theirs.size());
  result["autombpo_mean"] = mean_of(ours);
  result["mbpo_mean"] = mean_of(theirs);
  if (ours.size() > 1 && theirs.size() > 1) {
    try {
      const WelchResult welch = welch_test("AutoMBPO", ours, "MBPO", theirs);
      result["welch"] = {{"difference", welch.difference},
                         {"low", welch.interval.low},
                         {"high", welch.interval.high},
                         {"t", welch.t},
                         {"df", welch.df},
                         {"p", welch.p}};
      text += fmt::format("; difference {:.1f}, 95 % interval [{:.1f}, {:.1f}], Welch's p = {:.2g}",
                          welch.difference, welch.interval.low, welch.interval.high, welch.p);
    } catch (const DataError& error) {
      text += fmt::format("; no test: {}", error.what());
    }
  }
  result["hyper_episodes"] = {{"learner_seconds", seconds}, {"stage_seconds", stage_seconds}};
  result["config_hash"] = config_hash(config_);
  result["seed"] = config_.seed;
  write_file_atomically(dir_.path() / "summary.json", result.dump(2) + "\n");
  log_.info(text);
}

ExitCode AutoMbpo::run() {
  const auto stopped = [&] {
    log_.info("stopped; the same command goes on from here.");
    return ExitCode::kStopped;
  };
  if (!config_.controller.file.empty()) {
    // before hours of work, not behind them
    ControllerStack stack(device_.stream, config_, static_cast<std::uint32_t>(config_.seed));
    stack.load(config_.controller.file);
  }
  if (!make_baseline()) return stopped();
  if (config_.autombpo.scheme == "ppo")
    for (int group = 0; group < num_groups(); ++group)
      if (!train_group(group)) return stopped();
  if (!evaluate()) return stopped();
  compare();
  return ExitCode::kDone;
}

}  // namespace

ExitCode run_autombpo(const RunOptions& options) {
  const int num_threads = options.num_threads > 0 ? options.num_threads : available_cores();
  if (options.resume != "auto" && options.resume != "never")
    throw ConfigError(fmt::format(
        "--resume {}: an autombpo run goes on from what its run directory holds (auto) or starts "
        "over (never).",
        options.resume));
  ThreadPool pool(num_threads);
  OpenDevice device(options.device, options.config.device, pool);
  const std::string machine = fmt::format("{}, {} threads", device.description(), num_threads);
  const RunDir dir = RunDir::open(options.runs, options.config, options.command, machine);
  fmt::print("{}\nrun      {}\ndevice   {}\n\n", config_table(options.config), dir.path().string(),
             machine);
  std::fflush(stdout);
  return AutoMbpo(options, dir, device, num_threads).run();
}

namespace algorithms {

Algorithm autombpo_algorithm() {
  return {
      .name = "autombpo",
      .text = "a controller that learns MBPO's hyperparameters over whole runs",
      .needs_model = true,
      .reads = {"model", "rollout", "sac", "loop", "controller", "autombpo", "population"},
      .make = nullptr,
      .run = run_autombpo,
      .check =
          [](const Config& config, const Require& require) {
            check_dynamics(config, require);
            check_imagination(config, require);
            check_soft_actor_critic(config, require);
            check_replay(config, require);
            check_controller(config, require);
            // the baseline's runs are default MBPO's
            if (config.autombpo.baseline.empty()) check_model_replay(config, require);
            require(config.eval.interval == config.loop.epoch_length,
                    fmt::format("eval.interval is {}, loop.epoch_length {}; a controller is paid "
                                "at the end of each epoch, so the two must be equal.",
                                config.eval.interval, config.loop.epoch_length));
            const std::string& n = config.population.concurrent;
            require(
                n == "auto" || (!n.empty() && n.size() <= 4 && n != "0" &&
                                std::all_of(n.begin(), n.end(),
                                            [](unsigned char d) { return std::isdigit(d) != 0; })),
                fmt::format("population.concurrent is \"{}\"; expected auto or a number of "
                            "learners from 1.",
                            n));
          },
      .memory = nullptr};
}

}  // namespace algorithms
}  // namespace mbrl
