#include "host/algo/parts/dynamics.h"

#include <fmt/format.h>

#include <limits>
#include <string>

namespace mbrl {

Dynamics::Dynamics(Context& context, TransitionLayout layout)
    : Part(context),
      state_(context.config.model.ensemble_size, layout, context.config.model.hidden_size,
             context.config.model.num_hidden_layers, context.stream.memory(), form(context.config)),
      trainer_(context.stream, context.config.model, state_, context.seed(), context.learner,
               context.hooks.gemm.ensemble),
      loss_(context.metrics.declare("model_loss")),
      validation_(context.metrics.declare("model_validation_loss")),
      epochs_(context.metrics.declare("model_epochs")),
      steps_(context.metrics.declare("model_steps")),
      validation_loss_(std::numeric_limits<double>::quiet_NaN()) {
  for (const std::string& name : loss_shape(state_.loss).shared_names)
    loss_values_.push_back(context.metrics.declare(name));
  if (state_.maps.end == EndTarget::kLogit)
    end_recall_ = context.metrics.declare("model_end_recall");
  init_ensemble(state_, context.seed(), context.learner, context.config.model.init_max_logvar,
                context.config.model.init_min_logvar);
}

EnsembleForm Dynamics::form(const Config& config) {
  EnsembleForm form{find_ensemble_loss(config.model.loss)};
  if (config.env.end == "learned") form.maps.end = EndTarget::kLogit;
  return form;
}

bool Dynamics::fit_due() const {
  if (num_fits_ == 0) return true;
  const LoopConfig& loop = context_.config.loop;
  const std::int64_t step_in_epoch = context_.clock.train_steps() % loop.epoch_length;
  return decision_.value_or(step_in_epoch % loop.model_train_interval == 0);
}

Dynamics::Fit Dynamics::fit_if_due(const TransitionsView& real) {
  const bool due = fit_due();
  if (due && !fit(real)) return Fit::kStopped;
  // a decision holds for one step; while something decides, the config's interval is ignored
  if (decision_) decision_ = false;
  return due ? Fit::kDone : Fit::kNotDue;
}

bool Dynamics::fit(const TransitionsView& real) {
  const StageScope stage(context_, "model_fit");
  const FitReport report = trainer_.fit(
      context_.stream, context_.config.model, state_, real, static_cast<std::uint64_t>(num_fits_),
      context_.hooks.stop_requested, [this](int epochs, double holdout_error) {
        context_.hooks.on_detail(
            fmt::format("epoch {}, holdout error {:.3g}", epochs, holdout_error));
      });
  if (report.stopped) return false;
  ++num_fits_;
  context_.hooks.log(report.summary());
  context_.hooks.on_fit(report);
  validation_loss_ = report.validation_loss;
  Metrics& metrics = context_.metrics;
  metrics.add(loss_, report.train_loss);
  metrics.add(validation_, report.validation_loss);
  metrics.add(epochs_, report.epochs);
  metrics.add(steps_, static_cast<double>(report.steps));
  for (std::size_t i = 0; i < report.loss_values.size(); ++i)
    metrics.add(loss_values_[i], report.loss_values[i].value);
  if (end_recall_ && report.ends->num_ended > 0)
    metrics.add(*end_recall_, report.ends->share_found);
  return true;
}

void Dynamics::visit(Archive& archive) {
  {
    const Archive::Section section(archive, "model");
    archive.value("num_steps", state_.num_steps, 0, kMaxCount);
    archive.value("num_fits", num_fits_, 0, kMaxCount);
    // all members before the first fit
    archive.indices("elites", state_.elites,
                    num_fits_ > 0 ? context_.config.model.num_elites : state_.ensemble_size,
                    state_.ensemble_size);
    if (state_.maps.end == EndTarget::kLogit) archive.value("end_threshold", state_.end_threshold);
  }
  {
    // checkpoints of runs without a schedule have had neither
    const Archive::Section section(archive, "schedule");
    if (!archive.loading() || archive.has("validation_loss"))
      archive.value("validation_loss", validation_loss_);
    const Archive::Section values(archive, "values");
    archive.optional("fit_model", decision_);
  }
  visit_ensemble(archive, state_);
}

void Dynamics::hyperparameters(std::vector<Hyperparameter>& all) {
  put_hyperparameter(all, make_hyperparameter(
                              "model.fit", {.low = 0.0, .high = 1.0}, Change::kToggle,
                              [this] { return fit_due() ? 1.0 : 0.0; },
                              [this](double value) { decision_ = value > 0.5; }));
}

}  // namespace mbrl
