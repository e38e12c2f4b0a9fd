// What an environment is, in numbers.
#pragma once

#include <string>

namespace mbrl {

/// The task whose reward and termination apply (envs/tasks/task.h). One value per reward and end
/// rule, whatever simulator runs it.
enum class TaskId : int {
  kHopper,
  kInvertedPendulum,
  kPendulum,
  kCartpole,
  kHopperBullet,
  kWalker2dBullet,
  kHalfCheetahBullet,
  kWalker2d,
  kHalfCheetah,
  kAnt,
  kInvertedDoublePendulum,
  kSwimmer,
  kHumanoid,
  kMjcf
};

/// Entries of an observation that end an episode outside their bounds: the end rule of a robot that
/// is given in the config.
struct EndBounds {
  static constexpr int kMaxEntries = 8;
  struct Entry {
    int index = 0;
    float low = 0.0f, high = 0.0f;
    bool operator==(const Entry&) const = default;
  };
  int count = 0;
  Entry entry[kMaxEntries];
  bool operator==(const EndBounds&) const = default;
};

struct EnvSpec {
  std::string name;  // as in config env.name
  TaskId task;
  int observation_size;   // S
  int action_size;        // A; actions are normalised to [-1, 1] everywhere outside the environment
  int max_episode_steps;  // time limit; reaching it truncates and does not terminate
  double dt;              // seconds per environment step
  std::string simulator;  // "MuJoCo 2.2.2", "closed form"
  std::string description;
  EndBounds end_bounds = {};  // of TaskId::kMjcf
};

}  // namespace mbrl
