"""What a benchmark's files tell of each request: when it ran, its first token, its tokens; and the tool's own slices of time.

AIPerf tells it so far. The other tools' runs have windows and totals, and nothing inside them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from joulemark.benchmarks import ARCHIVES, aiperf, aiperf_requests, place_name
from joulemark.energy.attribution_claims import Flight
from joulemark.runs import Window
from joulemark.unpacked import unpacked


@dataclass(frozen=True, slots=True)
class Inside:
    """`flights`: every request, its phase named as `benchmarks.read` names it. `slices`: parts of phases as the tool cut them; those of one
    run of several carry its folder like the phases do.
    """

    flights: tuple[Flight, ...] = ()
    slices: tuple[Window, ...] = ()


def read(path: Path) -> Inside:
    """What the folder or archive `path` tells of requests; nothing where its tool keeps no records. Raises FormatError."""
    if path.name.lower().endswith(ARCHIVES) and path.is_file():
        with tempfile.TemporaryDirectory(prefix="joulemark-") as place:
            return read(unpacked(path, Path(place)))
    places = tuple(aiperf.places(path))
    prefix = {place: f"{place_name(path, place, places)}/" if len(places) > 1 else "" for place in places}
    flights = [in_run(flight, prefix[place]) for place in places for flight in aiperf_requests.flights(place)]
    numbered = tuple(replace(flight, request=replace(flight.request, id=number)) for number, flight in enumerate(flights))
    parts = [replace(part, name=prefix[place] + part.name) for place in places for part in aiperf_requests.slices(place)]
    return Inside(numbered, tuple(parts))


def in_run(flight: Flight, prefix: str) -> Flight:
    """The flight with its phase named as that of one run of several."""
    return replace(flight, request=replace(flight.request, phase=prefix + flight.request.phase))
