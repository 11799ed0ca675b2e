"""``dr.compile``: a Python function, traced once for each kind of arguments and run as machine code.

In: a function in plain NumPy over nested arguments. Out: a function of the same arguments. Called with
traced values (inside ``dr.grad`` and its relatives) it gives its nodes instead, to be differentiated.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.compile.plan import Plan
from deltarule.compile.program import Executable, build, ready, uncollected
from deltarule.derive.trace import stage
from deltarule.derive.tracer import is_python
from deltarule.derive.tree import flatten, paths, unflatten
from deltarule.derive.views import pattern_of
from deltarule.errors import TypeRuleError
from deltarule.program import ArrayType, Graph, interpret, type_of
from deltarule.program.primitive import Traced
from deltarule.program.types import NAMES

if TYPE_CHECKING:
    from deltarule.compile.profile import Profile

MOST_VERSIONS = 8
PROFILED = 5  # calls
STATIC = (bool, int, str, bytes, type(None))
DIRECT = (np.ndarray, float, complex)


@dataclass(eq=False, slots=True)
class Version:
    """The function for one kind of arguments.

    Attributes
    ----------
    graph : Graph
        Inputs are the traced leaves, then the captured arrays.
    captured : tuple
        Arrays of the function's closure, as they were found.
    traced : tuple of int
        Which leaves of the arguments are inputs.
    donated : set of int
        Inputs that may be overwritten.
    spec : tree
        Structure of the results.
    plain : dict
        Results that are no numbers, by their place.
    executable : Executable or None
        Made at the first call with plain arrays.
    portable : bool
        Whether other calls may use it: it captured no traced value of an outer function.
    """

    graph: Graph
    captured: tuple[Any, ...]
    traced: tuple[int, ...]
    donated: frozenset[int]
    spec: Any
    plain: dict[int, Any]
    executable: Executable | None = None
    portable: bool = field(init=False)

    def __post_init__(self) -> None:
        self.portable = not any(isinstance(x, Traced) for x in self.captured)

    def call(self, given: Sequence[Any]) -> Any:
        """The function on its inputs."""
        if not self.portable or [x for x in given if isinstance(x, Traced)]:
            inputs = (as_array(x) for x in (*given, *self.captured))
            return self.tree(interpret(self.graph, *inputs))
        return self.run(given)

    def run(self, given: Sequence[Any]) -> Any:
        """The function on arrays and numbers whose types are known to be right."""
        if self.executable is None:
            self.executable = build(self.graph)
        arrays = [ready(x) for x in (*given, *self.captured)]
        found = self.executable.run(arrays, self.donated)
        return self.tree([y if y.shape else y[()] for y in found])

    def tree(self, results: Sequence[Any]) -> Any:
        """Results in the structure that the function returned."""
        if self.spec.is_leaf() and not self.plain:
            return results[0]
        leaves = list(results)
        for place in sorted(self.plain):
            leaves.insert(place, self.plain[place])
        return unflatten(self.spec, leaves)


class Compiled:
    """A function that runs as machine code. See ``compile``."""

    def __init__(self, function: Callable[..., Any], donate: Sequence[int] = ()) -> None:
        update_wrapper(self, function, updated=())
        self.function = function
        self.donate = frozenset(donate)
        self.versions: dict[Any, Version] = {}
        self.direct: dict[Any, Version] = {}  # of arrays and numbers only: no tree to take apart
        self.keys: list[tuple[Any, ...]] = []
        self.last: Version | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's result."""
        if not kwargs:
            version = self.direct.get(kinds_of(args))
            if version is not None:
                self.last = version
                return version.run(args)
        return self.call_tree(args, kwargs)

    def call_tree(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result on nested arguments."""
        leaves, spec = flatten((args, kwargs))
        key = (
            spec,
            *[kind_of(x) if type(x) is np.ndarray else key_of(x) for x in leaves],
        )
        version = self.versions.get(key)
        if version is None:
            version = self.trace(leaves, spec)
            if version.portable:
                self.keep(version, key, args, kwargs)
        self.last = version
        return version.call([leaves[i] for i in version.traced])

    def keep(
        self,
        version: Version,
        key: Any,
        args: Any,
        kwargs: Any,
    ) -> None:
        """Use a version for all calls of its kind."""
        self.versions[key] = version
        self.keys.append(key)
        if len(self.keys) > MOST_VERSIONS:
            self.warn()
        if not kwargs and all(type(x) in DIRECT for x in args):
            self.direct[kinds_of(args)] = version

    def trace(self, leaves: Sequence[Any], spec: Any) -> Version:
        """Stage the function for these arguments."""
        traced = tuple(i for i, x in enumerate(leaves) if not isinstance(x, STATIC))
        plain: dict[int, Any] = {}
        out_spec: Any = None

        def body(*values: Any) -> list[Any]:
            nonlocal out_spec
            filled = list(leaves)
            for i, value in zip(traced, values, strict=True):
                filled[i] = value
            args, kwargs = unflatten(spec, filled)
            results, out_spec = flatten(self.function(*args, **kwargs))
            plain.update({i: y for i, y in enumerate(results) if isinstance(y, (str, bytes))})
            return [as_array(y) for i, y in enumerate(results) if i not in plain]

        types = [type_of_leaf(leaves[i], i, spec) for i in traced]
        strides = [pattern_of(leaves[i]) for i in traced]
        with uncollected():
            staged = stage(body, types, [is_python(leaves[i]) for i in traced], strides)
        donated = self.donated(spec, traced)
        return Version(
            staged.graph,
            staged.captured,
            traced,
            donated,
            out_spec,
            plain,
        )

    def donated(self, spec: Any, traced: Sequence[int]) -> frozenset[int]:
        """Which inputs belong to donated arguments."""
        if not self.donate:
            return frozenset()
        owners = [owner(path) for path in paths(spec)]
        return frozenset(place for place, i in enumerate(traced) if owners[i] in self.donate)

    def warn(self) -> None:
        """Say which argument differs from the last time."""
        (old_spec, *old), (spec, *new) = self.keys[-2:]
        if old_spec != spec:
            reason = f"its arguments are nested otherwise: {old_spec}, now {spec}"
        else:
            leaves = zip(paths(spec), old, new, strict=True)
            changes = [(path, a, b) for path, a, b in leaves if a != b]
            words = (f"{place(path)} was {word(a)}, is {word(b)}" for path, a, b in changes)
            reason = "; ".join(words)
        name = getattr(self.function, "__name__", "f")
        warnings.warn(
            f"{name} was compiled {len(self.keys)} times, now because {reason}. Every new shape, "
            "dtype, int, bool or str is a compilation: pass numbers that change as floats or "
            "arrays, and keep shapes the same",
            RuntimeWarning,
            stacklevel=5,
        )

    @property
    def plan(self) -> Plan:
        """The plan of the version called last."""
        return self.executable.plan

    def show(self, stage: str = "plan") -> str:
        """The version called last as text: graph, rewrite, plan, llvm or asm."""
        return self.executable.show(stage)

    def profile(self, *args: Any, **kwargs: Any) -> Profile:
        """Where the time of a call goes, kernel by kernel.

        Parameters
        ----------
        *args, **kwargs
            The function's arguments. It is called a few times.

        Returns
        -------
        Profile
            ``print`` it, or read its ``rows``.
        """
        from deltarule.compile.profile import Clocked

        self(*args, **kwargs)
        version = self.last
        assert version is not None
        clocked = Clocked(self.executable)
        leaves, _ = flatten((args, kwargs))
        given = [as_array(leaves[i]) for i in version.traced]
        for _ in range(PROFILED):
            clocked(*given, *version.captured)
        return clocked.profile()

    @property
    def executable(self) -> Executable:
        """That of the version called last."""
        if self.last is None:
            raise TypeRuleError("nothing is compiled yet: call the function first")
        if self.last.executable is None:
            self.last.executable = build(self.last.graph)
        return self.last.executable


def kinds_of(args: Sequence[Any]) -> tuple[Any, ...]:
    """What of arrays and numbers decides which version serves."""
    return tuple(
        [
            (x.shape, x.dtype) if type(x) is np.ndarray and x.flags.c_contiguous else kind_of(x)
            for x in args
        ]
    )


def kind_of(x: Any) -> Any:
    """Shape, dtype, and how an array lies in memory that is not in row-major order; the type of a
    number."""
    if not isinstance(x, (np.ndarray, Traced)):
        return type(x)
    kind, strides = type_of(x), pattern_of(x)
    return (kind.shape, kind.dtype) if strides is None else (kind.shape, kind.dtype, strides)


def key_of(x: Any) -> Any:
    """What of a leaf decides which version serves."""
    if isinstance(x, STATIC):
        return (type(x), x)
    if is_python(x):
        return complex if np.iscomplexobj(x) else float
    if not hasattr(x, "dtype"):
        return type(x)
    return kind_of(x) if pattern_of(x) else (x.shape, x.dtype)


def type_of_leaf(x: Any, i: int, spec: Any) -> ArrayType:
    """The type of an input."""
    dtype = getattr(x, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype in NAMES:
        return type_of(x)
    if isinstance(x, (float, complex)):
        return ArrayType((), np.dtype(type(x)))
    kind = f"an array of {dtype}" if dtype is not None else f"a {type(x).__name__}"
    if isinstance(dtype, np.dtype) and dtype.kind in "biufc":
        raise TypeRuleError(
            f"compile: {place(paths(spec)[i])} is {kind}, which is not compiled; convert it, "
            "x.astype(np.float64)"
        )
    raise TypeRuleError(
        f"compile: {place(paths(spec)[i])} is {kind}; arguments are arrays of numbers, numbers, "
        "strings, or nested dicts, lists, tuples and dataclasses of these"
    )


def as_array(x: Any) -> Any:
    """Anything with shape and dtype as it is, a number as NumPy's."""
    return x if hasattr(x, "dtype") else np.asarray(x)[()]


def owner(path: str) -> int:
    """The positional argument that a leaf at ``[0][1]['w']`` belongs to; -1 for a keyword."""
    return int(path[4 : path.index("]", 4)]) if path.startswith("[0]") else -1


def place(path: str) -> str:
    """``[0][1]['w']`` as ``argument 1['w']``, ``[1]['x']`` as ``argument x``."""
    inner = path[3:]
    end = inner.index("]")
    name = inner[1:end].strip("'")
    return f"argument {name}{inner[end + 1 :]}"


def word(key: Any) -> str:
    """A leaf's key, as a reader says it."""
    if not isinstance(key, tuple):
        return str(key.__name__)
    if isinstance(key[0], type):
        return repr(key[1])
    shape, dtype, *strides = key
    return repr(ArrayType(shape, dtype)) + (" in another order in memory" if strides else "")


def compile(function: Callable[..., Any], donate: Sequence[int] = ()) -> Compiled:
    """A function compiled to machine code, for each kind of arguments when it first meets them.

    Parameters
    ----------
    function : callable
        Plain NumPy code over nested arguments. Arrays and floats are traced; ints, bools and strings are
        part of the program. As in NumPy, a Python float takes the type of the array it meets.
    donate : sequence of int
        Positional arguments whose arrays the call may overwrite and return; do not use them afterwards.

    Returns
    -------
    Compiled
        Called like the function. ``.plan`` is what it runs (``.plan.native`` the share that is machine
        code), ``.show(stage)`` its text as graph, rewrite, plan, llvm or asm.

    Raises
    ------
    BranchError
        Where Python branches on a traced value: use ``np.where``, or branch on an int, bool or str.
    IndexError
        Where an index is out of range while it runs.

    Warns
    -----
    RuntimeWarning
        After 8 compilations, with what changed.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> f = dr.compile(lambda x, y: np.tanh(x) @ y)
    >>> f(np.ones((2, 3)), np.ones(3)).round(4)
    array([2.2848, 2.2848])
    """
    return Compiled(function, donate)
