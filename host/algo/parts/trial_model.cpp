#include "host/algo/parts/trial_model.h"

#include <fmt/format.h>

#include <string>

namespace mbrl {

TrialModel::TrialModel(Context& context, TransitionLayout layout, const ObservationMap& map)
    : Part(context),
      state_(
          context.config.model.ensemble_size, layout, context.config.model.hidden_size,
          context.config.model.num_hidden_layers, context.stream.memory(),
          {find_ensemble_loss(context.config.model.loss), {.reward = false, .observation = map}}),
      trainer_(context.stream, context.config.model, state_, context.seed(), context.learner,
               context.hooks.gemm.ensemble),
      loss_(context.metrics.declare("model_loss")),
      epochs_(context.metrics.declare("model_epochs")),
      steps_(context.metrics.declare("model_steps")) {
  for (const std::string& name : loss_shape(state_.loss).shared_names)
    loss_values_.push_back(context.metrics.declare(name));
  init_ensemble(state_, context.seed(), context.learner, context.config.model.init_max_logvar,
                context.config.model.init_min_logvar);
}

bool TrialModel::fit(const TransitionsView& real) {
  const StageScope stage(context_, "model_fit");
  const FitReport report = trainer_.fit(
      context_.stream, context_.config.model, state_, real, static_cast<std::uint64_t>(num_fits_),
      context_.hooks.stop_requested,
      [this](int epochs) { context_.hooks.on_detail(fmt::format("epoch {}", epochs)); });
  if (report.stopped) return false;
  ++num_fits_;
  context_.hooks.log(report.summary());
  context_.hooks.on_fit(report);
  Metrics& metrics = context_.metrics;
  metrics.add(loss_, report.train_loss);
  metrics.add(epochs_, report.epochs);
  metrics.add(steps_, static_cast<double>(report.steps));
  for (std::size_t i = 0; i < report.loss_values.size(); ++i)
    metrics.add(loss_values_[i], report.loss_values[i].value);
  return true;
}

void TrialModel::visit(Archive& archive) {
  {
    const Archive::Section section(archive, "model");
    archive.value("num_steps", state_.num_steps, 0, kMaxCount);
    archive.value("num_fits", num_fits_, 0, kMaxCount);
  }
  visit_ensemble(archive, state_);
}

}  // namespace mbrl
