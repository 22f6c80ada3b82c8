"""How a run that leaves files ends: its checker, a process of its own, judges them and prints its line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn


def judged(checker: str, work: Path) -> NoReturn:
    """Exit with the status of the module `checker` on the files in `work`, which are kept when it is red."""
    status = subprocess.run([sys.executable, "-m", checker, str(work)], check=False).returncode
    if status == 0:
        shutil.rmtree(work)
    else:
        print(f"files kept in {work}", file=sys.stderr)
    raise SystemExit(status)
