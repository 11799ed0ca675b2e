"""What the outputs of a network say under its loss: classes, probabilities, numbers.

In: raw outputs, targets, a loss. Out: arrays that metrics compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.nn import Loss
from deltarule.nn.activations import log_softmax, softplus
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

    def entropy(self) -> float:
        """Mean of -ln p where p is the share of each class in the targets."""
        shares = np.unique(self.true, return_counts=True)[1] / self.true.size
        return float(-np.sum(shares * np.log(shares)))

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
        labels = targets.argmax(-1) if targets.shape == outputs.shape else targets
        labels = labels.reshape(outputs.shape[:-1]).reshape(-1)
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


def _made(metric: str, loss: str, scores: Array, chosen: Array, true: Array) -> Answers:
    """One question a row in one axis, several in two."""
    shape = (-1,) if scores.ndim == 1 or scores.shape[-1] == 1 else (-1, scores.shape[-1])
    parts = (scores.astype(float), chosen.astype(int), true.astype(int))
    return Answers(metric, loss, *(x.reshape(shape) for x in parts))


def numbers_of(outputs: Array, targets: Array, loss: Loss, metric: str) -> tuple[Array, Array]:
    """Outputs in the unit of the targets, and the targets, in float64."""
    y, t = aligned(outputs, targets, metric)
    y, t = y.astype(float), t.astype(float)
    return np.exp(y) if loss.named and loss.name in LOG_MEAN else y, t
