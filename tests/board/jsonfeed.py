"""A validator of JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/), written from the specification and not from our writer.

It says what a reader of feeds would stumble over: a JSON Schema for the shape, and below it what a schema cannot say.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator

TEXT = {"type": "string"}
FULL = {"type": "string", "minLength": 1}
AUTHOR = {
    "type": "object",
    "properties": {"name": FULL, "url": FULL, "avatar": FULL},
    "anyOf": [{"required": [name]} for name in ("name", "url", "avatar")],
    "patternProperties": {"^_": {"type": "object"}},
    "additionalProperties": False,
}
ATTACHMENT = {
    "type": "object",
    "properties": {
        "url": FULL,
        "mime_type": {"type": "string", "pattern": "^[a-z]+/[a-z0-9.+-]+$"},
        "title": TEXT,
        "size_in_bytes": {"type": "number", "minimum": 0},
        "duration_in_seconds": {"type": "number", "minimum": 0},
    },
    "required": ["url", "mime_type"],
    "patternProperties": {"^_": {"type": "object"}},
    "additionalProperties": False,
}
ITEM = {
    "type": "object",
    "properties": {
        "id": FULL,
        **dict.fromkeys(("url", "external_url", "image", "banner_image"), FULL),
        **dict.fromkeys(("title", "content_html", "content_text", "summary", "language"), TEXT),
        **dict.fromkeys(("date_published", "date_modified"), FULL),
        "author": AUTHOR,
        "authors": {"type": "array", "items": AUTHOR},
        "tags": {"type": "array", "items": TEXT},
        "attachments": {"type": "array", "items": ATTACHMENT},
    },
    "required": ["id"],
    "anyOf": [{"required": ["content_html"]}, {"required": ["content_text"]}],
    "not": {"required": ["author"]},
    "patternProperties": {"^_[^.]*$": {"type": "object"}},
    "additionalProperties": False,
}
FEED = {
    "type": "object",
    "properties": {
        "version": {"const": "https://jsonfeed.org/version/1.1"},
        "title": FULL,
        **dict.fromkeys(("home_page_url", "feed_url", "next_url", "icon", "favicon"), FULL),
        **dict.fromkeys(("description", "user_comment", "language"), TEXT),
        "authors": {"type": "array", "items": AUTHOR},
        "expired": {"type": "boolean"},
        "hubs": {"type": "array", "items": {"type": "object", "required": ["type", "url"]}},
        "items": {"type": "array", "items": ITEM},
    },
    "required": ["version", "title", "items"],
    "patternProperties": {"^_[^.]*$": {"type": "object"}},
    "additionalProperties": False,
}


def faults(feed: Any) -> list[str]:
    """What is wrong with a feed; empty when it is one."""
    shape = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(FEED).iter_errors(feed)]
    return shape or list(meant(feed))


def meant(feed: dict[str, Any]) -> Iterator[str]:
    """What a schema cannot say of a feed whose shape is right."""
    ids = [one["id"] for one in feed["items"]]
    yield from (f"id {one} stands twice" for one in sorted(set(ids)) if ids.count(one) > 1)
    if feed.get("next_url") == feed.get("feed_url") is not None:
        yield "next_url is the feed itself"
    for name in ("home_page_url", "feed_url", "next_url"):
        yield from url(feed, name)
    for item in feed["items"]:
        yield from url(item, "url")
        times = {name: item[name] for name in ("date_published", "date_modified") if name in item}
        yield from (f"{name} is no RFC 3339 time: {text}" for name, text in times.items() if not moment(text))
        if len(times) == 2 and all(map(moment, times.values())) and moment(times["date_modified"]) < moment(times["date_published"]):  # type: ignore[operator]  # both are times
            yield f"{item['id']} was modified before it was published"
        for one in item.get("attachments", ()):
            yield from url(one, "url")


def url(found: dict[str, Any], name: str) -> Iterator[str]:
    """A fault where `name` is there and is no absolute address."""
    if name in found and not (urlsplit(found[name]).scheme in ("http", "https") and urlsplit(found[name]).hostname):
        yield f"{name} is no absolute address: {found[name]}"


def moment(text: str) -> datetime | None:
    """A time with its zone; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None and "T" in text else None
