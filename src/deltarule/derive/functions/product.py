"""Products: of vectors, matrices and tensors.

In: arrays. Out: contractions over shared axes.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, axis_of, same_dtype
from deltarule.derive.functions.shape import diagonal
from deltarule.derive.table import NUMPY, UFUNCS, rule
from deltarule.program import ops
from deltarule.program.ops.contract import LETTERS

_multiply, _matmul = UFUNCS[np.multiply], UFUNCS[np.matmul]
_reshape, _ravel, _moveaxis = NUMPY["reshape"], NUMPY["ravel"], NUMPY["moveaxis"]


@rule(np.dot)
def _dot(a: Any, b: Any, out: Any = None) -> Any:
    a, b = as_array(a), as_array(b)
    if not a.shape or not b.shape:
        return _multiply(a, b)
    if a.ndim <= 2 and b.ndim <= 2:
        return _matmul(a, b)
    return _tensordot(a, b, ([a.ndim - 1], [max(b.ndim - 2, 0)]))


@rule(np.inner)
def _inner(a: Any, b: Any, /) -> Any:
    a, b = as_array(a), as_array(b)
    if not a.shape or not b.shape:
        return _multiply(a, b)
    return _tensordot(a, b, ([-1], [-1]))


@rule(np.outer, np.linalg.outer)
def _outer(a: Any, b: Any, out: Any = None) -> Any:
    a, b = as_array(a), as_array(b)
    return _multiply(ops.reshape(a, shape=(a.size, 1)), ops.reshape(b, shape=(1, b.size)))


@rule(np.vdot)
def _vdot(a: Any, b: Any, /) -> Any:
    return _matmul(NUMPY["conj"](_ravel(a)), _ravel(b))


@rule(np.tensordot, np.linalg.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = same_dtype((a, b))
    if isinstance(axes, int):
        axes = range(-axes, 0), range(axes)
    one = list(LETTERS[: a.ndim])
    two = list(LETTERS[a.ndim : a.ndim + b.ndim])
    pairs = zip(*(np.atleast_1d(side).tolist() for side in axes), strict=True)
    for i, j in pairs:
        two[axis_of(j, b.ndim)] = one[axis_of(i, a.ndim)]
    result = [letter for letter in one + two if (letter in one) != (letter in two)]
    return ops.einsum(a, b, spec=f"{''.join(one)},{''.join(two)}->{''.join(result)}")


@rule(np.kron)
def _kron(a: Any, b: Any) -> Any:
    a, b = as_array(a), as_array(b)
    n = max(a.ndim, b.ndim)
    one = (1,) * (n - a.ndim) + a.shape
    two = (1,) * (n - b.ndim) + b.shape
    left = _reshape(a, tuple(m for size in one for m in (size, 1)))
    right = _reshape(b, tuple(m for size in two for m in (1, size)))
    target = tuple(map(operator.mul, one, two))
    return _reshape(_multiply(left, right), target)


@rule(np.cross)
def _cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a = _moveaxis(as_array(a), axisa, -1)
    b = _moveaxis(as_array(b), axisb, -1)
    sizes = a.shape[-1], b.shape[-1]
    if not set(sizes) <= {2, 3}:
        raise ValueError(
            f"np.cross takes vectors of three numbers, not of shape {a.shape}, {b.shape}"
        )
    if sizes == (2, 2):
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b = (_in_space(x) for x in (a, b))
    parts = []
    for i, j in ((1, 2), (2, 0), (0, 1)):
        parts.append(a[..., i] * b[..., j] - a[..., j] * b[..., i])
    return NUMPY["stack"](parts, axisc)


def _in_space(x: Any) -> Any:
    """Vectors of two numbers with a third, which is zero."""
    if x.shape[-1] == 3:
        return x
    return ops.pad(x, shape=(*x.shape[:-1], 3), start=(0,) * x.ndim, step=(1,) * x.ndim)


@rule(np.linalg.cross)
def _cross_along(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return _cross(x1, x2, axis=axis)


@rule(np.linalg.matmul)
def _linalg_matmul(x1: Any, x2: Any, /) -> Any:
    return _matmul(x1, x2)


# --- einsum ---


@rule(np.einsum)
def _einsum(
    subscripts: Any,
    /,
    *operands: Any,
    optimize: Any = False,
    out: Any = None,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
) -> Any:
    if not isinstance(subscripts, str):
        subscripts, operands = _as_text((subscripts, *operands))
    arrays = same_dtype([as_array(x) for x in operands])
    spec = _explicit("".join(subscripts.split()), arrays)
    inputs, result = spec.split("->")
    terms = inputs.split(",")
    for i, letters in enumerate(terms):
        arrays[i], terms[i] = _one_axis_per_label(arrays[i], letters)
    if dtype is not None:
        arrays = [ops.cast(x, dtype=np.dtype(dtype)) for x in arrays]
    if len(terms) == 1 and sorted(terms[0]) == sorted(result):
        return NUMPY["transpose"](arrays[0], [terms[0].index(c) for c in result])
    _squeeze(arrays, terms)
    return ops.einsum(*arrays, spec=f"{','.join(terms)}->{result}")


def _as_text(given: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The form (array, axes, array, axes, ..., result axes) with subscripts as a string."""
    arrays, axes = given[0::2], given[1::2]
    result = None
    if len(given) % 2:
        arrays, result = given[:-1:2], given[-1]

    def text(labels: Any) -> str:
        return "".join("..." if label is Ellipsis else LETTERS[label] for label in labels)

    terms = ",".join(map(text, axes))
    return (terms if result is None else f"{terms}->{text(result)}"), arrays


def _squeeze(arrays: list[Any], terms: list[str]) -> None:
    """Leave out axes of size 1 whose label has another size elsewhere: they are broadcast."""
    sizes: dict[str, int] = {}
    for x, letters in zip(arrays, terms, strict=True):
        for letter, n in zip(letters, x.shape, strict=True):
            sizes[letter] = max(n, sizes.get(letter, n))
    for i, (x, letters) in enumerate(zip(arrays, terms, strict=True)):
        kept = [k for k, c in enumerate(letters) if x.shape[k] != 1 or sizes[c] == 1]
        if len(kept) < len(letters):
            arrays[i] = ops.reshape(x, shape=tuple(x.shape[k] for k in kept))
            terms[i] = "".join(letters[k] for k in kept)


def _explicit(spec: str, arrays: list[Any]) -> str:
    """Subscripts with the result written out and ``...`` replaced by letters."""
    inputs, arrow, result = spec.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(arrays):
        raise ValueError(f"einsum {spec!r} names {len(terms)} operands, {len(arrays)} are given")
    free = "".join(c for c in reversed(LETTERS) if c not in spec)
    longest = ""
    for i, (term, x) in enumerate(zip(terms, arrays, strict=True)):
        if "..." in term:
            n = x.ndim - len(term.replace("...", ""))
            dots = free[:n][::-1]
            longest = max(longest, dots, key=len)
            terms[i] = term.replace("...", dots)
    if arrow and longest and "..." not in result:
        raise ValueError(f"einsum {spec!r}: the axes of '...' are missing from the result")
    if not arrow:
        letters = "".join(terms)
        once = sorted(c for c in set(letters) if letters.count(c) == 1 and c not in longest)
        result = longest + "".join(once)
    return ",".join(terms) + "->" + result.replace("...", longest)


def _one_axis_per_label(x: Any, letters: str) -> tuple[Any, str]:
    """Take the diagonal where a label stands twice."""
    for letter in letters:
        if letters.count(letter) > 1:
            i = letters.index(letter)
            j = letters.index(letter, i + 1)
            rest = letters.replace(letter, "", 2)
            x = diagonal(_moveaxis(x, (i, j), (-2, -1)))
            return _one_axis_per_label(x, rest + letter)
    return x, letters
