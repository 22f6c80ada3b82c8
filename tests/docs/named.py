"""What the code has, and what the reference names: each kind of thing is counted from the code, and no page names one that is not there."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import click
from google.protobuf.descriptor import Descriptor

from joulemark import cli, config, errors
from joulemark.agent.wiring import RunnerConfig
from joulemark.collector.api import app
from joulemark.collector.feeds import FeedKeys
from joulemark.meters import registry
from joulemark.pricing import sources
from joulemark.proto.v1 import runs_pb2, telemetry_pb2
from joulemark.standard.edition import edition
from joulemark.standard.schema import schemas

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
TABLES: Final = {name: kind for name, kind in typing.get_type_hints(config.Config).items() if dataclasses.is_dataclass(kind)}
"""Tables of the configuration that there is one of."""
Names = set[str]
Pair = tuple[Names, Names]
"""(what the code has, what the page names)."""


def text(page: str) -> str:
    """A page of docs/."""
    return (DOCS / page).read_text(encoding="utf-8")


def rows(page: str, pattern: str) -> Names:
    """First groups of a pattern on a page, matched at the beginning of lines."""
    return set(re.findall(f"^{pattern}", text(page), re.MULTILINE))


def commands(command: click.Command = cli.group, name: str = "joulemark") -> Iterator[tuple[str, click.Command]]:
    """Full name of a command and of all below it."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            if (found := command.get_command(context, child)) is not None:
                yield from commands(found, f"{name} {child}")


def command_names() -> Pair:
    """Commands, each with its section."""
    return {name for name, _ in commands()}, rows("reference/cli.md", r"## (joulemark.*)$")


def options() -> Pair:
    """Long options, each in the section of its command."""
    sections = dict(part.partition("\n")[::2] for part in text("reference/cli.md").split("\n## ")[1:])
    has = {f"{name} {o}" for name, command in commands() for p in command.params for o in p.opts if o.startswith("--")}
    listed = re.compile(r"^ +(?:-\w, )?(--[\w-]+)", re.MULTILINE)
    told = {f"{name} {option}" for name, section in sections.items() for option in listed.findall(section)}
    return has, {name for name in told if not name.endswith(" --help")}


def json_outputs() -> Pair:
    """Commands that take --json, each with what it prints."""
    has = {name for name, command in commands() if any("--json" in parameter.opts for parameter in command.params)}
    return has, rows("reference/cli-json.md", r"## (joulemark .+)$")


def keys(table: str) -> Pair:
    """Keys of a table of the configuration."""
    section = re.split(r"\n\[|\n```|\n\n# Any ", text("reference/config.md").partition(f"\n[{table}]\n")[2])[0]
    return {f.name for f in dataclasses.fields(TABLES[table])}, set(re.findall(r"^(?:# )?(\w+) =", section, re.MULTILINE))


def meter_keys() -> Pair:
    """Keys that every [[meter]] table may have."""
    has = {f.name for f in dataclasses.fields(RunnerConfig)}
    return has, has & rows("reference/config.md", r"\| `(\w+)` \|")


def kind_keys() -> Pair:
    """Kinds of meters of our own and the keys of each, on its page."""
    has, told = set(), set()
    for kind, entry in registry.kinds().items():
        if entry.value.startswith("joulemark."):
            has |= {kind} | {f"{kind}.{f.name}" for f in dataclasses.fields(registry.driver(kind).config) if f.init}
            told |= rows("reference/meters/README.md", rf"\| \[({kind})\]\({kind}\.md\)")
            section = text(f"reference/meters/{kind}.md").partition("\n## Every key\n")[2]
            told |= {f"{kind}.{key}" for key in re.findall(r"^(?:# )?(\w+) =", section, re.MULTILINE) if key != "kind"}
    return has, told


def feed_keys() -> Pair:
    """Keys of every kind of feed of prices."""
    shared = {f"feed.{f.name}" for f in dataclasses.fields(FeedKeys)}
    has = {f"{kind}.{f.name}" for kind in sources.KINDS for f in dataclasses.fields(sources.source(kind).config)}
    page = text("reference/feeds.md")
    told = {f"feed.{name}" for name in re.findall(r"^(?:# )?(\w+) =", page.partition("\n### ")[0], re.MULTILINE)} & shared
    for part in page.split("\n### ")[1:]:
        told |= {f"{part.partition(chr(10))[0]}.{name}" for name in re.findall(r"^(?:# )?(\w+) =", part, re.MULTILINE)}
    return has | shared, told


def routes() -> Pair:
    """Routes of the REST application."""
    paths = app.create(cast("Any", None)).openapi()["paths"]
    has = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} | {"GET /"}
    return has, rows("reference/rest.md", r"\| `([A-Z]+ /[^`]*)` \|")


def metrics() -> Pair:
    """Metrics with their types."""
    sources = (DOCS.parent / "src" / "joulemark" / "collector" / "api").glob("*.py")
    written = "".join(path.read_text(encoding="utf-8") for path in sources)
    has = {f"{name} {kind}" for name, kind in re.findall(r'\("(\w+)", "(counter|gauge|histogram)"', written)}
    return has, {" ".join(row) for row in cast("set[tuple[str, str]]", rows("reference/metrics.md", r"\| `joulemark_(\w+)` \| (\w+) \|"))}


def declared(message: Descriptor) -> Iterator[str]:
    """A message, its fields, and the messages inside it; not the entries of maps, which the fields tell."""
    yield message.name
    yield from (f"{message.name}.{field.name}" for field in message.fields)
    for inner in message.nested_types:
        if not inner.GetOptions().map_entry:
            yield from declared(inner)


def messages() -> Pair:
    """Messages of the wire and their fields, enumerations and their values, services and their calls."""
    has: Names = set()
    for module in (telemetry_pb2, runs_pb2):
        file = module.DESCRIPTOR
        has |= {name for message in file.message_types_by_name.values() for name in declared(message)}
        for kind, inner in ((file.enum_types_by_name, "values"), (file.services_by_name, "methods")):
            has |= set(kind) | {f"{name}.{part.name}" for name, one in kind.items() for part in getattr(one, inner)}
    sections = [part.partition("\n") for part in text("reference/wire.md").split("\n### ")[1:]]
    told = {name for name, _, _ in sections}
    return has, told | {f"{n}.{row}" for n, _, part in sections for row in re.findall(r"^\| \d* \| `(\w+)` \|", part, re.MULTILINE)}


def exit_codes() -> Pair:
    """Errors, each in the row of its own exit code."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.JoulemarkError)]
    table = cast("set[tuple[str, str]]", rows("reference/exit-codes.md", r"\| (\d+) \|(.*)\|$"))
    told = {f"{code} {name}" for code, row in table for name in re.findall(r"`(\w+)`", row)}
    has = {f"{kind.exit_code} {kind.__name__}" for kind in kinds}
    return has | {"0", "130"}, (told & has) | {code for code, _ in table} & {"0", "130"}


def keys_of(schema: Any) -> Names:
    """Names of all properties in a schema, however deep."""
    if isinstance(schema, list):
        return {name for part in schema for name in keys_of(part)}
    if not isinstance(schema, dict):
        return set()
    own = schema.get("properties", {})
    named = set(own) if isinstance(own, dict) else set()
    return named | {name for part in schema.values() for name in keys_of(part)}


def schema_keys() -> Pair:
    """Schemas of cards, bundles and of what commands print, and their keys."""
    sections = dict(part.partition("\n")[::2] for part in text("standard/schemas/README.md").split("\n## ")[1:])
    has = {f"{name} {key}" for name, schema in schemas().items() for key in ("", *keys_of(schema))}
    told = {f"{name} " for name in sections}
    for name, part in sections.items():
        told |= {f"{name} {key}" for path in re.findall(r"^\| `([^`]+)`", part, re.MULTILINE) for key in [path.rpartition(".")[2]]}
    return has, told


def rules() -> Pair:
    """Rules of the standard, each in its table, with its reason, and in the matrix."""
    has = {rule.id for rule in edition().rules}
    reasons, matrix = rows("standard/rules.md", r"\*\*([A-Z]+-\d+)\*\* Reason: "), rows("standard/rule-matrix.md", r"\| ([A-Z]+-\d+) \|")
    return has, rows("standard/rules.md", r"\| ([A-Z]+-\d+) \|") & reasons & matrix


KINDS: Final[dict[str, Callable[[], Pair]]] = {
    "command": command_names,
    "option": options,
    "json output": json_outputs,
    **{f"[{table}]": partial(keys, table) for table in TABLES},
    "[[meter]]": meter_keys,
    "meter kind": kind_keys,
    "feed": feed_keys,
    "route": routes,
    "metric": metrics,
    "message": messages,
    "exit code": exit_codes,
    "schema": schema_keys,
    "rule": rules,
}


def astray(kind: str) -> list[str]:
    """What of a kind is not named, and what is named and not there."""
    has, told = KINDS[kind]()
    return [f"{kind}: {name} is not in the reference" for name in sorted(has - told)] + [
        f"{kind}: {name} stands in the reference and not in the code" for name in sorted(told - has)
    ]
