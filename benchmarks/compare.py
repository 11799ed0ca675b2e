"""Two files of results, row by row: `compare.py BEFORE.json AFTER.json`.

In: files of `steps.py`, `functions.py`, `first_call.py` or `growth.py`. Out: a table of before / after, how
many times faster each row has become (or how many times less memory it takes), and what differs between the
machines. Where a peer that did not change is not near 1.00, the machine had another speed, or is another one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from show import console, number

OURS = "deltarule"


def read(path: str) -> dict[str, Any]:
    """A file of results that has rows."""
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    if "rows" not in found:
        raise SystemExit(f"{path} has no rows to compare; its entries are {', '.join(found)}")
    return found


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between the machines and versions of two files, but for the dates."""
    old, new = ({**each["machine"], **each["machine"]["versions"]} for each in (before, after))
    names = [name for name in {**old, **new} if name not in ("date", "versions", "flags")]
    lines = [
        f"{name}: {old.get(name)}, now {new.get(name)}"
        for name in names
        if old.get(name) != new.get(name)
    ]
    lost = {*old["flags"].split()} ^ {*new["flags"].split()}
    return [*lines, *([f"processor flags: {', '.join(sorted(lost))}"] if lost else [])]


def speedups(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float]:
    """Before / after of each peer that both rows have."""
    old, new = before["median"], after["median"]
    return {peer: old[peer] / new[peer] for peer in old if new.get(peer)}


def table_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> Table:
    """A line a row that both files have."""
    shared = {name: (before[name], after[name]) for name in before if name in after}
    found = {name: speedups(*pair) for name, pair in shared.items()}
    peers = list(dict.fromkeys(peer for row in found.values() for peer in row if peer != OURS))
    table = Table(
        title="times faster, before / after", title_justify="left", box=None, pad_edge=False
    )
    for heading in (
        "row",
        "before",
        "after",
        OURS,
        *(peer.replace("-", "\n", 1) for peer in peers),
    ):
        table.add_column(heading, justify="left" if heading == "row" else "right")
    for name, ratios in found.items():
        medians = (number(row["median"].get(OURS)) for row in shared[name])
        cells = (f"{ratios[peer]:.2f}" if peer in ratios else "-" for peer in peers)
        ours = f"[bold]{ratios[OURS]:.2f}[/bold]" if OURS in ratios else "-"
        table.add_row(f"{name} [dim]{shared[name][0]['unit']}[/dim]", *medians, ours, *cells)
    return table


def main() -> None:
    """Compare the two files that the command names."""
    if len(sys.argv) != 3:
        raise SystemExit("compare.py BEFORE.json AFTER.json")
    before, after = map(read, sys.argv[1:])
    console().print(table_of(before["rows"], after["rows"]))
    for name in {**before["rows"], **after["rows"]}:
        if (name in before["rows"]) != (name in after["rows"]):
            print(f"only {'before' if name in before['rows'] else 'after'}: {name}")
    for line in differences(before, after):
        print(f"differs: {line}")


if __name__ == "__main__":
    main()
