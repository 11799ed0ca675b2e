"""Losses: how far outputs are from targets. Each says whether it is a mean, a sum, or half of one.

In: raw outputs of a network and targets. Out: one number per row, and their mean over the rows as
the loss of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deltarule.errors import DataError, ShapeError
from deltarule.nn.losses import classes, numbers
from deltarule.nn.losses.rows import as_array, as_float, mean_rows
from deltarule.nn.named import named
from deltarule.program import ops

PerRow = Callable[..., Any]

LOSSES: dict[str, PerRow] = {
    f.__name__: f
    for f in (
        *(numbers.mse, numbers.half_squared_error, numbers.mae, numbers.huber, numbers.log_cosh),
        *(numbers.quantile, numbers.poisson, numbers.gamma, numbers.tweedie, numbers.cosine),
        *(classes.cross_entropy, classes.focal, classes.kl),
        *(classes.binary_cross_entropy, classes.binary_focal, classes.hinge),
    )
}


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss by name or function: one number per row, whose mean over the batch is trained on.

    Attributes
    ----------
    name : str
        Of the loss, or of the user's function.
    function : callable
        (outputs, targets) -> one number per row, one per output, or one for the batch.
    named : bool
        Whether it is one of ours.
    """

    name: str
    function: PerRow
    named: bool = False

    @property
    def classes(self) -> bool:
        """Whether targets may be class indices."""
        return self.named and self.name in ("cross_entropy", "focal", "hinge")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that were given, by name."""
        return dict(getattr(self.function, "keywords", {})) if self.named else {}

    def __call__(self, outputs: Any, targets: Any, weight: Any = None) -> Any:
        """The loss of a batch: mean over rows of weight times the row's loss."""
        found = self.function(outputs, targets)
        rows = as_array(found)
        if rows.dtype.kind not in "biuf":
            raise ShapeError(
                f"{self.name} returned {found!r}; a loss returns a number or an array of numbers"
            )
        if rows.shape == ():
            if weight is not None:
                raise ShapeError(
                    f"sample weights need one loss per row; {self.name} returned a single number. "
                    "Return an array of shape (rows,)"
                )
            return as_float(rows)
        self._check(rows.shape, outputs.shape, targets)
        rows = mean_rows(as_float(rows))
        if weight is not None:
            weight = as_array(weight)
            if weight.shape != rows.shape:
                raise ShapeError(f"weights have shape {weight.shape}; {rows.shape} is needed")
            rows = rows * ops.cast(weight, dtype=rows.dtype)
        return ops.mean(rows, axes=(0,))

    def _check(self, shape: tuple[int, ...], outputs: tuple[int, ...], targets: Any) -> None:
        """The result has the first axes of the outputs: one number per row, or per output."""
        if len(shape) > len(outputs) or any(
            n not in (1, size) for n, size in zip(shape, outputs, strict=False)
        ):
            raise ShapeError(
                f"{self.name} returned shape {shape} for outputs of shape {outputs} and targets of "
                f"shape {as_array(targets).shape}. A loss returns one number, one per row, or one "
                "per output; outputs (n, 1) and targets (n,) broadcast to (n, n): reshape one of "
                "them"
            )


def loss_of(given: str | PerRow | Loss, **settings: float) -> Loss:
    """The loss of a name, with its settings, or around a function of (outputs, targets).

    The function returns one number per row, one per output, or one for the batch.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> loss = dr.nn.loss_of("cross_entropy", smoothing=0.1)
    >>> loss(np.array([[2.0, 1.0, 0.1]]), np.array([0])).round(6)
    np.float64(0.513697)
    """
    if isinstance(given, Loss):
        if settings:
            raise DataError(f"{', '.join(settings)}: settings go with a name, not with a loss")
        return given
    function = named("loss", LOSSES, given, settings, "a function of (outputs, targets)", DataError)
    if isinstance(given, str):
        return Loss(given, function, named=True)
    return Loss(getattr(given, "__name__", "loss"), function)
