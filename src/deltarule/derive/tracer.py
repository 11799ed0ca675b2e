"""The traced value: it looks like an array to the user's function, and records what is done to it.

In: a node of a trace. Out: more nodes. A traced value owns a buffer (its node is replaced when it is
written to) or is a view: a path of slices, reshapes and transposes from the owner, read again when the
owner has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from deltarule.derive.attributes import Attributes
from deltarule.derive.table import FUNCTIONS, NUMPY, UFUNCS, check_arguments, name_of, no_rule
from deltarule.errors import (
    BranchError,
    DeltaruleError,
    EscapedTracer,
    NoMethodError,
    TracedValueError,
)
from deltarule.program import Node, Primitive, ops
from deltarule.program.primitive import Traced

_FLOATS = (float, np.floating)


class Tracer(Attributes, Traced):
    """One value of one trace.

    ``scalar`` tells numbers, which nobody can write into, from arrays without axes. ``weak`` is a
    Python number, whose type gives way to that of any array it meets.
    """

    __slots__ = ("_node", "base", "laid", "path", "scalar", "version", "weak", "within")
    __array_priority__ = 1000.0
    laid: tuple[int, ...] | None  # strides of the buffer, before it was first written to

    def __init__(self, trace: Any, node: Node, scalar: bool = False, weak: bool = False) -> None:
        self.within: Any = trace
        self._node = node
        self.scalar = scalar
        self.weak = weak
        self.base: Tracer | None = None
        self.path: tuple[tuple[Primitive, dict[str, Any]], ...] = ()
        self.version = 0

    @property
    def node(self) -> Node:
        """The current node; a view whose owner was written to since is read again."""
        base = self.base
        if base is not None and base.version != self.version:
            from deltarule.derive.views import replay

            self._node = replay(Tracer(base.within, base._node), self.path)[-1].node
            self.version = base.version
        return self._node

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self._node.type.shape

    @shape.setter
    def shape(self, new: Any) -> None:
        raise NoMethodError(
            f"x.shape = {new} is not traced ({self._place()}). Write x = x.reshape({new})"
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._node.type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._node.type.size

    @property
    def known(self) -> bool:
        """Whether the number is known while tracing, through all levels of tracing."""
        x: Any = self
        while isinstance(x, Tracer):
            values, node = x.within.values, x.node
            if node not in values:
                return False
            x = values[node]
        return True

    @property
    def active(self) -> bool:
        """Whether the value depends on a differentiated input."""
        return self.node in self.within.active

    @property
    def value(self) -> Any:
        """The number, where it is known; it may be a traced value of an outer level."""
        return self.within.values[self.node]

    @property
    def settled(self) -> Any:
        """The numbers of a constant whose trace has ended: they are as any array. None for anything else."""
        from deltarule.derive.views import replay

        trace, base = self.within, self.base
        if base is not None and base.version != self.version:
            start = base.settled
            return None if start is None else replay(start, self.path)[-1]
        if trace.open or self._node in trace.active:
            return None
        found = trace.values.get(self._node)
        return found.settled if type(found) is Tracer and not found.within.open else found

    # --- numbers leave only on purpose ---

    def _place(self) -> str:
        from deltarule.derive.trace import caller

        return str(caller())

    def _plain(self, use: str) -> Any:
        """The number of a value that no derivative depends on; an error for any other."""
        if (kept := self.settled) is not None:
            return kept._plain(use) if isinstance(kept, Tracer) else kept
        if not self.within.open:
            raise EscapedTracer(
                f"{use} of a traced value after the function that it was traced in had "
                f"returned ({self._place()}). Return it "
                "from the function, or keep its number, dr.value(x)"
            )
        if self.active or not self.known:
            raise self._leaving(use)
        value = self.value
        if isinstance(value, Tracer):
            return value._plain(use)
        return value

    def _leaving(self, use: str) -> TracedValueError:
        """The error where a number would leave, with the cure for the function that asks for it."""
        from deltarule.derive.leaving import called, cure

        name = called()
        start = f"{use if name is None else f'{name}()'} asks for the number of a traced value"
        if not self.known:
            return TracedValueError(
                f"{start} ({self._place()}), which is not known yet while compiling, batching or "
                "scanning. Write np.where for choices and masks; an int that decides over a program is "
                "an argument of dr.compile of its own"
            )
        return TracedValueError(
            f"{start} ({self._place()}). A gradient flows through this {self._node.type}: taking it out "
            f"would cut the gradient silently. {cure(name, use)}, or take the number on purpose with "
            "dr.value(x)"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.active and self.within.open:
            from deltarule.derive.library import asking

            asked = asking()
            if asked is not None:
                raise no_rule(asked, self._place())
        out = np.array(self._plain("np.asarray"), dtype=dtype)
        out.flags.writeable = False
        return out

    def __float__(self) -> float:
        return float(self._plain("float()"))

    def __int__(self) -> int:
        return int(self._plain("int()"))

    def __complex__(self) -> complex:
        return complex(self._plain("complex()"))

    def __index__(self) -> int:
        return self._plain("an index").__index__()  # type: ignore[no-any-return]

    def item(self, *args: int) -> Any:
        """The Python number, where no gradient flows through."""
        return self._plain("item()").item(*args)

    def tolist(self) -> Any:
        """Nested lists of Python numbers, where no gradient flows through."""
        return self._plain("tolist()").tolist()

    def __bool__(self) -> bool:
        if not self.known:
            raise BranchError(
                f"Python branches on a traced {self._node.type} whose value is not known "
                "while compiling, batching or scanning "
                f"({self._place()}). Write np.where(condition, a, b), or branch on a "
                "static argument"
            )
        if not self.within.open:
            self._plain("bool()")
        return bool(self.value)

    def __hash__(self) -> int:
        if self.shape:
            raise TypeError("unhashable type: a traced array")
        return hash(self._plain("hash()").item())

    def __divmod__(self, other: Any) -> Any:
        return operate(np.divmod, self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return operate(np.divmod, other, self)

    def __round__(self, digits: int | None = None) -> Any:
        y = NUMPY["round"](self, digits or 0)
        if not self.weak:
            return y
        return weakened(y if digits is not None else ops.cast(y, dtype=np.dtype(int)))

    def __copy__(self) -> Any:
        return self.copy("K")

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy("K")

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._plain("pickling").__reduce_ex__(protocol)

    def __repr__(self) -> str:
        shown = f" = {self.value}" if self.known else ""
        return f"Traced({self._node.type}{shown})"

    def __format__(self, spec: str) -> str:
        value: Any = self
        while isinstance(value, Tracer) and value.known:
            value = value.value
        return repr(value) if isinstance(value, Tracer) else format(value, spec)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    def __contains__(self, item: Any) -> bool:
        return bool(NUMPY["any"](operate(np.equal, self, item)))

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    # --- indexing and in-place writing ---

    __getitem__: Callable[..., Any]  # put here by deltarule.derive.indexing
    __setitem__: Callable[..., None]

    def assign(self, new: Any, steps: tuple[tuple[Primitive, dict[str, Any]], ...] = ()) -> None:
        """Replace all elements, or those at the end of further steps: the buffer's owner gets a new
        node."""
        from deltarule.derive.views import put_back, strides_of, writable

        owner = writable(self)
        if not owner.within.open:
            from deltarule.derive.trace import escaped

            raise escaped(owner.within, "an assignment")
        path = (*self.path, *steps)
        whole = put_back(owner, path, new) if path else new
        if not isinstance(whole, Tracer):
            whole = Tracer(owner.within, owner.within.capture(whole))
        if whole.within is not owner.within:
            raise TracedValueError(
                "a value of an inner function is written into an array made outside it "
                f"({self._place()}). Make the array inside "
                "the inner function and return it"
            )
        if owner.version == 0:
            owner.laid = strides_of(owner)
        owner._node = whole.node
        owner.version += 1
        if self is not owner and not steps and getattr(new, "within", None) is owner.within:
            self._node, self.version = new.node, owner.version

    # --- NumPy's protocols ---

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            rule = UFUNCS.get(ufunc)
            if rule is not None:
                return rule(*inputs)
        from deltarule.derive.ufuncs import apply_method

        return apply_method(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        found = FUNCTIONS.get(function)
        if found is None:
            return plain_call(function, args, kwargs)
        try:
            return found(*args, **kwargs)
        except TypeError as error:
            if not isinstance(error, DeltaruleError):
                check_arguments(function, found, args, kwargs, self._place())
            raise

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            return partial(NUMPY[name], self)
        if hasattr(np.ndarray, name) and not name.startswith("__"):
            raise no_rule(getattr(np.ndarray, name), self._place(), NoMethodError)
        raise AttributeError(f"arrays have no attribute {name!r}")


def plain_call(
    function: Any, args: Any, kwargs: Any, error: Callable[[str], Exception] | None = None
) -> Any:
    """A function without a rule, on values that no derivative depends on: call it on the numbers."""
    traces = set()

    def number(x: Any) -> Any:
        if isinstance(x, Tracer):
            if x.active or not x.known:
                raise no_rule(function, x._place()) if error is None else error(x._place())
            traces.add(x.within)
            return x.value
        if isinstance(x, (list, tuple)):
            return type(x)(number(item) for item in x)
        return x

    out = function(*(number(x) for x in args), **{key: number(x) for key, x in kwargs.items()})
    trace = max(traces, key=lambda t: t.level)
    if isinstance(out, (np.ndarray, np.generic)) and out.dtype.kind in "biufc" and error is None:
        return trace.constant(out)
    return out


def write_outside(function: Any, args: Any, kwargs: Any) -> Any:
    """A function that writes into an array made outside the trace, which only plain numbers may enter."""
    name = name_of(function)

    def error(place: str) -> Exception:
        return TracedValueError(
            f"np.{name} writes a traced value into an array made outside the traced "
            f"function ({place}). Make that array inside it, with np.zeros, np.array or np.copy; one "
            "that was drawn, with np.array(rng.normal(size=n))"
        )

    return plain_call(function, args, kwargs, error)


METHODS = frozenset(
    (
        "all any argmax argmin argpartition argsort astype choose clip conj conjugate "
        "cumprod cumsum diagonal dot max mean min "
        "nonzero prod ravel repeat round searchsorted squeeze std sum swapaxes take trace var"
    ).split()
)


WEAK = {"b": bool, "i": int, "f": float, "c": complex}
_TRUTHS = (np.bitwise_and, np.bitwise_or, np.bitwise_xor)  # of bools they are bools, as in Python
_COMPARISONS = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)


def is_python(x: Any) -> bool:
    """Whether a value is a Python number, traced or not: NumPy lets its type give way."""
    return (
        x.weak
        if type(x) is Tracer
        else isinstance(x, (bool, int, float, complex)) and not hasattr(x, "dtype")
    )


def weakened(x: Any) -> Any:
    """A traced number as a Python number."""
    return Tracer(x.within, x.node, scalar=True, weak=True) if isinstance(x, Tracer) else x.item()


def operate(ufunc: np.ufunc, *args: Any) -> Any:
    """An operator: among Python numbers it gives Python numbers, otherwise what the ufunc gives."""
    if not all(map(is_python, args)):
        return UFUNCS[ufunc](*args)
    if ufunc not in _TRUTHS and ufunc not in _COMPARISONS:
        args = tuple(map(_counted, args))
    found = UFUNCS[ufunc](*args)
    return tuple(map(weakened, found)) if isinstance(found, tuple) else weakened(found)


def _counted(x: Any) -> Any:
    """Python counts True as 1."""
    if type(x) is Tracer and x.dtype.kind == "b":
        return weakened(ops.cast(x, dtype=np.dtype(int)))
    return int(x) if isinstance(x, bool) else x


def _operator(
    ufunc: np.ufunc, primitive: Primitive, reverse: bool = False
) -> Callable[[Any, Any], Any]:
    """A binary operator, with a short way for the common case of equal float dtypes and Python numbers."""

    def method(self: Tracer, other: Any) -> Any:
        dtype = self._node.type.dtype
        if dtype.kind == "f":
            kind = type(other)
            if kind is float or kind is int:
                other = dtype.type(other)
                y = self.within.record(primitive, (other, self) if reverse else (self, other))
                return weakened(y) if self.weak else y
            if getattr(other, "dtype", None) is dtype:
                args = (other, self) if reverse else (self, other)
                deeper = type(other) is Tracer and other.within is not self.within
                y = primitive(*args) if deeper else self.within.record(primitive, args)
                return weakened(y) if self.weak and is_python(other) else y
        if isinstance(other, (str, bytes, dict, type(None))):
            return NotImplemented
        return operate(ufunc, other, self) if reverse else operate(ufunc, self, other)

    return method


def _in_place(ufunc: np.ufunc, operator: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """An augmented assignment: writes into the buffer; a scalar is replaced, as NumPy's are."""

    def method(self: Tracer, other: Any) -> Any:
        new = operator(self, other)
        if self.scalar or new is NotImplemented:
            return new
        from deltarule.derive.views import fitted

        self.assign(fitted(new, self, ufunc.__name__))
        return self

    return method


_BINARY = {
    "add": (np.add, ops.add),
    "sub": (np.subtract, ops.sub),
    "mul": (np.multiply, ops.mul),
    "truediv": (np.divide, ops.div),
    "pow": (np.power, ops.power),
    "matmul": (np.matmul, None),
    "floordiv": (np.floor_divide, None),
    "mod": (np.remainder, None),
    "and": (np.bitwise_and, None),
    "or": (np.bitwise_or, None),
    "xor": (np.bitwise_xor, None),
    "lshift": (np.left_shift, None),
    "rshift": (np.right_shift, None),
}
_COMPARE = {
    "eq": (np.equal, ops.eq),
    "ne": (np.not_equal, ops.ne),
    "lt": (np.less, ops.lt),
    "le": (np.less_equal, ops.le),
    "gt": (np.greater, ops.gt),
    "ge": (np.greater_equal, ops.ge),
}


def _general(ufunc: np.ufunc, reverse: bool) -> Callable[[Any, Any], Any]:
    if ufunc is np.matmul:  # of arrays, which are no Python numbers
        return lambda self, other: UFUNCS[ufunc](*((other, self) if reverse else (self, other)))
    return lambda self, other: operate(ufunc, *((other, self) if reverse else (self, other)))


for _name, (_ufunc, _primitive) in {**_BINARY, **_COMPARE}.items():
    for _prefix, _reverse in (("", False), ("r", True)) if _name in _BINARY else (("", False),):
        _method = (
            _operator(_ufunc, _primitive, _reverse) if _primitive else _general(_ufunc, _reverse)
        )
        setattr(Tracer, f"__{_prefix}{_name}__", _method)
    if _name in _BINARY:
        setattr(Tracer, f"__i{_name}__", _in_place(_ufunc, getattr(Tracer, f"__{_name}__")))
for _name, _unary in {
    "neg": np.negative,
    "pos": np.positive,
    "abs": np.absolute,
    "invert": np.invert,
}.items():
    setattr(Tracer, f"__{_name}__", lambda self, _unary=_unary: operate(_unary, self))
