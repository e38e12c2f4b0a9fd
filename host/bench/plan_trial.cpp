#include "host/bench/plan_trial.h"

#include <fmt/format.h>

#include <vector>

namespace mbrl {

std::string PlanSizes::text() const {
  const PlanConstants& c = constants;
  return fmt::format("{}, N {} I {} H {} P {}", name, c.population, c.iterations, c.horizon,
                     c.particles);
}

PlanSizes halfcheetah_plan() {
  return {"HalfCheetah",
          TaskId::kHalfCheetah18,
          {18, 6},
          200,
          4,
          // no search of these ends early: their networks are random
          {.population = 500, .num_elites = 50, .horizon = 30, .min_variance = 0.0f}};
}

PlanSizes cartpole_plan() {
  return {"Cartpole", TaskId::kCartpoleSwingup,
          {4, 1},     500,
          3,          {.population = 400, .num_elites = 40, .horizon = 25, .min_variance = 0.0f}};
}

PlanTrial::PlanTrial(const PlanSizes& sizes, Stream& stream)
    : stream_(stream),
      constants_(sizes.constants),
      task_(sizes.task),
      model_(5, sizes.data, sizes.hidden_size, sizes.num_hidden_layers, stream.memory(),
             {EnsembleLoss::kGaussianNll,
              {.reward = false, .observation = observation_map(sizes.task)}}) {
  init_ensemble(model_, 1, 0, 0.5f, -10.0f);
}

Trial PlanTrial::plan(double seconds) {
  PlanConstants c = constants_;
  if (!stream_.on_gpu()) c.iterations = c.horizon = 1;
  const PlanLimits limits{1, c.population, c.horizon, c.particles};
  PlanState state(stream_, limits, model_.data.action_size);
  PlanWorkspace workspace(stream_, model_, limits);
  const std::vector<float> observation(static_cast<std::size_t>(model_.data.observation_size),
                                       0.1f);
  std::vector<float> action(static_cast<std::size_t>(model_.data.action_size));
  std::uint64_t step = 0;
  const auto call = [&] {
    const PlanProblem problem{model_,
                              task_,
                              c,
                              state,
                              {observation.data(), 1, model_.data.observation_size},
                              {action.data(), 1, model_.data.action_size},
                              {&step, 1}};
    mbrl::plan(stream_, {&problem, 1}, workspace);
    ++step;
  };
  return {measure(call, seconds), static_cast<double>(c.iterations * c.horizon) /
                                      (constants_.iterations * constants_.horizon)};
}

double PlanTrial::flop() const {
  double mac = 0.0;
  for (const LayerLayout& l : model_.layout.layers) mac += static_cast<double>(l.in) * l.out;
  return 2.0 * mac * constants_.population * constants_.particles * constants_.horizon *
         constants_.iterations;
}

}  // namespace mbrl
