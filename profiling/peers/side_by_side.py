#!/usr/bin/env python3
"""`mbrl_gpu bench` and its peers in turns, and how many times faster the program is than each of them.

    mbrl_gpu bench --peers python3 [--device cuda] [--rounds 5]     starts this with what it knows
    python3 side_by_side.py --mbrl build/cpu/mbrl_gpu               the same by hand; --help for more

Needs torch or jax in that Python, or libraries that library_bench.py names; what is missing is left out aloud. The
peers are built once and wait between their turns, so that every round compares the same minute. The table has a line
per operation and peer, the fastest first: our median rate, the peer's, and the ratio of the two within a round, as
median and range over rounds.
"""
import argparse
import collections
import csv
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = "mbrl_gpu"
# oneDNN's or a GPU library's own products: not what we are compared by
NOT_OURS = ("oneDNN", "cublaslt", "cudnn", "plain")
PEERS = ((("torch",), "torch_bench.py"), (("jax",), "jax_bench.py"),
         (("stable_baselines3", "rltools", "mbrl"), "library_bench.py"))


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mbrl", required=True, help="the program")
    p.add_argument("--device", default="cpu", help="cpu, or cuda:N")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--precision", default="fp32")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=0.5, help="per row and round")
    p.add_argument("--work", default="sac,ensemble,rollout,ppo,population", help="what to compare, with commas")
    p.add_argument("--quick", action="store_true", help="leaves out forms that take long to build")
    p.add_argument("--json", action="store_true", help="every row as it is measured, with its round, instead of the table")
    p.add_argument("--library-path", metavar="FOLDER", help="where the program, and it alone, finds libraries")
    p.add_argument("--csv", metavar="FILE", help="the table also to a file, as results/bench/peers-2-cores.csv holds it")
    return p.parse_args()


class Peer:
    """A script that has built its forms and times all of them whenever it is told."""

    def __init__(self, script, options):
        command = [sys.executable, os.path.join(HERE, script), "--device", options.device.split(":")[0],
                   "--threads", str(options.threads), "--precision", options.precision,
                   "--seconds", str(options.seconds), "--work", options.work, "--interactive"]
        if options.quick:
            command.append("--quick")
        environment = dict(os.environ)
        if ":" in options.device:
            # the peers count as the program does, within what this process may see
            number, seen = int(options.device.split(":")[1]), environment.get("CUDA_VISIBLE_DEVICES")
            environment["CUDA_VISIBLE_DEVICES"] = seen.split(",")[number] if seen else str(number)
        self.ended = False
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def lines_until(self, word):
        for line in self.process.stdout:
            if line.strip() == word:
                return
            if line.startswith("{"):  # a library's own messages are no rows
                yield line
        self.leave_out()

    def leave_out(self):
        self.ended = True
        print(f"{self.process.args[1]} ended early and is left out; its messages above say why.", file=sys.stderr)

    def ready(self):
        for _ in self.lines_until("ready"):
            pass

    def round(self):
        if self.ended:
            return
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.leave_out()
            return
        yield from self.lines_until("done")

    def end(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()


def run_program(options, *words):
    environment = dict(os.environ)
    if options.library_path:
        environment["LD_LIBRARY_PATH"] = options.library_path
    done = subprocess.run([options.mbrl, *words], stdout=subprocess.PIPE, text=True, check=False, env=environment)
    if done.returncode != 0:  # it has said why
        sys.exit(done.returncode)
    return done.stdout.splitlines()


def our_rows(options):
    """A round of the program's own rows; PPO also at a batch that fills a device, the ensemble as PETS trains it."""
    common = [f"device.precision={options.precision}", "--json", "--device", options.device, "--threads",
              str(options.threads), "--seconds", str(options.seconds)]
    work = options.work.split(",")
    large_ppo = ["ppo_hopper", "ppo.batch_size=4096", "ppo.steps_per_update=4096", "--work", "ppo"]
    pets = ["hopper", "model.ensemble_size=5", "model.batch_size=32", "--work", "ensemble"]
    calls = [["hopper", "--work", options.work]] + [large_ppo] * ("ppo" in work) + [pets] * ("ensemble" in work)
    for call in calls:
        yield from run_program(options, "bench", *call, *common)


def measure(options, peers):
    """Rates by (operation, shape, unit), then by who: a list of one per round."""
    rates = collections.defaultdict(lambda: collections.defaultdict(list))
    told = {}  # of an operation of ours, where it is in another precision than was asked for
    for number in range(options.rounds):
        for who, lines in [(OURS, our_rows(options))] + [(None, peer.round()) for peer in peers]:
            for line in lines:
                row = json.loads(line)
                if who == OURS and row["provider"] in NOT_OURS:
                    continue
                if options.json:
                    print(json.dumps({**row, "round": number, "peer": who is None}), flush=True)
                key = (row["operation"], row["shape"], row["unit"])
                # libraries have a precision of their own, and our PPO is in fp32
                other = "" if row["precision"] == options.precision else f" in {row['precision']}"
                if who == OURS:
                    told[row["operation"]] = other
                rates[key][who or row["provider"] + other].append(row["rate"])
        if options.csv:  # whatever ends the rest
            write_csv(compare(rates, told), options.csv)
        print(f"round {number + 1} of {options.rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    return rates, told


def compare(rates, told):
    """(operation, shape, our rate, the peer's, unit, ratio, its least, its largest, who), the fastest peer of an operation first."""
    for (operation, shape, unit), by_who in rates.items():
        ours = by_who.get(OURS)
        if ours is None:
            continue
        for who in sorted(set(by_who) - {OURS}, key=lambda who: -statistics.median(by_who[who])):
            ratios = [a / b for a, b in zip(ours, by_who[who])]
            yield (operation + (f", ours{told[operation]}" if told.get(operation) else ""), shape, statistics.median(ours), statistics.median(by_who[who]), unit, statistics.median(ratios),
                   min(ratios), max(ratios), who)


def print_table(rows):
    print(f"{'operation':<18} {'shape':<36} {'ours':>10} {'peer':>10} unit        {'ratio':>6} (range)          peer")
    for operation, shape, ours, peer, unit, ratio, low, high, who in rows:
        print(f"{operation:<18} {shape:<36} {ours:>10.4g} {peer:>10.4g} {unit:<11} {ratio:>6.2f} ({low:.2f} to {high:.2f})  {who}")


def write_csv(rows, path):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow("operation shape ours peer unit ratio ratio_low ratio_high who".split())
        for row in rows:
            writer.writerow(f"{value:.4g}" if isinstance(value, float) else value for value in row)


def main():
    options = parse()
    start = time.time()
    scripts = [script for modules, script in PEERS
               if any(map(importlib.util.find_spec, modules)) or
               print(f"{' and '.join(modules)}: not in this Python and left out", file=sys.stderr)]
    if not scripts:
        sys.exit(f"{sys.executable} has neither torch nor jax nor one of the libraries; make one that has: python3 -m venv "
                 "peers && peers/bin/pip install torch jax numpy stable-baselines3 rltools mbrl, then mbrl_gpu bench "
                 "--peers peers/bin/python.")
    run_program(options, "--version")  # it starts: peers take long to build
    peers = [Peer(script, options) for script in scripts]
    for peer in peers:
        peer.ready()
    print(f"peers built in {time.time() - start:.0f} s", file=sys.stderr, flush=True)
    rates, told = measure(options, peers)
    for peer in peers:
        peer.end()
    rows = list(compare(rates, told))
    if not options.json:
        print_table(rows)


main()
