#!/usr/bin/env python3
"""Writes statistics_values.csv: what scipy and rliable say of example scores and of curves in results/.

    python3 -m venv VENV && VENV/bin/pip install scipy rliable "pandas<3" && VENV/bin/python make_statistics.py

statistics_scores.csv holds the examples: scores of three arms on three tasks, five runs each, normalized;
one arm has ties with another. tests/host/stats/scores_test.cpp and tests/host/cli/compare_test.cpp
compare. Intervals are of 20,000 bootstrap samples, those of profiles and of improvement of 5,000; all
other values are exact.
"""
import csv
import glob
import importlib.metadata
import os

import numpy as np
import scipy.stats
from rliable import library, metrics

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "..", "..", "results", "autombpo_inverted_pendulum")
TAUS = [-0.1, 0.0, 0.25, 0.4, 0.5, 0.75, 1.0, 1.3]
NUM_RESAMPLES = 20000


def read_scores():
    """Scores of each arm, [runs, tasks]."""
    arms = {}
    with open(os.path.join(HERE, "statistics_scores.csv")) as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            arms.setdefault(row["arm"], {}).setdefault(row["task"], []).append(float(row["score"]))
    return {arm: np.array(list(tasks.values())).T for arm, tasks in arms.items()}


def curves(folder):
    found = []
    for path in sorted(glob.glob(os.path.join(RESULTS, folder, "seed-*.csv"))):
        with open(path) as file:
            rows = [r for r in csv.DictReader(line for line in file if not line.startswith("#"))]
        found.append((np.array([float(r["env_steps"]) for r in rows]),
                      np.array([float(r["eval_return_mean"]) for r in rows])))
    return found


def area(curve, low, high):
    """The mean of the line between points over [low, high]."""
    x, y = curve
    inside = (x > low) & (x < high)
    xs = np.concatenate([[low], x[inside], [high]])
    return np.trapezoid(np.interp(xs, x, y), xs) / (high - low)


def holm(p):
    """scipy has none: R's p.adjust(p, "holm"), written out."""
    p = np.asarray(p)
    order = np.argsort(p, kind="stable")
    adjusted = np.minimum(1, np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]))
    result = np.empty(len(p))
    result[order] = adjusted
    return result


def main():
    values = []

    def add(name, value):
        values.append((name, repr(float(value))))

    scores = read_scores()
    names = list(scores)
    for arm, matrix in scores.items():
        add(f"{arm}/mean", metrics.aggregate_mean(matrix))
        add(f"{arm}/median", metrics.aggregate_median(matrix))
        add(f"{arm}/iqm", metrics.aggregate_iqm(matrix))
        statistics = lambda m: np.array([metrics.aggregate_mean(m), metrics.aggregate_median(m),
                                         metrics.aggregate_iqm(m)])
        _, bounds = library.get_interval_estimates({arm: matrix}, statistics, reps=NUM_RESAMPLES,
                                                   random_state=np.random.RandomState(1))
        for i, name in enumerate(["mean", "median", "iqm"]):
            add(f"{arm}/{name}/low", bounds[arm][0][i])
            add(f"{arm}/{name}/high", bounds[arm][1][i])
        profile, bands = library.create_performance_profile(
            {arm: matrix}, np.array(TAUS), reps=5000)
        for i, tau in enumerate(TAUS):
            add(f"{arm}/profile/{i}", profile[arm][i])
            add(f"{arm}/profile/{i}/low", bands[arm][0][i])
            add(f"{arm}/profile/{i}/high", bands[arm][1][i])
    for other in names[1:]:
        pair = (scores[other], scores[names[0]])
        add(f"{other}/improvement", metrics.probability_of_improvement(*pair))
        _, bounds = library.get_interval_estimates(
            {"pair": pair}, metrics.probability_of_improvement, reps=5000,
            random_state=np.random.RandomState(1))
        add(f"{other}/improvement/low", bounds["pair"].ravel()[0])
        add(f"{other}/improvement/high", bounds["pair"].ravel()[1])
    p = []
    for other in names[1:]:
        for task in range(scores[other].shape[1]):
            test = scipy.stats.ttest_ind(scores[other][:, task], scores[names[0]][:, task],
                                         equal_var=False)
            add(f"{other}/welch/{task}", test.pvalue)
            p.append(test.pvalue)
    for i, adjusted in enumerate(holm(p)):
        add(f"holm/{i}", adjusted)

    # the curves of results/, up to step 2300
    arms = {name: curves(name) for name in ["autombpo", "mbpo"]}
    low = max(x[0] for arm in arms.values() for x, _ in arm)
    high = min([2300] + [x[-1] for arm in arms.values() for x, _ in arm])
    add("curves/low", low)
    add("curves/high", high)
    for by, first in [("auc", low), ("final", high - 0.1 * (high - low))]:
        numbers = {name: np.array([area(c, first, high) for c in arm]) for name, arm in arms.items()}
        for name, sample in numbers.items():
            add(f"curves/{by}/{name}/mean", sample.mean())
            add(f"curves/{by}/{name}/median", np.median(sample))
            add(f"curves/{by}/{name}/sd", sample.std(ddof=1))
            add(f"curves/{by}/{name}/iqm", scipy.stats.trim_mean(sample, 0.25))
            for statistic, function in [("mean", np.mean), ("median", np.median),
                                        ("iqm", lambda s, axis: scipy.stats.trim_mean(s, 0.25, axis))]:
                found = scipy.stats.bootstrap((sample,), function, n_resamples=NUM_RESAMPLES,
                                              method="percentile", axis=0, batch=5000,
                                              rng=np.random.default_rng(1)).confidence_interval
                add(f"curves/{by}/{name}/{statistic}/low", found.low)
                add(f"curves/{by}/{name}/{statistic}/high", found.high)
        a, b = numbers["autombpo"], numbers["mbpo"]
        test = scipy.stats.ttest_ind(a, b, equal_var=False)
        add(f"curves/{by}/t", test.statistic)
        add(f"curves/{by}/df", test.df)
        add(f"curves/{by}/p", test.pvalue)
        bounds = test.confidence_interval()
        add(f"curves/{by}/difference/low", bounds.low)
        add(f"curves/{by}/difference/high", bounds.high)
        add(f"curves/{by}/improvement",
            metrics.probability_of_improvement(a[:, None], b[:, None]))

    with open(os.path.join(HERE, "statistics_values.csv"), "w") as file:
        version = importlib.metadata.version
        file.write(f"# scipy {version('scipy')}, rliable {version('rliable')}, by make_statistics.py\n")
        file.write("name,value\n")
        file.writelines(f"{name},{value}\n" for name, value in values)


main()
