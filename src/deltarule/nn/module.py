"""A network as an object with named weights and a call in plain NumPy.

In: a class whose attributes are layers, float arrays (weights) and ``State``. Out: ``params`` and
``state`` as nested dicts, and a pure call of them that can be traced.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Self

import numpy as np

from deltarule.derive.trace import stage
from deltarule.derive.tracer import Tracer
from deltarule.derive.tree import flatten
from deltarule.derive.ufuncs import network_types
from deltarule.errors import DataError, ShapeError
from deltarule.nn.call import FLOATS, Call, as_input, as_output, bound, current, narrowed
from deltarule.nn.nested import Path, Slot, Tree, at, flat, matched, merged, nested, put
from deltarule.nn.tunable import Tunable
from deltarule.nn.tying import Tie, tie
from deltarule.program import ops, random
from deltarule.program.types import ArrayType

CHUNK_ELEMENTS = 1 << 22
OWN = ("params", "train", "key")
PLACES = ("_arrays", "_states", "_given", "_tuning", "_ties")
SETTABLE = (
    "params",
    "state",
    "preprocessor",
    "trained",
    "input_shape",
    "trainable",
    "frozen",
    "tuning",
)


class State:
    """An array that a network keeps and changes itself, like running statistics.

    It gets no gradient and no update. ``self.mean = dr.State(np.zeros(3))`` declares it; afterwards
    ``self.mean`` is its value, and what is assigned to it in a training step becomes a result of
    the step. In evaluation an assignment lasts until the call ends. A constant of the network is a
    State that is never assigned.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> class Counts(dr.Module):
    ...     def __init__(self):
    ...         self.calls = dr.State(0)
    ...     def __call__(self, x):
    ...         self.calls = self.calls + 1
    ...         return x
    >>> net = Counts().init((1, 3))
    >>> y, state = net.apply(net.params, net.state, np.ones((2, 3)), train=True)
    >>> int(state["calls"]), int(net.calls)
    (1, 0)
    """

    def __init__(self, value: Any) -> None:
        self.value = np.array(value)


def _entry(code: Callable[..., Any]) -> Callable[..., Any]:
    """The code of a class as its ``__call__``: a whole call, from outside the network."""

    @wraps(code)
    def call(self: Module, *args: Any, **named: Any) -> Any:
        now = current()
        if now is None or id(self) not in now.places or not named.keys().isdisjoint(OWN):
            return self._called(args, named)
        return now.run(self, code, args, named)

    return call


class Module(Tunable):
    """The base of networks and layers.

    Attributes that are layers (or lists, tuples, dicts of layers), float arrays, or ``State`` are
    found by name; ``__call__`` is NumPy code over them. Numbers, also NumPy's, are constants.

    Calling a network
    -----------------
    ``net(X)`` evaluates it with its own weights, on plain arrays, in chunks of rows, in its float
    type. ``net(X, params=p)`` is the pure call of these weights, for tracing; ``train=True`` makes
    it that of a training step (dropout is on), which takes random numbers from ``key``.

    Layers by name
    --------------
    ``net["dense1"]`` is a layer, by its path (``"encoder.dense1"``); ``net["dense1"].weight = W`` sets
    a weight. ``tune`` and ``freeze`` say how weights are trained.

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

    preprocessor: Any
    trained: Any
    input_shape: tuple[int, ...] | None
    _arrays: dict[str, Any]
    _states: dict[str, Any]
    _given: dict[str, Any]
    _ties: dict[str, Tie]
    _dtype: np.dtype[Any] | None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        code = vars(cls).get("__call__")
        if "forward" in vars(cls):
            raise DataError(
                f"{cls.__name__}.forward: the code of a network is its __call__; rename it"
            )
        if code is not None:
            taken = [name for name in inspect.signature(code).parameters if name in OWN]
            if taken:
                raise DataError(
                    f"{cls.__name__}.__call__ has a parameter {taken[0]!r}, which every network "
                    "has already; inside, self.training tells a training step from evaluation"
                )
            cls.forward = code  # type: ignore[method-assign]
            cls.__call__ = _entry(code)  # type: ignore[method-assign]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Set up the places of weights, so that subclasses need not call ``super().__init__``."""
        self = super().__new__(cls)
        for name in PLACES:
            object.__setattr__(self, name, {})
        for name in ("_dtype", "input_shape", "preprocessor", "trained"):
            object.__setattr__(self, name, None)
        return self

    # --- attributes ---

    def __setattr__(self, name: str, value: Any) -> None:
        if name in SETTABLE and not isinstance(value, State):
            object.__setattr__(self, name, value)
        elif hasattr(Module, name) or name in PLACES:
            raise ShapeError(
                f"{type(self).__name__}.{name}: networks have {name!r} already; take another name"
            )
        elif name in self._states and not isinstance(value, State):
            self._set_state(name, value)
        else:
            self._declare(name, value)

    def _declare(self, name: str, value: Any) -> None:
        """Set an attribute that is no state yet."""
        call = current()
        running = call is not None and id(self) in call.places
        if name in self._ties:
            one = self._ties[name]
            raise ShapeError(f"{name} of {self!r} is {one.name} of {one.holder!r}: set that one")
        if name in self._arrays and self.built and not running and not isinstance(value, State):
            value = self._fitting(name, value)
        weight = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        if isinstance(value, Tracer) or (weight and running):
            raise ShapeError(
                f"{type(self).__name__}.{name} is assigned an array while the network is being "
                "called. A call does not change weights: the optimizer does. For a value that the "
                f"network keeps itself, declare self.{name} = dr.State(...) in __init__"
            )
        for other in (self._arrays, self._states, vars(self)):
            if name in other and not (weight and other is self._arrays):
                del other[name]
        if weight:
            self._arrays[name] = np.array(value, self._dtype)
            self._given[name] = np.array(value)
        elif isinstance(value, State):
            self._states[name] = self._own(value.value)
            self._given[name] = value.value
        else:
            self._given.pop(name, None)
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        own = object.__getattribute__(self, "__dict__")
        for kind in ("_states", "_arrays"):
            if name in own.get(kind, ()):
                return self._bound(kind, name)
        if name in own.get("_ties", ()):
            return self._ties[name].read(self)
        layer = not name.startswith("_") and name in dict(self.children())
        cure = f"; the layer of this name is net[{name!r}]" if layer else ""
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{cure}")

    def _fitting(self, name: str, value: Any) -> Any:
        """A new value of a weight, as floats."""
        held, new = self._arrays[name], np.asarray(value)
        if new.shape != held.shape or new.dtype.kind not in "biuf":
            raise ShapeError(
                f"{type(self).__name__}.{name} is a weight of shape {held.shape}; "
                f"{new.dtype}{list(new.shape)} is assigned"
            )
        return new.astype(held.dtype)

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
        held, call = self._bound("_states", name), current()
        value = value if hasattr(value, "shape") else np.asarray(value)
        fits = value.shape == held.shape and np.can_cast(value.dtype, held.dtype, "same_kind")
        if not fits:
            raise ShapeError(
                f"{type(self).__name__}.{name} is state of type {held.dtype}{list(held.shape)}; it "
                f"is assigned {value.dtype}{list(value.shape)}, and a state keeps its type"
            )
        if value.dtype != held.dtype:
            value = ops.cast(value, dtype=held.dtype)
        if call is None or id(self) not in call.places:
            self._states[name] = np.array(value)
        else:
            put(call.new_state, (*call.places[id(self)], name), value)

    def _own(self, x: Any) -> Any:
        """A state in the network's float type."""
        return np.array(x, self._dtype if x.dtype.kind == "f" else None)

    # --- layers ---

    def children(self) -> Iterator[tuple[str, Module]]:
        """Layers directly inside, by name; those of a list are numbered from 1."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, (list, tuple, dict)) and name not in PLACES:
                yield from _layers(name, value, type(self).__name__)

    def walk(self) -> Iterator[tuple[Path, Module]]:
        """All modules with their paths, this one first; one that is shared comes once."""
        seen: set[int] = set()
        stack: list[tuple[Path, Module]] = [((), self)]
        while stack:
            path, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module
                inside = [((*path, name), child) for name, child in module.children()]
                stack.extend(reversed(inside))

    def _places(self) -> dict[int, Path]:
        return {id(module): path for path, module in self.walk()}

    # --- weights ---

    def _leaves(self, kind: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Paths of all arrays of a kind, each with the dict that holds it."""
        for path, module in self.walk():
            held = getattr(module, kind)
            yield from (((*path, name), held) for name in held)

    def slots(self) -> tuple[Tree, Tree]:
        """Where each weight and each state is held, nested like ``params`` and ``state``."""
        modules = list(self.walk())

        def tree(kind: str) -> Tree:
            found = (
                ((*path, name), Slot(module, kind, name))
                for path, module in modules
                for name in vars(module)[kind]
            )
            return nested(found)

        return tree("_arrays"), tree("_states")

    def _tree(self, kind: str) -> Tree:
        return nested((path, held[path[-1]]) for path, held in self._leaves(kind))

    def _set_tree(self, kind: str, new: Tree) -> None:
        """Take over arrays, after a check of names, shapes and kinds."""
        word = "weights" if kind == "_arrays" else "state"
        places = dict(self._leaves(kind))
        if kind == "_arrays" and not places:
            self._ready()
        held = {path: place[path[-1]] for path, place in places.items()}
        values = {path: np.array(value) for path, value in matched(word, held, new).items()}
        floats = [value.dtype for value in values.values() if value.dtype.kind == "f"]
        for path, value in values.items():
            if kind == "_arrays" and value.dtype.kind in "biu":
                value = values[path] = value.astype(floats[0] if floats else self.dtype)
            if value.dtype.kind != held[path].dtype.kind:
                raise ShapeError(
                    f"{word} {'.'.join(path)} are {held[path].dtype}; {value.dtype} was given"
                )
        if kind == "_arrays" and values:
            self._set_dtype({value.dtype for value in values.values()})
        for path, place in places.items():
            place[path[-1]] = self._own(values[path]) if kind == "_states" else values[path]

    def _set_dtype(self, given: set[Any]) -> None:
        """Take the float type of new weights; states follow."""
        if len(given) > 1 or not given <= set(FLOATS):
            names = " and ".join(sorted(dtype.name for dtype in given))
            raise ShapeError(
                f"weights are all float32 or all float64; {names} were given: give them one type, "
                f"x.astype({self.dtype.name!r})"
            )
        (dtype,) = given
        for _, module in self.walk():
            if module._dtype is None or module._dtype != dtype:
                vars(module)["_dtype"] = dtype
                module._states.update({name: module._own(x) for name, x in module._states.items()})

    @property
    def params(self) -> Tree:
        """Weights by name, nested as the layers are.

        Setting them checks names and shapes; their float type becomes the network's. The dicts are
        made anew each time: give them back, ``net.params = p``, or set one weight by
        ``net["dense1"].weight = W``.
        """
        return self._tree("_arrays")

    @params.setter
    def params(self, new: Tree) -> None:
        self._set_tree("_arrays", new)

    @property
    def state(self) -> Tree:
        """Values that the network keeps itself, by name."""
        return self._tree("_states")

    @state.setter
    def state(self, new: Tree) -> None:
        self._set_tree("_states", new)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Float type of weights and inputs: float32 unless ``init`` or the weights say otherwise."""
        return FLOATS[0] if self._dtype is None else self._dtype

    @property
    def training(self) -> bool:
        """Whether the call is one of a training step: dropout is on, running statistics move.

        Not so in a frozen layer.
        """
        call = current()
        return call is not None and call.train

    @property
    def built(self) -> bool:
        """Whether shapes are known and weights exist."""
        return self._dtype is not None

    def init(self, shape: tuple[int, ...], seed: int = 0, dtype: Any = "float32") -> Self:
        """Find all shapes from that of a batch of inputs, and draw the weights.

        Layers that have weights already, from another network say, keep them; where this network
        has been initialized before, all are drawn again.

        Parameters
        ----------
        shape : tuple of int
            Shape of a batch, say (32, 784); the number of rows does not matter.
        seed : int
            Weights are a function of the seed, the layer's path and the weight's name. Arrays that
            were assigned as attributes start as they were assigned.
        dtype : str
            float32, or float64 for exact work.

        Returns
        -------
        Module
            The network itself.
        """
        sizes = tuple(shape) if isinstance(shape, (tuple, list)) else ()
        if len(sizes) < 2 or not all(isinstance(n, (int, np.integer)) and n > 0 for n in sizes):
            raise ShapeError(
                f"init takes the shape of a batch, (rows, features) or more, not {shape!r}; say "
                "net.init(X.shape)"
            )
        kind = np.dtype(dtype)
        if kind not in FLOATS:
            raise ShapeError(f"init: a network is float32 or float64, not {kind}")
        sizes = tuple(map(int, sizes))
        call, key = Call(self._places(), {}, {}, building=kind), random.key(seed)
        for _, module in self.walk():
            _check_names(module)
        before = [(module, dict(vars(module))) for _, module in self.walk()]
        try:
            self._start(kind, self.built)
            with bound(call), network_types():
                stage(lambda x: flatten(self(x))[0], [ArrayType(sizes, kind)])
            for module, name, initial in call.drawn:
                module._draw(name, initial, key, ".".join((*call.places[id(module)], name)))
        except BaseException:
            for module, attributes in before:
                vars(module).update(attributes)
            raise
        self.input_shape = sizes[1:]
        return self

    def _start(self, dtype: np.dtype[Any], again: bool) -> None:
        """Set the float type; ``again``: go back to the arrays that were assigned as attributes."""
        for _, module in self.walk():
            vars(module)["_dtype"] = dtype
            for kind in ("_arrays", "_states"):
                held, given = vars(module)[kind], module._given
                kept = {name: given[name] for name in held if name in given} if again else held
                vars(module)[kind] = {name: module._own(x) for name, x in kept.items()}

    def _draw(self, name: str, initial: Callable[..., Any], key: Any, path: str) -> None:
        """Give a declared weight its first value."""
        held = self._arrays[name]
        value = np.asarray(initial(random.fold_in(key, random.site(path)), held.shape))
        if value.shape != held.shape or value.dtype.kind not in "biuf":
            raise ShapeError(
                f"the initializer of {path} returned {value.dtype}{list(value.shape)}; numbers of "
                f"shape {held.shape} are needed"
            )
        self._arrays[name] = value.astype(held.dtype)

    def declare(self, name: str, shape: tuple[int, ...], initial: Callable[..., Any]) -> None:
        """Declare a weight whose shape is known only now, inside a call.

        ``init`` then gives it its first value, ``initial(key, shape)``.
        """
        call = current()
        if name in self._arrays or name in self._ties:
            return
        if call is None or call.building is None or id(self) not in call.places:
            raise ShapeError(
                f"{self!r} has no weights yet: call net.init(X.shape, seed) or dr.fit first. "
                "Layers are found in attributes of a network, and in lists, tuples and dicts there"
            )
        self._arrays[name] = np.zeros(shape, call.building)
        call.drawn.append((self, name, initial))

    def declare_state(self, name: str, shape: tuple[int, ...], value: float) -> None:
        """Declare a ``State`` whose shape is known only now, inside a call; it starts at a number."""
        call = current()
        if name not in self._states and call is not None and call.building is not None:
            self._states[name] = np.full(shape, value, call.building)

    def check_inputs(self, x: np.ndarray[Any, Any]) -> None:
        """Raise where rows of inputs hold what the network cannot take, before it is trained on them.

        Layers of numbers take all; ``Embedding`` takes categories only.
        """

    def tie(self, weight: str, to: str, transpose: bool = False) -> Self:
        """Let two layers share one weight: from now on ``weight`` is ``to``, or its transpose.

        It is held once, under the name ``to``; its gradient is the sum over both places. A layer that
        stands in two places of a network shares all its weights without that.

        Parameters
        ----------
        weight, to : str
            Names of two weights, after ``init``: ``"dense2.weight"``.
        transpose : bool
            Whether ``weight`` is ``to`` with its axes turned round, as in the decoder of an
            autoencoder.

        Returns
        -------
        Module
            The network itself.

        Raises
        ------
        DataError
            Where there is no such weight.
        ShapeError
            Where the shapes differ.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.Sequential(dr.Dense(2, "tanh"), dr.Dense(5)).init((1, 5))
        >>> net = net.tie("dense2.weight", "dense1.weight", transpose=True)
        >>> {name: list(layer) for name, layer in net.params.items()}
        {'dense1': ['weight', 'bias'], 'dense2': ['bias']}
        """
        tie(self, weight, to, transpose)
        return self

    # --- calls ---

    def forward(self, *args: Any) -> Any:
        """The class's own code; this one has none."""
        raise DataError(
            f"{type(self).__name__} has no __call__: write its NumPy code, def __call__(self, x)"
        )

    __call__: Callable[..., Any] = _entry(forward)

    def _called(self, args: Any, named: dict[str, Any]) -> Any:
        """A call from outside: evaluation, or with ``params`` the pure call."""
        params, train, key = (named.pop(name, None) for name in OWN)
        if params is None and not any(isinstance(x, Tracer) for x in args):
            if train or key is not None:
                raise DataError(
                    "train=True and key=... need params=...: net(X) alone evaluates the network"
                )
            return self.evaluate(self.params, self.state, *args, **named)
        params = self._ready().params if params is None else params
        return self.apply(params, self.state, *args, train=bool(train), key=key, **named)[0]

    def apply(
        self,
        params: Tree,
        state: Tree,
        *args: Any,
        train: bool = False,
        key: Any = None,
        step: Any = 0,
        penalties: list[Any] | None = None,
        **named: Any,
    ) -> tuple[Any, Tree]:
        """The pure call: outputs and new state from weights, state and inputs.

        Plain arrays of floats are taken in the float type of the weights. In a training step the
        penalties on outputs of layers (``tune``) are appended to a list that is given for them.
        """
        leaves = matched("weights", dict(flat(self.params)), params).values()
        matched("state", dict(flat(self.state)), state)
        kinds = {x.dtype for x in leaves if hasattr(x, "dtype")}
        if len(kinds) == 1:
            args = tuple(narrowed(x, *kinds) for x in args)
        call = Call(self._places(), params, state, train=train, key=key, step=step)
        call.penalties = penalties if train else None
        with bound(call):
            y = self(*args, **named)
        still = {path for path, module in self.walk() if train and module.frozen}
        new = ((path, x) for path, x in flat(call.new_state) if path[:-1] not in still)
        return y, merged(state, nested(new))

    def _ready(self) -> Self:
        if not self.built:
            raise ShapeError(
                f"{type(self).__name__} has no weights yet: call net.init(X.shape, seed) or "
                "dr.fit(net, X, y) first"
            )
        return self

    def evaluate(self, params: Tree, state: Tree, *args: Any, **named: Any) -> Any:
        """Outputs for plain arrays, in chunks of rows so that memory stays bounded."""
        dtype = self._ready().dtype
        xs = [as_input(x, dtype) for x in args]
        if len(xs) == 1:
            self.check_inputs(xs[0])
        places = self._places()

        def outputs(*part: Any) -> Any:
            with bound(Call(places, params, state)), np.errstate(all="ignore"):
                return as_output(self(*part, **named), dtype)

        n = xs[0].shape[0] if xs and xs[0].ndim else 0
        rows = self.chunk_rows(*xs) if n else 0
        if n <= rows or any(x.shape[:1] != (n,) for x in xs):
            return outputs(*xs)
        return np.concatenate([outputs(*(x[i : i + rows] for x in xs)) for i in range(0, n, rows)])

    @staticmethod
    def chunk_rows(*xs: Any) -> int:
        """How many rows of arrays are evaluated at a time."""
        return max(1, CHUNK_ELEMENTS * len(xs[0]) // max(1, *(int(x.size) for x in xs)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _check_names(module: Module) -> None:
    """Raise where two weights, states or layers would have one name."""
    names = [*module._arrays, *module._states, *(name for name, _ in module.children())]
    for name in names:
        if "." in name or names.count(name) > 1:
            reason = "has a dot" if "." in name else "names two things"
            raise ShapeError(
                f"{type(module).__name__}: {name!r} {reason}; rename one of the attributes or keys"
            )


def _layers(name: str, value: Any, owner: str) -> Iterator[tuple[str, Module]]:
    """The layers in an attribute's value, at any depth of lists, tuples and dicts, by name."""
    if isinstance(value, Module):
        yield name, value
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
        raise ShapeError(
            f"{owner}: the array {name} is inside a list or dict, where it would not be trained. "
            "Give each weight an attribute of its own; a constant is a dr.State"
        )
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, HOLDERS):
                yield from _layers(f"{name}_{key}", item, owner)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value, 1):
            if isinstance(item, HOLDERS):
                yield from _layers(
                    f"{name}_{i}" if name[-1].isdigit() else f"{name}{i}", item, owner
                )


HOLDERS = (Module, np.ndarray, list, tuple, dict)


__all__ = ["Module", "State"]
