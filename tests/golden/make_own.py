#!/usr/bin/env python3
"""Writes own_<environment>.csv: episodes of this program under random actions.

    tests/golden/make_own.py PROGRAM

For environments whose original cannot be had: Reacher3d's package cannot be installed any more, and
Daisy's simulator was never released. The files show changes; that Reacher3d is right rests on the table
in tests/envs/pets_env_test.cpp, its masses and the closed form of its hand, all of others. Exact masses,
the format of make_gymnasium.py. The first line says with which MuJoCo: that of PROGRAM. From 3.5 on Daisy
has a table of its own, since the implicit integrator then no longer counts the damping of motors at their limit.
"""
import pathlib
import random
import re
import struct
import subprocess
import sys

# name -> (actions, positions and velocities, observation, steps of an episode)
ENVIRONMENTS = {"daisy": (18, 49, 24, 5), "reacher3d": (7, 20, 17, 20)}
EPISODES = 5


def float32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def trace(program, name, script):
    masses = [] if name == "daisy" else ["env.capsule_masses=exact"]
    out = subprocess.run([program, "envs", "trace", name, "seed=1", *masses, "--state"],
                         input="\n".join(script) + "\n", capture_output=True, text=True, check=True)
    return [line.split(",") for line in out.stdout.splitlines()]


def mujoco_of(program):
    doctor = subprocess.run([program, "doctor"], capture_output=True, text=True, check=True).stdout
    return re.search(r"^MuJoCo +(\S+)", doctor, re.MULTILINE)[1]


def write(program, name):
    num_actions, state_size, size, num_steps = ENVIRONMENTS[name]
    first_state = 5 + size
    starts = trace(program, name, [f"reset {i}" for i in range(EPISODES)])[1:]
    random.seed(1)
    actions = [[[float32(random.uniform(-1, 1)) for _ in range(num_actions)]
                for _ in range(num_steps)] for _ in range(EPISODES)]
    script = []
    for start, episode in zip(starts, actions):
        # without the solver's warm start, as the test begins
        script.append("start," + ",".join(start[first_state:first_state + state_size]))
        script += [",".join(repr(x) for x in action) for action in episode]
    rows = iter(trace(program, name, script)[1:])

    num_positions = 25 if name == "daisy" else 10
    columns = ["episode", "step", "terminated", *(f"action{i}" for i in range(num_actions)), "reward"]
    columns += [f"qpos{i}" for i in range(num_positions)]
    columns += [f"qvel{i}" for i in range(state_size - num_positions)]
    columns += [f"observation{i}" for i in range(size)]
    mujoco = mujoco_of(program)
    lines = [f"# {name} of this program, MuJoCo {mujoco}: a record, not an oracle", ",".join(columns)]
    for i, (start, episode) in enumerate(zip(starts, actions)):
        lines.append(",".join([str(i), "0", "0", *["0"] * num_actions, "0.0",
                               *start[first_state:first_state + state_size], *start[5:first_state]]))
        for step, action in enumerate(episode):
            row = next(rows)
            state = [f"{float(x):.12g}" for x in row[first_state:first_state + state_size]]
            lines.append(",".join([str(i), str(step + 1), row[3], *(f"{x:.9g}" for x in action),
                                   row[2], *state, *row[5:first_state]]))
    is_later = name == "daisy" and [int(part) for part in mujoco.split(".")] >= [3, 5]
    suffix = "_since_3.5" if is_later else ""
    path = pathlib.Path(__file__).parent / f"own_{name}{suffix}.csv"
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_own.py PROGRAM")
    for environment in ENVIRONMENTS:
        write(sys.argv[1], environment)
