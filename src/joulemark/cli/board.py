"""`joulemark board`: bundles handed in to an energy-only board, what stands there, and other boards followed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from joulemark import config as configuration
from joulemark.cli import emit, json_option
from joulemark.cli.board_text import follow_text, list_text, snapshot_text, submission_text, withdrawal_text
from joulemark.cli.progress import Told, one_by_one, progress
from joulemark.client import Client
from joulemark.errors import FormatError, NotCompliant, RemoteUnreachable, UsageError
from joulemark.units import NS_PER_S

if TYPE_CHECKING:
    from joulemark.board.entry import Entry

LEVELS: Final = ("ES0", "ES1", "ES2")
MEDIA_TYPES: Final = {b"PK\x03\x04": "application/zip", b"\x1f\x8b": "application/gzip"}
"""By the first bytes of an archive."""

DAY_NS: Final = 86_400 * NS_PER_S
LOOK_S: Final = 0.5
"""Between two questions whether a bundle was judged."""

ADDRESS: Final = "Address of the board's collector; $JOULEMARK_URL or client.url without it."

to_option = click.option("--to", "url", metavar="URL", help=ADDRESS)
from_option = click.option("--from", "url", metavar="URL", help=ADDRESS)
token_option = click.option("--token-file", type=click.Path(path_type=Path), help="File with the token to show there.")
config_option = click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file.")


@click.group()
def command() -> None:
    """Hand bundles in to an energy-only board, list it, follow other boards, report on a quarter."""


@command.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option("--level", type=click.Choice(LEVELS), default="ES0", show_default=True, help="Below this level the bundle is refused.")
@click.option("--no-wait", is_flag=True, help="End when the bundle was taken, before it is judged.")
@to_option
@token_option
@json_option
def submit(bundle: Path, level: str, no_wait: bool, url: str | None, token_file: Path | None, as_json: bool) -> None:
    """Hand BUNDLE, a folder or an archive of one, in to a board, and wait for its verdict.

    The same bundle again is the same submission. Exits 3 when it is refused, with every reason.
    """
    client = Client(url, token_file=token_file)
    with progress("bundle handed in"), packed(bundle) as archive:
        found = client.hand_in(archive, media_type(archive), level=level)
    with progress("waiting for the verdict"):
        while not no_wait and found["state"] in ("received", "validating"):
            time.sleep(LOOK_S)
            found = client.call("GET", f"/v1/board/submissions/{found['submission_id']}")
    emit(found, as_json=as_json, text=submission_text)
    if found["state"] == "refused":
        raise NotCompliant(f"{bundle} was refused by {', '.join(reason['rule'] for reason in found['reasons'])}", "see the reasons above")


@command.command(name="list")
@click.option("--class", "class_id", help="Only this comparability class, by the first 12 characters of its id or more.")
@click.option("--level", type=click.Choice(LEVELS), help="Only entries of this level.")
@click.option("--model", help="Only entries of this model.")
@click.option("--page", type=click.IntRange(min=1), default=1, show_default=True, help="Which hundred entries.")
@from_option
@token_option
@json_option
def listed(
    class_id: str | None, level: str | None, model: str | None, page: int, url: str | None, token_file: Path | None, as_json: bool
) -> None:
    """What stands on a board: classes with their ranks, then what has none."""
    from urllib.parse import urlencode

    asked = {"page": page, "class": class_id, "level": level, "model": model}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    found = Client(url, token_file=token_file).call("GET", f"/v1/board?{query}")
    emit(found, as_json=as_json, text=list_text)


@command.command()
@click.argument("entry")
@click.option("--reason", required=True, help="Why; it is shown with the entry for ever.")
@to_option
@token_option
@json_option
def withdraw(entry: str, reason: str, url: str | None, token_file: Path | None, as_json: bool) -> None:
    """Take ENTRY back, by its id: it stays listed as withdrawn.

    With the token it was handed in with, or one of scope admin.
    """
    path = f"/v1/board/entries/{entry.rpartition(':')[2]}/withdraw"
    emit(Client(url, token_file=token_file).call("POST", path, {"reason": reason}), as_json=as_json, text=withdrawal_text)


@command.command()
@click.option("--date", help="Which day, as 2026-12-31; yesterday (UTC) without it.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder into which its files are written too, each checked by its hash.")
@to_option
@token_option
@json_option
def snapshot(date: str | None, out: Path | None, url: str | None, token_file: Path | None, as_json: bool) -> None:
    """Have a board keep itself as it stood at the end of a day, for ever. With a token of scope admin."""
    import hashlib

    from joulemark.pricing.dates import moment_text
    from joulemark.timebase import SystemClock

    client = Client(url, token_file=token_file)
    day = date or moment_text(SystemClock().utc_ns() - DAY_NS)[: len("2026-12-31")]
    found = client.call("POST", "/v1/board/snapshots", {"date": day})
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        with progress("files fetched") as told:
            for name, sha256 in one_by_one(found["files"].items(), told):
                data = client.download(f"/v1/board/snapshots/{day}/{name}")
                if "/" in name or hashlib.sha256(data).hexdigest() != sha256:
                    raise FormatError(f"{name} of the snapshot of {day} has not the hash that the board names", "ask who runs the board")
                (out / name).write_bytes(data)
    emit(found, as_json=as_json, text=snapshot_text)


@command.command()
@click.option("--quarter", required=True, help="For example 2026Q4.")
@click.option("--html", "form", flag_value="html", help="One self-contained page.")
@click.option("--markdown", "form", flag_value="markdown", default=True, help="Markdown, which is printed unless another is asked for.")
@from_option
@token_option
@json_option
def report(quarter: str, form: str, url: str | None, token_file: Path | None, as_json: bool) -> None:
    """What entered a board in a quarter, the median of each class, what moved, what was taken back."""
    from joulemark.board import report_page, report_text
    from joulemark.board.quarter import Quarter
    from joulemark.board.report import Report
    from joulemark.timebase import SystemClock

    asked = Quarter.parse(quarter)
    with progress("pages of the board read") as told:
        made = Report.of(entries_of(Client(url, token_file=token_file), told), asked, now_ns=SystemClock().utc_ns())
    written = report_page.page if form == "html" else report_text.markdown
    emit(made.to_json(), as_json=as_json, text=lambda _: written(made).rstrip("\n"))


@command.command()
@click.argument("url")
@click.option("--whole", is_flag=True, help="Read the whole feed, also where the board says that nothing has changed.")
@config_option
@json_option
def follow(url: str, whole: bool, config_file: Path | None, as_json: bool) -> None:
    """Look once at the board at URL: fetch what is new, verify each card again here, take back what was withdrawn there.

    Works on the data folder of the configuration, with or without a running collector; to look again and again, write the address
    into board.follow. Exits 3 when something of it was refused or is wrong, 6 when the board cannot be read.
    """
    import asyncio

    settings = configuration.load(config_file)
    found = asyncio.run(followed(url, settings, whole=whole))
    emit(found, as_json=as_json, text=follow_text)
    kinds = {finding["kind"] for finding in found["findings"]}
    if kinds & {"unreachable", "feed"} and not found["seen"]:
        raise RemoteUnreachable(f"{url} was not read: {found['findings'][0]['detail']}", "what was taken of it before stays")
    if kinds or any(one["state"] == "refused" for one in found["submissions"]):
        raise NotCompliant(
            f"{url} says what its bundles do not bear out, or has changed what it showed", "see above; nothing of it was taken"
        )


async def followed(url: str, settings: configuration.Config, *, whole: bool) -> dict[str, Any]:
    """One look, and what became of each bundle that it brought: `joulemark.board-follow/1` with `submissions`."""
    import asyncio

    from joulemark.board.desk import Desk
    from joulemark.board.follow import Follower
    from joulemark.timebase import SystemClock

    desk = Desk.of(settings, SystemClock())
    try:
        with progress("board read"):
            look = await Follower.of(settings, desk, url).look(whole=whole)
        with progress("bundles judged"), desk.alone() as alone:
            if alone:
                await desk.work_off()
        settled = []
        with progress("verdicts") as told:
            for submission_id in one_by_one(look.taken, told):
                while (one := desk.store.submission(submission_id)) is not None and one.waits:
                    await asyncio.sleep(LOOK_S)  # the collector on this folder judges it
                settled += [] if one is None else [one.to_json()]
        return {**look.to_json(), "submissions": settled}
    finally:
        desk.close()


def entries_of(client: Client, told: Told) -> Iterator[Entry]:
    """Every entry of a board. Raises FormatError for what is none."""
    from joulemark.board.entry import Entry

    page = pages = 1
    while page <= pages:
        found: Mapping[str, Any] = client.call("GET", f"/v1/board/entries?page={page}")
        pages, page = int(found["pages"]), page + 1
        told(page - 1, pages)
        yield from (Entry.from_json(one) for one in found["entries"])


@contextmanager
def packed(bundle: Path) -> Iterator[Path]:
    """`bundle` as an archive: a file as it is, a folder packed, the same bytes for the same files. Raises UsageError."""
    import tempfile
    import zipfile

    from joulemark import foreign

    if bundle.is_file():
        yield bundle
        return
    with tempfile.TemporaryDirectory(prefix="joulemark-") as place:
        archive = Path(place) / "bundle.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            for path in foreign.files(bundle, "*"):
                out.writestr(zipfile.ZipInfo(path.relative_to(bundle).as_posix()), foreign_bytes(path), zipfile.ZIP_DEFLATED)
        yield archive


def foreign_bytes(path: Path) -> bytes:
    """The bytes of a plain file as they are, packed or not. Raises UsageError."""
    from joulemark import foreign

    with foreign.opened(path) as file:
        return file.read()


def media_type(archive: Path) -> str:
    """What an archive is, by its first bytes. Raises UsageError for what is none."""
    with archive.open("rb") as file:
        head = file.read(4)
    found = next((kind for begin, kind in MEDIA_TYPES.items() if head.startswith(begin)), None)
    if found is None:
        raise UsageError(f"{archive} is neither a folder nor a ZIP or gzipped tar", "give the folder of a bundle, or an archive of one")
    return found
