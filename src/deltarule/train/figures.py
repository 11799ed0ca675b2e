"""The figures of a training by name: loss, val_loss, metrics. Which of two values is the better one.

In: the name of a figure, and what is recorded. Out: "min" or "max", or an error that offers the nearest
name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from deltarule.errors import DataError
from deltarule.nn.named import nearest

SMALLER = ("loss", "mae", "rmse", "mape", "log_loss", "brier")
LARGER = ("accuracy", "top_k", "precision", "recall", "f1", "roc_auc", "r2", "explained_deviance")
DIRECTIONS = dict.fromkeys(SMALLER, "min") | dict.fromkeys(LARGER, "max")
SPEED = "rows_per_second"
VALIDATION = "val_"


def direction(who: str, figure: str, mode: str) -> str:
    """Whether the least or the largest value is best: "min" or "max".

    ``mode`` says so, or is "auto" for losses and our metrics.
    """
    if mode not in ("min", "max", "auto"):
        raise DataError(f"{who}: mode is 'min', 'max' or 'auto', not {mode!r}")
    if mode != "auto":
        return mode
    name = re.sub(r"^top_\d+$", "top_k", str(figure).removeprefix(VALIDATION))
    if name not in DIRECTIONS:
        raise DataError(
            f"{who}: whether more {figure} is better is not known; give mode='max' or mode='min'"
        )
    return DIRECTIONS[name]


def check_recorded(who: str, figure: str, recorded: Iterable[str]) -> None:
    """Raise where a figure is not among those that are recorded."""
    known = tuple(recorded)
    if figure in known:
        return
    cure = ""
    if str(figure).startswith(VALIDATION) and not any(k.startswith(VALIDATION) for k in known):
        cure = ". For val_ figures give fit validation=0.1 or validation=(X, y)"
    elif f"{VALIDATION}{figure}" in known:
        cure = f". On the rows held out it is {VALIDATION}{figure}"
    raise DataError(
        f"{who} {figure!r}, which is not recorded; recorded are {', '.join(known)}"
        f"{cure or nearest(figure, known)}"
    )
