// What both devices share of planning: the kept plans, and what no search can do.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "base/error.h"
#include "kernels/stages/check/checked_stages.h"
#include "kernels/stages/plan/plan.h"
#include "kernels/stages/plan/plan_search.h"

namespace mbrl {
namespace {

[[noreturn]] void refuse(const std::string& text) { throw ConfigError(text); }

void check_most(const char* key, const char* what, int value, int most) {
  if (value < 1)
    refuse(std::string(key) + " is " + std::to_string(value) + "; it must be 1 or more.");
  if (value > most)
    refuse(std::string(key) + " is " + std::to_string(value) +
           "; this planner was made for up to " + std::to_string(most) + " " + what + ". Set " +
           key + " to " + std::to_string(most) +
           " or less, or raise the upper end of its search space.");
}

std::string number(float x) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", x);
  const bool whole = std::string(text).find_first_not_of("-0123456789") == std::string::npos;
  return std::string(text) + (whole ? ".0" : "");
}

// what is wrong with the particles, for members that must predict equally many
std::string uneven_particles(int particles, int members, int most) {
  most = std::min(most, kMaxPlanParticles);
  const int below = std::min(particles, most) / members * members, above = below + members;
  std::string text = "planner.particles is " + std::to_string(particles) + " for " +
                     std::to_string(members) +
                     " members: each must predict as many particles of a candidate. Set "
                     "planner.particles ";
  if (below > 0) text += "to " + std::to_string(below);
  if (below > 0 && above <= most) text += " or ";
  if (below == 0) text += above <= most ? "to " : "and planner.max_particles to ";
  if (above <= most || below == 0) text += std::to_string(above);
  return text + ", or planner.propagation to e, ds or mm.";
}

}  // namespace

PlanState::PlanState(Stream& stream, const PlanLimits& limits, int num_actions)
    : observations(limits.observations),
      horizon(limits.horizon),
      action_size(num_actions),
      mean(static_cast<std::size_t>(limits.observations) * limits.horizon * num_actions, 0.0f,
           stream.memory(), "plans"),
      elites(static_cast<std::size_t>(limits.observations) * kMaxKeptElites * limits.horizon *
                 num_actions,
             0.0f, stream.memory(), "kept plans"),
      num_kept(limits.observations, 0, stream.memory(), "kept plans") {}

void PlanState::reset(Stream& stream, int n) {
  const std::size_t count = static_cast<std::size_t>(horizon) * action_size;
  const std::vector<float> zeros(count, 0.0f);
  const int none = 0;
  stream.synchronize();
  copy_memory(mean.data() + static_cast<std::size_t>(n) * count, zeros.data(),
              count * sizeof(float));
  copy_memory(num_kept.data() + n, &none, sizeof(int));
}

PlanWorkspace::PlanWorkspace(Stream& stream, const EnsembleState& model, const PlanLimits& limits,
                             int num_problems)
    : limits_(limits),
      num_problems_(num_problems),
      layout_(model.data),
      member_(model.layout),
      ensemble_size_(model.ensemble_size) {
  if (model.maps.backward() || model.maps.reward || model.maps.end != EndTarget::kNone)
    throw ShapeError(
        "plan: the model predicts what was before, a reward or an end; plans need the next "
        "observation alone, and take costs from the task.");
  if (model.data.observation_size > kMaxPlannedState || model.data.action_size > kMaxPlannedActions)
    throw ShapeError("plan: the model has " + std::to_string(model.data.observation_size) +
                     " observation entries and " + std::to_string(model.data.action_size) +
                     " actions; plans have up to " + std::to_string(kMaxPlannedState) + " and " +
                     std::to_string(kMaxPlannedActions) + ".");
  if (model.ensemble_size > kMaxPlanMembers)
    refuse("model.ensemble_size is " + std::to_string(model.ensemble_size) +
           "; plans are made with up to " + std::to_string(kMaxPlanMembers) +
           " members. Set model.ensemble_size to " + std::to_string(kMaxPlanMembers) + " or less.");
  const int most = longest_plan(model.data.action_size);
  if (limits.horizon > most)
    refuse("planner.horizon is " + std::to_string(limits.horizon) + "; with " +
           std::to_string(model.data.action_size) + " actions a plan has up to " +
           std::to_string(most) + " steps. Set planner.horizon to " + std::to_string(most) +
           " or less.");
  if (limits.particles > kMaxPlanParticles)
    refuse("planner.particles is " + std::to_string(limits.particles) + "; a candidate has up to " +
           std::to_string(kMaxPlanParticles) + ". Set planner.particles to " +
           std::to_string(kMaxPlanParticles) + " or less.");
  if (stream.on_gpu()) {
    stage_ = gpu::make_plan_stage(stream, model, limits, num_problems);
    if (stream.check() != nullptr)
      stage_ = checked::plan_stage(stream, std::move(stage_), model, limits, num_problems);
  } else {
    stage_ = make_plan_tiles(stream, model, limits, num_problems);
  }
}

void PlanWorkspace::check(const PlanProblem& p) const {
  check_plan(p.constants, limits_, static_cast<int>(p.model.elites.size()));
  if (!has_planner_cost(p.task))
    throw ConfigError(
        "plan: the task has no planner cost; envs/tasks/planner.h lists those that have.");
  const int n = p.observation.size(0), S = layout_.observation_size, A = layout_.action_size;
  if (p.model.data.observation_size != S || p.model.data.action_size != A ||
      p.model.layout.size != member_.size || p.model.ensemble_size != ensemble_size_)
    throw ShapeError(
        "plan: a problem's model has another shape than the one the workspace was made for.");
  if (n > limits_.observations || n > p.state.observations ||
      p.state.horizon < p.constants.horizon || p.state.action_size != A ||
      p.observation.size(1) != S || p.action.size(0) != n || p.action.size(1) != A ||
      p.step.size() != static_cast<std::size_t>(n))
    throw ShapeError("plan: " + std::to_string(n) + " observations of " +
                     std::to_string(p.observation.size(1)) + " entries and " +
                     std::to_string(p.action.size(1)) +
                     " actions, or their steps or kept plans, are not what the workspace was made "
                     "for: up to " +
                     std::to_string(limits_.observations) + " of " + std::to_string(S) + " and " +
                     std::to_string(A) + ".");
  for (std::size_t i = 0; i < p.observation.count(); ++i)
    if (!std::isfinite(p.observation[i]))
      throw ShapeError("plan: entry " + std::to_string(i % static_cast<std::size_t>(S)) +
                       " of observation " + std::to_string(i / static_cast<std::size_t>(S)) +
                       " is not finite. The environment broke down: end its episode there.");
}

void check_plan(const PlanConstants& c, const PlanLimits& limits, int num_members) {
  check_most("planner.population", "candidates", c.population, limits.population);
  check_most("planner.horizon", "steps", c.horizon, limits.horizon);
  check_most("planner.iterations", "iterations", c.iterations, kMaxPlanIterations);
  const bool deals = c.propagation == Propagation::kTsInf || c.propagation == Propagation::kTs1;
  if (c.propagation != Propagation::kE) {
    check_most("planner.particles", "particles", c.particles, limits.particles);
    if (deals && c.particles % num_members != 0)
      refuse(uneven_particles(c.particles, num_members, limits.particles));
  }
  const bool has_elites = c.method == PlanMethod::kCem || c.method == PlanMethod::kIcem;
  if (has_elites && (c.num_elites < 1 || c.num_elites > c.population))
    refuse("planner.elites_ratio makes " + std::to_string(c.num_elites) +
           " elites of a planner.population of " + std::to_string(c.population) +
           "; it must make 1 to " + std::to_string(c.population) +
           ". Set planner.elites_ratio to more than 0 and at most 1.");
  const auto check_number = [](const char* key, float value, bool good, const char* range) {
    if (!good || !std::isfinite(value))
      refuse(std::string(key) + " is " + number(value) + "; it must be " + range + ".");
  };
  if (has_elites)
    check_number("planner.alpha", c.alpha, c.alpha >= 0.0f && c.alpha < 1.0f,
                 "at least 0 and below 1");
  if (c.method == PlanMethod::kMppi) {
    check_number("planner.temperature", c.temperature, c.temperature > 0.0f, "above 0");
    check_number("planner.noise", c.noise, c.noise > 0.0f, "above 0");
  }
  if (c.method == PlanMethod::kIcem) {
    check_number("planner.color", c.color, c.color >= 0.0f, "at least 0");
    check_number("planner.shrink", c.shrink, c.shrink >= 1.0f, "at least 1");
    check_number("planner.keep", c.keep, c.keep >= 0.0f && c.keep <= 1.0f, "from 0 to 1");
  }
}

void plan(Stream& stream, std::span<const PlanProblem> problems, PlanWorkspace& workspace,
          std::span<PlanReport> reports) {
  if (problems.size() > static_cast<std::size_t>(workspace.num_problems()))
    throw ShapeError("plan: " + std::to_string(problems.size()) +
                     " problems; the workspace was made for up to " +
                     std::to_string(workspace.num_problems()) + ".");
  for (const PlanProblem& problem : problems) workspace.check(problem);
  workspace.stage().run({stream, problems, reports});
}

}  // namespace mbrl
