"""Layers of dense networks: Dense, activations, Dropout, and Sequential, which chains them.

In: settings; the sizes of inputs are found from the first batch. Out: modules whose calls are NumPy code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.derive.tracer import Tracer
from deltarule.errors import DataError, ShapeError
from deltarule.nn.initializers import Initializer, initializer
from deltarule.nn.module import Module, current
from deltarule.program import ops, random

Activation = Callable[[Any], Any]

ACTIVATIONS: dict[str, Activation] = {
    "identity": lambda x: x,
    "logistic": ops.sigmoid,
    "tanh": ops.tanh,
    "relu": ops.relu,
}
ALIASES = {"sigmoid": "logistic", "linear": "identity"}


def activation_of(given: str | Activation | None) -> Activation:
    """The function of an activation's name: identity, logistic (sigmoid), tanh, relu; or the function itself."""
    if given is None:
        return ACTIVATIONS["identity"]
    if callable(given):
        return given
    name = ALIASES.get(given, given)
    if name not in ACTIVATIONS:
        raise ShapeError(f"no activation is called {given!r}; known: {', '.join((*ACTIVATIONS, *ALIASES))}")
    return ACTIVATIONS[name]


class Dense(Module):
    """A fully connected layer, y = f(x W + b).

    With z = x W + b and delta = dL/dz = dL/dy f'(z): dL/dW = x^T delta, dL/db = sum of delta over rows, dL/dx = delta W^T.

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str or callable, optional
        f: identity (default), logistic, tanh, relu, or a NumPy function.
    bias : bool
        Whether there is a b.
    initializer : str or callable, optional
        Of W; by default ``he_normal`` for relu, else ``glorot_uniform``. b starts at zero.

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
    """

    def __init__(
        self,
        units: int,
        activation: str | Activation | None = None,
        *,
        bias: bool = True,
        initializer: str | Initializer | None = None,
    ) -> None:
        if isinstance(units, bool) or not isinstance(units, (int, np.integer)) or units < 1:
            raise ShapeError(f"Dense: units is the number of outputs, at least 1, not {units!r}")
        self.units = int(units)
        self.activation = activation
        self.bias_on = bias
        self.initializer = initializer
        activation_of(activation)

    def __call__(self, x: Any) -> Any:
        if not x.shape:
            raise ShapeError("Dense takes rows of inputs, shape (rows, inputs); a single number was given")
        self._build(x.shape[-1])
        if x.shape[-1] != self.weight.shape[0]:
            raise ShapeError(
                f"Dense: inputs of shape {x.shape} do not fit weights of shape {self.weight.shape}: the layer takes "
                f"{self.weight.shape[0]} inputs per row, {x.shape[-1]} were given"
            )
        z = x @ self.weight
        return activation_of(self.activation)(z + self.bias if self.bias_on else z)

    def _build(self, inputs: int) -> None:
        if "weight" in self._arrays:
            return
        default = "he_normal" if self.activation == "relu" else "glorot_uniform"
        self.declare("weight", (inputs, self.units), initializer(self.initializer or default))
        if self.bias_on:
            self.declare("bias", (self.units,), initializer("zeros"))

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {"units": self.units, "activation": self.activation, "bias": self.bias_on, "initializer": self.initializer}

    def __repr__(self) -> str:
        return f"Dense({self.units}{'' if self.activation is None else f', {self.activation!r}'})"


class Activation_(Module):
    """An activation as a layer of its own: ``dr.Activation("tanh")``."""

    def __init__(self, function: str | Activation) -> None:
        self.function = function
        activation_of(function)

    def __call__(self, x: Any) -> Any:
        return activation_of(self.function)(x)

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {"function": self.function}

    def __repr__(self) -> str:
        return f"Activation({self.function!r})"


class Dropout(Module):
    """Set each input to zero with probability ``rate`` while training, and scale the others by 1 / (1 - rate).

    y = x m / (1 - rate), m = 1 with probability 1 - rate; dL/dx = dL/dy m / (1 - rate). In evaluation y = x. (Srivastava and
    others 2014, in the form that needs no scaling in evaluation.)

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.Dropout(0.5).init((1, 2), seed=0)(np.array([[1.0, 2.0]]))
    array([[1., 2.]], dtype=float32)
    """

    def __init__(self, rate: float) -> None:
        if not 0 <= rate < 1:
            raise DataError(f"Dropout: rate is the probability of dropping, in [0, 1), not {rate!r}")
        self.rate = rate

    def __call__(self, x: Any) -> Any:
        call = current()
        if call is None or not call.train or self.rate == 0:
            return x
        if call.key is None:
            raise DataError("Dropout draws random numbers while training: pass key=dr.random.key(seed) to the call")
        name = x.trace.site() if isinstance(x, Tracer) else ".".join(call.places[id(self)])
        keep = random.bernoulli(call.key, 1 - self.rate, x.shape, step=call.step, place=random.site(name))
        return x * ops.cast(keep, dtype=x.dtype) * x.dtype.type(1 / (1 - self.rate))

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {"rate": self.rate}

    def __repr__(self) -> str:
        return f"Dropout({self.rate})"


class Sequential(Module):
    """Layers one after the other.

    Parameters
    ----------
    *layers : Module or callable
        In order. Names are the class and a number: dense1, dropout1, dense2 ...

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> net = dr.Sequential(dr.Dense(4, "relu"), dr.Dense(1)).init((1, 2), seed=0)
    >>> {name: {k: w.shape for k, w in layer.items()} for name, layer in net.params.items()}
    {'dense1': {'weight': (2, 4), 'bias': (4,)}, 'dense2': {'weight': (4, 1), 'bias': (1,)}}
    """

    def __init__(self, *layers: Module | Activation) -> None:
        wrong = next((layer for layer in layers if not callable(layer)), None)
        if wrong is not None:
            raise ShapeError(f"Sequential takes layers and functions, not {wrong!r}; give them one by one, Sequential(*layers)")
        self.layers = tuple(layers)

    def children(self) -> Any:
        """Layers by class and number."""
        counts: dict[str, int] = {}
        for layer in self.layers:
            if isinstance(layer, Module):
                kind = type(layer).__name__.lower().strip("_")
                counts[kind] = counts.get(kind, 0) + 1
                yield f"{kind}{counts[kind]}", layer

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"


Activation_.__name__ = Activation_.__qualname__ = "Activation"
