"""What the outputs of a network say under its loss: classes, probabilities, numbers.

In: raw outputs, targets, a loss. Out: arrays that metrics compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import DataError, ShapeError
from deltarule.nn import Loss
from deltarule.nn.activations import log_softmax, softplus
from deltarule.nn.losses.classes import check_labels
from deltarule.nn.losses.rows import aligned

Array = np.ndarray[Any, Any]
LOGITS = ("cross_entropy", "focal", "kl")
LOGITS_BINARY = ("binary_cross_entropy", "binary_focal")
LOG_MEAN = ("poisson", "gamma", "tweedie")


@dataclass(frozen=True, slots=True)
class Answers:
    """The classes that outputs say, beside the true ones.

    Attributes
    ----------
    metric, loss : str
        Who asks, for errors; the name of the loss, empty for a user's own.
    scores : float (n,), or (n, k)
        The outputs; (n,) of one output a row.
    chosen, true : int (n,), or (n, k)
        Class indices; (n, k) where each output is a question of its own, answered 0 or 1. Where
        targets are probabilities, the likeliest class is the true one.
    """

    metric: str
    loss: str
    scores: Array
    chosen: Array
    true: Array

    @property
    def several(self) -> bool:
        """Whether each row has several questions, each with an answer of its own."""
        return self.true.ndim > 1

    @property
    def probabilities(self) -> Array:
        """Of class 1 for one output or several questions, else of each class."""
        z = self._logits()
        p: Array = np.exp(-softplus(-z) if self.loss in LOGITS_BINARY else log_softmax(z))
        return p

    def log_probability(self) -> Array:
        """ln p of each row's true class."""
        z = self._logits()
        if self.loss in LOGITS_BINARY:
            return -np.asarray(softplus(np.where(self.true == 1, -z, z)))
        chosen: Array = np.take_along_axis(log_softmax(z), self.true[..., None], -1)
        return chosen[..., 0]

    def entropy(self) -> Array:
        """Mean of -ln p where p is the share of each class in the targets; one number a question."""
        questions = self.true.reshape(len(self.true), -1).T
        counts = [np.unique(one, return_counts=True)[1] / len(one) for one in questions]
        return np.array([-np.sum(shares * np.log(shares)) for shares in counts])

    def _logits(self) -> Array:
        if self.loss not in LOGITS + LOGITS_BINARY:
            raise DataError(
                f"{self.metric} needs probabilities, which outputs under "
                f"{self.loss or 'a loss of your own'} are not: train with cross_entropy or "
                "binary_cross_entropy, or give a metric of your own, a function of (outputs, "
                "targets)"
            )
        return self.scores


def answers(outputs: Array, targets: Array, loss: Loss, metric: str) -> Answers:
    """What the outputs say and what is true; DataError where neither is a class."""
    name = loss.name if loss.named else ""
    if name in LOGITS_BINARY:
        z, t = aligned(outputs, targets, metric)
        return _made(metric, name, z, z > 0, t > 0.5)
    several = outputs.ndim > 1 and outputs.shape[-1] > 1
    if several and (name != "hinge" or targets.shape != outputs.shape):
        labels = _labels(targets, outputs, metric)
        y = outputs.reshape(-1, outputs.shape[-1]).astype(float)
        return Answers(metric, name, y, y.argmax(-1), labels.astype(int))
    y, t = aligned(outputs, targets, metric)
    signs = bool((t < 0).any()) or name == "hinge"
    if not name or not np.isin(t, (-1, 1) if signs else (0, 1)).all():
        raise DataError(
            f"{metric} of a single output needs targets 0 and 1, or -1 and 1, and one of our "
            "losses; else give a metric of your own, a function of (outputs, targets)"
        )
    return _made(metric, name, y, y > 0 if signs else y > 0.5, t > 0 if signs else t > 0.5)


def _labels(targets: Array, outputs: Array, metric: str) -> Array:
    """One class index a row, for outputs that are one per class."""
    if targets.shape == outputs.shape:
        labels: Array = targets.argmax(-1).reshape(-1)
        return labels
    if targets.shape not in (outputs.shape[:-1], (*outputs.shape[:-1], 1)):
        raise ShapeError(
            f"{metric}: outputs have shape {outputs.shape}, targets {targets.shape}; it takes a class "
            "index for each row, or a number for each output"
        )
    broken = np.argwhere(targets != np.rint(targets))
    if len(broken):
        place = tuple(int(i) for i in broken[0])
        raise DataError(
            f"{metric}: the target of row {list(place)} is {targets[place]}, no class index; mae, rmse "
            "and r2 compare numbers"
        )
    check_labels(targets, outputs.shape[-1], f"{metric}: the target of row ")
    return targets.reshape(-1)


def _made(metric: str, loss: str, scores: Array, chosen: Array, true: Array) -> Answers:
    """One question a row in one axis, several in two."""
    shape = (-1,) if scores.ndim == 1 or scores.shape[-1] == 1 else (-1, scores.shape[-1])
    parts = (scores.astype(float), chosen.astype(int), true.astype(int))
    return Answers(metric, loss, *(x.reshape(shape) for x in parts))


def numbers_of(outputs: Array, targets: Array, loss: Loss, metric: str) -> tuple[Array, Array]:
    """Outputs in the unit of the targets, and the targets, in float64."""
    if loss.classes and targets.shape != outputs.shape:
        raise DataError(
            f"{metric} compares numbers, and targets under {loss.name} are classes; take accuracy, f1, "
            "roc_auc or another metric of classes"
        )
    y, t = aligned(outputs, targets, metric)
    y, t = y.astype(float), t.astype(float)
    return np.exp(y) if loss.named and loss.name in LOG_MEAN else y, t
