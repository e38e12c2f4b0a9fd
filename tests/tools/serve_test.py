#!/usr/bin/env python3
"""Tests for python/mbrl_gpu/serve.py and the servers of docs/process_environments.md, spoken to message by message.

    serve_test.py [CPP_SERVER]

CPP_SERVER is the page's server in C++, compiled. What needs numpy or gymnasium is skipped aloud without it.
"""
import json
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "docs", "process_environments.md")
CPP_SERVER = sys.argv.pop(1) if len(sys.argv) > 1 and os.path.exists(sys.argv[1]) else None
MAGIC, VERSION = 0x6C72626D, 1


def has(module):
    return subprocess.run([sys.executable, "-c", f"import {module}"], stderr=subprocess.DEVNULL).returncode == 0


HAS_NUMPY, HAS_GYMNASIUM = has("numpy"), has("gymnasium")


class Server:
    """A server and the program's side of its pipes."""

    def __init__(self, command, folder=None, **environment):
        requests, replies = os.pipe(), os.pipe()
        ends = [requests[0], replies[1]]

        def descriptors():
            high = [os.dup(end) for end in ends]
            while min(high) < 20:
                high = [os.dup(end) for end in high]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)
            os.closerange(5, 64)
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, close_fds=False, preexec_fn=descriptors, stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=self.output, cwd=folder,
                                        env={**os.environ, "PYTHONPATH": os.path.join(ROOT, "python"), **environment})
        for end in ends:
            os.close(end)
        self.requests, self.replies, self.sequence = requests[1], replies[0], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.requests)
        self.code = self.process.wait(600)
        os.close(self.replies)
        self.output.seek(0)
        self.printed = self.output.read().decode()
        self.output.close()

    def read(self, count):
        data = b""
        while len(data) < count:
            part = os.read(self.replies, count - len(data))
            if not part:
                raise EOFError("the server ended")
            data += part
        return data

    def ask(self, op, content):
        """(status, content) of the reply."""
        self.sequence += 1
        message = struct.pack("<IIQ", op, len(content), self.sequence) + content
        # in parts, as a pipe may deliver it
        os.write(self.requests, message[:5])
        os.write(self.requests, message[5:])
        status, size, sequence = struct.unpack("<IIQ", self.read(16))
        assert sequence == self.sequence
        return status, self.read(size)

    def open(self, num_envs, version=VERSION):
        status, reply = self.ask(1, struct.pack("<4I", MAGIC, version, num_envs, 0))
        if status:
            return reply.decode()
        magic, said, self.S, self.A, self.N, self.flags, self.limit, size = struct.unpack_from("<8I", reply)
        assert (magic, said, self.N) == (MAGIC, VERSION, num_envs)
        bounds = struct.unpack_from(f"<{2 * self.A}f", reply, 32)
        self.low, self.high = bounds[:self.A], bounds[self.A:]
        text = reply[32 + 8 * self.A:]
        assert len(text) == size
        self.name, *self.entries = text.decode().split("\n")
        return None

    def which(self, rows):
        return bytes(int(i in rows) for i in range(self.N)) + bytes(-self.N % 8)

    def rows(self, reply):
        return [struct.unpack_from(f"<{self.S}f", reply, 4 * self.S * i) for i in range(self.N)]

    def reset(self, rows, seeds):
        status, reply = self.ask(2, self.which(rows) + struct.pack(f"<{self.N}Q", *seeds))
        assert status == 0, reply
        assert len(reply) == 4 * self.N * self.S
        return self.rows(reply)

    def step(self, rows, actions):
        flat = [x for action in actions for x in action]
        status, reply = self.ask(3, self.which(rows) + struct.pack(f"<{len(flat)}f", *flat))
        if status:
            return reply.decode()
        assert len(reply) == self.N * (4 * self.S + 5)
        rewards = struct.unpack_from(f"<{self.N}f", reply, 4 * self.N * self.S)
        return self.rows(reply), rewards, list(reply[-self.N:])


def block(language):
    with open(PAGE, encoding="utf-8") as page:
        return re.search(rf"```{language}\n(.*?)```", page.read(), re.S).group(1)


class PageTest(unittest.TestCase):
    """Both servers of the page serve the same point on a line."""

    def check(self, command, same_seed_same_start=True):
        with Server(command) as server:
            self.assertIsNone(server.open(1))
            self.assertIsNone(server.open(3))
            self.assertEqual((server.name, server.S, server.A, server.limit), ("point", 2, 1, 200))
            self.assertEqual((server.low, server.high), ((-2.0,), (2.0,)))
            start = server.reset({0, 1, 2}, [5, 6, 5])
            self.assertEqual(start[0], start[2])
            self.assertNotEqual(start[0], start[1])
            self.assertTrue(all(-1 <= x <= 1 and v == 0 for x, v in start))
            after, rewards, flags = server.step({0, 2}, [[2.0], [0.0], [-2.0]])
            x = start[0][0] + 0.1 * 0.2
            self.assertAlmostEqual(after[0][0], x, places=6)
            self.assertAlmostEqual(after[0][1], 0.2, places=6)
            self.assertAlmostEqual(after[2][1], -0.2, places=6)
            self.assertAlmostEqual(rewards[0], -x * x - 0.4, places=6)
            self.assertEqual(after[1], start[1], "one that was not asked stays")
            for _ in range(60):
                after, _, flags = server.step({1}, [[0.0], [2.0], [0.0]])
                if flags[1]:
                    break
            self.assertEqual(flags[1], 1)
            self.assertGreater(after[1][0], 3)
            self.assertEqual(server.reset({1}, [0, 6, 0])[1], start[1])
        self.assertEqual(server.code, 0, "the end of its requests is the server's")

    def test_python(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "server.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write(block("python"))
            self.check([sys.executable, path])

    @unittest.skipUnless(CPP_SERVER, "the page's C++ server is not built")
    def test_cpp(self):
        self.check([CPP_SERVER])


OWN = '''
import numpy as np

class Box:
    dtype = np.dtype(np.float32)
    def __init__(self, low, high, shape, dtype=np.float32):
        self.low, self.high = np.full(shape, low, dtype), np.full(shape, high, dtype)
        self.shape, self.dtype = shape, np.dtype(dtype)

class Dict:
    def __init__(self, **spaces): self.spaces = spaces

class Tuple:
    def __init__(self, *spaces): self.spaces = spaces

class Discrete:
    start = 0
    def __init__(self, n): self.n = n
    def __repr__(self): return f"Discrete({self.n})"

class MultiDiscrete:
    def __init__(self, nvec, start=None):
        self.nvec = np.array(nvec)
        if start is not None: self.start = np.array(start)  # old ones have none

class Many:
    """A dictionary, in an order that is not that of its names."""
    observation_space = Dict(z=Box(-1, 1, (2,)), a=Dict(y=Discrete(3), x=Box(-1, 1, ())), m=Box(-1, 1, (2, 2), float))
    action_space = Dict(b=Box(-0.1, 0.1, (1,), float), a=Box(-3, 5, (2, 1)))
    def __init__(self, offset=0.0): self.offset = offset
    def look(self):
        return dict(m=np.array([[1.0, 2.0], [3.0, 1e39]]), z=[7, 8], a=dict(x=self.offset, y=2))
    def reset(self, seed=None): return self.look(), {}
    def step(self, action):
        assert list(action) == ["a", "b"] and action["a"].shape == (2, 1) and action["b"].dtype == float
        assert action["b"][0] <= 0.1, "a bound in float32 is beyond"
        print("printing", flush=True)
        return self.look(), float(action["a"][1, 0]), False, True, {}
    def ends(self, observations): return observations[:, 0] > 0.5

class Choosing(Many):
    action_space = Discrete(4)

class Whole(Many):
    action_space = Box(0, 9, (1,), np.int64)

class Text:
    def step(self, action): pass

class Odd(Many):
    observation_space = Dict(words=Text())

class Narrow(Many):
    observation_space = Box(-1, 1, (3,))
    def look(self): return [1.0]

class Choices(Many):
    observation_space = Dict(a=MultiDiscrete([2, 3], [4, -1]), b=MultiDiscrete([[2], [2]]), c=Discrete(3))
    def __init__(self, **other): self.other = other
    def look(self): return {**dict(a=[5, 1], b=[[0], [1]], c=2), **self.other}

class Grid(Many):
    observation_space = Box(-9, 9, (2, 3))
    def __init__(self, shape): self.shape = shape
    def look(self): return np.arange(6.0)[:np.prod(self.shape, dtype=int)].reshape(self.shape)

class Nested(Many):
    observation_space = Tuple(Dict(grid=Box(-9, 9, (2, 3)), row=Box(-1, 1, (3,))))
    def __init__(self, grid, row): self.grid, self.row = np.zeros(grid), np.zeros(row)
    def look(self): return (dict(grid=self.grid, row=self.row),)

class Idle(Many):
    action_space = Dict()

class Huge(Many):
    def step(self, action): return self.look(), -1e39, True, False, {}

class Failing(Many):
    def step(self, action): raise RuntimeError("the arm broke")

def not_a_class(**arguments): return Many(**arguments)

class Counters:
    """A vector: each counts its steps from its seed on, and is over at 10."""
    single_observation_space = Dict(count=Box(-100, 100, ()), half=Box(-50, 50, (1,)))
    single_action_space = Dict(by=Box(-1, 3, (1,), float))
    metadata = {"autoreset_mode": "Disabled"}
    def __init__(self, num_envs, scale=1.0): self.num_envs, self.scale = num_envs, scale
    def look(self): return dict(count=self.count * self.scale, half=self.count[:, None] / 2)
    def reset(self, seed=None, options=None):
        start = np.zeros(self.num_envs) if seed is None else np.array(seed, float)
        mask = np.ones(self.num_envs, bool) if options is None else options["reset_mask"]
        self.count = start if options is None else np.where(mask, start, self.count)
        return self.look(), {}
    def step(self, action):
        assert action["by"].shape == (self.num_envs, 1) and action["by"].dtype == float
        assert np.all(self.count < 10), "one that is over is not stepped"
        self.count = self.count + action["by"][:, 0]
        return self.look(), 2 * self.count, self.count >= 10, self.count <= -3, {}

class Picky(Counters):
    """One that is over has nothing to observe."""
    single_observation_space = Dict(at=Discrete(20))
    def look(self): return dict(at=np.where(self.count < 10, self.count, -1))

class Grids(Counters):
    single_observation_space = Box(-9, 9, (2, 3))
    def __init__(self, num_envs, shape=(2, 3), rewards=None):
        self.num_envs, self.shape, self.rewards = num_envs, tuple(shape), rewards
    def look(self): return np.broadcast_to(np.arange(6.0).reshape(self.shape), (self.num_envs,) + self.shape)
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return (observation, reward if self.rewards is None else np.zeros(self.rewards), *rest)

class Restless(Counters):
    metadata = {"autoreset_mode": "NextStep"}

class OneTooMany(Counters):
    def __init__(self, num_envs): super().__init__(num_envs + 1)

class Shapeless:
    metadata, num_envs = Counters.metadata, 2
    def __init__(self, num_envs): pass
'''


@unittest.skipUnless(HAS_NUMPY, "numpy is not installed")
class ServeTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        with open(os.path.join(self.folder.name, "own.py"), "w", encoding="utf-8") as file:
            file.write(OWN)

    def tearDown(self):
        self.folder.cleanup()

    def server(self, *arguments):
        return Server([sys.executable, "-m", "mbrl_gpu.serve", *arguments], self.folder.name)

    def test_a_class_of_ones_own(self):
        with self.server("own:Many", "--kwargs", '{"offset": 0.25}') as server:
            self.assertIsNone(server.open(2))
            self.assertEqual(server.entries, ["a.x", "a.y=0", "a.y=1", "a.y=2", "m[0,0]", "m[0,1]", "m[1,0]", "m[1,1]",
                                              "z[0]", "z[1]"])
            tenth = struct.unpack("<f", struct.pack("<f", 0.1))[0]
            self.assertEqual((server.low, server.high), ((-3, -3, -tenth), (5, 5, tenth)))
            self.assertEqual((server.flags, server.limit, server.name), (1, 0, "own:Many"))
            start = server.reset({0, 1}, [1, 2])
            self.assertEqual(start[0], (0.25, 0, 0, 1, 1, 2, 3, math.inf, 7, 8))
            rows, rewards, flags = server.step({1}, [[0, 0, 0], [1, 4, server.high[2]]])
            self.assertEqual((rows[1], rewards[1], flags[1]), (start[0], 4, 2))
            status, ends = server.ask(4, struct.pack("<2I20f", 2, 0, *([0.4] * 10 + [0.6] * 10)))
            self.assertEqual((status, ends), (0, b"\x00\x01"))
        self.assertEqual(server.code, 0)
        self.assertEqual(server.printed.strip().split("\n")[-1], "printing")

    def test_a_function_and_ends_beside_it(self):
        with open(os.path.join(self.folder.name, "rule.py"), "w", encoding="utf-8") as file:
            file.write("def never(observations): return [False] * len(observations)\n")
        with self.server("own:not_a_class", "--ends", "rule:never") as server:
            self.assertIsNone(server.open(1))
            self.assertEqual(server.ask(4, struct.pack("<2I10f", 1, 0, *[1] * 10)), (0, b"\x00"))

    def test_what_cannot_be_served(self):
        for arguments, text in [
                (["own:Choosing"], "the actions of own:Choosing are Discrete(4). "),
                (["own:Whole"], "the actions of own:Whole are <own.Box"),
                (["own:Idle"], "own:Idle has 10 entries in its observations and 0 in its actions; expected one at"),
                (["own:Odd"], "observations words are <own.Text"),
                (["own:Text"], "own:Text has no observation_space and no action_space and no reset; expected"),
                (["own:Many", "--ends", "own"], "--ends own names no function"),
                (["nothing:At"], "ModuleNotFoundError: No module named 'nothing'")]:
            with self.subTest(arguments), self.server(*arguments) as server:
                self.assertIn(text, server.open(1))

    def test_errors_of_the_environment(self):
        with self.server("own:Failing") as server:
            self.assertIsNone(server.open(1))
            server.reset({0}, [0])
            self.assertEqual(server.step({0}, [[0, 0, 0]]), "RuntimeError: the arm broke")
        self.assertEqual(server.code, 1)
        self.assertIn("Traceback", server.printed)
        with self.server("own:Narrow") as server:
            self.assertIsNone(server.open(1))
            status, text = server.ask(2, server.which({0}) + struct.pack("<Q", 0))
            self.assertEqual((status, text), (1, b"ValueError: an observation has 1 entries; its space has 3"))

    def look(self, name, **kwargs):
        """The first observation, or the text of what is wrong with it."""
        with self.server(f"own:{name}", "--kwargs", json.dumps(kwargs)) as server:
            self.assertIsNone(server.open(1))
            self.entries = server.entries
            status, reply = server.ask(2, server.which({0}) + struct.pack("<Q", 0))
            return reply.decode() if status else server.rows(reply)[0]

    def test_choices_count_from_their_start(self):
        self.assertEqual(self.look("Choices"), (0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1))
        self.assertEqual(self.entries, ["a[0]=4", "a[0]=5", "a[1]=-1", "a[1]=0", "a[1]=1", "b[0]=0", "b[0]=1", "b[1]=0",
                                        "b[1]=1", "c=0", "c=1", "c=2"])
        self.assertEqual(self.look("Choices", a=[4, -1])[:5], (1, 0, 1, 0, 0))

    def test_choices_that_there_are_none_of(self):
        for other, text in [(dict(a=[6, 0]), "choice 0 of the observation's entry a is 6; its space has 4 to 5"),
                            (dict(a=[4, -2]), "choice 1 of the observation's entry a is -2; its space has -1 to 1"),
                            (dict(a=[4]), "the observation's entry a has 1 choices; its space has 2"),
                            (dict(c=-1), "the observation's entry c is -1; its space has 0 to 2"),
                            (dict(c=3), "the observation's entry c is 3; its space has 0 to 2"),
                            (dict(c=0.5), "the observation's entry c is 0.5; its space has 0 to 2"),
                            (dict(c=[0, 1]), "the observation's entry c has 2 choices; its space has 1")]:
            with self.subTest(other):
                self.assertEqual(self.look("Choices", **other), "ValueError: " + text)

    def test_observations_of_another_shape(self):
        self.assertEqual(self.look("Grid", shape=[2, 3]), (0, 1, 2, 3, 4, 5))
        for shape in ([3, 2], [6], [1], [], [1, 2, 3]):
            with self.subTest(shape):
                self.assertEqual(self.look("Grid", shape=shape), "ValueError: an observation has the shape "
                                 f"{tuple(shape)}; its space has (2, 3)")
        self.assertEqual(self.look("Nested", grid=[2, 3], row=3), (0,) * 9)
        self.assertEqual(self.look("Nested", grid=[3, 2], row=3),
                         "ValueError: the observation's entry 0.grid has the shape (3, 2); its space has (2, 3)")
        self.assertEqual(self.look("Nested", grid=[2, 3], row=1),
                         "ValueError: the observation's entry 0.row has 1 entries; its space has 3")

    def test_rows_of_a_vector_that_are_not_asked_for_may_hold_anything(self):
        with self.server("own:Picky") as server:
            self.assertIsNone(server.open(2))
            self.assertEqual(server.reset({1}, [99, 7])[1], tuple(float(i == 7) for i in range(20)))
            rows, _, flags = server.step({1}, [[0], [1]])
            self.assertEqual((rows[1][8], flags[1]), (1, 0))

    def test_vectors_of_another_shape(self):
        with self.server("own:Grids") as server:
            self.assertIsNone(server.open(2))
            self.assertEqual(server.reset({0, 1}, [0, 0]), [(0, 1, 2, 3, 4, 5)] * 2)
            self.assertEqual(server.step({0, 1}, [[0], [0]])[1], (0, 0))
        with self.server("own:Grids", "--kwargs", '{"shape": [3, 2]}') as server:
            self.assertIsNone(server.open(2))
            status, reply = server.ask(2, server.which({0, 1}) + struct.pack("<2Q", 0, 0))
            self.assertEqual((status, reply.decode()), (1, "ValueError: the observations have the shape (2, 3, 2); their "
                                                        "space has (2, 2, 3)"))
        with self.server("own:Grids", "--kwargs", '{"rewards": []}') as server:
            self.assertIsNone(server.open(2))
            server.reset({0, 1}, [0, 0])
            self.assertEqual(server.step({0, 1}, [[0], [0]]),
                             "ValueError: rewards of a step have the shape (); expected (2,)")

    def test_a_reward_beyond_float(self):
        with self.server("own:Huge") as server:
            self.assertIsNone(server.open(2))
            server.reset({0, 1}, [0, 0])
            _, rewards, flags = server.step({1}, [[0, 0, 0]] * 2)
            self.assertEqual((rewards, flags[1]), ((0, -math.inf), 1))

    def test_another_version(self):
        with self.server("own:Many") as server:
            self.assertIn("the program speaks version 7 of the protocol, mbrl_gpu.serve in ", server.open(1, 7))
        with self.server("own:Many") as server:
            self.assertIsNone(server.open(1))
            self.assertEqual(server.ask(9, b"")[1], b"9 is no message of version 1 of the protocol.")

    def test_started_by_hand(self):
        done = subprocess.run([sys.executable, "-m", "mbrl_gpu.serve", "own:Many"], capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": os.path.join(ROOT, "python")}, cwd=self.folder.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is started by the program", done.stderr)

    def test_a_vector_is_stepped_by_one_call(self):
        with self.server("own:Counters", "--kwargs", '{"scale": 3}') as server:
            self.assertIsNone(server.open(3))
            self.assertEqual((server.entries, server.low, server.high), (["count", "half[0]"], (-1,), (3,)))
            start = server.reset({0, 1, 2}, [1, 2, 8])
            self.assertEqual([start[i] for i in range(3)], [(3, 0.5), (6, 1), (24, 4)])
            rows, rewards, flags = server.step({0, 1, 2}, [[1], [-1], [3]])
            self.assertEqual([rows[i] for i in range(3)], [(6, 1), (3, 0.5), (33, 5.5)])
            self.assertEqual((rewards[0], rewards[1], rewards[2]), (4, 2, 22))
            self.assertEqual((flags[0], flags[1], flags[2]), (0, 0, 1))
            # the third is over and left out, the second is started anew
            start = server.reset({1}, [0, 5, 0])
            self.assertEqual(start[1], (15, 2.5))
            rows, _, flags = server.step({0, 1}, [[0.5], [-1], [9]])
            self.assertEqual((rows[0], rows[1], flags[0]), ((7.5, 1.25), (12, 2), 0))
            # the second is left out: it has gone on unseen, and is to be started again
            server.step({0}, [[0.5], [0], [0]])
            status, text = server.ask(3, struct.pack("<8B3f", 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0))
            self.assertEqual(status, 1)
            self.assertIn("is over or was left out of a step", text.decode())

    def test_vectors_that_cannot_be_served(self):
        for name, text in [("Restless", "resets its environments by itself"), ("OneTooMany", "has 4 environments; expected 3"),
                           ("Shapeless", "has no single_observation_space and no single_action_space and no reset")]:
            with self.server(f"own:{name}") as server:
                self.assertIn(text, server.open(2 if name == "Shapeless" else 3))

    @unittest.skipUnless(HAS_GYMNASIUM, "gymnasium is not installed")
    def test_gymnasiums_vectors_are_the_environments_that_they_hold(self):
        with open(os.path.join(self.folder.name, "pendulums.py"), "w", encoding="utf-8") as file:
            file.write("import gymnasium as gym\n"
                       "def vector(num_envs):\n"
                       "    return gym.vector.SyncVectorEnv([lambda: gym.make('Pendulum-v1')] * num_envs,\n"
                       "        autoreset_mode=gym.vector.AutoresetMode.DISABLED)\n")
        with self.server("pendulums:vector") as vector, self.server("Pendulum-v1") as single:
            self.assertIsNone(vector.open(2))
            self.assertIsNone(single.open(2))
            self.assertEqual((vector.S, vector.A, vector.low, vector.high), (single.S, single.A, single.low, single.high))
            for episode in range(2):
                seeds = [3 + episode, 4 + episode]
                self.assertEqual(vector.reset({0, 1}, seeds), single.reset({0, 1}, seeds))
                for step in range(200):
                    actions = [[math.sin(step)], [math.cos(3 * step)]]
                    self.assertEqual(vector.step({0, 1}, actions), single.step({0, 1}, actions))

    @unittest.skipIf(HAS_GYMNASIUM, "gymnasium is installed")
    def test_without_gymnasium(self):
        with self.server("Pendulum-v1") as server:
            self.assertIn("has no gymnasium, which Pendulum-v1 is an environment of. Install it with", server.open(1))

    @unittest.skipUnless(HAS_GYMNASIUM, "gymnasium is not installed")
    def test_gymnasium(self):
        import gymnasium
        with self.server("Pendulum-v1") as server:
            self.assertIsNone(server.open(2))
            self.assertEqual((server.S, server.A, server.limit, server.low, server.high), (3, 1, 200, (-2,), (2,)))
            start = server.reset({0, 1}, [3, 4])
            env = gymnasium.make("Pendulum-v1")
            self.assertEqual(start[1], tuple(env.reset(seed=4)[0]))
            import numpy
            for step in range(200):
                observation, reward, _, truncated, _ = env.step(numpy.array([0.5], numpy.float32))
                rows, rewards, flags = server.step({1}, [[0], [0.5]])
                self.assertEqual(rows[1], tuple(observation))
                self.assertAlmostEqual(rewards[1], reward, places=5)
                self.assertEqual(flags[1], 2 if truncated else 0)
            self.assertTrue(truncated)
        with self.server("CartPole-v1") as server:
            self.assertIn("the actions of CartPole-v1 are Discrete(2)", server.open(1))
        with self.server("Pendulun-v1") as server:
            self.assertIn("Pendul", server.open(1))


class WithoutNumpyTest(unittest.TestCase):
    @unittest.skipIf(HAS_NUMPY, "numpy is installed")
    def test_it_says_what_to_install(self):
        with Server([sys.executable, "-m", "mbrl_gpu.serve", "Pendulum-v1"]) as server:
            self.assertIn("has no numpy. Install it with", server.open(1))


if __name__ == "__main__":
    unittest.main(verbosity=1)
