#!/usr/bin/env python3
"""Writes pybullet_<environment>.csv: episodes of pybullet_envs under random actions.

    python3 -m venv venv && venv/bin/pip install pybullet==3.2.7 numpy==2.4.6 setuptools==65.5.0
    venv/bin/python tests/golden/make_pybullet.py [--episodes N] [--steps N] [--past-ends] [--folder DIR]

One line per control step; step 0 is the start of an episode. Actions are in [-1, 1]; q and v are the
positions and speeds of root x, z, angle and of the joints after the step, o is the observation; numbers
are printed so that reading returns the same value. Rewards and ends are AutoMBPO's (hanglai/autombpo:
env/gym_locomotion_envs.py): 5 times entry 3 of the observation - 0.001 |a|^2, and for the walkers 1, on
the last step -1.

Every episode runs in a new simulation: within one, the originals carry contact points from the end of an
episode into the next.
"""
import argparse
import importlib.metadata
import pathlib
import sys
import types

import numpy as np


def stand_in_for_gym():
    """The environments ask for an old gym, of which they use a base class and a random generator."""
    gym, spaces, utils, seeding, envs, registration = (
        types.ModuleType(name) for name in ("gym", "gym.spaces", "gym.utils", "gym.utils.seeding",
                                            "gym.envs", "gym.envs.registration"))
    gym.Env, gym.__version__ = object, "0.12.0"
    spaces.Box = lambda low, high, dtype: None
    seeding.np_random = lambda seed: (np.random.default_rng(seed), seed)
    registration.registry = types.SimpleNamespace(env_specs={})
    registration.register = registration.make = registration.spec = lambda *a, **k: None
    gym.spaces, gym.utils, gym.envs = spaces, utils, envs
    gym.make = registration.make
    utils.seeding, envs.registration = seeding, registration
    for module in (gym, spaces, utils, seeding, envs, registration):
        sys.modules[module.__name__] = module


# name -> (class of pybullet_envs.gym_locomotion_envs, whether a fall ends the episode)
ENVIRONMENTS = {
    "hopper_bullet": ("HopperBulletEnv", True),
    "walker2d_bullet": ("Walker2DBulletEnv", True),
    "halfcheetah_bullet": ("HalfCheetahBulletEnv", False),
}


def version():
    return importlib.metadata.version("pybullet")


class Original:
    """One environment of pybullet_envs with the rewards of AutoMBPO, a new simulation per episode."""

    def __init__(self, name):
        if "gym" not in sys.modules:
            stand_in_for_gym()
        from pybullet_envs import gym_locomotion_envs as originals

        class_name, self.has_end = ENVIRONMENTS[name]
        self.make_env, self.env = getattr(originals, class_name), None
        self.num_actions = 0  # known after the first reset

    def reset(self, seed):
        if self.env is not None:
            self.env.close()
        self.env = self.make_env()
        self.env.seed(seed)
        observation = self.env.reset()
        self.num_actions = len(self.env.robot.ordered_joints)
        return observation

    def state(self):
        """Positions, then speeds of all joints, the root's three first."""
        env = self.env
        body = env.robot.robot_body.bodies[0]
        joints = range(env._p.getNumJoints(body))
        moving = [j for j in joints if env._p.getJointInfo(body, j)[2] in (0, 1)]
        states = [env._p.getJointState(body, j)[:2] for j in moving]
        return [q for q, _ in states] + [v for _, v in states]

    def step(self, action):
        """Observation, reward, terminated."""
        observation, _, terminated, _ = self.env.step(action)
        terminated = bool(terminated) and self.has_end
        alive = (-1.0 if terminated else 1.0) if self.has_end else 0.0
        reward = alive + 5.0 * float(observation[3]) - 1e-3 * float(np.sum(action**2))
        return observation, reward, terminated


def write(path, name, episodes, steps, past_ends):
    original = Original(name)

    def line(episode, step, action, reward, terminated, observation):
        numbers = [repr(float(x)) for x in [*action, reward, *original.state()]]
        return ",".join([str(episode), str(step), str(int(terminated)), *numbers,
                         *(repr(float(np.float32(x))) for x in observation)])

    rng = np.random.default_rng(0)
    lines = []
    for episode in range(episodes):
        observation = original.reset(episode)
        num_actions = original.num_actions
        if not lines:
            columns = ["episode", "step", "terminated", *(f"action{i}" for i in range(num_actions))]
            columns += ["reward", *(f"q{i}" for i in range(num_actions + 3))]
            columns += [f"v{i}" for i in range(num_actions + 3)]
            columns += [f"o{i}" for i in range(len(observation))]
            lines += [f"# {ENVIRONMENTS[name][0]} of pybullet_envs, pybullet {version()}, "
                      "rewards of AutoMBPO", ",".join(columns)]
        lines.append(line(episode, 0, np.zeros(num_actions), 0.0, False, observation))
        for step in range(1, steps + 1):
            # float32, as the engine passes them
            action = rng.uniform(-1, 1, num_actions).astype(np.float32).astype(np.float64)
            observation, reward, terminated = original.step(action)
            lines.append(line(episode, step, action, reward, terminated, observation))
            if terminated and not past_ends:
                break
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--episodes", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40, help="longest episode")
    parser.add_argument("--past-ends", action="store_true", help="go on after a fall")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    arguments = parser.parse_args()
    for environment in ENVIRONMENTS:
        write(arguments.folder / f"pybullet_{environment}.csv", environment, arguments.episodes,
              arguments.steps, arguments.past_ends)
