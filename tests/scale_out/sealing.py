"""The collector's side as a process that may be killed: `python -m tests.scale_out.sealing WORK NAME ROUNDS`.

It sends every batch to the store in the folder NAME from the first one on, as agents do that heard no acknowledgement, seals finished
spans in between, and in the end everything. One line of JSON says how many batches were stored already.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from joulemark import logs
from joulemark.collector.store import configured
from tests.bench.engine.trace import T0_NS
from tests.scale_out.hosts import anchored, batches
from tests.scale_out.processes import settings

LATER_S = 0.3
"""Between two tries of a shard that is down."""


def main() -> None:
    """Send and seal."""
    logs.configure("error")
    work, name, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    plan = json.loads((work / "plan.json").read_text(encoding="utf-8"))
    sent = batches(plan["seed"], nodes=plan["nodes"], reads=plan["reads"])
    with configured.store(settings(work, name)) as store:
        anchored(store)
        again = 0
        size = -(-len(sent) // rounds)
        for first in range(0, len(sent), size):
            again += sum(not done.result() for done in [store.append(one) for one in sent[first : first + size]])
            store.seal(T0_NS)
        cpu_s = time.process_time()
        while store.seal(T0_NS, everything=True) or any(state.failing_since_ns is not None for state in store.shards()):
            time.sleep(LATER_S)
        print(json.dumps({"again": again, "pid": os.getpid(), "last_seal_cpu_s": time.process_time() - cpu_s}))


if __name__ == "__main__":
    main()
