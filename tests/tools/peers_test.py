#!/usr/bin/env python3
"""Tests for `mbrl_gpu bench --peers` and profiling/peers/side_by_side.py, with peers that measure nothing.

    peers_test.py PROGRAM
"""
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.abspath(sys.argv.pop(1))
SHAPE = "S 11 A 3 batch 256"
# answers a line of stdin with a row of SAC, `lives` times; in a folder named torch it is in the asked precision
PEER = """import json, sys
word = dict(zip(sys.argv, sys.argv[1:]))
print("a library's own message\\nready", flush=True)
for i in range(LIVES):
    if not sys.stdin.readline():
        break
    print(json.dumps(dict(operation="sac sequential", shape="SHAPE", unit="updates/s", rate=10.0 + i, provider="NAME",
                          precision=word["--precision"] if ASKED else "fp32")), flush=True)
    open(sys.argv[0] + ".seen", "w").write(json.dumps(dict(words=sys.argv[1:], env=__import__("os").environ.get(
        "CUDA_VISIBLE_DEVICES"))))
    print("done", flush=True)
"""
# stands for the program where a card would be needed, or where it is to fail
OURS = """#!/usr/bin/env python3
import json, sys
if "CODE" != "0":
    sys.exit(CODE)
print(json.dumps(dict(operation="sac sequential", shape="SHAPE", unit="updates/s", rate=30.0, provider="fused", precision="bf16")))
"""


class PeersTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.at = self.folder.name
        shutil.copy(os.path.join(ROOT, "profiling/peers/side_by_side.py"), self.at)
        for module in ("torch", "jax"):
            os.mkdir(os.path.join(self.at, module))
            open(os.path.join(self.at, module, "__init__.py"), "w").close()
        self.write_peer("torch", 9, True)
        self.write_peer("jax", 9, False)

    def tearDown(self):
        self.folder.cleanup()

    def write_peer(self, name, lives, asked):
        text = PEER.replace("LIVES", str(lives)).replace("SHAPE", SHAPE).replace("NAME", name).replace("ASKED", str(asked))
        with open(os.path.join(self.at, f"{name}_bench.py"), "w") as file:
            file.write(text)

    def write_ours(self, code=0):
        path = os.path.join(self.at, "ours")
        with open(path, "w") as file:
            file.write(OURS.replace("CODE", str(code)).replace("SHAPE", SHAPE))
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        return path

    def compare(self, program, *words, **environment):
        command = [sys.executable, os.path.join(self.at, "side_by_side.py"), "--mbrl", program, "--threads", "1", *words]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": self.at, **environment})

    def seen(self, name):
        with open(os.path.join(self.at, f"{name}_bench.py.seen")) as file:
            return json.load(file)

    def test_the_program_takes_turns_with_peers(self):
        # the real one: what it is asked must be what it takes
        done = self.compare(PROGRAM, "--rounds", "2", "--seconds", "0.01", "--work", "sac", "--csv", f"{self.at}/table.csv")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [line for line in done.stdout.splitlines() if line.startswith("sac sequential")]
        self.assertEqual(len(lines), 2, done.stdout)
        for line, name in zip(sorted(line.split()[-1] for line in lines), ("jax", "torch")):
            self.assertEqual(line, name)
        with open(f"{self.at}/table.csv") as file:
            rows = [line.split(",") for line in file.read().splitlines()]
        self.assertEqual(rows[0], "operation shape ours peer unit ratio ratio_low ratio_high who".split())
        self.assertEqual([row[3] for row in rows[1:]], ["10.5", "10.5"])  # the median of two rounds
        self.assertGreater(float(rows[1][2]), 0.0)

    def test_ratios_are_within_a_round_and_precisions_told(self):
        done = self.compare(self.write_ours(), "--precision", "bf16", "--rounds", "3", "--work", "sac", "--csv",
                            f"{self.at}/table.csv")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(f"{self.at}/table.csv") as file:
            rows = file.read().splitlines()[1:]
        # 30 over 10, 11 and 12
        self.assertEqual(sorted(rows), [f"sac sequential,{SHAPE},30,11,updates/s,2.727,2.5,3,jax in fp32",
                                        f"sac sequential,{SHAPE},30,11,updates/s,2.727,2.5,3,torch"])

    def test_a_row_of_ours_in_another_precision_is_told(self):
        done = self.compare(self.write_ours(), "--precision", "tf32", "--rounds", "2", "--work", "sac")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("sac sequential, ours in bf16", done.stdout)

    def test_a_peer_that_dies_is_left_out(self):
        self.write_peer("jax", 1, False)
        done = self.compare(self.write_ours(), "--rounds", "3", "--work", "sac")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("jax_bench.py ended early and is left out", done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertIn("torch", done.stdout)

    def test_a_failure_of_the_program_is_passed_on(self):
        done = self.compare(self.write_ours(5), "--rounds", "1", "--work", "sac")
        self.assertEqual(done.returncode, 5)
        self.assertNotIn("Traceback", done.stderr)

    def test_peers_see_the_card_of_the_program(self):
        self.compare(self.write_ours(), "--rounds", "1", "--work", "sac", "--device", "cuda:1", CUDA_VISIBLE_DEVICES="3,4")
        self.assertEqual(self.seen("torch")["env"], "4")
        environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        os.environ.clear()
        os.environ.update(environment)
        self.compare(self.write_ours(), "--rounds", "1", "--work", "sac", "--device", "cuda:1")
        self.assertEqual(self.seen("torch")["env"], "1")

    def test_the_program_says_what_no_peer_does(self):
        def said(*words):
            done = subprocess.run([PROGRAM, "bench", *words], capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0)
            return done.stderr

        self.assertIn("no peer does plan; expected sac, ensemble", said("--peers", "python3", "--work", "plan"))
        self.assertIn("--preset h100 is of our rows alone", said("--peers", "python3", "--preset", "h100"))
        self.assertIn('"fp16" was asked for', said("--peers", "python3", "device.precision=fp16"))
        # before anything is built
        self.assertIn("tf32", said("--peers", "/bin/false", "--device", "cpu", "device.precision=tf32"))
        self.assertIn("--work is of the hot loops", said("--work", "sac", "envs"))
        self.assertIn("--preset is of the hot loops", said("process", "--preset", "h100"))

    def test_the_program_hands_its_options_on(self):
        path = os.path.join(self.at, "python")
        with open(path, "w") as file:
            file.write('#!/bin/sh\necho "$@"\n')
        os.chmod(path, 0o755)
        done = subprocess.run([PROGRAM, "bench", "--peers", path, "--work", "sac,ppo", "--rounds", "4", "--seconds", "0.5",
                               "--threads", "1", "--device", "cpu", "hopper", "device.precision=bf16"],
                              capture_output=True, text=True, env={**os.environ, "MBRL_ISA": "bf16_portable"})
        self.assertEqual(done.returncode, 0, done.stderr)
        words = done.stdout.split()
        self.assertTrue(words[0].endswith("peers/side_by_side.py"), words)
        self.assertEqual(words[1], "--mbrl")
        self.assertEqual(words[3:], "--device cpu --threads 1 --rounds 4 --seconds 0.5 --precision bf16 --work sac,ppo".split())


unittest.main()
