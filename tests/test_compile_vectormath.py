"""The vector functions within 2 ulp (float32) or 4 ulp (float64) of exact values, edges too."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from compiling import compiled, graph_of
from deltarule.program import lookup

RANGES = {
    "exp": [(-104, 89), (-1, 1), (-745.2, 709.8)],
    "expm1": [(-30, 89), (-1, 1), (-1e-3, 1e-3), (-40, 709)],
    "log": [(1e-45, 1e-37), (0.4, 2.5), (0.9, 1.1), (1e-30, 1e30), (5e-324, 1e-300)],
    "log1p": [(-0.9999, 3), (-1e-3, 1e-3), (1e-12, 1e-6), (1, 1e30)],
    "tanh": [(-10, 10), (-1, 1), (-1e-3, 1e-3), (-25, 25)],
    "erf": [(-6, 6), (-1, 1), (-1e-3, 1e-3)],
    "sqrt": [(0, 1e-40), (0, 10), (1e30, 1e38)],
    "sin": [(-10, 10), (-1e-3, 1e-3), (-1e5, 1e5), (1e7, 1e30)],
    "cos": [(-10, 10), (-1e-3, 1e-3), (-1e5, 1e5), (1e7, 1e30)],
    "sigmoid": [(-100, 100), (-5, 5), (-1e-3, 1e-3)],
}


def exact(name: str, x: float) -> mpmath.mpf:
    with mpmath.workprec(200):
        y = mpmath.mpf(x)
        return 1 / (1 + mpmath.exp(-y)) if name == "sigmoid" else getattr(mpmath, name)(y)


@pytest.mark.native
@pytest.mark.parametrize(("dtype", "most"), [("f4", 2.0), ("f8", 4.0)])
@pytest.mark.parametrize("name", RANGES)
def test_within_its_bound_of_the_exact_value(name, dtype, most):
    rng = np.random.default_rng(4)
    parts = []
    for low, high in RANGES[name]:
        spread = rng.uniform(low, high, 300)
        if low > 0:
            spread = np.concatenate([spread, np.exp(rng.uniform(np.log(low), np.log(high), 300))])
        parts.append(spread)
    x = np.concatenate(parts).astype(dtype)
    if name == "sigmoid":
        most += 1  # of a division and an addition after the exponential
    (y,) = compiled(graph_of(lookup(name), (x,), {}), (x,))
    info = np.finfo(dtype)
    for given, found in zip(x.tolist(), y.tolist(), strict=True):
        true = exact(name, given)
        if abs(true) > info.max:
            assert found == float(np.inf) * mpmath.sign(true) or abs(found) == info.max, (
                f"{name}({given}) = {found}"
            )
            continue
        spacing = float(np.spacing(np.abs(np.array(float(true), dtype))))
        apart = abs(mpmath.mpf(found) - true) / spacing
        assert apart <= most, (
            f"{name}({given!r}) = {found!r}, {float(apart):.2f} ulp from {float(true)!r}"
        )


@pytest.mark.native
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("exp", [np.inf, -np.inf, np.nan, 0.0, 1e30, -1e30], [np.inf, 0, np.nan, 1, np.inf, 0]),
        (
            "expm1",
            [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e30, -1e30],
            [np.inf, -1, np.nan, 0.0, -0.0, np.inf, -1],
        ),
        (
            "log",
            [np.inf, -np.inf, np.nan, 0.0, -0.0, -1.0, 1.0],
            [np.inf, np.nan, np.nan, -np.inf, -np.inf, np.nan, 0],
        ),
        (
            "log1p",
            [np.inf, -np.inf, np.nan, 0.0, -0.0, -1.0, -2.0],
            [np.inf, np.nan, np.nan, 0.0, -0.0, -np.inf, np.nan],
        ),
        ("tanh", [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e30], [1, -1, np.nan, 0.0, -0.0, 1]),
        ("erf", [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e30], [1, -1, np.nan, 0.0, -0.0, 1]),
        (
            "sqrt",
            [np.inf, -np.inf, np.nan, 0.0, -0.0, -1.0],
            [np.inf, np.nan, np.nan, 0.0, -0.0, np.nan],
        ),
        ("sigmoid", [np.inf, -np.inf, np.nan, 0.0, 1e30, -1e30], [1, 0, np.nan, 0.5, 1, 0]),
    ],
)
def test_edges(name, x, y, dtype):
    x, y = np.array(x, dtype), np.array(y, dtype)
    for args in (x, np.tile(x, 5)):
        (found,) = compiled(graph_of(lookup(name), (args,), {}), (args,))
        wanted = np.tile(y, len(args) // len(y))
        np.testing.assert_array_equal(found, wanted)
        zero = wanted == 0
        if name not in ("exp", "sigmoid"):
            np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(wanted[zero]))
