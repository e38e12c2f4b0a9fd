// Environments by name. README.md beside this file says how to add one.
#include <algorithm>

#include "base/error.h"
#include "base/free_name.h"
#include "base/nearest_name.h"
#include "envs/env.h"
#include "envs/list.h"
#include "envs/mujoco/mujoco_env.h"
#include "envs/mujoco/mujoco_version.h"
#include "envs/process/process_env.h"

namespace mbrl {
// each is defined in the robot's file
#define MBRL_MAKE(name, Task) std::unique_ptr<Env> make_##name(const EnvOptions& options);
MBRL_ENVIRONMENTS(MBRL_MAKE)
#undef MBRL_MAKE

namespace {

struct Entry {
  std::string name;
  std::unique_ptr<Env> (*make)(const EnvOptions&);
};

// those of the list, then those that were registered
std::vector<Entry>& entries() {
  static std::vector<Entry> all{
#define MBRL_ENTRY(name, Task) {#name, make_##name},
      MBRL_ENVIRONMENTS(MBRL_ENTRY)
#undef MBRL_ENTRY
  };
  return all;
}

constexpr const char* kOwnRobot = "mjcf";
constexpr const char* kProcess = "process";

bool reads(const EnvSpec& spec, const std::string& key) {
  return std::find(spec.reads.begin(), spec.reads.end(), key) != spec.reads.end();
}

/// "env.name=ant or humanoid": the environments that read a key.
std::string readers(const std::string& key) {
  std::vector<std::string> names;
  for (const EnvSpec& spec : list_envs())
    if (reads(spec, key)) names.push_back(spec.name);
  std::string text = "env.name=";
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  return text;
}

// keys that only some environments read: set elsewhere they would look as if they did something
void refuse_keys_without_effect(const EnvOptions& options, const EnvSpec& spec) {
  const EnvOptions usual;
  const auto refuse = [&](bool differs, const char* key, const char* who) {
    if (differs)
      throw ConfigError(std::string(key) + " is set, but env.name is " + options.name + "; only " +
                        who + " reads it.");
  };
  refuse(options.name != kOwnRobot && options.mjcf != MjcfOptions{}, "section mjcf",
         "env.name=mjcf");
  const bool is_process = options.name == kProcess;
  refuse(!is_process && options.process != ProcessOptions{}, "section process", "env.name=process");
  refuse(!is_process && !options.command.empty(), "env.command", "env.name=process");
  refuse(!is_process && options.end != usual.end, "env.end", "env.name=process");
  const auto refuse_unread = [&](bool differs, const std::string& key) {
    if (differs && !reads(spec, key)) refuse(true, key.c_str(), readers(key).c_str());
  };
  refuse_unread(options.capsule_masses != usual.capsule_masses, "env.capsule_masses");
  refuse_unread(options.contact_cost != usual.contact_cost, "env.contact_cost");
  refuse_unread(options.body_position != usual.body_position, "env.body_position");
}

}  // namespace

void register_environment(const std::string& name,
                          std::unique_ptr<Env> (*make)(const EnvOptions&)) {
  require_free_name("register_environment", "an environment", name, env_names());
  entries().push_back({name, make});
}

std::unique_ptr<Env> make_env(const EnvOptions& options) {
  // here and not where a robot is made: GCC 12 unwinds a half-made aggregate wrongly
  require_mujoco();
  if (options.capsule_masses != "old" && options.capsule_masses != "exact")
    throw ConfigError(
        "env.capsule_masses is \"" + options.capsule_masses +
        "\"; it may be old (MuJoCo 1.50, the papers' physics) or exact (MuJoCo >= 2.1.2).");
  if (options.body_position != "origin" && options.body_position != "center_of_mass")
    throw ConfigError("env.body_position is \"" + options.body_position +
                      "\"; it may be origin (of the body's frame, Gym >= 0.9.5) or "
                      "center_of_mass (Gym <= 0.9.4).");
  for (const Entry& entry : entries()) {
    if (options.name != entry.name) continue;
    if (!options.mjcf.model.empty())
      throw ConfigError("mjcf.model is " + options.mjcf.model + ", but env.name is " +
                        options.name + ", which has its own model; env.name=mjcf takes yours.");
    auto env = entry.make(options);
    refuse_keys_without_effect(options, env->spec());
    return env;
  }
  if (options.name == kOwnRobot) {
    auto env = make_mjcf(options);
    refuse_keys_without_effect(options, env->spec());
    return env;
  }
  if (options.name == kProcess) {
    auto env = make_process(options);
    refuse_keys_without_effect(options, env->spec());
    return env;
  }
  const std::string nearest = nearest_name(options.name, env_names());
  throw ConfigError("env.name: there is no environment \"" + options.name + "\"." +
                    (nearest.empty() ? "" : " Did you mean " + nearest + "?") +
                    " `mbrl_gpu envs` lists all.");
}

std::string env_note(const EnvOptions& options) {
  if (options.name == "daisy")
    return "daisy is a stand-in for a robot whose simulator was never released: its returns compare "
           "with one another only.";
  if (options.name == kProcess) return process_note(options);
  return options.name == kOwnRobot ? mjcf_note(options) : "";
}

std::vector<std::string> env_names() {
  std::vector<std::string> names;
  for (const Entry& entry : entries()) names.emplace_back(entry.name);
  names.emplace_back(kOwnRobot);
  names.emplace_back(kProcess);
  return names;
}

std::vector<EnvSpec> list_envs() {
  std::vector<EnvSpec> specs;
  for (const Entry& entry : entries()) specs.push_back(entry.make({})->spec());
  return specs;
}

}  // namespace mbrl
