#!/usr/bin/env python3
"""Tests for tools/evidence: evidence_test.py PROGRAM. Kills it amid its work and compares what it collects with
runs that nobody disturbed."""
import csv
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.abspath(sys.argv[1])
SMALL = ["model.hidden_size=16", "sac.hidden_sizes=[16,16]", "rollout.batch_size=500"]
FEWEST_STEPS = 1000
SECONDS = 2  # what a run takes at least, so that a kill finds it at work


def check(holds, text):
    if not holds:
        sys.exit(f"evidence_test: {text}")


def wait_for(holds, text, seconds=240):
    end = time.time() + seconds
    while not holds():
        check(time.time() < end, f"{text} did not happen within {seconds} s")
        time.sleep(0.3)


def table(path):
    """Rows without their wall times, and the line above the header."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    head = [line for line in lines if line.startswith("#")]
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return [{k: v for k, v in row.items() if "seconds" not in k and "wall" not in k} for row in rows], head


def edit(path, pattern, replacement):
    with open(path, encoding="utf-8") as file:
        text, count = re.subn(pattern, replacement, file.read())
    check(count == 1, f"{path} has {count} places that say {pattern}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Tree:
    """A copy of what the tool needs of a source tree, with a list of its own."""

    def __init__(self, folder, steps):
        self.path, self.work = os.path.join(folder, "tree"), os.path.join(folder, "work")
        os.makedirs(os.path.join(self.path, "tools"))
        shutil.copy(os.path.join(ROOT, "tools", "evidence"), os.path.join(self.path, "tools"))
        shutil.copytree(os.path.join(ROOT, "configs"), os.path.join(self.path, "configs"))
        self.want(steps)

    def want(self, steps):
        os.makedirs(os.path.join(self.path, "results"), exist_ok=True)
        with open(os.path.join(self.path, "results", "wanted.json"), "w", encoding="utf-8") as file:
            json.dump([{"folder": "pendulum", "config": "smoke", "seeds": [0, 1], "steps": steps, "overrides": SMALL},
                       {"folder": "controllers", "config": "autombpo_smoke", "seeds": [0], "overrides": SMALL + [
                           "autombpo.num_episodes=2", "autombpo.episodes_per_stage=1", "autombpo.train_epochs=2",
                           "autombpo.eval_epochs=2", "autombpo.num_seeds=2"]}], file)

    def tool(self, *arguments):
        return subprocess.run([os.path.join(self.path, "tools", "evidence"), *arguments, "--work", self.work],
                              capture_output=True, text=True, check=True).stdout

    def start(self):
        return self.tool("start", "--nice", "0", "--program", PROGRAM)

    def worker(self):
        try:
            with open(os.path.join(self.work, "lock"), encoding="utf-8") as file:
                return int(file.read() or "0")
        except FileNotFoundError:
            return 0

    def result(self, name):
        return os.path.join(self.path, "results", name)


def run_alone(folder):
    """A run of seed 0 that nobody disturbs: as many steps as take a while here, their seconds, its table."""
    steps = FEWEST_STEPS
    while True:
        alone, begin = os.path.join(folder, f"alone-{steps}"), time.time()
        subprocess.run([PROGRAM, "run", "smoke", f"loop.num_env_steps={steps}", "--runs", alone, *SMALL],
                       capture_output=True, check=True)
        seconds = time.time() - begin
        if seconds >= SECONDS:
            break
        steps *= 2
    tables = [os.path.join(path, "metrics.csv") for path, _, files in os.walk(alone) if "metrics.csv" in files]
    return steps, seconds, table(tables[0])[0]


def main():
    with tempfile.TemporaryDirectory() as folder:
        steps, seconds, undisturbed = run_alone(folder)
        tree = Tree(folder, steps)
        check(tree.tool().count("missing") == 3, "an empty list does not call its three curves missing")
        tree.start()
        check("is at it" in tree.start(), "a second start does not say that one is at it")
        # a MuJoCo beside the build may be deleted with it
        copy = glob.glob(os.path.join(tree.work, "programs", "*", "bin", "mbrl_gpu"))[0]
        needed = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"=> (?!/lib|/usr/lib)(/\S+)", needed):
            kept = os.path.join(os.path.dirname(copy), "..", "lib", "mbrl_gpu", os.path.basename(library))
            check(os.path.exists(kept), f"the copy of the program has no {os.path.basename(library)} of its own")
        # killed as soon as something has begun, then twice amid the work
        wait_for(lambda: os.path.exists(os.path.join(tree.work, "begun.json")), "the first run")
        for pause in (0.3 * seconds, 0.6 * seconds, 0):
            os.kill(tree.worker(), signal.SIGKILL)
            wait_for(lambda: "nothing runs" in tree.tool(), "the worker's end")
            check(re.search("begun|in results/", tree.tool()), "a run that was killed is forgotten")
            tree.start()
            time.sleep(pause)
        wait_for(lambda: tree.tool().count("in results/") == 3, "three tables in results/")
        wait_for(lambda: "nothing runs" in tree.tool(), "the end of the work")

        # the same numbers as without a kill, and where they come from
        rows, head = table(tree.result("pendulum/seed-0.csv"))
        check(rows == undisturbed, f"the table {rows} is not {undisturbed}, that of an undisturbed run")
        check(len(rows) > 1, "the table has a row or none")
        check(len(head) == 1 and "commit" in head[0] and "MuJoCo" in head[0] and "smoke.json seed=0" in head[0],
              f"the table does not say who made it: {head}")
        with open(tree.result("controllers/seed-0.json"), encoding="utf-8") as file:
            summary = json.load(file)
        check(summary["status"] == "done" and len(summary["autombpo"]) == 2 and "commit" in summary["made_by"],
              "the controller's summary is not whole")
        check(len(table(tree.result("controllers/seed-0.csv"))[0]) == 2, "not a row for each of two stages")
        check(float(table(tree.result("controllers/decisions/seed-0.csv"))[0][0]["real_ratio"]) > 0, "no decisions")

        # more steps are wanted and the runs are gone: said, and no table is replaced by a shorter one
        shutil.rmtree(os.path.join(tree.work, "runs", "pendulum"))
        tree.want(2 * steps)
        check(tree.tool().count("start over") == 2, "lost runs are not told")
        tree.start()
        wait_for(lambda: "begun" in tree.tool(), "the run that starts over")
        tree.tool("collect")
        check(len(table(tree.result("pendulum/seed-0.csv"))[0]) >= len(rows), "a shorter table replaced a longer one")
        check("stopped" in tree.tool("stop"), "stop does not stop")
        check("nothing runs" in tree.tool(), "after stop something runs")

        # seeds of another MuJoCo are no seeds of the same curve
        shutil.rmtree(os.path.join(tree.work, "runs", "pendulum"))
        edit(tree.result("pendulum/seed-1.csv"), r"MuJoCo [^;]+;", "MuJoCo 1.50;")
        os.remove(tree.result("pendulum/seed-0.csv"))
        tree.start()
        wait_for(lambda: "nothing runs" in tree.tool(), "the end of a worker that may train nothing")
        with open(os.path.join(tree.work, "worker.txt"), encoding="utf-8") as file:
            said = file.read()
        for seed in (0, 1):
            check(f"pendulum/seed-{seed}: left out, as its other seeds were not trained with MuJoCo" in said,
                  f"seed {seed} was begun with another MuJoCo, or left out without a word: {said}")
        check(not os.path.exists(os.path.join(tree.work, "runs", "pendulum")), "a seed of another MuJoCo has begun")
        # a program that has theirs trains them, even if it is not the newest
        programs = os.path.join(tree.work, "programs")
        shutil.copytree(os.path.join(programs, os.listdir(programs)[0]), os.path.join(programs, "older"))
        edit(os.path.join(programs, "older", "doctor.txt"), r"(?m)^MuJoCo +.*$", "MuJoCo    1.50")
        tree.start()
        wait_for(lambda: "begun" in tree.tool(), "a run with the program that has the other seed's MuJoCo")
        with open(os.path.join(tree.work, "begun.json"), encoding="utf-8") as file:
            begun = json.load(file)
        check("older" in [entry["program"] for entry in begun.values()], f"another program has begun it: {begun}")
        tree.tool("stop")


main()
