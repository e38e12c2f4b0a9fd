#!/usr/bin/env python3
"""Optuna's TPE goes on with a search of mbrl_gpu, in the study's own journal (pip install optuna).

    docs/optuna_search.py tune_smoke studies/with_optuna [key=value ...]
"""
import csv, glob, json, subprocess, sys
import optuna
from optuna.storages.journal import JournalFileBackend, JournalStorage

config, folder, *keys = sys.argv[1:]
num_random, num_tpe = 10, 10


def mbrl_gpu(*words):
    return subprocess.run(["mbrl_gpu", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def train(number, values):  # a run on seed 0; the mean of its last three evaluations
    words = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items()]
    runs = f"{folder}/outside/{number:04}"
    mbrl_gpu("run", config, *[key for key in keys if not key.startswith("tune.")], *words, "seed=0", "--runs", runs)
    with open(glob.glob(f"{runs}/*/*/seed-0/metrics.csv")[0]) as file:
        last = [float(row["eval_return_mean"]) for row in csv.DictReader(file)][-3:]
    return sum(last) / len(last)


tune = ("tune", config, *keys, "--study", folder)
for _ in range(num_random):  # the program draws the first ones
    asked = json.loads(mbrl_gpu(*tune, "--ask"))
    if asked["trial"] is not None:
        mbrl_gpu(*tune, "--tell", str(asked["trial"]), str(train(asked["trial"], asked["values"])))
storage = JournalStorage(JournalFileBackend(f"{folder}/journal.log"))
study = optuna.load_study(study_name=None, storage=storage, sampler=optuna.samplers.TPESampler(seed=0))
for _ in range(num_tpe):  # and Optuna those after them, from what all have earned
    trial = study.ask(study.trials[0].distributions)
    study.tell(trial, train(trial.number, trial.params))
print(study.best_trial.number, study.best_value, study.best_params)
