"""The board as a table: one row for each entry, CSV by RFC 4180, units in the names of the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from joulemark.board.classes import Board, Comparison, Place
from joulemark.board.entry import LABELS, Entry
from joulemark.exports.focus import cell
from joulemark.pricing.dates import moment_text

NAME: Final = "energy.csv"
MEDIA_TYPE: Final = "text/csv"


@dataclass(frozen=True, slots=True)
class Column:
    """`kind`: the type of its values as schema.org names it. `value`: of an entry, None for an empty cell."""

    name: str
    kind: str
    description: str
    value: Callable[[Entry], Any]


def text(name: str, description: str, value: Callable[[Entry], Any] | None = None) -> Column:
    """A column of text, by default of the entry's own field of that name."""
    return Column(name, "Text", description, value or (lambda entry: getattr(entry, name)))


def figure(name: str, description: str) -> Column:
    """A column of a figure."""
    return Column(name, "Float", description, lambda entry: getattr(entry.figures, name))


def part(name: str, field: str, kind: str, description: str) -> Column:
    """A column of a part of the key."""
    return Column(name, kind, description, lambda entry: getattr(entry.key, field))


def moment(name: str, field: str, description: str) -> Column:
    """A column of a time, RFC 3339 in UTC."""
    return Column(name, "DateTime", description, lambda entry: moment_text(getattr(entry, field)))


def counted(entry: Entry) -> int | None:
    """How many GPUs the run names; None where that is no count."""
    told = entry.labels.get("gpu_count", "")
    return int(told) if told.isascii() and told.isdigit() else None


WORDS: Final = tuple(name for name in LABELS if name != "gpu_count")
RANK: Final = ("rank", "class_entries")
"""The two columns that are filled from the class and not from the entry alone."""

COLUMNS: Final = (
    text("entry_id", "name of the entry, never given again"),
    text("status", "published or withdrawn"),
    text("level", "ES0, ES1 or ES2, as the validator found"),
    text("scope", "what the joules cover: GPU, NODE_DC, NODE_AC or RACK_AC"),
    text("boundary", "where the meters stand"),
    text("class_id", "SHA-256 of the comparability key; empty where the key is not complete"),
    Column(
        "rank", "Integer", "rank in its class, the same for entries that cannot be told apart; empty where none is given", lambda _: None
    ),
    Column("class_entries", "Integer", "entries in that class that have a rank", lambda _: None),
    text("submitter", "who handed it in"),
    text("title", "what was measured"),
    *(text(name, f"{name} as the run tells it; a label, no part of the key", lambda e, n=name: e.labels.get(n)) for name in WORDS),  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    Column("gpu_count", "Integer", "GPUs as the run tells it; a label, no part of the key", counted),
    part("model_sha256", "model_sha256", "Text", "key: the model's files"),
    part("precision", "precision", "Text", "key: the model's precision"),
    part("dataset_sha256", "dataset_sha256", "Text", "key: the data set"),
    part("input_length_tokens", "input_length", "Float", "key: tokens in"),
    part("output_length_tokens", "output_length", "Float", "key: tokens out"),
    part("concurrency", "concurrency", "Integer", "key: requests at once, as it was set"),
    part("request_rate_per_s", "request_rate_per_s", "Float", "key: arrivals per second, as it was set"),
    text("basis", "of the next three: median or olympic mean of the repetitions, or all phases together", lambda e: e.figures.basis),
    figure("joules_per_1k_output_tokens", "J per 1000 output tokens: the figure that is compared"),
    figure("u95_j_per_1k_output_tokens", "its expanded uncertainty, J per 1000 output tokens"),
    figure("uncertainty_rel", "the same as a part of the figure"),
    figure("joules_per_1k_total_tokens", "J per 1000 tokens, input and output"),
    figure("joules_per_request", "J per request"),
    figure("idle_w", "mean W while idle with the engine loaded"),
    figure("coverage", "part of the measured time that has readings"),
    Column("simulated", "Boolean", "replayed, fake, or of the conformance kit", lambda entry: entry.simulated),
    text("rule_set", "edition of the standard that it was judged by"),
    moment("run_begin", "run_begin_ns", "begin of the first measured phase"),
    moment("published", "published_ns", "when it was published here"),
    moment("modified", "modified_ns", "when it was withdrawn, else published"),
    text("card_sha256", "of the card"),
    text("manifest_sha256", "of the bundle's manifest"),
    text("bundle_sha256", "of the bundle's archive"),
    text("replaces", "the entry that it stands for from now on"),
    text("origin", "the board that it was followed from"),
    text("withdrawn_reason", "why it was withdrawn"),
)


def written(entries: Iterable[Entry]) -> bytes:
    """The table of `entries`, newest first whatever their order, with ranks among themselves; UTF-8 with CR LF. An empty cell is null.

    A text that a spreadsheet would run as a formula has an apostrophe before it.
    """
    listed = sorted(entries, key=lambda entry: (-entry.published_ns, entry.entry_id))
    places = Board.of(listed).places
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow([column.name for column in COLUMNS])
    rows.writerows([row(entry, places.get(entry.entry_id)) for entry in listed])
    return out.getvalue().encode()


def row(entry: Entry, place: tuple[Place, Comparison] | None) -> list[str]:
    """The cells of one entry."""
    ranked = {} if place is None else dict(zip(RANK, (place[0].rank, len(place[1].places)), strict=True))
    return [cell(ranked.get(column.name, column.value(entry))) for column in COLUMNS]
