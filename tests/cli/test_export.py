"""`joulemark export`: from a bundle, an archive of one, or a run of the collector, to a file or to standard output."""

from __future__ import annotations

import csv
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from joulemark.cards import bundle
from joulemark.cli.export import command
from joulemark.errors import InsufficientData, JoulemarkError, UsageError
from joulemark.pricing.snapshot import Snapshot
from joulemark.timebase import SystemClock
from joulemark.units import NS_PER_S
from tests.exports import cloudevents_rules, focus_rules, stripe_rules
from tests.exports.conftest import RUN_ID, evidence_of, window


def joulemark(*args: str | Path) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args])


def refused(kind: type[JoulemarkError], *args: str | Path) -> str:
    """The message of the error that the command ends with."""
    done = joulemark(*args)
    assert isinstance(done.exception, kind), done.output
    return str(done.exception)


def recent_ns() -> int:
    """An hour ago, in whole seconds."""
    return (SystemClock().utc_ns() // NS_PER_S - 3600) * NS_PER_S


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of a run of an hour ago, with a price and its tokens."""
    place = tmp_path / "bundle"
    bundle.write(place, evidence_of([window("decode", 0, 600, at_ns=recent_ns())]))
    return place


@pytest.fixture
def url(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A collector that knows one run, and answers for its bundle only."""
    body = zipped(folder, tmp_path / "served.zip").read_bytes()

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == f"/v1/runs/{RUN_ID}/bundle"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(body if known else b'{"detail": "there is no such run", "next_step": "list the runs"}')

        def log_message(self, *args: Any) -> None:
            """Nothing: the test tells what was asked."""

    monkeypatch.delenv("JOULEMARK_CONFIG", raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def zipped(folder: Path, place: Path) -> Path:
    """A ZIP of the bundle `folder` at `place`."""
    with zipfile.ZipFile(place, "w") as out:
        for path in folder.rglob("*"):
            out.write(path, path.relative_to(folder))
    return place


def test_a_bundle_becomes_rows(folder: Path) -> None:
    """The rows of a bundle go to standard output as they stand in the file, and obey the rules of FOCUS."""
    done = joulemark("focus", folder, "--account", "lab")
    assert done.exit_code == 0
    text = done.stdout_bytes.decode()
    assert focus_rules.findings(text) == []
    assert [row["BillingAccountId"] for row in csv.DictReader(io.StringIO(text, newline=""))] == ["lab"]


def test_a_file_is_written_whole_and_told(folder: Path, tmp_path: Path) -> None:
    """With --out the file holds what standard output would, and the answer says what and how much it is."""
    out = tmp_path / "rows.csv"
    done = joulemark("focus", folder, "--out", out, "--json")
    told = json.loads(done.stdout)
    assert told == {"schema": "joulemark.export/1", "kind": "focus/1.2", "file": str(out), "count": 1, "findings": []}
    assert out.read_bytes() == joulemark("focus", folder).stdout_bytes
    assert joulemark("focus", folder, "--out", out).stdout == f"1 focus/1.2 records in {out}\n"
    assert not list(tmp_path.glob("*.part"))


def test_json_needs_a_file(folder: Path) -> None:
    """--json tells about a file, so without --out it is refused and does not print the rows in its place."""
    assert "--out is missing" in refused(UsageError, "focus", folder, "--json")


def test_an_archive_is_a_bundle_too(folder: Path, tmp_path: Path) -> None:
    """A ZIP of the folder gives the events of the folder, which obey CloudEvents."""
    done = joulemark("openmeter", zipped(folder, tmp_path / "bundle.zip"), "--subject", "one")
    assert cloudevents_rules.findings(done.stdout) == []
    assert done.stdout == joulemark("openmeter", folder, "--subject", "one").stdout


def test_a_recent_run_can_be_invoiced(folder: Path) -> None:
    """The events of a run of an hour ago are inside the limits of Stripe, now."""
    done = joulemark("stripe", folder, "--customer", "cus_1")
    assert done.exit_code == 0
    assert stripe_rules.findings(done.stdout, now_s=SystemClock().utc_ns() / NS_PER_S) == []


def test_an_old_run_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """A run of 36 days ago exports nothing to Stripe, and the message names the limit and the way out."""
    bundle.write(tmp_path / "old", evidence_of([window("decode", 0, 600, at_ns=recent_ns() - 36 * 86_400 * NS_PER_S)]))
    message = refused(UsageError, "stripe", tmp_path / "old", "--customer", "cus_1")
    assert "36.0 days ago, and Stripe takes 35: add its tokens to the invoice by hand" in message


def test_what_is_missing_goes_to_stderr(tmp_path: Path) -> None:
    """A run without a price makes rows without amounts, and stderr says so; with --priced-only nothing is left, which is exit 4."""
    bundle.write(tmp_path / "bare", evidence_of([window("decode", 0, 600)], prices=Snapshot()))
    done = joulemark("focus", tmp_path / "bare")
    assert done.exit_code == 0
    assert "phase 'decode' is without amounts" in done.stderr
    assert "nothing can be exported" in refused(InsufficientData, "focus", tmp_path / "bare", "--priced-only")


def test_a_run_of_the_collector(url: str) -> None:
    """A name that is no path is a run of the collector, and its card becomes events; an unknown one is refused with its words."""
    done = joulemark("openmeter", RUN_ID, "--subject", "one", "--url", url)
    assert [event["id"].split("/")[0] for event in json.loads(done.stdout)] == [RUN_ID] * 3
    assert "there is no such run" in refused(UsageError, "focus", "unknown", "--url", url)


def test_what_is_no_bundle_is_named(tmp_path: Path) -> None:
    """A path that does not exist, an empty folder and a file of something else are refused, each with what to give."""
    assert f"there is no {tmp_path}/nowhere" in refused(UsageError, "focus", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "holds no run" in refused(InsufficientData, "focus", tmp_path / "empty")
    (tmp_path / "text").write_text("x")
    assert "neither a folder nor a ZIP" in refused(UsageError, "focus", tmp_path / "text")


def test_a_place_that_cannot_be_written_is_named(folder: Path, tmp_path: Path) -> None:
    """A file in a folder that does not exist is refused, and nothing is left behind."""
    assert "cannot write" in refused(UsageError, "focus", folder, "--out", tmp_path / "no" / "rows.csv")
