// Names of environments. README.md beside this file says what to do to add one.
#include "base/error.h"
#include "base/nearest_name.h"
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

// keys that only some environments read: set elsewhere they would look as if they did something
void refuse_keys_without_effect(const EnvOptions& options) {
  const EnvOptions usual;
  const auto refuse = [&](bool differs, const char* key, const char* who) {
    if (differs)
      throw ConfigError(std::string(key) + " is set, but env.name is " + options.name + "; only " +
                        who + " reads it.");
  };
  if (options.name != kOwnRobot) {
    const char* own = "env.name=mjcf";
    refuse(options.frame_skip != usual.frame_skip, "env.frame_skip", own);
    refuse(options.skip_positions != usual.skip_positions, "env.skip_positions", own);
    refuse(options.velocity_limit != usual.velocity_limit, "env.velocity_limit", own);
    refuse(options.reward_forward != usual.reward_forward, "env.reward_forward", own);
    refuse(options.reward_alive != usual.reward_alive, "env.reward_alive", own);
    refuse(options.control_cost != usual.control_cost, "env.control_cost", own);
    refuse(options.reset_noise != usual.reset_noise, "env.reset_noise", own);
    refuse(options.end_bounds != usual.end_bounds, "env.end_bounds", own);
  }
  if (options.name != "ant" && options.name != "humanoid")
    refuse(options.contact_cost != usual.contact_cost, "env.contact_cost",
           "env.name=ant or humanoid");
}

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
    refuse_keys_without_effect(options);
    return entry.make(options);
  }
  if (options.name == kOwnRobot) {
    refuse_keys_without_effect(options);
    return make_mjcf(options);
  }
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
