"""Settings of a training, checked before anything is done.

In: what the user gave to ``fit``. Out: the same in one type, or an error that names the setting.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from deltarule.errors import DataError, ShapeError
from deltarule.nn import Module
from deltarule.train.callbacks import Callback, callback_of
from deltarule.train.checkpoint import Loaded
from deltarule.train.run import Run


def whole_number(name: str, value: Any, least: int) -> None:
    """Raise where a setting is no integer of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise DataError(f"{name} must be a whole number of at least {least}, not {value!r}")


def truth(name: str, value: Any) -> None:
    """Raise where a setting is neither True nor False."""
    if not isinstance(value, (bool, np.bool_)):
        raise DataError(f"{name} is True or False, not {value!r}")


def seed_of(seed: int | None, resume: Run | None) -> int:
    """The seed of a training: given, that of the run to continue, or drawn."""
    if seed is not None:
        whole_number("seed", seed, 0)
    if resume is not None:
        if not isinstance(resume, Run):
            raise DataError(
                f"resume is a run of dr.fit, not {resume!r}; dr.Run.load(path) reads one from a file"
            )
        if seed not in (None, resume.seed):
            raise DataError(f"resume continues a run of seed {resume.seed}; seed={seed} was given")
        return resume.seed
    return int.from_bytes(os.urandom(4), "little") if seed is None else int(seed)


def callbacks_of(given: Any) -> tuple[Callback, ...]:
    """Callbacks as a tuple; one alone is one, a function is called after each epoch."""
    several = given if isinstance(given, (list, tuple)) else () if given is None else (given,)
    callbacks = tuple(callback_of(one) for one in several)
    for callback in callbacks:
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
