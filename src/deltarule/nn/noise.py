"""Noise while training, which evaluation leaves out.

In: a strength. Out: modules whose random numbers are a function of the call's key and step, and of
the layer's path.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.nn.call import current
from deltarule.nn.module import Module
from deltarule.program import random


class GaussianNoise(Module):
    """Normal noise added to inputs while training: y = x + std n, n of mean 0 and variance 1.

    dL/dx = dL/dy. In evaluation y = x. Training with it is close to a penalty on the slope of the
    network (Bishop 1995). n is a function of the call's key and step, and of the layer's path.

    Parameters
    ----------
    std : float
        Standard deviation of the noise, 0 or more.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> layer = dr.GaussianNoise(0.1).init((1, 2), seed=0)
    >>> layer(np.array([[1.0, 2.0]]))
    array([[1., 2.]], dtype=float32)
    >>> layer(np.ones((1, 2)), params={}, train=True, key=dr.random.key(5)).round(3)
    array([[1.018, 0.958]])
    """

    def __init__(self, std: float) -> None:
        number = isinstance(std, (int, float, np.number)) and not isinstance(std, bool)
        if not number or not 0 <= std < np.inf:
            raise DataError(
                f"GaussianNoise: std is a standard deviation, 0 or more and finite, not {std!r}"
            )
        self.std = float(std)

    def __call__(self, x: Any) -> Any:
        """x + std n, or x in evaluation."""
        call = current()
        if call is None or not call.train or not self.std:
            return x
        key, place = call.drawing(self)
        noise = random.normal(key, x.shape, dtype=x.dtype, step=call.step, place=place)
        return x + noise * x.dtype.type(self.std)

    def config(self) -> dict[str, Any]:
        """Settings, for a model file."""
        return {"std": self.std}

    def __repr__(self) -> str:
        return f"GaussianNoise({self.std})"
