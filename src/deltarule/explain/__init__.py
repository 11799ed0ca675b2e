"""Every number of a training step with its formula, and the first wrong line of one done by hand.

In: a network and rows, an example file, or a function. Out: ``Worked``: named quantities with exact
values and formulas, as text, Markdown, LaTeX or a page. Everything but the front door is imported
when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from deltarule.explain.front import explain

if TYPE_CHECKING:
    from deltarule.explain.example import Claim, Example, Problem, read
    from deltarule.explain.network import Layer
    from deltarule.explain.record import Quantity, Worked
    from deltarule.explain.working import work

_HOMES = {
    "Claim": "example",
    "Example": "example",
    "Layer": "network",
    "Problem": "example",
    "Quantity": "record",
    "Worked": "record",
    "read": "example",
    "work": "working",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = ["Claim", "Example", "Layer", "Problem", "Quantity", "Worked", "explain", "read", "work"]
