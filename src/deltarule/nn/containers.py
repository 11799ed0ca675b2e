"""Layers made of layers: Sequential chains them, Residual goes around them, branches stand side by
side.

In: layers and functions, one by one. Out: modules that name what they hold and call it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from deltarule.errors import ShapeError
from deltarule.nn.initializers import Initializer
from deltarule.nn.initializers import initializer as initial
from deltarule.nn.module import Module
from deltarule.nn.named import shown

Layer = Module | Callable[[Any], Any]


class Layers(Module):
    """The base of modules that hold layers and functions, given one by one.

    Names are the class and a number: dense1, dropout1, dense2 ... NumPy functions have no name.
    """

    least = 0  # layers without which it makes no sense

    def __init__(self, *layers: Layer) -> None:
        name = type(self).__name__
        for layer in layers:
            if isinstance(layer, type):
                raise ShapeError(
                    f"{name} takes layers, not classes: {layer.__name__}(...) instead of "
                    f"{layer.__name__}"
                )
            if not callable(layer):
                cure = f": dr.Activation({layer!r})" if isinstance(layer, str) else ""
                raise ShapeError(
                    f"{name} takes layers and functions one by one, {name}(*layers), not {layer!r}{cure}"
                )
        if len(layers) < self.least:
            raise ShapeError(f"{name} takes {self.least} layers or more; {len(layers)} given")
        self.layers = tuple(layers)

    def children(self) -> Iterator[tuple[str, Module]]:
        """Layers by class and number; layers in attributes of a subclass by attribute."""
        counts: dict[str, int] = {}
        for layer in self.layers:
            if isinstance(layer, Module):
                kind = type(layer).__name__.lower().strip("_")
                counts[kind] = counts.get(kind, 0) + 1
                yield f"{kind}{counts[kind]}", layer
        for name, value in vars(self).items():
            if isinstance(value, Module) and value not in self.layers:
                yield name, value

    def settings_shown(self) -> str:
        """Settings after the layers, for the representation."""
        return ""

    def __repr__(self) -> str:
        layers = ", ".join(map(shown, self.layers))
        return f"{type(self).__name__}({layers}{self.settings_shown()})"


def chained(layers: tuple[Layer, ...], x: Any) -> Any:
    """The last layer of ... of the first layer of x."""
    for layer in layers:
        x = layer(x)
    return x


def check_first(layers: tuple[Layer, ...], x: np.ndarray[Any, Any]) -> None:
    """Let the first layer of a chain look at rows of inputs."""
    if layers and isinstance(layers[0], Module):
        layers[0].check_inputs(x)


class Sequential(Layers):
    """Layers one after the other.

    Parameters
    ----------
    *layers : Module or callable
        In order. Names are the class and a number: dense1, dropout1, dense2 ... NumPy functions
        have no name.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> net = dr.Sequential(dr.Dense(4, "relu"), dr.Dense(1)).init((1, 2), seed=0)
    >>> {name: {k: w.shape for k, w in layer.items()} for name, layer in net.params.items()}
    {'dense1': {'weight': (2, 4), 'bias': (4,)}, 'dense2': {'weight': (4, 1), 'bias': (1,)}}
    """

    def __call__(self, x: Any) -> Any:
        """The last layer of ... of the first layer of x."""
        return chained(self.layers, x)

    def check_inputs(self, x: np.ndarray[Any, Any]) -> None:
        """The first layer looks at them."""
        check_first(self.layers, x)


class Residual(Layers):
    """Layers, and a way around them: y = x + f(x), f the layers one after the other.

    dL/dx = dL/dy + dL/dy df/dx: the gradient passes the layers by undiminished, so that deep
    networks train (He and others 2016). Where f has another number of outputs than x has, the way
    around can be a matrix: y = x P + f(x), dL/dP = x^T dL/dy.

    Parameters
    ----------
    *layers : Module or callable
        f, in order.
    projection : bool
        Whether a matrix P is learnt where sizes differ; without it they must be the same.
    initializer : str or callable
        Of P.

    Shapes
    ------
    x (rows, inputs), f(x) and y (rows, units), P (inputs, units).

    Raises
    ------
    ShapeError
        Where x and f(x) have different shapes and there is no projection.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> block = dr.Residual(dr.Dense(2, "relu")).init((1, 2), seed=0)
    >>> block.params = {"dense1": {"weight": np.eye(2), "bias": np.zeros(2)}}
    >>> block(np.array([[1.0, -3.0]]))
    array([[ 2., -3.]])
    >>> wider = dr.Residual(dr.Dense(3, "relu"), projection=True).init((1, 2), seed=0)
    >>> wider.params["projection"].shape
    (2, 3)
    """

    least = 1

    def __init__(
        self,
        *layers: Layer,
        projection: bool = False,
        initializer: str | Initializer = "glorot_uniform",
    ) -> None:
        super().__init__(*layers)
        self.projects = bool(projection)
        self.initializer = initializer
        initial(initializer)

    def __call__(self, x: Any) -> Any:
        """x + f(x)."""
        y = chained(self.layers, x)
        if x.shape == y.shape:
            return x + y
        if not self.projects or not x.shape or x.shape[:-1] != y.shape[:-1]:
            raise ShapeError(
                f"Residual adds x of shape {x.shape} and f(x) of shape {y.shape}: give the last "
                f"layer {x.shape[-1] if x.shape else 1} outputs, or let a matrix fit them, "
                "Residual(..., projection=True)"
            )
        self.declare("projection", (x.shape[-1], y.shape[-1]), initial(self.initializer))
        return x @ self.projection + y

    def check_inputs(self, x: np.ndarray[Any, Any]) -> None:
        """The first layer looks at them."""
        check_first(self.layers, x)

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {"projection": self.projects, "initializer": self.initializer}

    def settings_shown(self) -> str:
        """The projection, where there is one."""
        return ", projection=True" if self.projects else ""


class Branches(Layers):
    """The base of modules whose layers all see the same inputs."""

    least = 2

    def outputs(self, x: Any) -> list[Any]:
        """What each branch makes of x."""
        return [branch(x) for branch in self.layers]

    def check_inputs(self, x: np.ndarray[Any, Any]) -> None:
        """Every branch looks at them."""
        for branch in self.layers:
            check_first((branch,), x)


class Concatenate(Branches):
    """Branches side by side: y = [f1(x), f2(x), ...], joined along the last axis.

    Each branch gets its own part of dL/dy; dL/dx is the sum of what they hand back.

    Parameters
    ----------
    *branches : Module or callable
        Each sees all of x; a chain is a ``Sequential``, and ``dr.Activation("identity")`` hands x
        on. For columns of x that go different ways see ``Columns``.

    Shapes
    ------
    x (rows, inputs), f_i(x) (rows, n_i), y (rows, n_1 + n_2 + ...).

    Raises
    ------
    ShapeError
        Where the outputs differ in more than the last axis.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> net = dr.Concatenate(dr.Activation("identity"), dr.Activation("relu")).init((1, 2))
    >>> net(np.array([[1.0, -2.0]]))
    array([[ 1., -2.,  1.,  0.]], dtype=float32)
    """

    def __call__(self, x: Any) -> Any:
        """The outputs of all branches, joined."""
        found = self.outputs(x)
        shapes = [y.shape for y in found]
        if any(not s or s[:-1] != shapes[0][:-1] for s in shapes):
            raise ShapeError(
                f"Concatenate joins along the last axis; its branches give shapes "
                f"{', '.join(map(str, shapes))}, which differ before it"
            )
        return np.concatenate(found, axis=-1)


class Multiply(Branches):
    """Branches multiplied element by element: y = f1(x) f2(x) ..., as in gates.

    dL/df_i = dL/dy times the outputs of the other branches; dL/dx is the sum over the branches.

    Parameters
    ----------
    *branches : Module or callable
        Each sees all of x.

    Shapes
    ------
    x (rows, inputs), all f_i(x) and y (rows, units).

    Raises
    ------
    ShapeError
        Where the outputs have different shapes.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> net = dr.Multiply(dr.Activation("identity"), dr.Activation("logistic")).init((1, 2))
    >>> net(np.array([[0.0, 2.0]])).round(4)                      # x times its gate
    array([[0.    , 1.7616]], dtype=float32)
    """

    def __call__(self, x: Any) -> Any:
        """The product of the outputs of all branches."""
        first, *others = found = self.outputs(x)
        if any(y.shape != first.shape for y in others):
            raise ShapeError(
                "Multiply multiplies element by element; its branches give shapes "
                f"{', '.join(str(y.shape) for y in found)}: give them the same number of outputs"
            )
        for y in others:
            first = first * y
        return first
