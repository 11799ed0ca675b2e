"""Callbacks that end a training: ``EarlyStopping`` and ``TimeLimit``.

In: the figures of each epoch. Out: ``moment.stop(reason)``; the best weights are brought back.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.derive.tree import tree_map
from deltarule.errors import DataError
from deltarule.train.callbacks import Callback, Moment
from deltarule.train.figures import check_recorded, direction
from deltarule.train.run import INTERRUPTED, Kept

PATIENCE = 10


def number(name: str, value: Any) -> float:
    """A setting that is a number and no NaN."""
    known = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not known or math.isnan(value):
        raise DataError(f"{name} is a number, not {value!r}")
    return float(value)


@dataclass(slots=True)
class EarlyStopping(Callback):
    """Stop when a figure has not improved for some epochs, or is good enough; keep the best weights.

    Parameters
    ----------
    patience : int, optional
        Epochs without improvement: 10 by default, without limit where a target is given.
    monitor : str
        A figure of the history: val_loss, loss, or a metric.
    min_delta : float
        An improvement is larger than this.
    mode : str
        "min" or "max"; "auto" knows losses and our metrics.
    restore_best : bool
        Whether the weights of the best epoch come back at the end, also after an interruption.
    target : float, optional
        Stop as soon as the figure is as good as this.

    Attributes
    ----------
    best, best_epoch : float, int
        The best figure and its epoch. A training that is resumed goes on from those of the run.

    Raises
    ------
    DataError
        Where a setting is out of range, or, before the first epoch, where the figure is not
        recorded.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> run = dr.fit(dr.Sequential(dr.Dense(1)), x, 2 * x, optimizer=dr.Adam(0.1), epochs=500,
    ...              seed=0, callbacks=dr.EarlyStopping(monitor="loss", target=0.001))
    >>> run.epochs < 500 and run.history["loss"][-1] <= 0.001
    True
    """

    patience: int | None = None
    monitor: str = "val_loss"
    min_delta: float = 0.0
    mode: str = "auto"
    restore_best: bool = True
    target: float | None = None
    best: float = field(default=np.nan, init=False)
    best_epoch: int = field(default=0, init=False)
    _sign: float = field(default=1.0, init=False, repr=False)
    _since: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        whole = isinstance(self.patience, (int, np.integer)) and not isinstance(self.patience, bool)
        if self.patience is not None and (not whole or self.patience < 1):
            raise DataError(f"EarlyStopping: patience is a number of epochs, not {self.patience!r}")
        if not number("EarlyStopping: min_delta", self.min_delta) >= 0:
            raise DataError(f"EarlyStopping: min_delta is 0 or more, not {self.min_delta!r}")
        if self.target is not None:
            number("EarlyStopping: target", self.target)
        if self.mode != "auto":
            direction("EarlyStopping", self.monitor, self.mode)

    def on_start(self, moment: Moment) -> None:
        """Check what is watched; take up the best of the run that is resumed."""
        if not moment.more:
            check_recorded("EarlyStopping watches", self.monitor, moment.figures)
        self._sign = 1.0 if direction("EarlyStopping", self.monitor, self.mode) == "max" else -1.0
        self.best, self.best_epoch, run = np.nan, 0, moment.run
        self._since = 0 if run.stopped in ("", INTERRUPTED) else run.epochs
        for epoch, value in enumerate(run.history.get(self.monitor, ()), 1):
            self._improved(value, epoch)
        kept = run.kept.get(self.monitor)
        if self.restore_best and (kept is None or kept.epoch != self.best_epoch):
            self.best, self.best_epoch, self._since = np.nan, 0, run.epochs
            run.kept.pop(self.monitor, None)

    def on_epoch(self, moment: Moment) -> None:
        """Compare, keep, stop."""
        check_recorded("EarlyStopping watches", self.monitor, moment.logs)
        value = moment.logs[self.monitor]
        if self._improved(value, moment.epoch) and self.restore_best:
            weights = tree_map(np.array, (moment.net.params, moment.net.state))
            moment.run.kept[self.monitor] = Kept(moment.epoch, *weights)
        patience = self.patience or (PATIENCE if self.target is None else math.inf)
        if self.target is not None and self._sign * (value - self.target) >= 0:
            moment.stop(f"{self.monitor} is {value:.6g}; {self.target:.6g} was asked for")
        elif moment.epoch - max(self.best_epoch, self._since) >= patience:
            of = f" of epoch {self.best_epoch}" if self.best_epoch else ""
            moment.stop(
                f"{self.monitor} has not improved on {self.best:.6g}{of} for {patience} epochs"
            )

    def on_end(self, moment: Moment) -> None:
        """Bring the best weights back."""
        kept = moment.run.kept.get(self.monitor)
        if self.restore_best and kept is not None:
            moment.net.params, moment.net.state = kept.params, kept.state
            moment.run.restored = kept.epoch

    def _improved(self, value: float, epoch: int) -> bool:
        """Whether this is the best value so far, which it then is."""
        better = self._sign * (value - self.best) > self.min_delta
        if np.isnan(value) or not (better or np.isnan(self.best)):
            return False
        self.best, self.best_epoch = value, epoch
        return True


@dataclass(slots=True)
class TimeLimit(Callback):
    """Stop after the epoch in which a training has taken so many seconds, counted from its start.

    A training that is resumed counts anew.

    Examples
    --------
    >>> import deltarule as dr
    >>> net, limit = dr.Sequential(dr.Dense(1)), dr.TimeLimit(0.05)
    >>> run = dr.fit(net, [[0.0], [1.0]], [0.0, 1.0], epochs=10**9, seed=0, callbacks=limit)
    >>> run.stopped
    'the limit of 0.05 s is over'
    """

    seconds: float
    _start: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not number("TimeLimit: seconds", self.seconds) > 0:
            raise DataError(f"TimeLimit: seconds are more than 0, not {self.seconds!r}")

    def on_start(self, moment: Moment) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_epoch(self, moment: Moment) -> None:
        """Stop where the time is over."""
        if time.monotonic() - self._start >= self.seconds:
            moment.stop(f"the limit of {self.seconds:g} s is over")
