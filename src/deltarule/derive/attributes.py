"""The attributes and methods that arrays have, in terms of NumPy's functions.

In: a traced value, which inherits them. Out: what the array that it stands for would give, views where NumPy
gives views.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from deltarule.derive.table import NUMPY, no_rule
from deltarule.errors import NoMethodError


class Attributes:
    """What an array has by name. The traced value adds shape, dtype, indexing and operators."""

    __slots__ = ()

    @property
    def T(self) -> Any:
        """Axes in reverse order."""
        return NUMPY["transpose"](self)

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return NUMPY["swapaxes"](self, -1, -2)

    @property
    def real(self: Any) -> Any:
        """The real part: a view; of a real array the array itself."""
        return NUMPY["real"](self)

    @real.setter
    def real(self: Any, new: Any) -> None:
        self.real[...] = new

    @property
    def imag(self: Any) -> Any:
        """The imaginary part: a view; of a real array zeros."""
        return NUMPY["imag"](self)

    @imag.setter
    def imag(self: Any, new: Any) -> None:
        self.imag[...] = new

    @property
    def flat(self: Any) -> Any:
        """The elements in order, to read and to write."""
        return Flat(self)

    @flat.setter
    def flat(self: Any, new: Any) -> None:
        self.flat[:] = NUMPY["resize"](new, self.size)

    @property
    def itemsize(self: Any) -> int:
        """Bytes of one element."""
        return int(self.dtype.itemsize)

    @property
    def nbytes(self: Any) -> int:
        """Bytes of all elements."""
        return int(self.size * self.itemsize)

    @property
    def strides(self: Any) -> tuple[int, ...]:
        """Bytes from one element to the next, axis by axis."""
        from deltarule.derive.views import layout

        return layout(self)

    @property
    def flags(self: Any) -> Any:
        """What NumPy says of the layout."""
        from deltarule.derive.views import is_read_only

        writeable = not is_read_only(self)
        place = np.empty(1, self.dtype)
        return as_strided(place, self.shape, self.strides, writeable=writeable).flags

    @property
    def device(self) -> str:
        """Where the numbers are."""
        return "cpu"

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        """The elements under another shape."""
        target = shape[0] if len(shape) == 1 else shape
        return NUMPY["reshape"](self, target, order=order, copy=copy)

    def transpose(self, *axes: Any) -> Any:
        """Axes in another order, reversed by default."""
        return NUMPY["transpose"](self, axes[0] if len(axes) == 1 else axes or None)

    def fill(self: Any, value: Any) -> None:
        """Set all elements."""
        self[...] = value

    def sort(self: Any, axis: int = -1, **settings: Any) -> None:
        """Put the elements in order, in place."""
        self[...] = NUMPY["sort"](self, axis, **settings)

    def partition(self: Any, kth: Any, axis: int = -1, **settings: Any) -> None:
        """Put the elements in an order that NumPy's ``partition`` allows, in place."""
        self[...] = NUMPY["partition"](self, kth, axis, **settings)

    def compress(self, condition: Any, axis: int | None = None, out: Any = None) -> Any:
        """The slices along an axis that a condition chooses."""
        return NUMPY["compress"](condition, self, axis, out)

    def put(self, indices: Any, values: Any, mode: str = "raise") -> None:
        """Write at places counted over all elements."""
        NUMPY["put"](self, indices, values, mode)

    def view(self: Any, dtype: Any = None, type: Any = None) -> Any:
        """Another name for the same buffer."""
        given = [x for x in (dtype, type) if x is not None and x is not np.ndarray]
        if any(x != self.dtype for x in given):
            raise no_rule(
                np.ndarray.view, self._place() + ", with another dtype; use astype", NoMethodError
            )
        return self[...]

    def copy(self, order: str = "C") -> Any:
        """A buffer of its own."""
        return NUMPY["copy"](self, order)

    def flatten(self, order: str = "C") -> Any:
        """A copy of one axis."""
        return NUMPY["copy"](NUMPY["ravel"](self, order))


class Flat:
    """What ``x.flat`` gives: the elements in row-major order, whatever the layout."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __len__(self) -> int:
        return int(self.x.size)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.x.flatten())

    def __getitem__(self, key: Any) -> Any:
        return self.x.flatten()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        whole = self.x.flatten()
        whole[key] = value
        self.x[...] = whole.reshape(self.x.shape)
