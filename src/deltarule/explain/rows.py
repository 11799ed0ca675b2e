"""Names and places of the elements of rows of neurons: ``net_h1``, ``net_h1(2)`` of the second row.

In: names of neurons, shapes. Out: arrays of names.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deltarule.explain.expand import Terms


def spot(place: tuple[int, ...], layer: int = 0) -> dict[str, int]:
    """Layer, neuron and row of an element of an array of rows."""
    unit = place[-1] + 1 if len(place) > 1 else 1
    return {"layer": layer, "unit": unit, "row": place[0] + 1}


def renewed(name: str) -> str:
    """The name after the update; the row stays last."""
    base, row, rest = name.partition("(")
    return f"{base}_new{row}{rest}"


def rowed(units: Sequence[str], shape: tuple[int, ...], pattern: str) -> Terms:
    """Names of the elements of rows: ``net_h1``; ``net_h1(2)`` where there are several rows."""
    out = np.empty(shape, object)
    rows = shape[0] if len(shape) > 1 else 1
    for place in np.ndindex(shape):
        row = f"({place[0] + 1})" if rows > 1 else ""
        out[place] = pattern.format(units[place[-1]]) + row
    return out


def around(names: Terms, head: str = "", end: str = "") -> Terms:
    """Names with something before and after."""
    out = np.empty(names.shape, object)
    for place in np.ndindex(names.shape):
        out[place] = f"{head}{names[place]}{end}"
    return out
