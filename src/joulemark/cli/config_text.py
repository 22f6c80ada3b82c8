"""The configuration as TOML text: the documented defaults, and the values in force.

The sentence of a key is the text below its field in the dataclass, so it stands in one place only.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joulemark.agent.wiring import RunnerConfig
from joulemark.collector.feeds import FeedKeys
from joulemark.config import Config, FeedTable, MeterTable
from joulemark.errors import MeterUnavailable
from joulemark.meters import registry
from joulemark.pricing import sources

WIDTH: Final = 110


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table. `required` keys have no default; `default` None means that the key is left out."""

    name: str
    sentence: str
    required: bool
    default: Any


def keys(cls: type[Any]) -> list[Key]:
    """The keys of the configuration dataclass `cls`, in order, each with the sentence below its field (empty when there is none)."""
    said = sentences(cls)
    return [Key(f.name, said.get(f.name, ""), required(f), default(f)) for f in dataclasses.fields(cls) if f.init]


def sentences(cls: type[Any]) -> dict[str, str]:
    """Field name to the string literal that follows the field in the source of `cls`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            found[field.target.id] = " ".join(below.value.value.split())
    return found


def required(field: dataclasses.Field[Any]) -> bool:
    """Whether the key must be given."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def default(field: dataclasses.Field[Any]) -> Any:
    """The default of the key; None when it has none."""
    if field.default is not dataclasses.MISSING:
        return field.default
    return None if field.default_factory is dataclasses.MISSING else field.default_factory()


def tables() -> dict[str, type[Any]]:
    """Name and dataclass of each table of the file but `[[meter]]` and `[[feed]]`."""
    return {f.name: type(getattr(Config(), f.name)) for f in dataclasses.fields(Config) if f.name not in ("meters", "feeds", "path")}


def toml_value(value: Any) -> str:
    """`value` as TOML. Raises TypeError for a type that no key has."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{json.dumps(key)} = {toml_value(item)}' for key, item in value.items())} }}"
    raise TypeError(f"{value!r} has no TOML form here")


def default_text() -> str:
    """A file that changes nothing: every table with its defaults, every kind of meter and feed as a comment, a sentence above each key."""
    lines = ["# Configuration of Joulemark. Every key is optional and stands here with its default.", ""]
    for name, cls in tables().items():
        lines += [*heading(cls), f"[{name}]", *documented(cls), ""]
    lines += [
        *comment("Any of these tables may also have the keys that the agent reads itself:"),
        *map(commented, documented(RunnerConfig)),
        "",
    ]
    for kind in registry.kinds():
        lines += [*map(commented, meter_table(kind)), ""]
    lines += [
        *comment("Prices: any of these tables may also have the keys that the collector reads itself:"),
        *map(commented, documented(FeedKeys)),
        "",
    ]
    for kind in sources.KINDS:
        body = [*comment(sources.about(kind)), "[[feed]]", f'kind = "{kind}"', *documented(sources.source(kind).config)]
        lines += [*map(commented, body), ""]
    return "\n".join(lines)


def meter_table(kind: str) -> list[str]:
    """The table of a kind of meter; where its library is not installed, what to install in place of its keys."""
    try:
        cls = registry.driver(kind).config
    except MeterUnavailable as missing:
        return ["[[meter]]", f'kind = "{kind}"', *comment(f"Its keys are known here once its library is: {missing.next_step}.")]
    return [*heading(cls), "[[meter]]", f'kind = "{kind}"', *documented(cls)]


def heading(cls: type[Any]) -> list[str]:
    """The first sentence of the docstring of `cls`, without the name of its table, as comment lines."""
    said = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
    text = said.split(": ", 1)[-1]
    return comment(text[0].upper() + text[1:])


def documented(cls: type[Any]) -> Iterator[str]:
    """Lines of one table: the sentence of each key, then the key; one without a value is a comment."""
    for key in keys(cls):
        yield from comment(key.sentence)
        if key.required:
            yield f"# {key.name} =    (required)"
        elif key.default is None:
            yield f"# {key.name} =    (not set)"
        else:
            yield f"{key.name} = {toml_value(key.default)}"


def commented(line: str) -> str:
    """`line` as a comment, if it is none."""
    return line if line.startswith("#") else f"# {line}"


def comment(text: str) -> list[str]:
    """`text` as comment lines."""
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH)]


def effective(config: Config) -> dict[str, Any]:
    """The values in force as JSON-ready tables; a key without a value is null."""
    values: dict[str, Any] = {name: plain(getattr(config, name)) for name in tables()}
    values["meter"] = [plain(registry.driver(table.kind).config, RunnerConfig, table) for table in config.meters]
    values["feed"] = [plain(sources.source(table.kind).config, FeedKeys, table) for table in config.feeds]
    return values


def plain(source: Any, ours: type[Any] | None = None, table: MeterTable | FeedTable | None = None) -> dict[str, Any]:
    """Key to value of a configuration object, or of the keys given in a table of some kind joined with its defaults and `ours`."""
    if table is None or ours is None:
        values = {f.name: getattr(source, f.name) for f in dataclasses.fields(source)}
    else:
        known = [*keys(ours), *keys(source)]
        values = {"kind": table.kind, **{key.name: table.options.get(key.name, key.default) for key in known}}
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def effective_text(values: Mapping[str, Any]) -> str:
    """The object of `effective` as TOML; keys without a value are left out."""
    lines: list[str] = []
    for name, content in values.items():
        for table in content if isinstance(content, list) else [content]:
            lines.append(f"[[{name}]]" if isinstance(content, list) else f"[{name}]")
            lines += [f"{key} = {toml_value(value)}" for key, value in table.items() if value is not None]
            lines.append("")
    return "\n".join(lines)
