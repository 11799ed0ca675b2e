"""The traced value: it looks like an array to the user's function, and records what is done to it.

In: a node of a trace. Out: more nodes. A traced value owns a buffer (its node is replaced when it is written to) or is a view: a
path of slices, reshapes and transposes from the owner, read again when the owner has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from deltarule.derive.table import FUNCTIONS, UFUNCS, check_arguments, no_rule
from deltarule.errors import BranchError, DeltaruleError, EscapedTracer, TracedValueError
from deltarule.program import Node, Primitive, ops
from deltarule.program.primitive import Traced

_FLOATS = (float, np.floating)


class Tracer(Traced):
    """One value of one trace."""

    __slots__ = ("_node", "base", "path", "scalar", "trace", "version")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 1000.0

    def __init__(self, trace: Any, node: Node, scalar: bool = False) -> None:
        self.trace = trace
        self._node = node
        self.scalar = scalar
        self.base: Tracer | None = None
        self.path: tuple[tuple[Primitive, dict[str, Any]], ...] = ()
        self.version = 0

    @property
    def node(self) -> Node:
        """The current node; a view whose owner was written to since is read again."""
        base = self.base
        if base is not None and base.version != self.version:
            self._refresh(base)
        return self._node

    def _refresh(self, base: Tracer) -> None:
        from deltarule.derive.views import is_view, replay

        if is_view(base.shape, self.path):
            self._node = replay(Tracer(base.trace, base.node), self.path)[-1].node
            self.version = base.version
        else:
            self.base = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self._node.type.shape

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
        """Whether the number is known while tracing."""
        return self.node in self.trace.values

    @property
    def active(self) -> bool:
        """Whether the value depends on a differentiated input."""
        return self.node in self.trace.active

    @property
    def value(self) -> Any:
        """The number, where it is known; it may be a traced value of an outer level."""
        return self.trace.values[self.node]

    # --- numbers leave only on purpose ---

    def _place(self) -> str:
        from deltarule.derive.trace import caller

        return str(caller())

    def _plain(self, use: str) -> Any:
        """The number of a value that no derivative depends on; an error for any other."""
        if not self.trace.open:
            raise EscapedTracer(
                f"{use} of a traced value after the function that it was traced in had returned ({self._place()}). Return it "
                "from the function, or keep its number, dr.value(x)"
            )
        if self.active or not self.known:
            state = f"A gradient flows through this {self._node.type}" if self.active else "Its number is not known yet"
            raise TracedValueError(
                f"{use} asks for the number of a traced value ({self._place()}). {state}: taking it out would cut the gradient "
                "silently. Make the array that you write to inside the function, use np functions instead of math ones, or "
                "take the number on purpose with dr.value(x)"
            )
        value = self.value
        if isinstance(value, Tracer):
            return value._plain(use)
        return value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
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
                f"Python branches on a traced {self._node.type} whose value is not known while compiling, batching or scanning "
                f"({self._place()}). Write np.where(condition, a, b), or branch on a static argument"
            )
        if not self.trace.open:
            self._plain("bool()")
        return bool(self.value)

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

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    # --- indexing and in-place writing ---

    def __getitem__(self, key: Any) -> Any:
        from deltarule.derive.indexing import read

        return read(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        from deltarule.derive.indexing import write

        write(self, key, value)

    def assign(self, new: Any) -> None:
        """Replace all elements: the buffer's owner gets a new node."""
        from deltarule.derive.views import put_back, writable

        owner = writable(self)
        whole = put_back(owner, self.path, new) if self.base is not None else new
        if not isinstance(whole, Tracer):
            whole = Tracer(owner.trace, owner.trace.capture(whole))
        if whole.trace is not owner.trace:
            raise TracedValueError(
                f"a value of an inner function is written into an array made outside it ({self._place()}). Make the array inside "
                "the inner function and return it"
            )
        owner._node = whole.node
        owner.version += 1

    # --- NumPy's protocols ---

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
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
        function = METHODS.get(name)
        if function is not None:
            return lambda *args, **kwargs: FUNCTIONS[function](self, *args, **kwargs)
        if hasattr(np.ndarray, name):
            raise no_rule(getattr(np.ndarray, name), self._place())
        raise AttributeError(f"arrays have no attribute {name!r}")

    @property
    def T(self) -> Any:
        """Axes in reverse order."""
        return FUNCTIONS[np.transpose](self)

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return FUNCTIONS[np.swapaxes](self, -1, -2)

    @property
    def real(self) -> Any:
        """The real part: the array itself, since traced values are real."""
        return self

    @property
    def flat(self) -> Any:
        """The elements in order."""
        return self.reshape(-1)

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        """The elements under another shape."""
        target = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return FUNCTIONS[np.reshape](self, target, order=order)

    def transpose(self, *axes: Any) -> Any:
        """Axes in another order, reversed by default."""
        return FUNCTIONS[np.transpose](self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)

    def fill(self, value: Any) -> None:
        """Set all elements."""
        self[...] = value

    def flatten(self) -> Any:
        """A copy of one axis."""
        return ops.reshape(self, shape=(self.size,))


def plain_call(function: Any, args: Any, kwargs: Any) -> Any:
    """A function without a rule, on values that no derivative depends on: call it on the numbers."""
    place = ""
    traces = set()

    def number(x: Any) -> Any:
        nonlocal place
        if isinstance(x, Tracer):
            place = place or x._place()
            if x.active or not x.known:
                raise no_rule(function, place)
            traces.add(x.trace)
            return x.value
        if isinstance(x, (list, tuple)):
            return type(x)(number(item) for item in x)
        return x

    out = function(*(number(x) for x in args), **{key: number(x) for key, x in kwargs.items()})
    trace = max(traces, key=lambda t: t.level)
    if isinstance(out, (np.ndarray, np.generic)) and out.dtype.kind in "biufc":
        return trace.constant(out)
    return out


METHODS: dict[str, Any] = {
    "sum": np.sum,
    "mean": np.mean,
    "var": np.var,
    "std": np.std,
    "max": np.max,
    "min": np.min,
    "argmax": np.argmax,
    "argmin": np.argmin,
    "dot": np.dot,
    "clip": np.clip,
    "ravel": np.ravel,
    "squeeze": np.squeeze,
    "swapaxes": np.swapaxes,
    "take": np.take,
    "copy": np.copy,
    "astype": np.astype,
    "prod": np.prod,
    "cumsum": np.cumsum,
    "repeat": np.repeat,
    "trace": np.trace,
    "diagonal": np.diagonal,
    "round": np.round,
    "any": np.any,
    "all": np.all,
}


def _operator(ufunc: np.ufunc, primitive: Primitive, reverse: bool = False) -> Callable[[Any, Any], Any]:
    """A binary operator, with a short way for the common case of equal float dtypes and Python numbers."""

    def method(self: Tracer, other: Any) -> Any:
        dtype = self._node.type.dtype
        if dtype.kind == "f":
            if isinstance(other, float) and not isinstance(other, np.floating):
                other = dtype.type(other)
            if getattr(other, "dtype", None) is dtype:
                return primitive(other, self) if reverse else primitive(self, other)
        if isinstance(other, (str, bytes, dict, type(None))):
            return NotImplemented
        return UFUNCS[ufunc](other, self) if reverse else UFUNCS[ufunc](self, other)

    return method


def _in_place(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """An augmented assignment: writes into the buffer; a scalar is replaced, as NumPy's are."""

    def method(self: Tracer, other: Any) -> Any:
        new = UFUNCS[ufunc](self, other)
        if self.scalar:
            return new
        from deltarule.derive.views import fitted

        self.assign(fitted(new, self, ufunc))
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
    "and": (np.bitwise_and, ops.and_),
    "or": (np.bitwise_or, ops.or_),
    "rshift": (np.right_shift, ops.shift_right),
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
    return lambda self, other: UFUNCS[ufunc](other, self) if reverse else UFUNCS[ufunc](self, other)


for _name, (_ufunc, _primitive) in {**_BINARY, **_COMPARE}.items():
    for _prefix, _reverse in (("", False), ("r", True)) if _name in _BINARY else (("", False),):
        _fast = _primitive is not None and _name not in ("and", "or", "rshift", "pow")
        _method = _operator(_ufunc, _primitive, _reverse) if _fast and _primitive else _general(_ufunc, _reverse)
        setattr(Tracer, f"__{_prefix}{_name}__", _method)
    if _name in _BINARY:
        setattr(Tracer, f"__i{_name}__", _in_place(_ufunc))
for _name, _unary in {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}.items():
    setattr(Tracer, f"__{_name}__", lambda self, _unary=_unary: UFUNCS[_unary](self))
