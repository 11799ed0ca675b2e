"""``dr.compile``: a Python function of arrays, traced once for each kind of arguments and run as machine code.

In: a function in plain NumPy over nested arguments. Out: a function of the same arguments. Called with traced values (inside
``dr.grad`` and its relatives) it gives its nodes instead, so that it can be differentiated.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import Any

import numpy as np

from deltarule.compile.program import Executable, build
from deltarule.derive.trace import stage
from deltarule.derive.tree import flatten, paths, unflatten
from deltarule.errors import TypeRuleError
from deltarule.program import ArrayType, Graph, interpret, type_of
from deltarule.program.primitive import Traced

MOST_VERSIONS = 8
_STATIC = (bool, int, str, bytes, type(None))


@dataclass(eq=False, slots=True)
class Version:
    """The function for one kind of arguments."""

    graph: Graph
    captured: tuple[Any, ...]
    spec: Any
    traced: tuple[int, ...]  # which leaves are arrays
    donated: frozenset[int]
    executable: Executable | None = None
    plain: dict[int, Any] = field(default_factory=dict)  # results that are no arrays

    @property
    def portable(self) -> bool:
        """Whether it may serve other calls: it captured no traced value of an outer function."""
        return not any(isinstance(x, Traced) for x in self.captured)


class Compiled:
    """A function that runs as machine code. See ``compile``."""

    def __init__(self, f: Callable[..., Any], donate: Sequence[int] = ()) -> None:
        self.function = f
        self.donate = tuple(donate)
        self.versions: dict[Any, Version] = {}
        self.last: Version | None = None
        self._keys: list[Any] = []
        update_wrapper(self, f)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves, spec = flatten((args, kwargs))
        key = (spec, *map(_key, leaves))
        version = self.versions.get(key)
        if version is None:
            version = self._trace(leaves, spec, key)
        self.last = version
        given = [leaves[i] for i in version.traced]
        if any(isinstance(x, Traced) for x in (*given, *version.captured)):
            results: Sequence[Any] = interpret(version.graph, *map(_array, given), *version.captured)
            return self._tree(version, results)
        if version.executable is None:
            version.executable = build(version.graph)
        found = version.executable(*given, *version.captured, donated=version.donated)
        return self._tree(version, [y if y.shape else y[()] for y in found])

    def _tree(self, version: Version, results: Sequence[Any]) -> Any:
        """Results in the structure that the function returned."""
        if not version.plain:
            return unflatten(version.spec, results)
        arrays = iter(results)
        count = len(results) + len(version.plain)
        return unflatten(version.spec, [version.plain[i] if i in version.plain else next(arrays) for i in range(count)])

    def _trace(self, leaves: Sequence[Any], spec: Any, key: Any) -> Version:
        """Stage the function for these arguments."""
        traced = tuple(i for i, x in enumerate(leaves) if not isinstance(x, _STATIC))
        outs: list[Any] = []

        def body(*values: Any) -> list[Any]:
            filled = list(leaves)
            for i, value in zip(traced, values, strict=True):
                filled[i] = value
            args, kwargs = unflatten(spec, filled)
            results, out_spec = flatten(self.function(*args, **kwargs))
            plain = {i: y for i, y in enumerate(results) if isinstance(y, (str, bytes))}
            outs.extend((out_spec, plain))
            return [_array(y) for i, y in enumerate(results) if i not in plain]

        staged = stage(body, [_type(leaves[i], i, spec) for i in traced])
        version = Version(staged.graph, staged.captured, outs[0], traced, self._donated(spec, traced), plain=outs[1])
        if version.portable:
            self.versions[key] = version
            self._keys.append((key, spec))
            if len(self._keys) > MOST_VERSIONS:
                self._warn()
        return version

    def _donated(self, spec: Any, traced: Sequence[int]) -> frozenset[int]:
        """Which traced leaves belong to donated arguments."""
        if not self.donate:
            return frozenset()
        owners = [int(path[4 : path.index("]", 4)]) if path.startswith("[0][") else -1 for path in paths(spec)]
        return frozenset(place for place, i in enumerate(traced) if owners[i] in self.donate)

    def _warn(self) -> None:
        """Say which argument differs from the last time."""
        (old, old_spec), (new, spec) = self._keys[-2:]
        name = getattr(self.function, "__name__", "f")
        reason = f"its arguments are nested otherwise: {old_spec}, now {spec}"
        if old_spec == spec:
            pairs = zip(paths(spec), old[1:], new[1:], strict=True)
            reason = "; ".join(f"{_place(path)} was {_word(a)}, is {_word(b)}" for path, a, b in pairs if a != b)
        warnings.warn(
            f"{name} was compiled {len(self._keys)} times, now because {reason}. Every new shape, dtype, int, bool or str is a "
            "compilation: pass numbers that change as floats or arrays, and keep shapes the same",
            RuntimeWarning,
            stacklevel=4,
        )

    @property
    def plan(self) -> Any:
        """The plan of the version called last."""
        return self._executable().plan

    def show(self, stage: str = "plan") -> str:
        """The version called last as text: graph, rewrite, plan, llvm or asm."""
        return self._executable().show(stage)

    def _executable(self) -> Executable:
        if self.last is None:
            raise TypeRuleError("nothing is compiled yet: call the function first, its arguments tell the types")
        if self.last.executable is None:
            self.last.executable = build(self.last.graph)
        return self.last.executable


def _key(x: Any) -> Any:
    """What of a leaf decides which version serves."""
    if isinstance(x, (np.ndarray, Traced)):
        return (x.shape, x.dtype)
    if isinstance(x, _STATIC):
        return (type(x), x)
    return ((), x.dtype) if isinstance(x, np.generic) else type(x)


def _type(x: Any, place: int, spec: Any) -> ArrayType:
    """The type of a traced leaf."""
    if isinstance(x, (np.ndarray, np.generic, Traced)) and x.dtype.kind in "biufc":
        return type_of(x)
    if isinstance(x, (float, complex)):
        return ArrayType((), np.dtype(type(x)))
    kind = f"an array of {x.dtype}" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"
    raise TypeRuleError(
        f"compile: {_place(paths(spec)[place])} is {kind}; arguments are arrays of numbers, numbers, strings, or nested "
        "dicts, lists, tuples and dataclasses of these"
    )


def _array(x: Any) -> Any:
    """Anything with shape and dtype as it is, a number as NumPy's."""
    return x if hasattr(x, "dtype") else np.asarray(x)[()]


def _place(path: str) -> str:
    """``[0][1]['w']`` as ``argument 1['w']``, ``[1]['x']`` as ``argument x``."""
    inner = path[3:]
    end = inner.index("]")
    return f"argument {inner[1:end].strip(chr(39))}{inner[end + 1 :]}"


def _word(key: Any) -> str:
    if isinstance(key, tuple) and isinstance(key[0], type):
        return repr(key[1])
    return repr(ArrayType(*key)) if isinstance(key, tuple) else key.__name__


def compile(f: Callable[..., Any], donate: Sequence[int] = ()) -> Compiled:
    """A function compiled to machine code, for each kind of arguments when it first meets them.

    Parameters
    ----------
    f : callable
        Plain NumPy code over nested arguments. Arrays and floats are traced; ints, bools and strings are part of the program.
    donate : sequence of int
        Positional arguments whose arrays the call may overwrite and return; do not use them afterwards.

    Returns
    -------
    Compiled
        Called like ``f``. ``.plan`` is what it runs (``.plan.native`` the share that is machine code), ``.show(stage)`` its text
        as graph, rewrite, plan, llvm or asm.

    Raises
    ------
    BranchError
        Where Python branches on a traced value: use ``np.where``, or pass an int, bool or str to branch on.
    IndexError
        Where an index is out of range while it runs.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.compile.jit import compile
    >>> f = compile(lambda x, y: np.tanh(x) @ y)
    >>> f(np.ones((2, 3)), np.ones(3)).round(4)
    array([2.2848, 2.2848])
    >>> f.plan.native
    1.0
    """
    return Compiled(f, donate)
