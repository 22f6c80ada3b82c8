"""Intake: a file with prices, read and parsed, ready to be taken into the store whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from joulemark import foreign
from joulemark.errors import FormatError
from joulemark.pricing.fetch import Fetch, Harvest, Outcome
from joulemark.pricing.gates import Taken, commit
from joulemark.pricing.importer import Importer, Options
from joulemark.pricing.price import Price
from joulemark.pricing.snapshot import Record
from joulemark.pricing.sources import FORMATS, importer, manual, recognise
from joulemark.pricing.store import Added, PriceStore
from joulemark.timebase import Clock

OURS: Final = (".toml", ".json")
"""Names of files that are taken for price files when no other format is recognised, so that their author reads what is wrong in them."""

ANYTHING: Final = Options()


@dataclass(frozen=True, slots=True)
class Intake:
    """One file: in which format it is, the attempt to read it, and its `harvest`."""

    importer: Importer
    fetch: Fetch
    harvest: Harvest

    @classmethod
    def read(cls, path: Path, *, clock: Clock, kind: str = "", options: Options = ANYTHING) -> Self:
        """What is in `path`, of the format `kind`, else of the one that is recognised. Nothing is stored.

        Raises FormatError when it cannot be read, is of no known format or damaged, UsageError or ConfigError for what is wrong in it.
        """
        begun_ns = clock.utc_ns()
        raw = foreign.content(path, max_bytes=manual.MAX_BYTES)
        text = foreign.decoded(raw, path, errors="strict")
        found = importer(kind) if kind else recognise(text) or (manual.IMPORTER if path.suffix in OURS else None)
        if found is None:
            raise FormatError(f"{path} is in no format of prices that is known", f"say which one with --kind: {', '.join(FORMATS)}")
        read_ns = clock.utc_ns()
        harvest = found.parse(text, name=path.name, fetched_at_ns=read_ns, options=options)
        sha256 = hashlib.sha256(raw).hexdigest()
        fetch = Fetch(
            feed=found.kind,
            url=f"file:{path.name}",
            requested_at_ns=begun_ns,
            outcome=Outcome.OK,
            scope=" ".join(part for part in (path.name, options.provider, options.region) if part),
            fetched_at_ns=read_ns,
            raw_sha256=sha256,
            raw_bytes=len(raw),
            pages=1,
        )
        records = tuple(stamped(record, f"file:{path.name}", sha256) for record in harvest.records)
        return cls(found, fetch, replace(harvest, records=records))

    def commit(self, store: PriceStore, *, force: bool = False) -> Taken:
        """Take it into `store`, past the gates where its format is gated. The very bytes that were taken before change nothing.

        Reading a file a second time is no second sighting: it says what it said. Raises what `gates.commit` does.
        """
        if same := store.holding(self.fetch.feed, self.fetch.scope, self.fetch.raw_sha256):
            return Taken(same, Added())
        return commit(store, self.fetch, self.harvest, force=force or not self.importer.gated)


def stamped(record: Record, source_url: str, sha256: str) -> Record:
    """`record` with the hash of the file that it comes from, where it comes from that file itself."""
    if isinstance(record, Price) and record.source_url == source_url and not record.payload_sha256:
        return replace(record, payload_sha256=sha256)
    return record
