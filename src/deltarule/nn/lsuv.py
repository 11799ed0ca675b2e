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

ROUNDS = 10  # of scaling a layer; one is enough where its sums are proportional to its weights


def lsuv(net: Module, X: Any, *, seed: int = 0, tolerance: float = 0.1) -> dict[str, float]:
    """Layer-sequential unit-variance initialization (Mishkin and Matas 2016).

    Each layer's weights W start as a random matrix with orthonormal rows or columns; then, from the
    first layer to the last, W <- W / sqrt(v), v the variance of the layer's sums x W + b (before its
    activation) over all rows and units, until \\|v - 1\\| < tolerance. So signals neither vanish nor explode
    at the start, with any activation and in any depth. Frozen layers and weights of one axis, such as
    biases, stay as they are.

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
        Where X is not finite, or a layer's sums are the same for all rows and units.

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
            variance = self.reached[path] = _variance(layer, outputs)
            if not np.isfinite(variance) or variance <= 0:
                raise DataError(
                    f"lsuv: the sums of layer {path}, {layer!r}, have variance {variance:g} on these "
                    "inputs; give more rows, which differ, of about the size 1"
                )
            if abs(variance - 1) < self.tolerance:
                break
            for name in names:
                w = layer._arrays[name]
                layer._arrays[name] = w / w.dtype.type(np.sqrt(variance))


def _variance(layer: Any, outputs: Callable[[], Any]) -> float:
    """Of what a layer puts into its activation, or else of its outputs."""
    activation = vars(layer).get("activation")
    if activation is not None:
        vars(layer)["activation"] = None
    try:
        return float(np.var(np.asarray(outputs(), np.float64)))
    finally:
        if activation is not None:
            vars(layer)["activation"] = activation
