// A robot of the user's own: any MJCF file, with observation, reward and end given in the config.
//
//   action       one per actuator; [-1, 1] is mapped to its ctrlrange
//   observation  mjcf.observe; or qpos without its first mjcf.skip_positions entries, then qvel.
//                Entries of qvel are clipped to +-mjcf.velocity_limit where that is not 0
//   reward       mjcf.reward_alive - mjcf.control_cost |u|^2 + the terms of mjcf.reward; or, where
//                that has none, + mjcf.reward_forward x', x' the mean speed of qpos[0] over the step
//   terminated   an entry of the observation outside mjcf.end_bounds
//   reset        qpos0 at rest, or the <key> of mjcf.keyframe; every position and velocity
//                + U(-mjcf.reset_noise, mjcf.reset_noise), but what mjcf.reset_ranges names
//                U(low, high)
//   invalid      a joint faster than mjcf.max_speed
//
// Sensors and places are those of the state after the step, whose positions and velocities are
// observed. mjcf_picks.h tells how entries, terms and ranges are written.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <new>

#include "base/error.h"
#include "envs/mujoco/mjcf_picks.h"
#include "envs/mujoco/mujoco_env.h"
#include "envs/tasks/mjcf.h"

namespace mbrl {
namespace {

std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", x);
  return text;
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

/// What the config makes of a model.
struct Task {
  int keyframe;
  std::vector<MjcfEntry> observed;
  std::vector<MjcfTerm> terms;
  std::vector<MjcfRange> ranges;
};

Task task_of(const mjModel& model, const MjcfOptions& options) {
  const MjcfOptions usual;
  if (!options.reward.empty() && options.reward_forward != usual.reward_forward)
    throw ConfigError("mjcf.reward_forward is " + number(options.reward_forward) +
                      ", but mjcf.reward has terms, which stand in its place; leave it out. A term "
                      "\"1 qvel:JOINT\" pays for a joint's speed.");
  const int keyframe = find_keyframe(model, options);
  return {keyframe, observed_entries(model, options), reward_terms(model, options),
          reset_ranges(model, options, keyframe)};
}

void observe(const Task& task, double velocity_limit, const mjData& data, std::span<float> o) {
  for (std::size_t i = 0; i < task.observed.size(); ++i) {
    const double value = entry_value(data, task.observed[i]);
    o[i] = static_cast<float>(task.observed[i].kind == MjcfKind::kVelocity
                                  ? std::clamp(value, -velocity_limit, velocity_limit)
                                  : value);
  }
}

/// Moves what has a range to its start. Draws are those that the noise has for the same entry; mocap
/// bodies have those after them.
void place(const mjModel& model, const std::vector<MjcfRange>& ranges, mjData& data,
           const ResetNoise& noise) {
  const int nq = static_cast<int>(model.nq), nv = static_cast<int>(model.nv);
  for (const MjcfRange& range : ranges) {
    const int i = range.entry.index;
    const bool position = range.entry.kind == MjcfKind::kPosition,
               velocity = range.entry.kind == MjcfKind::kVelocity;
    double* const at = position ? data.qpos : velocity ? data.qvel : data.mocap_pos;
    const double share = 0.5 * (1.0 + noise.uniform(position ? i : nq + (velocity ? i : nv + i)));
    at[i] = range.low + share * (range.high - range.low);
  }
}

/// The entries of the observation in the rest state or the keyframe, without noise.
std::vector<double> rest_observation(const mjModel& model, const Task& task) {
  const std::unique_ptr<mjData, decltype(&mj_deleteData)> data(mj_makeData(&model), mj_deleteData);
  if (data == nullptr) throw std::bad_alloc();
  if (task.keyframe >= 0)
    mj_resetDataKeyframe(&model, data.get(), task.keyframe);
  else
    mj_resetData(&model, data.get());
  mj_forward(&model, data.get());
  std::vector<double> rest;
  for (const MjcfEntry& entry : task.observed) rest.push_back(entry_value(*data, entry));
  return rest;
}

/// An entry's bounds, of a robot that starts at `rest`, may be left, but not at every start.
void require_useful_bounds(const mjModel& model, const MjcfOptions& options, const Task& task,
                           int index, double low, double high, double rest) {
  const MjcfEntry& entry = task.observed[static_cast<std::size_t>(index)];
  const std::string which =
      "mjcf.end_bounds: entry " + std::to_string(index) + " (" + entry_name(model, entry) + ") ";
  if (entry.kind == MjcfKind::kVelocity && options.velocity_limit > 0 &&
      low <= -options.velocity_limit && high >= options.velocity_limit)
    throw ConfigError(which + "never leaves " + number(low) + " to " + number(high) +
                      ", as mjcf.velocity_limit clips it to +-" + number(options.velocity_limit) +
                      ".");

  for (const MjcfRange& range : task.ranges) {
    if (range.entry != entry) continue;
    if (range.high < low || range.low > high)
      throw ConfigError(which + "starts at " + number(range.low) + " to " + number(range.high) +
                        " (mjcf.reset_ranges), outside " + number(low) + " to " + number(high) +
                        ", so every episode would end at once.");
    return;
  }
  // what ranges do to a sensor is seen when the robot takes its first steps
  if (entry.kind == MjcfKind::kSensor && !task.ranges.empty()) return;

  // a slide joint reads 0 where the file places its body, unless it has a ref
  if (!(rest >= low && rest <= high))
    throw ConfigError(which + "is " + number(rest) + " at the start, outside " + number(low) +
                      " to " + number(high) + ", so every episode would end at once." +
                      (entry.kind == MjcfKind::kPosition
                           ? " Bounds are for the joint's own value; its ref attribute shifts that."
                           : ""));
}

EndBounds end_bounds(const mjModel& model, const MjcfOptions& options, const Task& task) {
  const std::vector<float>& numbers = options.end_bounds;
  if (numbers.size() % 3 != 0 || numbers.size() / 3 > EndBounds::kMaxEntries)
    throw ConfigError("mjcf.end_bounds has " + std::to_string(numbers.size()) +
                      " numbers; expected three for each entry of the observation that ends an "
                      "episode: index, low, high; up to " +
                      std::to_string(EndBounds::kMaxEntries) + " entries.");
  EndBounds bounds;
  if (numbers.empty()) return bounds;
  const int observation_size = static_cast<int>(task.observed.size());
  const std::vector<double> rest = rest_observation(model, task);
  for (std::size_t i = 0; i < numbers.size(); i += 3) {
    const int index = static_cast<int>(numbers[i]);
    const double low = numbers[i + 1], high = numbers[i + 2];
    if (static_cast<float>(index) != numbers[i] || index < 0 || index >= observation_size) {
      std::string entries;
      for (int k = 0; k < observation_size; ++k)
        entries += (k == 0 ? "" : ", ") + std::to_string(k) + " " +
                   entry_name(model, task.observed[static_cast<std::size_t>(k)]);
      throw ConfigError("mjcf.end_bounds names entry " + number(numbers[i]) +
                        " of the observation, which has entries 0 to " +
                        std::to_string(observation_size - 1) + " with this model: " + entries +
                        ".");
    }
    if (!(low < high))
      throw ConfigError("mjcf.end_bounds: entry " + std::to_string(index) + " has low " +
                        number(low) + " and high " + number(high) + "; low must be below high.");
    require_useful_bounds(model, options, task, index, low, high,
                          rest[static_cast<std::size_t>(index)]);
    bounds.entry[bounds.count++] = {index, numbers[i + 1], numbers[i + 2]};
  }
  return bounds;
}

void require_runnable(const mjModel& model, const MjcfOptions& options) {
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
}

EnvSpec spec_of(const mjModel& model, const MjcfOptions& options, const Task& task) {
  EnvSpec spec{.name = "mjcf",
               .task = TaskId::kMjcf,
               .observation_size = static_cast<int>(task.observed.size()),
               .action_size = static_cast<int>(model.nu),
               .max_episode_steps = 1000,
               .dt = model.opt.timestep * options.frame_skip,
               .description = "the robot of " + options.model};
  spec.end_bounds = end_bounds(model, options, task);
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
std::string ended_entries(const mjModel& model, const Task& task, const EndBounds& bounds,
                          const std::vector<float>& observation) {
  std::string text;
  for (int i = 0; i < bounds.count; ++i) {
    const EndBounds::Entry& b = bounds.entry[i];
    const float value = observation[static_cast<std::size_t>(b.index)];
    if (value >= b.low && value <= b.high) continue;
    text += (text.empty() ? "entry " : ", entry ") + std::to_string(b.index) + " (" +
            entry_name(model, task.observed[static_cast<std::size_t>(b.index)]) + ") is " +
            number(value) + " then, outside " + number(b.low) + " to " + number(b.high);
  }
  return text;
}

StepResult outcome(const MujocoStep& s, const MjcfOptions& options, const Task& task,
                   const EndBounds& bounds) {
  const double forward = task.terms.empty() ? options.reward_forward : 0.0;
  double reward = mjcf_reward(forward, options.reward_alive, options.control_cost, s.dx, s.dt,
                              s.squared_control);
  for (const MjcfTerm& term : task.terms) reward += term_value(s.data, term);
  return {.reward = static_cast<float>(reward),
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
  require_runnable(*model, options);
  const Task task = task_of(*model, options);
  const EnvSpec spec = spec_of(*model, options, task);
  const double limit =
      options.velocity_limit > 0 ? options.velocity_limit : std::numeric_limits<double>::infinity();
  const bool ranges_of_mocap =
      std::any_of(task.ranges.begin(), task.ranges.end(),
                  [](const MjcfRange& range) { return range.entry.kind == MjcfKind::kMocap; });
  MujocoRobot robot{
      .spec = spec,
      .model = model,
      .frame_skip = options.frame_skip,
      .outcome = [options, task, bounds = spec.end_bounds](
                     const MujocoStep& s) { return outcome(s, options, task, bounds); },
      .fresh = fresh_for(*model, task.observed, task.terms),
      .moves_mocap = model->nmocap > 0 && (task.keyframe >= 0 || ranges_of_mocap),
      .reset_noise = options.reset_noise,
      .keyframe = task.keyframe,
      .max_speed = options.max_speed,
      .observe = [task, limit](const mjData& data,
                               std::span<float> o) { observe(task, limit, data, o); },
  };
  if (!task.ranges.empty())
    robot.place = [model, ranges = task.ranges](mjData& data, const ResetNoise& noise) {
      place(*model, ranges, data, noise);
    };
  auto env = std::make_unique<MujocoEnv>(std::move(robot));

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
        ended_entries(*model, task, spec.end_bounds, observation) +
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
