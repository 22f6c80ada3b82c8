"""Many cards for one board: entries as the desk publishes them, in many classes, each with figures and hashes of its own."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace

from joulemark.board.entry import Entry
from joulemark.board.submission import entry_id_of
from tests.board.entries import KEY, entry, figures

CLASSES = 200
LEVELS = ("ES1", "ES1", "ES2", "ES0")


def sha256(text: str) -> str:
    """Of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def cards(count: int, *, seed: int) -> Iterator[tuple[Entry, str]]:
    """`count` entries with the ids of their runs."""
    rng = random.Random(seed)
    for number in range(1, count + 1):
        manifest = sha256(f"manifest {seed} {number}")
        value = rng.uniform(50.0, 5000.0)
        made = entry(
            number,
            level=rng.choice(LEVELS),
            key=replace(KEY, concurrency=1 + number % CLASSES),
            entry_id=entry_id_of(manifest),
            manifest_sha256=manifest,
            bundle_sha256=sha256(f"bundle {seed} {number}"),
            card_sha256=sha256(f"card {seed} {number}"),
            submitter=f"Laboratory {number % 97}",
            figures=figures(value, value * rng.uniform(0.003, 0.05)),
        )
        yield made, f"run-{seed}-{number}"
