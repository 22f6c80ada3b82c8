"""`joulemark` as under the limit that the agent's unit sets, for a machine that lets a thread be before others and no limit be raised."""

from __future__ import annotations

import resource

from joulemark.agent.sampler import REALTIME_PRIORITY
from joulemark.cli import main

told = resource.getrlimit


def granted(which: int) -> tuple[int, int]:
    """The limits of this process, and the unit's for that of real time."""
    return (REALTIME_PRIORITY, REALTIME_PRIORITY) if which == resource.RLIMIT_RTPRIO else told(which)


if __name__ == "__main__":
    resource.getrlimit = granted
    main()
