"""What an attribution is asked for, and what is known inside the phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from joulemark.energy.attribution_claims import Flight, Method
from joulemark.request_log import Request
from joulemark.runs import Window


@dataclass(frozen=True, slots=True)
class Asked:
    """`method`: how requests share an interval. `mean_power`: of the phase, not of the moment. `slice_s`: of each slice. `listed`: each
    request too. `whole_device`: the operator says that nothing else ran on what the meters see. `idle_w`: stated idle power.
    """

    method: Method = Method.EQUAL
    mean_power: bool = False
    slice_s: float | None = None
    listed: bool = False
    whole_device: bool = False
    idle_w: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """`flights`: requests, and from where they are known; `slices`: of time, as the benchmark's tool cut them."""

    flights: tuple[Flight, ...] = ()
    source: str = ""
    slices: tuple[Window, ...] = ()

    @classmethod
    def logged(cls, requests: Sequence[Request] | None) -> Self:
        """What the request log of a bundle tells: no first tokens."""
        flights = tuple(Flight(request) for request in requests or ())
        return cls(flights, "the request log of the bundle" if flights else "")
