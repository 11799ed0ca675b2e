"""The record of a training.

In: figures of each epoch. Out: ``Run``: history, the best epoch, curves, a table; and the same as JSON.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deltarule.errors import DataError
from deltarule.train.figures import check_recorded, direction

INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Kept:
    """Weights and state of an epoch that was the best by some figure."""

    epoch: int
    params: Any
    state: Any


@dataclass(slots=True)
class Run:
    """What ``dr.fit`` returns.

    Attributes
    ----------
    history : dict of lists
        One figure per epoch: loss, val_loss, metrics, rows_per_second.
    best : dict
        Epoch (from 1) and figures where val_loss, or else loss, was least.
    seed : int
        Of shuffles, dropout and, for a new network, weights.
    seconds : float
        Duration.
    stopped : str
        Why the training ended before the last epoch, or empty.
    restored : int
        The epoch whose weights were brought back at the end; 0 where the network has the last ones.
    carry : params, state, opt_state, count
        Where the training stands, for ``resume``; opt_state is what the update rule keeps.
    kept : dict
        The best weights so far by each figure that ``dr.EarlyStopping`` watches.

    Examples
    --------
    >>> import deltarule as dr
    >>> run = dr.Run({"loss": [3.0, 1.0, 2.0], "val_accuracy": [0.5, 0.7, 0.9]}, seed=0)
    >>> run.best
    {'epoch': 2, 'loss': 1.0, 'val_accuracy': 0.7}
    >>> run.best_by("val_accuracy")["epoch"]
    3
    >>> dr.Run.from_record(run.record()) == run
    True
    """

    history: dict[str, list[float]]
    seed: int
    seconds: float = 0.0
    stopped: str = ""
    restored: int = 0
    carry: Any = field(default=None, repr=False, compare=False)
    kept: dict[str, Kept] = field(default_factory=dict, repr=False, compare=False)

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.history["loss"])

    @property
    def best(self) -> dict[str, float]:
        """The epoch with the least validation loss, or else the least training loss."""
        return self.best_by("val_loss" if "val_loss" in self.history else "loss")

    def best_by(self, figure: str, mode: str = "auto") -> dict[str, float]:
        """The epoch with the best value of a figure, and all its figures.

        Parameters
        ----------
        figure : str
            One of the history.
        mode : str
            "min" or "max"; "auto" knows losses and our metrics.
        """
        self.check_any()
        check_recorded("best_by asks for", figure, self.history)
        values = self.history[figure]
        numbers = [value for value in values if value == value]  # all but NaN
        best = min if direction("best_by", figure, mode) == "min" else max
        i = values.index(best(numbers)) if numbers else 0
        return {"epoch": i + 1, **{name: column[i] for name, column in self.history.items()}}

    def check_any(self) -> None:
        """Raise where no epoch is recorded."""
        if not self.epochs:
            raise DataError("the run has no epoch: nothing is recorded; give fit epochs=1 or more")

    def __repr__(self) -> str:
        last = [f"{name} {values[-1]:.4g}" for name, values in self.history.items() if values]
        figures = f": {', '.join(last)}" if last else ""
        return f"<run of {self.epochs} epochs in {self.seconds:.1f} s{figures}>"

    def _repr_html_(self) -> str:
        """Figures and curves, for notebooks."""
        from deltarule.train.curves import page

        return page(self)

    def plot(self, path: str | Path | None = None) -> Any:
        """Curves of loss and metrics over the epochs; saved where a path is given.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from deltarule.train.curves import curves

        figure = curves(self)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure

    def to_frame(self) -> Any:
        """The history as a table, one row per epoch.

        Returns
        -------
        pandas.DataFrame or pyarrow.Table
            A frame with the epochs (from 1) as index where pandas is installed, else a table with a
            column ``epoch``.
        """
        epochs = range(1, self.epochs + 1)
        try:
            import pandas as pd
        except ImportError:
            import pyarrow as pa

            return pa.table({"epoch": list(epochs), **self.history})
        return pd.DataFrame(self.history, pd.RangeIndex(1, self.epochs + 1, name="epoch"))

    # --- on disk ---

    def record(self) -> dict[str, Any]:
        """The run as plain JSON data, without weights and the rule's state; NaN and infinity are words."""
        history = {
            name: [value if math.isfinite(value) else str(value) for value in values]
            for name, values in self.history.items()
        }
        return {
            "history": history,
            "seed": self.seed,
            "seconds": self.seconds,
            "stopped": self.stopped,
            "restored": self.restored,
        }

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Run:
        """The run of a ``record()``."""
        history = {name: [float(x) for x in column] for name, column in record["history"].items()}
        others = {"seconds": float, "stopped": str, "restored": int}
        settings = {name: kind(record[name]) for name, kind in others.items() if name in record}
        return Run(history, int(record["seed"]), **settings)

    @staticmethod
    def load(path: str | Path) -> Run:
        """The run in a file that ``dr.save(net, path, run=run)`` or ``dr.Checkpoint`` wrote.

        Where the file holds what the update rule keeps, ``dr.fit(..., resume=run)`` goes on from it.

        Raises
        ------
        ModelFileError
            There is no such file, or it has no run.
        """
        from deltarule.train.checkpoint import read_run

        return read_run(Path(path))
