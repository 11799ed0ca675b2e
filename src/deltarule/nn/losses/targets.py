"""Which numbers the targets of a loss may be.

In: targets as arrays, before training. Out: nothing, or a DataError that names the place and cure.
"""

from __future__ import annotations

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


_PROBABILITIES = Range(PROBABILITY, 0, 1)
_COUNTS = "; mse takes any number"

RANGES = {
    "cross_entropy": _PROBABILITIES,
    "focal": _PROBABILITIES,
    "kl": _PROBABILITIES,
    "binary_cross_entropy": _PROBABILITIES,
    "binary_focal": _PROBABILITIES,
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
    if loss in SUM_TO_ONE:
        sums = t.sum(axis=-1, dtype=float)
        (rows,) = np.nonzero(np.abs(sums.reshape(len(t), -1) - 1).max(axis=1) > 1e-3)
        if len(rows):
            raise DataError(
                f"{name}[{rows[0]}] adds up to {sums[rows[0]]:.6g}; the probabilities of a row add "
                "up to 1"
            )
