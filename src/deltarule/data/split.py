"""Rows to parts (train, validation, test): ``split``, a pure function of the seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from deltarule.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def split(
    n: int,
    fractions: Sequence[float],
    seed: int,
    stratify: ArrayLike | None = None,
) -> tuple[NDArray[np.int64], ...]:
    """Deal rows 0 ... n - 1 into parts at random; every row is in exactly one part.

    Parameters
    ----------
    n : int
        Number of rows.
    fractions : sequence of float
        The share of each part; together 1. A part of a positive share gets at least one row.
    seed : int
        The parts depend on it, and on nothing but the arguments.
    stratify : array_like, (n,), optional
        The class of each row. Every part then has its share of every class, within one row for
        each; rows of a class too rare for all parts go to the first parts.

    Returns
    -------
    tuple of int64 arrays
        The rows of each part, ascending.

    Raises
    ------
    DataError
        Shares that are negative or not together 1, fewer rows than parts, labels of another length.

    Examples
    --------
    >>> [part.tolist() for part in split(6, (0.5, 0.5), seed=1, stratify=[0, 0, 0, 0, 1, 1])]
    [[0, 1, 5], [2, 3, 4]]
    """
    sizes = _sizes(n, fractions)
    random = np.random.Generator(np.random.Philox(seed))
    order = random.permutation(n)
    if stratify is not None:
        order = _interleave_classes(order, stratify)
    return tuple(np.sort(part) for part in np.split(order, np.cumsum(sizes)[:-1]))


def _sizes(n: int, fractions: Sequence[float]) -> NDArray[np.int64]:
    """Rows of each part: the shares of n rounded down, the rows left over to the largest remainders."""
    shares = np.array(fractions, float)
    if not len(shares) or not np.all(shares >= 0) or abs(shares.sum() - 1) > 1e-9:
        raise DataError(
            f"fractions are {tuple(fractions)}, together {shares.sum():g}; "
            "each must be 0 or more and together they must be 1."
        )
    parts = np.count_nonzero(shares)
    if n < parts:
        raise DataError(
            f"{n} row{'' if n == 1 else 's'} cannot be split into {parts} parts. Give more rows or fewer "
            "parts: validation=0, test=0 (command line: --validation 0 --test 0)."
        )
    exact = shares * n
    sizes: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    remainders = np.argsort(sizes - exact, kind="stable")
    sizes[remainders[: n - sizes.sum()]] += 1
    for empty in np.flatnonzero((sizes == 0) & (shares > 0)):
        sizes[sizes.argmax()] -= 1
        sizes[empty] += 1
    return sizes


def _interleave_classes(order: NDArray[np.int64], labels: ArrayLike) -> NDArray[np.int64]:
    """Reorder rows so that any stretch holds every class in its share of the whole.

    The r-th of the c rows of a class is placed at r / c of the way, rows of equal place in the order
    they came in.
    """
    labels = np.asarray(labels)
    if labels.shape != order.shape:
        raise DataError(
            f"stratify has shape {labels.shape}; it needs one class for each of {len(order)} rows."
        )
    codes: NDArray[np.int64] = np.unique(labels, return_inverse=True)[1][order]
    counts = np.bincount(codes)
    by_class = np.argsort(codes, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[by_class] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.argsort(rank / counts[codes], kind="stable")]
