#!/usr/bin/env python3
"""Optuna searches and prunes trainings of mbrl_gpu.train, each a run of its own (pip install optuna).

    PYTHONPATH=python docs/optuna_train.py smoke 20 [key=value ...]
"""
import sys
import mbrl_gpu
import optuna

config, num_trials, *keys = sys.argv[1:]
fixed = dict(word.split("=", 1) for word in keys)


def objective(trial):
    chosen = {"sac.learning_rate": trial.suggest_float("sac.learning_rate", 1e-4, 3e-3, log=True),
              "sac.updates_per_step": trial.suggest_int("sac.updates_per_step", 1, 20, log=True),
              "rollout.batch_size": trial.suggest_categorical("rollout.batch_size", [250, 1000])}
    pruned = []

    def report(step, mean_return):  # False stops the run
        trial.report(mean_return, step)
        if trial.should_prune():
            pruned.append(step)
        return not pruned
    run = mbrl_gpu.train(config, runs="runs/optuna", threads=1, progress=report, **fixed, **chosen)
    if pruned:
        raise optuna.TrialPruned
    return run.arrays()["eval_return_mean"][-3:].mean()


study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0),
                            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1000))
study.optimize(objective, n_trials=int(num_trials), catch=mbrl_gpu.Failed)
print(study.best_trial.number, study.best_value, study.best_params)
