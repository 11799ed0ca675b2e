"""What two kernels must share to be one function: all but the buffers that they read and write.

In: a kernel. Out: its pattern, to be compared, and its addresses in the order in which the pattern counts
them. Deep networks repeat the same few patterns, whose functions are written once.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from deltarule.compile.kernels import Kernel
from deltarule.compile.views import View

Address = tuple[int, int]  # a buffer, and an offset in bytes


def pattern_of(kernel: Kernel) -> tuple[Any, list[Address]]:
    """The pattern of a kernel, and its addresses."""
    addresses: list[Address] = []

    def place(view: View) -> int:
        address = (view.buffer, view.offset * view.dtype.itemsize)
        if address not in addresses:
            addresses.append(address)
        return addresses.index(address)

    def word(x: Any) -> Any:
        if isinstance(x, View):
            return (place(x), x.dtype.str, x.shape, x.strides)
        if isinstance(x, tuple):
            return tuple(map(word, x))
        if is_dataclass(x):
            names = (field.name for field in fields(x) if field.name not in ("nodes", "code"))
            return (type(x).__name__, *(word(getattr(x, name)) for name in names))
        return x.str if isinstance(x, np.dtype) else repr(x)

    return word(kernel), addresses
