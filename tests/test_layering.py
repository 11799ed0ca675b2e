"""The shape of the source: the floors, what `import deltarule` costs, the size of files.

In: the text of every module under `src/deltarule`. Out: a list of offenders, each with file and line.
"""

from __future__ import annotations

import ast
import graphlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "deltarule"

# A module may import from its own floor and from the floors before it. The package itself stands
# after everything that it offers; only the command line comes later.
FLOORS = """
    version errors program derive compile nn optim data train sklearn explain health deltarule cli __main__
""".split()
HEAVY = """
    llvmlite pyarrow sklearn scipy matplotlib rich typer narwhals safetensors pandas jinja2
""".split()
MOST_LINES = 400
MOST_TOKENS_A_LINE = 10.0


@dataclass(frozen=True)
class Import:
    """One import of a module of ours: who, whom, where, and whether it runs when the module loads."""

    importer: str
    imported: str
    line: int
    at_load: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def floor(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "deltarule"


def imports_of(module: str, tree: ast.Module, is_package: bool) -> Iterator[Import]:
    for node, at_load in walk_imports(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, *([base] if base else [])])
            # `from package import name` imports the submodule where the name is one
            targets = []
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                targets.append(submodule if submodule in MODULES else base)
        for target in dict.fromkeys(targets):
            if target.split(".")[0] == "deltarule":
                yield Import(module, target, node.lineno, at_load)


def walk_imports(tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    waiting: list[tuple[ast.AST, bool]] = [(tree, True)]
    while waiting:
        node, at_load = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, at_load
            continue
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            later = True
        waiting += [(child, at_load and not later) for child in ast.iter_child_nodes(node)]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def all_imports() -> list[Import]:
    return [
        found
        for module, path in MODULES.items()
        for found in imports_of(module, parse(path), path.name == "__init__.py")
    ]


IMPORTS = all_imports()


def load_size_script():
    spec = importlib.util.spec_from_file_location("size", ROOT / "benchmarks" / "size.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["size"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.smoke
def test_every_module_stands_on_a_known_floor():
    unknown = [module for module in MODULES if floor(module) not in FLOORS]
    assert not unknown, f"not in the list of floors: {unknown}"


@pytest.mark.smoke
def test_imports_point_up_only():
    wrong = [
        f"{MODULES[found.importer]}:{found.line}: {found.importer} imports {found.imported}"
        for found in IMPORTS
        if FLOORS.index(floor(found.imported)) > FLOORS.index(floor(found.importer))
    ]
    assert not wrong, "a lower floor is imported:\n" + "\n".join(wrong)


@pytest.mark.smoke
def test_no_import_cycle():
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in IMPORTS:
        if found.at_load and found.imported != found.importer:
            graph[found.importer].add(found.imported)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail("modules import each other while they load: " + " <- ".join(error.args[1]))


@pytest.mark.parametrize(
    ("text", "imported", "at_load"),
    [
        ("from ..errors import ShapeError", "deltarule.errors", True),
        ("from deltarule import errors", "deltarule.errors", True),
        ("import deltarule as dr", "deltarule", True),
        ("def f():\n    from deltarule.errors import ShapeError", "deltarule.errors", False),
        ("if TYPE_CHECKING:\n    import deltarule.errors", "deltarule.errors", False),
        ("class A:\n    from . import b", "deltarule.nn", True),
    ],
)
def test_the_parser_finds_imports_wherever_they_stand(text, imported, at_load):
    (found,) = imports_of("deltarule.nn.layer", ast.parse(text), is_package=False)
    assert (found.imported, found.at_load) == (imported, at_load)


@pytest.mark.smoke
def test_importing_deltarule_loads_no_heavy_package():
    script = f"import sys, deltarule; print(*[name for name in {HEAVY} if name in sys.modules])"
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@pytest.mark.smoke
def test_every_folder_is_a_package():
    folders = {path.parent for path in MODULES.values()}
    missing = [str(folder) for folder in folders if not (folder / "__init__.py").exists()]
    assert not missing, f"without __init__.py: {missing}"


def test_every_folder_says_what_comes_in_and_what_goes_out():
    short = []
    for module, path in MODULES.items():
        if path.name == "__init__.py":
            docstring = ast.get_docstring(parse(path)) or ""
            lines = sum(bool(line.strip()) for line in docstring.splitlines())
            if lines < 3 and len(docstring) < 200:
                short.append(module)
    assert not short, f"docstrings worth fewer than three lines: {short}"


def test_files_are_short_and_lines_are_light():
    size = load_size_script()
    table = size.sizes(SOURCE)
    long = {
        str(path.relative_to(SOURCE)): at.lines
        for path, at in table.items()
        if at.lines > MOST_LINES
    }
    assert not long, f"files of more than {MOST_LINES} lines of code: {long}"
    total = sum(table.values(), size.Size())
    assert total.density <= MOST_TOKENS_A_LINE, f"{total.density:.2f} tokens a line"


def test_size_counts_code_only():
    size = load_size_script()
    text = '"""Module."""\n\n# a comment\nx = f"{1 + 2}"  # y\n\n\ndef f():\n    """Doc."""\n    return x\n'
    assert size.measure(text) == size.Size(lines=3, tokens=3 + 5 + 2)
