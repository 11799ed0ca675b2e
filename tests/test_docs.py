"""Every number that README, CONTRIBUTING and docs/ print is run; every command that they name exists.

In: the fenced blocks of the Markdown files. A block of Python with a prompt is a doctest, one file one
session; a block without a prompt has at least to compile, and to stand in the file that its first line names.
"""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES += [page for folder in ("docs", "examples") for page in sorted((ROOT / folder).rglob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)(?P<mark>`{3,}|~{3,})(?P<language>[\w+-]*)[^`]*$")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.REPORT_ONLY_FIRST_FAILURE


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the number of the line before its first one."""

    language: str
    text: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    opened: re.Match[str] | None = None
    body: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                opened, body, start = fence, [], number
        elif fence and fence["mark"].startswith(opened["mark"]) and not fence["language"]:
            yield Block(opened["language"], "\n".join(body) + "\n", start)
            opened = None
        else:
            body.append(line.removeprefix(opened["indent"]))
    assert opened is None, f"line {start}: the fence is never closed"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python_on_a_page_runs(page, tmp_path, monkeypatch):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    parser, session = doctest.DocTestParser(), []
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language not in {"python", "pycon", "py"}:
            assert ">>>" not in block.text, (
                f"{name(page)}:{block.line}: a session not marked `python` is not run"
            )
        elif ">>>" in block.text:
            for example in parser.get_examples(block.text, name(page)):
                example.lineno += block.line
                session.append(example)
        else:
            compile(block.text, f"{name(page)}:{block.line}", "exec")
    test = doctest.DocTest(session, {"__name__": "__main__"}, name(page), str(page), 0, None)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
    runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_code_quoted_from_a_file_stands_there(page):
    """A block whose first line is `# path/to/file.py` is a quotation."""
    for block in blocks(page.read_text(encoding="utf-8")):
        quoted = re.match(r"# ((?:src|tests|benchmarks|examples)/\S+\.py)\n", block.text)
        if quoted:
            source = (ROOT / quoted[1]).read_text(encoding="utf-8")
            assert block.text[quoted.end() :] in source, (
                f"{name(page)}:{block.line}: not in {quoted[1]}"
            )


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_to_files_lead_somewhere(page):
    targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing, f"{name(page)} links to {missing}"


def test_the_two_commands_of_a_newcomer_are_on_the_first_page():
    commands = commands_of("make", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"demo", "test"} <= commands


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_commands_exist(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+)(?: [\w-]+)*:(?!=)", makefile, re.MULTILINE))
    named = commands_of("make", page.read_text(encoding="utf-8"))
    assert named <= targets, f"{name(page)} names {sorted(named - targets)}, the Makefile does not"


def commands_of(program: str, text: str) -> set[str]:
    """The first words after `program` in inline code and at the start of a line of a shell block."""
    shell = [
        block.text
        for block in blocks(text)
        if block.language in {"", "sh", "bash", "console", "shell"}
    ]
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    lines = [
        line.strip().removeprefix("$ ") for part in [*shell, *inline] for line in part.splitlines()
    ]
    found = [re.match(rf"{program}((?: [A-Z]\w*=\S+)*) ([a-z][\w-]*)", line) for line in lines]
    return {match[2] for match in found if match}


def test_blocks_are_found():
    text = "a\n```python\n>>> 1\n1\n```\n\n- b\n  ```sh\n  make demo\n  ```\n"
    assert list(blocks(text)) == [Block("python", ">>> 1\n1\n", 2), Block("sh", "make demo\n", 8)]
    assert commands_of("make", text + "`make test`, `makes nothing`") == {"demo", "test"}


def test_a_wrong_number_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "page.md").write_text("```python\n>>> 1 + 1\n3\n```\n")
    (tmp_path / "inside").mkdir()
    with pytest.raises(AssertionError, match="Got:"):
        test_python_on_a_page_runs(tmp_path / "page.md", tmp_path / "inside", monkeypatch)
