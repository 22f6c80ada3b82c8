"""`joulemark agent run` as a process, and what its batches hold."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from joulemark.proto import convert

FAKE = '[[meter]]\nkind = "fake"\ndevices = 2\n'


class AgentProcess:
    """`joulemark agent run` as a person starts it."""

    def __init__(self, folder: Path, port: int, meters: str = FAKE, *args: str, period_ms: int = 100) -> None:
        self.spool = folder / "spool.db"
        config = folder / "agent.toml"
        config.write_text(
            f'[agent]\nagent_id = "host"\ncollector = "127.0.0.1:{port}"\ninterval_ms = 50\nbatch_period_ms = {period_ms}\n'
            f'[spool]\npath = "{self.spool}"\n{meters}'
        )
        command = [sys.executable, "-m", "joulemark", "agent", "run", "--config", str(config), *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, number: int = signal.SIGTERM) -> str:
        """Signal it and wait; what it said on stderr."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=20)[1]

    def bodies(self) -> list[bytes]:
        """The batches in its spool; none while it is being created."""
        if not self.spool.exists():
            return []
        with closing(sqlite3.connect(self.spool)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'batch'").fetchone():
                return []
            return [row[0] for row in db.execute("SELECT body FROM batch ORDER BY epoch_ns, batch_seq")]


def seqs(bodies: list[bytes]) -> dict[tuple[int, str], list[int]]:
    """Sample numbers by epoch and device, as they lie in the batches."""
    found: dict[tuple[int, str], list[int]] = {}
    for view in map(convert.decode, bodies):
        for block in view.blocks:
            first = int.from_bytes(block.seq[:8], "little")
            found.setdefault((view.epoch_ns, block.device_id), []).extend(range(first, first + block.row_count))
    return found
