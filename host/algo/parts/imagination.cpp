#include "host/algo/parts/imagination.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "host/algo/parts/served_rollouts.h"
#include "host/schedule/rollout_schedule.h"

namespace mbrl {

Imagination::Imagination(Context& context, const EnvSpec& env, const GaussianActor& policy,
                         const Dynamics& dynamics)
    : Part(context),
      env_(env),
      interval_as_made_(rollout_interval(context.config)),
      replay_(context.stream, dynamics.state().data,
              model_replay_capacity(context.config,
                                    rollout_length_at(context.config.rollout.schedule, 0)),
              model_replay_capacity(context.config, max_rollout_length(context.config)),
              "the model replay"),
      workspace_(context.stream, policy, dynamics.state(), context.config.rollout.batch_size,
                 context.config.model.num_elites) {
  context.metrics.declare("rollout_length", [this] { return rollout_length_; });
  context.metrics.declare("model_replay_size",
                          [this] { return static_cast<double>(replay_.size()); });
  terminated_ = context.metrics.declare("rollout_terminated");
  if (context.config.env.end == "served")
    served_ = std::make_unique<ServedRollouts>(context.config.env);
}

Imagination::~Imagination() = default;

// reference (jannerm/mbpo:mbpo/algorithms/mbpo.py) fits and imagines below a real ratio of 1 alone
bool Imagination::is_read() const {
  return num_real_rows() < context_.config.sac.batch_size ||
         !context_.config.controller.file.empty();
}

bool Imagination::is_due(bool fitted) const {
  if (replay_.size() == 0) return true;
  const int interval = context_.config.rollout.interval;
  if (interval == 0) return fitted;
  return context_.clock.train_steps() % context_.config.loop.epoch_length % interval == 0;
}

int Imagination::next_length() const {
  return length_.value_or(rollout_length_at(context_.config.rollout.schedule, context_.epoch()));
}

void Imagination::run(const GaussianActor& policy, const Dynamics& dynamics,
                      const TransitionsView& starts) {
  const StageScope stage(context_, "rollout");
  const int num_rows = context_.config.rollout.batch_size;
  rollout_length_ = next_length();
  ++num_rollouts_;
  replay_.set_capacity(model_replay_capacity(context_.config, rollout_length_));
  if (served_ != nullptr)
    served_->keep(context_.stream, replay_, static_cast<std::size_t>(num_rows) * rollout_length_);
  RolloutResult result = rollout(context_.stream, policy, dynamics.state(), starts, replay_.ring(),
                                 {.num_rows = num_rows,
                                  .length = rollout_length_,
                                  .task = env_.task,
                                  .end_bounds = env_.end_bounds,
                                  .seed = context_.seed(),
                                  .learner = context_.learner,
                                  .rollout_index = static_cast<std::uint64_t>(num_rollouts_)},
                                 workspace_);
  if (served_ != nullptr)
    result = served_->finish(context_.stream, replay_, result, num_rows);
  else
    replay_.commit(result.num_written);
  if (!result.finite)
    throw DivergedError(
        fmt::format("rollout: the model predicted a value that is not finite, after fit {}. Lower "
                    "model.learning_rate or rollout.schedule's lengths.",
                    dynamics.num_fits()));
  context_.metrics.add(terminated_, static_cast<double>(result.num_terminated) / num_rows);
}

int Imagination::num_real_rows() const {
  return static_cast<int>(context_.config.sac.batch_size * real_ratio());
}

MixedSource Imagination::mixed_with(const TransitionsView& real) {
  const int batch_size = context_.config.sac.batch_size;
  const int num_real = num_real_rows();
  // legal, but rarely meant; once, as a schedule may stay there
  if (num_real == 0 && !warned_) {
    warned_ = true;
    context_.hooks.warn(
        fmt::format("a real ratio of {:.4g} is less than one of the {} rows of a batch: policy "
                    "batches hold imagined rows only.",
                    real_ratio(), batch_size));
  }
  return {real, replay_.view(), num_real};
}

void Imagination::visit(Archive& archive) {
  {
    const Archive::Section section(archive, "model");
    archive.value("num_rollouts", num_rollouts_, 0, kMaxCount);
    archive.value("warned", warned_);
    archive.value("rollout_length", rollout_length_, 0, max_rollout_length(context_.config));
  }
  {
    const Archive::Section section(archive, "schedule");
    const Archive::Section values(archive, "values");
    archive.optional("real_ratio", real_ratio_, 0.0, 1.0);
    archive.optional("rollout_length", length_, 1, max_rollout_length(context_.config));
  }
  const Archive::Section section(archive, "model_replay");
  // the longest rollouts decide. Where the interval between rollouts has changed since the run began,
  // the capacity may be that of one between the two
  const std::size_t change = rollout_interval(context_.config) == interval_as_made_ ? 1 : 16;
  replay_.visit(archive, "imagined",
                std::max(replay_.capacity(),
                         change * model_replay_capacity(context_.config,
                                                        max_rollout_length(context_.config))));
}

void Imagination::hyperparameters(std::vector<Hyperparameter>& all) {
  put_hyperparameter(
      all, make_hyperparameter(
               "loop.real_ratio", {.low = 0.0, .high = 1.0}, Change::kMultiply,
               [this] { return real_ratio(); }, [this](double value) { real_ratio_ = value; }));
  put_hyperparameter(
      all, make_hyperparameter(
               "rollout.length",
               {.low = 1.0, .high = static_cast<double>(max_rollout_length(context_.config))},
               Change::kAdd, [this] { return next_length(); },
               [this](double value) { length_ = static_cast<int>(std::lround(value)); }));
}

}  // namespace mbrl
