"""Marks: whether the phases of a run are those that were marked as they happened, and who saw it (PHA-7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from joulemark.chain import MARK, Chain, Event, Receipt
from joulemark.pki import seal
from joulemark.runs import Run, Window
from joulemark.standard.trust import Trust
from joulemark.units import NS_PER_S

AUTHORITIES: Final = ("board", "kit")
"""Roles of keys whose receipts count."""

Edge = tuple[str, str, str, int]
"""Phase, kind, edge and UTC in ns: what a mark says."""


def edges(windows: Sequence[Window]) -> list[Edge]:
    """What the marks of some phases have to say."""
    return [
        (window.name, str(window.kind), edge, edge_ns)
        for window in windows
        for edge, edge_ns in (("begin", window.begin_ns), ("end", window.end_ns))
    ]


def marked(chain: Chain) -> dict[Edge, Event]:
    """What the marks of the chain say, on the collector's axis as an event `placed` moved it, with the first event that says it."""
    found: dict[Edge, Event] = {}
    moved = chain.moved_ns()
    for event in chain.of_kind(MARK):
        data = event.data
        utc_ns = moved.get(event.seq, data.get("utc_ns"))
        if isinstance(utc_ns, int):
            found.setdefault((str(data.get("phase")), str(data.get("kind")), str(data.get("edge")), utc_ns), event)
    return found


def farthest_s(chain: Chain) -> float:
    """How far the clock states moved a mark from the time that was hashed when it came, at most, s."""
    moved = chain.moved_ns()
    said = ((event.seq, event.data.get("utc_ns")) for event in chain.of_kind(MARK))
    return max((abs(moved[seq] - utc_ns) / NS_PER_S for seq, utc_ns in said if seq in moved and isinstance(utc_ns, int)), default=0.0)


def delay_s(edge: Edge, event: Event) -> float:
    """How long after the moment that it marks an event came; negative before it."""
    return (event.t_ns - edge[3]) / NS_PER_S


def unlike(chain: Chain, run: Run) -> list[str]:
    """Where marks and phases are not the same, in words."""
    wanted, told = edges(run.windows), marked(chain)
    bare = [
        f"{name}: no mark of its {edge} at {utc_ns} ns" for name, kind, edge, utc_ns in wanted if (name, kind, edge, utc_ns) not in told
    ]
    known = set(wanted)
    strange = [f"the {edge} of {name} was marked at {utc_ns} ns and is not in the run" for name, _, edge, utc_ns in told.keys() - known]
    doubled = [] if len(chain.of_kind(MARK)) == len(told) else ["a mark stands twice in the chain, or says no time"]
    return bare + sorted(strange) + doubled


def unreceipted(chain: Chain, windows: Sequence[Window], trust: Trust, *, within_s: float, early_s: float) -> list[str]:
    """The edges of some phases that no authority saw in time. A receipt of a later event holds for all before it."""
    told = marked(chain)
    good = [receipt for receipt in chain.receipts if holds(receipt, chain, trust)]
    found = []
    for edge in edges(windows):
        event = told.get(edge)
        seen = event is not None and any(
            receipt.seq >= event.seq and -early_s <= (receipt.t_ns - edge[3]) / NS_PER_S <= within_s for receipt in good
        )
        if not seen:
            found.append(f"{edge[0]} {edge[2]}")
    return found


def holds(receipt: Receipt, chain: Chain, trust: Trust) -> bool:
    """Whether a receipt is of an event of this chain, by a key of an authority that the verifier knows, and true."""
    key = trust.key(receipt.public_key)
    if key is None or key.role not in AUTHORITIES or not 0 <= receipt.seq < len(chain.events):
        return False
    if receipt.sha256 != chain.events[receipt.seq].computed_sha256:
        return False
    return seal.holds(receipt.public_key, receipt.signed_sha256, receipt.signature)
