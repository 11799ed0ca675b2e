"""Normalization: features or rows brought to mean 0 and variance 1, then scaled and shifted by weights.

In: rows of features. Out: modules whose calls are NumPy code; ``BatchNorm`` keeps running statistics
as state.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.derive.trace import label
from deltarule.errors import DataError, ShapeError
from deltarule.nn.initializers import initializer
from deltarule.nn.module import Module


def normalized(centered: Any, variance: Any, epsilon: float) -> Any:
    """xhat = (x - mean) / sqrt(variance + epsilon)."""
    return label("xhat", centered * (1 / np.sqrt(variance + epsilon)))


def moments(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """Mean over axes, which stay with size 1; x without it; and the biased variance."""
    mean = label("mean", np.mean(x, axis=axes, keepdims=True))
    centered = x - mean
    variance = label("var", np.mean(centered * centered, axis=axes, keepdims=True))
    return mean, centered, variance


class Normalization(Module):
    """The base of both: settings, and the weights gamma and beta."""

    def __init__(self, epsilon: float, affine: bool) -> None:
        self.epsilon = _setting(self, "epsilon", epsilon, "a small positive number", 0, np.inf)
        self.affine = bool(affine)

    def features(self, x: Any) -> int:
        """Size of the last axis, after a check; the first call declares the weights."""
        if len(x.shape) < 2:
            raise ShapeError(
                f"inputs are rows of features, (rows, ..., features); shape {x.shape} was given"
            )
        n = int(x.shape[-1])
        if self.affine:
            self.declare("gamma", (n,), initializer("ones"))
            self.declare("beta", (n,), initializer("zeros"))
            if self.gamma.shape != (n,):
                raise ShapeError(
                    f"inputs of shape {x.shape} do not fit gamma and beta of shape "
                    f"{self.gamma.shape}: give inputs of that width, or make the weights anew "
                    "with net.init(X.shape)"
                )
        return n

    def scaled(self, xhat: Any) -> Any:
        """gamma xhat + beta."""
        return self.gamma * xhat + self.beta if self.affine else xhat


class BatchNorm(Normalization):
    """Each feature normalized over the batch: y = gamma xhat + beta, xhat = (x - mean) / s.

    mean and var are taken over the rows of the batch (and all axes but the last), s = sqrt(var +
    epsilon), var = the mean of (x - mean)^2, the biased one. With delta = dL/dxhat = gamma dL/dy and
    n rows: dL/dgamma = sum of dL/dy xhat, dL/dbeta = sum of dL/dy, and dL/dx = (delta - mean of
    delta - xhat times the mean of delta xhat) / s.

    In evaluation mean and var are running statistics, the network's state ``running_mean`` and
    ``running_var``. A training step moves them: new = (1 - momentum) old + momentum batch. Kept is
    the unbiased variance, var n / (n - 1). This is PyTorch's convention; Keras writes 0.9 for a
    momentum of 0.1, and keeps the biased variance. They start at 0 and 1.

    Parameters
    ----------
    momentum : float
        Share of the newest batch in the running statistics, in (0, 1].
    epsilon : float
        Added to the variance.
    affine : bool
        Whether there are gamma (starts at 1) and beta (starts at 0).

    Shapes
    ------
    x and y (rows, ..., features); gamma, beta, running_mean, running_var (features,).

    Raises
    ------
    DataError
        For a batch of a single row in a training step: it has no variance.

    References
    ----------
    Ioffe and Szegedy, Batch Normalization, 2015.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> layer = dr.BatchNorm().init((1, 1), dtype="float64")
    >>> x = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> layer(x, params=layer.params, train=True)[:, 0].round(4)       # by the batch
    array([-1.3416, -0.4472,  0.4472,  1.3416])
    >>> layer(x)[:, 0].round(4)                                        # by mean 0, variance 1
    array([1., 2., 3., 4.])
    >>> _, state = layer.apply(layer.params, layer.state, x, train=True)
    >>> {name: value.round(4).tolist() for name, value in state.items()}
    {'running_mean': [0.25], 'running_var': [1.0667]}
    """

    running_mean: Any
    running_var: Any

    def __init__(
        self, momentum: float = 0.1, epsilon: float = 1e-5, *, affine: bool = True
    ) -> None:
        super().__init__(epsilon, affine)
        self.momentum = _setting(self, "momentum", momentum, "in (0, 1]", 0, 1)

    def __call__(self, x: Any) -> Any:
        """gamma xhat + beta."""
        n = self.features(x)
        self.declare_state("running_mean", (n,), 0.0)
        self.declare_state("running_var", (n,), 1.0)
        mean, variance = self.running_mean, self.running_var
        if mean.shape != (n,):
            raise ShapeError(
                f"inputs of shape {x.shape} do not fit the running statistics of shape {mean.shape}"
            )
        if not self.training:
            return self.scaled(normalized(x - mean, variance, self.epsilon))
        return self.scaled(normalized(*self._observed(x), self.epsilon))

    def _observed(self, x: Any) -> tuple[Any, Any]:
        """A batch without its mean, and its variance; the running statistics take their share."""
        axes = tuple(range(len(x.shape) - 1))
        count = int(np.prod(x.shape[:-1]))
        if count < 2:
            raise DataError(
                "a training step needs 2 rows or more to have a variance; this one has 1. Give more "
                "rows, or choose a batch_size that leaves no single row for the last batch"
            )
        mean, centered, variance = moments(x, axes)
        share = self.momentum
        unbiased = variance.reshape(-1) * (count / (count - 1))
        self.running_mean = (1 - share) * self.running_mean + share * mean.reshape(-1)
        self.running_var = (1 - share) * self.running_var + share * unbiased
        return centered, variance

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {"momentum": self.momentum, "epsilon": self.epsilon, "affine": self.affine}

    def __repr__(self) -> str:
        return "BatchNorm()" if self.affine else "BatchNorm(affine=False)"


class LayerNorm(Normalization):
    """Each row normalized over its features: y = gamma xhat + beta, xhat = (x - mean) / s.

    mean and var are taken over the last axis of each row, s = sqrt(var + epsilon), var = the mean
    of (x - mean)^2. With delta = dL/dxhat = gamma dL/dy: dL/dgamma = sum of dL/dy xhat and
    dL/dbeta = sum of dL/dy over rows, dL/dx = (delta - mean of delta - xhat times the mean of
    delta xhat) / s, means over features. The same in training and in evaluation.

    Parameters
    ----------
    epsilon : float
        Added to the variance.
    affine : bool
        Whether there are gamma (starts at 1) and beta (starts at 0).

    Shapes
    ------
    x and y (rows, ..., features); gamma, beta (features,).

    References
    ----------
    Ba, Kiros and Hinton, Layer Normalization, 2016.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> layer = dr.LayerNorm().init((1, 3), dtype="float64")
    >>> layer(np.array([[1.0, 2.0, 3.0], [10.0, 10.0, 40.0]])).round(4)
    array([[-1.2247,  0.    ,  1.2247],
           [-0.7071, -0.7071,  1.4142]])
    """

    def __init__(self, epsilon: float = 1e-5, *, affine: bool = True) -> None:
        super().__init__(epsilon, affine)

    def __call__(self, x: Any) -> Any:
        """gamma xhat + beta."""
        self.features(x)
        _, centered, variance = moments(x, (len(x.shape) - 1,))
        return self.scaled(normalized(centered, variance, self.epsilon))

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {"epsilon": self.epsilon, "affine": self.affine}

    def __repr__(self) -> str:
        return "LayerNorm()" if self.affine else "LayerNorm(affine=False)"


def _setting(layer: Any, name: str, value: Any, what: str, above: float, most: float) -> float:
    """A number in (above, most]; DataError for any other."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not above < value <= most or not np.isfinite(value):
        raise DataError(f"{type(layer).__name__}: {name} is {what}, not {value!r}")
    return float(value)
