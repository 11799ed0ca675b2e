"""Callbacks that write files while a training runs: ``Checkpoint`` and ``Log``.

In: the figures and weights of each epoch. Out: a model file that a killed training goes on from; a line
per epoch.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.write import write_whole
from deltarule.errors import DataError
from deltarule.train.callbacks import Callback, Moment
from deltarule.train.checkpoint import save
from deltarule.train.figures import check_recorded, direction
from deltarule.train.run import INTERRUPTED

PLACE = "{epoch}"


@dataclass(slots=True)
class Checkpoint(Callback):
    """Write the network to a file after epochs, with all that it takes to go on from there.

    The file is a model file: ``dr.load(path)`` gives the network, ``dr.Run.load(path)`` the run for
    ``resume``. It is written whole or not at all, whenever the process is killed. What continues
    from it, with the same data and settings, has the same bits as a training that was not killed.

    Parameters
    ----------
    path : str or Path
        "{epoch}" in it stands for the number of the epoch; without it there is one file, which is
        written over.
    every : int
        It is written after the epochs whose number is a multiple of it.
    monitor : str, optional
        Only where this figure of the history is better than in the file.
    mode : str
        "min" or "max", where monitor is given; "auto" knows losses and our metrics.

    Notes
    -----
    Without ``monitor`` the file of a finished training holds the network as ``fit`` leaves it, with
    the weights that ``dr.EarlyStopping`` brought back; after an interruption the last whole epoch.

    Examples
    --------
    >>> import deltarule as dr, tempfile
    >>> X, y = [[0.0], [1.0]], [0.0, 1.0]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/line.dr"
    ...     net = dr.Sequential(dr.Dense(1))
    ...     run = dr.fit(net, X, y, epochs=2, seed=0, callbacks=dr.Checkpoint(path))
    ...     again = dr.load(path)
    ...     run = dr.fit(again, X, y, epochs=3, resume=dr.Run.load(path))
    >>> run.epochs
    5
    """

    path: str | Path
    every: int = 1
    monitor: str | None = None
    mode: str = "auto"
    best: float = field(default=np.nan, init=False)
    written: int = field(default=0, init=False)
    _sign: float = field(default=1.0, init=False, repr=False)
    late = True

    def on_start(self, moment: Moment) -> None:
        """Check the place and what is watched."""
        check_folder("Checkpoint", self.path)
        self.written, self.best = moment.epoch, np.nan
        if self.monitor is None:
            return
        if not moment.more:
            check_recorded("Checkpoint watches", self.monitor, moment.figures)
        self._sign = 1.0 if direction("Checkpoint", self.monitor, self.mode) == "max" else -1.0
        if Path(self.path).exists():  # of the run that is resumed
            for value in moment.run.history.get(self.monitor, ())[self.every - 1 :: self.every]:
                self._improved(value)

    def on_epoch(self, moment: Moment) -> None:
        """Write where it is due."""
        if self.monitor is not None:
            check_recorded("Checkpoint watches", self.monitor, moment.logs)
        if moment.epoch % self.every == 0 and (
            self.monitor is None or self._improved(moment.logs[self.monitor])
        ):
            self._write(moment)

    def on_end(self, moment: Moment) -> None:
        """Write what is not in the file yet."""
        news = moment.epoch != self.written or moment.run.restored
        if self.monitor is None and news and moment.run.stopped != INTERRUPTED:
            self._write(moment)

    def _improved(self, value: float) -> bool:
        better = self._sign * (value - self.best) > 0
        if np.isnan(value) or not (better or np.isnan(self.best)):
            return False
        self.best = value
        return True

    def _write(self, moment: Moment) -> None:
        path = str(self.path).replace(PLACE, str(moment.epoch))
        save(moment.net, path, run=moment.run, resumable=True)
        self.written = moment.epoch


@dataclass(slots=True)
class Log(Callback):
    """Write the figures of each epoch as a line of a file: JSON, or CSV where its name ends so.

    A new training begins the file anew; one that is resumed begins with the epochs done before.

    Parameters
    ----------
    path : str or Path
        A name ending in .csv, .jsonl or .json.

    Examples
    --------
    >>> import deltarule as dr, tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "run.csv")
    ...     net = dr.Sequential(dr.Dense(1))
    ...     run = dr.fit(net, [[0.0], [1.0]], [0.0, 1.0], epochs=2, callbacks=dr.Log(path))
    ...     print(path.read_text().splitlines()[0])
    epoch,loss,rows_per_second
    """

    path: str | Path
    _begun: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        if Path(self.path).suffix not in (".csv", ".jsonl", ".json"):
            raise DataError(
                f"Log: {str(self.path)!r} ends neither in .csv nor in .jsonl, one of which is needed"
            )

    def on_start(self, moment: Moment) -> None:
        """Check the place."""
        check_folder("Log", self.path)
        self._begun = False

    def on_epoch(self, moment: Moment) -> None:
        """Write a line; with the first one those of epochs before."""
        names = tuple(moment.logs)
        if not self._begun:
            write_whole(Path(self.path), self._lines(names, moment.run.history, 0).encode())
            self._begun = True
            return
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            file.write(self._lines(names, moment.run.history, moment.epoch - 1))

    def _lines(
        self, names: Sequence[str], history: Mapping[str, Sequence[float]], done: int
    ) -> str:
        """The epochs after so many."""
        rows = zip(*(history[name][done:] for name in names), strict=True)
        out = io.StringIO()
        if Path(self.path).suffix == ".csv":
            writer = csv.writer(out, lineterminator="\n")
            if not done:
                writer.writerow(["epoch", *names])
            writer.writerows([epoch, *row] for epoch, row in enumerate(rows, done + 1))
            return out.getvalue()
        for epoch, row in enumerate(rows, done + 1):
            finite = (x if math.isfinite(x) else None for x in row)
            out.write(json.dumps({"epoch": epoch, **dict(zip(names, finite, strict=True))}) + "\n")
        return out.getvalue()


def check_folder(who: str, path: Any) -> None:
    """Raise where the folder of a file to be written is not there."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise DataError(f"{who}: there is no folder {str(folder)!r} to write {path} in; make it")
