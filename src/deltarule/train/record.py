"""What a model file tells about the training: plain JSON data.

In: the ``Run``, and what it was done on. Out: ``net.trained``, a dict that ``dr.save`` keeps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.train.run import Run
from deltarule.version import __version__

ALWAYS: dict[str, Any] = {
    "version": str,
    "seed": int,
    "epochs": int,
    "best_epoch": int | None,
    "seconds": float,
    "stopped": str,
    "history": dict,
}
OF_TABLES: dict[str, Any] = {
    "table": str,
    "target": str,
    "parts": dict,
    "rows": dict,
    "loss": str,
    "optimizer": str,
    "batch_size": int,
    "scores": dict | None,
    "baseline": dict | None,
}


def record_of(run: Run, earlier: Mapping[str, Any] | None = None, **further: Any) -> dict[str, Any]:
    """Describe a training.

    Parameters
    ----------
    run : Run
        What ``fit`` returned.
    earlier : mapping, optional
        The record of the training that this one continued: its epochs come first.
    further : JSON data
        What else is to be kept, such as the table and the scores.

    Examples
    --------
    >>> record = record_of(Run({"loss": [2.0, 1.0]}, seed=3, seconds=0.5))
    >>> record["epochs"], record["best_epoch"], record["seed"]
    (2, 2, 3)
    """
    record = {
        "version": __version__,
        "seed": run.seed,
        "epochs": run.epochs,
        "best_epoch": run.best["epoch"] if run.epochs else None,
        "seconds": run.seconds,
        "stopped": run.stopped,
        "history": {name: list(map(float, values)) for name, values in run.history.items()},
        **further,
    }
    if earlier is None or set(earlier["history"]) != set(record["history"]):
        return record
    done = earlier["epochs"]
    return record | {
        "epochs": done + run.epochs,
        "best_epoch": done + record["best_epoch"] if run.epochs else earlier["best_epoch"],
        "seconds": earlier["seconds"] + run.seconds,
        "history": {
            name: [*earlier["history"][name], *values] for name, values in record["history"].items()
        },
    }


def read_record(data: Any) -> dict[str, Any] | None:
    """Return the record of a model file, None where it has none; ValueError where it is damaged."""
    if data is None:
        return None
    kinds = ALWAYS | (OF_TABLES if isinstance(data, dict) and "table" in data else {})
    for name, kind in kinds.items():
        if not isinstance(data, dict) or not isinstance(data.get(name), kind):
            raise ValueError(f"its record of the training has no {name} as it should be")
    lengths = {len(values) for values in data["history"].values()}
    if "loss" not in data["history"] or lengths != {data["epochs"]}:
        raise ValueError("the history of the training has gaps")
    found: dict[str, Any] = data
    return found


def strict(data: Any) -> Any:
    """Return JSON data as every reader takes it: numbers that are not finite become None.

    Examples
    --------
    >>> strict({"loss": [1.0, float("nan")], "shape": (2, 3)})
    {'loss': [1.0, None], 'shape': [2, 3]}
    """
    if isinstance(data, Mapping):
        return {str(name): strict(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [strict(value) for value in data]
    if isinstance(data, np.generic):
        data = data.item()
    return None if isinstance(data, float) and not math.isfinite(data) else data
