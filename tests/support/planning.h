// What the planner is tested on, the same on every device: models of the pendulum's three entries
// that are linear to the rounding, or random, and one call of the stage on copies of all.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/stages/plan/plan.h"
#include "tests/support/devices.h"

namespace mbrl {

/// A learner to plan for. The pendulum's cost of a step is 2 - 2 next[0] + next[2]^2 / 10 + a^2 /
/// 250.
struct PlanLearner {
  static constexpr int kS = 3, kA = 1;

  EnsembleState model;
  PlanConstants constants;
  std::vector<float> observation;
  std::vector<std::uint64_t> step;

  PlanLearner(int members, const EnsembleForm& form, int hidden = 8, int layers = 1)
      : model(members, {kS, kA}, hidden, layers, Memory::kHost, form) {
    init_ensemble(model, 21, 0, 10.0f, -30.0f);
    constants = {.population = 24,
                 .num_elites = 6,
                 .iterations = 3,
                 .horizon = 4,
                 .particles = 2 * members,
                 .seed = 7,
                 .learner = 3};
    observe({0.3f, -0.2f, 0.5f});
  }
  PlanLearner(const PlanLearner& other)
      : model(host_twin(other.model)),
        constants(other.constants),
        observation(other.observation),
        step(other.step) {
    take_over(model, other.model);
  }
  /// One more observation.
  void observe(const std::vector<float>& o) {
    observation.insert(observation.end(), o.begin(), o.end());
    step.push_back(11 + 100 * step.size());
  }
  int num_observations() const { return static_cast<int>(step.size()); }

  /// Makes member `e` predict nothing but what weight() and bias() add. Hidden units are inputs
  /// plus 20, where swish is the identity.
  void make_linear() {
    for (int e = 0; e < model.ensemble_size; ++e) {
      float* p = model.member(e);
      std::fill_n(p, model.layout.size, 0.0f);
      const LayerLayout& first = model.layout.layers[0];
      for (int i = 0; i < kS + kA; ++i) {
        p[first.weight + static_cast<std::size_t>(i * first.in_pitch + i)] = 1.0f;
        p[first.bias + static_cast<std::size_t>(i)] = 20.0f;
      }
    }
  }
  /// Output `out` of member `e` takes `value` times input `in`: entries 0 to 2, the action 3.
  void weight(int e, int out, int in, float value) {
    const LayerLayout& last = model.layout.layers.back();
    model.member(e)[last.weight + static_cast<std::size_t>(out * last.in_pitch + in)] += value;
    bias(e, out, -20.0f * value);
  }
  void bias(int e, int out, float value) {
    model.member(e)[model.layout.layers.back().bias + static_cast<std::size_t>(out)] += value;
  }
};

/// Nothing but the state, of which predictions are changes or the entries themselves.
inline EnsembleForm plan_form(EnsembleLoss loss, OutputMap output = OutputMap::kDelta) {
  return {loss, {.output = output, .reward = false}};
}

struct Planned {
  std::vector<float> action, mean;  // [N], [N, horizon]
  std::vector<PlanReport> reports;
};

/// A device with its copies of some learners, for control steps in a row.
class PlanBench {
 public:
  PlanBench(On on, const std::vector<const PlanLearner*>& learners, const PlanLimits& limits,
            int threads = 2, Precision precision = Precision::kFp32, TwinCheck* check = nullptr)
      : stream_(on, threads), learners_(learners) {
    stream_.stream.set_precision(precision);
    stream_.stream.set_check(check);
    for (const PlanLearner* learner : learners) {
      models_.push_back(std::make_unique<EnsembleState>(copy_to(stream_.memory(), learner->model)));
      states_.push_back(std::make_unique<PlanState>(stream_, limits, PlanLearner::kA));
    }
    workspace_ = std::make_unique<PlanWorkspace>(stream_, *models_[0], limits,
                                                 static_cast<int>(learners.size()));
  }

  Stream& stream() { return stream_; }
  EnsembleState& model(std::size_t i = 0) { return *models_[i]; }
  PlanState& state(std::size_t i = 0) { return *states_[i]; }
  PlanWorkspace& workspace() { return *workspace_; }

  /// One control step of every learner.
  std::vector<Planned> run() {
    std::vector<Planned> all = plan_step();
    for (std::size_t i = 0; i < all.size(); ++i) all[i].mean = to_host(states_[i]->mean);
    return all;
  }
  /// The same, but the kept plans stay where they are.
  std::vector<Planned> plan_step() {
    std::vector<Planned> all(learners_.size());
    std::vector<PlanReport> reports(learners_.size());
    std::vector<PlanProblem> problems;
    for (std::size_t i = 0; i < learners_.size(); ++i) {
      const PlanLearner& l = *learners_[i];
      const int n = l.num_observations();
      all[i].action.assign(static_cast<std::size_t>(n), -9.0f);
      problems.push_back({*models_[i],
                          TaskId::kPendulum,
                          l.constants,
                          *states_[i],
                          {l.observation.data(), n, PlanLearner::kS},
                          {all[i].action.data(), n, PlanLearner::kA},
                          l.step});
    }
    plan(stream_, problems, *workspace_, reports);
    for (std::size_t i = 0; i < all.size(); ++i) all[i].reports = {reports[i]};
    return all;
  }

 private:
  DeviceStream stream_;
  std::vector<const PlanLearner*> learners_;
  std::vector<std::unique_ptr<EnsembleState>> models_;
  std::vector<std::unique_ptr<PlanState>> states_;
  std::unique_ptr<PlanWorkspace> workspace_;
};

/// One control step of one learner, in a workspace that is just large enough.
inline Planned plan_once(On on, const PlanLearner& learner, int threads = 2,
                         Precision precision = Precision::kFp32) {
  const PlanConstants& c = learner.constants;
  return PlanBench(on, {&learner},
                   {learner.num_observations(), c.population, c.horizon, c.particles}, threads,
                   precision)
      .run()[0];
}

}  // namespace mbrl
