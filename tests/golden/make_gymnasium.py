#!/usr/bin/env python3
"""Writes gymnasium_<environment>.csv: episodes of Gymnasium under random actions.

    python3 -m venv venv && venv/bin/pip install gymnasium==1.4.0 mujoco==3.3.7
    venv/bin/python tests/golden/make_gymnasium.py [--episodes N] [--folder DIR]

One line per control step; step 0 is the start of an episode. Actions are normalised to [-1, 1]; qpos
and qvel are the full state after the step, printed so that reading returns the same double. The
environments are version 5, whose models are those of version 4; rewards are brought to version 4, which
pays the reward for being healthy on the last step too.
"""
import argparse
import pathlib

import gymnasium
import mujoco
import numpy as np

HEALTHY_REWARD = 1.0  # of both environments, per step


def write(path, env_id, episodes):
    env = gymnasium.make(env_id)
    simulator = env.unwrapped.data
    high = env.action_space.high.astype(np.float64)
    rng = np.random.default_rng(0)
    num_actions, nq, nv = env.action_space.shape[0], len(simulator.qpos), len(simulator.qvel)

    def line(episode, step, action, reward, terminated):
        numbers = [*action, reward, *simulator.qpos, *simulator.qvel]
        words = [repr(float(x)) for x in numbers]
        return ",".join([str(episode), str(step), str(int(terminated)), *words])

    columns = ["episode", "step", "terminated", *(f"action{i}" for i in range(num_actions)), "reward"]
    columns += [f"qpos{i}" for i in range(nq)] + [f"qvel{i}" for i in range(nv)]
    lines = [f"# {env_id} of Gymnasium {gymnasium.__version__}, MuJoCo {mujoco.__version__}",
             ",".join(columns)]
    for episode in range(episodes):
        env.reset(seed=episode)
        lines.append(line(episode, 0, np.zeros(num_actions), 0.0, False))
        terminated, step = False, 0
        while not terminated:
            step += 1
            # float32, as the engine passes them
            action = rng.uniform(-1, 1, num_actions).astype(np.float32).astype(np.float64)
            _, reward, terminated, _, _ = env.step(high * action)
            reward += HEALTHY_REWARD if terminated else 0.0
            lines.append(line(episode, step, action, reward, terminated))
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--episodes", type=int, default=5)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    arguments = parser.parse_args()
    for name, env_id in [("hopper", "Hopper-v5"), ("inverted_pendulum", "InvertedPendulum-v5")]:
        write(arguments.folder / f"gymnasium_{name}.csv", env_id, arguments.episodes)
