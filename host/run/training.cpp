#include "host/run/training.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "base/free_memory.h"
#include "host/algo/registry.h"
#include "host/config/print.h"
#include "host/io/checkpoint.h"
#include "host/io/console.h"
#include "host/io/json_file.h"
#include "host/run/loop.h"
#include "profiling/nvtx.h"

namespace mbrl {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A table that is gone would begin anew, and what reads it would take the part for the whole. Where a
// checkpoint is named, that is asked for: the table warns and begins there.
void require_tables(const std::filesystem::path& checkpoint, const RunDir& dir,
                    const TrainingOptions& options, const Schedule* schedule,
                    std::int64_t env_steps) {
  namespace fs = std::filesystem;
  if (options.resume != "auto") return;
  std::error_code absent;
  std::vector<std::string> tables{"metrics.csv", "episodes.csv"};
  if (schedule != nullptr && !schedule->table().empty()) tables.push_back(schedule->table());
  for (const std::string& name : tables) {
    const fs::path file = dir.path() / name;
    const bool exists = fs::exists(file, absent);
    if (exists && fs::file_size(file, absent) > 0) continue;
    const std::string what = fmt::format("{} is {}, though the run in it has come to env step {}",
                                         file.string(), exists ? "empty" : "missing", env_steps);
    throw DataError(fmt::format(
        "{}: its rows are lost. Put the file back, {}.", what,
        options.to_console
            ? fmt::format("go on without them with --resume {}, or start over with "
                          "--resume never",
                          checkpoint.string())
            : fmt::format("or delete {} to have it trained again", dir.path().string())));
  }
}

// by what was wrong
nlohmann::ordered_json unstable_steps(const Learner& learner) {
  nlohmann::ordered_json json{{"total", learner.environments().num_broken()}};
  for (int i = kNoFault + 1; i < kNumFaults; ++i) {
    const auto fault = static_cast<Fault>(i);
    if (learner.environments().num_broken(fault) > 0)
      json[fault_text(fault)] = learner.environments().num_broken(fault);
  }
  return json;
}

}  // namespace

Training::Training(TrainingOptions options, const RunDir& dir, OpenDevice& device,
                   ProgressSink& progress, std::unique_ptr<Schedule> schedule)
    : options_(std::move(options)),
      dir_(dir),
      device_(device),
      progress_(progress),
      schedule_(std::move(schedule)),
      time_left_(options_.config),
      // one comparison of a GPU with the CPU at a time
      in_background_(options_.in_background.value_or(device.stream.on_gpu()) &&
                     device.stream.check() == nullptr) {
  learner_ = make_learner(options_.config, device_.stream, hooks(), options_.learner_index);
  std::int64_t resumed_at = -1;
  if (const auto path = checkpoint_to_resume(options_.resume, dir.checkpoints(), hooks().warn)) {
    const nlohmann::json run =
        load_checkpoint(*path, *learner_, options_.config, CheckpointUse::kGoOn, hooks().warn);
    using_file(*path / "state.json", [&] {
      if (schedule_ != nullptr) schedule_->set_state(run.at("schedule"));
      wall_time_before_ = run.at("wall_time_s");
      stage_seconds_ = run.value("stage_seconds", stage_seconds_);
      if (!run.at("best_return").is_null()) best_return_ = run.at("best_return");
      if (!run.at("final_return").is_null()) final_return_ = run.at("final_return");
    });
    resumed_at = learner_->env_steps();
    // the run's own, in case the last process ended while it deleted older ones
    if (options_.resume == "auto")
      tidy_checkpoints(dir.checkpoints(), resumed_at, options_.config.checkpoint.keep,
                       hooks().warn);
    require_tables(*path, dir, options_, schedule_.get(), resumed_at);
    pending_log_.push_back(
        fmt::format("resumed from {} at env step {}", path->string(), resumed_at));
    if (!learner_->environments().pool().saves_state())
      pending_log_.push_back(
          "the environment's process cannot save its state: the episode that was running is left "
          "out, and the run goes on at the start of another");
  }
  updates_before_ = learner_->num_updates();
  logged_ = {.env_steps = learner_->env_steps(),
             .updates = updates_before_,
             .stage_seconds = stage_seconds_};
  recorder_ = std::make_unique<Recorder>(dir, learner_->metric_names(), resumed_at, progress_,
                                         options_.to_console);
  if (schedule_ != nullptr) schedule_->open(dir.path(), resumed_at);
  recorder_->describe(options_.config);
  for (const std::string& line : pending_log_) recorder_->log(line);
}

Hooks Training::hooks() {
  return {
      .stop_requested =
          [this] {
            progress_.set_stage(stage_);  // long stages ask often: keeps the line alive
            return stop_requested();
          },
      .on_stage = [this](std::string_view stage) { enter_stage(stage); },
      .on_episode = [this](const EpisodeReport& episode) { recorder_->record_episode(episode); },
      .on_fit =
          [this](const FitReport& fit) {
            // of the step that begins with it: a run that goes on from the one before repeats it
            recorder_->record_fit(learner_->env_steps() + 1, fit);
          },
      .on_detail = [this](std::string_view detail) { progress_.set_detail(detail); },
      .log = [this](const std::string& text) { recorder_->note(text); },
      .warn =
          [this](const std::string& text) {
            if (options_.on_warning) options_.on_warning(text);
            if (recorder_ != nullptr) return recorder_->warn(text);
            pending_log_.push_back("warning: " + text);
          },
      .gemm = device_.gemm,
      .plans = device_.plans};
}

// the seconds since the last change belong to the stage before it
void Training::enter_stage(std::string_view stage) {
  const Clock::time_point now = Clock::now();
  if (!stage_.empty()) {
    const double seconds = std::chrono::duration<double>(now - stage_start_).count();
    stage_seconds_[stage_] += seconds;
    time_left_.add(stage_, seconds, learner_->env_steps());
  }
  stage_start_ = now;
  stage_ = stage;
  progress_.set_stage(stage);
}

// losses, rates and schedules since the last call. The losses are on the host already: a GPU's work is
// waited for in no step that is not logged
void Training::log() {
  const Clock::time_point now = Clock::now();
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  Logged at{.time = now,
            .env_steps = learner_->env_steps(),
            .updates = learner_->num_updates(),
            .stage_seconds = stage_seconds_};
  if (!stage_.empty()) at.stage_seconds[stage_] += seconds(now - stage_start_);
  LogRow row{.env_steps = at.env_steps,
             .wall_time_s = wall_time(),
             .seconds = seconds(now - logged_.time),
             .steps = at.env_steps - logged_.env_steps,
             .updates = at.updates - logged_.updates,
             .metrics = learner_->take_recent_metrics()};
  for (const Hyperparameter& value : learner_->hyperparameters())
    if (value.change != Change::kToggle) row.schedule.emplace_back(value.name, value.get());
  for (const auto& [stage, total] : at.stage_seconds)
    row.stage_seconds.emplace_back(stage, total - logged_.stage_seconds[stage]);
  recorder_->record_log(row);
  logged_ = std::move(at);
}

// In a thread of its own, or when its result is asked for: then, too, where the system has no
// thread to give.
template <typename Job>
auto Training::start(Job job) {
  const auto in_place = [this, job = std::move(job)] {
    flush_denormals();
    if (device_.device.kind == Device::Kind::kCuda) gpu::use_device(device_.device.index);
    return job();
  };
  try {
    if (in_background_) return std::async(std::launch::async, in_place);
  } catch (const std::system_error&) {
  }
  return std::async(std::launch::deferred, in_place);
}

bool Training::before_step() {
  if (schedule_ == nullptr) return true;
  if (evaluation_ && schedule_->needs_returns(*learner_)) finish_evaluation();
  return schedule_->before_step(*learner_);
}

void Training::evaluate() {
  finish_evaluation();
  Trials* const trials = learner_->trials();
  if (in_background_ && trials == nullptr && evaluation_pool_ == nullptr)
    evaluation_pool_ = std::make_unique<ThreadPool>(device_.stream.pool().num_threads());
  const std::function<Evaluation()> run =
      trials != nullptr
          ? [ended = trials->take()] { return ended; }
          : learner_->begin_evaluation(options_.config.eval.num_episodes,
                                       in_background_ ? *evaluation_pool_ : device_.stream.pool());
  evaluation_ = PendingEvaluation{.result = start(run),
                                  .env_steps = learner_->env_steps(),
                                  .epoch = learner_->epoch(),
                                  .wall_time_s = wall_time(),
                                  .metrics = learner_->take_metrics()};
  if (!in_background_) finish_evaluation();
}

// waits for the evaluation that runs, if one does, and records it
void Training::finish_evaluation() {
  if (!evaluation_) return;
  PendingEvaluation pending = *std::exchange(evaluation_, std::nullopt);
  const Evaluation evaluation = pending.result.get();
  final_return_ = evaluation.mean_return();
  if (!(best_return_ >= final_return_)) best_return_ = final_return_;
  recorder_->record_evaluation({.env_steps = pending.env_steps,
                                .epoch = pending.epoch,
                                .wall_time_s = pending.wall_time_s,
                                .return_mean = final_return_,
                                .return_std = evaluation.std_return(),
                                .num_broken = evaluation.num_broken,
                                .metrics = std::move(pending.metrics),
                                .returns = evaluation.returns,
                                .lengths = evaluation.lengths});
  recorder_->log(fmt::format("env step {}: return {:.1f} +- {:.1f}, length {:.0f}",
                             pending.env_steps, final_return_, evaluation.std_return(),
                             evaluation.mean_length()));
  if (evaluation.num_broken > 0)
    recorder_->warn(fmt::format(
        "{} of the {} evaluation episodes ended early because the simulator became unstable.",
        evaluation.num_broken, evaluation.returns.size()));
  tell_progress();
  if (schedule_ != nullptr) schedule_->on_evaluation(*learner_, final_return_);
  write_pending_checkpoint();
}

void Training::tell_progress() {
  progress_.update({.env_steps = learner_->env_steps(),
                    .total_steps = options_.config.loop.num_env_steps,
                    .exploring = learner_->exploring(),
                    .last_return = learner_->environments().last_return(),
                    .evaluation = final_return_,
                    .seconds_left = time_left_.seconds()});
}

double Training::wall_time() const { return wall_time_before_ + seconds_since(start_); }

// between two of the config's: the user's, or by the clock
bool Training::wants_checkpoint() {
  const int num_saves = num_saves_requested();
  if (std::exchange(num_saves_seen_, num_saves) != num_saves) {
    recorder_->log(
        fmt::format("checkpoint at env step {}, as SIGUSR1 asked", learner_->env_steps()));
    return true;
  }
  const double minutes = options_.config.checkpoint.minutes;
  return minutes > 0.0 && seconds_since(saved_) >= 60.0 * minutes;
}

void Training::checkpoint() {
  enter_stage("checkpoint");
  const StageRange range("checkpoint", learner_->env_steps());
  finish_checkpoint();
  if (schedule_ != nullptr) finish_evaluation();  // its state knows the return
  nlohmann::json run{{"wall_time_s", wall_time()}, {"stage_seconds", stage_seconds_}};
  if (schedule_ != nullptr) run["schedule"] = schedule_->state();
  checkpoint_ =
      PendingCheckpoint{std::make_unique<CheckpointState>(*learner_, options_.config), run};
  CheckpointState& state = *checkpoint_->state;
  const bool in_background = in_background_ && state.bytes() < free_memory() / 2;
  if (in_background) {
    state.detach(device_.stream);
  } else {
    device_.stream.synchronize();  // another thread may read its arrays
  }
  if (!evaluation_) write_pending_checkpoint();
  if (!in_background) finish_checkpoint();
  saved_ = Clock::now();
}

// begins to write the checkpoint that was put off, if there is one
void Training::write_pending_checkpoint() {
  if (!checkpoint_ || checkpoint_->written.valid()) return;
  // what another process put in its place is not this run's to write to
  dir_.require_in_place();
  // a checkpoint never outlives the rows before it
  recorder_->sync();
  if (schedule_ != nullptr) schedule_->sync();
  checkpoint_->run["best_return"] = best_return_;
  checkpoint_->run["final_return"] = final_return_;
  checkpoint_->written = start(
      [folder = dir_.checkpoints(), state = checkpoint_->state.get(), run = checkpoint_->run] {
        std::vector<std::string> warnings;
        state->write(folder, run, [&](const std::string& text) { warnings.push_back(text); });
        return warnings;
      });
}

// waits until the disk has the checkpoint that is being written, if one is
void Training::finish_checkpoint() {
  if (!checkpoint_) return;
  finish_evaluation();
  PendingCheckpoint pending = *std::exchange(checkpoint_, std::nullopt);
  if (!pending.written.valid()) return;  // after an error that kept it from being begun
  for (const std::string& text : pending.written.get()) recorder_->warn(text);
}

void Training::finish_background() {
  finish_evaluation();
  finish_checkpoint();
}

// takes what has ended meanwhile
void Training::poll_background() {
  const auto has_ended = [](const auto& result) {
    return result.wait_for(std::chrono::seconds(0)) != std::future_status::timeout;
  };
  if (evaluation_ && has_ended(evaluation_->result)) finish_evaluation();
  if (checkpoint_ && checkpoint_->written.valid() && has_ended(checkpoint_->written))
    finish_checkpoint();
}

void Training::write_summary(RunStatus status, const std::string& error) {
  enter_stage("");
  dir_.require_in_place();
  if (schedule_ != nullptr) schedule_->sync();
  const double seconds = seconds_since(start_);
  nlohmann::ordered_json summary;
  if (!error.empty()) summary["error"] = error;
  summary.update(
      {{"env_steps", learner_->env_steps()},
       {"final_return", final_return_},
       {"best_return", best_return_},
       {"wall_time_s", wall_time()},
       {fmt::format("{}_updates", learner_->updated()), learner_->num_updates()},
       {"updates_per_s", static_cast<double>(learner_->num_updates() - updates_before_) / seconds},
       {"stage_seconds", stage_seconds_},
       {"unstable_steps", unstable_steps(*learner_)},
       {"seed", options_.config.seed},
       {"config_hash", config_hash(options_.config, learner_->inputs())},
       {"device", device_name(device_.device)}});
  recorder_->write_summary(status, summary);
}

// What has begun before a failure counts; the failure is what is told.
void Training::keep_background() {
  try {
    finish_background();
  } catch (const Error& second) {
    recorder_->warn(second.what());
  }
}

// Saves what is left of a learner whose values are not finite, to be looked at; nothing resumes
// from it. Returns the error's text with what only the run knows: where it stands and what can be
// done from here.
std::string Training::keep_diverged(const std::string& error) {
  const std::filesystem::path folder = dir_.path() / "failed";
  std::string text = fmt::format("env step {}: {}", learner_->env_steps(), error);
  try {
    save_checkpoint(folder, *learner_, options_.config, {{"error", error}});
    text += fmt::format(" The state at the failure is in {}.", folder.string());
  } catch (const Error& second) {
    recorder_->warn(fmt::format("the state at the failure is lost: {}", second.what()));
  }
  const auto checkpoint = latest_checkpoint(dir_.checkpoints(), [](const std::string&) {});
  text += checkpoint ? fmt::format(" The last checkpoint before it is {}.", checkpoint->string())
                     : " There is no checkpoint before it.";
  return text +
         " A run with another value of a key starts anew in a folder of its own: a checkpoint of "
         "this one would be refused.";
}

// The run's last words in its own folder. Whoever catches the error prints it.
void Training::record_failure(RunStatus status, const std::string& error) {
  progress_.finish();
  recorder_->record_error(error);
  if (!dir_.is_in_place()) return;  // which is the error
  try {
    if (options_.before_marker) options_.before_marker();
  } catch (const Error& second) {
    print_to(stderr, fmt::format("warning: {}\n", second.what()));
  }
  try {
    write_summary(status, error);
  } catch (const std::exception& second) {
    // on a full disk this fails as well; the first error is the one to tell
    recorder_->warn(second.what());
  }
}

ExitCode Training::run(std::int64_t until) {
  const Config& config = options_.config;
  if (learner_->env_steps() >= config.loop.num_env_steps)
    recorder_->log(
        fmt::format("this run is complete: {} env steps. `--resume never` restarts it; another "
                    "loop.num_env_steps or seed is another run.",
                    learner_->env_steps()));
  const LoopHooks loop_hooks{.stop_requested = [] { return stop_requested(); },
                             .before_step = [this] { return before_step(); },
                             .log = [this] { log(); },
                             .evaluate = [this] { evaluate(); },
                             .wants_checkpoint = [this] { return wants_checkpoint(); },
                             .checkpoint = [this] { checkpoint(); },
                             .tick =
                                 [this] {
                                   poll_background();
                                   time_left_.at(learner_->env_steps(), learner_->exploring());
                                   tell_progress();
                                 }};
  bool stopped = true;
  try {
    stopped = !run_loop(*learner_, config, loop_hooks, until);
    finish_background();
  } catch (const DivergedError& error) {
    keep_background();
    const DivergedError told(keep_diverged(error.what()));
    record_failure(RunStatus::kDiverged, told.what());
    throw told;
  } catch (const std::exception& error) {
    keep_background();
    record_failure(RunStatus::kFailed, error.what());
    throw;
  }
  progress_.finish();
  const bool complete = learner_->env_steps() >= config.loop.num_env_steps;
  if (complete && schedule_ != nullptr) schedule_->on_finished();
  if (stopped)
    recorder_->log(fmt::format("stopped at env step {}; the same command goes on from here.",
                               learner_->env_steps()));
  if (options_.before_marker) options_.before_marker();
  write_summary(stopped ? RunStatus::kStopped : complete ? RunStatus::kDone : RunStatus::kPaused);
  return stopped ? ExitCode::kStopped : ExitCode::kDone;
}

}  // namespace mbrl
