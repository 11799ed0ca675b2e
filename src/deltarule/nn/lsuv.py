"""Initial weights from data: each layer's sums are given variance 1 on a batch of inputs.

In: a network and inputs. Out: the network with weights scaled layer by layer, and the variances reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.nn.call import Call, as_input, bound
from deltarule.nn.initializers import orthogonal
from deltarule.nn.module import Module
from deltarule.nn.tuning import tuning_of
from deltarule.program import random

LEAST = 1e-6  # of the mean square is the least variance that says something
ROUNDS = 10  # of scaling a layer; one is enough where its sums are proportional to its weights


def lsuv(net: Module, X: Any, *, seed: int = 0, tolerance: float = 0.1) -> dict[str, float]:
    """Layer-sequential unit-variance initialization (Mishkin and Matas 2016).

    Each layer's weights W start as a random matrix with orthonormal rows or columns. Then, from the
    first layer to the last, W <- W / sqrt(v) until v is within the tolerance of 1; v is the variance
    over all rows and units of the layer's sums x W + b before its ``activation`` (of its outputs where
    it has none). So signals keep their size in any depth. It suits activations whose outputs lie
    around 0; after many logistic layers rows hardly differ, which is an error. Frozen weights, and
    those of one axis, such as biases, stay as they are.

    Parameters
    ----------
    net : Module
        The network; where it has no weights yet, it is initialized first.
    X : array (rows, ...)
        Inputs like those to come, scaled as for training; some hundred rows are enough.
    seed : int
        Of the random matrices.
    tolerance : float
        How near to 1 the variance has to come.

    Returns
    -------
    dict
        Variance reached by each layer, by its path, in the order in which they are called.

    Raises
    ------
    DataError
        Where X is not finite, a layer's sums are the same for all rows and units, or do not reach
        variance 1; the weights are as they were.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> X = np.random.default_rng(0).normal(size=(256, 10))
    >>> net = dr.Sequential(*(dr.Dense(20, "tanh") for _ in range(8)), dr.Dense(1))
    >>> {round(v, 2) for v in dr.lsuv(net, X).values()}
    {1.0}
    """
    if not isinstance(tolerance, Real) or not 0 < tolerance < 1:
        raise DataError(f"lsuv: tolerance is between 0 and 1, not {tolerance!r}")
    inputs = as_input(X, net.dtype)
    if inputs.ndim < 2 or not len(inputs) or not np.isfinite(inputs).all():
        raise DataError(
            f"lsuv takes rows of finite numbers, of shape (rows, features), not {inputs.shape} "
            f"with {int(np.sum(~np.isfinite(inputs)))} numbers that are not finite"
        )
    if not net.built:
        net.init(inputs.shape, seed)
    call = Scaling(net._places(), {}, {}, seed=random.key(seed), tolerance=float(tolerance))
    before = net.params
    try:
        with bound(call), np.errstate(all="ignore"):
            net(inputs)
    except BaseException:
        net.params = before
        raise
    return call.reached


@dataclass(slots=True)
class Scaling(Call):
    """A call in which each layer's weights are scaled before it answers.

    Attributes
    ----------
    seed : array
        Key of the random matrices.
    tolerance : float
        How near to 1 a variance has to come.
    reached : dict
        Variances, by the layer's path.
    """

    seed: Any = None
    tolerance: float = 0.1
    reached: dict[str, float] = field(default_factory=dict)

    def run(self, layer: Any, code: Callable[..., Any], args: Any, named: Any) -> Any:
        """Scale the layer's weights, once, and run its code."""
        path = ".".join(self.places[id(layer)])
        matrices = [
            name
            for name, w in layer._arrays.items()
            if w.ndim > 1 and tuning_of(layer, name).trainable
        ]
        if matrices and path not in self.reached:
            self._scale(path, layer, matrices, lambda: Call.run(self, layer, code, args, named))
        return Call.run(self, layer, code, args, named)

    def _scale(self, path: str, layer: Any, names: list[str], outputs: Callable[[], Any]) -> None:
        for name in names:
            w = layer._arrays[name]
            key = random.fold_in(self.seed, random.site(f"{path}.{name}"))
            drawn = orthogonal(key, (int(np.prod(w.shape[:-1])), w.shape[-1]))
            layer._arrays[name] = drawn.reshape(w.shape).astype(w.dtype)
        for _ in range(ROUNDS):
            variance, square = _spread(layer, outputs)
            self.reached[path] = variance
            if not variance > LEAST * square:
                raise DataError(
                    f"lsuv: the sums of layer {path}, {layer!r}, are nearly all the same: their variance "
                    f"is {variance:.3g}, their mean square {square:.3g}. Give rows that differ, of about "
                    "the size 1, and to layers before it an activation of mean 0, such as tanh"
                )
            if abs(variance - 1) < self.tolerance:
                return
            for name in names:
                w = layer._arrays[name]
                layer._arrays[name] = w / w.dtype.type(np.sqrt(variance))
        raise DataError(
            f"lsuv: after {ROUNDS} rounds the outputs of layer {path}, {layer!r}, have variance "
            f"{variance:.3g}, not 1: they do not grow with its weights, as those of a tanh do not. "
            f"net.freeze({path!r}) leaves it out"
        )


def _spread(layer: Any, outputs: Callable[[], Any]) -> tuple[float, float]:
    """Variance and mean square of what a layer puts into its activation, or else of its outputs."""
    activation = vars(layer).get("activation")
    if activation is not None:
        vars(layer)["activation"] = None
    try:
        y = np.asarray(outputs(), np.float64)
        return float(np.var(y)), float(np.mean(y * y))
    finally:
        if activation is not None:
            vars(layer)["activation"] = activation
