"""Units whose activation is learnt: PReLU and Maxout.

In: settings; sizes are found from the first batch. Out: modules whose calls are NumPy code.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import DataError, ShapeError
from deltarule.nn.initializers import Initializer
from deltarule.nn.initializers import initializer as initial
from deltarule.nn.module import Module


class PReLU(Module):
    """A rectifier whose slope below zero is learnt: y = x where x > 0, else a x.

    dL/dx = dL/dy where x > 0, else a dL/dy; dL/da = the sum of dL/dy x over rows with x <= 0. At 0
    the derivative is a, that of the negative side.

    Parameters
    ----------
    slope : float
        Where a starts. 0.25 is that of the paper.
    shared : bool
        One a for all features, instead of one for each.

    Shapes
    ------
    x and y (rows, ..., features); the weight ``slope`` (features,), or () where it is shared.

    References
    ----------
    He and others, Delving Deep into Rectifiers, 2015.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> layer = dr.PReLU(0.1).init((1, 2), dtype="float64")
    >>> layer(np.array([[3.0, -2.0]]))
    array([[ 3. , -0.2]])
    >>> layer.params["slope"]
    array([0.1, 0.1])
    """

    def __init__(self, slope: float = 0.25, *, shared: bool = False) -> None:
        number = isinstance(slope, (int, float, np.number)) and not isinstance(slope, bool)
        if not number or not np.isfinite(slope):
            raise DataError(f"PReLU: slope is the number where a starts, not {slope!r}")
        self.start = float(slope)
        self.shared = bool(shared)

    def __call__(self, x: Any) -> Any:
        """x where x > 0, else a x."""
        if not x.shape:
            raise ShapeError("inputs are rows of numbers; a single number was given")
        shape = () if self.shared else (int(x.shape[-1]),)
        self.declare("slope", shape, initial("constant", value=self.start))
        if self.slope.shape != shape:
            raise ShapeError(
                f"inputs of shape {x.shape} do not fit the slopes of shape {self.slope.shape}: give "
                "inputs of that width, or make the weights anew with net.init(X.shape)"
            )
        return np.where(x > 0, x, self.slope * x)

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {"slope": self.start, "shared": self.shared}

    def __repr__(self) -> str:
        return f"PReLU({self.start}{', shared=True' if self.shared else ''})"


class Maxout(Module):
    """Each unit the largest of several weighted sums: y_j = max over k of (x W + b)_jk.

    dL/dy_j goes to the sum that was the largest (to equal ones in equal shares) and from there as
    in ``Dense``. A unit of enough pieces can be any convex function of its inputs.

    Parameters
    ----------
    units : int
        Number of outputs.
    pieces : int
        Sums for each of them, 2 or more.
    bias : bool
        Whether there is a b.
    initializer : str or callable
        Of W: ``lecun_normal`` keeps the size of signals through a maximum of two. b starts at zero.

    Shapes
    ------
    x (rows, inputs), W (inputs, units * pieces) and b (units * pieces,) with the pieces of a unit
    side by side, y (rows, units); leading axes are kept.

    References
    ----------
    Goodfellow and others, Maxout Networks, 2013.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> layer = dr.Maxout(1, pieces=2).init((1, 1), dtype="float64")
    >>> layer.params = {"weight": np.array([[1.0, -1.0]]), "bias": np.zeros(2)}
    >>> layer(np.array([[-3.0], [2.0]]))[:, 0]                     # |x|
    array([3., 2.])
    """

    def __init__(
        self,
        units: int,
        pieces: int = 2,
        *,
        bias: bool = True,
        initializer: str | Initializer = "lecun_normal",
    ) -> None:
        for name, value, least in (("units", units, 1), ("pieces", pieces, 2)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise ShapeError(
                    f"Maxout: {name} is a whole number of at least {least}, not {value!r}"
                )
        self.units, self.pieces = int(units), int(pieces)
        self.bias_on = bool(bias)
        self.initializer = initializer
        initial(initializer)

    def __call__(self, x: Any) -> Any:
        """The largest piece of each unit."""
        if not x.shape:
            raise ShapeError("inputs are rows of numbers; a single number was given")
        sums = self.units * self.pieces
        self.declare("weight", (int(x.shape[-1]), sums), initial(self.initializer))
        if self.bias_on:
            self.declare("bias", (sums,), initial("zeros"))
        if x.shape[-1] != self.weight.shape[0]:
            raise ShapeError(
                f"inputs of shape {x.shape} do not fit the weights of shape {self.weight.shape}, "
                f"which take {self.weight.shape[0]} numbers a row: give inputs of that width, or "
                "make the weights anew with net.init(X.shape)"
            )
        z = x @ self.weight
        z = z + self.bias if self.bias_on else z
        return np.max(z.reshape((*z.shape[:-1], self.units, self.pieces)), axis=-1)

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {
            "units": self.units,
            "pieces": self.pieces,
            "bias": self.bias_on,
            "initializer": self.initializer,
        }

    def __repr__(self) -> str:
        return f"Maxout({self.units}, {self.pieces})"
