#!/usr/bin/env python3
"""Writes gymnasium_<environment>.csv: episodes of Gymnasium under random actions.

    python3 -m venv venv && venv/bin/pip install gymnasium[mujoco]==1.4.0 mujoco==3.3.7 packaging
    venv/bin/python tests/golden/make_gymnasium.py [--episodes N] [--steps N] [--folder DIR] [NAME ...]

Without names it writes those of ENVIRONMENTS. The robots of pets_originals.py are written by name, with
mujoco==2.3.7: Gymnasium's Pusher needs a release before 3.

One line per control step; step 0 is the start of an episode, printed so that reading returns the same
doubles. Actions are normalized to [-1, 1]; qpos and qvel are the full state after the step.

The environments are version 5, or version 4 where 5 leaves out observations, with the models of version
4. Rewards are brought to our definition:
  - the reward for being healthy is paid on the last step too, as before version 5;
  - where a reward measures bodies (ant, humanoid) or a site (double pendulum), Gymnasium takes their
    places from the last stage of the Runge-Kutta step, as version 2 did, and we from the state after
    the step (the environments' headers say so). The largest correction of a reward is printed; for
    progress it cancels over an episode.

tools/compare_envs steps these environments beside ours.
"""
import argparse
import copy
import pathlib

import gymnasium
import mujoco
import numpy as np
import pets_originals

# name -> (id, options, reward per step for being healthy, longest episode)
ENVIRONMENTS = {
    "ant": ("Ant-v5", {"include_cfrc_ext_in_observation": False}, 1.0, 20),
    "halfcheetah": ("HalfCheetah-v5", {}, 0.0, 20),
    "hopper": ("Hopper-v5", {}, 1.0, 1000),
    "humanoid": ("Humanoid-v5", {f"include_{x}_in_observation": False
                                 for x in ["cinert", "cvel", "qfrc_actuator", "cfrc_ext"]}, 5.0, 1000),
    "inverted_double_pendulum": ("InvertedDoublePendulum-v4", {}, 0.0, 1000),
    "inverted_pendulum": ("InvertedPendulum-v5", {}, 1.0, 1000),
    "reacher": ("Reacher-v5", {}, 0.0, 50),
    "swimmer": ("Swimmer-v5", {}, 0.0, 20),
    # version 5's own model gives both feet the friction of the left one
    "walker2d": ("Walker2d-v5", {"xml_file": "walker2d.xml"}, 1.0, 1000),
}


class Original:
    """One environment of Gymnasium with actions in [-1, 1] and rewards of the state after a step."""

    def __init__(self, name):
        self.name = name
        self.id, options, self.healthy_reward, self.longest_episode = ENVIRONMENTS[name]
        self.env = gymnasium.make(self.id, disable_env_checker=True, max_episode_steps=-1,
                                  **options)
        self.data = self.env.unwrapped.data
        # the action space has it in float32
        self.high = self.env.unwrapped.model.actuator_ctrlrange[:, 1]
        self.num_actions = self.env.action_space.shape[0]
        self.observation_size = self.env.observation_space.shape[0]
        # of the last stage's place, m, and of the reward that it makes
        self.largest_gap = self.largest_correction = 0.0

    def reset(self, seed):
        observation, _ = self.env.reset(seed=seed)
        self.before = self.settled()
        return observation

    reset_to_step = reset

    def state(self):
        """Positions, then velocities."""
        return np.concatenate([self.data.qpos, self.data.qvel])

    def step(self, action):
        """Observation, reward, terminated."""
        observation, reward, terminated, _, info = self.env.step(self.high * action)
        after = self.settled()
        change, gap = self.correction(info, after)
        self.largest_gap = max(self.largest_gap, gap)
        self.largest_correction = max(self.largest_correction, abs(change))
        self.before = after
        reward += change + (self.healthy_reward if terminated else 0.0)
        return observation, reward, terminated

    def settled(self):
        """Bodies and sites at the present state, in a copy: the next step starts as it would."""
        data = copy.copy(self.data)
        mujoco.mj_kinematics(self.env.unwrapped.model, data)
        return data

    def progress(self, data):
        """The coordinate that the reward measures, m."""
        if self.name == "humanoid":
            mass = self.env.unwrapped.model.body_mass
            return float(mass @ data.xipos[:, 0] / mass.sum())
        return float(data.xpos[1, 0])

    def correction(self, info, after):
        """Reward for the state after the step less that for its last stage; their distance."""
        if self.name == "inverted_double_pendulum":
            def penalty(data):
                x, _, y = data.site_xpos[0]
                return 0.01 * x**2 + (y - 2) ** 2
            gap = np.abs(self.data.site_xpos - after.site_xpos).max()
            return penalty(self.data) - penalty(after), gap
        if self.name in ("ant", "humanoid"):
            weight = 1.25 if self.name == "humanoid" else 1.0
            true = (self.progress(after) - self.progress(self.before)) / self.env.unwrapped.dt
            gap = abs(self.progress(self.data) - self.progress(after))
            return weight * (true - info["x_velocity"]), gap
        return 0.0, 0.0


def original_of(name):
    return Original(name) if name in ENVIRONMENTS else pets_originals.ENVIRONMENTS[name]()


def write(path, name, episodes, max_steps):
    original = original_of(name)
    max_steps = max_steps or original.longest_episode
    rng = np.random.default_rng(0)
    num_actions, nq, nv = original.num_actions, len(original.data.qpos), len(original.data.qvel)

    def line(episode, step, action, reward, terminated, observation):
        digits = repr if step == 0 else "{:.12g}".format
        numbers = [digits(float(x)) for x in [reward, *original.state()]]
        words = [f"{x:.9g}" for x in action] + numbers + [f"{x:.9g}" for x in observation]
        return ",".join([str(episode), str(step), str(int(terminated)), *words])

    columns = ["episode", "step", "terminated", *(f"action{i}" for i in range(num_actions)), "reward"]
    columns += [f"qpos{i}" for i in range(nq)] + [f"qvel{i}" for i in range(nv)]
    columns += [f"observation{i}" for i in range(original.observation_size)]
    lines = [f"# {original.id} of Gymnasium {gymnasium.__version__}, MuJoCo {mujoco.__version__}",
             ",".join(columns)]
    num_steps = 0
    for episode in range(episodes):
        observation = original.reset_to_step(episode)
        lines.append(line(episode, 0, np.zeros(num_actions), 0.0, False, observation))
        terminated, step = False, 0
        while not terminated and step < max_steps:
            step += 1
            # float32, as the engine passes them
            action = rng.uniform(-1, 1, num_actions).astype(np.float32).astype(np.float64)
            observation, reward, terminated = original.step(action)
            lines.append(line(episode, step, action, reward, terminated, observation))
        num_steps += step
    path.write_text("\n".join(lines) + "\n")
    print(f"{name}: {num_steps} steps; the last stage's place is off by "
          f"{original.largest_gap:.1e} m, the reward by {original.largest_correction:.1e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--episodes", type=int, default=5)
    parser.add_argument("--steps", type=int, help="longest episode, for all environments")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="of " + ", ".join([*ENVIRONMENTS, *pets_originals.ENVIRONMENTS]))
    arguments = parser.parse_intermixed_args()
    for environment in arguments.names or ENVIRONMENTS:
        path = arguments.folder / f"gymnasium_{environment}.csv"
        write(path, environment, arguments.episodes, arguments.steps)
