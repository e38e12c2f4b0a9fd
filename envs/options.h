// What a user may choose of an environment.
#pragma once

#include <string>
#include <vector>

#include "base/keys.h"

namespace mbrl {

/// What env.name may be: all registered environments, mjcf and process.
std::vector<std::string> env_names();

/// A robot of the user's own, of env.name = "mjcf"; envs/mujoco/mjcf_env.cpp has the formulas.
struct MjcfOptions {
  MBRL_KEY(std::string, model, "path of the robot's MJCF file", Formerly{"env.model"}) = "";
  MBRL_KEY(int, frame_skip, "simulator steps in an env step", at_least(1),
           Formerly{"env.frame_skip"}) = 5;
  MBRL_KEY(int, skip_positions, "leading positions that are not observed", at_least(0),
           Formerly{"env.skip_positions"}) = 1;
  MBRL_KEY(
      std::vector<std::string>, observe,
      "what is observed, in this order: qpos, qvel, sensor, mocap, or one by its name such as "
      "sensor:tip or qpos:elbow[0]; empty: positions but the leading ones, then velocities") = {};
  MBRL_KEY(float, velocity_limit, "observed velocities are clipped to this; 0: not", at_least(0),
           Formerly{"env.velocity_limit"}) = 0.0f;
  MBRL_KEY(float, reward_forward, "weight of the forward speed, where mjcf.reward is empty",
           Unit{"reward per m/s"}, Formerly{"env.reward_forward"}) = 1.0f;
  MBRL_KEY(
      std::vector<std::string>, reward,
      "weighted terms in place of the forward speed: entries such as 0.5 sensor:speed, distances "
      "of sites or bodies such as -1 distance tip target") = {};
  MBRL_KEY(float, reward_alive, "reward of every step", Unit{"reward"},
           Formerly{"env.reward_alive"}) = 0.0f;
  MBRL_KEY(float, control_cost, "price of the sum of squared controls", Unit{"reward"}, at_least(0),
           Formerly{"env.control_cost"}) = 0.001f;
  MBRL_KEY(float, reset_noise, "half width of the noise on the start state", at_least(0),
           Formerly{"env.reset_noise"}) = 0.005f;
  MBRL_KEY(std::vector<std::string>, reset_ranges,
           "what starts anywhere in a range in place of the noise, such as qpos:elbow -1 1, or "
           "mocap:target[0] -0.1 0.1") = {};
  // this and max_speed are newer than the section; they answer to env.* as the rest of it does
  MBRL_KEY(std::string, keyframe,
           "keyframe of the model that episodes start from, by name or number from 0; empty: its "
           "rest state",
           Formerly{"env.keyframe"}) = "";
  MBRL_KEY(float, max_speed, "speed of a joint beyond which a step counts as unstable",
           Unit{"rad/s or m/s"}, above(0), Formerly{"env.max_speed"}) = 1000.0f;
  MBRL_KEY(std::vector<float>, end_bounds,
           "index, low, high of each observation entry that ends an episode outside",
           Formerly{"env.end_bounds"}) = {};

  bool operator==(const MjcfOptions&) const = default;
};

/// An environment that runs in processes of its own, of env.name = "process";
/// docs/process_environments.md says how they are spoken to.
struct ProcessOptions {
  MBRL_KEY(int, count, "processes that the environments of a batch are dealt to; 0: one a thread",
           Unit{"processes"}, at_least(0)) = 0;
  MBRL_KEY(float, timeout, "a process that has not answered by then is stopped and started again",
           Unit{"s"}, above(0)) = 60.0f;
  MBRL_KEY(std::vector<float>, end_bounds,
           "index, low, high of each observation entry that ends an imagined episode outside") = {};

  bool operator==(const ProcessOptions&) const = default;
};

/// Switches that change what an environment computes; part of the run's config.
struct EnvOptions {
  MBRL_KEY(std::string, name, "environment", Choices{env_names()}) = "hopper";
  MBRL_KEY(std::string, capsule_masses,
           "capsule masses: old as MuJoCo 1.50 compiled them (the papers' physics), exact as "
           "MuJoCo >= 2.1.2",
           Choices{{"old", "exact"}}, kVariant) = "old";
  MBRL_KEY(bool, contact_cost,
           "ant and humanoid pay for contact forces: true as under MuJoCo 1.50 (the papers), false "
           "as where mujoco-py leaves them 0 (MuJoCo >= 2.0)") = true;
  MBRL_KEY(std::string, body_position,
           "what pusher calls the place of its hand: origin of its frame (Gym >= 0.9.5), or "
           "center_of_mass (Gym <= 0.9.4)",
           Choices{{"origin", "center_of_mass"}}) = "origin";
  MBRL_KEY(int, max_episode_steps, "time limit of an episode; 0: the environment's own",
           Unit{"env steps"}, at_least(0)) = 0;
  MBRL_KEY(
      std::string, command,
      "what starts a process that serves the environment, in words as a shell splits them, such "
      "as python3 -m mbrl_gpu.serve Pendulum-v1") = "";
  MBRL_KEY(std::string, end,
           "where imagined episodes of env.name=process end: never, outside of process.end_bounds, "
           "learned: where the model predicts so, or served: where the process says so",
           Choices{{"never", "bounds", "learned", "served"}}) = "never";
  MBRL_SECTION(MjcfOptions, mjcf);
  MBRL_SECTION(ProcessOptions, process);
};

}  // namespace mbrl
