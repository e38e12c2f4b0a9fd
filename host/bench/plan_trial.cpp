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

PlanTrial::PlanTrial(const PlanSizes& sizes, Stream& stream, int num_learners)
    : stream_(stream), constants_(sizes.constants), task_(sizes.task) {
  for (int i = 0; i < num_learners; ++i) {
    models_.emplace_back(
        5, sizes.data, sizes.hidden_size, sizes.num_hidden_layers, stream.memory(),
        EnsembleForm{.maps = {.reward = false, .observation = observation_map(sizes.task)}});
    init_ensemble(models_.back(), 1, static_cast<std::uint32_t>(i), 0.5f, -10.0f);
  }
}

Trial PlanTrial::plan(double seconds) {
  PlanConstants c = constants_;
  if (!stream_.on_gpu()) c.iterations = c.horizon = 1;
  const PlanLimits limits{1, c.population, c.horizon, c.particles};
  const TransitionLayout& data = models_[0].data;
  PlanWorkspace workspace(stream_, models_[0], limits, static_cast<int>(models_.size()));
  const std::vector<float> observation(static_cast<std::size_t>(data.observation_size), 0.1f);
  std::vector<float> action(static_cast<std::size_t>(data.action_size));
  std::uint64_t step = 0;
  std::vector<PlanState> states;
  states.reserve(models_.size());
  std::vector<PlanProblem> problems;
  for (const EnsembleState& model : models_) {
    states.emplace_back(stream_, limits, data.action_size);
    problems.push_back({model,
                        task_,
                        c,
                        states.back(),
                        {observation.data(), 1, data.observation_size},
                        {action.data(), 1, data.action_size},
                        {&step, 1}});
  }
  const auto call = [&] {
    mbrl::plan(stream_, problems, workspace);
    ++step;
  };
  return {measure(call, seconds), static_cast<double>(models_.size()) * c.iterations * c.horizon /
                                      (constants_.iterations * constants_.horizon)};
}

double PlanTrial::flop() const {
  double mac = 0.0;
  for (const LayerLayout& l : models_[0].layout.layers) mac += static_cast<double>(l.in) * l.out;
  return 2.0 * mac * constants_.population * constants_.particles * constants_.horizon *
         constants_.iterations;
}

}  // namespace mbrl
