"""A trained policy in numpy."""
from __future__ import annotations

import json
import os
from typing import Any, Dict, Optional, Union

import numpy as np

from ._run import Run
from ._weights import Layers, layers_of, read_safetensors, read_weights

Array = Any


class Policy:
    """Raw observations in, actions of the environment's own out.

    observation_size, action_size: S, A. low, high: the bounds of actions, [A]. about: words such as the environment's
    name and the step, by name.
    """

    def __init__(self, layers: Layers, activation: str, squash: str, low: Array, high: Array,
                 mean: Optional[Array] = None, inv_std: Optional[Array] = None, limit: float = np.inf,
                 log_std: Optional[Array] = None, log_std_bounds: Any = (-np.inf, np.inf),
                 about: Optional[Dict[str, str]] = None) -> None:
        self._layers, self._activation, self._squash = layers, activation, squash
        self.low, self.high = np.asarray(low, np.float32), np.asarray(high, np.float32)
        self._mean, self._inv_std, self._limit = mean, inv_std, limit
        self._log_std, self._log_std_bounds = log_std, log_std_bounds
        self.about = dict(about or {})
        self.observation_size, self.action_size = int(layers[0][0].shape[1]), len(self.low)

    @classmethod
    def load(cls, run: Union[str, "os.PathLike[str]", Run], checkpoint: Optional[int] = None) -> "Policy":
        """The policy of a run (Run or its folder; `checkpoint`: at that step instead of the newest), of one checkpoint
        folder, or of a file that `mbrl_gpu export RUN --safetensors FILE` wrote.

        ValueError: it has no policy, or an earlier version of the program wrote it; FileNotFoundError.
        """
        if not isinstance(run, Run) and os.path.isfile(run):
            return cls._of_export(os.fspath(run))
        folder = Run(run).checkpoint(checkpoint)
        arrays, words = read_weights(folder)
        low, high = json.loads(words["action_low"]), json.loads(words["action_high"])
        if "actor.0.weight" in arrays:
            return cls(layers_of(arrays, "actor"), "relu", "tanh", low, high,
                       log_std_bounds=json.loads(words["actor.log_std_bounds"]), about=words)
        if "policy.0.weight" not in arrays:
            raise ValueError(f"{folder} was trained by {words.get('algorithm')}, which has no policy; expected a run "
                             "of mbpo, mbpo_newest, sac, ppo or autombpo. Ensemble.load reads its model.")
        mean = inv_std = None
        if words["policy.scaler"] != "none":
            count = float(arrays["observation_moments.count"][0])
            mean = arrays["observation_moments.mean"]
            variance = arrays["observation_moments.sum_of_squares"] / count if count >= 2 else np.ones_like(mean)
            inv_std = 1 / np.sqrt(variance + 1e-8)
        return cls(layers_of(arrays, "policy"), "tanh", "clip", low, high, mean, inv_std, 10.0,
                   log_std=arrays["log_std"], about=words)

    @classmethod
    def _of_export(cls, path: str) -> "Policy":
        arrays, words = read_safetensors(path)
        if not words.get("format", "").startswith("mbrl_gpu policy"):
            raise ValueError(f"{path} holds no policy; expected a file of `mbrl_gpu export RUN --safetensors FILE`, or "
                             "a run's folder.")
        return cls(layers_of(arrays, "policy"), words["activation"], words["squash"], arrays["action.low"],
                   arrays["action.high"], arrays.get("observation.mean"), arrays.get("observation.inv_std"),
                   float(words.get("observation_limit", "inf")), about=words)

    def __call__(self, observation: Array, deterministic: bool = True,
                 rng: Optional[np.random.Generator] = None) -> Array:
        """The action [A] for an observation [S], or [N, A] for [N, S], float32.

        deterministic=False draws it as the policy explores, from `rng` or numpy's own generator. ValueError: another
        shape; a policy out of an exported file, which has its mean alone, is asked to draw.
        """
        given = np.asarray(observation, np.float32)
        if given.ndim not in (1, 2) or given.shape[-1] != self.observation_size:
            raise ValueError(f"an observation has the shape {given.shape}; expected ({self.observation_size},) or "
                             f"(N, {self.observation_size})")
        x = np.atleast_2d(given)
        if self._mean is not None:
            x = np.clip((x - self._mean) * self._inv_std, -self._limit, self._limit).astype(np.float32)
        for i, (weight, bias) in enumerate(self._layers):
            x = x @ weight.T + bias
            if i + 1 < len(self._layers):
                x = np.tanh(x) if self._activation == "tanh" else np.maximum(x, 0)
        A = self.action_size
        mean = x[:, :A]
        if not deterministic:
            if x.shape[1] == 2 * A:
                log_std = np.clip(x[:, A:], *self._log_std_bounds)
            elif self._log_std is not None:
                log_std = np.broadcast_to(self._log_std, mean.shape)
            else:
                raise ValueError("an exported policy is deterministic: it has no standard deviations. Load the run "
                                 "itself.")
            noise = (rng or np.random.default_rng()).standard_normal(mean.shape)
            mean = mean + np.exp(log_std) * noise
        squashed = np.tanh(mean) if self._squash == "tanh" else np.clip(mean, -1, 1)
        low, high = self.low.astype(np.float64), self.high.astype(np.float64)
        action = np.clip((low + high) / 2 + squashed * (high - low) / 2, low, high).astype(np.float32)
        return action[0] if given.ndim == 1 else action

    def __repr__(self) -> str:
        return (f"<mbrl_gpu.Policy of {self.about.get('env', '?')} at step {self.about.get('env_steps', '?')}: "
                f"{self.observation_size} observations, {self.action_size} actions>")
