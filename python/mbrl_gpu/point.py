"""A trivial environment, a point on a line that is pushed left and right: what serving costs by itself.

    mbrl_gpu bench process "python3 -m mbrl_gpu.serve mbrl_gpu.point:Point"

It needs numpy alone, and shows the least that mbrl_gpu.serve asks of a class.
"""
from __future__ import annotations

import random
from typing import Any, Dict, List, Optional, Tuple

import numpy as np


class Box:
    """A space of `shape` numbers between two bounds, as Gymnasium's."""

    def __init__(self, low: float, high: float, shape: Tuple[int, ...]) -> None:
        self.shape, self.dtype = shape, np.dtype(np.float32)
        self.low, self.high = np.full(shape, low, np.float32), np.full(shape, high, np.float32)


class Point:
    observation_space, action_space = Box(-10, 10, (2,)), Box(-1, 1, (1,))

    def reset(self, seed: Optional[int] = None) -> Tuple[List[float], Dict[str, Any]]:
        self.x, self.v, self.steps = random.Random(seed).uniform(-1, 1), 0.0, 0
        return [self.x, self.v], {}

    def step(self, action: Any) -> Tuple[List[float], float, bool, bool, Dict[str, Any]]:
        self.v += 0.1 * float(action[0])
        self.x += 0.1 * self.v
        self.steps += 1
        return [self.x, self.v], -self.x * self.x, False, self.steps == 1000, {}
