"""Trainings, which the program does as a child process."""
from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from ._run import Run

Progress = Union[bool, Callable[[int, float], Optional[bool]]]

_EVALUATION = re.compile(r"env step (\d+): return (\S+)")
_FOLDER = re.compile(r"^(?:run|folder)\s+(\S.*)$", re.MULTILINE)


class Failed(RuntimeError):
    """A training that did not come to its end. `code`: the program's exit code; `text`: its last words."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text or f"mbrl_gpu ended with {code}")
        self.code, self.text = code, text


def program() -> str:
    """The program: MBRL_GPU_PROGRAM, the one that was installed with this module, or mbrl_gpu of the PATH.

    FileNotFoundError: none of these is there.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    chosen = os.environ.get("MBRL_GPU_PROGRAM")
    installed = [os.path.join(here, "bin", "mbrl_gpu"),  # a wheel's
                 os.path.normpath(os.path.join(here, "..", "..", "..", "..", "bin", "mbrl_gpu"))]
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise FileNotFoundError(f"MBRL_GPU_PROGRAM is {chosen}, which is no program.")
        return chosen
    for path in installed:
        if os.access(path, os.X_OK):
            return path
    found = shutil.which("mbrl_gpu")
    if found is None:
        raise FileNotFoundError("the program mbrl_gpu is not in the PATH. Set MBRL_GPU_PROGRAM to it, or install the "
                                "wheel, which holds it.")
    return found


def _end_with_parent() -> Callable[[], None]:
    """For a child before it starts: it gets SIGTERM when this thread ends, even by SIGKILL, as searches end trials."""
    import ctypes
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(1, int(signal.SIGTERM)) and None


def main() -> None:
    """The command mbrl_gpu of a wheel: the program takes this process's place."""
    path = program()
    os.execv(path, [path, *sys.argv[1:]])


def _plain(value: Any) -> Any:
    """What JSON has no form of, as one it has: numbers and arrays of numpy and the like, and paths."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{value!r} is no value of a key or an argument; expected numbers, texts, paths, lists, arrays or "
                    "dicts of such")


def _words(overrides: Dict[str, Any], before: str = "") -> List[str]:
    """key=value words: {"sac": {"learning_rate": 1e-3}} and {"sac__learning_rate": 1e-3} alike."""
    words: List[str] = []
    for key, value in overrides.items():
        name = before + key.replace("__", ".")
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if isinstance(value, dict):
            words += _words(value, name + ".")
        else:
            words.append(f"{name}={value if isinstance(value, str) else json.dumps(value, default=_plain)}")
    return words


def _is_gymnasium_id(name: str) -> bool:
    return re.search(r"-v\d+$", name) is not None or "/" in name or ":" in name


def _class_target(env: Any) -> Tuple[str, str]:
    """("module:name", folder that the module is found from, or "")."""
    name = getattr(env, "__qualname__", "")
    if not name:
        raise ValueError(f"{env!r} is no class and no function: pass the class or a function that makes the "
                         "environment; env_kwargs are its arguments.")
    if "<" in name or "." in name:
        raise ValueError(f"{env!r} cannot be found by another process: move it to the top level of a module.")
    module = inspect.getmodule(env)
    file = getattr(module, "__file__", None)
    if module is None or file is None:
        raise ValueError(f"{name} was defined in an interactive session, where another process cannot find it: move it "
                         "to a file and import it from there.")
    if module.__name__ == "__main__":
        # that process imports the file by its name, with another __name__
        return f"{os.path.splitext(os.path.basename(file))[0]}:{name}", os.path.dirname(os.path.abspath(file))
    depth = module.__name__.count(".") + (1 if os.path.basename(file) == "__init__.py" else 0)
    folder = os.path.dirname(os.path.abspath(file))
    for _ in range(depth):
        folder = os.path.dirname(folder)
    return f"{module.__name__}:{name}", folder


def _env_words(env: Any, kwargs: Optional[Dict[str, Any]]) -> Tuple[List[str], str]:
    """Overrides for an environment, and a folder for PYTHONPATH."""
    if env is None or (isinstance(env, str) and not _is_gymnasium_id(env)):
        if kwargs:
            raise ValueError("env_kwargs are the arguments of an environment that Python serves; env is "
                             f"{env!r}, which the program has itself.")
        return ([] if env is None else [f"env.name={env}"]), ""
    target, folder = (env, "") if isinstance(env, str) else _class_target(env)
    command = [sys.executable, "-m", "mbrl_gpu.serve", target]
    if kwargs:
        command += ["--kwargs", json.dumps(kwargs, default=_plain)]
    return ["env.name=process", "env.command=" + shlex.join(command)], folder


def train(config: str = "smoke", env: Any = None, *, env_kwargs: Optional[Dict[str, Any]] = None,
          progress: Progress = True, runs: str = "runs", device: str = "auto", threads: int = 0, resume: str = "auto",
          **overrides: Any) -> Run:
    """Trains, and returns the run.

    config      a shipped config ("hopper", "sac_hopper") or a file
    env         in its place: an environment of the program ("pendulum"), a Gymnasium id ("Pendulum-v1"), or a class or
                function at the top level of a module that makes one; the latter two are served by a process of this
                Python. env_kwargs are their arguments.
    overrides   keys of the config: seed=1, sac={"learning_rate": 1e-3}, sac__learning_rate=1e-3 or
                **{"sac.learning_rate": 1e-3}
    progress    True: lines on standard error; False: none; a function: called with (env step, mean return) after each
                evaluation, and the run stops, with a checkpoint, once it returns False
    runs        the folder of runs. The same call finds the same run and goes on with it; resume="never" starts over.
    device      auto, cpu or cuda:N; threads: of the host, 0: all cores

    Failed: the training did not come to its end; a run that was stopped by `progress` returns. KeyboardInterrupt stops
    the run with a checkpoint and goes on.
    """
    words, folder = _env_words(env, env_kwargs)
    command = [program(), "run", config, *words, *_words(overrides), "--runs", runs, "--device", device, "--threads",
               str(threads), "--resume", resume]
    environment = dict(os.environ)
    if folder:
        environment["PYTHONPATH"] = os.pathsep.join([folder] + [p for p in [environment.get("PYTHONPATH")] if p])
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                             env=environment, start_new_session=True, preexec_fn=_end_with_parent())
    assert child.stdout is not None and child.stderr is not None
    said: List[str] = []
    reader = threading.Thread(target=lambda: said.append(child.stdout.read()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    last: List[str] = []
    stopped = False
    try:
        for line in child.stderr:
            last = (last + [line])[-20:]
            if progress is True:
                sys.stderr.write(line)
            elif callable(progress):
                found = _EVALUATION.search(line)
                if found and not stopped:
                    verdict = progress(int(found[1]), float(found[2]))
                    if verdict is not None and not verdict:  # numpy's False, too
                        stopped = True
                        child.send_signal(signal.SIGTERM)
        code = child.wait()
    except BaseException:
        # the program writes a checkpoint before it ends
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            for _ in child.stderr:
                pass
            child.wait()
        raise
    finally:
        reader.join()
        child.stdout.close()
        child.stderr.close()
    match = _FOLDER.search("".join(said))
    if code != 0 and not (stopped and code == 130):
        text = [line for line in last if not line.startswith(" ") and "ETA" not in line]
        raise Failed(code, "".join(text or last).strip())
    if match is None:
        raise Failed(code, f"mbrl_gpu told no folder of its run: {''.join(said)[-500:]}")
    return Run(match[1].strip())
