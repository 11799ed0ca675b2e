"""What is called by name: activations, initializers, losses.

In: a table, a name, settings. Out: the function of that name with its settings, or an error that
offers the nearest name; and back, the name and the settings of a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from deltarule.errors import DeltaruleError


def nearest(name: Any, known: Iterable[str]) -> str:
    """`` Did you mean 'relu'?``, or nothing where no known name is near."""
    near = get_close_matches(str(name), list(known), 1)
    return f". Did you mean {near[0]!r}?" if near else ""


def named(
    kind: str,
    table: Mapping[str, Callable[..., Any]],
    given: str | Callable[..., Any],
    settings: Mapping[str, Any],
    otherwise: str,
    error: type[DeltaruleError],
) -> Callable[..., Any]:
    """The function called ``given`` in ``table``, with ``settings``; a function as it is.

    Parameters
    ----------
    kind : str
        What it is, for the error: "loss".
    settings : mapping
        Values for keywords of the function.
    otherwise : str
        What may be given instead of a name.
    error : type
        Raised where there is no such name or no such setting.
    """
    if callable(given):
        if settings:
            raise error(f"{', '.join(settings)}: settings go with a name, not with a function")
        return given
    if not isinstance(given, str) or given not in table:
        raise error(
            f"no {kind} is called {given!r}; known: {', '.join(table)}, or {otherwise}"
            f"{nearest(given, table)}"
        )
    function = table[given]
    parameters = signature(function).parameters.values()
    known = [p.name for p in parameters if p.default is not p.empty]
    for name in settings:
        if name not in known:
            raise error(
                f"{given} has no setting {name!r}; its settings: {', '.join(known) or 'none'}"
                f"{nearest(name, known)}"
            )
    plain = {name: x.item() if isinstance(x, np.generic) else x for name, x in settings.items()}
    return partial(function, **plain) if settings else function


def name_of(
    table: Mapping[str, Callable[..., Any]], given: Any
) -> tuple[str, dict[str, Any]] | None:
    """Name and settings of what ``named`` returned, or of a name; None where it is in no table."""
    settings = dict(given.keywords) if isinstance(given, partial) and not given.args else {}
    function = given.func if settings else given
    for name, known in table.items():
        if function is known or given == name:
            return name, settings
    return None


def shown(given: Any) -> str:
    """How a name, a function or a layer is written in a representation."""
    if isinstance(given, partial):
        settings = ", ".join(f"{name}={value!r}" for name, value in given.keywords.items())
        return f"{shown(given.func)}({settings})"
    if isinstance(given, str) or not hasattr(given, "__name__"):
        return repr(given)
    return str(given.__name__)
