"""Which numbers the targets of a loss may be.

In: targets as arrays, before training. Out: nothing, or a DataError that names the place and cure.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import DataError

PROBABILITY = "0, 1, or probabilities between"


@dataclass(frozen=True, slots=True)
class Range:
    """What a loss takes: in words, as a test of each number, and what to do about others."""

    words: str
    low: float
    high: float = np.inf
    open_below: bool = False
    ends_only: bool = False
    cure: str = ""

    def wrong(self, t: Any) -> Any:
        """Where a target is outside."""
        if self.ends_only:
            return (t != self.low) & (t != self.high)
        return (t <= self.low if self.open_below else t < self.low) | (t > self.high)


_COUNTS = "; mse takes any number"
_PROBABILITIES = Range(PROBABILITY, 0, 1, cure=_COUNTS)
_YES_OR_NO = Range(PROBABILITY, 0, 1, cure="; cross_entropy takes more classes, mse any number")

RANGES = {
    "cross_entropy": _PROBABILITIES,
    "focal": _PROBABILITIES,
    "kl": _PROBABILITIES,
    "binary_cross_entropy": _YES_OR_NO,
    "binary_focal": _YES_OR_NO,
    "hinge": Range("-1 and 1", -1, 1, ends_only=True, cure="; of 0 and 1 make 2 * y - 1"),
    "poisson": Range("counts, 0 or more", 0, cure=_COUNTS),
    "gamma": Range("amounts above 0", 0, open_below=True, cure="; tweedie takes 0 as well"),
    "tweedie": Range("amounts, 0 or more", 0, cure=_COUNTS),
}
SUM_TO_ONE = ("cross_entropy", "focal", "kl")


def check_targets(t: Any, loss: str, name: str) -> None:
    """Raise where targets, called ``name``, are none that the loss of ours takes."""
    allowed = RANGES.get(loss)
    if allowed is None:
        return
    wrong = np.argwhere(allowed.wrong(t))
    if len(wrong):
        place = [int(i) for i in wrong[0]]
        raise DataError(
            f"{name}{place} is {t[tuple(place)]}; {loss} takes {allowed.words}{allowed.cure}"
        )
    if loss in SUM_TO_ONE and t.ndim > 1:
        sums = t.sum(axis=-1, dtype=float)
        off = np.argwhere(np.abs(sums - 1) > 1e-3)
        if len(off):
            row = tuple(int(i) for i in off[0])
            raise DataError(
                f"{name}{list(row)} adds up to {sums[row]:.6g}; the probabilities of a row add up to 1"
            )


def check_indices(t: Any, loss: str, name: str) -> None:
    """Raise where floats of one number a row, called ``name``, are given for class indices."""
    if t.ndim > 1 and t.shape[-1] > 1:
        return  # probabilities of classes
    if loss == "hinge" and np.isin(t, (-1, 1)).all():
        return  # signs
    broken = np.argwhere(t != np.rint(t))
    if len(broken):
        place = tuple(int(i) for i in broken[0])
        raise DataError(
            f"{name} has dtype {t.dtype}; {loss} takes class indices 0, 1, ... as integers, and "
            f"{name}{list(place)} is {t[place]:.6g}. For numbers to predict take loss='mse' and one output"
        )
    raise DataError(
        f"{name} has dtype {t.dtype}; {loss} takes class indices 0, 1, ... as integers: "
        f"{name}.astype(int)"
    )


def warn_of_idle(outputs: int, targets: Sequence[Any]) -> None:
    """Warn where the last outputs are of classes that no row has."""
    one_a_row = all(t.dtype.kind == "i" and t.size == len(t) for t in targets)
    if not one_a_row or outputs < 2:
        return
    most = max(int(t.max()) for t in targets)
    if most + 1 == outputs:
        return
    classes = f"rows have the classes 0 to {most}" if most else "all rows are of class 0"
    cure = f"Give the last layer {most + 1} units" if most else "Give rows of the others"
    warnings.warn(
        f"the network has {outputs} outputs, one for each class, and {classes}. {cure}, unless more "
        "rows come later",
        stacklevel=2,
    )
