"""`joulemark price update` reads the configured feeds from a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from joulemark.cli.price import command
from joulemark.errors import RemoteUnreachable, UsageError
from tests.collector.test_gathering import DAYS, rates
from tests.standins.price_server import Answer, PriceServer


@pytest.fixture
def server() -> Iterator[PriceServer]:
    with PriceServer() as running:
        running.serve("/USD", Answer(rates(), etag='"1"'))
        yield running


def configured(folder: Path, server: PriceServer, *names: str) -> Path:
    """A configuration with a feed of the ECB for each of `names`, whose list lies at /NAME."""
    feeds = [f'[[feed]]\nkind = "ecb"\ncurrencies = ["{name}"]\nurl = "{server.url(f"/{name}")}"\n' for name in names]
    path = folder / "joulemark.toml"
    path.write_text(f'[collector]\ndata_dir = "{folder / "state"}"\n\n' + "\n".join(feeds), encoding="utf-8")
    return path


def update(path: Path, *more: str) -> Result:
    """The command; what it prints, and the error it ended with as `exception`."""
    return CliRunner().invoke(command, ["update", "--config", str(path), *more])


def told(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)["feeds"]
    return found


def test_a_feed_is_read_without_a_collector(tmp_path: Path, server: PriceServer) -> None:
    """The list is read and stored; a second time it is found unchanged; both are told."""
    path = configured(tmp_path, server, "USD")
    assert update(path).stdout == "ecb currencies=USD: 5 rows, 5 added, 1 of them not known before, 0 refused\n"
    assert update(path).stdout == "ecb currencies=USD: not changed\n"
    assert told(update(path, "--json"))[0]["outcome"] == "not_modified"


def test_a_feed_that_fails_is_exit_6_and_the_others_are_read(tmp_path: Path, server: PriceServer) -> None:
    """One address answers 404: its error is told, the other feed is read, and the command ends as unreachable."""
    result = update(configured(tmp_path, server, "GONE", "USD"), "--json")
    assert isinstance(result.exception, RemoteUnreachable)
    assert [(one["outcome"], one["rows"]) for one in told(result)] == [("failed", 0), ("ok", 5)]
    assert "answered 404" in update(configured(tmp_path, server, "GONE")).stdout


def test_a_held_list_is_taken_by_force(tmp_path: Path, server: PriceServer) -> None:
    """A list with two rows of five is held, and said so; --force takes it."""
    path = configured(tmp_path, server, "USD")
    update(path)
    server.serve("/USD", Answer(rates(days=DAYS[:2])))
    held = update(path)
    assert isinstance(held.exception, UsageError)
    assert "held: 2 rows are less than 80%" in held.stdout
    assert told(update(path, "--force", "--json"))[0]["outcome"] == "ok"


def test_without_a_feed_the_next_step_is_told(tmp_path: Path, server: PriceServer) -> None:
    """No feed configured, or none of the kind that was asked for: an error that says where they are described."""
    for names, more, said in (((), (), "no feed is configured"), (("USD",), ("--feed", "vast"), "no feed of kind vast")):
        result = update(configured(tmp_path, server, *names), *more)
        assert isinstance(result.exception, UsageError)
        assert said in str(result.exception)
