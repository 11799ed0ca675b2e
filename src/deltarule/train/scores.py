"""What a network is worth on the rows of a table, by several measures, beside the best constant.

In: raw outputs and the rows that they were made from. Out: figures by name, of the network and of the
constant answer that the training rows suggest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.data import Preprocessor
from deltarule.data.target import Classes
from deltarule.errors import DataError
from deltarule.nn import loss_of
from deltarule.train.metrics import Metric, metrics_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

USUAL = {"regression": ("rmse", "mae", "r2"), "classification": ("accuracy", "f1", "log_loss")}
READ_AS = {"regression": "mse", "classification": "cross_entropy"}  # the loss that outputs mean


@dataclass(frozen=True)
class Scores:
    """Figures by name: numbers in the target's unit, classes from the network's probabilities."""

    network: Mapping[str, float]
    baseline: Mapping[str, float]  # of the constant answer


def measures(task: str, further: Sequence[Any] = ()) -> dict[str, Metric]:
    """The measures of a task: the usual ones and those that are asked for.

    Parameters
    ----------
    task : {"regression", "classification"}
        What is predicted.
    further : sequence of str or callable
        As ``fit`` takes them.

    Raises
    ------
    DataError
        There is no such measure (the nearest name is offered).

    Examples
    --------
    >>> list(measures("regression", ["mape"]))
    ['rmse', 'mae', 'r2', 'mape']
    """
    asked = (further,) if isinstance(further, str) or callable(further) else tuple(further)
    return metrics_of(tuple(dict.fromkeys((*USUAL[task], *asked))), loss_of(READ_AS[task]))


def scores_of(
    prepared: Preprocessor,
    outputs: NDArray[Any],
    table: pa.Table,
    further: Sequence[Any] = (),
) -> Scores:
    """Score a network's raw outputs for the rows of a table, and the constant answer to them.

    The constant is the training rows' mean, or the share that each class has among them.
    """
    truth = prepared.truth(table)
    answers = outputs.astype(np.float64)
    constant = np.zeros(prepared.target.width)
    if isinstance(prepared.target, Classes):
        constant = np.log(prepared.target.counts)
    else:
        truth, answers = truth[:, None], prepared.decode(answers)[:, None]
        constant = prepared.decode(constant)
    constants = np.broadcast_to(constant, (table.num_rows, prepared.target.width))
    network, baseline = {}, {}
    for name, measure in measures(prepared.task, further).items():
        network[name] = _measured(name, measure, answers, truth)
        baseline[name] = _measured(name, measure, constants, truth)
    return Scores(network, baseline)


def _measured(name: str, measure: Metric, outputs: NDArray[Any], truth: NDArray[Any]) -> float:
    with np.errstate(all="ignore"):
        found = np.asarray(measure(outputs, truth))
    if found.shape:
        raise DataError(f"the metric {name} gave an array of shape {found.shape}, not one number")
    return float(found)
