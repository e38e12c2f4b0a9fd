"""Weights of a checkpoint or of an exported policy, as numpy arrays."""
from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Tuple

import numpy as np

Arrays = Dict[str, "np.ndarray[Any, Any]"]
Layers = List[Tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]]

_TYPES = {"F32": "<f4", "F64": "<f8", "U8": "|u1", "I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8"}


def read_safetensors(path: str) -> Tuple[Arrays, Dict[str, str]]:
    """Arrays by name, and the words about them."""
    with open(path, "rb") as file:
        data = file.read()
    size = int.from_bytes(data[:8], "little") if len(data) >= 8 else len(data)
    if size > len(data) - 8:
        raise ValueError(f"{path} is no safetensors file: it has {len(data)} bytes, which are no header.")
    header = json.loads(data[8:8 + size])
    words = header.pop("__metadata__", {})
    arrays: Arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[8 + size + begin:8 + size + end], _TYPES[entry["dtype"]])
        arrays[name] = array.reshape(entry["shape"])
    return arrays, words


def read_weights(checkpoint: str) -> Tuple[Arrays, Dict[str, str]]:
    """The weights of a checkpoint folder.

    ValueError: an earlier version wrote it, without names that say what they are.
    """
    arrays, words = read_safetensors(os.path.join(checkpoint, "weights.safetensors"))
    if not words.get("format", "").startswith("mbrl_gpu checkpoint"):
        raise ValueError(
            f"{checkpoint} was written by an earlier version of the program, as arrays that do not say what is where. "
            f"Write its policy anew with `mbrl_gpu export {checkpoint} --safetensors policy.safetensors` and load "
            "that, or let the run go on to its next checkpoint.")
    return arrays, words


def layers_of(arrays: Arrays, name: str) -> Layers:
    """The (weight [out, in], bias [out]) of the network called `name`."""
    layers: Layers = []
    while f"{name}.{len(layers)}.weight" in arrays:
        prefix = f"{name}.{len(layers)}"
        layers.append((arrays[prefix + ".weight"], arrays[prefix + ".bias"]))
    return layers
