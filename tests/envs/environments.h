// What the tests of environments know about each one beyond its spec: one table, by name. Tests walk
// the registered names and look here for what they need.
#pragma once

#include <algorithm>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "envs/env.h"
#include "tests/support/statistics.h"

namespace mbrl {

enum class Simulator { kMujoco, kBullet, kClosedForm };

enum class Law { kUniform, kNormal };

/// What a reset adds to the rest state.
struct Noise {
  double position, velocity;  // half width, or standard deviation
  Law velocity_law = Law::kUniform;
  int num_still = 0;         // leading positions that stay at rest
  double target_disc = 0.0;  // m; if not 0, the last two positions are a point in a disc of this
                             // radius about 0, whose velocities are 0
  Law position_law = Law::kUniform;

  /// A place of the state: positions, then velocities.
  struct Place {
    int index;
    double mean, width;  // of what is added; width as above
    Law law;
  };
  std::vector<Place> only = {};  // if not empty, all places that move, and how; then all else is 0
};

/// The original under uniform random actions: means of episodes, with standard errors
/// (tests/golden/README.md says of what).
struct RandomPolicy {
  int count;  // of our episodes
  Mean length, reward;
  std::optional<Mean> still = {};  // reward of episodes without action, as far as it is known
};

/// A task that pays for progress: reward = weight dx/dt + alive - cost |a|^2.
struct Progress {
  int count;
  double weight, alive, cost;
};

struct KnownEnvironment {
  const char* name;
  Simulator simulator;
  // Who recorded tests/golden/<recorded>_<name>.csv; empty: nobody, its tests are by hand. `own`: this
  // program, because there is no original to be had: the file shows changes, and not that it is right.
  const char* recorded;
  Noise noise;
  std::optional<RandomPolicy> random_policy = {};  // none: there is no original with our physics
  std::optional<Progress> progress = {};           // none: the reward is not for progress
  bool slow = false;  // a step takes milliseconds: tests that walk every environment walk less
};

inline const std::vector<KnownEnvironment>& known_environments() {
  using enum Simulator;
  static const std::vector<KnownEnvironment> kTable = {
      {.name = "ant",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {0.1, 0.1, Law::kNormal},
       .random_policy = {{60, {190.4, 24.2}, {-63.2, 8.55}}},
       .progress = {{20, 1.0, 1.0, 0.5}}},
      {.name = "cartpole", .simulator = kClosedForm, .recorded = "", .noise = {0.05, 0.05}},
      {.name = "cartpole_swingup",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {.position = 0.1,
                 .velocity = 0.1,
                 .velocity_law = Law::kNormal,
                 .position_law = Law::kNormal},
       .random_policy = {{20, {200.0, 0.0}, {-4.0, 0.21}, Mean{3.0, 0.1}}}},
      {.name = "daisy",
       .simulator = kMujoco,
       .recorded = "own",
       .noise = {.position = 0.01, .velocity = 0.0, .num_still = 7},
       .slow = true},
      {.name = "halfcheetah",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {0.1, 0.1, Law::kNormal},
       .random_policy = {{20, {1000.0, 0.0}, {-277.2, 11.4}}},
       .progress = {{10, 1.0, 0.0, 0.1}}},
      {.name = "halfcheetah18",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {.position = 0.001,
                 .velocity = 0.001,
                 .velocity_law = Law::kNormal,
                 .position_law = Law::kNormal},
       .random_policy = {{8, {1000.0, 0.0}, {-273.0, 11.9}, Mean{-0.24, 0.01}}},
       .progress = {{5, 1.0, 0.0, 0.1}}},
      {.name = "halfcheetah_bullet",
       .simulator = kBullet,
       .recorded = "pybullet",
       .noise = {0.1, 0.0, Law::kUniform, 3},
       .random_policy = {{20, {1000.0, 0.0}, {-12.2, 8.9}}},
       .progress = {{10, 1.5, 0.0, 1e-3}}},
      {.name = "hopper",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {0.005, 0.005},
       .random_policy = {{300, {21.66, 0.37}, {17.71, 0.49}}},
       .progress = {{50, 1.0, 1.0, 1e-3}}},
      {.name = "hopper12",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {0.005, 0.005},
       .random_policy = {{8, {1000.0, 0.0}, {-67.0, 14.6}, Mean{126.0, 11.3}}}},
      {.name = "hopper_bullet",
       .simulator = kBullet,
       .recorded = "pybullet",
       .noise = {0.1, 0.0, Law::kUniform, 3},
       .random_policy = {{300, {12.03, 0.15}, {3.54, 0.20}}},
       .progress = {{100, 1.5, 1.0, 1e-3}}},
      {.name = "humanoid",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {0.01, 0.01},
       .random_policy = {{150, {24.10, 0.22}, {117.7, 1.0}}},
       .progress = {{50, 1.25, 5.0, 0.1 * 0.4 * 0.4}}},
      {.name = "inverted_double_pendulum",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {0.1, 0.1, Law::kNormal},
       .random_policy = {{300, {6.30, 0.06}, {57.32, 0.54}}}},
      {.name = "inverted_pendulum",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {0.01, 0.01},
       .random_policy = {{300, {6.06, 0.11}, {6.06, 0.11}}}},
      {.name = "pendulum", .simulator = kClosedForm, .recorded = "", .noise = {M_PI, 1.0}},
      {.name = "pusher",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {.position = 0.0,
                 .velocity = 0.0,
                 .only = {{7, -0.25, 0.025, Law::kNormal},
                          {8, 0.15, 0.025, Law::kNormal},
                          {11, 0.0, 0.005, Law::kUniform},
                          {12, 0.0, 0.005, Law::kUniform},
                          {13, 0.0, 0.005, Law::kUniform},
                          {14, 0.0, 0.005, Law::kUniform},
                          {15, 0.0, 0.005, Law::kUniform},
                          {16, 0.0, 0.005, Law::kUniform},
                          {17, 0.0, 0.005, Law::kUniform}}},
       .random_policy = {{20, {150.0, 0.0}, {-290.0, 2.1}, Mean{-144.0, 0.6}}}},
      {.name = "reacher",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {.position = 0.1, .velocity = 0.005, .target_disc = 0.2},
       .random_policy = {{300, {50.0, 0.0}, {-42.88, 0.12}}}},
      {.name = "reacher3d",
       .simulator = kMujoco,
       .recorded = "own",
       .noise = {.position = 0.0,
                 .velocity = 0.0,
                 .only = {{7, 0.0, 0.1, Law::kNormal},
                          {8, 0.0, 0.1, Law::kNormal},
                          {9, 0.0, 0.1, Law::kNormal}}},
       .random_policy = {{20, {150.0, 0.0}, {-1512.0, 6.4}, Mean{-177.0, 4.1}}}},
      {.name = "swimmer",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {0.1, 0.1},
       .random_policy = {{20, {1000.0, 0.0}, {1.84, 1.4}}},
       .progress = {{10, 1.0, 0.0, 1e-4}}},
      {.name = "walker2d",
       .simulator = kMujoco,
       .recorded = "gymnasium",
       .noise = {0.005, 0.005},
       .random_policy = {{300, {21.02, 0.29}, {2.79, 0.21}}},
       .progress = {{50, 1.0, 1.0, 1e-3}}},
      {.name = "walker2d_bullet",
       .simulator = kBullet,
       .recorded = "pybullet",
       .noise = {0.1, 0.0, Law::kUniform, 3},
       .random_policy = {{300, {14.34, 0.16}, {1.35, 0.16}}},
       .progress = {{100, 1.5, 1.0, 1e-3}}},
  };
  return kTable;
}

/// Null where the table has no such line.
inline const KnownEnvironment* find_known(std::string_view name) {
  for (const KnownEnvironment& known : known_environments())
    if (name == known.name) return &known;
  return nullptr;
}

/// Of `steps` of a test that walks every environment, how many it takes in this one.
inline int steps_to_walk(std::string_view name, int steps) {
  const KnownEnvironment* known = find_known(name);
  return known != nullptr && known->slow ? steps / 5 : steps;
}

/// Every environment that list_envs() lists, by name, without making one.
inline std::vector<std::string> every_environment() {
  std::vector<std::string> names = env_names();
  std::erase(names, "mjcf");
  std::erase(names, "process");
  return names;
}

/// The names of the table's lines for which wanted(line) holds.
template <typename Wanted>
std::vector<std::string> environments_where(Wanted wanted) {
  std::vector<std::string> names;
  for (const KnownEnvironment& known : known_environments())
    if (wanted(known)) names.emplace_back(known.name);
  return names;
}

inline std::vector<std::string> environments_on(Simulator simulator) {
  return environments_where([=](const auto& known) { return known.simulator == simulator; });
}

}  // namespace mbrl
