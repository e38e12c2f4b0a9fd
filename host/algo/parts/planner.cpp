#include "host/algo/parts/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/model/saved_ensemble.h"

namespace mbrl {
namespace {

// names of an enumeration, in its order
template <typename Enum>
Enum named(const char* key, const std::string& name) {
  const std::vector<std::string>& names = find_field(key)->choices;
  return static_cast<Enum>(std::find(names.begin(), names.end(), name) - names.begin());
}

// searches of copies draw what no env step draws
constexpr std::uint64_t kCopyStep = std::uint64_t{1} << 31;

}  // namespace

PlanConstants plan_constants(const PlannerConfig& c) {
  const auto share = static_cast<int>(c.elites_ratio * c.population);
  return {.method = named<PlanMethod>("planner.method", c.method),
          .propagation = named<Propagation>("planner.propagation", c.propagation),
          .population = c.population,
          .num_elites = std::max(share, 1),
          .iterations = c.iterations,
          .horizon = c.horizon,
          .particles = c.particles,
          .alpha = c.alpha,
          .min_variance = c.min_variance,
          .temperature = c.temperature,
          .noise = c.noise,
          .color = c.color,
          .keep = c.keep,
          .shrink = c.shrink};
}

PlanLimits plan_limits(const PlannerConfig& c, int observations) {
  return {.observations = observations,
          .population = std::max(c.population, c.max_population),
          .horizon = std::max(c.horizon, c.max_horizon),
          .particles = std::max(c.particles, c.max_particles)};
}

// -------------------------------------------------------------------------------------------------

// a planner in environments of an evaluation, all of them begun anew by renew()
class Planner::Copy : public PolicyCopy {
 public:
  Copy(const Planner& planner, Stream& stream, int num_rows)
      : planner_(planner),
        stream_(stream),
        model_(stream, planner.model_),
        limits_(plan_limits(planner.context_.config.planner, num_rows)),
        workspace_(stream, model_.state(), limits_),
        state_(stream, limits_, planner.env_.action_size),
        step_(static_cast<std::size_t>(num_rows)) {}

  void renew() override {
    model_.save(planner_.context_.stream, planner_.model_);
    planner_.context_.stream.synchronize();
    constants_ = planner_.constants();
    for (int n = 0; n < limits_.observations; ++n) state_.reset(stream_, n);
    for (std::size_t n = 0; n < step_.size(); ++n) step_[n] = kCopyStep + n;
  }

  void act(Matrix<const float> observation, Matrix<float> action) override {
    const PlanProblem problem{.model = model_.state(),
                              .task = planner_.env_.task,
                              .constants = constants_,
                              .state = state_,
                              .observation = observation,
                              .action = action,
                              .step = step_};
    plan(stream_, {&problem, 1}, workspace_);
    for (std::uint64_t& step : step_) step += step_.size();
  }

 private:
  const Planner& planner_;
  Stream& stream_;
  SavedEnsemble model_;
  PlanLimits limits_;
  PlanWorkspace workspace_;
  PlanState state_;
  PlanConstants constants_;
  std::vector<std::uint64_t> step_;  // [N], of the next searches
};

// -------------------------------------------------------------------------------------------------

Planner::Planner(Context& context, const EnvSpec& env, const EnsembleState& model)
    : Part(context),
      env_(env),
      model_(model),
      limits_(plan_limits(context.config.planner)),
      seat_(context.hooks.plans != nullptr
                ? context.hooks.plans->join(context.stream, model, limits_)
                : nullptr),
      workspace_(seat_ == nullptr ? std::make_unique<PlanWorkspace>(context.stream, model, limits_)
                                  : nullptr),
      state_(context.stream, limits_, env.action_size),
      best_cost_(context.metrics.declare("plan_best_cost")),
      mean_cost_(context.metrics.declare("plan_mean_cost")),
      iterations_(context.metrics.declare("plan_iterations")) {}

PlanConstants Planner::constants() const {
  PlanConstants constants = plan_constants(context_.config.planner);
  constants.seed = context_.seed();
  constants.learner = context_.learner;
  return constants;
}

void Planner::act(Matrix<const float> observation, Matrix<float> action) {
  {
    const StageScope stage(context_, "plan");
    const PlanConstants constants = this->constants();
    const auto step = static_cast<std::uint64_t>(context_.clock.env_steps);
    const PlanProblem problem{.model = model_,
                              .task = env_.task,
                              .constants = constants,
                              .state = state_,
                              .observation = observation,
                              .action = action,
                              .step = {&step, 1}};
    PlanReport report;
    if (seat_ != nullptr)
      seat_->plan(problem, report, context_.hooks.stop_requested);
    else
      plan(context_.stream, {&problem, 1}, *workspace_, {&report, 1});
    context_.metrics.add(best_cost_, report.best_cost);
    context_.metrics.add(mean_cost_, report.mean_cost);
    context_.metrics.add(iterations_, report.iterations);
  }
  // what follows is the environment's
  context_.hooks.on_stage("env_step");
  for (int i = 0; i < env_.action_size; ++i)
    if (!std::isfinite(action[static_cast<std::size_t>(i)]))
      throw DivergedError(
          fmt::format("plan: action {} is {}. The model may have learned from extreme data: lower "
                      "model.learning_rate or model.max_target.",
                      i, action[static_cast<std::size_t>(i)]));
}

std::unique_ptr<PolicyCopy> Planner::copy_policy(Stream& stream, int num_rows) {
  return std::make_unique<Copy>(*this, stream, num_rows);
}

void Planner::visit(Archive& archive) {
  pause();  // a learner that is saved or loaded takes its time
  const Archive::Section section(archive, "plan");
  const std::size_t kept_size = static_cast<std::size_t>(state_.horizon) * env_.action_size;
  std::vector<int> num_kept = to_host(state_.num_kept);
  archive.values("num_kept", num_kept, 0, static_cast<int>(state_.elites.size() / kept_size));
  if (archive.loading()) from_host(state_.num_kept, num_kept);
  archive.weights("plan.mean", state_.mean);
  archive.weights("plan.elites", state_.elites);
}

void Planner::hyperparameters(std::vector<Hyperparameter>& all) {
  const auto bound = [&](const char* key, int limit) {
    Hyperparameter& known = find_hyperparameter(all, key);
    const Range range{.low = known.range.low, .high = static_cast<double>(limit)};
    known = make_hyperparameter(key, range, known.change, known.get, known.set);
  };
  bound("planner.population", limits_.population);
  bound("planner.horizon", limits_.horizon);
  bound("planner.particles", limits_.particles);
}

}  // namespace mbrl
