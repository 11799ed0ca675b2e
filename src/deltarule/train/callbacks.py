"""Code that runs between epochs, or steps: hooks with declared names only.

In: a ``Moment``, what is known then. Out: nothing, or ``moment.stop(reason)``.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.derive.tree import tree_map
from deltarule.errors import DataError

HOOKS = ("on_start", "on_step", "on_epoch", "on_end")
SMALLER = ("loss", "mae", "rmse", "mape", "log_loss", "brier")
LARGER = ("accuracy", "top_k", "precision", "recall", "f1", "roc_auc", "r2", "explained_deviance")
DIRECTIONS = dict.fromkeys(SMALLER, "min") | dict.fromkeys(LARGER, "max")


@dataclass(slots=True)
class Moment:
    """What a hook is given.

    Attributes
    ----------
    net : Module
        With its current weights: they may be read and set.
    epoch : int
        Epochs done.
    logs : dict
        Figures of this epoch: loss, val_loss, metrics, rows_per_second; in ``on_step`` the loss of
        the step's batch, taken before its update; empty in ``on_start``.
    figures : tuple of str
        Names of what every epoch records.
    step : int
        Steps done, those of a resumed run included.
    """

    net: Any
    epoch: int
    logs: dict[str, float]
    figures: tuple[str, ...] = ()
    step: int = 0
    reason: str = ""

    def stop(self, reason: str) -> None:
        """End the training after this epoch."""
        self.reason = reason


class Callback:
    """The base of callbacks: override ``on_start``, ``on_step``, ``on_epoch``, ``on_end``.

    A misspelt hook is an error. Epochs run as machine code, which a callback with ``on_step`` leaves
    after every step: that costs some 25 us each time, many times the step itself in a small network.
    ``every`` makes it rarer.

    Attributes
    ----------
    every : int
        ``on_step`` is called after the steps whose number is a multiple of it.

    Examples
    --------
    >>> import deltarule as dr
    >>> class Show(dr.Callback):
    ...     def on_epoch(self, moment):
    ...         print(moment.epoch, *moment.logs)
    >>> net = dr.Sequential(dr.Dense(1))
    >>> run = dr.fit(net, [[0.0], [1.0]], [0.0, 1.0], epochs=2, seed=0, callbacks=[Show()])
    1 loss rows_per_second
    2 loss rows_per_second
    """

    every = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if name.startswith("on_") and name not in HOOKS:
                near = difflib.get_close_matches(name, HOOKS, n=1)
                hint = f", did you mean {near[0]}?" if near else "."
                raise DataError(
                    f"{cls.__name__}.{name} is no hook{hint} The hooks are {', '.join(HOOKS)}"
                )

    def on_start(self, moment: Moment) -> None:
        """Before the first epoch."""

    def on_step(self, moment: Moment) -> None:
        """After a step. Weights that it sets are those of the next one."""

    def on_epoch(self, moment: Moment) -> None:
        """After each epoch."""

    def on_end(self, moment: Moment) -> None:
        """After the last epoch, also when the training was stopped or interrupted."""

    @property
    def steps(self) -> bool:
        """Whether it has an ``on_step``."""
        return getattr(self.on_step, "__func__", None) is not Callback.on_step


@dataclass(slots=True)
class EarlyStopping(Callback):
    """Stop when a figure has not improved for some epochs, and go back to the best weights.

    Parameters
    ----------
    patience : int
        Epochs without improvement.
    monitor : str
        A figure of the history: val_loss, loss, or a metric.
    min_delta : float
        An improvement is larger than this.
    mode : str
        "min" or "max"; "auto" knows losses and our metrics.
    restore_best : bool
        Whether the weights of the best epoch come back at the end.

    Raises
    ------
    DataError
        Where a setting is out of range, or, before the first epoch, where the figure is not
        recorded.
    """

    patience: int = 10
    monitor: str = "val_loss"
    min_delta: float = 0.0
    mode: str = "auto"
    restore_best: bool = True
    best: float = field(default=np.nan, init=False)
    best_epoch: int = field(default=0, init=False)
    _largest: bool = field(default=False, init=False, repr=False)
    _weights: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.patience, (int, np.integer)) or self.patience < 1:
            raise DataError(f"EarlyStopping: patience is a number of epochs, not {self.patience!r}")
        if self.mode not in ("min", "max", "auto"):
            raise DataError(f"EarlyStopping: mode is 'min', 'max' or 'auto', not {self.mode!r}")
        if not self.min_delta >= 0:
            raise DataError(f"EarlyStopping: min_delta is 0 or more, not {self.min_delta!r}")

    def on_start(self, moment: Moment) -> None:
        """Forget an earlier training; check what is watched."""
        self.best, self.best_epoch, self._weights = np.nan, 0, None
        if self.monitor not in moment.figures:
            raise DataError(
                f"EarlyStopping watches {self.monitor!r}, which is not recorded; recorded are "
                f"{', '.join(moment.figures)}. For val_ figures give fit validation=0.1 or "
                "validation=(X, y)"
            )
        mode = self.mode
        if mode == "auto":
            name = re.sub(r"^top_\d+$", "top_k", self.monitor.removeprefix("val_"))
            mode = DIRECTIONS.get(name, "auto")
        if mode == "auto":
            raise DataError(
                f"EarlyStopping: whether more {self.monitor} is better is not known; give "
                "mode='max' or mode='min'"
            )
        self._largest = mode == "max"

    def on_epoch(self, moment: Moment) -> None:
        """Compare, keep, stop."""
        value = moment.logs[self.monitor]
        gain = value - self.best if self._largest else self.best - value
        if np.isnan(self.best) or gain > self.min_delta:
            self.best, self.best_epoch = value, moment.epoch
            if self.restore_best:
                self._weights = tree_map(np.array, (moment.net.params, moment.net.state))
        elif moment.epoch - self.best_epoch >= self.patience:
            moment.stop(
                f"{self.monitor} has not improved on {self.best:.6g} of epoch {self.best_epoch} "
                f"for {self.patience} epochs"
            )

    def on_end(self, moment: Moment) -> None:
        """Bring the best weights back."""
        if self._weights is not None:
            moment.net.params, moment.net.state = self._weights
