"""Settings of a training, checked before anything is done.

In: what the user gave to ``fit``. Out: the same in one type, or an error that names the setting.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from deltarule.derive.tree import flatten
from deltarule.errors import DataError, ShapeError
from deltarule.nn import Module
from deltarule.optim import OnPlateau
from deltarule.train.callbacks import Callback
from deltarule.train.checkpoint import Loaded
from deltarule.train.run import Run


def whole_number(name: str, value: Any, least: int) -> None:
    """Raise where a setting is no integer of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise DataError(f"{name} must be a whole number of at least {least}, not {value!r}")


def seed_of(seed: int | None, resume: Run | None) -> int:
    """The seed of a training: given, that of the run to continue, or drawn."""
    if seed is not None:
        whole_number("seed", seed, 0)
    if resume is not None:
        if seed not in (None, resume.seed):
            raise DataError(f"resume continues a run of seed {resume.seed}; seed={seed} was given")
        return resume.seed
    return int.from_bytes(os.urandom(4), "little") if seed is None else int(seed)


def callbacks_of(given: Any) -> tuple[Callback, ...]:
    """Callbacks as a tuple; one alone is one."""
    callbacks = (given,) if isinstance(given, Callback) else tuple(given)
    for callback in callbacks:
        if not isinstance(callback, Callback):
            place = isinstance(callback, OnPlateau)
            cure = (
                "; it is given as a learning rate, as dr.Adam(dr.OnPlateau(0.01))" if place else ""
            )
            raise DataError(f"callbacks are objects of dr.Callback, not {callback!r}{cure}")
        whole_number(f"every of {type(callback).__name__}", callback.every, 1)
    return callbacks


def one_array(y: Any) -> Any:
    """What a network returned, where it is one array."""
    if not hasattr(y, "shape"):
        raise ShapeError(
            f"the network returned {type(y).__name__}; fit needs one array, rows first"
        )
    return y


def trainable(net: Any) -> Module:
    """The network itself, where it can be trained."""
    if not isinstance(net, Module):
        raise DataError(f"fit trains a network, an object of dr.Module, not {net!r}")
    if isinstance(net, Loaded):
        raise DataError(
            "this network was loaded from its graph of evaluation and cannot be trained: load it "
            "into a network of its class, dr.load(path, net)"
        )
    return net


def shapes_of(tree: Any) -> Any:
    """The structure of a tree, and the shapes of its leaves."""
    leaves, spec = flatten(tree)
    return spec, [np.shape(x) for x in leaves]
