"""``deltarule train --continue MODEL``: what the model fixes, and what is said beside it.

In: the command line, the model. Out: nothing, or an error that names what cannot change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from deltarule.cli import options
from deltarule.train.choices import network_for
from deltarule.train.table import preprocessor_of

if TYPE_CHECKING:
    from deltarule.nn import Module

SHAPE = ("hidden", "activation", "dropout")


def check_same(ctx: typer.Context, net: Module) -> None:
    """Raise where target, task, columns or network are given and are not those of the model."""
    prepared = preprocessor_of(net)
    given = {name: value for name, value in ctx.params.items() if options.given(ctx, name)}
    if given.get("target", prepared.target.name) != prepared.target.name:
        _refuse("--target", given["target"], prepared.target.name)
    if given.get("task", "auto") not in ("auto", prepared.task):
        _refuse("--task", given["task"], prepared.task)
    for name, flag, known in (
        ("ignore", "--ignore", prepared.ignored),
        ("categories", "--category", prepared.categories),
    ):
        other = sorted(set(given.get(name) or ()) - set(known))
        if other:
            _refuse(flag, ", ".join(other), ", ".join(known) or "none")
    if any(name in given for name in SHAPE):
        wanted = network_for(prepared, *(ctx.params[name] for name in SHAPE))
        if repr(wanted) != repr(net):
            flags = ", ".join(f"--{name}" for name in SHAPE if name in given)
            _refuse(flags, repr(wanted), repr(net))


def _refuse(flag: str, given: str, fixed: str) -> None:
    raise typer.BadParameter(
        f"{given} is not what the model was trained with: {fixed}. Leave it out, or train a new "
        "model without --continue",
        param_hint=flag,
    )
