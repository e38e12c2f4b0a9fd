#!/usr/bin/env python3
"""Steps the environments of Gymnasium and pybullet_envs beside ours; tools/compare_envs calls it.

    compare.py PROGRAM [--episodes N] [--resets N] [--scale X] [NAME ...]

Ours are those of PROGRAM (`mbrl_gpu envs trace`), on MuJoCo with env.capsule_masses=exact, as
Gymnasium weighs today. For every environment it prints

  steps    the largest differences over episodes under the same random actions from the original's
           start states, both running freely to the original's end: of the observation and of the
           state, each with its worst entry, of the reward, and whether the same steps ended;
           TOLERANCE and TOLERANCES_ACROSS_3_3 say how large they may be
  resets   Kolmogorov and Smirnov's test of two samples for every position and velocity after a
           reset; the smallest p times the number of entries
  policy   mean length and return of episodes under uniform random actions, with standard errors

Exit code 1 if a difference of steps is larger than that, if an episode ended elsewhere, if that p is
below 0.001, or if two means differ by more than 4.5 standard errors; else 0. What did not hold is
marked DIFFERS.
"""
import argparse
import math
import os
import re
import subprocess
import sys

import gymnasium
import make_gymnasium
import make_pybullet
import mujoco
import numpy as np
import pets_originals
from scipy import stats

# how many episodes of uniform random actions; those that seldom or never end are long
RANDOM_EPISODES = {"ant": 60, "halfcheetah": 40, "halfcheetah18": 40, "halfcheetah_bullet": 40,
                   "hopper12": 40, "swimmer": 40}

# the time limit of an episode, where it is not 1000 steps
TIME_LIMITS = {"cartpole_swingup": 200, "pusher": 150, "reacher": 50}

# positions 3 to 6 are a quaternion, which the newer MuJoCo leaves as it was drawn
FREE_ROOTS = ("ant", "humanoid")

# Largest differences that steps may show, of the observation in float32, of the state and of the
# reward: rounding of float64 that contacts magnify, and of rewards of 10 to float32. tests/golden/
# README.md holds what was found.
TOLERANCE = (0.0, 1e-9, 1e-6)

# the same where one MuJoCo is of release 3.3 or later and the other is older
TOLERANCES_ACROSS_3_3 = {
    # 3.3 rounds differently, and contacts make 1.3e-9 of it within 20 steps; one observation then falls
    # to the next float32, which for the rates of 1 to 2 rad/s is 1.2e-7 away
    "halfcheetah": (1.2e-7, 5e-9, 1e-6),
    "halfcheetah18": (1.2e-7, 5e-8, 1e-6),
    # 3.3 changed where the stages of a Runge-Kutta step start the solver from, which here stops before
    # it has converged: 5e-5 in rates of joints (rad/s), 6e-5 in the reward
    "humanoid": (1e-4, 1e-4, 1e-4),
}


class Ours:
    """One of our environments at the other end of a pipe."""

    def __init__(self, program, name, observation_size):
        masses = [] if name in make_pybullet.ENVIRONMENTS else ["env.capsule_masses=exact"]
        self.process = subprocess.Popen(
            [program, "envs", "trace", name, "seed=1", *masses, "--state"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        columns = self.process.stdout.readline().strip().split(",")
        self.first = columns.index("o0")
        self.state_at = columns.index("s0")
        if self.state_at - self.first != observation_size:
            raise SystemExit(f"{name}: our observation has {self.state_at - self.first} entries, "
                             f"the original's {observation_size}.")

    def send(self, words):
        self.process.stdin.write(",".join(words) + "\n")

    def read(self):
        """Observation, state, reward, terminated."""
        row = [float(x) for x in self.process.stdout.readline().split(",")]
        if row[4]:
            raise SystemExit("Our simulator became unstable.")
        observation = np.array(row[self.first:self.state_at], np.float32)
        return observation, np.array(row[self.state_at:]), row[2], row[3] != 0.0

    def reset(self, episode):
        self.send(["reset", str(episode)])
        return self.read()

    def start(self, state):
        self.send(["start", *(repr(float(x)) for x in state)])

    def step(self, action):
        self.send([repr(float(x)) for x in action])
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def our_mujoco(program):
    """The release of MuJoCo that PROGRAM is linked with."""
    listed = subprocess.run([program, "envs"], capture_output=True, text=True, check=True).stdout
    return re.search(r"MuJoCo ([0-9.]+)", listed).group(1)


def tolerance(program, name):
    """Of observation, state and reward."""
    if name in TOLERANCES_ACROSS_3_3:
        new = [[int(x) for x in version.split(".")[:2]] >= [3, 3]
               for version in (our_mujoco(program), mujoco.__version__)]
        if new[0] != new[1]:
            return TOLERANCES_ACROSS_3_3[name]
    return TOLERANCE


def quiet():
    """Keeps standard output for this script: pybullet prints a line for every simulation."""
    gymnasium.logger.min_level = gymnasium.logger.ERROR
    sys.stdout = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class Largest:
    """The largest difference of each entry."""

    def __init__(self):
        self.entries = 0.0

    def add(self, a, b):
        self.entries = np.maximum(self.entries, np.abs(np.atleast_1d(a) - np.atleast_1d(b)))

    def within(self, largest):
        # a difference of nan is within nothing
        return bool(np.all(self.entries <= largest))

    def text(self, letter, largest):
        where = f" ({letter}{self.entries.argmax()})" if len(self.entries) > 1 else ""
        return (f"{self.entries.max():.1e}{where}"
                + ("" if self.within(largest) else f" DIFFERS, beyond {largest:g}"))


def random_action(rng, size):
    # float32, as the engine passes them
    return rng.uniform(-1, 1, size).astype(np.float32).astype(np.float64)


def compare_steps(original, ours, episodes, max_steps, largest):
    rng = np.random.default_rng(0)
    observations, states, rewards = Largest(), Largest(), Largest()
    steps = elsewhere = 0
    for episode in range(episodes):
        getattr(original, "reset_to_step", original.reset)(episode)
        ours.start(original.state())
        terminated, step = False, 0
        while not terminated and step < max_steps:
            step += 1
            action = random_action(rng, original.num_actions)
            observation, reward, terminated = original.step(action)
            state = np.asarray(original.state())
            found, found_state, found_reward, found_terminated = ours.step(action)
            observations.add(np.asarray(observation, np.float32), found)
            states.add(state, found_state[:len(state)])
            rewards.add(reward, found_reward)
            elsewhere += terminated != found_terminated
        steps += step
    differences = dict(zip(("observation", "state", "reward"), (observations, states, rewards)))
    print(f"  steps   {steps} in {episodes} episodes: "
          + ", ".join(f"{what} {found.text(what[0], most)}"
                      for (what, found), most in zip(differences.items(), largest))
          + ", terminated "
          + ("at the same steps" if elsewhere == 0 else f"DIFFERS at {elsewhere} steps"))
    if getattr(original, "largest_correction", 0.0) > 0.0:
        print("          their rewards follow the state after the step here, where the original reads "
              f"the integrator's last stage: up to {original.largest_correction:.1e} of a step's")
    if observations.entries.any():
        print("          by entry " + " ".join(f"{x:.0e}" for x in observations.entries))
    return elsewhere == 0 and all(found.within(most)
                                  for found, most in zip(differences.values(), largest))


def compare_resets(name, original, ours, count):
    theirs, found = [], []
    for episode in range(count):
        original.reset(episode)
        theirs.append(original.state())
        found.append(ours.reset(episode)[1][:len(theirs[-1])])
    theirs, found = np.array(theirs), np.array(found)
    if name in FREE_ROOTS:
        lengths = np.linalg.norm(theirs[:, 3:7], axis=1)
        theirs[:, 3:7] /= lengths[:, None]
        if abs(lengths - 1).max() > 1e-9:
            print("  resets  their quaternions are off length 1 by up to "
                  f"{abs(lengths - 1).max():.2g}; compared at length 1")
    # entries that no reset moves are equal or they are not
    constant = (np.ptp(theirs, axis=0) == 0) & (np.ptp(found, axis=0) == 0)
    unequal = [i for i in np.flatnonzero(constant) if abs(theirs[0, i] - found[0, i]) > 1e-12]
    moved = np.flatnonzero(~constant)
    p = np.array([stats.ks_2samp(theirs[:, i], found[:, i]).pvalue for i in moved])
    adjusted = min(1.0, p.min() * len(p))
    same = adjusted >= 1e-3 and not unequal
    print(f"  resets  {count} each, {len(moved)} entries move: smallest p x {len(moved)} is "
          f"{adjusted:.2g} (s{moved[p.argmin()]})" + ("" if same else " DIFFERS")
          + "".join(f", s{i} is {found[0, i]:g} for {theirs[0, i]:g} DIFFERS" for i in unequal))
    return same


def mean_and_error(values):
    return np.mean(values), np.std(values, ddof=1) / math.sqrt(len(values))


def compare_policy(original, ours, episodes, time_limit):
    def walk(reset, step, rng):
        lengths, returns = [], []
        for episode in range(episodes):
            reset(100000 + episode)
            terminated, length, total = False, 0, 0.0
            while not terminated and length < time_limit:
                reward, terminated = step(random_action(rng, original.num_actions))
                length += 1
                total += reward
            lengths.append(length)
            returns.append(total)
        return lengths, returns

    theirs = walk(original.reset, lambda a: original.step(a)[1:], np.random.default_rng(1))
    found = walk(ours.reset, lambda a: ours.step(a)[2:], np.random.default_rng(2))
    same, texts = True, []
    for what, a, b in zip(("length", "return"), theirs, found):
        (mean, error), (our_mean, our_error) = mean_and_error(a), mean_and_error(b)
        equal = abs(mean - our_mean) <= 4.5 * math.hypot(error, our_error)
        same = same and equal
        texts.append(f"{what} {our_mean:.2f} +- {our_error:.2f}, theirs {mean:.2f} +- {error:.2f}"
                     + ("" if equal else " DIFFERS"))
    print(f"  policy  {episodes} episodes each: " + "; ".join(texts))
    return same


def compare(program, name, arguments):
    if name == "pusher" and int(mujoco.__version__.split(".")[0]) >= 3:
        print("pusher: left out, because its model is as it was only with a MuJoCo before 3")
        return True
    if name not in make_pybullet.ENVIRONMENTS:
        original = make_gymnasium.original_of(name)
        max_steps = original.longest_episode
        version, library = gymnasium.__version__, mujoco.__version__
        print(f"{name}: {original.id} of Gymnasium {version}, MuJoCo {library}")
    else:
        original = make_pybullet.Original(name)
        max_steps = 300
        class_name, version = make_pybullet.ENVIRONMENTS[name][0], make_pybullet.version()
        print(f"{name}: {class_name} of pybullet_envs, pybullet {version}")
    ours = Ours(program, name, len(original.reset(0)))
    random_episodes = max(2, round(arguments.scale * RANDOM_EPISODES.get(name, 300)))
    same = [compare_steps(original, ours, arguments.episodes, max_steps,
                          tolerance(program, name)),
            compare_resets(name, original, ours, arguments.resets),
            compare_policy(original, ours, random_episodes, TIME_LIMITS.get(name, 1000))]
    ours.close()
    return all(same)


if __name__ == "__main__":
    known = [*make_gymnasium.ENVIRONMENTS, *pets_originals.ENVIRONMENTS,
             *make_pybullet.ENVIRONMENTS]
    parser = argparse.ArgumentParser(description="Compares our environments with the originals.")
    parser.add_argument("program")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; else all")
    parser.add_argument("--episodes", type=int, default=60,
                        help="under the same actions (%(default)s)")
    parser.add_argument("--resets", type=int, default=300, help="of each (%(default)s)")
    parser.add_argument("--scale", type=float, default=1.0,
                        help="factor on the episodes of the random policy")
    arguments = parser.parse_intermixed_args()
    for name in arguments.names:
        if name not in known:
            parser.error(f"there is no original of {name}; there are {', '.join(known)}")
    quiet()
    results = [compare(arguments.program, name, arguments) for name in arguments.names or known]
    sys.exit(0 if all(results) else 1)
