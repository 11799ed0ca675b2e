"""``deltarule evaluate MODEL TABLE``: the error on a table, beside that of the best constant answer."""

from __future__ import annotations

from deltarule.cli import options, records, show

EXAMPLES = """\
deltarule evaluate houses_small.dr examples/data/houses_small.csv
deltarule evaluate houses_small.dr examples/data/houses_small.csv --metrics mape --json
"""


def evaluate(
    model: options.Model,
    table: options.Table,
    metrics: options.Metrics = "",
    header: options.Header = True,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Score a network on a table that has the target.

    Errors are in the target's unit. The baseline is the best answer that looks at no input: always the
    training rows' mean, or their most frequent class. Rows that the network was trained on flatter it.
    """
    from deltarule.train.checkpoint import load
    from deltarule.train.table import evaluate_table

    result = evaluate_table(load(model), options.source(table), metrics=metrics, header=header)
    if not quiet:
        show.remarks(result.notes)
    if json:
        records.print_json(records.of_evaluation(result))
    else:
        show.scores(f"{result.target}, {result.rows:,} rows of {table}", result.scores)
