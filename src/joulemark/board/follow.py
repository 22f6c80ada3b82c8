"""Following another board: its feed is a list of places to look, never of facts. Each bundle is fetched and judged here again, what it
claims and its readings do not bear out is refused, and what it later changes, hides or takes back is noticed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from joulemark import config as configuration
from joulemark.board import follow_feed, words
from joulemark.board.desk import Desk
from joulemark.board.entry import PUBLISHED, WITHDRAWN, Entry
from joulemark.board.follow_feed import Item, Pages
from joulemark.board.submission import PROVABLE, Submission, differing, entry_id_of
from joulemark.config import Config
from joulemark.errors import ConfigError, EnvironmentFailed, FormatError, JoulemarkError, UsageError
from joulemark.pricing.http_web import HttpWeb, Limits
from joulemark.pricing.web import origin
from joulemark.units import NS_PER_S

log = logging.getLogger("joulemark.board.follow")

PAGES: Final = Limits(pages=follow_feed.MOST_PAGES, page_bytes=8 << 20, total_bytes=1 << 30, deadline_s=300.0, idle_s=20.0, attempts=2)
WHOLE_NS: Final = 86_400 * NS_PER_S
"""After so long a board is asked for its whole feed, also where it says that nothing has changed."""

MOST_NEW: Final = 200
"""Bundles that one look fetches; the next look goes on."""

MOST_FINDINGS: Final = 200
LASTING: Final = ("rewritten", "vanished", "returned", "differs")
"""Kinds of findings that are made of the feed, and so hold until it is read again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a board does and should not: `rewritten`, `vanished`, `returned`, `differs`, `bundle`, `feed`, `unreachable`."""

    kind: str
    item_id: str
    detail: str


@dataclass(slots=True)
class Look:
    """What one look at a board came to. `taken`: submissions whose bundles were fetched; `withdrawn`: ids of entries taken back here."""

    board: str
    changed: bool = True
    seen: int = 0
    taken: list[str] = field(default_factory=list)
    linked: int = 0
    withdrawn: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.board-follow/1`."""
        return {"schema": "joulemark.board-follow/1", **asdict(self)}


@dataclass(slots=True)
class Follower:
    """Follows one board. `board`: address of the collector; `secret`: headers that are shown there and nowhere else."""

    desk: Desk
    board: str
    max_bundle_bytes: int
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, config: Config, desk: Desk, board: str) -> Follower:
        """The follower of a configured or given address. Raises ConfigError for one that is none, and for a token that cannot be read."""
        url = board.rstrip("/")
        origin(url)
        tokens = {key.rstrip("/"): path for key, path in config.board.follow_tokens.items()}
        secret = {}
        if url in tokens:
            token = configuration.read_secret(tokens[url], f"board.follow_tokens of {url}")
            if not token or not token.isascii() or not token.isprintable():
                raise ConfigError(f"{tokens[url]} does not hold a token", "write there the one line that joulemark token create printed")
            secret = {"Authorization": f"Bearer {token}"}
        return cls(desk, url, config.board.max_bundle_bytes, secret)

    async def look(self, *, whole: bool = False) -> Look:
        """Read what has changed, fetch what is new, take back what was withdrawn. `whole`: read all, whatever the board says of changes.

        A board that cannot be read is a finding; what was taken of it before stays. Raises EnvironmentFailed for trouble of this machine.
        """
        try:
            return await self._look(whole=whole)
        except OSError as error:
            what = f"what {self.board} gives cannot be kept: {error.strerror or error}"
            raise EnvironmentFailed(what, f"check that {self.desk.incoming} is a folder of yours, and that its disk has room") from error

    async def _look(self, *, whole: bool) -> Look:
        store, now_ns, look = self.desk.store, self.desk.clock.utc_ns(), Look(self.board)
        kept = await asyncio.to_thread(store.board, self.board)
        told = await asyncio.to_thread(store.told, self.board)
        changes: dict[str, dict[str, Any]] = {}
        url = follow_feed.address(self.board)
        again = whole or kept.get("waiting") or now_ns - kept.get("whole_ns", 0) > WHOLE_NS
        known = {} if again else {url: (kept.get("etag", ""), kept.get("last_modified", ""))}
        pages, read = await self._read(url, known, look)
        waiting = bool(kept.get("waiting"))
        if pages is None:
            look.changed = False
        elif read:
            look.seen = len(pages.items)
            look.findings += [Finding("feed", "", what) for what in pages.wrong[:MOST_FINDINGS]]
            waiting = await self._reconcile(pages, told, changes, look) or bool(await asyncio.to_thread(store.waiting))
            if pages.whole:
                kept |= {"etag": pages.etag, "last_modified": pages.last_modified, "whole_ns": now_ns}
        await self._spot_check({**told, **changes}, changes, look)
        for finding in look.findings:
            log.warning("%s: %s %s: %s", self.board, finding.kind, finding.item_id, finding.detail)
        findings = [asdict(one) for one in look.findings]
        if pages is None or not read:  # what it was found to do before, it still does
            findings += [one for one in kept.get("findings", []) if one["kind"] in LASTING]
        kept |= {"looked_ns": now_ns, "waiting": waiting, "findings": findings[:MOST_FINDINGS]}
        kept |= {"good_ns": now_ns} if read else {}
        await asyncio.to_thread(store.note, self.board, kept, changes)
        return look

    async def _read(self, url: str, known: Mapping[str, tuple[str, str]], look: Look) -> tuple[Pages | None, bool]:
        """The feed, None where it is the one that is `known`; and whether it was read at all, if not that is a finding."""
        try:
            async with HttpWeb(frozenset({origin(url)}), clock=self.desk.clock, limits=PAGES, known=known, folder=self._place()) as web:
                return await follow_feed.pages(web, url, secret=self.secret), True
        except UsageError as error:
            look.findings.append(Finding("feed", "", error.what))
        except JoulemarkError as error:
            look.findings.append(Finding("unreachable", "", error.what))
        return Pages(), False

    async def _reconcile(self, pages: Pages, told: Mapping[str, Mapping[str, Any]], changes: dict[str, dict[str, Any]], look: Look) -> bool:
        """Hold what the board says now against what it said before, and against what is known here; whether something is left to fetch."""
        waiting, room = False, follow_feed.MOST_ITEMS - len(told)
        new = [item_id for item_id in pages.items if item_id not in told]
        if len(new) > room:
            what = f"it has named more than {follow_feed.MOST_ITEMS} entries in all; no more are taken"
            look.findings.append(Finding("feed", "", what))
        left_out = set(new[max(0, room) :])
        for item in pages.items.values():
            if item.item_id in left_out:
                continue
            before = told.get(item.item_id)
            if before is None:
                if item.status == PUBLISHED and len(look.taken) >= MOST_NEW:
                    waiting = True
                    continue
                met = await self._met(item, look)
                if met is None:
                    waiting = True
                else:
                    changes[item.item_id] = met
            elif (after := await self._changed(item, before, look)) != before:
                changes[item.item_id] = after
        if pages.whole:
            look.findings += [
                Finding("vanished", item_id, "it was in the feed before, and is gone without a withdrawal")
                for item_id in told
                if item_id not in pages.items
            ]
        return waiting

    async def _met(self, item: Item, look: Look) -> dict[str, Any] | None:
        """What is kept of an entry that is seen for the first time; None when its bundle could not be fetched: it is tried again."""
        note = {
            "status": item.status,
            "bundle_sha256": item.bundle_sha256,
            "bundle_url": item.bundle_url,
            "claim_sha256": digest(item.energy),
        }
        if item.status == WITHDRAWN:
            return {**note, "fate": "was withdrawn when it was first seen"}
        if (own := await self._own(item)) is not None:
            look.linked += 1
            look.findings += [Finding("differs", item.item_id, reason.why) for reason in differing(item.energy, own)]
            return {**note, "entry_id": own.entry_id, "fate": "is here already"}
        submission = await self._fetched(item, look)
        return None if submission is None else {**note, "submission_id": submission.submission_id, "fate": "was fetched"}

    async def _changed(self, item: Item, before: Mapping[str, Any], look: Look) -> dict[str, Any]:
        """What is kept of an entry that was seen before."""
        if item.bundle_sha256 != before["bundle_sha256"]:
            detail = f"its bundle was {before['bundle_sha256']}, and is now said to be {item.bundle_sha256}"
            look.findings.append(Finding("rewritten", item.item_id, detail))
            return dict(before)
        own = await self._own(item)
        if item.status == WITHDRAWN:
            if own is not None and own.origin == self.board and own.status == PUBLISHED:
                reason = words.clean(f"withdrawn at {urlsplit(self.board).netloc}: {showable(item.reason)}")
                now_ns = self.desk.clock.utc_ns()
                await asyncio.to_thread(self.desk.store.withdraw, own.entry_id, reason, now_ns=now_ns)
                look.withdrawn.append(own.entry_id)
            return {**before, "status": WITHDRAWN}
        if before["status"] == WITHDRAWN:
            look.findings.append(Finding("returned", item.item_id, "it was withdrawn, and is said to be published again"))
            return dict(before)
        if own is not None:
            look.findings += [Finding("differs", item.item_id, reason.why) for reason in differing(item.energy, own)]
        elif digest(item.energy) != before["claim_sha256"]:
            submission = await self._fetched(item, look)
            if submission is not None:
                return {**before, "claim_sha256": digest(item.energy), "submission_id": submission.submission_id}
        return dict(before)

    async def _own(self, item: Item) -> Entry | None:
        """The entry here that has the same bundle, whoever brought it."""
        versions = await asyncio.to_thread(self.desk.store.versions, entry_id_of(follow_feed.text(item.energy.get("manifest_sha256"))))
        return versions[-1] if versions and versions[-1].bundle_sha256 == item.bundle_sha256 else None

    async def _fetched(self, item: Item, look: Look) -> Submission | None:
        """The submission of a bundle that was fetched; None, with a finding, where it cannot be had or has another hash than is said."""
        with tempfile.TemporaryDirectory(prefix="following-", dir=self._place()) as place:
            arrived = Path(place) / "bundle"
            size = await self._bundle(item.item_id, item.bundle_url, item.bundle_sha256, look, arrived)
            if size is None:
                return None
            now_ns, host = self.desk.clock.utc_ns(), urlsplit(self.board).netloc
            one = Submission(
                item.bundle_sha256,
                words.clean(f"{words.clean(item.author, longest=words.LONGEST // 2)} ({host})"),
                now_ns,
                size,
                origin=self.board,
                claim={name: item.energy.get(name) for name in PROVABLE},
                changed_ns=now_ns,
            )
            try:
                taken = await self.desk.receive(one, arrived)
            except UsageError as error:
                look.findings.append(Finding("bundle", item.item_id, error.what))
                return None
        look.taken.append(taken.submission_id)
        return taken

    async def _bundle(self, item_id: str, url: str, sha256: str, look: Look, into: Path | None = None) -> int | None:
        """The size of a bundle that has the hash it is said to have, written to `into`; None, with a finding, for another."""
        most = self.max_bundle_bytes
        limits = Limits(pages=1, page_bytes=most, total_bytes=most, deadline_s=300.0, idle_s=20.0, attempts=2)
        try:
            async with HttpWeb(frozenset({origin(self.board)}), clock=self.desk.clock, limits=limits, folder=self._place()) as web:
                reply = await web.stream(url, secret=self.secret)
                assert reply.path is not None
                if reply.sha256 != sha256:
                    detail = f"what {follow_feed.shown(url)} gives has the hash {reply.sha256}, not {sha256}"
                    look.findings.append(Finding("bundle", item_id, detail))
                    return None
                size = reply.path.stat().st_size
                if into is not None:
                    reply.path.replace(into)
                return size
        except JoulemarkError as error:
            look.findings.append(Finding("bundle", item_id, error.what))
            return None

    async def _spot_check(self, told: Mapping[str, Mapping[str, Any]], changes: dict[str, dict[str, Any]], look: Look) -> None:
        """Fetch one bundle that was taken before, the one not looked at for longest: it has to be what it was."""
        due = [
            (note.get("checked_ns", 0), item_id)
            for item_id, note in told.items()
            if note["status"] == PUBLISHED and item_id not in changes and "bundle_url" in note
        ]
        if not due or any(finding.kind == "unreachable" for finding in look.findings):
            return
        _, item_id = min(due)
        note = told[item_id]
        if await self._bundle(item_id, note["bundle_url"], note["bundle_sha256"], look) is not None:
            changes[item_id] = {**note, "checked_ns": self.desk.clock.utc_ns()}

    def _place(self) -> Path:
        """Where bundles arrive, on the file system of the archives."""
        self.desk.incoming.mkdir(parents=True, exist_ok=True)
        return self.desk.incoming


def digest(energy: Mapping[str, Any]) -> str:
    """A hash of what is claimed of a bundle."""
    return hashlib.sha256(json.dumps({name: energy.get(name) for name in PROVABLE}, sort_keys=True).encode()).hexdigest()


def showable(reason: str) -> str:
    """Why another board took an entry back, in its words where they can stand on this one."""
    try:
        words.require_energy_only(reason, where="reason")
    except FormatError:
        return "for a reason that cannot be shown here"
    return reason
