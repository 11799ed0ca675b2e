"""The type of an array: its shape and dtype. Everything that is known about a value before it is computed.

In: shapes and NumPy dtypes. Out: ``ArrayType``, printed and parsed as ``f64[2,3]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import GraphError

DTYPES = {
    "bool": np.dtype(bool),
    **{
        f"{kind[0]}{bits}": np.dtype(f"{kind}{bits}")
        for kind in ("int", "uint")
        for bits in (8, 16, 32, 64)
    },
    **{f"f{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    **{f"c{bits}": np.dtype(f"complex{bits}") for bits in (64, 128)},
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
BOOL, INT, FLOAT = DTYPES["bool"], DTYPES["i64"], DTYPES["f64"]


_KNOWN: dict[tuple[tuple[int, ...], np.dtype[Any]], ArrayType] = {}


@dataclass(frozen=True, slots=True, eq=False, init=False)
class ArrayType:
    """Shape and dtype of one array. There is one object for each, so that to compare two costs nothing.

    Examples
    --------
    >>> ArrayType((2, 3), np.dtype("float64"))
    f64[2,3]
    >>> ArrayType.parse("f32[]").shape
    ()
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __new__(cls, shape: tuple[int, ...], dtype: np.dtype[Any]) -> ArrayType:
        """The one object of this shape and dtype."""
        found = _KNOWN.get((shape, dtype))
        if found is None:
            found = object.__new__(cls)
            object.__setattr__(found, "shape", shape)
            object.__setattr__(found, "dtype", dtype)
            found = _KNOWN.setdefault((shape, dtype), found)
        return found

    def __reduce__(self) -> Any:
        return ArrayType, (self.shape, self.dtype)

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def nbytes(self) -> int:
        """Number of bytes of the elements."""
        return self.size * self.dtype.itemsize

    @property
    def is_float(self) -> bool:
        """Whether the values can carry a derivative."""
        return self.dtype.kind in "fc"

    def __repr__(self) -> str:
        return f"{NAMES[self.dtype]}[{','.join(map(str, self.shape))}]"

    @classmethod
    def parse(cls, text: str) -> ArrayType:
        """Read what ``repr`` wrote."""
        match = re.fullmatch(r"(\w+)\[([\d,]*)\]", text)
        if not match or match[1] not in DTYPES:
            raise GraphError(f"{text!r} is no array type; one looks like f64[2,3]")
        shape = tuple(int(n) for n in match[2].split(",") if n)
        return cls(shape, DTYPES[match[1]])


def type_of(x: Any) -> ArrayType:
    """The type of anything with ``shape`` and ``dtype``."""
    return ArrayType(x.shape, x.dtype)
