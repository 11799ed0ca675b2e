"""The record of a training.

In: figures of each epoch. Out: ``Run``: history, the best epoch, the seed, a plot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deltarule.errors import DataError


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
    carry : params, state, opt_state, count
        Where the training stands, for ``resume``; opt_state is what the update rule keeps.
    """

    history: dict[str, list[float]]
    seed: int
    seconds: float = 0.0
    stopped: str = ""
    carry: Any = field(default=None, repr=False)

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.history["loss"])

    @property
    def best(self) -> dict[str, float]:
        """The epoch with the least validation loss, or else the least training loss."""
        self._check()
        watched = self.history.get("val_loss", self.history["loss"])
        finite = [i for i, value in enumerate(watched) if value == value]
        i = min(finite, key=lambda j: watched[j], default=0)
        return {"epoch": i + 1, **{name: values[i] for name, values in self.history.items()}}

    def _check(self) -> None:
        if not self.epochs:
            raise DataError("the run has no epoch: nothing is recorded; give fit epochs=1 or more")

    def __repr__(self) -> str:
        last = [f"{name} {values[-1]:.4g}" for name, values in self.history.items() if values]
        figures = f": {', '.join(last)}" if last else ""
        return f"<run of {self.epochs} epochs in {self.seconds:.1f} s{figures}>"

    def plot(self, path: str | Path | None = None) -> Any:
        """Curves of loss and metrics over the epochs; saved where a path is given.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from matplotlib.figure import Figure

        self._check()
        shown = [name.removeprefix("val_") for name in self.history if name != "rows_per_second"]
        names = list(dict.fromkeys(shown))
        figure = Figure(figsize=(4.8 * len(names), 3.4), layout="constrained")
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            self._curves(axes, name)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure

    def _curves(self, axes: Any, name: str) -> None:
        """One figure of training and validation over the epochs."""
        epochs = range(1, self.epochs + 1)
        mark = "." if self.epochs == 1 else None
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in self.history:
                axes.plot(epochs, self.history[key], marker=mark, label=label)
        if name == "loss" and "val_loss" in self.history:
            axes.axvline(self.best["epoch"], color="0.6", linestyle=":", label="best")
        if name == "loss" and min(self.history["loss"]) > 0:
            axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.legend()
