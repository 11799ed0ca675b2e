"""Sums of products: the iteration of an einsum, and which of its axes becomes a vector.

In: a spec such as ``ij,jk->ik`` and the views of its operands. Out: views over all labels at once, and
the axis of the vector.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from deltarule.compile.views import Ints, View, row_major
from deltarule.program import ArrayType

VECTOR_BYTES = 64
PACK_COST = 1.0  # of an element, in multiply-adds of vectors
STRIDED_STORE_COST = 16.0  # of a result, with what is loaded and stored beside it


@dataclass(frozen=True, slots=True)
class Product:
    """The labels of an einsum as axes of one iteration, those of the result first."""

    operands: tuple[str, ...]
    result: str
    labels: str
    shape: Ints

    @staticmethod
    def of(spec: str, types: Sequence[ArrayType]) -> Product:
        """Read a spec; an operand of size 1 where another is larger repeats."""
        given, result = spec.split("->")
        operands = tuple(given.split(","))
        sizes: dict[str, int] = {}
        for letters, kind in zip(operands, types, strict=True):
            for letter, n in zip(letters, kind.shape, strict=True):
                known = sizes.get(letter, 1)
                sizes[letter] = n if known == 1 else known
        summed = [letter for letter in sizes if letter not in result]
        labels = result + "".join(summed)
        shape = tuple(sizes[letter] for letter in labels)
        return Product(operands, result, labels, shape)

    @property
    def axes(self) -> Ints:
        """Axes summed over."""
        return tuple(range(len(self.result), len(self.labels)))

    @property
    def outer(self) -> Ints:
        """Axes of the result."""
        return tuple(range(len(self.result)))

    def spread(self, view: View, operand: int) -> View:
        """An operand over the whole iteration, with stride 0 along labels that it lacks."""
        letters = self.operands[operand]
        axes = zip(letters, view.shape, view.strides, strict=True)
        strides = {letter: stride for letter, n, stride in axes if n != 1}
        return self.over(view, [strides.get(letter, 0) for letter in self.labels])

    def over(self, view: View, strides: Sequence[int]) -> View:
        """A view with the shape of the iteration."""
        return replace(view, shape=self.shape, strides=tuple(strides))

    def is_matrix(self, views: Sequence[View]) -> bool:
        """Whether there are rows of one operand, columns of the other, and a sum."""
        a, b = (view.strides for view in views)
        rows = any(a[i] and not b[i] for i in self.outer)
        columns = any(b[i] and not a[i] for i in self.outer)
        return rows and columns and any(self.shape[i] > 1 for i in self.axes)


@dataclass(frozen=True, slots=True)
class Choice:
    """How a product is computed, and what that costs.

    Attributes
    ----------
    cost : float
        In multiply-adds of vectors.
    scalars, vectors : View
        The operand read number by number, and the one read by vectors.
    axis : int
        Axis of the vectors.
    """

    cost: float
    scalars: View
    vectors: View
    axis: int


def choose_vector(product: Product, views: Sequence[View]) -> Choice:
    """The cheapest choice."""
    a, b = views
    both = [*choices(product, a, b), *choices(product, b, a)]
    return min(both, key=lambda choice: choice.cost)


def choices(product: Product, scalars: View, vectors: View) -> Iterator[Choice]:
    """Every axis of the result that only one operand has can hold the vector."""
    lanes = VECTOR_BYTES // vectors.dtype.itemsize
    work = math.prod(product.shape)
    stored = math.prod(product.shape[i] for i in product.outer)
    out = row_major(product.shape[: len(product.result)])
    for axis in product.outer:
        n, stride = product.shape[axis], vectors.strides[axis]
        if not stride or scalars.strides[axis]:
            continue
        cost = work / n * math.ceil(n / lanes)
        if out[axis] != 1:
            cost += STRIDED_STORE_COST * stored
        if stride != 1:
            own = [n for n, step in zip(product.shape, vectors.strides, strict=True) if step]
            cost += PACK_COST * math.prod(own)
        yield Choice(cost, scalars, vectors, axis)
