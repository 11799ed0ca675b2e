"""A call of a network: which weights, state, mode and random key its layers see while it runs.

In: nested dicts of weights and state. Out: ``Call``, bound to a thread while the layers' NumPy code
runs; the state that they assigned; errors that name the layer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.derive.trace import STATE
from deltarule.errors import DataError, DeltaruleError
from deltarule.nn.arrays import as_numbers, in_dtype
from deltarule.nn.nested import Path, Tree
from deltarule.nn.tuning import activity_of, activity_penalty
from deltarule.program import random

FLOATS = (np.dtype("float32"), np.dtype("float64"))


@dataclass(slots=True)
class Call:
    """What a pure call binds to the attributes of a network.

    Attributes
    ----------
    places : dict
        Path of each layer, by its id.
    params, state : nested dict
        Values of weights and state.
    new_state : nested dict
        What the layers assigned.
    train : bool
        Whether it is a training step; False while the code of a frozen layer runs.
    key, step : array
        Random numbers are a function of key, step and site.
    building : dtype or None
        Set while weights are being declared.
    trains : bool
        Whether it is a training step, for every layer.
    depth : int
        How many traces are open around it.
    drawn : list
        The weights that were declared: layer, name, initializer.
    penalties : list or None
        Takes the penalties on the outputs of layers, where they are wanted.
    """

    places: dict[int, Path]
    params: Tree
    state: Tree
    new_state: Tree = field(default_factory=dict)
    train: bool = False
    key: Any = None
    step: Any = 0
    building: Any = None
    drawn: list[Any] = field(default_factory=list)
    draws: dict[Path, int] = field(default_factory=dict)
    penalties: list[Any] | None = None
    trains: bool = field(init=False)
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        self.trains, self.depth = self.train, len(STATE.traces)

    def run(self, layer: Any, code: Callable[..., Any], args: Any, named: Any) -> Any:
        """Run the code of a layer; nodes made inside carry its path, and errors name it."""
        path = self.places[id(layer)]
        outer, STATE.scope = STATE.scope, ".".join(path)
        around, self.train = self.train, self.trains and not layer.frozen
        try:
            y = code(layer, *args, **named)
            if self.penalties is not None and activity_of(layer):
                self._penalize(layer, y)
            return y
        except Exception as error:
            if path and not hasattr(error, "layer"):
                _locate(error, f"layer {'.'.join(path)}, {layer!r}")
            raise
        finally:
            STATE.scope, self.train = outer, around

    def _penalize(self, layer: Any, y: Any) -> None:
        if len(STATE.traces) > self.depth:
            raise DataError(
                "activity_l1 and activity_l2 are not for layers inside dr.scan or dr.vmap: penalize "
                "what the loop returns, in dr.Activation('identity').tune(activity_l2=0.1) after it"
            )
        assert self.penalties is not None
        self.penalties.append(activity_penalty(layer, y))

    def site(self, layer: Any) -> int:
        """The number of the place where a layer draws: its path, and its draws in this call."""
        path = self.places[id(layer)]
        count = self.draws[path] = self.draws.get(path, -1) + 1
        return random.site(f"{'.'.join(path)}#{count}")

    def drawing(self, layer: Any) -> tuple[Any, int]:
        """The key and the place of random numbers that a layer draws now."""
        if self.key is None:
            raise DataError(
                f"{type(layer).__name__} draws random numbers while training: pass "
                "key=dr.random.key(seed) to the call"
            )
        return self.key, self.site(layer)


def _locate(error: Any, place: str) -> None:
    """Say in the error in which layer it was."""
    error.layer = place
    if isinstance(error, DeltaruleError) and len(error.args) == 1:
        error.args = (f"{error} (in {place})",)
    else:
        error.add_note(f"in {place}")


class _Calls(threading.local):
    def __init__(self) -> None:
        self.stack: list[Call] = []


CALLS = _Calls()


def current() -> Call | None:
    """The innermost call of this thread."""
    return CALLS.stack[-1] if CALLS.stack else None


@contextmanager
def bound(call: Call) -> Iterator[None]:
    """Layers take their values from ``call`` inside."""
    CALLS.stack.append(call)
    try:
        yield
    finally:
        CALLS.stack.pop()


# --- inputs and outputs ---


def as_output(y: Any, dtype: np.dtype[Any]) -> Any:
    """An output in the network's float type, which constants in its code may have widened."""
    y = np.asarray(y)
    return y.astype(dtype, copy=False) if y.dtype.kind == "f" else y


def as_input(x: Any, dtype: np.dtype[Any]) -> Any:
    """An array of inputs in the network's float type."""
    return in_dtype(as_numbers(x, "X"), dtype, "X")


def narrowed(x: Any, dtype: np.dtype[Any]) -> Any:
    """A plain array of floats in the float type of the weights; anything else as it is."""
    plain = isinstance(x, np.ndarray) and x.dtype.kind == "f" and dtype in FLOATS
    return x.astype(dtype, copy=False) if plain else x
