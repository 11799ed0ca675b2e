"""``deltarule inspect MODEL``: what is in a model file."""

from __future__ import annotations

from deltarule.cli import options, records, show_model

EXAMPLES = """\
deltarule inspect houses_small.dr
deltarule inspect houses_small.dr --json
"""


def inspect(model: options.Model, json: options.Json = False) -> None:
    """Show what is in a model file: layers, columns, training, scores.

    Nothing in the file is executed.
    """
    from deltarule.train.checkpoint import load
    from deltarule.train.describe import describe

    description = describe(load(model))
    if json:
        records.print_json({"file": str(model), **description.to_json()})
    else:
        show_model.description(str(model), description)
