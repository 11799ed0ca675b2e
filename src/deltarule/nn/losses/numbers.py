"""Losses on numbers: distances from targets, and deviances of counts and amounts.

In: raw outputs and targets of one shape. Out: one number per row.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deltarule.errors import ShapeError
from deltarule.nn.losses.rows import aligned, mean_rows, setting, sum_rows
from deltarule.program import ops
from deltarule.program.ops.reduce import expand


def mse(outputs: Any, targets: Any) -> Any:
    """Mean squared error of each row.

    L = 1/k sum_j (y_j - t_j)^2; dL/dy_j = 2 (y_j - t_j) / k. A mean over outputs.
    """
    y, t = aligned(outputs, targets, "mse")
    return mean_rows((y - t) * (y - t))


def half_squared_error(outputs: Any, targets: Any) -> Any:
    """Half the squared error of each row, the form of the textbooks.

    L = 1/2 sum_j (y_j - t_j)^2; dL/dy_j = y_j - t_j. Half a sum over outputs.
    """
    y, t = aligned(outputs, targets, "half_squared_error")
    return sum_rows((y - t) * (y - t)) * 0.5


def mae(outputs: Any, targets: Any) -> Any:
    """Mean absolute error of each row.

    L = 1/k sum_j |y_j - t_j|; dL/dy_j = sign(y_j - t_j) / k, 0 where they are equal. A mean over
    outputs.
    """
    y, t = aligned(outputs, targets, "mae")
    return mean_rows(ops.abs(y - t))


def huber(outputs: Any, targets: Any) -> Any:
    """Squared error near the target, absolute error far from it (Huber 1964).

    With e = |y_j - t_j|: L = 1/k sum_j (e^2 / 2 where e <= 1, else e - 1/2);
    dL/dy_j = clip(y_j - t_j, -1, 1) / k. A mean over outputs.
    """
    y, t = aligned(outputs, targets, "huber")
    error, one = y - t, y.dtype.type(1)
    near = ops.clip(error, -one, one)
    return mean_rows(near * (error - near * 0.5))


def log_cosh(outputs: Any, targets: Any) -> Any:
    """Logarithm of the hyperbolic cosine of the error: a smooth huber.

    With e_j = y_j - t_j: L = 1/k sum_j ln cosh e_j; dL/dy_j = tanh(e_j) / k. A mean over outputs.

    Near 0 it is evaluated as -ln(1 - tanh^2 e) / 2, elsewhere as |e| + ln(1 + e^(-2|e|)) - ln 2.
    """
    y, t = aligned(outputs, targets, "log_cosh")
    error = y - t
    near = abs(error) < 1
    slope = np.tanh(np.where(near, error, 0))
    size = np.where(near, 1, abs(error))
    far = size + np.log1p(np.exp(-2 * size)) - math.log(2)
    return mean_rows(np.where(near, -0.5 * np.log1p(-slope * slope), far))


def quantile(outputs: Any, targets: Any, level: float = 0.5) -> Any:
    """The pinball loss, least where the output is a quantile of the targets (Koenker 1978).

    With q the level and e_j = t_j - y_j: L = 1/k sum_j (q e_j where e_j > 0, else (q - 1) e_j);
    dL/dy_j = -q / k where e_j > 0, (1 - q) / k where e_j < 0, 0 where they are equal. A mean over
    outputs; q = 1/2 is half of mae.

    Parameters
    ----------
    outputs, targets : (n, k) or (n,)
    level : float
        q, in (0, 1).

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.nn.loss_of("quantile", level=0.9).function(np.array([1.0, 4.0]), np.array([2.0, 2.0]))
    array([0.9, 0.2])
    """
    q = setting("quantile: level", level, 0, 1, "()")
    y, t = aligned(outputs, targets, "quantile")
    return mean_rows(q * ops.relu(t - y) + (1 - q) * ops.relu(y - t))


# --- outputs that are logarithms of means ---


def poisson(outputs: Any, targets: Any) -> Any:
    """Half the Poisson deviance, for counts; outputs z are logarithms of the mean.

    L = 1/k sum_j (e^z_j - t_j z_j); dL/dz_j = (e^z_j - t_j) / k. A mean over outputs, without the
    terms that do not depend on z. t >= 0.
    """
    z, t = aligned(outputs, targets, "poisson")
    return mean_rows(np.exp(z) - t * z)


def gamma(outputs: Any, targets: Any) -> Any:
    """Half the gamma deviance, for positive amounts; outputs z are logarithms of the mean.

    L = 1/k sum_j (z_j + t_j e^-z_j); dL/dz_j = (1 - t_j e^-z_j) / k. A mean over outputs, without
    the terms that do not depend on z. t > 0.
    """
    z, t = aligned(outputs, targets, "gamma")
    return mean_rows(z + t * np.exp(-z))


def tweedie(outputs: Any, targets: Any, power: float = 1.5) -> Any:
    """Half the Tweedie deviance, for amounts that are often 0; outputs z are logarithms of means.

    With p the power of the mean that the variance is: L = 1/k sum_j (e^((2 - p) z_j) / (2 - p) -
    t_j e^((1 - p) z_j) / (1 - p)); dL/dz_j = (e^((2 - p) z_j) - t_j e^((1 - p) z_j)) / k. A mean
    over outputs, without the terms that do not depend on z. t >= 0.

    Parameters
    ----------
    outputs, targets : (n, k) or (n,)
    power : float
        p, in (1, 2): at 1 it is the loss ``poisson``, at 2 ``gamma``.
    """
    p = setting("tweedie: power (poisson is 1, gamma 2)", power, 1, 2, "()")
    z, t = aligned(outputs, targets, "tweedie")
    return mean_rows(np.exp((2 - p) * z) / (2 - p) - t * np.exp((1 - p) * z) / (1 - p))


# --- directions ---


def cosine(outputs: Any, targets: Any) -> Any:
    """One minus the cosine of the angle between the outputs and the targets of each row.

    With u = y / |y| and v = t / |t|: L = 1 - u . v; dL/dy = ((u . v) u - v) / |y|. Between 0 and 2;
    where y or t is all zeros, L = 1 and dL/dy = 0.
    """
    y, t = aligned(outputs, targets, "cosine")
    if len(y.shape) < 2 or y.shape[-1] < 2:
        raise ShapeError(
            f"cosine: outputs have shape {y.shape}; an angle needs 2 outputs a row, or more"
        )
    product = _direction(y) * _direction(t)
    return mean_rows(1 - ops.sum(product, axes=(len(y.shape) - 1,)))


def _direction(x: Any) -> Any:
    """x / |x| along the last axis; 0 for zeros. The scale cancels, it needs no gradient."""
    axes = (len(x.shape) - 1,)
    size = ops.stop_gradient(ops.max(ops.abs(x), axes=axes))
    scaled = x / expand(np.where(size == 0, 1, size), x.shape, axes)
    square = ops.sum(scaled * scaled, axes=axes)
    none = size == 0
    length = expand(np.sqrt(np.where(none, 1, square)), x.shape, axes)
    return np.where(expand(none, x.shape, axes), 0, scaled / length)
