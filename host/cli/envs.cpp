// mbrl_gpu envs: what can be trained on.
#include <fmt/format.h>

#include <algorithm>

#include "envs/env.h"
#include "envs/tasks/planner.h"
#include "host/cli/cli.h"

namespace mbrl {
namespace {

void print_envs() {
  const std::vector<EnvSpec> envs = list_envs();
  std::size_t name_width = 4, simulator_width = 9;
  for (const EnvSpec& env : envs) {
    name_width = std::max(name_width, env.name.size());
    simulator_width = std::max(simulator_width, env.simulator.size());
  }
  fmt::print("{:<{}}  {:>3}  {:>3}  {:>5}  {:<{}}  {}\n", "name", name_width, "S", "A", "limit",
             "simulator", simulator_width, "description");
  for (const EnvSpec& env : envs) {
    fmt::print("{:<{}}  {:>3}  {:>3}  {:>5}  {:<{}}  {}\n", env.name, name_width,
               env.observation_size, env.action_size, env.max_episode_steps, env.simulator,
               simulator_width, env.description);
  }
  fmt::print("\nS: size of the observation, A: size of the action, limit: steps of an episode.\n");
  std::vector<std::string> planned;
  for (const EnvSpec& env : envs)
    if (has_planner_cost(env.task)) planned.push_back(env.name);
  fmt::print("With a cost that planners ask for:\n  {}\n", fmt::join(planned, " "));
}

}  // namespace

void add_envs(CLI::App& program) {
  CLI::App* envs = program.add_subcommand("envs", "List the environments; trace steps one");
  add_envs_trace(*envs);
  envs->callback([envs] {
    if (envs->get_subcommands().empty()) print_envs();
  });
}

}  // namespace mbrl
