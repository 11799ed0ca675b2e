"""Code that runs between epochs: hooks with declared names only.

In: a ``Moment``, what is known after an epoch. Out: nothing, or ``moment.stop(reason)``.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.errors import DataError

HOOKS = ("on_start", "on_epoch", "on_end")


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
        Figures of this epoch: loss, val_loss, metrics, rows_per_second.
    """

    net: Any
    epoch: int
    logs: dict[str, float]
    reason: str = ""

    def stop(self, reason: str) -> None:
        """End the training after this epoch."""
        self.reason = reason


class Callback:
    """The base of callbacks: override ``on_start``, ``on_epoch``, ``on_end``. A misspelt hook is an error."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if name.startswith("on_") and name not in HOOKS:
                near = difflib.get_close_matches(name, HOOKS, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise DataError(
                    f"{cls.__name__}.{name} is no hook{hint} The hooks are {', '.join(HOOKS)}"
                )

    def on_start(self, moment: Moment) -> None:
        """Before the first epoch."""

    def on_epoch(self, moment: Moment) -> None:
        """After each epoch."""

    def on_end(self, moment: Moment) -> None:
        """After the last epoch."""


@dataclass(slots=True)
class EarlyStopping(Callback):
    """Stop when a figure has not improved for ``patience`` epochs, and go back to the weights of the best epoch.

    Parameters
    ----------
    patience : int
        Epochs without improvement.
    monitor : str
        A figure of the history: val_loss, loss, or a metric.
    min_delta : float
        An improvement is larger than this.
    mode : str
        "min" or "max"; "auto" takes max for accuracy and r2.
    restore_best : bool
        Whether the best weights come back at the end.
    """

    patience: int = 10
    monitor: str = "val_loss"
    min_delta: float = 0.0
    mode: str = "auto"
    restore_best: bool = True
    best: float = field(default=np.nan, init=False)
    best_epoch: int = field(default=0, init=False)
    _weights: Any = field(default=None, init=False)

    def on_start(self, moment: Moment) -> None:
        """Forget an earlier training."""
        self.best, self.best_epoch, self._weights = np.nan, 0, None

    def on_epoch(self, moment: Moment) -> None:
        """Compare, keep, stop."""
        if self.monitor not in moment.logs:
            raise DataError(
                f"EarlyStopping watches {self.monitor!r}, which is not recorded; recorded are {', '.join(moment.logs)}. "
                "For val_ figures give fit validation=0.1 or validation=(X, y)"
            )
        value = moment.logs[self.monitor]
        largest = self.mode == "max" or (
            self.mode == "auto" and self.monitor.endswith(("accuracy", "r2"))
        )
        gain = value - self.best if largest else self.best - value
        if np.isnan(self.best) or gain > self.min_delta:
            self.best, self.best_epoch = value, moment.epoch
            self._weights = (moment.net.params, moment.net.state) if self.restore_best else None
        elif moment.epoch - self.best_epoch >= self.patience:
            moment.stop(
                f"{self.monitor} has not improved on {self.best:.6g} of epoch {self.best_epoch} for {self.patience} epochs"
            )

    def on_end(self, moment: Moment) -> None:
        """Bring the best weights back."""
        if self._weights is not None:
            moment.net.params, moment.net.state = self._weights
