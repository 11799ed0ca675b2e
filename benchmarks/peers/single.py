"""Functions of one operation or two, as people try a library with: under the names of NumPy and SciPy.

In: a library's `numpy` and `scipy.special`. Out: scalar functions by name, and the arguments of each for a
number of elements.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy

Functions = dict[str, Callable[..., Any]]


def functions(np: ModuleType, special: ModuleType) -> Functions:
    """All of them, by name."""
    return {
        **elementwise(np, special),
        **reductions(np),
        **orders(np),
        **shapes(np),
        **matrices(np),
        **spectra(np),
    }


def elementwise(np: ModuleType, special: ModuleType) -> Functions:
    """A function of each element, summed."""
    unary = "exp log sqrt sin tanh arctan log1p square abs sinh cosh reciprocal".split()
    scipy = "erf gammaln digamma expit i0".split()
    named: Any = {name: getattr(np, name) for name in unary}
    named |= {name: getattr(special, name) for name in scipy if hasattr(special, name)}
    sums: Functions = {name: lambda x, f=f: np.sum(f(x)) for name, f in named.items()}
    return sums | {
        "add": lambda x: np.sum(x + x),
        "product": lambda x: np.sum(x * x),
        "quotient": lambda x: np.sum(1.0 / x),
        "power": lambda x: np.sum(x**3),
        "maximum": lambda x: np.sum(np.maximum(x, 1.0)),
        "where": lambda x: np.sum(np.where(x > 1.0, x, 0.5 * x)),
        "clip": lambda x: np.sum(np.clip(x, 0.8, 1.2)),
        "logaddexp": lambda x: np.sum(np.logaddexp(0.0, x)),
        "arctan2": lambda x: np.sum(np.arctan2(x, 1.0)),
    }


def reductions(np: ModuleType) -> Functions:
    """An array to a number."""
    names = "sum mean prod max min var std".split()
    return {name: getattr(np, name) for name in names} | {
        "norm": lambda x: np.linalg.norm(x),
        "sum of squares": lambda x: np.sum(x**2),
        "root of squares": lambda x: np.sqrt(np.sum(x**2)),
        "logsumexp": lambda x: np.log(np.sum(np.exp(x))),
        "sum along": lambda x: np.sum(np.sum(as_rows(np, x), 1) ** 2),
        "mean along": lambda x: np.sum(np.mean(as_rows(np, x), 0) ** 2),
        "cumsum": lambda x: np.sum(np.cumsum(x) ** 2),
    }


def orders(np: ModuleType) -> Functions:
    """Sorting and choosing."""
    return {
        "sort": lambda x: np.sum(np.sort(x)[:3]),
        "diff": lambda x: np.sum(np.diff(x) ** 2),
        "reverse": lambda x: np.sum(x[::-1][:2]),
        "roll": lambda x: np.sum(np.roll(x, 1) * x),
    }


def shapes(np: ModuleType) -> Functions:
    """Indexing, shapes and joins."""
    chosen = numpy.array([0, 2, 1])
    return {
        "item": lambda x: x[1] * x[2],
        "slice": lambda x: np.sum(x[1:] * x[:-1]),
        "fancy": lambda x: np.sum(x[chosen] ** 2),
        "reshape": lambda x: np.sum(np.reshape(x, (-1, 1)) ** 2),
        "transpose": lambda x: np.sum(as_rows(np, x).T ** 2),
        "concatenate": lambda x: np.sum(np.concatenate([x, x]) ** 2),
        "stack": lambda x: np.sum(np.stack([x, x]) ** 2),
        "outer": lambda x: np.sum(np.outer(x, x)),
        "tile": lambda x: np.sum(np.tile(x, 2)),
        "repeat": lambda x: np.sum(np.repeat(x, 2)),
        "expand": lambda x: np.sum(np.expand_dims(x, 0) ** 2),
        "broadcast": lambda x: np.sum(x[:, None] * x[None, :5]),
    }


def matrices(np: ModuleType) -> Functions:
    """Products, decompositions and solutions; the argument's elements are those of a square matrix."""
    linalg = np.linalg

    return {
        "matrix product": lambda m: np.sum(m @ m),
        "dot": lambda m: np.sum(np.dot(m, m)),
        "matrix-vector": lambda m: np.sum(np.dot(m, m[0])),
        "einsum": lambda m: np.sum(np.einsum("ij,jk->ik", m, m)),
        "trace": lambda m: np.trace(m),
        "diag": lambda m: np.sum(np.diag(m) ** 2),
        "inv": lambda m: np.sum(linalg.inv(m)),
        "det": lambda m: linalg.det(0.2 * m),
        "slogdet": lambda m: linalg.slogdet(m)[1],
        "solve": lambda m: np.sum(linalg.solve(m, m[0])),
        "cholesky": lambda m: np.sum(linalg.cholesky(m)),
        "eigh": lambda m: np.sum(linalg.eigh(m + m.T)[0] ** 2),
        "svd": lambda m: np.sum(linalg.svd(m, compute_uv=False)),
    }


def spectra(np: ModuleType) -> Functions:
    """Fourier transforms."""
    return {
        "fft": lambda x: np.sum(np.abs(np.fft.fft(x)) ** 2),
        "rfft": lambda x: np.sum(np.real(np.fft.rfft(x[:4]))),
    }


def as_rows(np: ModuleType, x: Any) -> Any:
    """A vector as five rows."""
    return np.reshape(x, (5, -1))


MATRICES = frozenset(matrices(numpy))


def argument(name: str, size: int) -> Any:
    """Numbers near 1, distinct; for matrices a positive definite one of about as many elements."""
    rng = numpy.random.default_rng(0)
    if name not in MATRICES:
        return rng.uniform(0.5, 1.5, size)
    n = 5 if size <= 25 else round(size**0.5)
    a = rng.normal(size=(n, n))
    return a @ a.T / n + 2 * numpy.eye(n)
