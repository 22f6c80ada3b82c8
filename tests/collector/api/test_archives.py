"""Archives on their way in: bounded in bytes and time, whole in a file, and gone afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from joulemark.collector.api import archives
from joulemark.collector.api.archives import Arrived, arrived, is_archive
from joulemark.collector.api.refusals import Reason, Refusal
from tests.board.archives import sha256

ZIP = "application/zip"


def request(*pieces: bytes | float | None, media_type: str = ZIP, declared: int | None = None, path: str = archives.PATH) -> Request:
    """A request whose body comes in `pieces`: a number is a wait in seconds, None the end of the client."""
    waiting = list(pieces)
    headers = [(b"content-type", media_type.encode())]
    if declared is not None:
        headers.append((b"content-length", str(declared).encode()))

    async def receive() -> dict[str, Any]:
        while waiting and isinstance(waiting[0], float):
            await asyncio.sleep(waiting.pop(0) or 0.0)
        piece = waiting.pop(0) if waiting else b""
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    return Request({"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}, receive)


def received(folder: Path, asked: Request, *, most_bytes: int = 100, within_s: float = 5.0) -> tuple[Arrived, bytes]:
    """What arrived, and the bytes of its file while it was there."""

    async def read() -> tuple[Arrived, bytes]:
        async with arrived(asked, folder, most_bytes=most_bytes, within_s=within_s) as archive:
            return archive, archive.path.read_bytes()

    return asyncio.run(read())


def test_a_body_is_whole_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes, size and hash, however it was cut into pieces; afterwards the file is gone."""
    monkeypatch.setattr(archives, "STEP_BYTES", 4)
    archive, content = received(tmp_path / "in", request(b"first ", b"", b"second", b" third"))
    assert content == b"first second third"
    assert (archive.size, archive.sha256) == (len(content), sha256(content))
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (lambda: request(b"x" * 101), Reason.TOO_LARGE),
        (lambda: request(b"x" * 60, b"x" * 60), Reason.TOO_LARGE),
        (lambda: request(b"x", declared=101), Reason.TOO_LARGE),
        (lambda: request(b"x", declared=10**30), Reason.TOO_LARGE),
        (lambda: request(b"x", media_type="text/html"), Reason.MEDIA_TYPE),
        (lambda: request(b"x", media_type=""), Reason.MEDIA_TYPE),
        (lambda: request(b"x", 2.0, b"x"), Reason.TOO_SLOW),
    ],
)
def test_what_is_beyond_a_bound_is_refused(tmp_path: Path, asked: Callable[[], Request], reason: Reason) -> None:
    """Too long, declared or not, another media type, or too slow: each has its reason, and no file stays."""
    with pytest.raises(Refusal) as refused:
        received(tmp_path, asked(), within_s=0.2)
    assert refused.value.reason is reason
    assert list(tmp_path.iterdir()) == []


def test_a_client_that_leaves_leaves_nothing(tmp_path: Path) -> None:
    """A body that breaks off is no archive."""
    with pytest.raises(ClientDisconnect):
        received(tmp_path, request(b"x", None))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_said(tmp_path: Path) -> None:
    """Where no file can be made the answer is 507, with the reason of the system."""
    (tmp_path / "in").write_bytes(b"no folder")
    with pytest.raises(Refusal) as refused:
        received(tmp_path / "in", request(b"x"))
    assert (refused.value.status, refused.value.reason) == (507, Reason.DISK)


def test_errors_of_what_follows_are_not_of_the_archive(tmp_path: Path) -> None:
    """An error of the route that works with the archive passes as it is, and the file goes."""

    async def failing() -> None:
        async with arrived(request(b"x"), tmp_path, most_bytes=100, within_s=5.0):
            raise OSError("of the route")

    with pytest.raises(OSError, match="of the route"):
        asyncio.run(failing())
    assert list(tmp_path.iterdir()) == []


def test_only_submissions_are_archives() -> None:
    """The body of any other route is JSON."""
    assert is_archive(request())
    assert not is_archive(request(path="/v1/runs"))
