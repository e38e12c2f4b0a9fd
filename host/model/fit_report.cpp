#include "host/model/fit_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <numeric>

namespace mbrl {
namespace {

float mean(const float* values, int count) {
  return std::accumulate(values, values + count, 0.0f) / static_cast<float>(count);
}

}  // namespace

std::vector<LossValue> loss_values(const EnsembleState& state) {
  const std::vector<float> learned = to_host(state.logvar_bounds.value);
  const std::vector<std::string> names = loss_shape(state.loss).shared_names;
  const int D = state.num_targets(), learned_of = state.num_regressed();
  std::vector<LossValue> values;
  for (std::size_t i = 0; i < names.size(); ++i)
    values.push_back(
        {names[i], mean(learned.data() + static_cast<int>(i) * padded(D), learned_of)});
  return values;
}

std::string FitReport::summary() const {
  std::string learned;
  for (const LossValue& value : loss_values)
    learned += fmt::format("{} {:.3f}, ", value.name, value.value);
  const std::string rows =
      num_holdout == 0
          ? fmt::format("{} rows", num_train)
          : fmt::format("{} train and {} holdout rows, holdout mse [{:.5f}], elites [{}]",
                        num_train, num_holdout, fmt::join(holdout_mse, ", "),
                        fmt::join(elites, ", "));
  if (ends)
    learned += fmt::format("ends above {:.3f}, {} of the holdout, {:.3f} of them found, ",
                           ends->threshold, ends->num_ended, ends->share_found);
  return fmt::format("model fit: {} epochs, {} steps, {}, {}loss {:.4f}, {:.1f} s", epochs, steps,
                     rows, learned, train_loss, seconds);
}

EnsembleConstants ensemble_constants(const ModelConfig& config) {
  std::vector<float> decay = config.weight_decay;
  if (decay.size() == 1)
    decay.resize(static_cast<std::size_t>(config.num_hidden_layers + 1), decay[0]);
  return {{config.learning_rate}, decay, config.logvar_penalty};
}

}  // namespace mbrl
