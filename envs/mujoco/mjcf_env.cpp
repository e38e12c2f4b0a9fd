// A robot of the user's own: any MJCF file, with observation, reward and end given in the config.
//
//   action       one per actuator; [-1, 1] is mapped to its ctrlrange
//   observation  qpos without its first mjcf.skip_positions entries, then qvel, clipped to
//                +-mjcf.velocity_limit where that is not 0
//   reward       mjcf.reward_forward x' + mjcf.reward_alive - mjcf.control_cost |u|^2, x' the mean
//                speed of qpos[0] over the step
//   terminated   an entry of the observation outside mjcf.end_bounds
//   reset        qpos0 at rest; every position and velocity + U(-mjcf.reset_noise, mjcf.reset_noise)
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "envs/mujoco/mujoco_env.h"
#include "envs/tasks/mjcf.h"

namespace mbrl {
namespace {

std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", x);
  return text;
}

int num_observed_positions(const mjModel& model, const MjcfOptions& options) {
  return model.nq - options.skip_positions;
}

/// "position of z": what entry `index` of the observation is. A free joint has 7 positions, a ball
/// joint 4, in a row.
std::string entry_name(const mjModel& model, const MjcfOptions& options, int index) {
  const int positions = num_observed_positions(model, options);
  const bool position = index < positions;
  const int address = position ? index + options.skip_positions : index - positions;
  const int* first = position ? model.jnt_qposadr : model.jnt_dofadr;
  int joint = 0;
  while (joint + 1 < model.njnt && first[joint + 1] <= address) ++joint;
  const std::string name = model.names + model.name_jntadr[joint];
  return std::string(position ? "position" : "velocity") + " of " +
         (name.empty() ? "joint " + std::to_string(joint) : name);
}

EndBounds end_bounds(const mjModel& model, const MjcfOptions& options, int observation_size) {
  const std::vector<float>& numbers = options.end_bounds;
  if (numbers.size() % 3 != 0 || numbers.size() / 3 > EndBounds::kMaxEntries)
    throw ConfigError("mjcf.end_bounds has " + std::to_string(numbers.size()) +
                      " numbers; expected three for each entry of the observation that ends an "
                      "episode: index, low, high; up to " +
                      std::to_string(EndBounds::kMaxEntries) + " entries.");
  EndBounds bounds;
  for (std::size_t i = 0; i < numbers.size(); i += 3) {
    const int index = static_cast<int>(numbers[i]);
    const double low = numbers[i + 1], high = numbers[i + 2];
    if (static_cast<float>(index) != numbers[i] || index < 0 || index >= observation_size) {
      std::string entries;
      for (int k = 0; k < observation_size; ++k)
        entries += (k == 0 ? "" : ", ") + std::to_string(k) + " " + entry_name(model, options, k);
      throw ConfigError("mjcf.end_bounds names entry " + number(numbers[i]) +
                        " of the observation, which has entries 0 to " +
                        std::to_string(observation_size - 1) + " with this model: " + entries +
                        ".");
    }
    if (!(low < high))
      throw ConfigError("mjcf.end_bounds: entry " + std::to_string(index) + " has low " +
                        number(low) + " and high " + number(high) + "; low must be below high.");

    const bool velocity = index >= num_observed_positions(model, options);
    if (velocity && options.velocity_limit > 0 && low <= -options.velocity_limit &&
        high >= options.velocity_limit)
      throw ConfigError("mjcf.end_bounds: entry " + std::to_string(index) + " (" +
                        entry_name(model, options, index) + ") never leaves " + number(low) +
                        " to " + number(high) + ", as mjcf.velocity_limit clips it to +-" +
                        number(options.velocity_limit) + ".");

    // a slide joint reads 0 where the file places its body, unless it has a ref
    const double rest = index < num_observed_positions(model, options)
                            ? model.qpos0[index + options.skip_positions]
                            : 0.0;
    if (!(rest >= low && rest <= high))
      throw ConfigError("mjcf.end_bounds: entry " + std::to_string(index) + " (" +
                        entry_name(model, options, index) + ") is " + number(rest) +
                        " at the start, outside " + number(low) + " to " + number(high) +
                        ", so every episode would end at once. Bounds are for the joint's own "
                        "value; its ref attribute shifts that.");
    bounds.entry[bounds.count++] = {index, numbers[i + 1], numbers[i + 2]};
  }
  return bounds;
}

EnvSpec spec_of(const mjModel& model, const MjcfOptions& options) {
  if (model.nu == 0)
    throw ConfigError("mjcf.model " + options.model +
                      " has no actuators; a policy needs at least one <motor> or the like.");
  for (int i = 0; i < model.nu; ++i)
    if (!model.actuator_ctrllimited[i])
      throw ConfigError("mjcf.model " + options.model + ": actuator " + std::to_string(i) +
                        " has no control range; give it ctrllimited=\"true\" and ctrlrange, which "
                        "actions in [-1, 1] are mapped to.");
  if (!(model.opt.timestep > 0.0 && std::isfinite(model.opt.timestep)))
    throw ConfigError("mjcf.model " + options.model + " has the timestep " +
                      number(model.opt.timestep) +
                      "; expected a positive number of seconds in its <option>.");
  if (options.skip_positions < 0 || options.skip_positions > model.nq)
    throw ConfigError("mjcf.skip_positions is " + std::to_string(options.skip_positions) +
                      ", but " + options.model + " has " + std::to_string(model.nq) +
                      " positions.");
  EnvSpec spec{.name = "mjcf",
               .task = TaskId::kMjcf,
               .observation_size = num_observed_positions(model, options) + model.nv,
               .action_size = model.nu,
               .max_episode_steps = 1000,
               .dt = model.opt.timestep * options.frame_skip,
               .description = "the robot of " + options.model};
  spec.end_bounds = end_bounds(model, options, spec.observation_size);
  return spec;
}

StepResult outcome(const MujocoStep& s, const MjcfOptions& options, const EndBounds& bounds) {
  return {.reward =
              static_cast<float>(mjcf_reward(options.reward_forward, options.reward_alive,
                                             options.control_cost, s.dx, s.dt, s.squared_control)),
          .terminated = out_of_bounds(bounds, s.observation.data())};
}

}  // namespace

std::unique_ptr<Env> make_mjcf(const EnvOptions& env_options) {
  const MjcfOptions& options = env_options.mjcf;
  if (options.model.empty())
    throw ConfigError(
        "env.name is mjcf, but mjcf.model is empty; give the path of an MJCF file, such as "
        "mjcf.model=robot.xml.");
  const std::shared_ptr<const mjModel> model = load_model(options.model);
  const EnvSpec spec = spec_of(*model, options);
  const double limit = options.velocity_limit;
  auto env = std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = spec,
      .model = model,
      .frame_skip = options.frame_skip,
      .outcome = [options, bounds = spec.end_bounds](
                     const MujocoStep& s) { return outcome(s, options, bounds); },
      .reset_noise = options.reset_noise,
      .skip_positions = options.skip_positions,
      .velocity_limit = limit > 0 ? limit : std::numeric_limits<double>::infinity(),
  });

  // a robot that cannot even stand still says so here and not after hours of exploration
  std::vector<float> observation(static_cast<std::size_t>(env->spec().observation_size));
  const std::vector<float> middle(static_cast<std::size_t>(env->spec().action_size), 0.0f);
  env->reset(0, 0, observation);
  for (const float x : observation)
    if (!std::isfinite(x))
      throw DataError("mjcf.model " + options.model +
                      ": its rest state is not finite; look at the joints' ref and the bodies' "
                      "places.");
  if (const Fault fault = env->step(middle, observation).broken)
    throw DataError(
        "mjcf.model " + options.model +
        ": its first step, at the middle of all control ranges, is unstable: " + fault_text(fault) +
        ". A smaller timestep, joint armature or damping may help.");
  return env;
}

}  // namespace mbrl
