"""Routes of the board: bundles in; list, feed, files and entries out, as bytes that were made when the board last changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import Field

from joulemark.board import croissant, feed, table
from joulemark.board.entry import Entry
from joulemark.board.followed import standings
from joulemark.board.snapshot import DATE
from joulemark.board.snapshot import MEDIA_TYPES as SNAPSHOT_TYPES
from joulemark.collector.api.access import ASKER, Asker
from joulemark.collector.api.archives import ARRIVED, MEDIA_TYPES, Arrived
from joulemark.collector.api.bodies import PRINTABLE, Body
from joulemark.collector.api.problems import NotFound, described
from joulemark.collector.api.refusals import Reason, Refusal
from joulemark.collector.api.state import Served
from joulemark.collector.boarding import Boarding
from joulemark.collector.shelf import Answer
from joulemark.collector.tokens import Scope
from joulemark.errors import EnvironmentFailed
from joulemark.standard.verdict import LEVELS

router = APIRouter(prefix="/v1/board", tags=["board"], responses=described(400, 409, 415, 429, 507))

REVALIDATE: Final = "no-cache"
"""Kept by whoever likes, and asked about each time: the answer is 304 while nothing has changed."""

FOR_EVER: Final = "max-age=31536000, immutable"
GRADE: Final = rf"^({'|'.join(LEVELS[1:])})$"
ARCHIVE: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES}}
}
FOUND: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "Not Modified"}}

FROZEN: Final[dict[str, Any]] = {"content": {kind: {} for kind in SNAPSHOT_TYPES.values()}}

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
"""The last part of an entry's id."""

Day = Annotated[str, Path(pattern=f"^{DATE.pattern}$")]
FileName = Annotated[str, Path(pattern=r"^[a-z]{1,20}\.[a-z]{1,5}$")]
Number = Annotated[int, Query(ge=1, lt=2**31)]
Text = Annotated[str | None, Query(min_length=1, max_length=200, pattern=PRINTABLE)]


class Withdrawal(Body):
    """Why an entry is taken back; it is shown with it."""

    reason: Annotated[str, Field(min_length=1, max_length=1000, pattern=PRINTABLE)]


class SnapshotBody(Body):
    """Of which day: `2026-12-31`, UTC."""

    date: Annotated[str, Field(pattern=f"^{DATE.pattern}$")]


def told(media_type: str) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of an answer that is prepared bytes."""
    return {**FOUND, 200: {"description": "OK", "content": {media_type: {}}}}


async def board_of(state: Served) -> Boarding:
    """The board of this collector, a coroutine as `app.known_parameters` is one. Raises NotFound where it has none."""
    if state.board is None:
        raise NotFound("this collector has no board", "start it with: joulemark collector run")
    return state.board


Boarded = Annotated[Boarding, Depends(board_of)]


@router.post("/submissions", status_code=202, openapi_extra=ARCHIVE)
async def submit(request: Request, board: Boarded, level: Annotated[str, Query(pattern=GRADE)] = LEVELS[1]) -> Response:
    """Hand in a bundle, as a ZIP or gzipped tar. `level`: below it the bundle is refused. The same bytes again are the same submission."""
    arrived, asker = cast("Arrived", request.scope[ARRIVED]), cast("Asker", request.scope[ASKER])
    try:
        taken = await board.submit(arrived, asker.name, level)
    except EnvironmentFailed as error:
        raise Refusal(Reason.DISK, 507, error.what, error.next_step) from error
    return JSONResponse(taken.to_json(), 202, {"Location": f"/v1/board/submissions/{taken.submission_id}"})


@router.get("/submissions/{submission_id}")
async def submission(submission_id: Annotated[str, Path(pattern="^[0-9a-f]{64}$")], board: Boarded) -> dict[str, Any]:
    """Where a submission is: `received`, `validating`, `published` with the id of its entry, or `refused` with every reason."""
    found = await asyncio.to_thread(board.desk.store.submission, submission_id)
    if found is None:
        raise NotFound(f"no submission {submission_id}", "hand a bundle in with POST /v1/board/submissions")
    return found.to_json()


@router.get("/follows")
async def follows(board: Boarded) -> dict[str, Any]:
    """How each board stands that is followed: when it was looked at, what it brought, what of it was refused and why."""
    return {"follows": await asyncio.to_thread(standings, board.desk.store)}


@router.get("", responses=FOUND)
async def listed(
    request: Request,
    board: Boarded,
    page: Number = 1,
    class_id: Annotated[str | None, Query(alias="class", pattern="^[0-9a-f]{12,64}$")] = None,
    level: Annotated[str | None, Query(pattern=GRADE)] = None,
    model: Text = None,
) -> Response:
    """A page of the board: classes with their ranks, then what has none. Filters leave ranks as they are in the whole class."""
    answer = board.shelf.listed(page, class_id=class_id, level=level, model=model)
    return answered(request, answer, what=f"page {page}")


@router.get("/feed.json", responses=told(feed.MEDIA_TYPE), response_class=Response)
async def fed(request: Request, board: Boarded, page: Number = 1) -> Response:
    """A page of the JSON Feed 1.1, what changed last first; `next_url` leads to the next one."""
    pages = board.shelf.feed
    return answered(request, pages[page - 1] if page <= len(pages) else None, what=f"page {page}")


@router.get("/energy.csv", responses=told(table.MEDIA_TYPE), response_class=Response)
async def csv(request: Request, board: Boarded) -> Response:
    """Every entry as a row of a table, RFC 4180."""
    return answered(request, board.shelf.files.get(table.NAME), what="table")


@router.get("/croissant.json", responses=told(croissant.MEDIA_TYPE), response_class=Response)
async def described_as_data(request: Request, board: Boarded) -> Response:
    """The table described as a data set: Croissant 1.1."""
    return answered(request, board.shelf.files.get(croissant.NAME), what="description")


@router.post("/snapshots", status_code=201)
async def freeze(body: SnapshotBody, board: Boarded) -> dict[str, Any]:
    """Keep the board as it stood at the end of a day, for ever. The same day again changes nothing."""
    return {"date": body.date, "files": await board.freeze(body.date)}


@router.get("/snapshots")
async def snapshots(board: Boarded) -> dict[str, Any]:
    """The days that have a snapshot, newest first, with the SHA-256 of each file."""
    found = await asyncio.to_thread(board.desk.store.snapshots)
    return {"snapshots": [{"date": date, "files": files} for date, files in found.items()]}


@router.get("/snapshots/{date}")
async def snapshot(date: Day, board: Boarded) -> dict[str, Any]:
    """The snapshot of one day: the SHA-256 of each file."""
    found = await asyncio.to_thread(board.desk.store.snapshots, date)
    if date not in found:
        raise NotFound(f"no snapshot of {date}", "list them with GET /v1/board/snapshots")
    return {"date": date, "files": found[date]}


@router.get("/snapshots/{date}/{name}", response_class=Response, responses={200: FROZEN})
async def snapshot_file(date: Day, name: FileName, board: Boarded) -> Response:
    """One file of a snapshot, the same bytes for ever."""
    found = await asyncio.to_thread(board.desk.store.snapshot, date, name)
    if found is None:
        raise NotFound(f"no file {name} of a snapshot of {date}", "list them with GET /v1/board/snapshots")
    headers = {"ETag": f'"{found.sha256}"', "Cache-Control": FOR_EVER}
    return Response(found.body, media_type=SNAPSHOT_TYPES.get(name), headers=headers)


@router.get("/entries", responses=FOUND)
async def entries(request: Request, board: Boarded, page: Number = 1) -> Response:
    """A page of all entries, each `joulemark.board-entry/1`: what reports are made of."""
    return answered(request, board.shelf.whole(page), what=f"page {page}")


@router.get("/entries/{entry_id}", responses=FOUND)
async def entry(entry_id: Id, request: Request, board: Boarded) -> Response:
    """One entry: `joulemark.board-entry/1`."""
    return answered(request, board.shelf.told(entry_of(board, entry_id)), what=entry_id)


@router.get("/entries/{entry_id}/card", response_class=FileResponse)
async def card(entry_id: Id, board: Boarded) -> Response:
    """The energy card of an entry, as it stands in its bundle."""
    path = board.desk.archives.card(entry_of(board, entry_id).bundle_sha256)
    return kept(path.is_file(), path, "application/json", what=f"the card of {entry_id}")


@router.get("/entries/{entry_id}/bundle", response_class=FileResponse)
async def bundle(entry_id: Id, board: Boarded) -> Response:
    """The archive of an entry, byte for byte as it was handed in."""
    sha256 = entry_of(board, entry_id).bundle_sha256
    path = board.desk.archives.path(sha256)
    return kept(path.is_file(), path, "application/octet-stream", what=f"the bundle of {entry_id}")


@router.post("/entries/{entry_id}/withdraw")
async def withdraw(entry_id: Id, body: Withdrawal, request: Request, board: Boarded) -> dict[str, Any]:
    """Take an entry back: it stays listed as withdrawn, with the reason. With the token it was handed in with, or one of scope admin."""
    found, asker = entry_of(board, entry_id), cast("Asker", request.scope[ASKER])
    if asker.scope is not Scope.ADMIN and (found.origin or asker.name != found.submitter):
        raise Refusal(
            Reason.SCOPE,
            403,
            f"entry {found.entry_id} was handed in by {found.submitter}, the token shown is {asker.name}'s",
            "withdraw it with the token it was handed in with, or with one of scope admin",
        )
    return (await board.withdraw(found.entry_id, body.reason)).to_json()


def entry_of(board: Boarding, entry_id: str) -> Entry:
    """An entry by the last part of its id. Raises NotFound."""
    found = board.shelf.entries.get(entry_id)
    if found is None:
        raise NotFound(f"no entry {entry_id} is on the board", "list them with GET /v1/board")
    return found


def answered(request: Request, answer: Answer | None, *, what: str) -> Response:
    """The prepared answer, or 304 where the asker has it already. Raises NotFound for None."""
    if answer is None:
        raise NotFound(f"the board has no {what}", "begin with page 1")
    headers = {"ETag": answer.etag, "Cache-Control": REVALIDATE}
    if answer.last_modified is not None:
        headers["Last-Modified"] = answer.last_modified
    if unchanged(request.headers, answer):
        return Response(status_code=304, headers=headers)
    return Response(answer.body, media_type=answer.media_type, headers=headers)


def unchanged(asked: Mapping[str, str], answer: Answer) -> bool:
    """Whether what the asker has is the answer: by its tag, else by its date (RFC 9110, section 13.2.2)."""
    if (tags := asked.get("if-none-match")) is not None:
        return tags.strip() == "*" or answer.etag in (tag.strip().removeprefix("W/") for tag in tags.split(","))
    return answer.last_modified is not None and asked.get("if-modified-since") == answer.last_modified


def kept(there: bool, path: Any, media_type: str, *, what: str) -> Response:
    """A file that never changes. Raises NotFound where there is none."""
    if not there:
        raise NotFound(f"{what} is not kept here", "take it from where the entry came from")
    return FileResponse(path, media_type=media_type, headers={"Cache-Control": FOR_EVER})
