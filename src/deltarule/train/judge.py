"""What an epoch is judged by, beside its loss: validation and metrics.

In: weights after an epoch. Out: figures by name: val_loss and metrics on rows held out, those of a function
of the network, metrics on the training rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.nn import Loss, Module
from deltarule.train.epoch import Carry
from deltarule.train.evaluate import Evaluation
from deltarule.train.figures import VALIDATION
from deltarule.train.metrics import Metric, metrics_of
from deltarule.train.prepare import Array, Data


class Rows:
    """Rows that are judged: their loss, if wanted, and metrics, under a prefix.

    Every row counts as its weight says in the loss, and once in metrics.
    """

    def __init__(
        self,
        rows: tuple[Array, Array, Array | None],
        prefix: str,
        loss: Loss | None,
        metrics: Mapping[str, Metric],
    ) -> None:
        self.inputs, self.targets, self.weight = rows
        self.prefix, self.loss, self.metrics = prefix, loss, metrics
        self.evaluation: Evaluation | None = None  # made when it is wanted first

    @property
    def names(self) -> list[str]:
        """Of its figures."""
        return [self.prefix + name for name in (*(["loss"] if self.loss else []), *self.metrics)]

    def figures(self, net: Module, carry: Carry, epochs: int) -> dict[str, float]:
        """The figures of these weights; ``epochs`` is how often they will be wanted in all."""
        if self.evaluation is None:
            self.evaluation = Evaluation(net, carry, self.inputs, epochs)
        outputs = self.evaluation(carry)
        with np.errstate(all="ignore"):
            losses = {"loss": self.loss(outputs, self.targets, self.weight)} if self.loss else {}
            found = losses | {name: f(outputs, self.targets) for name, f in self.metrics.items()}
        returns = "a metric takes outputs and targets and returns a number"
        return {self.prefix + name: _number(name, x, returns) for name, x in found.items()}


class Judge:
    """The figures of an epoch.

    Parameters
    ----------
    metrics, train_metrics
        As ``fit`` takes them: on the rows held out, or without such on the training rows; and on the
        training rows beside them.
    validation : any
        As ``fit`` takes it: a function of the network is called.
    """

    def __init__(
        self,
        net: Module,
        data: Data,
        loss: Loss,
        metrics: Any,
        train_metrics: Any,
        validation: Any,
    ) -> None:
        self.net = net
        self.rows: list[Rows] = []
        self.function: Callable[[Module], Any] | None = None
        named, trained = metrics_of(metrics, loss), metrics_of(train_metrics, loss)
        held = data.held
        if held is not None:
            self.rows.append(
                Rows((held.inputs, held.targets, held.weight), VALIDATION, loss, named)
            )
        else:
            self.function = validation
            trained = named | trained
        if trained:
            self.rows.append(Rows((*data.trained(), None), "", None, trained))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to judge."""
        return not (self.rows or self.function)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the figures that are known before the first epoch."""
        return tuple(name for rows in self.rows for name in rows.names)

    def __call__(self, carry: Carry, epochs: int) -> dict[str, float]:
        """The figures of the network, which holds these weights."""
        found: dict[str, float] = {}
        for rows in self.rows:
            found |= rows.figures(self.net, carry, epochs)
        return found if self.function is None else self._asked(self.function) | found

    def _asked(self, function: Callable[[Module], Any]) -> dict[str, float]:
        """The figures that the user's function of the network gives."""
        given = function(self.net)
        name = getattr(function, "__name__", type(function).__name__)
        named = given if isinstance(given, Mapping) else {name: given}
        returns = (
            "validation takes the network and returns a number, or a dict of names and numbers"
        )
        return {
            VALIDATION + str(key).removeprefix(VALIDATION): _number(str(key), value, returns)
            for key, value in named.items()
        }


def _number(name: str, value: Any, returns: str) -> float:
    """A figure as a Python float."""
    known = isinstance(value, (int, float, np.bool_, np.number, np.ndarray)) or hasattr(
        value, "item"
    )
    if not known or np.size(value) != 1:
        raise DataError(f"{name} returned {value!r}; {returns}")
    return float(np.reshape(value, ()))
