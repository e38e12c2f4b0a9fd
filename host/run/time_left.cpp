#include "host/run/time_left.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/algo/keys_read.h"

namespace mbrl {
namespace {

constexpr double kHalfLife = 60.0;   // seconds of work after which a step counts half
constexpr double kKeepFits = 0.9;    // what fits before the last one count, each
constexpr double kKeepOthers = 0.5;  // the same of evaluations and checkpoints
constexpr double kNever = std::numeric_limits<double>::infinity();

// What a run's n-th fit (from 1) costs beside a late one of as many rows. The networks of the first
// start from nothing and train for twenty times as many epochs; measured on Hopper: 479, 103, 35, 30,
// then 20 on average. Fits that the config bounds have no such beginning.
double share_of_late_fit(double n, int max_epochs) {
  constexpr double kLateEpochs = 20.0;
  const double unbounded = 1.0 + 22.0 * std::pow(n, -2.3);
  return max_epochs == 0 ? unbounded : std::min(unbounded, std::max(1.0, max_epochs / kLateEpochs));
}

// the interval that a key gives; never, where the run does not read it or it is 0
double interval(const Config& config, const char* key, double value) {
  return is_read(config, *find_field(key)) && value > 0.0 ? value : kNever;
}

// a fit before each trial, which is an epoch where the config is a shipped one
bool fits_before_trials(const Config& config) {
  return is_read(config, *find_field("model.epochs"));
}

double fit_interval(const Config& config) {
  return fits_before_trials(config)
             ? static_cast<double>(config.loop.epoch_length)
             : interval(config, "loop.model_train_interval",
                        static_cast<double>(config.loop.model_train_interval));
}

}  // namespace

TimeLeft::TimeLeft(const Config& config)
    : end_(static_cast<double>(config.loop.num_env_steps)),
      fit_interval_(fit_interval(config)),
      eval_interval_(interval(config, "eval.interval", static_cast<double>(config.eval.interval))),
      checkpoint_interval_(
          interval(config, "checkpoint.interval", static_cast<double>(config.checkpoint.interval))),
      capacity_(static_cast<double>(config.loop.replay_capacity)),
      exploration_(static_cast<double>(config.loop.num_exploration_steps)),
      max_epochs_(fits_before_trials(config) ? config.model.epochs : config.model.max_epochs) {}

void TimeLeft::add(std::string_view stage, double seconds, std::int64_t env_steps) {
  const auto at = static_cast<double>(env_steps);
  if (stage == "model_fit") {
    if (num_fits_ == 0.0) first_fit_ = at;
    last_fit_ = at;
    ++num_fits_;
    // by the step, so that a resumed run counts the fits of all its starts
    const double n = 1.0 + std::max(0.0, std::floor((at - exploration_) / fit_interval_));
    fit_.add(seconds, std::min(at, capacity_) * share_of_late_fit(n, max_epochs_), kKeepFits);
  } else if (stage == "eval") {
    last_evaluation_ = at;
    evaluation_.add(seconds, 1.0, kKeepOthers);
  } else if (stage == "checkpoint") {
    last_checkpoint_ = at;
    checkpoint_.add(seconds, 1.0, kKeepOthers);
  } else {
    since_step_ += seconds;
  }
}

void TimeLeft::at(std::int64_t env_steps, bool exploring) {
  const auto now = static_cast<double>(env_steps);
  // steps of exploration, and before this process, tell nothing of those to come
  if (now_ >= 0.0 && !exploring_)
    step_.add(since_step_, now - now_, std::exp2(-since_step_ / kHalfLife));
  since_step_ = 0.0;
  now_ = now;
  exploring_ = exploring;
}

// how often something is still done that was last done at `last`, and is done at the end as well
double TimeLeft::times_left(double interval, double last) const {
  return interval == kNever ? static_cast<double>(last < end_)
                            : std::ceil((end_ - last) / interval);
}

// summed over the fits to come: the rows of each
double TimeLeft::fit_rows_left() const {
  if (fit_interval_ == kNever || num_fits_ == 0.0) return 0.0;
  // where a controller decides, three fits tell how often
  const double between =
      num_fits_ >= 3.0 ? (last_fit_ - first_fit_) / (num_fits_ - 1.0) : fit_interval_;
  if (between <= 0.0) return 0.0;
  // at last + between, last + 2 between, ...; the rows grow until the replay is full
  const double count = std::max(0.0, std::ceil((end_ - last_fit_) / between) - 1.0);
  const double growing = std::clamp(std::floor((capacity_ - last_fit_) / between), 0.0, count);
  return growing * last_fit_ + between * 0.5 * growing * (growing + 1.0) +
         (count - growing) * capacity_;
}

double TimeLeft::seconds() const {
  // of a training that is still to come nothing is known
  if (now_ < 0.0 || exploring_ || !step_.known() || (fit_interval_ != kNever && !fit_.known()))
    return std::numeric_limits<double>::quiet_NaN();
  double sum = (end_ - now_) * step_.each();
  if (fit_.known()) sum += fit_rows_left() * fit_.each();
  if (evaluation_.known()) sum += times_left(eval_interval_, last_evaluation_) * evaluation_.each();
  if (checkpoint_.known())
    sum += times_left(checkpoint_interval_, last_checkpoint_) * checkpoint_.each();
  return sum;
}

}  // namespace mbrl
