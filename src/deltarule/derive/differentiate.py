"""The public derivatives of Python functions: grad, vjp, jvp, jacobian, hessian and their relatives.

In: a function of nested parameters, in plain NumPy. Out: functions of the same arguments that give
derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

import numpy as np

from deltarule.derive.backward import pull_back, zeros
from deltarule.derive.batch import owned, vmap
from deltarule.derive.forward import push_forward
from deltarule.derive.trace import Trace, result_node, tracing
from deltarule.derive.tracer import Tracer, is_python, weakened
from deltarule.derive.tree import flatten, paths, unflatten
from deltarule.errors import GradientError
from deltarule.program import Node, type_of
from deltarule.program.types import FLOAT, NAMES

Function = Callable[..., Any]


@dataclass(slots=True)
class _Traced:
    """One call of a function, never changed: its trace, the nodes of differentiated leaves, its results."""

    trace: Trace
    inputs: tuple[Node, ...]
    spec: Any
    outputs: tuple[Node, ...]
    out_spec: Any
    aux: Any

    @property
    def results(self) -> list[Any]:
        return list(map(self.trace.values.__getitem__, self.outputs))


def leaf(x: Any, path: Callable[[], str], use: str) -> Any:
    """A differentiated leaf as a value of its own; an error where it is no float."""
    if not isinstance(x, Tracer):
        if isinstance(x, (np.matrix, np.ma.MaskedArray)):
            raise GradientError(
                f"{use}: the differentiated argument{path()} is a {type(x).__name__}; pass "
                "np.asarray(x)"
            )
        x = (
            np.asarray(x)[()]
            if not hasattr(x, "shape")
            else x
            if isinstance(x, np.generic)
            else np.array(x)
        )
        if not hasattr(x, "dtype"):
            raise GradientError(
                f"{use}: the differentiated argument{path()} is a {type(x).__name__}; pass arrays of "
                "floats, in dicts, lists, tuples or dataclasses"
            )
        x = x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))
    if x.dtype.kind not in "fc" or x.dtype not in NAMES:
        cure = "pass floats, x.astype(float)"
        cure = cure if x.dtype.kind in "biufc" else "pass arrays of floats"
        raise GradientError(
            f"{use}: the differentiated argument{path()} has dtype {x.dtype}; {cure}"
        )
    return x


def _constant(trace: Trace, x: Any) -> Any:
    """An argument that is not differentiated: an array enters as a copy that the function may write to."""
    array = isinstance(x, Tracer) or (isinstance(x, np.ndarray) and x.dtype.kind in "biufc")
    if not array:
        return x
    return weakened(trace.constant(x)) if is_python(x) else trace.constant(x)


def call(
    f: Function,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    argnums: tuple[int, ...],
    use: str,
    aux: bool,
) -> _Traced:
    """Trace ``f`` on its arguments, those of ``argnums`` differentiated."""
    chosen = _chosen(argnums, len(args), use)
    name = getattr(f, "__name__", "f")
    with tracing(known=True) as trace:
        leaves, spec = flatten([args[i] for i in chosen])
        inputs = []
        for k, x in enumerate(leaves):
            if type(x) is np.ndarray and x.dtype is FLOAT:  # the most frequent leaf, by a short way
                value, scalar, weak = x.copy("K"), False, False
            else:
                value, weak = leaf(x, partial(_place, spec, chosen, name, k), use), is_python(x)
                scalar = not isinstance(value, np.ndarray) and value.shape == ()
            inputs.append(trace.input(type_of(value), value, True, scalar, weak))
        given = list(args)
        for i, tree in zip(chosen, unflatten(spec, inputs), strict=True):
            given[i] = tree
        final, keywords = (
            (given, kwargs)
            if len(chosen) == len(args) and not kwargs
            else _with_constants(trace, given, chosen, kwargs)
        )
        nodes = tuple([x.node for x in inputs])
        y = f(*final, **keywords)
        trace.verify()
        extra = None
        if aux:
            if not isinstance(y, tuple) or len(y) != 2:
                raise GradientError(
                    f"{use}: with has_aux=True {name} must return (value, aux), not {_said(y)}"
                )
            y, extra = y
            extra_leaves, extra_spec = flatten(extra)
            extra = unflatten(extra_spec, [_unwrapped(trace, x) for x in extra_leaves])
        ys, out_spec = flatten(y)
        outputs = tuple([result_node(trace, _number(y, name)) for y in ys])
    return _Traced(trace, nodes, spec, outputs, out_spec, extra)


def _place(spec: Any, chosen: list[int], name: str, k: int) -> str:
    """Which argument, and where in it, the k-th leaf is."""
    path = paths(spec)[k]
    end = path.index("]")
    return f" {chosen[int(path[1:end])]}{path[end + 1 :]} of {name}"


def _with_constants(
    trace: Trace, given: list[Any], chosen: list[int], kwargs: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments, those that are not differentiated as constants of the trace."""
    others = [None if i in chosen else a for i, a in enumerate(given)]
    leaves, spec = flatten((others, kwargs))
    constants, keywords = unflatten(spec, [_constant(trace, x) for x in leaves])
    pairs = zip(given, constants, strict=True)
    return [g if i in chosen else c for i, (g, c) in enumerate(pairs)], keywords


def _several(argnums: Any) -> tuple[bool, tuple[Any, ...]]:
    """Whether ``argnums`` names arguments in a sequence, and those it names."""
    several = isinstance(argnums, Iterable) and not isinstance(argnums, str)
    return several, tuple(argnums) if several else (argnums,)


def _chosen(argnums: Any, n: int, use: str) -> list[int]:
    """Positions of the differentiated arguments, counted from the front."""
    for i in argnums:
        if not isinstance(i, (int, np.integer)) or not -n <= i < n:
            raise GradientError(
                f"{use}: argnums {i!r} names no argument; the function was given {n} "
                "positional ones"
            )
    chosen = [i % n for i in argnums]
    if len(set(chosen)) != len(chosen):
        raise GradientError(f"{use}: argnums {tuple(argnums)} names an argument twice")
    return chosen


def _said(y: Any) -> str:
    """What a function returned, for an error."""
    return "None; is the return missing?" if y is None else f"a {type(y).__name__}"


def _unwrapped(trace: Trace, x: Any) -> Any:
    return trace.values[x.node] if isinstance(x, Tracer) and x.within is trace else x


def _number(y: Any, name: str) -> Any:
    if isinstance(y, Tracer) or hasattr(y, "dtype"):
        return y
    if isinstance(y, (bool, int, float, complex)):
        return np.asarray(y)[()]
    raise GradientError(
        f"{name} returned {type(y).__name__} {y!r}; its results must be arrays or numbers, "
        "in any nesting"
    )


def scalar_loss(traced: _Traced, use: str, name: str) -> Node:
    """The one output node of a loss, or an error that says what it is instead."""
    if len(traced.outputs) != 1:
        if traced.out_spec == flatten(None)[1]:
            raise GradientError(f"{use}: {name} returned None; is the return missing?")
        raise GradientError(
            f"{use}: {name} returned {len(traced.outputs)} values; return one scalar, and "
            "others with has_aux=True"
        )
    kind = traced.outputs[0].type
    if kind.shape != ():
        raise GradientError(
            f"{use}: {name} returned an array of shape {kind.shape}; a gradient is that of "
            "one scalar. Sum it, np.sum(...), or "
            "use dr.jacobian"
        )
    if kind.dtype.kind == "c":
        raise GradientError(
            f"{use}: {name} returned a complex number, {kind}; a gradient is that of a real one. "
            "Return np.real(...), or np.abs(...) ** 2; for the derivative of a holomorphic function "
            "use dr.jvp"
        )
    if not kind.is_float:
        raise GradientError(
            f"{use}: {name} returned {kind}; a gradient is that of a float, and none flows "
            f"through {kind.dtype}"
        )
    return traced.outputs[0]


def value_and_grad(
    f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Function:
    """The value of a scalar function together with its gradient.

    g = df/dx, in the structure, shapes and dtypes of x.

    Parameters
    ----------
    f : callable
        Plain NumPy code returning one scalar: control flow, in-place assignment and nested parameters
        included.
    argnums : int or sequence of int
        Which positional arguments to differentiate; a sequence gives a tuple of gradients.
    has_aux : bool
        ``f`` returns ``(loss, aux)``; the result is then ``((loss, aux), gradient)``.

    Returns
    -------
    callable
        ``(*args) -> (value, gradient)``.

    Raises
    ------
    GradientError
        Where the result is no scalar float, an argument holds integers, or argnums names no argument.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> value, gradient = dr.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    >>> float(value), gradient
    (5.0, array([2., 4.]))
    """
    several, chosen = _several(argnums)

    @wraps(f)
    def with_gradient(*args: Any, **kwargs: Any) -> Any:
        traced = call(f, args, kwargs, chosen, "grad", has_aux)
        loss = scalar_loss(traced, "grad", getattr(f, "__name__", "f"))
        cts = pull_back(traced.trace, [loss], [loss.type.dtype.type(1)], traced.inputs)
        found = owned([_of_type(ct, node) for ct, node in zip(cts, traced.inputs, strict=True)])
        gradients = unflatten(traced.spec, found)
        value = traced.results[0]
        return (value, traced.aux) if has_aux else value, tuple(
            gradients
        ) if several else gradients[0]

    return with_gradient


def _of_type(ct: Any, node: Node) -> Any:
    """Exact zeros of the input's type where no path leads to it."""
    return (zeros(node.type) if node.type.shape else node.type.dtype.type(0)) if ct is None else ct


def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The gradient of a scalar function, df/dx, in the structure of x.

    Parameters
    ----------
    f, argnums, has_aux
        As in ``value_and_grad``; with ``has_aux`` the result is ``(gradient, aux)``.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> float(dr.grad(np.tanh)(0.5)), float(1 - np.tanh(0.5) ** 2)
    (0.7864477329659274, 0.7864477329659274)
    """
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def vjp(f: Function, *xs: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of a function, and its pullback: the product of a cotangent with the Jacobian.

    pullback(ct)_j = sum_i ct_i dy_i/dx_j

    Parameters
    ----------
    f : callable
        A function of trees of float arrays, with any results.
    *xs
        Where it is taken.

    Returns
    -------
    y : tree
        ``f(*xs)``.
    pullback : callable
        From a cotangent in the structure of y to a tuple with one entry per x. It may be called again.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> y, pullback = dr.vjp(np.multiply, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 3., 40.]), array([ 1., 20.]))
    """
    traced = call(f, xs, {}, tuple(range(len(xs))), "vjp", False)

    def pullback(ct: Any) -> tuple[Any, ...]:
        traced.trace.verify()
        given = cotangents(traced, ct)
        found = pull_back(traced.trace, traced.outputs, given, traced.inputs)
        filled = [_of_type(g, node) for g, node in zip(found, traced.inputs, strict=True)]
        return tuple(unflatten(traced.spec, owned(filled, given)))

    return unflatten(traced.out_spec, owned(traced.results, traced.results)), pullback


def cotangents(traced: _Traced, ct: Any) -> list[Any]:
    """The leaves of a cotangent, checked against the results."""
    leaves, spec = flatten(ct)
    if spec != traced.out_spec:
        raise GradientError(
            f"vjp: the cotangent has structure {spec}, the result {traced.out_spec}"
        )
    out = []
    for c, node in zip(leaves, traced.outputs, strict=True):
        c = c if hasattr(c, "dtype") else np.asarray(c)[()]
        if c.shape != node.type.shape:
            raise GradientError(
                f"vjp: a cotangent of shape {c.shape} was given for a result {node.type}"
            )
        out.append(
            _as_dtype(c, node.type, "vjp: a cotangent", "result") if node.type.is_float else None
        )
    return out


def _as_dtype(x: Any, kind: Any, use: str, place: str) -> Any:
    """``x`` in the dtype of a type; a complex number does not become a real one."""
    if x.dtype.kind == "c" and kind.dtype.kind != "c":
        raise GradientError(
            f"{use} of {x.dtype} was given for a {place} {kind}, which is real; take np.real(...) of it"
        )
    return x if x.dtype == kind.dtype else x.astype(kind.dtype)


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value of a function, and its derivative along a direction.

    dy_i = sum_j dy_i/dx_j dx_j

    Parameters
    ----------
    f : callable
        A function of trees of float arrays.
    primals, tangents : tuple
        Where, and the direction: one entry per argument, of the same structure.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> y, dy = dr.jvp(np.exp, (0.0,), (2.0,))
    >>> float(y), float(dy)
    (1.0, 2.0)
    """
    if not all(isinstance(given, (tuple, list)) for given in (primals, tangents)):
        raise GradientError(
            "jvp: primals and tangents are tuples of one entry for each argument, dr.jvp(f, (x,), (dx,)), "
            f"not a {type(primals).__name__} and a {type(tangents).__name__}"
        )
    traced = call(f, tuple(primals), {}, tuple(range(len(primals))), "jvp", False)
    leaves, spec = flatten(list(tangents))
    if spec != traced.spec:
        raise GradientError(f"jvp: tangents have structure {spec}, primals {traced.spec}")
    given = []
    for t, node in zip(leaves, traced.inputs, strict=True):
        t = t if hasattr(t, "dtype") else np.asarray(t, dtype=node.type.dtype)[()]
        if t.shape != node.type.shape:
            raise GradientError(
                f"jvp: a tangent of shape {t.shape} was given for a primal {node.type}"
            )
        given.append(_as_dtype(t, node.type, "jvp: a tangent", "primal"))
    found = push_forward(traced.trace, traced.inputs, given, traced.outputs)
    filled = [_of_type(t, node) for t, node in zip(found, traced.outputs, strict=True)]
    results = owned([*traced.results, *filled], given)
    n = len(filled)
    return unflatten(traced.out_spec, results[:n]), unflatten(traced.out_spec, results[n:])


def basis(spec: Any, kinds: Sequence[Any]) -> tuple[Any, list[int]]:
    """All unit vectors of a tree of types, stacked, and the sizes of the leaves."""
    sizes = [kind.size for kind in kinds]
    total, out, start = sum(sizes), [], 0
    for kind, n in zip(kinds, sizes, strict=True):
        block = np.zeros((total, n), kind.dtype)
        block[start : start + n] = np.eye(n, dtype=kind.dtype)
        out.append(block.reshape(total, *kind.shape))
        start += n
    return unflatten(spec, out), sizes


def jacobian(f: Function, argnums: int | Sequence[int] = 0, holomorphic: bool = False) -> Function:
    """All partial derivatives of a function: J[i, j] = dy_i/dx_j.

    The shape is that of y followed by that of x; trees give trees of trees, outputs first; several argnums
    a tuple for each output. Reverse mode, all rows at once. Of a complex result of real arguments it is
    complex. Where both are complex, dy/dz is one number only of a holomorphic function: with
    ``holomorphic=True`` it is given, and Cauchy's and Riemann's equations are checked where the numbers are
    known (not while compiling).

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.jacobian(lambda x: np.array([x[0] * x[1], x[0]]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [1., 0.]])
    >>> dr.jacobian(lambda z: z * z, holomorphic=True)(1.0 + 2.0j)
    array(2.+4.j)
    """

    several, chosen = _several(argnums)

    @wraps(f)
    def rows(*args: Any, **kwargs: Any) -> Any:
        traced = call(f, args, kwargs, chosen, "jacobian", False)
        kinds = [node.type for node in traced.outputs]
        if wrong := [kind for kind in kinds if not kind.is_float]:
            raise GradientError(
                f"jacobian: a result is {wrong[0]}; no derivative flows through {wrong[0].dtype}"
            )
        wide = [kind.dtype.kind == "c" for kind in kinds]
        given = [node.type.dtype.kind == "c" for node in traced.inputs]
        if holomorphic and not all(given + wide):
            raise GradientError(
                "jacobian(holomorphic=True): all arguments and results must be complex, these are "
                f"{', '.join(str(kind) for kind in [*(node.type for node in traced.inputs), *kinds])}"
            )
        if not holomorphic and any(wide) and any(given):
            raise GradientError(
                "jacobian: both an argument and a result are complex, and dy/dz is one number only of "
                "a holomorphic function: write holomorphic=True for such a one, use dr.jvp for others, or "
                "take real and imaginary parts"
            )

        def pullback(*cts: Any) -> Any:
            found = pull_back(traced.trace, traced.outputs, cts, traced.inputs)
            return [_of_type(g, node) for g, node in zip(found, traced.inputs, strict=True)]

        stacked, sizes = basis(flatten(list(range(len(kinds))))[1], kinds)
        columns = vmap(pullback)(*stacked) if kinds and sum(sizes) else None
        if columns is not None and any(wide):
            turned = [-1j * b if w else 0 * b for b, w in zip(stacked, wide, strict=True)]
            pairs = zip(columns, vmap(pullback)(*turned), strict=True)
            if holomorphic:
                columns = [_holomorphic(real, imaginary) for real, imaginary in pairs]
            else:
                columns = [real + 1j * imaginary for real, imaginary in pairs]
        return _blocks(traced, kinds, sizes, columns, several)

    return rows


def _holomorphic(real: Any, imaginary: Any) -> Any:
    """The derivative of the real part, which is i times that of the imaginary part."""
    if isinstance(real, np.ndarray) and isinstance(imaginary, np.ndarray):
        size = float(np.abs(real).max(initial=0.0))
        off = float(np.abs(real - 1j * imaginary).max(initial=0.0))
        if off > 1e4 * float(np.finfo(real.dtype).eps) * max(size, off):
            raise GradientError(
                "jacobian(holomorphic=True): the function is not holomorphic here: derivatives of the real "
                f"and the imaginary part differ by {off:.3g}, the largest is {size:.3g}. Leave out conj, "
                "abs, real and imag, or use dr.jvp"
            )
    return real


def _of_kind(block: Any, kind: Any) -> Any:
    """The rows of a real result, real."""
    return block.real if kind.dtype.kind == "f" and block.dtype.kind == "c" else block


def _blocks(
    traced: _Traced, kinds: Sequence[Any], sizes: list[int], columns: Any, several: bool
) -> Any:
    """Cut the stacked rows into one block per pair of result and input."""
    start, out = 0, []
    for kind, n in zip(kinds, sizes, strict=True):
        shapes = [(*kind.shape, *node.type.shape) for node in traced.inputs]
        if columns is None:
            parts = [np.zeros(shape) for shape in shapes]
        else:
            parts = [
                _of_kind(c[start : start + n], kind).reshape(shape)
                for c, shape in zip(columns, shapes, strict=True)
            ]
        trees = unflatten(traced.spec, owned(parts))
        out.append(tuple(trees) if several else trees[0])
        start += n
    return unflatten(traced.out_spec, out)


def hessian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """All second derivatives of a scalar function: H[i, j] = d2f / dx_i dx_j; of several argnums a tuple of
    tuples.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Function, x: Any, v: Any) -> Any:
    """Product of the Hessian of a scalar function at x with a vector v, without forming the Hessian.

    (H v)_i = sum_j d2f / dx_i dx_j v_j, as the derivative of the gradient along v; x and v may be trees.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.hvp(lambda x: np.sum(x**3), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    return jvp(grad(f), (x,), (v,))[1]
