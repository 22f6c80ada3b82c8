"""What a benchmark's files tell of each request: when it ran, its first token, its tokens; and the tool's own slices of time.

AIPerf tells it so far. The other tools' runs have windows and totals, and nothing inside them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from joulemark.benchmarks import ARCHIVES, aiperf, aiperf_requests, place_name
from joulemark.energy.attribution_claims import Flight
from joulemark.runs import Window
from joulemark.unpacked import unpacked


@dataclass(frozen=True, slots=True)
class Inside:
    """`flights`: every request, its phase named as `benchmarks.read` names it. `slices`: parts of phases as the tool cut them."""

    flights: tuple[Flight, ...] = ()
    slices: tuple[Window, ...] = ()


def read(path: Path) -> Inside:
    """What the folder or archive `path` tells of requests; nothing where its tool keeps no records. Raises FormatError."""
    if path.name.lower().endswith(ARCHIVES) and path.is_file():
        with tempfile.TemporaryDirectory(prefix="joulemark-") as place:
            return read(unpacked(path, Path(place)))
    places = tuple(aiperf.places(path))
    found = [flight for place in places for flight in named(aiperf_requests.flights(place), path, place, places)]
    numbered = tuple(replace(flight, request=replace(flight.request, id=number)) for number, flight in enumerate(found))
    return Inside(numbered, tuple(part for place in places for part in aiperf_requests.slices(place)))


def named(flights: Sequence[Flight], root: Path, place: Path, places: tuple[Path, ...]) -> list[Flight]:
    """The flights with their phases as `benchmarks.merged` names those of several runs below one root."""
    if len(places) == 1:
        return list(flights)
    run = place_name(root, place, places)
    return [replace(flight, request=replace(flight.request, phase=f"{run}/{flight.request.phase}")) for flight in flights]
