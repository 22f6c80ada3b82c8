"""A batch that the collector will never take: its bytes are kept in a file beside the spool, its samples become dated losses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from joulemark.agent.thinning import loss_of, samples_of
from joulemark.errors import FormatError
from joulemark.proto import convert
from joulemark.proto.messages import Loss

REASON: Final = "refused by the collector"
SHARE: Final = 16
"""The files take at most this part of the spool's bound."""


def keep(path: Path, key: tuple[int, int], body: bytes, *, max_bytes: int) -> Path | None:
    """Write `body` beside the spool `path`; None when earlier ones have used the share of files like it, or the disk refuses.

    The first ones are kept, not the last: they show how it began.
    """
    kept = path.with_name(f"{path.name}.refused-{key[0]}-{key[1]}")
    try:
        used_bytes = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}.refused-*"))
        if used_bytes + len(body) > max_bytes // SHARE:
            return None
        kept.write_bytes(body)
    except OSError:
        return None
    return kept


def losses(body: bytes, *, known: Loss, label: str, now_ns: int) -> list[Loss]:
    """What is lost with a batch: its samples, for the reason `label`, and the losses it carried, which nobody has heard of yet.

    Of a body that cannot be read `known` is lost, what the spool wrote down beside it. All are dated before `now_ns`: a date that
    nothing can store may be what was refused.
    """
    reason = f"{REASON}: {label}"
    try:
        view = convert.decode(body)
        lost = [loss_of(samples_of(block), reason) for block in view.blocks]
        carried = list(view.losses)
    except (FormatError, ValueError):
        lost, carried = [replace(known, reason=reason)], []
    return [replace(x, first_ns=within(x.first_ns, now_ns), last_ns=within(x.last_ns, now_ns)) for x in (*lost, *carried)]


def within(t_ns: int, now_ns: int) -> int:
    """The nearest moment between 1970 and now."""
    return min(max(t_ns, 0), now_ns)
