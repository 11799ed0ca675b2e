"""Proofs of gradients: compare derivatives with finite differences, and with each other.

In: a function and a point. Out: nothing, or ``CheckFailed`` with both numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.derive.differentiate import jvp, vjp
from deltarule.derive.tree import flatten, tree_map
from deltarule.errors import CheckFailed, GradientError

STEP = 1e-3
MODES = ("forward", "reverse")


def directional_difference(
    f: Callable[..., Any], xs: tuple[Any, ...], vs: tuple[Any, ...], step: float = STEP
) -> Any:
    """df(x + t v)/dt at t = 0 by the central difference of fourth order.

    (f(x - 2h v) - 8 f(x - h v) + 8 f(x + h v) - f(x + 2h v)) / 12h, error O(h^4).
    """

    def at(t: float) -> list[Any]:
        moved = tree_map(lambda x, v: x + t * v, list(xs), list(vs))
        return [np.asarray(y) for y in flatten(f(*moved))[0]]

    points = [at(t) for t in (-2 * step, -step, step, 2 * step)]
    return [(a - 8 * b + 8 * c - d) / (12 * step) for a, b, c, d in zip(*points, strict=True)]


def inner(a: list[Any], b: list[Any]) -> float:
    """Sum of the products of corresponding elements: of complex ones the real part."""
    return float(sum(np.sum(x * y).real for x, y in zip(a, b, strict=True)))


def random_direction(rng: Any, x: Any) -> Any:
    """Standard normal numbers of the shape of x, complex ones where x is complex."""
    found = rng.normal(size=np.shape(x))
    return found + 1j * rng.normal(size=np.shape(x)) if np.iscomplexobj(x) else found


def check_grads(
    f: Callable[..., Any],
    *xs: Any,
    order: int = 2,
    modes: Sequence[str] = MODES,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    seed: int = 0,
) -> None:
    """Prove the derivatives of a function at a point, in both modes and to the given order.

    Along a random direction v and with a random cotangent u, three numbers must agree: the central
    difference of <u, f(x + t v)>, <u, J v> by forward mode, and <J^T u, v> by reverse mode; of complex
    numbers <a, b> is Re(sum ab). Order 2 proves the gradient's own derivatives likewise.

    Parameters
    ----------
    f : callable
        A function of trees of float arrays. It is evaluated in float64.
    *xs
        The point; away from kinks by more than 0.01 or so.
    order : int
        How many derivatives to prove.
    modes : sequence of str
        ``"forward"`` and ``"reverse"``; leave forward out where ``f`` has a rule from ``dr.custom_vjp`` in
        it.
    rtol, atol : float
        Tolerances of the comparisons.
    seed : int
        Of the random directions.

    Raises
    ------
    CheckFailed
        With the mode, the order and both numbers.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.check_grads(lambda x: np.sum(np.tanh(x) ** 2), np.array([0.3, -1.2]))
    """
    rng = np.random.default_rng(seed)
    points = tuple(tree_map(_float64, list(xs)))
    if unknown := set(modes) - set(MODES):
        raise GradientError(f"check_grads: modes are {MODES}, not {unknown.pop()!r}")
    prove_derivatives(f, points, order, rng, rtol, atol, modes)


def _float64(x: Any) -> Any:
    x = np.asarray(x)
    if x.dtype.kind not in "fc":
        raise GradientError(f"check_grads: an argument has dtype {x.dtype}; pass floats")
    return x.astype(np.float64 if x.dtype.kind == "f" else np.complex128)[()]


def prove_derivatives(
    f: Any,
    xs: tuple[Any, ...],
    order: int,
    rng: Any,
    rtol: float,
    atol: float,
    modes: Sequence[str] = MODES,
) -> None:
    """``check_grads`` on float64 points, with a generator of directions."""
    name = getattr(f, "__name__", "f")
    for level in range(1, order + 1):
        f = _prove_first(f, xs, f"derivative {level} of {name}", rng, rtol, atol, modes)


def _prove_first(
    f: Any, xs: tuple[Any, ...], what: str, rng: Any, rtol: float, atol: float, modes: Sequence[str]
) -> Any:
    """Prove one order; return the function whose derivatives are those of the next order, x -> J(x)^T u."""
    vs = tuple(tree_map(lambda x: random_direction(rng, x), list(xs)))
    y, pullback = vjp(f, *xs)
    floats = [i for i, leaf in enumerate(flatten(y)[0]) if np.asarray(leaf).dtype.kind in "fc"]
    u = tree_map(lambda leaf: random_direction(rng, leaf), y)
    us = [flatten(u)[0][i] for i in floats]
    numeric = inner(us, [directional_difference(f, xs, vs)[i] for i in floats])
    found = {}
    if "forward" in modes:
        found["forward mode, <u, J v>"] = inner(
            us, [flatten(jvp(f, xs, vs)[1])[0][i] for i in floats]
        )
    if "reverse" in modes:
        found["reverse mode, <J^T u, v>"] = inner(
            flatten(list(pullback(u)))[0], flatten(list(vs))[0]
        )
    for mode, number in found.items():
        if not np.isclose(number, numeric, rtol=rtol, atol=atol):
            raise CheckFailed(
                f"{what}: {mode} = {number!r}, central difference = {numeric!r}, "
                "relative difference "
                f"{abs(number - numeric) / max(abs(numeric), 1e-300):.1e} > {rtol}"
            )
    return lambda *points: vjp(f, *points)[1](u)
