"""Followed boards: how each stands, out of what was noted of it. Reads alone, so that whoever asks loads nothing that follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulemark.board.store import BoardStore
from joulemark.board.submission import State


def standings(store: BoardStore) -> list[dict[str, Any]]:
    """How each board that was ever followed stands: when it was looked at, what it brought, what it does that it should not."""
    return [standing(store, url, kept) for url, kept in store.boards().items()]


def standing(store: BoardStore, url: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    """One board. `refused`: entries that are not shown here, with the reasons; `waiting`: those that are not judged yet."""
    told = store.told(url)
    ids = {item_id: note["submission_id"] for item_id, note in told.items() if "submission_id" in note}
    found = {item_id: store.submission(submission_id) for item_id, submission_id in ids.items()}
    refused = [
        {"item_id": item_id, "submission_id": one.submission_id, "reasons": [f"{reason.rule}: {reason.why}" for reason in one.reasons]}
        for item_id, one in found.items()
        if one is not None and one.state is State.REFUSED
    ]
    return {
        "url": url,
        "looked_ns": kept.get("looked_ns"),
        "good_ns": kept.get("good_ns"),
        "entries": len(told),
        "published": sum(one is not None and one.state is State.PUBLISHED for one in found.values()),
        "linked": sum("entry_id" in note for note in told.values()),
        "waiting": sum(one is not None and one.waits for one in found.values()),
        "refused": refused,
        "findings": kept.get("findings", []),
    }
