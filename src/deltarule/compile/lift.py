"""Numbers of equal kernels moved to memory, so that the kernels are one function.

In: kernels in order. Out: the same, where those that differed by numbers only read the numbers, to the same
bits. A loop that Python has unrolled writes its counter into every step: without this each step would be code
of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.compile.kernels import Apply, Kernel, Load, MapKernel, Number, Scalar
from deltarule.compile.views import View

MANY = 4  # kernels, from which on numbers are worth a load

Constant = Callable[[np.ndarray[Any, Any]], View]


def lifted(kernels: Sequence[Kernel], constant: Constant) -> list[Kernel]:
    """The kernels, where ``constant`` puts an array into the program's memory."""
    found = list(kernels)
    groups: dict[Any, list[int]] = defaultdict(list)
    for position, kernel in enumerate(kernels):
        if isinstance(kernel, MapKernel) and any(type(x) is Number for x in kernel.scalars):
            groups[form_of(kernel)].append(position)
    for positions in groups.values():
        alike = [kernel for i in positions if isinstance(kernel := kernels[i], MapKernel)]
        for place, numbers in differing([kernel.scalars for kernel in alike]):
            values = constant(np.array([x.value for x in numbers], numbers[0].dtype))
            alike = [at_memory(kernel, place, values, i) for i, kernel in enumerate(alike)]
        for position, kernel in zip(positions, alike, strict=True):
            found[position] = kernel
    return found


def form_of(kernel: MapKernel) -> Any:
    """What kernels share that differ by numbers and addresses only."""
    stores = [(place, view.strides) for place, view in kernel.stores]
    return (kernel.shape, *map(word, kernel.scalars), *stores)


def word(scalar: Scalar) -> Any:
    """What of a scalar is part of the form."""
    if isinstance(scalar, Apply):
        return scalar
    if isinstance(scalar, Load):
        return (scalar.dtype, scalar.view.strides)
    return scalar.dtype


def differing(rows: Sequence[Sequence[Scalar]]) -> Iterator[tuple[int, list[Number]]]:
    """The numbers that differ among many kernels, by their places."""
    for place, scalars in enumerate(zip(*rows, strict=True)):
        numbers = [x for x in scalars if isinstance(x, Number)]
        if len({x.key for x in numbers}) >= MANY:
            yield place, numbers


def at_memory(kernel: MapKernel, place: int, values: View, i: int) -> MapKernel:
    """A kernel that reads the i-th of some numbers at every point."""
    strides = (0,) * len(kernel.shape)
    load = Load(replace(values, shape=kernel.shape, strides=strides, offset=i))
    scalars = (*kernel.scalars[:place], load, *kernel.scalars[place + 1 :])
    return replace(kernel, scalars=scalars)
