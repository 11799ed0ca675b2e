"""A file that says what the flags of a command say: TOML, one key a flag, unknown keys refused.

In: a file, or the parameters of a command. Out: values that flags override, or such a file with a comment
for each key.
"""

from __future__ import annotations

import json
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

from deltarule.errors import DataError
from deltarule.nn.named import nearest

OWN = ("help", "config_file", "print_config")  # not for a file
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def use(ctx: typer.Context, path: Path | None) -> Path | None:
    """Take what a file says for the values of flags that are not given."""
    if path is not None:
        ctx.default_map = {**(ctx.default_map or {}), **read(path, ctx)}
    return path


def settings(ctx: typer.Context) -> dict[str, Any]:
    """The parameters of a command that a file may set, by the key that it has there: the flag's name."""
    return {key_of(param): param for param in ctx.command.params if param.name not in OWN}


def key_of(param: Any) -> str:
    """``learning_rate`` for ``--learning-rate``, the name for an argument."""
    option = param.param_type_name == "option"
    return str(param.opts[0]).strip("-").replace("-", "_") if option else str(param.name)


def read(path: Path, ctx: typer.Context) -> dict[str, Any]:
    """Return the values in a file by the names of parameters.

    Raises
    ------
    DataError
        The file cannot be read, is no TOML, or has a key that no flag is called (the nearest is
        offered), or a value of another kind than the flag takes.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not TOML: {error}") from None
    known, kinds = settings(ctx), get_type_hints(ctx.command.callback)
    found: dict[str, Any] = {}
    for key, value in given.items():
        name = key.replace("-", "_")
        if name not in known:
            raise DataError(
                f"{path} has an unknown key {key!r}; keys are {', '.join(known)}{nearest(name, known)}"
            )
        parameter = str(known[name].name)
        _check(value, kinds[parameter], f"{path}: {key}")
        found[parameter] = value
    return found


def _check(value: Any, hint: Any, place: str) -> None:
    """Raise where a value is not of the kind that the flag takes."""
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    if Any in kinds:
        return
    (kind,) = kinds
    if get_args(kind):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise DataError(f'{place} is {_toml(value)}; write a list of names: ["a", "b"]')
        return
    kind = str if kind is Path else kind
    wanted = (int, float) if kind is float else kind
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        raise DataError(f"{place} is {_toml(value)}; write {WORDS[kind]}")


# --- writing one ---


def written(ctx: typer.Context) -> str:
    """Return the values of a command's parameters as such a file, each with its help.

    What has no value is commented out.
    """
    lines = [f"# {ctx.command_path} --config THIS_FILE; flags override what stands here."]
    group = ""
    for key, param in settings(ctx).items():
        panel = getattr(param, "rich_help_panel", None) or "Table"
        if panel != group:
            lines += ["", f"# --- {panel} ---"]
            group = panel
        lines += ["", *_comment(param.help or ""), _line(key, ctx.params.get(str(param.name)))]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, 90):
        yield f"# {line}"


def _line(key: str, value: Any) -> str:
    return f"# {key} = ..." if value is None else f"{key} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value, ensure_ascii=False, default=str)
