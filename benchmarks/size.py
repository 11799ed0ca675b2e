"""Lines of code and tokens a line, by folder: `python benchmarks/size.py [folder]`.

In: a folder of Python files. Out: a table. A line counts when it holds code; docstrings and comments are
free. A token is an operator, a name, a number or a string; the average says how dense the code reads.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "deltarule"
COUNTED = {tokenize.OP, tokenize.NAME, tokenize.NUMBER, tokenize.STRING}
# From Python 3.12 on an f-string is many tokens; it counts as one string, as it did before.
FSTRING_START = getattr(tokenize, "FSTRING_START", -1)
FSTRING_END = getattr(tokenize, "FSTRING_END", -1)


@dataclass(frozen=True)
class Size:
    """The lines of code and the tokens of a piece of source."""

    lines: int = 0
    tokens: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.lines + other.lines, self.tokens + other.tokens)

    @property
    def density(self) -> float:
        """Tokens a line."""
        return self.tokens / self.lines if self.lines else 0.0


def measure(source: str) -> Size:
    """The size of the text of one module."""
    docstrings = docstring_starts(ast.parse(source))
    lines: set[int] = set()
    tokens = 0
    fstring_starts: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        first, last = token.start[0], token.end[0]
        if token.type == FSTRING_START:
            fstring_starts.append(first)
            continue
        if token.type == FSTRING_END:
            first = fstring_starts.pop()
        elif token.type not in COUNTED or token.start in docstrings:
            continue
        if fstring_starts:
            continue
        tokens += 1
        lines.update(range(first, last + 1))
    return Size(len(lines), tokens)


def docstring_starts(tree: ast.Module) -> set[tuple[int, int]]:
    """Where (line, column) each docstring of a module begins."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    starts = set()
    for node in ast.walk(tree):
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None:
            expression = node.body[0]
            starts.add((expression.lineno, expression.col_offset))
    return starts


def sizes(folder: Path) -> dict[Path, Size]:
    """The size of every module below `folder`."""
    return {
        path: measure(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))
    }


def main(folder: Path) -> None:
    """Print a row a subfolder, then the largest files."""
    table = sizes(folder)
    groups: defaultdict[str, list[Size]] = defaultdict(list)
    for path, size in table.items():
        groups[path.relative_to(folder).parts[0]].append(size)
    print(f"{'folder':<24}{'files':>7}{'lines':>8}{'tokens a line':>16}")
    for name, members in sorted(groups.items()):
        total = sum(members, Size())
        print(f"{name:<24}{len(members):>7}{total.lines:>8}{total.density:>16.2f}")
    total = sum(table.values(), Size())
    print(f"{'together':<24}{len(table):>7}{total.lines:>8}{total.density:>16.2f}")
    print("\nlargest files")
    for path, size in sorted(table.items(), key=lambda row: -row[1].lines)[:8]:
        print(f"{path.relative_to(folder)!s:<39}{size.lines:>0}{size.density:>16.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE)
