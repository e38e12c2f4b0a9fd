#!/usr/bin/env python3
"""Ray Tune's ASHA searches with mbrl_gpu.train and stops what is behind (pip install "ray[tune]" numpy).

    PYTHONPATH=python docs/ray_search.py smoke 8 [key=value ...]
"""
import os
import sys
import mbrl_gpu
from ray import tune
from ray.tune.schedulers import ASHAScheduler

config, num_trials, *keys = sys.argv[1:]
fixed = dict(word.split("=", 1) for word in keys)
runs = os.path.abspath("runs/ray")


def train(values):
    def report(step, mean_return):  # Ray ends this process where the trial is behind, and the run with it
        tune.report({"env_steps": step, "mean_return": mean_return})
    mbrl_gpu.train(config, runs=runs, threads=1, progress=report, **fixed, **values)


if __name__ == "__main__":
    space = {"sac.learning_rate": tune.loguniform(1e-4, 3e-3), "sac.updates_per_step": tune.choice([1, 5, 20])}
    scheduler = ASHAScheduler(time_attr="env_steps", metric="mean_return", mode="max", max_t=10 ** 8, grace_period=1000)
    tuner = tune.Tuner(tune.with_resources(train, {"cpu": 1}), param_space=space,
                       tune_config=tune.TuneConfig(num_samples=int(num_trials), scheduler=scheduler))
    best = tuner.fit().get_best_result("mean_return", "max")
    print(best.metrics["mean_return"], best.config)
