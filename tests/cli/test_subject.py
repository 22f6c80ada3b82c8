"""What a command is about: folder, archive or card of a bundle; a run of the collector."""

from __future__ import annotations

import io
import shutil
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from joulemark.cli import subject
from joulemark.errors import FormatError, InsufficientData, RemoteUnreachable, UsageError
from tests.kit import spoil


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spoil.written(tmp_path_factory.mktemp("kit"), "ES1")


def zipped() -> bytes:
    """The bundle as the collector gives it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in spoil.good_files("ES1").items():
            archive.writestr(path, data)
    return out.getvalue()


@pytest.fixture
def collector() -> Iterator[str]:
    """A server that knows one run."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/v1/runs/run-1/bundle"
            body = zipped() if known else b'{"detail": "no such run"}'
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_folder_its_card_and_an_archive_are_one_run(bundle: Path, tmp_path: Path) -> None:
    """However it is named, the same bundle is the same run at the same prices."""
    archive = tmp_path / "bundle.zip"
    archive.write_bytes(zipped())
    found = [subject.read(str(path)) for path in (bundle, bundle / "energy" / "card.json", archive)]
    assert {one.evidence.run.run_id for one in found} == {spoil.good("ES1").run.run_id}
    assert {one.prices.snapshot_id for one in found} == {found[0].prices.snapshot_id}
    assert found[0].prices.prices
    assert found[0].level is None


def test_a_run_comes_from_the_collector(collector: str) -> None:
    """An id is asked of the collector, whose bundle is read as any other; an unknown id is an error that says so."""
    assert subject.read("run-1", url=collector).evidence.run.run_id == spoil.good("ES1").run.run_id
    with pytest.raises(UsageError, match="no such run"):
        subject.read("run-2", url=collector)


def test_nobody_answers() -> None:
    """Without a collector the error is of its own kind and names what to start."""
    with pytest.raises(RemoteUnreachable, match="joulemark collector run"):
        subject.read("run-1", url="http://127.0.0.1:9")


def test_the_level_is_told_when_it_is_asked_for(bundle: Path) -> None:
    """Judged, a bundle of the kit has the level that the validator gives it without knowing any key."""
    assert subject.read(str(bundle), judged=True).level is not None


def test_what_holds_nothing(bundle: Path, tmp_path: Path) -> None:
    """An empty folder, a card alone, a path that is not there, a damaged price file: each is refused with its reason."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InsufficientData, match="no run with readings"):
        subject.read(str(tmp_path / "empty"))
    alone = tmp_path / "card.json"
    shutil.copy(bundle / "energy" / "card.json", alone)
    with pytest.raises(FormatError, match="without its bundle"):
        subject.read(str(alone))
    for name in (str(tmp_path / "nowhere"), ""):
        with pytest.raises(FormatError, match="there is no"):
            subject.read(name)
    spoiled = shutil.copytree(bundle, tmp_path / "spoiled")
    (spoiled / "energy" / "prices.json").write_text("{}")
    with pytest.raises(FormatError, match=r"prices\.json"):
        subject.read(str(spoiled))


def test_a_name_that_is_neither_here_nor_there_may_be_a_typing_error() -> None:
    """Where the collector does not answer, the message says first that no such folder or file is here."""
    with pytest.raises(RemoteUnreachable, match="no folder or file es11 here, and the collector at"):
        subject.read("es11", url="http://127.0.0.1:9")
