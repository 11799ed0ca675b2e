"""Layers of dense networks: Dense, activations, Dropout.

In: settings; the sizes of inputs are found from the first batch. Out: modules whose calls are NumPy
code.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import DataError, ShapeError
from deltarule.nn.activations import ACTIVATIONS, Function, activation_of
from deltarule.nn.call import current
from deltarule.nn.initializers import Initializer, initializer
from deltarule.nn.module import Module
from deltarule.nn.named import name_of, shown
from deltarule.nn.tuning import check_known
from deltarule.program import ops, random


class Dense(Module):
    """A fully connected layer, y = f(x W + b).

    With z = x W + b and delta = dL/dz = dL/dy f'(z): dL/dW = x^T delta, dL/db = sum of delta over
    rows, dL/dx = delta W^T.

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str or callable, optional
        f: identity (default), logistic, tanh, relu, ... (``dr.nn.ACTIVATIONS``), with settings
        ``dr.nn.activation_of("leaky_relu", slope=0.1)``, or a NumPy function.
    bias : bool or array
        Whether there is a b, or b itself.
    initializer : str or callable, optional
        Of W (``dr.nn.INITIALIZERS``, or a function of (key, shape)); by default ``he_normal`` for
        relu and leaky_relu, ``lecun_normal`` for selu, else ``glorot_uniform``. b starts at zero.
    weight : array, optional
        W by hand; b by hand is an array as ``bias``.
    **settings
        How W and b are trained, as in ``tune``: ``l2=1e-4``, ``max_norm=3``, ``trainable=False`` ...

    Shapes
    ------
    x (rows, inputs), W (inputs, units), b (units,), y (rows, units); leading axes are kept.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> layer = dr.Dense(2).init((1, 3), seed=0)
    >>> layer.params = {"weight": np.ones((3, 2)), "bias": np.array([0.0, 1.0])}
    >>> layer(np.array([[1.0, 2.0, 3.0]]))
    array([[6., 7.]])
    >>> layer = dr.Dense(2, weight=[[1, 0], [0, 1], [1, 1]], bias=False, l2=1e-4).init((1, 3))
    >>> layer(np.array([[1.0, 2.0, 3.0]]))
    array([[4., 5.]], dtype=float32)
    """

    def __init__(
        self,
        units: int,
        activation: str | Function | None = None,
        *,
        bias: Any = True,
        initializer: str | Initializer | None = None,
        weight: Any = None,
        **settings: Any,
    ) -> None:
        if isinstance(units, bool) or not isinstance(units, (int, np.integer)) or units < 1:
            raise ShapeError(f"Dense: units is the number of outputs, at least 1, not {units!r}")
        self.units = int(units)
        self.activation = activation
        plain = isinstance(bias, (bool, np.bool_))
        self.bias_on = bool(bias) if plain else True
        self.initializer = initializer
        activation_of(activation)
        initializer_of(self)
        if weight is not None:
            self.weight = by_hand("weight", weight, (None, self.units))
        if not plain:
            self.bias = by_hand("bias", bias, (self.units,))
        if settings:
            check_known("Dense", settings, ("activation", "bias", "initializer", "weight"))
            self.tune(**settings)

    def __call__(self, x: Any) -> Any:
        """f(x W + b)."""
        if not x.shape:
            raise ShapeError(
                "inputs are rows of numbers, of shape (rows, inputs); a single number was given"
            )
        self._build(x.shape[-1])
        weight = self.weight
        if x.shape[-1] != weight.shape[0]:
            raise ShapeError(
                f"inputs of shape {x.shape} do not fit the weights of shape {weight.shape}, which "
                f"take {weight.shape[0]} numbers a row: give inputs of that width, or make the "
                "weights anew with net.init(X.shape)"
            )
        z = x @ weight
        return activation_of(self.activation)(z + self.bias if self.bias_on else z)

    def _build(self, inputs: int) -> None:
        self.declare("weight", (inputs, self.units), initializer_of(self))
        if self.bias_on:
            self.declare("bias", (self.units,), initializer("zeros"))

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {
            "units": self.units,
            "activation": self.activation,
            "bias": self.bias_on,
            "initializer": self.initializer,
        }

    def __repr__(self) -> str:
        return (
            f"Dense({self.units}{'' if self.activation is None else f', {shown(self.activation)}'})"
        )


def by_hand(name: str, given: Any, shape: tuple[int | None, ...]) -> Any:
    """A weight that the user gives, as floats; None in a shape is any size."""
    array = np.asarray(given)
    fits = array.ndim == len(shape) and all(
        n in (None, m) for n, m in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in "biuf":
        wanted = ", ".join("inputs" if n is None else str(n) for n in shape)
        raise ShapeError(
            f"Dense: {name} has shape ({wanted}{',' * (len(shape) == 1)}); {array.dtype} of shape "
            f"{array.shape} is given"
        )
    return array if array.dtype.kind == "f" else array.astype(np.float64)


SUITS = {"relu": "he_normal", "leaky_relu": "he_normal", "selu": "lecun_normal"}


def initializer_of(layer: Dense) -> Initializer:
    """The initializer of a layer's weights: its own, or the one that suits its activation."""
    if layer.initializer is not None:
        return initializer(layer.initializer)
    name, _ = name_of(ACTIVATIONS, layer.activation) or ("", {})
    return initializer(SUITS.get(name, "glorot_uniform"))


class Activation(Module):
    """An activation as a layer of its own, y = f(x), dL/dx = dL/dy f'(x).

    Parameters
    ----------
    function : str or callable
        f: identity, logistic, tanh, relu, ... (``dr.nn.ACTIVATIONS``), or a NumPy function.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.Activation("relu").init((1, 2), seed=0)(np.array([[-1.0, 2.0]]))
    array([[0., 2.]], dtype=float32)
    """

    def __init__(self, function: str | Function) -> None:
        self.function = function
        activation_of(function)

    def __call__(self, x: Any) -> Any:
        """f(x)."""
        return activation_of(self.function)(x)

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {"function": self.function}

    def __repr__(self) -> str:
        return f"Activation({shown(self.function)})"


class Dropout(Module):
    """Set inputs to zero at random while training, and scale the others up.

    y = x m / (1 - rate), m = 1 with probability 1 - rate; dL/dx = dL/dy m / (1 - rate). In
    evaluation y = x. (Srivastava and others 2014, in the form that needs no scaling in evaluation.)
    m is a function of the call's key and step, and of the layer's path.

    Parameters
    ----------
    rate : float
        Probability of dropping, in [0, 1).

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> layer = dr.Dropout(0.5).init((1, 2), seed=0)
    >>> layer(np.array([[1.0, 2.0]]))
    array([[1., 2.]], dtype=float32)
    >>> layer(np.ones(6), params={}, train=True, key=dr.random.key(5))
    array([0., 2., 2., 2., 0., 2.])
    """

    def __init__(self, rate: float) -> None:
        number = isinstance(rate, (int, float, np.number)) and not isinstance(rate, bool)
        if not number or not 0 <= rate < 1:
            raise DataError(
                f"Dropout: rate is the probability of dropping, in [0, 1), not {rate!r}"
            )
        self.rate = float(rate)

    def __call__(self, x: Any) -> Any:
        """x m / (1 - rate), or x in evaluation."""
        call = current()
        if call is None or not call.train or not self.rate:
            return x
        key, place = call.drawing(self)
        keep = random.bernoulli(key, 1 - self.rate, x.shape, step=call.step, place=place)
        return x * ops.cast(keep, dtype=x.dtype) * x.dtype.type(1 / (1 - self.rate))

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {"rate": self.rate}

    def __repr__(self) -> str:
        return f"Dropout({self.rate})"
