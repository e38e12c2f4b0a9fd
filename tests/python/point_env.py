"""An environment without Gymnasium: a point on a line that is pushed left and right."""
import random

import numpy as np


class Box:
    def __init__(self, low, high, shape):
        self.shape, self.dtype = shape, np.dtype(np.float32)
        self.low, self.high = np.full(shape, low, np.float32), np.full(shape, high, np.float32)


class Point:
    observation_space, action_space = Box(-10, 10, (2,)), Box(0.0, 3.0, (1,))

    def __init__(self, width=1.0):
        self.width = width

    def reset(self, seed=None):
        self.x, self.v, self.steps = random.Random(seed).uniform(-self.width, self.width), 0.0, 0
        return np.array([self.x, self.v]), {}

    def step(self, action):
        assert 0.0 <= action[0] <= 3.0
        self.v += 0.1 * (float(action[0]) - 1.5)
        self.x += 0.1 * self.v
        self.steps += 1
        return np.array([self.x, self.v]), -self.x ** 2, False, self.steps == 20, {}


class Outer:
    class Inner(Point):
        pass
