// A robot of the user's own: any MJCF file, with observation, reward and end given in the config.
//
//   action       one per actuator; [-1, 1] is mapped to its ctrlrange
//   observation  qpos without its first mjcf.skip_positions entries, then qvel, clipped to
//                +-mjcf.velocity_limit where that is not 0
//   reward       mjcf.reward_forward x' + mjcf.reward_alive - mjcf.control_cost |u|^2, x' the mean
//                speed of qpos[0] over the step
//   terminated   an entry of the observation outside mjcf.end_bounds
//   reset        qpos0 at rest, or the <key> of mjcf.keyframe; every position and velocity
//                + U(-mjcf.reset_noise, mjcf.reset_noise)
//   invalid      a joint faster than mjcf.max_speed
#include <algorithm>
#include <charconv>
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

/// "home, squat and 1 without a name": the <key>s of a model; empty where it has none.
std::string keyframe_names(const mjModel& model) {
  std::string text;
  for (int i = 0; i < model.nkey; ++i) {
    const std::string name = model.names + model.name_keyadr[i];
    text += (i == 0 ? "" : ", ") + (name.empty() ? std::to_string(i) : name);
  }
  return text;
}

/// The number of mjcf.keyframe, by its name or as a number; -1 where it is empty.
int find_keyframe(const mjModel& model, const MjcfOptions& options) {
  const std::string& name = options.keyframe;
  if (name.empty()) return -1;
  if (const int found = mj_name2id(&model, mjOBJ_KEY, name.c_str()); found >= 0) return found;
  int number = -1;
  const auto end = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool whole = end.ec == std::errc() && end.ptr == name.data() + name.size();
  if (whole && number >= 0 && number < model.nkey) return number;
  throw ConfigError(
      "mjcf.keyframe is " + name + ", but " + options.model +
      (model.nkey == 0 ? " has no <key>." : " has these: " + keyframe_names(model) + ".") +
      " Leave mjcf.keyframe empty to start from the rest state.");
}

/// A position or velocity of the state that episodes start from, without noise.
double rest_position(const mjModel& model, int keyframe, int i) {
  return keyframe < 0 ? model.qpos0[i] : model.key_qpos[keyframe * model.nq + i];
}
double rest_velocity(const mjModel& model, int keyframe, int i) {
  return keyframe < 0 ? 0.0 : model.key_qvel[keyframe * model.nv + i];
}

EndBounds end_bounds(const mjModel& model, const MjcfOptions& options, int keyframe,
                     int observation_size) {
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
    const int positions = num_observed_positions(model, options);
    const double rest = index < positions
                            ? rest_position(model, keyframe, index + options.skip_positions)
                            : rest_velocity(model, keyframe, index - positions);
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

EnvSpec spec_of(const mjModel& model, const MjcfOptions& options, int keyframe) {
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
  spec.end_bounds = end_bounds(model, options, keyframe, spec.observation_size);
  return spec;
}

/// Whether no action of many keeps a first step from ending its episode.
bool always_ends_at_once(Env& env) {
  constexpr int kTrials = 64;
  std::vector<float> observation(static_cast<std::size_t>(env.spec().observation_size));
  std::vector<float> action(static_cast<std::size_t>(env.spec().action_size));
  const RandomKey key{0, purpose::kEnvReset, 1};
  for (int trial = 0; trial < kTrials; ++trial) {
    env.reset(0, static_cast<std::uint64_t>(trial), observation);
    // half of them at the ends of the control ranges
    for (std::size_t i = 0; i < action.size(); ++i) {
      const float u =
          2.0f * uniform01(
                     key.bits(static_cast<std::uint64_t>(trial), static_cast<std::uint32_t>(i)).x) -
          1.0f;
      action[i] = trial % 2 == 0 ? u : u < 0.0f ? -1.0f : 1.0f;
    }
    const StepResult step = env.step(action, observation);
    if (!step.broken && !step.terminated) return false;
  }
  return true;
}

/// "entry 0 (position of z) is -0.004 then, outside -0.001 to 1": what ended a step.
std::string ended_entries(const mjModel& model, const MjcfOptions& options, const EndBounds& bounds,
                          const std::vector<float>& observation) {
  std::string text;
  for (int i = 0; i < bounds.count; ++i) {
    const EndBounds::Entry& b = bounds.entry[i];
    const float value = observation[static_cast<std::size_t>(b.index)];
    if (value >= b.low && value <= b.high) continue;
    text += (text.empty() ? "entry " : ", entry ") + std::to_string(b.index) + " (" +
            entry_name(model, options, b.index) + ") is " + number(value) + " then, outside " +
            number(b.low) + " to " + number(b.high);
  }
  return text;
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
  const int keyframe = find_keyframe(*model, options);
  const EnvSpec spec = spec_of(*model, options, keyframe);
  const double limit = options.velocity_limit;
  auto env = std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = spec,
      .model = model,
      .frame_skip = options.frame_skip,
      .outcome = [options, bounds = spec.end_bounds](
                     const MujocoStep& s) { return outcome(s, options, bounds); },
      .reset_noise = options.reset_noise,
      .skip_positions = options.skip_positions,
      .keyframe = keyframe,
      .max_speed = options.max_speed,
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
  const StepResult first = env->step(middle, observation);
  if (first.broken == kTooFast)
    throw DataError("mjcf.model " + options.model +
                    ": a joint is faster than mjcf.max_speed, which is " +
                    number(options.max_speed) +
                    ", after its first step, at the middle of all control ranges. Raise it if the "
                    "robot is meant to be that fast; else a smaller timestep, joint armature or "
                    "damping may help.");
  if (first.broken)
    throw DataError("mjcf.model " + options.model +
                    ": its first step, at the middle of all control ranges, is unstable: " +
                    fault_text(first.broken) +
                    ". A smaller timestep, joint armature or damping may help.");
  if (first.terminated && always_ends_at_once(*env))
    throw ConfigError(
        "mjcf.end_bounds ends every episode in its first step, whatever the action: " +
        ended_entries(*model, options, spec.end_bounds, observation) +
        ". Widen the bounds, or start from a state further inside (mjcf.keyframe).");
  return env;
}

std::string mjcf_note(const EnvOptions& env_options) {
  const MjcfOptions& options = env_options.mjcf;
  if (options.model.empty() || !options.keyframe.empty()) return "";
  const std::shared_ptr<const mjModel> model = load_model(options.model);
  if (model->nkey == 0) return "";
  return options.model + " has the <key> " + keyframe_names(*model) +
         ", which is not used: episodes start from the rest state. mjcf.keyframe=NAME starts from "
         "one.";
}

}  // namespace mbrl
