"""How far rounding by hand can reach: every printed number stands for all numbers that round to it.

In: a function of printed numbers, and how far each may be off. Out: the interval of its results; a
claim is consistent where the interval of its own last place meets that one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SLACK = 2e-14  # of float64 itself, relative


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers from ``low`` to ``high``, around the one computed."""

    middle: float
    low: float
    high: float

    @classmethod
    def around(cls, middle: float, radius: float = 0.0) -> Interval:
        """The numbers at most ``radius`` away."""
        radius += SLACK * abs(middle)
        return cls(middle, middle - radius, middle + radius)

    def meets(self, other: Interval, extra: float = 0.0) -> bool:
        """Whether the two have a number in common, or are at most ``extra`` apart."""
        return self.low - extra <= other.high and other.low - extra <= self.high

    def holds(self, value: float) -> bool:
        """Whether a number lies inside."""
        return self.low <= value <= self.high

    @property
    def width(self) -> float:
        """From end to end."""
        return self.high - self.low

    def __neg__(self) -> Interval:
        return Interval(-self.middle, -self.high, -self.low)


NOWHERE = Interval(math.nan, math.nan, math.nan)


def reach(
    function: Callable[[Mapping[str, float]], float],
    at: Mapping[str, float],
    by: Mapping[str, float],
) -> Interval:
    """Return the results of a function while each argument moves by at most its radius.

    Each argument is moved alone; then all together in the directions that raise, and that lower, the result.
    That is exact for what is monotone in each argument, as sums and products of rounded numbers are.

    >>> round(reach(lambda x: x["a"] * x["b"], {"a": 0.5, "b": 2.0}, {"a": 0.05}).high, 9)
    1.1
    """
    middle = function(at)
    found, up, down = [middle], dict(at), dict(at)
    for name, radius in by.items():
        if not radius:
            continue
        above = function({**at, name: at[name] + radius})
        below = function({**at, name: at[name] - radius})
        found += [above, below]
        sign = 1 if above >= below else -1
        up[name], down[name] = at[name] + sign * radius, at[name] - sign * radius
    found += [function(up), function(down)]
    usable = [x for x in found if math.isfinite(x)]
    if not math.isfinite(middle) or not usable:
        return NOWHERE
    slack = SLACK * max(map(abs, usable))
    return Interval(middle, min(usable) - slack, max(usable) + slack)
