"""What a user gives as an array: numbers, or an error that says what it is instead and the cure.

In: any object, and what the user calls it. Out: an array of real numbers, in a network's float type.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np

from deltarule.errors import DataError

Array = np.ndarray[Any, Any]

TABLES = "For tables with text use dr.train_table or the command line"
CURES = {  # by the kind of a dtype; {} is what the array is called
    "c": "Give real and imaginary parts as columns: np.hstack([{0}.real, {0}.imag])",
    "M": "Count days from a first one: ({0} - {0}.min()) / np.timedelta64(1, 'D')",
    "m": "Count seconds: {0} / np.timedelta64(1, 's')",
    "V": "Its fields are columns: np.lib.recfunctions.structured_to_unstructured({0})",
}


def as_numbers(x: Any, name: str) -> Array:
    """Return an array of real numbers.

    Parameters
    ----------
    x : array_like
        What was given.
    name : str
        What messages call it.

    Raises
    ------
    DataError
        It is no array, or holds text, dates, complex numbers, objects, or masked values.

    Examples
    --------
    >>> as_numbers([[1, 2], [3, 4]], "X").shape
    (2, 2)
    """
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        place = np.argwhere(np.ma.getmaskarray(x))[0]
        raise DataError(
            f"{_at(name, place)} is masked: a network needs a number there. Give {name}.filled(...) "
            "or leave these rows out"
        )
    _refuse_others(x, name)
    try:
        found = np.asarray(x)
    except Exception as reason:
        raise DataError(_no_array(x, name, reason)) from None
    if found.dtype.kind not in "biuf":
        raise DataError(_no_numbers(found, name))
    return found


def in_dtype(x: Array, dtype: np.dtype[Any], name: str) -> Array:
    """Return numbers in a network's float type, without a copy where they are in it.

    Raises
    ------
    DataError
        A number is beyond the type's range. Whole numbers that it rounds are a warning.
    """
    try:
        with np.errstate(over="raise"):
            narrow = x.astype(dtype, copy=False)
    except FloatingPointError:
        raise DataError(_beyond(x, dtype, name)) from None
    if x.dtype.kind in "iu" and x.size and _magnitude(x) > 2 ** (np.finfo(dtype).nmant + 1):
        _warn_of_rounding(x, narrow, name)
    return narrow


def _beyond(x: Array, dtype: np.dtype[Any], name: str) -> str:
    """Where numbers are too large for a float type."""
    most = float(np.finfo(dtype).max)
    wrong = np.argwhere(np.isfinite(x) & (np.abs(x) > most))
    place = tuple(int(i) for i in wrong[0])
    return (
        f"as {dtype}, {_at(name, place)} is {np.copysign(np.inf, x[place])}: it is {x[place]:.6g}, and "
        f"{len(wrong)} of {x.size} values are beyond {most:.2g}. Scale {name}, or train in float64: "
        "net.init(X.shape, dtype='float64')"
    )


def _magnitude(x: Array) -> int:
    return max(abs(int(x.min())), abs(int(x.max())))


def _warn_of_rounding(x: Array, narrow: Array, name: str) -> None:
    with np.errstate(invalid="ignore"):
        rounded = np.argwhere(narrow.astype(x.dtype) != x)
    if not len(rounded):
        return
    place = tuple(int(i) for i in rounded[0])
    warnings.warn(
        f"{_at(name, place)} is {x[place]}, which {narrow.dtype} rounds to {int(narrow[place])}. Subtract "
        f"the least of {name}, or train in float64: net.init(X.shape, dtype='float64')",
        stacklevel=2,
    )


def _refuse_others(x: Any, name: str) -> None:
    """Raise for objects that NumPy would wrap whole, as one element."""
    kind = type(x).__name__
    if x is None:
        raise DataError(f"{name} is None; give an array of numbers")
    if hasattr(x, "toarray"):
        raise DataError(f"{name} is a sparse {kind}: make it dense, {name}.toarray()")
    if isinstance(x, dict):
        raise DataError(
            f"{name} is a {kind}; give an array: np.column_stack(list({name}.values())). {TABLES}"
        )
    if isinstance(x, set | frozenset):
        raise DataError(f"{name} is a {kind}, which has no order; give an array, its rows in order")
    if isinstance(x, Iterable) and not hasattr(x, "__len__") and not hasattr(x, "__array__"):
        raise DataError(
            f"{name} is a {kind}, which gives its rows once; collect them: np.array(list({name})). "
            "Rows that do not fit in memory can stand in a file: np.memmap"
        )


def _no_array(x: Any, name: str, reason: Exception) -> str:
    """Why NumPy made no array of it."""
    lengths = (
        [len(row) for row in x if hasattr(row, "__len__")] if isinstance(x, list | tuple) else []
    )
    if len(set(lengths)) > 1:
        odd = next(i for i, n in enumerate(lengths) if n != lengths[0])
        return (
            f"{name} is no array: its rows have different lengths, {name}[0] has {lengths[0]} and "
            f"{name}[{odd}] has {lengths[odd]}. Give all rows the same columns"
        )
    if "inhomogeneous" in str(reason):
        return (
            f"{name} is no array: its rows have different lengths. Give all rows the same columns"
        )
    said = " ".join(str(reason).split()).rstrip(".")
    return f"{name} is a {type(x).__name__}, of which NumPy makes no array: {said}"


def _no_numbers(x: Array, name: str) -> str:
    """What an array holds instead of numbers, and the cure."""
    kind = "V" if x.dtype.names else x.dtype.kind
    cure = CURES.get(kind, "").format(name)
    if kind == "O":
        odd = next((i for i, item in enumerate(x.flat) if not _is_number(item)), None)
        if odd is None:
            return (
                f"{name} has dtype object, and all it holds are numbers: give {name}.astype(float)"
            )
        cure = f"{_at(name, np.unravel_index(odd, x.shape))} is {shown(x.flat[odd])}."
    if not cure or kind == "O":
        labels = f"For class names give their numbers, np.unique({name}, return_inverse=True)[1]."
        cure = " ".join([cure, labels if x.ndim == 1 else "", TABLES])
    return f"{name} has dtype {x.dtype}; numbers are needed. {' '.join(cure.split())}"


def _is_number(item: Any) -> bool:
    return isinstance(item, Real | np.bool_)


def shown(item: Any, limit: int = 60) -> str:
    """Return how an object is shown in a message: an array by its shape, others in short.

    >>> shown(np.ones((500, 3))), shown("0.1")
    ('an array of shape (500, 3)', "'0.1'")
    """
    if isinstance(item, np.ndarray) and item.ndim:
        return f"an array of shape {item.shape}"
    text = " ".join(repr(item).split())
    return text if len(text) <= limit else text[:limit] + "..."


def _at(name: str, place: Any) -> str:
    """An element as its user writes it: X[2, 0]; the array itself where it has no axes."""
    return f"{name}[{', '.join(str(int(i)) for i in place)}]" if len(place) else name
