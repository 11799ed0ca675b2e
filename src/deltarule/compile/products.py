"""Sums of products: the iteration space of an einsum, and which of its axes becomes a vector.

In: a spec such as ``ij,jk->ik`` and the views of its operands. Out: views over all labels at once, the axis of the vector,
and whether an operand is first copied so that this axis lies side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deltarule.compile.plan import Ints, View, row_major
from deltarule.program import ArrayType

VECTOR_BYTES = 64
PACK_COST = 1.0  # of one element, in vector operations
STRIDED_STORE_COST = 2.0


@dataclass(frozen=True, slots=True)
class Product:
    """The labels of an einsum as axes of one iteration: those of the result first."""

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
                sizes[letter] = n if sizes.get(letter, 1) == 1 else sizes[letter]
        labels = result + "".join(letter for letter in sizes if letter not in result)
        return Product(operands, result, labels, tuple(sizes[letter] for letter in labels))

    @property
    def axes(self) -> Ints:
        """Axes summed over."""
        return tuple(range(len(self.result), len(self.labels)))

    def spread(self, view: View, operand: int) -> View:
        """An operand over the whole iteration, with stride 0 along labels that it does not have."""
        own = dict(zip(self.operands[operand], zip(view.shape, view.strides, strict=True), strict=True))
        return self._over(view, [own[c][1] if c in own and own[c][0] != 1 else 0 for c in self.labels])

    def spread_result(self, view: View) -> View:
        """The result over the whole iteration."""
        return self._over(view, [*view.strides, *(0 for _ in self.axes)])

    def _over(self, view: View, strides: Sequence[int]) -> View:
        kept = (0 if n == 1 else s for n, s in zip(self.shape, strides, strict=True))
        return replace(view, shape=self.shape, strides=tuple(kept))

    def is_matrix(self, views: Sequence[View]) -> bool:
        """Whether something is summed, and each operand has a result axis that the other repeats along."""
        a, b = (view.strides for view in views)
        outer = range(len(self.result))
        rows = any(a[i] and not b[i] and self.shape[i] > 1 for i in outer)
        columns = any(b[i] and not a[i] and self.shape[i] > 1 for i in outer)
        return rows and columns and any(self.shape[i] > 1 for i in self.axes)


@dataclass(frozen=True, slots=True)
class Pack:
    """A copy of an operand without its repeated axes, in an order that ends with the vector's axis."""

    order: Ints
    shape: Ints

    def arranged(self, view: View) -> View:
        """The operand as the copy reads it."""
        shape, strides = (tuple(of[i] for i in self.order) for of in (view.shape, view.strides))
        return replace(view, shape=shape, strides=strides)

    def spread(self, packed: View) -> View:
        """The copy over the whole iteration."""
        strides = [0] * len(self.shape)
        for axis, stride in zip(self.order, packed.strides, strict=True):
            strides[axis] = stride
        return replace(packed, shape=self.shape, strides=tuple(strides))


def choose_vector(product: Product, views: Sequence[View]) -> tuple[View, View, int, Pack | None]:
    """The operand read by scalars, the one read by vectors, the vector's axis, and how to pack the latter, if at all."""
    lanes = VECTOR_BYTES // views[0].dtype.itemsize
    work = 1
    for n in product.shape:
        work *= n
    out = row_major(product.shape[: len(product.result)])
    best: tuple[float, int, int, bool] | None = None
    for side, view in enumerate(views):
        other = views[1 - side]
        for axis in range(len(product.result)):
            n = product.shape[axis]
            if n == 1 or not view.strides[axis] or other.strides[axis]:
                continue
            steps = -(-n // lanes)
            cost = work / n * steps
            if view.strides[axis] != 1:
                cost += PACK_COST * _elements(view)
            if out[axis] != 1:
                cost += STRIDED_STORE_COST * _elements_of(product)
            if best is None or cost < best[0]:
                best = (cost, side, axis, view.strides[axis] != 1)
    assert best is not None
    _, side, axis, needs_pack = best
    vector, scalar = views[side], views[1 - side]
    pack = None
    if needs_pack:
        others = [i for i, s in enumerate(vector.strides) if s and i != axis]
        pack = Pack((*others, axis), product.shape)
    return scalar, vector, axis, pack


def _elements(view: View) -> int:
    n = 1
    for m, s in zip(view.shape, view.strides, strict=True):
        n *= m if s else 1
    return n


def _elements_of(product: Product) -> int:
    n = 1
    for m in product.shape[: len(product.result)]:
        n *= m
    return n
