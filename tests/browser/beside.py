"""Two more collectors in one process: one that holds nothing yet, and the pages of one whose ingest process is gone, on its stored data."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from joulemark.collector import ingest, listen, rest
from joulemark.config import load


async def served(file: Path, *, whole: bool) -> None:
    """A collector with the configuration in `file`, until SIGTERM; only `whole` it has an ingest."""
    settings = load(file)
    with listen.bind_rest(settings) as bound:
        if not whole:
            await rest.serve(settings, bound, lambda: None)
            return
        async with ingest.served(settings, f"http://{settings.collector.rest_listen}"):
            await rest.serve(settings, bound, lambda: None)


async def main(empty: Path, failing: Path) -> None:
    """Serve both; the one that SIGTERM ends ends the other."""
    both = [asyncio.create_task(served(empty, whole=True)), asyncio.create_task(served(failing, whole=False))]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for one in both:
        one.cancel()
    for one in await asyncio.gather(*both, return_exceptions=True):
        if isinstance(one, Exception):
            raise one


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
