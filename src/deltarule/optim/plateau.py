"""A learning rate that falls when a figure of the training stops getting better.

In: a figure after each epoch. Out: the state of a rule with the rate of the next one. The rate is a
number in that state, so that another one needs no other program.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.optim.rule import POSITIVE, Settings, Tree, check_number

MODES = ("min", "max", "auto")


@dataclass(frozen=True, slots=True)
class OnPlateau(Settings):
    """A rate multiplied by a factor where a figure has not improved for some epochs.

    Given to a rule instead of a number: ``dr.Adam(dr.OnPlateau(1e-3))``. After every epoch ``dr.fit``
    looks at the figure; ``history["learning_rate"]`` tells the rate of each epoch. Figures of
    ``torch.optim.lr_scheduler.ReduceLROnPlateau`` with threshold_mode="abs" and eps=0.

    Parameters
    ----------
    start : float
        The first rate.
    monitor : str
        A figure of the history: val_loss, loss, or a metric.
    factor : float
        From one rate to the next, in (0, 1).
    patience : int
        Epochs without improvement that are borne; the rate falls after one more.
    min_delta : float
        An improvement is larger than this.
    cooldown : int
        Epochs after a fall in which none is counted.
    min_rate : float
        The rate falls no further.
    mode : str
        "min" or "max"; "auto" knows losses and our metrics.

    Raises
    ------
    DataError
        Where a setting is out of range; in ``dr.fit``, where the figure is not recorded.

    Examples
    --------
    >>> import deltarule as dr
    >>> rate = dr.OnPlateau(0.1, factor=0.5, patience=1)
    >>> opt = dr.SGD(rate)
    >>> s, rates = opt.init(1.0), []
    >>> for loss in [3.0, 2.0, 2.0, 2.0, 2.0, 1.0]:
    ...     s = rate.seen(s, loss)  # by hand; fit does it after each epoch
    ...     rates.append(float(s["plateau"]["rate"]))
    >>> rates
    [0.1, 0.1, 0.1, 0.05, 0.05, 0.05]
    """

    start: float
    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 10
    min_delta: float = 1e-4
    cooldown: int = 0
    min_rate: float = 0.0
    mode: str = "auto"

    def __post_init__(self) -> None:
        self._positive("start")
        self._at_least_zero("min_delta", "min_rate")
        check_number(self, "factor", POSITIVE, 1.0, "in (0, 1)")
        for name in ("patience", "cooldown"):
            value = getattr(self, name)
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not whole or value < 0:
                raise DataError(f"OnPlateau: {name} is a number of epochs, not {value!r}")
            object.__setattr__(self, name, int(value))
        if self.mode not in MODES:
            raise DataError(f"OnPlateau: mode is 'min', 'max' or 'auto', not {self.mode!r}")
        if self.min_rate > self.start:
            raise DataError(
                f"OnPlateau: min_rate must be at most start, not {self.min_rate:g} > {self.start:g}"
            )

    def begin(self) -> dict[str, Any]:
        """What a rule keeps of it: the rate, the best figure, and how many epochs it has waited."""
        return {
            "rate": np.float64(self.start),
            "best": np.float64(np.nan),
            "waited": np.int64(0),
            "cooling": np.int64(0),
        }

    def seen(self, state: Tree, value: float, largest: bool | None = None) -> Tree:
        """The state of a rule after an epoch in which the figure was ``value``.

        ``largest`` says that more is better; by default as ``mode`` says, "auto" being "min".
        """
        kept = state["plateau"]
        most = self.mode == "max" if largest is None else largest
        gain = value - kept["best"] if most else kept["best"] - value
        better = bool(gain > self.min_delta or (np.isnan(kept["best"]) and not np.isnan(value)))
        cooling = int(kept["cooling"])
        waited = 0 if better or cooling else int(kept["waited"]) + 1
        fall = waited > self.patience
        rate = max(float(kept["rate"]) * self.factor, self.min_rate) if fall else kept["rate"]
        new = {
            "rate": np.float64(rate),
            "best": np.float64(value if better else kept["best"]),
            "waited": np.int64(0 if fall else waited),
            "cooling": np.int64(self.cooldown if fall else max(cooling - 1, 0)),
        }
        return {**state, "plateau": new}


def plateaus(rule: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[OnPlateau, tuple[str, ...]]]:
    """The plateaus of a rule and of the rules inside it, and where in its state each is kept.

    A rule named ``rule`` shares the state of what it stands in; any other has a part of its own.
    """
    if not is_dataclass(rule):
        return
    for item in fields(rule):
        value = getattr(rule, item.name)
        if isinstance(value, OnPlateau):
            yield value, path
        elif is_dataclass(value):
            yield from plateaus(value, path if item.name == "rule" else (*path, item.name))


def kept_at(state: Tree, path: tuple[str, ...]) -> Tree:
    """The part of a rule's state at a path."""
    for name in path:
        state = state[name]
    return state


def replaced(state: Tree, path: tuple[str, ...], new: Tree) -> Tree:
    """The state with another part at a path."""
    if not path:
        return new
    return {**state, path[0]: replaced(state[path[0]], path[1:], new)}
