"""What readers of a run see: page and label of its bundle, judged once and kept as long as the bundle is the same."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from joulemark.cards.bundle import MANIFEST, write_file
from joulemark.collector.shelf import Answer
from joulemark.standard import read
from joulemark.standard.publication import Publication
from joulemark.standard.trust import Trust

HTML: Final = "text/html; charset=utf-8"
SVG: Final = "image/svg+xml"
PAGE: Final = "card.html"
"""Where the label leads: the page stands beside it."""

MOST_KEPT: Final = 16
"""Bundles whose page and label are kept: some ten megabytes."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Page and label of one bundle, and the document that they show, `joulemark.report/1`."""

    page: Answer
    label: Answer
    document: Mapping[str, Any]

    @classmethod
    def of(cls, files: Mapping[str, bytes], trust: Trust | None = None) -> Self:
        """The bundle of `files` judged and drawn, which takes seconds; `trust`: whose signatures count, the kit's alone if None.

        Raises InsufficientData where its readings give no card.
        """
        with tempfile.TemporaryDirectory(prefix="joulemark-") as place:
            for path, data in files.items():
                write_file(Path(place) / path, data)
            found = Publication.of(read.bundle(Path(place), trust=trust))
        return cls(Answer.of(found.page.encode(), HTML, None), Answer.of(found.label(PAGE).encode(), SVG, None), found.document)


@dataclass(frozen=True, slots=True)
class Showing:
    """One bundle is judged at a time, and not again while it is the same: a reader who reloads takes no processor from the ingest.

    `trust`: whose signatures count, the kit's alone if None.
    """

    trust: Trust | None = None
    kept: OrderedDict[str, Shown] = field(default_factory=OrderedDict)
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, files: Mapping[str, bytes]) -> Shown:
        """What there is to see of a bundle. Raises InsufficientData."""
        key = hashlib.sha256(files[MANIFEST]).hexdigest()
        async with self.busy:
            if key not in self.kept:
                self.kept[key] = await asyncio.to_thread(Shown.of, files, self.trust)
                if len(self.kept) > MOST_KEPT:
                    self.kept.popitem(last=False)
            self.kept.move_to_end(key)
            return self.kept[key]
