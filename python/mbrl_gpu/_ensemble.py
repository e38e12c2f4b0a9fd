"""A trained ensemble of dynamics models in numpy."""
from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

import numpy as np

from ._run import Run
from ._weights import layers_of, read_weights

Array = Any


def _softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


class Prediction(NamedTuple):
    """What members say of N transitions: `mean` and `variance` of their targets, [E, N, D].

    Targets are the reward (where `predicts_reward`), each entry of the observation, and whether the episode ends
    (where `predicts_end`; a logit where there is an `end_threshold`). `variance` is None of a model of means alone (model.loss=mse).
    """
    mean: Array
    variance: Optional[Array]


class Ensemble:
    """All members of an ensemble.

    elites: indices of those that rollouts use, best first. predicts_reward, predicts_end: what targets there are beside
    the observation's entries; end_threshold: above which rollouts take a learned logit for an end, or None. about: words such as the environment's name and the step, by name.
    """

    def __init__(self, arrays: Dict[str, Array], words: Dict[str, str]) -> None:
        self.about = dict(words)
        self.observation_size, self.action_size = int(words["observation_size"]), int(words["action_size"])
        self.elites: List[int] = json.loads(words["model.elites"])
        self.predicts_reward = words["model.predicts_reward"] == "true"
        self.predicts_end = words["model.predicts_end"] == "true"
        threshold = words.get("model.end_threshold")
        self.end_threshold: Optional[float] = None if threshold is None else float(threshold)
        members = [layers_of(arrays, f"model.{i}") for i in range(int(words["model.members"]))]
        # one product for all members: [E, out, in]
        self._layers: List[Tuple[Array, Array]] = [
            (np.stack([member[i][0] for member in members]), np.stack([member[i][1] for member in members]))
            for i in range(len(members[0]))]
        self._mean, self._inv_std = arrays["model.input_mean"], arrays["model.input_inv_std"]
        self._bounds = (arrays.get("model.max_logvar"), arrays.get("model.min_logvar"))
        self._reads = json.loads(words.get("model.reads_entries", "[]"))
        absolute = np.zeros(self.observation_size, bool)
        absolute[json.loads(words.get("model.predicts_entries_themselves", "[]"))] = True
        self._absolute = absolute if words["model.predicts"] == "change" else np.ones_like(absolute)

    @classmethod
    def load(cls, run: Union[str, "os.PathLike[str]", Run], checkpoint: Optional[int] = None) -> "Ensemble":
        """The ensemble of a run (Run or its folder; `checkpoint`: at that step instead of the newest) or of one
        checkpoint folder.

        ValueError: its algorithm learns no model, or an earlier version of the program wrote it; FileNotFoundError.
        """
        folder = Run(run).checkpoint(checkpoint)
        arrays, words = read_weights(folder)
        if "model.members" not in words:
            raise ValueError(f"{folder} was trained by {words.get('algorithm')}, which learns no model; expected a run "
                             "of mbpo, mbpo_newest, pets or autombpo.")
        return cls(arrays, words)

    def __len__(self) -> int:
        return len(self._layers[0][0])

    def predict(self, observation: Array, action: Array) -> Prediction:
        """Mean and variance of every member's targets for observations [N, S] and actions [N, A], which are normalized
        to [-1, 1] as the program's are; see normalize_action. One row may come without N.

        ValueError: other shapes.
        """
        x, a = np.atleast_2d(np.asarray(observation, np.float32)), np.atleast_2d(np.asarray(action, np.float32))
        if x.shape[1:] != (self.observation_size,) or a.shape != (len(x), self.action_size):
            raise ValueError(f"observations and actions have the shapes {x.shape} and {a.shape}; expected "
                             f"(N, {self.observation_size}) and (N, {self.action_size})")
        read: Dict[str, Callable[[Array], Array]] = {"value": lambda v: v, "sin": np.sin, "cos": np.cos}
        if self._reads:
            x = np.stack([read[how](x[:, entry]) for entry, how in self._reads], axis=1)
        y = (np.concatenate([x, a], axis=1) - self._mean) * self._inv_std
        y = np.broadcast_to(y.astype(np.float32), (len(self), *y.shape))
        for i, (weight, bias) in enumerate(self._layers):
            y = y @ weight.transpose(0, 2, 1) + bias[:, None]
            if i + 1 < len(self._layers):
                y = y / (1 + np.exp(-np.clip(y, -88, 88)))  # swish
        highest, lowest = self._bounds
        if highest is None or lowest is None:
            return Prediction(y, None)
        D = y.shape[2] // 2
        logvar = lowest + _softplus(highest - _softplus(highest - y[:, :, D:]) - lowest)
        return Prediction(y[:, :, :D], np.exp(logvar))

    def next_observation(self, observation: Array, action: Array) -> Array:
        """The mean next observation of every member, [E, N, S]; arguments as of predict()."""
        mean = self.predict(observation, action).mean
        first = 1 if self.predicts_reward else 0
        entries = mean[:, :, first:first + self.observation_size]
        return entries + np.where(self._absolute, 0, np.atleast_2d(np.asarray(observation, np.float32)))

    def normalize_action(self, action: Array) -> Array:
        """Actions of the environment's own, [..., A], as predict() takes them."""
        low, high = (np.array(json.loads(self.about[f"action_{end}"])) for end in ("low", "high"))
        return ((2 * np.asarray(action, np.float64) - low - high) / (high - low)).astype(np.float32)

    def __repr__(self) -> str:
        return (f"<mbrl_gpu.Ensemble of {self.about.get('env', '?')} at step {self.about.get('env_steps', '?')}: "
                f"{len(self)} members, elites {self.elites}>")
