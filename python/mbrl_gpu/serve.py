"""Serves Gymnasium environments, or a class of your own, to mbrl_gpu (env.name=process).

    mbrl_gpu run sac_hopper env.name=process env.command="python3 -m mbrl_gpu.serve Pendulum-v1"

What it serves is a Gymnasium id, or `module:name`: a class or a function that makes one environment with
Gymnasium's interface (observation_space, action_space, reset(seed=...), step(action)). The same from Python:

    from mbrl_gpu.serve import serve
    serve(MyEnvironment)

A class or function with an argument num_envs makes a vector of environments (gymnasium.vector.VectorEnv, made with
autoreset_mode=AutoresetMode.DISABLED), all of which one call steps.

Observations are flattened to float32: a Box row by row, a Dict by the sorted names of its entries, a Tuple in
its order, a Discrete as 1 at its value and 0 elsewhere. Actions are a Box of finite bounds, or a Dict or Tuple
of such. docs/process_environments.md describes the protocol.
"""
from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import struct
import sys
import traceback
from typing import Any, Callable, List, Optional, Sequence, Tuple

try:
    import numpy as np
except ModuleNotFoundError:  # said in a reply, where the program reads it
    np = None  # type: ignore[assignment]

MAGIC, VERSION = 0x6C72626D, 1
OPEN, RESET, STEP, ENDS = 1, 2, 3, 4
TERMINATED, TRUNCATED, SERVES_ENDS = 1, 2, 1
REQUESTS, REPLIES = 3, 4  # descriptors
HEADER = struct.Struct("<IIQ")

Flatten = Callable[[Any, Any], None]  # of an observation into a row


class Refused(Exception):
    """What cannot be served, and the way out."""


def _kind(space: Any) -> str:
    return type(space).__name__


def _entries(space: Any) -> List[Tuple[str, Any, Any]]:
    """(name, key, space) of what a Dict or Tuple holds, in the order in which it is flattened."""
    if _kind(space) == "Dict":
        return [(str(key), key, space.spaces[key]) for key in sorted(space.spaces)]
    return [(str(i), i, inner) for i, inner in enumerate(space.spaces)]


def _choices(space: Any) -> List[Tuple[int, int]]:
    """(number of values, first value) of each choice of a Discrete or MultiDiscrete."""
    counts = np.ravel(space.n if _kind(space) == "Discrete" else space.nvec)
    starts = np.broadcast_to(np.ravel(getattr(space, "start", 0)), counts.shape)  # old MultiDiscretes have none
    return [(int(count), int(start)) for count, start in zip(counts, starts)]


def observation_names(space: Any, path: str = "") -> List[str]:
    """A name for each entry of a flattened observation."""
    kind = _kind(space)
    if kind in ("Dict", "Tuple"):
        return [name for part, _, inner in _entries(space)
                for name in observation_names(inner, f"{path}.{part}" if path else part)]
    if kind in ("Box", "MultiBinary"):
        shape = tuple(space.shape)
        if shape == ():
            return [path or "value"]
        return [f"{path}[{','.join(map(str, at))}]" for at in np.ndindex(*shape)]
    if kind == "Discrete":
        return [f"{path}={start + i}" for count, start in _choices(space) for i in range(count)]
    if kind == "MultiDiscrete":
        return [f"{path}[{k}]={start + i}" for k, (count, start) in enumerate(_choices(space)) for i in range(count)]
    raise Refused(f"observations{' ' + path if path else ''} are {space}, which has no fixed number of "
                  "entries. Wrap the environment in one whose observations are a Box or a Dict of such.")


def observation_writer(space: Any, path: str = "") -> Flatten:
    """A function that writes an observation of `space`, the entry `path` of a larger one, into a row of float32. It
    raises ValueError for one of another shape or beyond its choices, which would be taken for something else."""
    kind = _kind(space)
    what = f"the observation's entry {path}" if path else "an observation"
    if kind in ("Dict", "Tuple"):
        parts, first = [], 0
        for name, key, inner in _entries(space):
            size = len(observation_names(inner))
            writer = observation_writer(inner, f"{path}.{name}" if path else name)
            parts.append((key, slice(first, first + size), writer))
            first += size

        def write_parts(value: Any, row: Any) -> None:
            for key, place, write in parts:
                write(value[key], row[place])
        return write_parts
    if kind in ("Discrete", "MultiDiscrete"):
        choices = _choices(space)

        def write_choices(value: Any, row: Any) -> None:
            chosen = np.ravel(value)
            if len(chosen) != len(choices):
                raise ValueError(f"{what} has {len(chosen)} choices; its space has {len(choices)}")
            row[:] = 0
            first = 0
            for k, (choice, (count, start)) in enumerate(zip(chosen, choices)):
                at = int(choice) - start
                if not 0 <= at < count or at + start != choice:
                    which = f"choice {k} of {what}" if kind == "MultiDiscrete" else what
                    raise ValueError(f"{which} is {choice}; its space has {start} to {start + count - 1}")
                row[first + at] = 1
                first += count
        return write_choices
    shape = tuple(space.shape)
    if len(shape) == 1:
        size = shape[0]

        def write_row(value: Any, row: Any) -> None:
            if len(value) != size:  # one entry would be spread over all
                raise ValueError(f"{what} has {len(value)} entries; its space has {size}")
            row[:] = value
        return write_row

    def write_array(value: Any, row: Any) -> None:
        array = np.asarray(value)
        if array.shape != shape:
            raise ValueError(f"{what} has the shape {array.shape}; its space has {shape}")
        row[:] = array.reshape(-1)
    return write_array


def action_bounds(space: Any, name: str) -> Tuple[Any, Any]:
    """Lower and upper bounds of a flattened action, float32."""
    kind = _kind(space)
    if kind in ("Dict", "Tuple"):
        nothing = (np.zeros(0, np.float32),) * 2
        parts = [nothing] + [action_bounds(inner, name) for _, _, inner in _entries(space)]
        return tuple(np.concatenate([part[i] for part in parts]) for i in range(2))  # type: ignore
    if kind != "Box" or not np.issubdtype(space.dtype, np.floating):
        raise Refused(f"the actions of {name} are {space}. The algorithms here act with real numbers: take an "
                      "environment whose actions are a Box of floats, or wrap this one in such a Box.")
    with np.errstate(over="ignore"):
        return (np.ravel(space.low).astype(np.float32), np.ravel(space.high).astype(np.float32))


def action_reader(space: Any) -> Callable[[Any], Any]:
    """A function that makes an action of `space` from a row of float32, which it may keep, or a batch from rows."""
    if _kind(space) in ("Dict", "Tuple"):
        parts, first = [], 0
        for _, key, inner in _entries(space):
            size = len(action_bounds(inner, "")[0])
            parts.append((key, slice(first, first + size), action_reader(inner)))
            first += size
        if _kind(space) == "Dict":
            return lambda row: {key: read(row[..., place]) for key, place, read in parts}
        return lambda row: tuple(read(row[..., place]) for _, place, read in parts)
    shape, dtype = tuple(space.shape), space.dtype
    if dtype == np.float32 and len(shape) == 1:
        return lambda row: row
    low, high = space.low, space.high
    # a bound rounded to float32 may lie beyond the one it stands for
    return lambda row: np.clip(row.astype(dtype).reshape(row.shape[:-1] + shape), low, high)


def _one_of(space: Any, batch: Any, i: int) -> Any:
    """Observation `i` of a batch of observations of `space`."""
    if _kind(space) == "Dict":
        return {key: _one_of(inner, batch[key], i) for _, key, inner in _entries(space)}
    if _kind(space) == "Tuple":
        return tuple(_one_of(inner, batch[key], i) for _, key, inner in _entries(space))
    return batch[i]


def makes_vectors(make: Callable[..., Any]) -> bool:
    """Whether `make` takes the number of environments, and so makes a vector of them."""
    try:
        return "num_envs" in inspect.signature(make).parameters
    except (TypeError, ValueError):
        return False


def maker(target: str, kwargs: Optional[dict] = None) -> Callable[..., Any]:
    """A function that makes the environment that a Gymnasium id or `module:name` stands for; of a vector it takes
    num_envs."""
    arguments = kwargs or {}
    module, colon, name = target.partition(":")
    if colon:
        found = getattr(importlib.import_module(module), name, None)
        if callable(found) and makes_vectors(found) and "num_envs" not in arguments:
            return lambda num_envs: found(num_envs=num_envs, **arguments)
        if callable(found):
            return lambda: found(**arguments)
    try:
        import gymnasium
    except ModuleNotFoundError as error:
        if error.name != "gymnasium":
            raise
        raise Refused(f"{sys.executable} has no gymnasium, which {target} is an environment of. Install it "
                      f"with `{sys.executable} -m pip install gymnasium`, or start a Python that has it.") from None
    return lambda: gymnasium.make(target, **arguments)


def _function(target: str) -> Callable[[Any], Any]:
    module, _, name = target.partition(":")
    found = getattr(importlib.import_module(module), name, None) if name else None
    if not callable(found):
        raise Refused(f"--ends {target} names no function; expected module:function.")
    return found


def _ends_of(env: Any) -> Optional[Callable[[Any], Any]]:
    found = getattr(getattr(env, "unwrapped", env), "ends", None)
    return found if callable(found) else None


class Server:
    """Environments side by side and the messages that step them."""

    def __init__(self, make: Callable[..., Any], name: str, ends: Optional[Callable[[Any], Any]] = None) -> None:
        self.make, self.name, self.ends = make, name, ends
        self.envs: List[Any] = []
        self.spaces = ("observation_space", "action_space")

    def open(self, num_envs: int) -> bytes:
        """Makes the environments anew; returns the greeting."""
        for env in self.envs:
            if hasattr(env, "close"):
                env.close()
        self.envs = self.make_envs(num_envs)
        first = self.envs[0]
        missing = [part for part in (*self.spaces, "reset", "step") if not hasattr(first, part)]
        if missing:
            raise Refused(f"{self.name} has no {' and no '.join(missing)}; expected an environment with Gymnasium's "
                          "interface: spaces of observations and actions, reset(seed=...) and step(action).")
        space, actions = (getattr(first, part) for part in self.spaces)
        low, high = action_bounds(actions, self.name)
        names = observation_names(space)
        if len(names) == 0 or len(low) == 0:
            raise Refused(f"{self.name} has {len(names)} entries in its observations and {len(low)} in its "
                          "actions; expected one at least of both.")
        self.read_action = action_reader(actions)
        self.write_observation = observation_writer(space)
        self.ends = self.ends or _ends_of(first)
        spec = getattr(first, "spec", None)
        limit = getattr(spec, "max_episode_steps", None) or 0
        N, S, A = num_envs, len(names), len(low)
        self.which = slice(HEADER.size, HEADER.size + N)
        self.after_which = HEADER.size + (N + 7) // 8 * 8
        self.num_actions = A
        # replies that go out again and again, with arrays over their parts
        self.reset_reply = bytearray(HEADER.size + 4 * N * S)
        self.step_reply = bytearray(HEADER.size + N * (4 * S + 4 + 1))
        self.start = np.frombuffer(self.reset_reply, np.float32, N * S, HEADER.size).reshape(N, S)
        self.observation = np.frombuffer(self.step_reply, np.float32, N * S, HEADER.size).reshape(N, S)
        self.rows, self.low, self.high = list(self.observation), low, high
        self.first_reward = HEADER.size + 4 * N * S
        self.first_flag = self.first_reward + 4 * N
        self.reward = np.frombuffer(self.step_reply, np.uint8, 4 * N, self.first_reward).view(np.float32)
        self.flags = np.frombuffer(self.step_reply, np.uint8, N, self.first_flag)
        self.pack_rewards = struct.Struct(f"<{N}f").pack_into
        text = self.name if _kind(space) == "Box" else "\n".join([self.name] + names)
        encoded = text.encode()
        return (struct.pack("<8I", MAGIC, VERSION, S, A, N, SERVES_ENDS if self.ends else 0, limit, len(encoded))
                + low.tobytes() + high.tobytes() + encoded)

    def make_envs(self, num_envs: int) -> List[Any]:
        return [self.make() for _ in range(num_envs)]

    def reset(self, request: memoryview) -> bytearray:
        seeds = np.frombuffer(request, np.uint64, len(self.envs), self.after_which)
        for i, asked in enumerate(request[self.which]):
            if asked:
                observation, _ = self.envs[i].reset(seed=int(seeds[i]))
                self.write_observation(observation, self.start[i])
        return self.reset_reply

    def step(self, request: memoryview) -> bytearray:
        N, A = len(self.envs), self.num_actions
        # a copy: environments may keep their actions
        actions = np.frombuffer(request, np.float32, N * A, self.after_which).reshape(N, A).copy()
        write, read, envs, rows, reply = self.write_observation, self.read_action, self.envs, self.rows, self.step_reply
        rewards, first_flag = [0.0] * N, self.first_flag
        for i, asked in enumerate(request[self.which]):
            if asked:
                observation, reward, terminated, truncated, _ = envs[i].step(read(actions[i]))
                write(observation, rows[i])
                rewards[i] = reward
                reply[first_flag + i] = (TERMINATED if terminated else 0) | (TRUNCATED if truncated else 0)
        try:
            self.pack_rewards(reply, self.first_reward, *rewards)
        except OverflowError:  # infinite in float32, which the program sees
            with np.errstate(over="ignore"):
                self.pack_rewards(reply, self.first_reward, *np.asarray(rewards, np.float32))
        return reply

    def where_ends(self, request: memoryview) -> bytes:
        if self.ends is None:
            raise Refused(f"{self.name} has no function ends(observations); --ends module:function gives one.")
        rows = struct.unpack_from("<I", request, HEADER.size)[0]
        observations = np.frombuffer(request, np.float32, offset=HEADER.size + 8).reshape(rows, -1)
        ends = np.asarray(self.ends(observations.copy()), bool).reshape(-1)
        if len(ends) != rows:
            raise ValueError(f"ends() answered with {len(ends)} values for {rows} observations")
        return bytes(HEADER.size) + ends.astype(np.uint8).tobytes()

    def answer(self, op: int, request: memoryview) -> Any:
        """The reply to a whole request, with room for its header."""
        if op == STEP:
            return self.step(request)
        if op == RESET:
            return self.reset(request)
        if op == ENDS:
            return self.where_ends(request)
        if op != OPEN:
            raise Refused(f"{op} is no message of version {VERSION} of the protocol.")
        magic, version, num_envs, _ = struct.unpack_from("<4I", request, HEADER.size)
        if magic != MAGIC or version != VERSION:
            raise Refused(f"the program speaks version {version} of the protocol, mbrl_gpu.serve in "
                          f"{os.path.dirname(os.path.abspath(__file__))} version {VERSION}; take both of one "
                          "release.")
        return bytes(HEADER.size) + self.open(num_envs)


class VectorServer(Server):
    """A vector of environments with Gymnasium's interface of such, stepped by one call: they share their step, so
    one that is left out of a step goes on unseen, and is to be reset before it is stepped again."""

    def __init__(self, make: Callable[..., Any], name: str, ends: Optional[Callable[[Any], Any]] = None) -> None:
        super().__init__(make, name, ends)
        self.spaces = ("single_observation_space", "single_action_space")

    def make_envs(self, num_envs: int) -> List[Any]:
        vector = self.make(num_envs)
        mode = getattr(vector, "metadata", {}).get("autoreset_mode")
        if str(getattr(mode, "value", mode)).lower() != "disabled":
            raise Refused(f"{self.name} resets its environments by itself (metadata[\"autoreset_mode\"] is {mode}), so "
                          "that the last observation of an episode would not arrive. Make it with "
                          "autoreset_mode=AutoresetMode.DISABLED.")
        if getattr(vector, "num_envs", None) != num_envs:
            raise Refused(f"{self.name} has {getattr(vector, 'num_envs', 'no number of')} environments; expected "
                          f"{num_envs}, its argument num_envs.")
        self.begun = False
        self.over = np.ones(num_envs, bool)  # or left out of a step
        return [vector]

    def asked(self, request: memoryview) -> Any:
        return np.frombuffer(request, np.uint8, len(self.rows), HEADER.size) != 0

    def keep(self, observation: Any, rows: Any, asked: Any) -> None:
        space = self.envs[0].single_observation_space
        if _kind(space) == "Box":
            array, shape = np.asarray(observation), (len(rows), *space.shape)
            if array.shape != shape:
                raise ValueError(f"the observations have the shape {array.shape}; their space has {shape}")
            rows[:] = array.reshape(rows.shape)
            return
        for i in np.flatnonzero(asked):  # the others may hold anything
            self.write_observation(_one_of(space, observation, i), rows[i])

    def reset(self, request: memoryview) -> bytearray:
        asked, vector = self.asked(request), self.envs[0]
        seeds = [int(seed) for seed in np.frombuffer(request, np.uint64, len(asked), self.after_which)]
        # the first time all of them, as nothing is known of those that are left out
        options = {"reset_mask": asked} if self.begun else None
        observation, _ = vector.reset(seed=seeds, options=options)
        self.begun = True
        self.over &= ~asked
        self.keep(observation, self.start, asked)
        return self.reset_reply

    def step(self, request: memoryview) -> bytearray:
        asked, vector = self.asked(request), self.envs[0]
        if np.any(asked & self.over):
            raise RuntimeError("an environment of a vector is to be stepped that is over or was left out of a step")
        ended = self.over & ~asked & self.begun
        if np.any(ended):  # they step with the others
            vector.reset(options={"reset_mask": ended.copy()})
        N = len(asked)
        actions = np.frombuffer(request, np.float32, N * self.num_actions, self.after_which).reshape(N, -1)
        actions = np.where(asked[:, None], actions, 0.5 * (self.low + self.high))
        observation, reward, terminated, truncated, _ = vector.step(self.read_action(actions))
        for what, values in (("rewards", reward), ("terminated", terminated), ("truncated", truncated)):
            if np.shape(values) != (N,):  # one would be spread over all
                raise ValueError(f"{what} of a step have the shape {np.shape(values)}; expected {(N,)}")
        self.over = np.asarray(terminated) | np.asarray(truncated) | ~asked
        self.keep(observation, self.observation, asked)
        with np.errstate(over="ignore"):  # infinite in float32, which the program sees
            self.reward[:] = reward
        self.flags[:] = TERMINATED * np.asarray(terminated, bool) + TRUNCATED * np.asarray(truncated, bool)
        return self.step_reply


def _server(make: Callable[..., Any], name: str, ends: Optional[Callable[[Any], Any]]) -> Server:
    return (VectorServer if makes_vectors(make) else Server)(make, name, ends)


def _write(data: Any) -> None:
    view = memoryview(data)
    sent = os.write(REPLIES, view)
    while sent < len(view):
        sent += os.write(REPLIES, view[sent:])


def _refuse(sequence: int, text: str) -> None:
    encoded = text.encode("utf-8", "replace")[:65536]
    _write(HEADER.pack(1, len(encoded), sequence) + encoded)


def _requests() -> Any:
    """(op, sequence, whole message) of each request until the program closes the pipe."""
    buffer = bytearray(1 << 16)
    view, got = memoryview(buffer), 0
    while True:
        need = HEADER.size
        if got >= HEADER.size:
            op, size, sequence = HEADER.unpack_from(buffer)
            need = HEADER.size + size
            if got >= need:
                yield op, sequence, view[:need]
                got = 0
                continue
            if need > len(buffer):
                larger = bytearray(need)
                larger[:got] = view[:got]
                buffer, view = larger, memoryview(larger)
        count = os.readv(REQUESTS, [view[got:]])
        if count == 0:
            return
        got += count


def serve(make: Callable[..., Any], name: Optional[str] = None, ends: Optional[Callable[[Any], Any]] = None) -> None:
    """Serves environments that `make()` makes until the program closes its pipe; where it takes an argument num_envs,
    a vector of so many (gymnasium.vector.VectorEnv), which steps them by one call.

    `name` is what the program calls the environment; `ends(observations [rows, S]) -> bool [rows]` says where
    imagined episodes end (env.end=served), in place of a method `ends` of the environment.
    """
    _serve(lambda: _server(make, name or getattr(make, "__name__", "process"), ends))


def _serve(make_server: Callable[[], Server]) -> None:
    try:
        os.fstat(REQUESTS)
        os.fstat(REPLIES)
    except OSError:
        sys.exit("mbrl_gpu.serve is started by the program, which speaks to it through the descriptors 3 and 4:\n"
                 "  mbrl_gpu run sac_hopper env.name=process env.command=\"python3 -m mbrl_gpu.serve Pendulum-v1\"")
    server: Optional[Server] = None
    for op, sequence, request in _requests():
        try:
            if np is None:
                raise Refused(f"{sys.executable} has no numpy. Install it with `{sys.executable} -m pip install "
                              "numpy`, or start a Python that has it.")
            if server is None:
                server = make_server()
            reply = server.answer(op, request)
            if type(reply) is bytes:
                reply = bytearray(reply)
            HEADER.pack_into(reply, 0, 0, len(reply) - HEADER.size, sequence)
        except Refused as refused:
            _refuse(sequence, str(refused))
            return
        except Exception as error:  # the user's: the program says it, and starts another process
            # what Gymnasium says of an id or of what is not installed needs no trace
            if op != OPEN or not type(error).__module__.startswith("gymnasium."):
                traceback.print_exc()
            _refuse(sequence, f"{type(error).__name__}: {error}")
            sys.exit(1)
        try:
            _write(reply)
        except BrokenPipeError:
            return


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python3 -m mbrl_gpu.serve", description="Serve environments to mbrl_gpu (env.name=process).")
    parser.add_argument("environment", help="a Gymnasium id, or module:name of a class or function that makes one")
    parser.add_argument("--kwargs", default="{}", metavar="JSON", help="arguments of the environment")
    parser.add_argument("--ends", metavar="MODULE:FUNCTION",
                        help="where imagined episodes end: observations [rows, S] to bool [rows]")
    options = parser.parse_args(arguments)
    try:
        kwargs = json.loads(options.kwargs)
    except ValueError as error:
        parser.error(f"--kwargs is no JSON: {error}")
    if not isinstance(kwargs, dict):
        parser.error("--kwargs is no JSON object")
    sys.path.insert(0, os.getcwd())

    def make_server() -> Server:
        ends = _function(options.ends) if options.ends else None
        return _server(maker(options.environment, kwargs), options.environment, ends)
    _serve(make_server)


if __name__ == "__main__":
    main()
