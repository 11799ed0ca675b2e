"""The front door, ``dr.explain``: what it takes is told apart, and the work is imported when it is called.

In: a network and rows, or a function and its arguments. Out: ``Worked``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltarule.explain.record import Worked


def explain(
    net: Any,
    *args: Any,
    loss: Any = "half_squared_error",
    optimizer: Any = None,
    steps: int = 1,
    weight: str | None = None,
    argnums: Any = 0,
    seed: int = 0,
) -> Worked:
    """Every number of a training step with its formula: forward, error, backward, update, the error after.

    Values are read from the graph that trains, in float64; formulas come from the notation of its
    operations. A small network is explained neuron by neuron, ``net_h1 = w1*i1 + w2*i2 + b1``, with
    the chain rule spelled out; a large one in matrix form, ``Z1 = X W1 + b1``, each array with its
    shape, norm and a few entries.

    Parameters
    ----------
    net : Module, or callable
        A network with weights; or any function that ``dr.grad`` takes, which is explained line by line.
    *args
        For a network x and y, a row or several, as ``dr.fit`` takes them; for a function its arguments.
    loss : str or callable
        As in ``dr.fit``.
    optimizer : rule or str
        As in ``dr.fit``; by default ``dr.SGD(0.1)``.
    steps : int
        How many steps on the same rows.
    weight : str, optional
        One weight of a network of any size, ``"dense1.weight[3, 7]"``: only how its gradient comes about.
    argnums : int or sequence of int
        For a function: the arguments to differentiate.
    seed : int
        Of dropout and the like.

    Returns
    -------
    Worked
        ``values`` by name; ``text()``, ``markdown()``, ``latex()``, ``html()``; shown as a page in notebooks.

    Raises
    ------
    ShapeError, DataError
        Where the rows do not fit the network, or there is no such weight.
    GradientError
        Where a function does not return one number.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> net = dr.Sequential(dr.Dense(1)).init((1, 2), dtype="float64")
    >>> net.params = {"dense1": {"weight": np.array([[0.5], [-1.0]]), "bias": np.array([0.25])}}
    >>> worked = dr.explain(net, np.array([[2.0, 1.0]]), np.array([[1.0]]))
    >>> worked["dE/dw1"].formula, worked.values["dE/dw1"]
    ('delta_o1*i1', -1.5)
    """
    from deltarule.nn import Module

    if not isinstance(net, Module):
        if not callable(net):
            raise TypeError(f"explain takes a network or a function, not {net!r}")
        from deltarule.explain.functions import work_function

        return work_function(net, args, argnums)
    if len(args) != 2:
        raise TypeError(
            f"explain(net, x, y) takes a row of inputs and its target; {len(args)} arguments are given"
        )
    from deltarule.explain.working import work_network
    from deltarule.optim import SGD

    rule = SGD(0.1) if optimizer is None else optimizer
    x, y = map(_finite, args, ("x", "y"))
    return work_network(net, x, y, loss, rule, steps, weight, seed)


def _finite(given: Any, name: str) -> Any:
    """An array of finite numbers, or a DataError that names the first other one."""
    import numpy as np

    from deltarule.errors import DataError
    from deltarule.nn.arrays import as_numbers

    found = as_numbers(given, name)
    wrong = np.argwhere(~np.isfinite(found))
    if len(wrong):
        place = tuple(int(i) for i in wrong[0])
        raise DataError(f"{name}{list(place)} is {found[place]}; only numbers can be explained")
    return found
