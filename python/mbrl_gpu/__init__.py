"""mbrl_gpu from Python: train, look at runs, and act with what they have learned.

    import mbrl_gpu
    run = mbrl_gpu.train("smoke", seed=1)
    run.metrics["eval_return_mean"]
    policy = mbrl_gpu.Policy.load(run)
    action = policy(observation)

`train` starts the program; all else needs numpy alone. docs/python.md says more.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._ensemble import Ensemble, Prediction
    from ._policy import Policy
    from ._run import Run
    from ._train import Failed, program, train

__all__ = ["Ensemble", "Failed", "Policy", "Prediction", "Run", "program", "train"]

_MODULES = {"Ensemble": "_ensemble", "Prediction": "_ensemble", "Policy": "_policy", "Run": "_run", "Failed": "_train",
            "program": "_train", "train": "_train"}


def __getattr__(name: str) -> Any:
    # what a process serves (mbrl_gpu.serve) has no need of these, and may have no numpy
    if name not in _MODULES:
        raise AttributeError(f"module mbrl_gpu has no attribute {name}")
    import importlib
    try:
        return getattr(importlib.import_module("." + _MODULES[name], __name__), name)
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        import sys
        raise ModuleNotFoundError(f"mbrl_gpu.{name} needs numpy, which {sys.executable} has not. Install it with "
                                  f"`{sys.executable} -m pip install numpy`.", name="numpy") from None
