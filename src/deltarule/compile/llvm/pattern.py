"""What two kernels must share to be one function: all but the buffers that they read and write.

In: a kernel. Out: its pattern, to be compared, and its addresses in the order in which the pattern counts
them. Deep networks repeat the same few patterns, whose functions are written once.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np

from deltarule.compile.kernels import Kernel, Number
from deltarule.compile.views import View

Address = tuple[int, int]  # a buffer, and an offset in bytes
PLAIN = (int, str, bool)


def pattern_of(kernel: Kernel) -> tuple[Any, list[Address]]:
    """The pattern of a kernel, and its addresses."""
    places: dict[Address, int] = {}

    def word(x: Any) -> Any:
        kind: Any = type(x)
        if kind is View:
            address = (x.buffer, x.offset * x.dtype.itemsize)
            return (places.setdefault(address, len(places)), x.dtype, x.shape, x.strides)
        if kind is tuple:
            return tuple([word(y) for y in x])
        if kind in PLAIN:
            return x
        if kind is Number:
            return x.key
        if is_dataclass(x):
            return (kind, *[word(getattr(x, name)) for name in names(kind)])
        return x if isinstance(x, np.dtype) else repr(x)

    return word(kernel), list(places)


@cache
def names(kind: Any) -> tuple[str, ...]:
    """What of a record is part of a pattern."""
    return tuple(field.name for field in fields(kind) if field.name not in ("nodes", "code"))
