"""The folder of a run."""
from __future__ import annotations

import csv
import json
import os
import re
from typing import Any, Dict, List, Optional, Union

Table = Any  # a pandas frame, or arrays by name


class Run:
    """What a training has left in its folder: runs/<name>/<config hash>/seed-<n>.

    Tables are read anew each time, so that a run that goes on can be watched. Each is a pandas frame where pandas is
    installed, else a dict of arrays: both give a column as table["eval_return_mean"]. Absent numbers are NaN.
    """

    def __init__(self, path: Union[str, "os.PathLike[str]", "Run"]) -> None:
        self.path: str = path.path if isinstance(path, Run) else os.fspath(path)
        if not os.path.isdir(self.path):
            raise FileNotFoundError(f"{self.path} is no folder; expected a run's, such as runs/smoke/c37d1fad/seed-0.")

    def _json(self, name: str) -> Dict[str, Any]:
        with open(os.path.join(self.path, name)) as file:
            return dict(json.load(file))

    @property
    def config(self) -> Dict[str, Any]:
        """All keys of its config, by section."""
        return self._json("config.json")

    @property
    def summary(self) -> Dict[str, Any]:
        """What it came to; {} before it has ended or paused."""
        try:
            return self._json("summary.json")
        except FileNotFoundError:
            return {}

    @property
    def status(self) -> str:
        """"done", "stopped", "failed", "diverged" and so on; "open" while nothing is known."""
        return str(self.summary.get("status", "open"))

    def arrays(self, table: str = "metrics") -> Dict[str, Any]:
        """A table as numpy arrays by column, whatever is installed; {} where there is none yet."""
        import numpy as np
        try:
            with open(os.path.join(self.path, table + ".csv"), newline="") as file:
                rows = list(csv.reader(file))
        except FileNotFoundError:
            return {}
        if not rows:
            return {}
        rows = [rows[0]] + [row for row in rows[1:] if len(row) == len(rows[0])]  # the last may be half written

        def column(values: List[str]) -> Any:
            try:
                return np.array([float(value) if value else np.nan for value in values])
            except ValueError:
                return np.array(values)
        return {name: column([row[i] for row in rows[1:]]) for i, name in enumerate(rows[0])}

    def table(self, name: str) -> Table:
        """A table by its name without .csv."""
        arrays = self.arrays(name)
        try:
            import pandas  # type: ignore[import-untyped]
        except ModuleNotFoundError:
            return arrays
        return pandas.DataFrame(arrays)

    @property
    def metrics(self) -> Table:
        """A row for each evaluation; docs/metrics.md explains the columns."""
        return self.table("metrics")

    @property
    def episodes(self) -> Table:
        """A row for each episode of the training."""
        return self.table("episodes")

    @property
    def decisions(self) -> Table:
        """A row for each decision of what steers the run; no columns where nothing does."""
        return self.table("decisions")

    @property
    def checkpoints(self) -> Dict[int, str]:
        """Folders of complete checkpoints by env step, the oldest first."""
        folder = os.path.join(self.path, "checkpoints")
        found: Dict[int, str] = {}
        for name in sorted(os.listdir(folder) if os.path.isdir(folder) else []):
            matched = re.fullmatch(r"step-(\d+)", name)
            if matched and os.path.exists(os.path.join(folder, name, "DONE")):
                found[int(matched[1])] = os.path.join(folder, name)
        return found

    def checkpoint(self, step: Optional[int] = None) -> str:
        """The folder of the newest checkpoint, or of the one at `step`.

        FileNotFoundError: there is none, with those that there are.
        """
        if os.path.exists(os.path.join(self.path, "DONE")) and step is None:
            return self.path  # a checkpoint itself
        found = self.checkpoints
        if not found:
            raise FileNotFoundError(f"{self.path} holds no complete checkpoint. A run that has just begun has none "
                                    "yet; a folder of runs is no run.")
        if step is None:
            return found[max(found)]
        if step not in found:
            raise FileNotFoundError(f"{self.path} has no checkpoint at step {step}; it has "
                                    f"{', '.join(map(str, found))}. checkpoint.keep says how many a run keeps.")
        return found[step]

    def __repr__(self) -> str:
        return f"<mbrl_gpu.Run {self.path}: {self.status}>"
