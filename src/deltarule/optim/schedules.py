"""Learning rates that change with the steps. A number is the constant schedule.

In: how many steps are done. Out: the rate of the next one. A schedule is any function of that
count in NumPy, traced into the compiled epoch like the rule that it is given to; those here are
frozen dataclasses of their settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.optim.rule import POSITIVE, check_number, check_schedule


class Schedule:
    """The base of schedules: called with a count, or with an array of counts to plot."""

    __slots__ = ()

    def __call__(self, count: Any) -> Any:
        """The rate of the step after ``count`` steps, in float64."""
        counts = count if hasattr(count, "astype") else np.asarray(count)
        return self._at(counts.astype(np.float64))

    def _at(self, t: Any) -> Any:
        raise NotImplementedError

    def _positive(self, *names: str) -> None:
        for name in names:
            check_number(self, name, POSITIVE, np.inf, "a positive number")

    def _at_least_zero(self, *names: str) -> None:
        for name in names:
            check_number(self, name, 0.0, np.inf, "0 or a positive number")

    def _steps(self) -> None:
        steps: Any = self.steps  # type: ignore[attr-defined]
        whole = isinstance(steps, (int, np.integer)) and not isinstance(steps, bool)
        if not whole or steps < 1:
            raise DataError(
                f"{type(self).__name__}: steps must be a whole number of at least 1, not {steps!r}; "
                "an epoch has ceil(rows / batch_size) steps"
            )
        object.__setattr__(self, "steps", int(steps))


@dataclass(frozen=True, slots=True)
class StepDecay(Schedule):
    """A rate multiplied by a factor every so many steps: start factor^floor(t / steps).

    Figures of ``torch.optim.lr_scheduler.StepLR``.

    Parameters
    ----------
    start : float
        The first rate.
    steps : int
        Steps of one rate.
    factor : float
        From one rate to the next.

    Raises
    ------
    DataError
        Where a setting is out of range.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.StepDecay(0.1, 100, 0.5)([0, 99, 100, 250]).tolist()
    [0.1, 0.1, 0.05, 0.025]
    """

    start: float
    steps: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        self._positive("start", "factor")
        self._steps()

    def _at(self, t: Any) -> Any:
        return self.start * np.power(self.factor, np.floor(t / self.steps))


@dataclass(frozen=True, slots=True)
class ExponentialDecay(Schedule):
    """A rate that falls by the same factor in equal times: start factor^(t / steps).

    Figures of ``torch.optim.lr_scheduler.ExponentialLR``, where steps is 1.

    Parameters
    ----------
    start : float
        The first rate.
    steps : int
        Steps after which the rate is start factor.
    factor : float
        See there.

    Raises
    ------
    DataError
        Where a setting is out of range.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.ExponentialDecay(0.1, 100, 0.25)([0, 50, 100]).tolist()
    [0.1, 0.05, 0.025]
    """

    start: float
    steps: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        self._positive("start", "factor")
        self._steps()

    def _at(self, t: Any) -> Any:
        return self.start * np.power(self.factor, t / self.steps)


@dataclass(frozen=True, slots=True)
class PolynomialDecay(Schedule):
    """A rate that comes down along a power: end + (start - end) (1 - t / steps)^power, then end.

    Figures of ``torch.optim.lr_scheduler.PolynomialLR``, where end is 0.

    Parameters
    ----------
    start, end : float
        The first rate, and that from t = steps on.
    steps : int
        Steps on the way.
    power : float
        1 is a straight line.

    Raises
    ------
    DataError
        Where a setting is out of range.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.PolynomialDecay(0.5, 100)([0, 50, 100, 200]).tolist()
    [0.5, 0.25, 0.0, 0.0]
    """

    start: float
    steps: int
    end: float = 0.0
    power: float = 1.0

    def __post_init__(self) -> None:
        self._positive("start", "power")
        self._at_least_zero("end")
        self._steps()

    def _at(self, t: Any) -> Any:
        left = 1 - np.minimum(t, self.steps) / self.steps
        return self.end + (self.start - self.end) * np.power(left, self.power)


@dataclass(frozen=True, slots=True)
class InverseTimeDecay(Schedule):
    """A rate that falls as 1/t: start / (1 + t / steps) (Robbins and Monro 1951).

    Figures of ``tf.keras.optimizers.schedules.InverseTimeDecay`` with decay_rate 1.

    Parameters
    ----------
    start : float
        The first rate.
    steps : int
        Steps after which the rate is half of it.

    Raises
    ------
    DataError
        Where a setting is out of range.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.InverseTimeDecay(0.5, 100)([0, 100, 300]).tolist()
    [0.5, 0.25, 0.125]
    """

    start: float
    steps: int

    def __post_init__(self) -> None:
        self._positive("start")
        self._steps()

    def _at(self, t: Any) -> Any:
        return self.start / (1 + t / self.steps)


@dataclass(frozen=True, slots=True)
class CosineDecay(Schedule):
    """Half a cosine from start to end, once or again and again (Loshchilov and Hutter 2017).

    end + (start - end) (1 + cos(pi x)) / 2, x = t / steps; then end, or with restarts from start
    again, each round ``growth`` times as long as the one before. Figures of
    ``torch.optim.lr_scheduler.CosineAnnealingLR`` and ``CosineAnnealingWarmRestarts``.

    Parameters
    ----------
    start, end : float
        The first rate, and the last.
    steps : int
        Steps of the first round.
    restarts : bool
        Whether another round follows.
    growth : float
        1 or more.

    Raises
    ------
    DataError
        Where a setting is out of range.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.CosineDecay(0.5, 100)([0, 50, 100, 150]).round(12).tolist()
    [0.5, 0.25, 0.0, 0.0]
    >>> dr.CosineDecay(0.5, 100, restarts=True, growth=2)([50, 100, 200]).round(12).tolist()
    [0.25, 0.5, 0.25]
    """

    start: float
    steps: int
    end: float = 0.0
    restarts: bool = False
    growth: float = 1.0

    def __post_init__(self) -> None:
        self._positive("start")
        self._at_least_zero("end")
        self._steps()
        check_number(self, "growth", 1.0, np.inf, "1 or more")
        if self.growth > 1 and not self.restarts:
            raise DataError(
                f"CosineDecay: growth is {self.growth:g}, but no round follows; give restarts=True"
            )

    def _at(self, t: Any) -> Any:
        x = self._round(t / self.steps) if self.restarts else np.minimum(t / self.steps, 1.0)
        return self.end + (self.start - self.end) * (0.5 + 0.5 * np.cos(np.pi * x))

    def _round(self, x: Any) -> Any:
        """The share of its round that is over, from the time in lengths of the first round."""
        more = self.growth - 1
        if not more:
            return x - np.floor(x)
        rounds = np.floor(np.log(1 + more * x) / np.log(self.growth) + 1e-9)  # rounding aside
        length = np.power(self.growth, rounds)
        return (x - (length - 1) / more) / length


@dataclass(frozen=True, slots=True)
class Warmup(Schedule):
    """A climb in equal parts to the first rate of another schedule, which then begins.

    after(0) (t + 1) / (steps + 1) for t < steps, then after(t - steps) (Goyal and others 2017).

    Parameters
    ----------
    after : float or schedule
        What follows.
    steps : int
        Steps with lower rates.

    Raises
    ------
    DataError
        Where a setting is out of range.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.Warmup(0.5, 4)([0, 1, 3, 4, 99]).tolist()
    [0.1, 0.2, 0.4, 0.5, 0.5]
    >>> dr.Warmup(dr.CosineDecay(0.5, 100), 4)([1, 4, 54]).round(12).tolist()
    [0.2, 0.5, 0.25]
    """

    after: Any
    steps: int

    def __post_init__(self) -> None:
        if callable(self.after):
            check_schedule(self, "after")
        else:
            self._positive("after")
        self._steps()

    def _at(self, t: Any) -> Any:
        climb = np.minimum((t + 1) / (self.steps + 1), 1.0)
        if not callable(self.after):
            return self.after * climb
        return self.after(np.maximum(t - self.steps, 0.0)) * climb


@dataclass(frozen=True, slots=True)
class OneCycle(Schedule):
    """Up to a high rate and down to almost nothing, along cosines (Smith and Topin 2018).

    From peak / start_divisor to peak at t = warmup steps - 1, then to
    peak / start_divisor / end_divisor at t = steps - 1, which stays. Figures of
    ``torch.optim.lr_scheduler.OneCycleLR``; the momentum is left alone.

    Parameters
    ----------
    peak : float
        The highest rate.
    steps : int
        Steps of the whole cycle.
    warmup : float
        The share of them that climbs, in (0, 1).
    start_divisor, end_divisor : float
        How much lower the first rate is than the peak, and the last than the first.

    Raises
    ------
    DataError
        Where a setting is out of range.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.OneCycle(0.5, 101, warmup=0.5)([0, 24.75, 49.5, 100]).round(9).tolist()
    [0.02, 0.26, 0.5, 2e-06]
    """

    peak: float
    steps: int
    warmup: float = 0.3
    start_divisor: float = 25.0
    end_divisor: float = 1e4

    def __post_init__(self) -> None:
        self._positive("peak", "start_divisor", "end_divisor")
        check_number(self, "warmup", POSITIVE, 1.0, "in (0, 1)")
        self._steps()
        if self.warmup * self.steps <= 1:
            raise DataError(
                f"OneCycle: warmup={self.warmup:g} of steps={self.steps} is no whole step; give "
                "more of either"
            )

    def _at(self, t: Any) -> Any:
        first = self.peak / self.start_divisor
        last = first / self.end_divisor
        top, end = self.warmup * self.steps - 1, self.steps - 1
        up = np.minimum(t / top, 1.0)
        down = np.minimum(np.maximum(t - top, 0.0) / (end - top), 1.0)
        climbed = self.peak + (first - self.peak) * (0.5 + 0.5 * np.cos(np.pi * up))
        fallen = last + (self.peak - last) * (0.5 + 0.5 * np.cos(np.pi * down))
        return np.where(t <= top, climbed, fallen)
