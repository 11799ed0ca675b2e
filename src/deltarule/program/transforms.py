"""Transforms of closed graphs, by name, which the rules of loops need and which the floor below provides.

In: ``deltarule.derive`` fills the table when it is imported. Out: ``transform("split", graph, ...)`` for
``ops/control.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TRANSFORMS: dict[str, Callable[..., Any]] = {}


def transform(name: str, *args: Any) -> Any:
    """Apply the transform of that name: ``split``, ``forward`` or ``batch``."""
    return TRANSFORMS[name](*args)
