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
  kWalker2d,
  kHalfCheetah,
  kAnt,
  kInvertedDoublePendulum,
  kSwimmer,
  kHumanoid
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
};

}  // namespace mbrl
