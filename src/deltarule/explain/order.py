"""Things after the parts that they are made of, without recursion: formulas are as deep as graphs.

In: some things, how to find the parts of one, and what is done already. Out: the others, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def parts_first(
    things: Iterable[T],
    parts: Callable[[T], Iterable[T]],
    done: Container[T],
) -> Iterator[T]:
    """Things and their parts that are not done, each after its own parts.

    Whoever takes one enters it in ``done`` before asking for the next.
    """
    for thing in things:
        stack = [thing]
        while stack:
            top = stack[-1]
            waiting = () if top in done else [part for part in parts(top) if part not in done]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if top not in done:
                yield top
