"""Random numbers with explicit keys: the same key gives the same numbers, on every backend.

In: a key made from a seed. Out: arrays of uniform, normal and Bernoulli numbers, or more keys. Nothing is
drawn from hidden state.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.program import ops
from deltarule.program.ops.random import U32

_SPLIT, _FOLD = 0xFFFFFFFF, 0xFFFFFFFE
_TO_SHIFT = {4: 8, 8: 0}


def key(seed: int) -> np.ndarray[Any, Any]:
    """A key from a seed: its 64 bits as two words.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.random.key(1)
    array([1, 0], dtype=uint32)
    """
    if not isinstance(seed, (int, np.integer)):
        raise DataError(f"a seed is an integer, not {seed!r}")
    bits = int(seed) & 0xFFFFFFFFFFFFFFFF
    return np.array([bits & 0xFFFFFFFF, bits >> 32], U32)


def fold_in(key: Any, number: Any) -> Any:
    """Another key, from a key and a number."""
    return ops.random_bits(key, _int64(number), site=_FOLD, shape=(2,))


def split(key: Any, count: int = 2) -> Any:
    """``count`` independent keys, stacked."""
    return ops.random_bits(key, np.int64(0), site=_SPLIT, shape=(count, 2))


def site(name: str) -> int:
    """The number of a named place in a program."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF


def _int64(x: Any) -> Any:
    return x if hasattr(x, "dtype") and x.dtype == np.int64 else np.int64(x)


def uniform(
    key: Any,
    shape: Sequence[int] = (),
    low: float = 0.0,
    high: float = 1.0,
    *,
    dtype: Any = "float32",
    step: Any = 0,
    place: int = 0,
) -> Any:
    """Uniform numbers in [low, high).

    u = (bits >> 8) 2^-24 in float32, bits 2^-32 in float64; the result is low + (high - low) u.

    Parameters
    ----------
    key : u32 (2,)
        From ``dr.random.key``.
    shape : tuple of int
        Of the result.
    step, place : int
        Other numbers for each step of a training and each place of a program, under the same key.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.random.uniform(dr.random.key(0), (3,)).round(4)
    array([0.399 , 0.8805, 0.7357], dtype=float32)
    """
    kind = np.dtype(dtype)
    bits = ops.random_bits(key, _int64(step), site=place, shape=tuple(shape))
    shift = _TO_SHIFT[kind.itemsize]
    if shift:
        bits = ops.shift_right(bits, U32.type(shift))
    unit = ops.cast(bits, dtype=kind) * kind.type(2.0 ** (shift - 32))
    return unit if (low, high) == (0.0, 1.0) else unit * kind.type(high - low) + kind.type(low)


def normal(
    key: Any, shape: Sequence[int] = (), *, dtype: Any = "float32", step: Any = 0, place: int = 0
) -> Any:
    """Standard normal numbers, by the transform of Box and Muller (1958).

    z = sqrt(-2 ln(1 - u)) cos(2 pi v), u and v uniform.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.random.normal(dr.random.key(0), (2,)).shape
    (2,)
    """
    kind = np.dtype(dtype)
    both = uniform(key, (2, *shape), dtype=kind, step=step, place=place)
    u, v = both[0], both[1]
    return ops.sqrt(ops.log1p(-u) * kind.type(-2)) * ops.cos(v * kind.type(2 * np.pi))


def bernoulli(
    key: Any, p: float, shape: Sequence[int] = (), *, step: Any = 0, place: int = 0
) -> Any:
    """Bools that are true with probability p.

    Examples
    --------
    >>> import deltarule as dr
    >>> bool(dr.random.bernoulli(dr.random.key(0), 1.0))
    True
    """
    return ops.lt(uniform(key, shape, step=step, place=place), np.float32(p))


def permutation(seed: int, epoch: int, n: int) -> np.ndarray[Any, Any]:
    """The order of the rows in an epoch: a function of (seed, epoch) and nothing else.

    Rows are sorted by 32 random bits each; rows with equal bits keep their order.
    """
    bits = ops.random_bits(key(seed), np.int64(epoch), site=site("shuffle"), shape=(n,))
    return order_of(bits)


def order_of(bits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """``np.argsort(bits, axis=-1, kind="stable")`` of 32-bit numbers, in a tenth of the time.

    Each number and its place are packed into 64 bits, which NumPy sorts in vectors.
    """
    packed = bits.astype(np.uint64)
    packed <<= 32
    packed |= np.arange(bits.shape[-1], dtype=np.uint64)
    packed.sort(axis=-1)
    packed &= 0xFFFFFFFF
    return packed.view(np.int64)
