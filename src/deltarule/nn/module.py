"""A network as an object with named weights and a call in plain NumPy.

In: a class whose attributes are layers, float arrays (weights) and ``State``. Out: ``params`` and ``state`` as nested dicts, and
a pure call of them that can be traced.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from deltarule.derive.trace import STATE, scope, stage
from deltarule.derive.tracer import Tracer
from deltarule.errors import DataError, DeltaruleError, ShapeError
from deltarule.program import random
from deltarule.program.types import ArrayType

Tree = dict[str, Any]
CHUNK_ELEMENTS = 1 << 22


class State:
    """An array that a network keeps and changes itself, like running statistics: no gradient, no optimizer.

    ``self.mean = dr.State(np.zeros(3))`` declares it; afterwards ``self.mean`` is its value, and assigning to it while
    training becomes a result of the step.
    """

    def __init__(self, value: Any) -> None:
        self.value = np.asarray(value)


@dataclass(slots=True)
class Call:
    """What a pure call binds to the attributes of a network: weights, state, mode and random key."""

    places: dict[int, tuple[str, ...]]
    params: Tree
    state: Tree
    new_state: Tree = field(default_factory=dict)
    train: bool = False
    key: Any = None
    step: Any = 0
    building: Any = None


class _Calls(threading.local):
    def __init__(self) -> None:
        self.stack: list[Call] = []


CALLS = _Calls()


def current() -> Call | None:
    """The innermost pure call of this thread."""
    return CALLS.stack[-1] if CALLS.stack else None


def at(tree: Tree, path: tuple[str, ...]) -> Any:
    """The entry of a nested dict at a path; an empty dict where there is none."""
    for name in path:
        tree = tree.get(name, {})
    return tree


def put(tree: Tree, path: tuple[str, ...], value: Any) -> None:
    """Set the entry of a nested dict at a path."""
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


class Module:
    """The base of networks and layers.

    Attributes that are layers (or lists, tuples, dicts of layers), float arrays, or ``State`` are found by name; ``__call__``
    is NumPy code over them.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> class Scale(dr.Module):
    ...     def __init__(self):
    ...         self.gain = np.ones(3)
    ...     def __call__(self, x):
    ...         return x * self.gain
    >>> net = Scale()
    >>> net.init((1, 3), seed=0).params
    {'gain': array([1., 1., 1.], dtype=float32)}
    """

    forward: ClassVar[Callable[..., Any]]
    _reserved: ClassVar[frozenset[str]] = frozenset({"params", "state", "preprocessor"})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__call__" in cls.__dict__:
            cls.forward = cls.__dict__["__call__"]
            cls.__call__ = Module.__call__  # type: ignore[method-assign]

    def __new__(cls, *args: Any, **kwargs: Any) -> Module:
        """Set up the places of weights, so that subclasses need not call ``super().__init__``."""
        self = super().__new__(cls)
        for name in ("_arrays", "_states", "_children"):
            object.__setattr__(self, name, {})
        object.__setattr__(self, "_dtype", None)
        object.__setattr__(self, "input_shape", None)
        object.__setattr__(self, "preprocessor", None)
        return self

    # --- attributes ---

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._reserved:
            object.__setattr__(self, name, value)
        elif isinstance(value, State):
            self._states[name] = value.value
        elif name in self._states:
            self._set_state(name, value)
        elif isinstance(value, Tracer) or (name in self._arrays and current() is not None):
            raise ShapeError(
                f"{type(self).__name__}.{name} is assigned while the network is being called. A call does not change weights: the "
                f"optimizer does. For a value that the network keeps itself, declare self.{name} = dr.State(...) in __init__"
            )
        elif isinstance(value, (np.ndarray, np.floating)) and value.dtype.kind == "f":
            self._arrays[name] = np.array(value)
        elif modules_in(value):
            self._children[name] = value
            object.__setattr__(self, name, value)
        else:
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        own = object.__getattribute__(self, "__dict__")
        for kind in ("_states", "_arrays"):
            if name in own.get(kind, ()):
                return self._bound(kind, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def _bound(self, kind: str, name: str) -> Any:
        call = current()
        if call is not None and id(self) in call.places:
            path = (*call.places[id(self)], name)
            trees = (call.new_state, call.state) if kind == "_states" else (call.params,)
            for tree in trees:
                value = at(tree, path)
                if not isinstance(value, dict):
                    return value
        return (self._states if kind == "_states" else self._arrays)[name]

    def _set_state(self, name: str, value: Any) -> None:
        call = current()
        if call is None or id(self) not in call.places:
            self._states[name] = np.asarray(value)
        else:
            put(call.new_state, (*call.places[id(self)], name), value)

    def children(self) -> Iterator[tuple[str, Module]]:
        """Layers directly inside, by name; those of a list are numbered from 1."""
        for name, value in self._children.items():
            if isinstance(value, Module):
                yield name, value
            else:
                items = value.items() if isinstance(value, dict) else enumerate(value, 1)
                for key, item in items:
                    if isinstance(item, Module):
                        yield f"{name}{key}" if isinstance(key, int) else f"{name}_{key}", item

    def walk(self) -> Iterator[tuple[tuple[str, ...], Module]]:
        """All modules with their paths, this one first; one that is shared comes once."""
        seen: set[int] = set()
        stack: list[tuple[tuple[str, ...], Module]] = [((), self)]
        while stack:
            path, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module
                stack.extend(((*path, name), child) for name, child in reversed(list(module.children())))

    # --- weights ---

    def _tree(self, kind: str) -> Tree:
        out: Tree = {}
        for path, module in self.walk():
            for name, value in getattr(module, kind).items():
                put(out, (*path, name), value)
        return out

    def _set_tree(self, kind: str, new: Tree) -> None:
        expected = {(*path, name): module for path, module in self.walk() for name in getattr(module, kind)}
        given = dict(flat(new))
        word = "weights" if kind == "_arrays" else "state"
        if set(expected) != set(given):
            missing = sorted(".".join(p) for p in set(expected) - set(given))
            extra = sorted(".".join(p) for p in set(given) - set(expected))
            raise ShapeError(f"the {word} do not fit this network: missing {missing or 'none'}, unknown {extra or 'none'}")
        for path, module in expected.items():
            held, value = getattr(module, kind)[path[-1]], np.asarray(given[path])
            if value.shape != held.shape:
                raise ShapeError(f"{word} {'.'.join(path)} have shape {held.shape}; shape {value.shape} was given")
            if value.dtype.kind != held.dtype.kind:
                raise ShapeError(f"{word} {'.'.join(path)} are {held.dtype}; {value.dtype} was given")
        for path, module in expected.items():
            getattr(module, kind)[path[-1]] = np.array(given[path])

    @property
    def params(self) -> Tree:
        """Weights by name, nested as the layers are. Setting them checks names and shapes."""
        return self._tree("_arrays")

    @params.setter
    def params(self, new: Tree) -> None:
        self._set_tree("_arrays", new)
        dtypes = {a.dtype for _, a in flat(new)}
        if len(dtypes) == 1:
            object.__setattr__(self, "_dtype", dtypes.pop())

    @property
    def state(self) -> Tree:
        """Values that the network keeps itself, by name."""
        return self._tree("_states")

    @state.setter
    def state(self, new: Tree) -> None:
        self._set_tree("_states", new)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Float type of weights and inputs; float32 unless ``init`` or the weights say otherwise."""
        return np.dtype("float32") if self._dtype is None else self._dtype

    @property
    def training(self) -> bool:
        """Whether the call is one of a training step: dropout is on, running statistics move."""
        call = current()
        return call is not None and call.train

    @property
    def built(self) -> bool:
        """Whether shapes are known and weights exist."""
        return self._dtype is not None

    def init(self, shape: tuple[int, ...], seed: int = 0, dtype: Any = "float32") -> Module:
        """Find all shapes from that of a batch of inputs, and draw the weights.

        Parameters
        ----------
        shape : tuple of int
            Shape of a batch, say (32, 784); the number of rows does not matter.
        seed : int
            Weights are a function of the seed, the layer's path and the weight's name.
        dtype : str
            float32, or float64 for exact work.
        """
        kind = np.dtype(dtype)
        call = Call(self._places(), {}, {}, building=(random.key(seed), kind))
        for _, module in self.walk():
            for held in (module._arrays, module._states):
                held.update({name: a.astype(kind) for name, a in held.items() if a.dtype.kind == "f"})
        object.__setattr__(self, "_dtype", kind)
        object.__setattr__(self, "input_shape", tuple(shape[1:]))
        try:
            with bound(call):
                stage(lambda x: [self(x)], [ArrayType(tuple(shape), kind)])
        except BaseException:
            object.__setattr__(self, "_dtype", None)
            raise
        return self

    def declare(self, name: str, shape: tuple[int, ...], initial: Callable[..., Any]) -> None:
        """Declare a weight whose shape is known only now, inside a call; it is drawn when ``init`` runs."""
        call = current()
        if name in self._arrays:
            return
        if call is None or call.building is None:
            raise ShapeError(f"{type(self).__name__} has no weights yet: call net.init(shape, seed) or dr.fit first")
        key, dtype = call.building
        path = ".".join((*call.places[id(self)], name))
        value = np.asarray(initial(random.fold_in(key, random.site(path)), shape))
        self._arrays[name] = value.astype(dtype)

    # --- calls ---

    def _places(self) -> dict[int, tuple[str, ...]]:
        return {id(module): path for path, module in self.walk()}

    def __call__(self, *args: Any, params: Tree | None = None, train: bool = False, key: Any = None) -> Any:
        """Outputs for a batch.

        Without ``params``: evaluation with the network's own weights, on plain arrays, in chunks of rows. With ``params``: the pure
        call of these weights, for tracing; ``train`` switches dropout on, which takes random numbers from ``key``.
        """
        call = current()
        if params is None and call is not None and id(self) in call.places:
            return self._scoped(call, args)
        if params is None and any(isinstance(x, Tracer) for x in args):
            params = self.params
        if params is not None:
            return self.apply(params, self.state, *args, train=train, key=key)[0]
        if train:
            raise DataError("net(X, train=True) needs params=...; without them the call evaluates with the network's own weights")
        return self._evaluate(*args)

    def _scoped(self, call: Call, args: tuple[Any, ...]) -> Any:
        path = call.places[id(self)]
        outer = STATE.scope
        name = ".".join(path)
        try:
            STATE.scope = name
            return self.forward(*args)
        except (TypeError, ValueError) as error:
            if isinstance(error, DeltaruleError) and name and not getattr(error, "__notes__", None):
                error.add_note(f"in layer {name} ({type(self).__name__})")
            raise
        finally:
            STATE.scope = outer

    def apply(
        self, params: Tree, state: Tree, *args: Any, train: bool = False, key: Any = None, step: Any = 0
    ) -> tuple[Any, Tree]:
        """The pure call: outputs and new state from weights, state and inputs."""
        call = Call(self._places(), params, state, train=train, key=key, step=step)
        with bound(call):
            y = self(*args)
        return y, merged(state, call.new_state)

    def _evaluate(self, *args: Any) -> Any:
        if not self.built:
            raise ShapeError(f"{type(self).__name__} has no weights yet: call net.init(X.shape, seed) or dr.fit(net, X, y) first")
        xs = [as_input(x, self.dtype) for x in args]
        n = len(xs[0]) if xs and xs[0].ndim else 1
        rows = max(1, CHUNK_ELEMENTS // max(1, max((x.size // max(n, 1) for x in xs), default=1)))
        call = Call(self._places(), self.params, self.state)
        with bound(call), np.errstate(all="ignore"):
            if n <= rows:
                return as_output(self(*xs), self.dtype)
            return np.concatenate([as_output(self(*(x[i : i + rows] for x in xs)), self.dtype) for i in range(0, n, rows)])


@contextmanager
def bound(call: Call) -> Iterator[None]:
    """Modules take their values from ``call`` inside."""
    CALLS.stack.append(call)
    try:
        yield
    finally:
        CALLS.stack.pop()


def flat(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Leaves of a nested dict with their paths."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, (*path, name))
        else:
            yield (*path, name), value


def merged(old: Tree, new: Tree) -> Tree:
    """``old`` with the entries of ``new`` in their places."""
    out = {name: merged(value, {}) if isinstance(value, dict) else value for name, value in old.items()}
    for path, value in flat(new):
        put(out, path, value)
    return out


def modules_in(value: Any) -> bool:
    """Whether a value is a module, or a list, tuple or dict with modules in it."""
    if isinstance(value, Module):
        return True
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return any(isinstance(item, Module) for item in items)


def as_output(y: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """An output in the network's float type, which float64 constants in its code may have widened."""
    y = np.asarray(y)
    return y.astype(dtype, copy=False) if y.dtype.kind == "f" else y


def as_input(x: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """An array of inputs in the network's float type."""
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise DataError(f"inputs of a network are numbers, not {x.dtype}; turn text and categories into numbers first")
    return x.astype(dtype, copy=False)


__all__ = ["CALLS", "Call", "Module", "State", "bound", "current", "flat", "merged", "scope"]
