// What an environment is, in numbers.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "envs/list.h"

namespace mbrl {

/// The task whose reward and end rule apply (envs/tasks/task.h). Its number is not stored anywhere.
enum class TaskId : int {
#define MBRL_TASK_ID(name, Task) k##Task,
  MBRL_ENVIRONMENTS(MBRL_TASK_ID)
#undef MBRL_TASK_ID
      kMjcf  // of all that is not in the list: rewards are learned, end_bounds is the end rule
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
  TaskId task = TaskId::kMjcf;
  int observation_size;   // S
  int action_size;        // A; actions are normalized to [-1, 1] everywhere outside the environment
  int max_episode_steps;  // time limit; reaching it truncates and does not terminate
  double dt;              // seconds per environment step
  std::string simulator = {};  // "MuJoCo 2.2.2", "closed form"; its base class fills it in
  std::string description;
  EndBounds end_bounds = {};  // of TaskId::kMjcf
  // keys of the config that not every environment reads, such as env.capsule_masses; the others are
  // refused when they are set
  std::vector<std::string> reads = {};
  // [A] what the environment itself takes for -1 and 1; empty: these
  std::vector<float> action_low = {}, action_high = {};

  std::vector<float> lowest_action() const { return or_all(action_low, -1.0f); }
  std::vector<float> highest_action() const { return or_all(action_high, 1.0f); }

 private:
  std::vector<float> or_all(const std::vector<float>& bounds, float usual) const {
    if (!bounds.empty()) return bounds;
    return std::vector<float>(static_cast<std::size_t>(action_size), usual);
  }
};

}  // namespace mbrl
