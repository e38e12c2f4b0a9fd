// Names of environments. To add one: a file under envs/<simulator>/, a line here, a task header.
#include "cuda/check.h"
#include "cuda/nearest_name.h"
#include "envs/bullet/bullet_env.h"
#include "envs/classic/classic.h"
#include "envs/env.h"
#include "envs/mujoco/mujoco_env.h"

namespace mbrl {
namespace {

struct Entry {
  const char* name;
  std::unique_ptr<Env> (*make)(const EnvOptions&);
};
// sorted by name
constexpr Entry kEntries[] = {{"ant", make_ant},
                              {"cartpole", make_cartpole},
                              {"halfcheetah", make_halfcheetah},
                              {"halfcheetah_bullet", make_halfcheetah_bullet},
                              {"hopper", make_hopper},
                              {"hopper_bullet", make_hopper_bullet},
                              {"humanoid", make_humanoid},
                              {"inverted_double_pendulum", make_inverted_double_pendulum},
                              {"inverted_pendulum", make_inverted_pendulum},
                              {"pendulum", make_pendulum},
                              {"swimmer", make_swimmer},
                              {"walker2d", make_walker2d},
                              {"walker2d_bullet", make_walker2d_bullet}};

constexpr const char* kOwnRobot = "mjcf";

}  // namespace

std::unique_ptr<Env> make_env(const EnvOptions& options) {
  if (options.capsule_masses != "old" && options.capsule_masses != "exact")
    throw ConfigError(
        "env.capsule_masses is \"" + options.capsule_masses +
        "\"; it may be old (MuJoCo 1.50, the papers' physics) or exact (MuJoCo >= 2.1.2).");
  for (const Entry& entry : kEntries) {
    if (options.name != entry.name) continue;
    if (!options.model.empty())
      throw ConfigError("env.model is " + options.model + ", but env.name is " + options.name +
                        ", which has its own model; env.name=mjcf takes yours.");
    return entry.make(options);
  }
  if (options.name == kOwnRobot) return make_mjcf(options);
  const std::string nearest = nearest_name(options.name, env_names());
  throw ConfigError("env.name: there is no environment \"" + options.name + "\"." +
                    (nearest.empty() ? "" : " Did you mean " + nearest + "?") +
                    " `mbrl_gpu envs` lists all.");
}

std::vector<std::string> env_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) names.emplace_back(entry.name);
  names.emplace_back(kOwnRobot);
  return names;
}

std::vector<EnvSpec> list_envs() {
  std::vector<EnvSpec> specs;
  for (const Entry& entry : kEntries) specs.push_back(entry.make({})->spec());
  return specs;
}

}  // namespace mbrl
