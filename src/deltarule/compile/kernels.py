"""The kinds of kernels: one loop nest or call each, with the views that it reads and writes.

In: nothing; ``schedule`` makes kernels of nodes. Out: frozen records, which ``llvm`` turns into
functions.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.compile.views import Ints, View
from deltarule.program import Node

if TYPE_CHECKING:
    from deltarule.compile.plan import Plan


@dataclass(frozen=True, slots=True)
class Load:
    """Elements of a view, one per point of the iteration."""

    view: View

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the element."""
        return self.view.dtype

    def __str__(self) -> str:
        return str(self.view)


@dataclass(frozen=True, slots=True)
class Number:
    """One number at every point."""

    value: Any
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return repr(self.value)

    @property
    def key(self) -> tuple[str, np.dtype[Any]]:
        """What tells numbers apart, signed zeros and NaN too."""
        return repr(self.value), self.dtype


@dataclass(frozen=True, slots=True)
class Apply:
    """A scalar expression on earlier values of the same kernel."""

    expression: str
    args: Ints
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"{self.expression} of {', '.join(f'%{i}' for i in self.args)}"


@dataclass(frozen=True, slots=True)
class Sum:
    """What the contraction that the kernel computes comes to, at each point of its result."""

    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return "sum"


Scalar = Load | Number | Apply | Sum


@dataclass(frozen=True, slots=True)
class Kernel(ABC):
    """A piece of work; ``nodes`` are those of the graph that it computes."""

    nodes: tuple[Node, ...]

    @property
    @abstractmethod
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""

    @property
    @abstractmethod
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""

    @property
    @abstractmethod
    def flops(self) -> int:
        """Estimated operations; one for each element that is only moved."""

    @property
    def length(self) -> int:
        """How much there is to compile."""
        return 1


def key_of(scalar: Scalar) -> Any:
    """What equal scalars have in common."""
    return scalar.key if isinstance(scalar, Number) else scalar


@dataclass(frozen=True, slots=True)
class FailingKernel(Kernel):
    """A kernel that may fail; ``code`` is the number by which machine code then names the node."""

    code: int


def loaded(scalars: tuple[Scalar, ...]) -> tuple[View, ...]:
    """The views among scalars."""
    return tuple([s.view for s in scalars if type(s) is Load])


CALLED = re.compile(r"\bspecial\.|\bzeta\(")
CALL = 200  # operations of a special function, at the least


def applied(scalars: tuple[Scalar, ...]) -> int:
    """The number of expressions among scalars; a special function counts as many."""
    found = (CALL if CALLED.search(s.expression) else 1 for s in scalars if isinstance(s, Apply))
    return sum(found)


@dataclass(frozen=True, slots=True)
class MapKernel(Kernel):
    """A loop over ``shape``: scalars computed at each point, some of them stored."""

    shape: Ints
    scalars: tuple[Scalar, ...]
    stores: tuple[tuple[int, View], ...]

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return loaded(self.scalars)

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return tuple([view for _, view in self.stores])

    @property
    def flops(self) -> int:
        """One for each expression and point."""
        return math.prod(self.shape) * max(1, applied(self.scalars))

    @property
    def length(self) -> int:
        """One for each scalar."""
        return len(self.scalars)


@dataclass(frozen=True, slots=True)
class ReduceKernel(Kernel):
    """The last of ``scalars`` over ``shape``, combined along ``axes``, where ``out`` has stride 0."""

    shape: Ints
    scalars: tuple[Scalar, ...]
    op: str
    axes: Ints
    out: View

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return loaded(self.scalars)

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return (self.out,)

    @property
    def flops(self) -> int:
        """One for each expression and point, and one to combine."""
        return math.prod(self.shape) * (1 + applied(self.scalars))

    @property
    def length(self) -> int:
        """One for each scalar."""
        return len(self.scalars)


@dataclass(frozen=True, slots=True)
class ContractKernel(Kernel):
    """Scalars of ``Sum``, the sum over ``axes`` of a * b, at each point of the axes before these.

    ``a`` and ``b`` span the whole iteration, with stride 0 where they repeat; the views of the scalars and
    of the stores span the axes that are kept. Along ``vector``, an axis that a does not have, a vector of
    results is computed at a time.
    """

    shape: Ints
    axes: Ints
    a: View
    b: View
    vector: int
    scalars: tuple[Scalar, ...]
    stores: tuple[tuple[int, View], ...]

    @property
    def kept(self) -> Ints:
        """Shape of the result."""
        return self.shape[: len(self.shape) - len(self.axes)]

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return (self.a, self.b, *loaded(self.scalars))

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return tuple(view for _, view in self.stores)

    @property
    def flops(self) -> int:
        """Multiplications and additions, and one for each expression and point of the result."""
        return 2 * math.prod(self.shape) + math.prod(self.kept) * applied(self.scalars)

    @property
    def length(self) -> int:
        """One for each scalar."""
        return len(self.scalars)


@dataclass(frozen=True, slots=True)
class GatherKernel(FailingKernel):
    """out[i] = x[index[i]], checked."""

    x: View
    index: View
    out: View

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return (self.x, self.index)

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return (self.out,)

    @property
    def flops(self) -> int:
        """One for each element moved."""
        return self.out.size


@dataclass(frozen=True, slots=True)
class ScatterKernel(FailingKernel):
    """out[index[i]] = new[i], or += with ``add``, checked, in order; out holds the old values."""

    index: View
    new: View
    out: View
    add: bool

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return (self.index, self.new, self.out)

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return (self.out,)

    @property
    def flops(self) -> int:
        """One for each element moved."""
        return self.new.size


@dataclass(frozen=True, slots=True)
class RandomKernel(Kernel):
    """``count`` numbers of Philox bits for each of the leading keys and steps."""

    key: View
    step: View
    out: View
    site: int
    count: int

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return (self.key, self.step)

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return (self.out,)

    @property
    def flops(self) -> int:
        """Ten rounds of eight operations for four numbers."""
        return 20 * self.out.size


@dataclass(frozen=True, slots=True)
class LoopKernel(Kernel):
    """``length`` runs of a body.

    A carry whose ``spare`` is None is written in place; the others go back and forth between ``carry``
    and ``spare``, so that the last step writes ``carry``. No carry is ever copied. Where it is open-ended
    the caller tells the number of steps, one or more, and ``steps`` is 1. With ``tested`` it goes on as
    long as the first carry is true, and what is not at home in the end is copied; ``steps`` is a guess.
    """

    body: Plan
    consts: tuple[View, ...]
    inits: tuple[View, ...]
    xs: tuple[View, ...]
    carry: tuple[View, ...]
    spare: tuple[View | None, ...]
    ys: tuple[View, ...]
    workspace: View
    steps: int
    reverse: bool
    open_ended: bool = False
    tested: bool = False

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return (*self.consts, *self.inits, *self.xs)

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        spare = (view for view in self.spare if view)
        return (*self.carry, *spare, *self.ys, self.workspace)

    @property
    def flops(self) -> int:
        """Those of all steps."""
        return self.steps * self.body.flops

    @property
    def length(self) -> int:
        """That of the body."""
        return 1 + self.body.length


@dataclass(frozen=True, slots=True)
class OpaqueKernel(FailingKernel):
    """NumPy's evaluation of a node, called back from machine code."""

    args: tuple[View, ...]
    outs: tuple[View, ...]

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return self.args

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return self.outs

    @property
    def flops(self) -> int:
        """One for each element of the results."""
        return sum(view.size for view in self.outs)


@dataclass(frozen=True, slots=True)
class LapackKernel(FailingKernel):
    """A step of linear algebra on each matrix over the axes ``lead``, which all views but ``work`` share.

    Attributes
    ----------
    step : str
        Which one.
    needed : tuple of View
        The arguments of the node, from which NumPy computes it where a matrix is out of the ordinary.
    work : tuple of View
        Memory for one matrix.
    flag : bool
        Whether the matrix is the transpose of what is read; or its lower or upper triangle is.
    operations : int
        Of one matrix.
    """

    step: str
    lead: Ints
    args: tuple[View, ...]
    outs: tuple[View, ...]
    needed: tuple[View, ...]
    work: tuple[View, ...]
    flag: bool
    operations: int

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return tuple(dict.fromkeys((*self.args, *self.needed)))

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return (*self.outs, *self.work)

    @property
    def flops(self) -> int:
        """Those of all matrices."""
        return math.prod(self.lead) * self.operations

    def numpy(self) -> OpaqueKernel:
        """NumPy's evaluation of all of it."""
        return OpaqueKernel(self.nodes, self.code, self.needed, self.outs)
