"""A bad input: what is wrong with it, the door it is brought to, and the answer it must get."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bad_input import valid
from tests.bad_input.doors import Collector, command_line
from tests.bad_input.judge import Answer, Wanted

USAGE = ("exit 2",)
Content = str | bytes
Build = Callable[[Path], list[str]]


@dataclass(frozen=True, slots=True)
class Case:
    """`knock` makes the input in a folder of its own, brings it to the door and gives the answer; `alone`: it needs the collector."""

    group: str
    name: str
    knock: Callable[[Path, Collector], Answer]
    wanted: Wanted
    alone: bool = False


def command(group: str, name: str, build: Build, names: str, statuses: tuple[str, ...] = USAGE) -> Case:
    """A command line: `build` writes its files into a folder and gives its arguments."""
    return Case(group, name, lambda folder, _: command_line(build(folder), folder), Wanted(statuses, names))


def write(path: Path, content: Content) -> Path:
    """`content` in a new file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
    return path


def compute(folder: Path, power: str, *more: str) -> list[str]:
    """Arguments of compute for the log `power` in `folder` and the valid run beside it."""
    write(folder / "run" / "run.json", json.dumps(valid.run()))
    return ["compute", "--power", power, "--benchmark", "run", "--tz", "UTC", "--json", *more]


def power_log(name: str, content: Content, file: str = "power.csv", statuses: tuple[str, ...] = USAGE, names: str = "") -> Case:
    """A power log for compute."""

    def build(folder: Path) -> list[str]:
        write(folder / file, content)
        return compute(folder, file)

    return command("power log", name, build, names or file.replace(".", r"\."), statuses)


def run_file(name: str, content: Content | dict[str, Any], names: str = r"run\.json|run description|phase ") -> Case:
    """A run of ours for import."""

    def build(folder: Path) -> list[str]:
        write(folder / "run.json", json.dumps(content) if isinstance(content, dict) else content)
        return ["import", "joulemark", "run.json", "--json"]

    return command("run", name, build, names)


def price_file(name: str, content: Content | dict[str, Any], names: str = r"prices", suffix: str = "json") -> Case:
    """A price file for price import."""

    def build(folder: Path) -> list[str]:
        write(folder / f"prices.{suffix}", json.dumps(content) if isinstance(content, dict) else content)
        return ["price", "import", f"prices.{suffix}", "--json"]

    return command("price file", name, build, names)


def config_file(name: str, content: Content, names: str) -> Case:
    """A configuration for config check."""

    def build(folder: Path) -> list[str]:
        write(folder / "joulemark.toml", content)
        return ["config", "check", "joulemark.toml", "--json"]

    return command("configuration", name, build, names)


def trace_file(
    name: str, content: Content, names: str = r"trace\.csv", options: tuple[str, ...] = (), statuses: tuple[str, ...] = ("exit 5",)
) -> Case:
    """A trace for the replay meter."""

    def build(folder: Path) -> list[str]:
        write(folder / "trace.csv", content)
        more = [word for option in options for word in ("--option", option)]
        return ["meters", "probe", "replay", "--option", 'file="trace.csv"', *more, "--count", "1", "--json"]

    return command("trace", name, build, names, statuses)


def changed(data: dict[str, Any], *path: str | int, to: Any) -> dict[str, Any]:
    """A copy of `data` with the value at `path` exchanged."""
    copy: dict[str, Any] = json.loads(json.dumps(data))
    place: Any = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return copy


def without(data: dict[str, Any], *path: str | int) -> dict[str, Any]:
    """A copy of `data` without the value at `path`."""
    copy: dict[str, Any] = json.loads(json.dumps(data))
    place: Any = copy
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return copy
