#!/usr/bin/env python3
"""Writes gymnasium_<environment>.csv: episodes of Gymnasium under random actions.

    python3 -m venv venv && venv/bin/pip install gymnasium[mujoco]==1.4.0 mujoco==3.3.7 packaging
    venv/bin/python tests/golden/make_gymnasium.py [--episodes N] [--steps N] [--folder DIR] [--compare DIR]

One line per control step; step 0 is the start of an episode, printed so that reading returns the same
doubles. Actions are normalised to [-1, 1]; qpos and qvel are the full state after the step.

The environments are version 5, or version 4 where 5 leaves out observations, with the models of version
4. Rewards are brought to version 2's definition:
  - the reward for being healthy is paid on the last step too, as before version 5;
  - where the reference measures progress on bodies (ant, humanoid) or a site (double pendulum), whose
    places Gymnasium takes from the last stage of the Runge-Kutta step, they are taken from the state
    after the step. The largest difference of the two is printed: it is what one step's reward gains
    or loses; it sums to nothing over an episode.

--compare DIR prints, for every entry of the observation, the largest difference between these tables and
the ones that the tests wrote into DIR (MBRL_GYMNASIUM_OUT=DIR test_envs --gtest_filter='*Gymnasium*').
"""
import argparse
import copy
import pathlib

import gymnasium
import mujoco
import numpy as np

# name -> (id, options, reward per step for being healthy, longest episode)
ENVIRONMENTS = {
    "ant": ("Ant-v5", {"include_cfrc_ext_in_observation": False}, 1.0, 20),
    "halfcheetah": ("HalfCheetah-v5", {}, 0.0, 20),
    "hopper": ("Hopper-v5", {}, 1.0, 1000),
    "humanoid": ("Humanoid-v5", {f"include_{x}_in_observation": False
                                 for x in ["cinert", "cvel", "qfrc_actuator", "cfrc_ext"]}, 5.0, 1000),
    "inverted_double_pendulum": ("InvertedDoublePendulum-v4", {}, 0.0, 1000),
    "inverted_pendulum": ("InvertedPendulum-v5", {}, 1.0, 1000),
    "swimmer": ("Swimmer-v5", {}, 0.0, 20),
    # version 5's own model gives both feet the friction of the left one
    "walker2d": ("Walker2d-v5", {"xml_file": "walker2d.xml"}, 1.0, 1000),
}


def settled(env):
    """Positions of bodies and sites at the present state, in a copy: the next step starts as it would."""
    data = copy.copy(env.unwrapped.data)
    mujoco.mj_kinematics(env.unwrapped.model, data)
    return data


def progress(name, env, data):
    """The coordinate that the reward measures, m."""
    if name == "humanoid":
        mass = env.unwrapped.model.body_mass
        return float(mass @ data.xipos[:, 0] / mass.sum())
    return float(data.xpos[1, 0])


def correction(name, env, info, before, after):
    """Reward for the state after the step less the reward for the last stage of it."""
    staged = env.unwrapped.data
    if name == "inverted_double_pendulum":
        def penalty(data):
            x, _, y = data.site_xpos[0]
            return 0.01 * x**2 + (y - 2) ** 2
        return penalty(staged) - penalty(after), np.abs(staged.site_xpos - after.site_xpos).max()
    if name in ("ant", "humanoid"):
        weight = 1.25 if name == "humanoid" else 1.0
        true = (progress(name, env, after) - progress(name, env, before)) / env.unwrapped.dt
        gap = abs(progress(name, env, staged) - progress(name, env, after))
        return weight * (true - info["x_velocity"]), gap
    return 0.0, 0.0


def write(path, name, episodes, max_steps):
    env_id, options, healthy_reward, longest_episode = ENVIRONMENTS[name]
    max_steps = max_steps or longest_episode
    env = gymnasium.make(env_id, **options)
    simulator = env.unwrapped.data
    high = env.unwrapped.model.actuator_ctrlrange[:, 1]  # the action space has it in float32
    rng = np.random.default_rng(0)
    num_actions, nq, nv = env.action_space.shape[0], len(simulator.qpos), len(simulator.qvel)

    def line(episode, step, action, reward, terminated, observation):
        digits = repr if step == 0 else "{:.12g}".format
        numbers = [digits(float(x)) for x in [reward, *simulator.qpos, *simulator.qvel]]
        words = [f"{x:.9g}" for x in action] + numbers + [f"{x:.9g}" for x in observation]
        return ",".join([str(episode), str(step), str(int(terminated)), *words])

    columns = ["episode", "step", "terminated", *(f"action{i}" for i in range(num_actions)), "reward"]
    columns += [f"qpos{i}" for i in range(nq)] + [f"qvel{i}" for i in range(nv)]
    columns += [f"observation{i}" for i in range(env.observation_space.shape[0])]
    lines = [f"# {env_id} of Gymnasium {gymnasium.__version__}, MuJoCo {mujoco.__version__}",
             ",".join(columns)]
    largest, largest_gap, num_steps = 0.0, 0.0, 0
    for episode in range(episodes):
        observation, _ = env.reset(seed=episode)
        lines.append(line(episode, 0, np.zeros(num_actions), 0.0, False, observation))
        terminated, step = False, 0
        before = settled(env)
        while not terminated and step < max_steps:
            step += 1
            # float32, as the engine passes them
            action = rng.uniform(-1, 1, num_actions).astype(np.float32).astype(np.float64)
            observation, reward, terminated, _, info = env.step(high * action)
            after = settled(env)
            change, gap = correction(name, env, info, before, after)
            largest, largest_gap = max(largest, abs(change)), max(largest_gap, gap)
            reward += change + (healthy_reward if terminated else 0.0)
            lines.append(line(episode, step, action, reward, terminated, observation))
            before = after
        num_steps += step
    path.write_text("\n".join(lines) + "\n")
    print(f"{name}: {num_steps} steps; the last stage's place is off by {largest_gap:.1e} m, "
          f"the reward by {largest:.1e}")


def compare(name, golden, found):
    """Prints the largest difference per entry of the observation, over all steps."""
    def observations(folder):
        table = np.genfromtxt(folder / f"gymnasium_{name}.csv", delimiter=",", names=True, skip_header=1)
        columns = [c for c in table.dtype.names if c.startswith("observation")]
        return np.stack([table[c] for c in columns], axis=1)[table["step"] > 0]
    a, b = observations(golden), observations(found)
    print(f"{name}: {len(a)} steps; " + " ".join(f"{x:.1e}" for x in np.abs(a - b).max(axis=0)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--episodes", type=int, default=5)
    parser.add_argument("--steps", type=int, help="longest episode, for all environments")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("--compare", type=pathlib.Path, metavar="DIR")
    arguments = parser.parse_args()
    for environment in ENVIRONMENTS:
        if arguments.compare is not None:
            compare(environment, arguments.folder, arguments.compare)
        else:
            path = arguments.folder / f"gymnasium_{environment}.csv"
            write(path, environment, arguments.episodes, arguments.steps)
