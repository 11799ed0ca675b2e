"""How long steps may be: one short training with ever higher learning rates.

In: a network and its data. Out: ``RateRange``: the loss at each rate, a suggestion, a plot. The network
stays as it was.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.derive.tree import flatten
from deltarule.errors import DataError
from deltarule.nn import Module
from deltarule.optim import Accumulate, ExponentialDecay, Rprop, optimizer_of, searches
from deltarule.train.loop import Training
from deltarule.train.prepare import Array
from deltarule.train.settings import trainable, whole_number

LEAST_STEPS = 20
WINDOW = 10  # neighbours of a step are one part in so many of all steps, to each side
CLEAR = 4.0  # a fall is more than chance from so many times the noise of a mean on
FAR = 4.0  # losses of more than so many times the first are cut off in the plot


@dataclass(frozen=True, slots=True)
class RateRange:
    """What ``dr.find_rate`` returns.

    Attributes
    ----------
    rates, losses : array
        Of each step up to the last with a finite loss; the loss is that before the step, on its batch.
    smoothed : array
        Losses averaged over their neighbours.
    reach : int
        How many steps to each side count as neighbours of one.
    """

    rates: Array
    losses: Array
    smoothed: Array
    reach: int

    @property
    def suggestion(self) -> float:
        """The rate around which the loss falls fastest.

        That is by the slope of the line that fits a loss and its neighbours best, over the logarithm of
        the rate, up to the least smoothed loss.

        Raises
        ------
        DataError
            Where the loss falls around none, beyond what batches differ by.
        """
        low = int(np.argmin(self.smoothed))
        falls = slopes(self.losses, self.reach)[: low + 1]
        first = 2 * self.reach + 1
        steps = np.abs(np.diff(self.losses[: max(first, low + 1)]))
        noise, before = np.median(steps) / np.sqrt(self.reach + 1), self.losses[:first].mean()
        if not (before - self.smoothed[low] > CLEAR * noise and falls.min() < 0):
            raise DataError(
                f"the loss falls at no rate between {self.rates[0]:g} and {self.rates[-1]:g}: look at "
                ".plot(); give find_rate a smaller lowest, more steps or larger batches"
            )
        return float(self.rates[int(np.argmin(falls))])

    @property
    def best(self) -> float:
        """The rate of the least smoothed loss: by then steps are about too long."""
        return float(self.rates[int(np.argmin(self.smoothed))])

    def __repr__(self) -> str:
        ends = f"{self.rates[0]:.3g} to {self.rates[-1]:.3g}"
        try:
            return (
                f"<rates {ends}: suggestion {self.suggestion:.3g}, least loss at {self.best:.3g}>"
            )
        except DataError:
            return f"<rates {ends}: the loss falls at none>"

    def plot(self, path: str | Path | None = None) -> Any:
        """The loss over the rate, with the suggestion; saved where a path is given.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.rates, self.losses, ".", color="0.7", markersize=4, label="of a batch")
        axes.plot(self.rates, self.smoothed, label="smoothed")
        try:
            rate = self.suggestion
        except DataError:
            pass
        else:
            label = f"suggestion {rate:.2g}"
            axes.axvline(rate, color="0.4", linestyle=":", label=label)
        least, first = float(self.losses.min()), float(self.smoothed[0])
        top = min(float(self.smoothed.max()), first + FAR * max(first - least, abs(first) * 0.1))
        room = 0.05 * (top - least) or 1.0
        axes.set_ylim(least - room, top + room)
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        axes.legend()
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


def find_rate(
    net: Module,
    X: Any,
    y: Any,
    *,
    loss: Any = "mse",
    optimizer: Any = "adam",
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 200,
    batch_size: int | None = 32,
    sample_weight: Any = None,
    class_weight: Any = None,
    seed: int | None = None,
) -> RateRange:
    """Train a copy of a network for some steps with rates that grow from step to step (Smith 2017).

    The rate of step t = 0, 1, ... is lowest (highest / lowest)^(t / (steps - 1)). Where it is too small
    nothing happens, then the loss falls, then it explodes. All steps are one run of one program; data and
    settings are those of ``dr.fit``.

    Parameters
    ----------
    net : Module
        The network, which is not changed; where it has no weights yet a copy of it gets some.
    X, y : array
        Inputs and targets.
    loss, batch_size, sample_weight, class_weight
        As ``dr.fit`` takes them.
    optimizer : str or rule
        Whose learning rate is looked for; its other settings count, its own rate does not.
    lowest, highest : float
        The first rate and the last.
    steps : int
        Of which there are as many rates, at least 20; more are smoother.
    seed : int, optional
        Of the order of rows, of dropout, and of new weights.

    Returns
    -------
    RateRange

    Raises
    ------
    DataError
        Where a setting is out of range, the rule has no learning rate, or the first loss is not finite.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> net = dr.Sequential(dr.Dense(16, "tanh"), dr.Dense(1))
    >>> found = dr.find_rate(net, X, np.sin(3 * X), optimizer="sgd", seed=0)
    >>> 0.01 < found.suggestion < found.best < 10
    True
    """
    trainable(net)
    whole_number("steps", steps, LEAST_STEPS)
    for name, value in (("lowest", lowest), ("highest", highest)):
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise DataError(f"find_rate: {name} is a rate, not {value!r}")
    if not 0 < lowest < highest < math.inf:
        raise DataError(
            f"find_rate: 0 < lowest < highest is needed, not {lowest:g} and {highest:g}"
        )
    rule = optimizer_of(optimizer)
    growing = ExponentialDecay(lowest, steps - 1, highest / lowest)
    training = Training(
        copy.deepcopy(net),
        X,
        y,
        loss=loss,
        optimizer=with_rate(rule, growing),
        epochs=steps,
        batch_size=batch_size,
        validation=None,
        metrics=(),
        train_metrics=(),
        sample_weight=sample_weight,
        class_weight=class_weight,
        shuffle=True,
        seed=seed,
        callbacks=(),
        resume=None,
    )
    rates = growing(np.arange(steps))
    losses = _losses(training, steps)
    bad = np.flatnonzero(~np.isfinite(losses))
    end = int(bad[0]) if bad.size else steps
    if end < 2:
        raise DataError(
            f"find_rate: the loss is {losses[end]} at the first rates already; scale inputs and "
            f"targets to about 1, or give less than lowest={lowest:g}"
        )
    reach = steps // WINDOW
    return RateRange(rates[:end], losses[:end], smoothed(losses[:end], reach), reach)


def with_rate(rule: Any, rate: Any) -> Any:
    """The rule with another learning rate; that of the rule inside it where it has none of its own."""
    kind = type(rule).__name__
    if isinstance(rule, Accumulate):
        raise DataError(
            f"find_rate: {kind} steps once in {rule.steps} batches; give the rule inside it, and "
            f"batches of {rule.steps} times the rows"
        )
    names = {item.name for item in fields(rule)} if is_dataclass(rule) else set()
    if "rule" in names:
        return replace(rule, rule=with_rate(rule.rule, rate))
    if "learning_rate" not in names or isinstance(rule, Rprop) or searches(rule):
        raise DataError(f"find_rate: {kind} has no learning rate to look for")
    return replace(rule, learning_rate=rate)


def _losses(training: Training, steps: int) -> Array:
    """The losses of so many steps on full batches, by one call of one program."""
    epochs = training.epochs
    whole = epochs.full * epochs.batch
    count = -(-steps // epochs.full)
    orders = [training.data.indices(training.orders(i, 1))[0][:whole] for i in range(count)]
    batches = np.concatenate(orders).reshape(-1, epochs.batch)[:steps]
    program = epochs.program(epochs.batch)
    found = program(flatten(training.carry)[0], np.ascontiguousarray(batches))[1]
    return np.asarray(found, np.float64)


def smoothed(losses: Array, reach: int) -> Array:
    """Means over the neighbours up to ``reach`` steps away that there are."""
    window = np.ones(2 * reach + 1)
    sums = np.convolve(losses, window, "same") if len(losses) >= len(window) else losses
    counts = np.convolve(np.ones(len(losses)), window, "same")
    means: Array = sums / counts if len(losses) >= len(window) else losses
    return means


def slopes(losses: Array, reach: int) -> Array:
    """Of the line that fits each loss and its neighbours best, by step; infinite where some are missing."""
    found = np.full(len(losses), np.inf)
    if len(losses) > 2 * reach:
        away = np.arange(-reach, reach + 1)
        fitted = np.convolve(losses, away[::-1] / _squares(reach), "valid")
        found[reach : len(losses) - reach] = fitted
    return found


def _squares(reach: int) -> float:
    """The sum of the squares of -reach, ..., reach."""
    return reach * (reach + 1) * (2 * reach + 1) / 3
