"""What the commands print: help, JSON, the page about the command line; and how they behave in pipes.

In: the sample of 200 houses, the worked examples. Out: text on both streams, exit codes.
"""

from __future__ import annotations

import doctest
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

import deltarule as dr
from deltarule import cli
from deltarule.cli.help import EXIT_CODES
from test_docs import OPTIONS, blocks

ROOT = Path(__file__).parents[1]
HOUSES = "examples/data/houses_small.csv"
TARGET = "median_house_value"
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
COMMANDS = ("train", "evaluate", "predict", "inspect", "explain", "verify", "profile", "demo")
HERE = {**os.environ, "PYTHONPATH": str(Path(dr.__file__).parents[1])}  # from any folder


@pytest.fixture
def typed(run, tmp_path, monkeypatch):
    """Run a line as it is typed into a shell, where examples/ is; return exit code, output and errors."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")

    def typed(line: str) -> tuple[int, str, str]:
        line, _, file = line.partition(" > ")
        before, _, after = line.rpartition(" | deltarule ")
        if before:
            _, _, count, source = before.split()  # head -n COUNT SOURCE
            lines = Path(source).read_bytes().splitlines(keepends=True)[: int(count)]
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"".join(lines))))
            line = f"deltarule {after}"
        program, *arguments = shlex.split(line.partition(" | ")[0])
        assert program == "deltarule"
        code, out, err = run(*arguments)
        if file:
            Path(file).write_text(out)
        return code, out, err

    return typed


def examples(command: str) -> list[str]:
    return getattr(cli, command).EXAMPLES.replace("\\\n", "").splitlines()


NATIVE = pytest.mark.native


@pytest.mark.parametrize(
    "command", [pytest.param(c, marks=NATIVE) if c == "profile" else c for c in COMMANDS]
)
def test_examples_of_help_run_as_they_stand(typed, command):
    if command in ("evaluate", "predict", "inspect"):
        typed(f"deltarule train {HOUSES} --target {TARGET} --epochs 2")
    for line in examples(command):
        code, out, err = typed(line)
        wrong_on_purpose = "slips" in line
        assert code == wrong_on_purpose, err
        assert out or " --out " in line
        assert "Traceback" not in err


# ---- help


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert all(len(line) <= 80 for line in out[: out.index("Examples:")].splitlines())
    for line in getattr(cli, command).EXAMPLES.splitlines():
        assert f"  {line}" in out
    assert max(map(len, getattr(cli, command).EXAMPLES.splitlines())) <= 98


def test_main_help_shows_the_path_and_the_exit_codes(run):
    code, out, _ = run("--help")
    assert code == 0
    places = [out.index(f"\n  deltarule {name}") for name in ("train", "evaluate", "predict")]
    assert places == sorted(places)
    assert all(re.search(rf"^  {exit_code} +\w", out, re.MULTILINE) for exit_code in EXIT_CODES)
    listed = out[out.index("Commands:") : out.index("Usual path:")]
    assert re.findall(r"^  (\w+)  ", listed, re.MULTILINE) == list(COMMANDS)
    assert "..." not in listed


def test_train_help_is_in_groups(run):
    _, out, _ = run("train", "--help")
    titles = ("Arguments", "Table", "Network", "Training", "Output", "Configuration", "Examples")
    places = [out.index(f"\n{title}:\n") for title in titles]
    assert places == sorted(places)


def test_version(run):
    assert run("--version") == (0, f"deltarule {dr.__version__}\n", "")
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert stated == dr.__version__


def test_a_wrong_command_says_where_help_is(run):
    code, out, err = run("train", HOUSES, "--lerning-rate", 3)
    assert (code, out) == (2, "")
    assert "No such option" in err and "(see deltarule train --help)" in " ".join(err.split())


def test_a_file_that_is_not_there(run):
    code, _, err = run("explain", "nowhere.toml")
    assert (code, err) == (2, "error: There is no file nowhere.toml; check the path.\n")


# ---- completion


def test_the_shell_completes_columns_of_the_table(run, monkeypatch):
    def completed(*words: object) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", " ".join(("deltarule", *map(str, words))))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        return run()[1].split()

    monkeypatch.setenv("_DELTARULE_COMPLETE", "complete_bash")
    found = completed("train", ROOT / HOUSES, "--target", "med")
    assert found == ["median_income", "median_house_value"]
    assert completed("train", "nowhere.csv", "--target", "med") == []
    assert completed("train", "--activation", "log") == ["logistic", "log_softmax"]
    assert completed("tr") == ["train"]


# ---- JSON

RESULTS = {
    "train": f"deltarule train {HOUSES} --target {TARGET} --epochs 2",
    "evaluate": f"deltarule evaluate houses_small.dr {HOUSES}",
    "predict": f"deltarule predict houses_small.dr {HOUSES}",
    "inspect": "deltarule inspect houses_small.dr",
    "explain": "deltarule explain examples/worked/mazur.toml",
    "verify": "deltarule verify examples/worked/mazur.toml",
    "profile": f"deltarule profile {HOUSES} --target {TARGET} --hidden 8",
}


def not_finite(word: str) -> None:
    pytest.fail(f"{word} is no JSON")


@pytest.mark.parametrize(
    "command", [pytest.param(c, marks=NATIVE) if c == "profile" else c for c in RESULTS]
)
def test_json_is_all_that_is_printed_under_the_keys_of_the_page(typed, command):
    typed(RESULTS["train"])
    code, out, _ = typed(f"{RESULTS[command]} --json")
    found = json.loads(out, parse_constant=not_finite)
    row = re.search(rf"^\| `deltarule {command}` \| (`model`|`\w+`)(.*) \|$", PAGE, re.MULTILINE)
    assert code == 0
    assert list(found) == re.findall(r"`(\w+)`", row[0].partition("` | ")[2])


def test_json_of_classes_and_of_what_is_wrong(typed):
    typed(f"deltarule train {HOUSES} --target ocean_proximity --epochs 2 --metrics top_2")
    _, out, _ = typed(f"deltarule predict houses_small.dr {HOUSES} --json")
    found = json.loads(out)
    assert len(found["predictions"]) == len(found["probabilities"]) == found["rows"] == 200
    assert all(0 < share <= 1 for share in found["probabilities"])
    code, out, _ = typed("deltarule verify examples/worked/mazur-slips.toml --json")
    found = json.loads(out)
    first = next(line for line in found["lines"] if line["status"] == "wrong")
    assert code == found["code"] == 1
    assert first["line"] == found["first_wrong"] and first["mistake"] and first["reasons"]


@pytest.mark.native
def test_profile_names_layers_and_no_line_of_a_library(typed):
    _, out, _ = typed(RESULTS["profile"] + " --json")
    places = [kernel["places"] for kernel in json.loads(out)["kernels"]]
    assert any("dense1" in place for place in places)
    assert not [place for place in places if ".py" in place]


# ---- inspect


def test_inspect_says_what_a_model_is_and_came_from(typed):
    typed(f"deltarule train {HOUSES} --target ocean_proximity --hidden 8 --epochs 3 --seed 5")
    code, out, err = typed("deltarule inspect houses_small.dr")
    assert (code, err) == (0, "")
    assert re.search(r"^dense1 +Dense\(8, 'relu'\) +8 +\d+ *$", out, re.MULTILINE)
    assert re.search(r"^total_bedrooms +number .* a mark is 1", out, re.MULTILINE)
    assert "houses_small.csv: 140 rows to train, 30 to validate, 30 to test" in out
    assert f"seed 5, deltarule {dr.__version__}" in out
    assert re.search(r"ocean_proximity, classification: <1H OCEAN \(\d+ rows\), ", out)
    assert re.search(r"^accuracy +\S+ % +\S+ % *$", out, re.MULTILINE)
    assert re.search(r"^3( \(best\))? +\S+ +\S+ *$", out, re.MULTILINE)


def test_inspect_of_a_model_that_was_trained_on_arrays(run):
    net = dr.Sequential(dr.Dense(3, "tanh"), dr.Dropout(0.5), dr.Dense(1))
    dr.fit(net, [[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0], epochs=2, seed=4)
    dr.save(net, "arrays.dr")
    code, out, _ = run("inspect", "arrays.dr")
    assert code == 0
    assert "columns" not in out
    assert "2 epochs" in out and "seed 4" in out
    found = dr.describe(dr.load("arrays.dr"))
    assert [layer.name for layer in found.layers] == ["dense1", "dropout1", "dense2"]
    assert found.parameters == sum(layer.parameters for layer in found.layers) == 13
    with pytest.raises(
        dr.errors.DataError, match=r"not 'arrays\.dr'; a file's is dr\.load\(path\)"
    ):
        dr.describe("arrays.dr")


def test_inspect_of_a_class_of_ones_own(run):
    class Scale(dr.Module):
        def __init__(self):
            self.layer = dr.Dense(2)

        def __call__(self, x):
            return self.layer(x) * 2

    dr.save(Scale().init((1, 3), seed=0), "own.dr")
    code, out, _ = run("inspect", "own.dr", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["layers"][0]["arrays"] == {"layer.bias": [2], "layer.weight": [3, 2]}
    assert (found["layers"][0]["outputs"], found["trained"]) == ([2], None)


@pytest.mark.parametrize("change", [{"history": 3}, {"seed": "x"}, {"rows": None}, {"epochs": 9}])
def test_a_damaged_record_is_a_damaged_file(run, change):
    trained = dr.train_table(ROOT / HOUSES, TARGET, hidden=4, epochs=2, progress=False)
    trained.model.trained |= change
    dr.save(trained.model, "h.dr")
    code, _, err = run("inspect", "h.dr")
    assert code == 2 and "h.dr is damaged, or does not fit: " in err


# ---- pipes


def test_a_reader_may_leave_early(run, tmp_path):
    run("train", ROOT / HOUSES, "--target", TARGET, "--epochs", 2, "--model", "h.dr")
    command = [sys.executable, "-m", "deltarule", "inspect", "h.dr"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=HERE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_pipe_gets_whole_lines_without_colours(typed):
    _, out, err = typed(RESULTS["train"])
    assert "\x1b" not in out + err
    assert any(len(line) > 80 for line in err.splitlines())


# ---- the page


def test_the_page_names_every_flag_of_train_and_no_flag_that_is_none():
    named = set(re.findall(r"(--[a-z][\w-]+)", PAGE))
    group = typer.main.get_command(cli.app)
    params = [*group.params, *(p for command in group.commands.values() for p in command.params)]
    assert named - {"--help"} <= {flag for p in params for flag in [*p.opts, *p.secondary_opts]}
    for param in group.commands["train"].params:
        flags = {flag for flag in [*param.opts, *param.secondary_opts] if flag.startswith("--")}
        assert not flags or flags & named, f"the page does not name {flags}"


def test_what_the_page_shows_is_what_is_printed(typed, tmp_path):
    for block in blocks(PAGE):
        if block.language == "toml":
            (tmp_path / block.text.split()[1]).write_text(block.text)
        elif block.language == "console":
            for shown in block.text.split("$ ")[1:]:
                line, _, wanted = shown.partition("\n")
                code, out, _ = typed(line)
                assert code == 0
                same = doctest.OutputChecker().check_output(wanted, out, OPTIONS)
                assert same, f"{line}\n{out}"
