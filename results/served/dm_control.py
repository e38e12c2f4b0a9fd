#!/usr/bin/env python3
"""Trains on a task of dm_control that this Python serves: dm_control.py SEED...

Needs mbrl_gpu, gymnasium, shimmy and dm_control; where there is no screen, MUJOCO_GL=disable.
"""
import sys

import mbrl_gpu


def swingup(**arguments):
    import gymnasium
    import shimmy  # noqa: F401  registers dm_control's tasks
    return gymnasium.make("dm_control/cartpole-swingup-v0", **arguments)


if __name__ == "__main__":
    for seed in map(int, sys.argv[1:]):
        mbrl_gpu.train("smoke", env=swingup, name="dm_cartpole_swingup", seed=seed, threads=1,
                       loop={"num_env_steps": 15000, "num_exploration_steps": 1000, "epoch_length": 500,
                             "replay_capacity": 20000, "model_train_interval": 500},
                       rollout={"batch_size": 2000, "schedule": [1, 10, 1, 3]},
                       eval={"interval": 1000, "num_episodes": 5})
